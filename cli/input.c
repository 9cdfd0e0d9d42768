/* Texts from operands, a file or standard input, in batches that do not grow with the file. */
#include "cli.h"
#include "division.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_TEXTS = 512, MOST_BYTES = 1 << 20 };

struct input {
    bert_reader *reader; /* NULL: operands */
    const char *path;
    bool typed;      /* a person at a terminal: answer each line at once */
    bool done, told; /* told: of bytes that are not UTF-8 */
    bool quiet, json;
    const char *file;      /* that the answers go into, or NULL */
    int64_t count, failed; /* texts given out; rows that were passed over */
    division *work;
    bool inside;               /* a part of the file is being read, of which */
    int64_t inside_count;      /* so many texts have been */
    int64_t first;             /* texts in front of the batch */
    const bert_recipe *recipe; /* whose columns are read, or NULL */
    int row;                   /* texts of each row */
    bool named;                /* the first view's columns are the user's */
    bert_text *texts;
    int64_t *lines;
    int32_t n;
    char *bytes; /* the texts of the batch, end to end */
    size_t used, capacity;
};

/* What messages call text i of the latest ones. */
static void name_text(const input *in, int i, char *where, size_t capacity) {
    if (in->reader)
        snprintf(where, capacity, "%s:%lld", strcmp(in->path, "-") ? in->path : "standard input",
                 (long long)in->lines[i]);
    else
        snprintf(where, capacity, "text %d", i + 1);
}

/* Invalid bytes are read as U+FFFD, as the tokenizer does; that this happened is said once, of several
 * processes at the end. */
static void tell_invalid(input *in, int i) {
    char where[300];
    if (in->told || !division_alone(in->work)) return;
    in->told = true;
    name_text(in, i, where, sizeof where);
    if (!in->quiet) fprintf(stderr, "%s: bytes that are not UTF-8 are read as U+FFFD\n", where);
}

void say_how_read(const common *c, const char *path, const bert_reader *r) {
    const char *line;
    const char *name = strcmp(path, "-") ? path : "standard input";
    for (int i = 0; (line = bert_reader_note(r, i)); i++) note(c, "%s: %s", name, line);
    if (bert_reader_guessed(r)) note(c, "%s: %s", name, NO_HEADER);
}

int use_views(const common *c, int *operands, char ***operand, bert_error *e) {
    if (!c->views) return 0;
    if (*operands || c->input)
        return fail_usage(e, "--view says what is read, and so %s: give one of them",
                          c->input ? "does -i" : "do operands");
    *operands = c->views;
    *operand = (char **)(uintptr_t)c->view;
    return 0;
}

int check_rows(int operands, int row, const char *what, bert_error *e) {
    if (row < 2 || operands % row == 0) return 0;
    return fail_usage(e, "%d %s%s: a row of this model is %d of them, one behind the other",
                      operands, what, operands == 1 ? "" : "s", row);
}

bool has_columns(const char *path) {
    const char *dot = path ? strrchr(path, '.') : NULL;
    return path && strcmp(path, "-") && !(dot && !strcmp(dot, ".txt"));
}

/* Columns of the recipe, where no option names any, and the file has some. */
static void choose_columns(input *in, const common *c, bert_reader_options *o) {
    bert_recipe_view v;
    in->named = c->text_column != NULL;
    if (in->named || !has_columns(in->path) || !bert_recipe_view_at(in->recipe, 0, &v) || !v.text)
        return;
    o->text_column = v.text;
    if (!o->pair_column) o->pair_column = v.pair ? v.pair : "";
    /* read by itself; the reader then does not call it a column that nobody reads */
    if (in->row > 1 && !v.pair && bert_recipe_view_at(in->recipe, 1, &v)) o->pair_column = v.text;
}

input *input_open(const common *c, int texts, char **text, bert_error *e) {
    return input_open_rows(c, NULL, 1, texts, text, e);
}

input *input_open_rows(const common *c, const bert_recipe *r, int row, int texts, char **text,
                       bert_error *e) {
    if (texts && check_rows(texts, row, "text", e)) return NULL;
    if (!texts && row > 1 && !has_columns(c->input ? c->input : "-")) {
        fail_usage(e, "a row of this model is %d texts: -i FILE with their columns, or operands",
                   row);
        return NULL;
    }
    input *in = calloc(1, sizeof *in);
    size_t most = texts > MOST_TEXTS + row ? (size_t)texts : (size_t)(MOST_TEXTS + row);
    if (in) in->texts = calloc(most, sizeof *in->texts);
    if (in) in->lines = calloc(most, sizeof *in->lines);
    if (!in || !in->texts || !in->lines) {
        fail_memory(e);
        input_close(in);
        return NULL;
    }
    in->quiet = c->quiet;
    in->work = c->work;
    in->json = output_json(c);
    in->file = c->lines;
    in->recipe = r;
    in->row = row;
    if (texts) {
        in->n = texts;
        for (int i = 0; i < texts; i++) {
            in->texts[i] = bert_text_of(text[i]);
            if (!is_utf8(text[i], in->texts[i].bytes)) tell_invalid(in, i);
        }
        return in;
    }
    in->path = c->input ? c->input : "-";
    in->typed = !strcmp(in->path, "-") && isatty(STDIN_FILENO);
    if (in->typed) note(c, "Type a text and press Enter; Ctrl-D ends.");
    bert_reader_options o = {.text_column = c->text_column, .pair_column = c->pair_column};
    choose_columns(in, c, &o);
    in->reader = bert_reader_open(in->path, &o, e);
    if (in->reader && !division_open(in->work, c, in->path, in->reader, e)) {
        say_how_read(c, in->path, in->reader);
        return in;
    }
    input_close(in);
    return NULL;
}

