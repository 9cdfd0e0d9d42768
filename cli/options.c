/* Options by tables: the shared rows, and the help that is made from the same rows. */
#include "options.h"
#include "cli.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- Values */

int set_string(const option *o, void *target, const char *value, bert_error *e) {
    (void)o, (void)e;
    *(const char **)target = value;
    return 0;
}

static int set_number(const option *o, int64_t min, int64_t max, const char *value, int64_t *out,
                      bert_error *e) {
    char *end;
    errno = 0;
    long long x = strtoll(value, &end, 10);
    if (!*value || *end || errno || x < min || x > max)
        return fail(e, BERT_EINVAL, "--%s is a whole number from %lld to %lld, not '%s'", o->name,
                    (long long)min, (long long)max, value);
    *out = x;
    return 0;
}

int set_count(const option *o, void *target, const char *value, bert_error *e) {
    int64_t x = 0;
    int rc = set_number(o, 0, INT32_MAX, value, &x, e);
    *(int32_t *)target = (int32_t)x;
    return rc;
}

int set_positive(const option *o, void *target, const char *value, bert_error *e) {
    int64_t x = 1;
    int rc = set_number(o, 1, INT32_MAX, value, &x, e);
    *(int32_t *)target = (int32_t)x;
    return rc;
}

int set_seed(const option *o, void *target, const char *value, bert_error *e) {
    int64_t x = 0;
    int rc = set_number(o, 0, INT64_MAX, value, &x, e);
    *(uint64_t *)target = (uint64_t)x;
    return rc;
}

int set_true(const option *o, void *target, const char *value, bert_error *e) {
    (void)o, (void)e;
    *(bool *)target = !value || strcmp(value, "false");
    return 0;
}

static int set_precision(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    return bert_precision_parse(value, target, e);
}

static int set_overflow(const option *o, void *target, const char *value, bert_error *e) {
    (void)o;
    return bert_overflow_parse(value, target, e);
}

/* "0,4095", of two doubles. */
static int set_range(const option *o, void *target, const char *value, bert_error *e) {
    double *range = target;
    char *end;
    range[0] = strtod(value, &end);
    if (end == value || *end != ',')
        return fail(e, BERT_EINVAL, "--%s is two numbers, LOW,HIGH, not '%s'", o->name, value);
    const char *second = end + 1;
    range[1] = strtod(second, &end);
    if (end == second || *end || !(range[1] > range[0]))
        return fail(e, BERT_EINVAL, "--%s: the second number is larger, not '%s'", o->name, value);
    return 0;
}

static int set_view(const option *o, void *target, const char *value, bert_error *e) {
    common *c = (common *)target;
    const int most = sizeof c->view / sizeof *c->view;
    if (c->views == most) return fail(e, BERT_EINVAL, "--%s: %d are the most", o->name, most);
    c->view[c->views++] = (char *)(uintptr_t)value;
    return 0;
}

/* ---- The shared rows */

