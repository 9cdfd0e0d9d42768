/* Results on standard output, messages on standard error. */
#include "cli.h"
#include "file.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Names and labels come from files: nothing of them may control the terminal. */
static void disarm(char *text) {
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if ((*p < 32 && *p != '\n') || *p == 127) *p = '?';
}

__attribute__((format(printf, 3, 0))) static void set_error(bert_error *e, int code,
                                                            const char *format, va_list args) {
    if (!e || e->code) return;
    e->code = code;
    vsnprintf(e->message, sizeof e->message, format, args);
    disarm(e->message);
}

int fail(bert_error *e, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set_error(e, code, format, args);
    va_end(args);
    return code;
}

int fail_usage(bert_error *e, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set_error(e, BERT_EINVAL, format, args);
    va_end(args);
    return USAGE;
}

int fail_memory(bert_error *e) {
    return fail(e, BERT_ENOMEM, "out of memory");
}

void note(const common *c, const char *format, ...) {
    char *text;
    if (c->quiet) return;
    va_list args;
    va_start(args, format);
    const int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) return;
    disarm(text);
    fprintf(stderr, "%s\n", text);
    free(text);
}

void say_error(const char *message) {
    char *text = strdup(message);
    if (text) disarm(text);
    fprintf(stderr, "%s\n", text ? text : "out of memory");
    free(text);
}

/* Where lines go. */
static struct {
    FILE *f; /* NULL: standard output */
    const char *name;
} into;

void output_into(FILE *f, const char *name) {
    into.f = f;
    into.name = name;
}

int check_lines_file(const common *c, const char *path, bert_error *e) {
    const char *dot = strrchr(path, '.');
    if (!dot || strcmp(dot, ".jsonl"))
        return fail_usage(e, "-o %s: the name ends in .jsonl, which is what is written", path);
    if (c->columns)
        return fail_usage(e, "--columns are printed; -o %s has a JSON object a line", path);
    return may_write(path, c->input, e);
}

bool output_json(const common *c) {
    /* mpirun gives a terminal to processes, wherever its own output goes. */
    if (c->group && c->group->size > 1) return !c->columns;
    return into.f || c->json || !(c->columns || isatty(STDOUT_FILENO));
}

static int write_failed(bert_error *e) {
    return into.f ? fail(e, BERT_EIO, "cannot write %s: %s", into.name, strerror(errno))
                  : fail(e, BERT_EIO, "cannot write to standard output: %s", strerror(errno));
}

int output_flush(bert_error *e) {
    if (into.f) return ferror(into.f) ? write_failed(e) : 0; /* nobody is watching */
    if (!ferror(stdout) && !fflush(stdout)) return 0;
    int rc = write_failed(e);
    if (!e) fprintf(stderr, "bert: cannot write to standard output: %s\n", strerror(errno));
    return rc;
}

int output_line(json_t *object, bert_error *e) {
    if (!object) return fail_memory(e);
    errno = 0;
    /* 9 digits bring a float back to the bit. */
    FILE *f = into.f ? into.f : stdout;
    int rc = json_dumpf(object, f, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (rc && !ferror(f)) return fail_memory(e);
    return rc || putc('\n', f) == EOF ? write_failed(e) : 0;
}

json_t *json_number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *json_floats(const float *x, size_t n) {
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++) {
        if (json_array_append_new(a, json_number((double)x[i]))) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

json_t *json_ints(const int32_t *x, size_t n) {
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++) {
        if (json_array_append_new(a, json_integer(x[i]))) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

const bert_text_info *first_failed(const bert_text_info *info, int n) {
    for (int i = 0; i < n; i++)
        if (info[i].code) return &info[i];
    return NULL;
}

int json_dropped(json_t *row, const bert_text_info *info) {
    if (!info->dropped) return 0;
    return json_object_set_new(row, "dropped", json_integer(info->dropped));
}

void print_dropped(const bert_text_info *info) {
    if (info->dropped) printf("  (%d tokens dropped)", info->dropped);
}

bert_text_info most_dropped(const bert_text_info *info, int n) {
    bert_text_info most = info[0];
    for (int i = 1; i < n; i++)
        if (info[i].dropped > most.dropped) most = info[i];
    return most;
}

/* The bytes of the character at p, or those that are read as one U+FFFD: the longest start of one.
 */
static size_t character(const unsigned char *p, size_t n, bool *valid) {
    size_t size = *p < 0x80 ? 1 : *p < 0xC2 ? 0 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : *p < 0xF5 ? 4 : 0;
    unsigned low = *p == 0xE0 ? 0xA0 : *p == 0xF0 ? 0x90 : 0x80;
    unsigned high = *p == 0xED ? 0x9F : *p == 0xF4 ? 0x8F : 0xBF;
    size_t i = 1;
    for (; i < size && i < n && p[i] >= low && p[i] <= high; i++) low = 0x80, high = 0xBF;
    *valid = i == size;
    return i;
}

bool is_utf8(const char *text, size_t bytes) {
    bool valid = true;
    for (size_t i = 0; i < bytes && valid;)
        i += character((const unsigned char *)text + i, bytes - i, &valid);
    return valid;
}

json_t *json_text(const char *text, size_t bytes) {
    if (is_utf8(text, bytes)) return json_stringn(text, bytes);
    char *copy = malloc(3 * bytes);
    size_t used = 0;
    for (size_t i = 0, n; copy && i < bytes; i += n) {
        bool valid;
        n = character((const unsigned char *)text + i, bytes - i, &valid);
        memcpy(copy + used, valid ? text + i : "\xEF\xBF\xBD", valid ? n : 3);
        used += valid ? n : 3;
    }
    json_t *string = copy ? json_stringn(copy, used) : NULL;
    free(copy);
    return string;
}

int terminal_width(int fd) {
    struct winsize w;
    return !ioctl(fd, TIOCGWINSZ, &w) && w.ws_col >= 20 ? w.ws_col : 80;
}

void fit(const bert_text *text, int columns, char *out) {
    size_t used = 0, last = 0; /* bytes written, and where the last character starts */
    int column = 0;
    for (size_t i = 0; i < text->bytes && used + 1 < (size_t)columns * 4; i++) {
        unsigned char c = (unsigned char)text->text[i];
        if ((c & 0xC0) != 0x80) {
            if (column++ == columns) {
                memcpy(out + last, "\xE2\x80\xA6", 4);
                return;
            }
            last = used;
        }
        out[used++] = c < 32 || c == 127 ? ' ' : (char)c;
    }
    out[used] = 0;
}

int columns_of(const char *text) {
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void print_column(const char *text, int columns) {
    int used = columns_of(text);
    for (const char *p = text; *p; p++) putchar((unsigned char)*p < 32 || *p == 127 ? ' ' : *p);
    printf("%*s", used < columns ? columns - used : 0, "");
}

void format_bytes(int64_t bytes, char *out, size_t capacity) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double x = (double)bytes;
    int unit = 0;
    while (x >= 999.5 && unit < 4) x /= 1000, unit++;
    snprintf(out, capacity, x < 9.95 && unit ? "%.1f %s" : "%.0f %s", x, units[unit]);
}