static int keep(input *in, const char *text, size_t bytes, bert_error *e) {
    if (in->used + bytes > in->capacity) {
        size_t capacity = 2 * (in->used + bytes);
        char *larger = realloc(in->bytes, capacity);
        if (!larger) return fail_memory(e);
        in->bytes = larger;
        in->capacity = capacity;
    }
    if (bytes) memcpy(in->bytes + in->used, text, bytes);
    in->used += bytes;
    return 0;
}

static int keep_text(input *in, bert_text text, int64_t line, bert_error *e) {
    in->texts[in->n] = text;
    in->lines[in->n++] = line;
    int rc = keep(in, text.text, text.bytes, e);
    return rc || !text.pair ? rc : keep(in, text.pair, text.pair_bytes, e);
}

/* The field of a view. */
static const char *field_of(const input *in, const bert_row *row, const char *name, bert_error *e) {
    const int at = bert_reader_column(in->reader, name);
    if (at >= 0 && at < row->fields && row->field[at]) return row->field[at];
    fail(e, BERT_EFORMAT, "%s:%lld: there is no column '%s', which a row of this model has",
         strcmp(in->path, "-") ? in->path : "standard input", (long long)row->line, name);
    return NULL;
}

/* A row that is several texts. */
static int keep_views(input *in, const bert_row *row, bert_error *e) {
    bert_recipe_view v;
    int rc = in->named ? fail_usage(e,
                                    "--text-column is of one text, and a row of this model is "
                                    "%d: the recipe has their columns",
                                    in->row)
                       : 0;
    for (int i = 0; i < in->row && !rc && bert_recipe_view_at(in->recipe, i, &v); i++) {
        const char *text = field_of(in, row, v.text, e);
        const char *pair = text && v.pair ? field_of(in, row, v.pair, e) : NULL;
        if (!text || (v.pair && !pair)) return BERT_EFORMAT;
        bert_text t = bert_text_of(text);
        t.pair = pair;
        t.pair_bytes = pair ? strlen(pair) : 0;
        rc = keep_text(in, t, row->line, e);
    }
    return rc;
}

/* The next row of this process; 0 at the end of a part, or of all, which is in->done. */
static int next_row(input *in, bert_row *row, bert_error *e) {
    if (!in->inside) {
        int rc = division_next(in->work, in->reader, e);
        in->done = !rc;
        if (rc <= 0) return rc;
        in->inside = true;
        in->inside_count = 0;
    }
    int rc = bert_reader_next(in->reader, row, e);
    in->inside = rc != 0;
    return rc;
}

int32_t input_next(input *in, const bert_text **texts, bert_error *e) {
    if (in->done) return 0;
    *texts = in->texts;
    if (!in->reader) {
        in->done = true;
        in->count = in->n;
        return in->n;
    }
    in->n = 0;
    in->used = 0;
    int most = in->typed ? 1 : MOST_TEXTS;
    while (in->n < most && in->used < MOST_BYTES) {
        bert_row row;
        int rc = next_row(in, &row, e);
        if (rc < 0) return rc;
        if (!rc && !in->done && !in->n) continue; /* the next part */
        if (!rc) break;
        rc = in->row > 1 ? keep_views(in, &row, e) : keep_text(in, row.text, row.line, e);
        if (rc) return rc < 0 ? rc : BERT_EINVAL;
        if (bert_reader_invalid(in->reader)) tell_invalid(in, in->n - 1);
    }
    /* The bytes may have moved while they grew: point into them now. */
    const char *p = in->bytes;
    for (int32_t i = 0; i < in->n; i++) {
        bert_text *t = &in->texts[i];
        t->text = p ? p : "";
        p += t->bytes;
        if (!t->pair) continue;
        t->pair = p;
        p += t->pair_bytes;
    }
    in->count += in->n;
    in->first = division_row(in->work) * in->row + in->inside_count;
    in->inside_count += in->n;
    return in->n;
}