#define AT(member) offsetof(common, member)
static const option shared[] = {
    {"input", 'i', "FILE", "read texts from FILE (.txt, .csv, .tsv, .jsonl; - is standard input)",
     set_string, AT(input), TAKES_FILE},
    {"output", 'o', "FILE",
     "write the lines into FILE.jsonl, which appears when all are there, instead of printing them",
     set_string, AT(lines), TAKES_LINES},
    {"text-column", 0, "NAME", "column of the text, by name or number (default: the usual names)",
     set_string, AT(text_column), TAKES_COLUMNS},
    {"pair-column", 0, "NAME", "column of the second text, for pairs; none: there is none",
     set_string, AT(pair_column), TAKES_COLUMNS},
    {"label-column", 0, "NAME", "column of the label (default: the usual names)", set_string,
     AT(label_column), TAKES_LABEL},
    {"image-column", 0, "NAME",
     "of models of pictures: column of their paths, which are relative to the file (default: the "
     "usual "
     "names)",
     set_string, AT(image_column), TAKES_IMAGES},
    {"image-range", 0, "LOW,HIGH",
     "values of 16-bit grey that become 0 and 1 (default: the picture's own least and largest)",
     set_range, AT(range_low), TAKES_IMAGES},
    {"interpolate-pos-encoding", 0, NULL, "pictures of another size than the model's are taken",
     set_true, AT(interpolate), TAKES_IMAGES},
    {"skip-unreadable", 0, NULL,
     "pictures that cannot be read are left out and counted (default: each is an error, and the "
     "others are answered)",
     set_true, AT(skip_unreadable), TAKES_IMAGES},
    {"view", 0, "FILE",
     "one of the pictures, or texts, of a row of a model that takes several; again for each",
     set_view, 0, TAKES_VIEWS},
    {"max-length", 0, "N", "most tokens of a text (default: what the model says)", set_count,
     AT(max_length), TAKES_LIMIT},
    {"on-overflow", 0, "error|truncate|window", "what to do with longer texts (default: error)",
     set_overflow, AT(overflow), TAKES_LIMIT},
    {"stride", 0, "N", "tokens that neighbouring windows share (default: 0)", set_count, AT(stride),
     TAKES_STRIDE},
    {"threads", 0, "N", "threads to use (default: one per core)", set_count, AT(threads),
     TAKES_SESSION},
    {"precision", 0, "NAME", "highest (float32 accuracy, default), high, medium (bf16), int8",
     set_precision, AT(precision), TAKES_SESSION},
    {"batch-tokens", 0, "N", "most tokens computed at once; changes speed, never results",
     set_count, AT(batch_tokens), TAKES_SESSION},
    {"seed", 0, "N", "of weights that the model does not hold (default: 42)", set_seed, AT(seed),
     TAKES_SESSION},
    {"task", 0, "NAME", "which one, of a model with several tasks", set_string, AT(task),
     TAKES_TASK},
    {"distributed", 0, "auto|none|mpi",
     "divide the work among the processes of mpirun: where it has started several (default), "
     "never, "
     "always",
     set_string, AT(distributed), TAKES_GROUP},
    {"offline", 0, NULL, "fetch nothing: what is in the cache, or an error (HF_HUB_OFFLINE=1)",
     set_true, AT(offline), TAKES_MODEL},
    {"json", 0, NULL, "JSON lines on a terminal too", set_true, AT(json), TAKES_OUTPUT},
    {"columns", 0, NULL, "columns into files and pipes too", set_true, AT(columns), TAKES_OUTPUT},
    {"quiet", 0, NULL, "no messages but errors", set_true, AT(quiet), TAKES_OUTPUT | TAKES_QUIET},
};
#undef AT

bool option_of(const command *c, int i, option *out) {
    for (const option *o = c->options; o && o->name; o++) {
        if (i-- == 0) {
            *out = *o;
            return true;
        }
    }
    for (size_t k = 0; k < sizeof shared / sizeof *shared; k++) {
        if (!(shared[k].group & c->groups)) continue;
        if (i-- == 0) {
            *out = shared[k];
            return true;
        }
    }
    return c->option_at && c->option_at(i, out);
}

/* ---- Help */

/* `text` in lines that start at column `indent`; the cursor is at `column`. */
static void print_wrapped(FILE *f, const char *text, int column, int indent) {
    enum { WIDTH = 96 };
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column > indent && column + n > WIDTH) {
            fprintf(f, "\n%*s", indent, "");
            column = indent;
        }
        fprintf(f, "%.*s", n, text);
        column += n;
        text += n;
        if (*text == ' ') {
            text++;
            if (column + 1 + (int)strcspn(text, " ") <= WIDTH) {
                fputc(' ', f);
                column++;
            } else {
                fprintf(f, "\n%*s", indent, "");
                column = indent;
            }
        }
    }
    fputc('\n', f);
}

void print_help(const command *c, FILE *f) {
    enum { INDENT = 34 };
    fprintf(f, "usage: bert %s %s [options]\n\n%c%s.\n", c->name, c->operands, toupper(c->help[0]),
            c->help + 1);
    if (c->more) fprintf(f, "%s\n", c->more);
    fprintf(f, "\noptions:\n");
    option o;
    for (int i = 0; option_of(c, i, &o); i++) {
        int n =
            fprintf(f, "  %s%c%s--%s%s%s", o.letter ? "-" : "", o.letter ? o.letter : ' ',
                    o.letter ? ", " : "   ", o.name, o.value ? " " : "", o.value ? o.value : "");
        if (n >= INDENT) {
            fprintf(f, "\n");
            n = 0;
        }
        fprintf(f, "%*s", INDENT - n, "");
        print_wrapped(f, o.help, INDENT, INDENT);
    }
}