void input_explain(const input *in, bert_error *e) {
    int i, skip = 0;
    if (sscanf(e->message, "text %d%n", &i, &skip) != 1 || !skip || i < 0 || i >= in->n) return;
    char where[300], rest[sizeof e->message];
    name_text(in, i, where, sizeof where);
    memcpy(rest, e->message + skip, strlen(e->message + skip) + 1);
    snprintf(e->message, sizeof e->message, "%s%.*s", where, (int)(sizeof rest - 1 - strlen(where)),
             rest);
}

/* A task of one text calls it text 0, wherever in the batch it is. */
static void number_text(bert_error *e, int32_t i) {
    char rest[sizeof e->message];
    if (!i || strncmp(e->message, "text 0", 6)) return;
    memcpy(rest, e->message + 6, strlen(e->message + 6) + 1);
    snprintf(e->message, sizeof e->message, "text %d%.*s", (int)i, (int)sizeof rest - 20, rest);
}

int input_pass_over(input *in, int32_t i, const bert_text_info *info, bert_error *e) {
    bert_error why = {.code = info->code};
    snprintf(why.message, sizeof why.message, "%s", info->message);
    if (in) input_explain(in, &why);
    const bool only = !in || (in->done && in->count == in->row);
    if (only || !division_alone(in->work)) return fail(e, why.code, "%s", why.message);
    say_error(why.message);
    in->failed++;
    if (!in->json) return 0;
    const int64_t row = (in->first + i) / in->row;
    return output_line(json_pack("{s:o*, s:I}", "error",
                                 json_text(why.message, strlen(why.message)), "text",
                                 (json_int_t)row),
                       e);
}

/* What each process has seen of its parts. */
static int tell_all_invalid(const input *in, bert_error *e) {
    int64_t n = in->reader ? bert_reader_invalid(in->reader) : 0;
    int rc = division_sum(in->work, &n, e);
    if (!rc && n && !in->quiet)
        fprintf(stderr, "%s: %lld row%s bytes that are not UTF-8; these are read as U+FFFD\n",
                in->path, (long long)n, n == 1 ? " has" : "s have");
    return rc;
}

void input_into(input *in, const char *file) {
    if (file) in->file = file;
}

int input_sum_up(const input *in, bert_error *e) {
    if (!division_alone(in->work)) return tell_all_invalid(in, e);
    if (!in->failed) return 0;
    return fail(e, BERT_EFORMAT, "%lld of %lld %s failed; %s%s", (long long)in->failed,
                (long long)(in->count / in->row), in->row > 1 ? "rows" : "texts",
                in->file ? in->file : "the others are answered", in->file ? " is not written" : "");
}

int input_batches(input *in,
                  int (*each)(void *context, input *in, const bert_text *texts, int32_t n,
                              bert_error *e),
                  void *context, bert_error *e) {
    const bert_text *texts;
    int32_t n;
    int rc = 0;
    while (!rc && (n = input_next(in, &texts, e)) != 0) {
        if (n < 0) return n;
        rc = each(context, in, texts, n, e);
        if (rc)
            input_explain(in, e);
        else
            rc = output_flush(e);
    }
    return rc ? rc : input_sum_up(in, e);
}

typedef struct {
    int (*each)(void *context, const bert_text *text, bert_error *e);
    void *context;
} one_by_one;

static int each_of(void *context, input *in, const bert_text *texts, int32_t n, bert_error *e) {
    const one_by_one *o = context;
    int rc = 0;
    for (int32_t i = 0; i < n && !rc; i++) {
        rc = o->each(o->context, &texts[i], e);
        if (rc) number_text(e, i);
        if (rc != BERT_ETOOLONG) continue;
        const bert_error why = *e;
        *e = (bert_error){0};
        rc = input_pass_over(in, i, &(bert_text_info){.code = rc, .message = why.message}, e);
    }
    return rc;
}

int input_each(input *in, int (*each)(void *context, const bert_text *text, bert_error *e),
               void *context, bert_error *e) {
    return input_batches(in, each_of, &(one_by_one){each, context}, e);
}

int64_t input_count(const input *in) {
    const int64_t rows = in->reader ? division_rows(in->work) : -1;
    return rows < 0 ? in->count : rows * in->row;
}

int64_t input_first(const input *in) {
    return in->first;
}

int check_divided(const common *c, const char *output, bert_error *e) {
    const int n = division_group(c->work)->size;
    if (n < 2) return 0;
    if (!c->input || !strcmp(c->input, "-"))
        return fail_usage(
            e,
            "%d processes share a file: -i FILE names it (standard input and operands "
            "are of one process; --distributed none)",
            n);
    return output ? 0 : fail_usage(e, "%d processes write one file: -o FILE names it", n);
}

void input_close(input *in) {
    if (!in) return;
    bert_reader_close(in->reader);
    free(in->texts);
    free(in->lines);
    free(in->bytes);
    free(in);
}
