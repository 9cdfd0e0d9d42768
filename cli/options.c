/* Options by tables: the shared rows, parsing, and the help that is made from the same rows. */
#include "cli.h"
#include "nearest.h"
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
    (void)o, (void)value, (void)e;
    *(bool *)target = true;
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

/* ---- The shared rows */

#define AT(member) offsetof(common, member)
static const option shared[] = {
    {"input", 'i', "FILE", "read texts from FILE (.txt, .csv, .tsv, .jsonl; - is standard input)",
     set_string, AT(input), TAKES_FILE},
    {"text-column", 0, "NAME", "column of the text, by name or number (default: the usual names)",
     set_string, AT(text_column), TAKES_COLUMNS},
    {"pair-column", 0, "NAME", "column of the second text, for pairs; none: there is none",
     set_string, AT(pair_column), TAKES_COLUMNS},
    {"label-column", 0, "NAME", "column of the label (default: the usual names)", set_string,
     AT(label_column), TAKES_LABEL},
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
    {"json", 0, NULL, "JSON lines on a terminal too", set_true, AT(json), TAKES_OUTPUT},
    {"columns", 0, NULL, "columns into files and pipes too", set_true, AT(columns), TAKES_OUTPUT},
    {"quiet", 0, NULL, "no messages but errors", set_true, AT(quiet), TAKES_OUTPUT},
};
#undef AT

/* Row i of what a command takes: its own, the shared ones, then those of run time. */
static bool option_of(const command *c, int i, option *out) {
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

/* ---- Parsing */

/* "max_length" and "max-length" are one name. */
static bool same_name(const char *name, const char *typed, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!name[i] || name[i] != (typed[i] == '_' ? '-' : typed[i])) return false;
    return !name[n];
}

static bool truth_value(const char *s) {
    return s && (!strcmp(s, "true") || !strcmp(s, "false"));
}

/* The option at argv[*i] with its value; *i moves to its last argument. */
static int parse_option(const command *c, int argc, char **argv, int *i, void *arguments,
                        bert_error *e) {
    const char *arg = argv[*i], *value = NULL;
    bool is_long = arg[1] == '-';
    const char *typed = arg + 1 + is_long;
    size_t n = is_long ? strcspn(typed, "=") : 1;
    nearest near = nearest_to(typed);
    option o;
    bool found = false;
    for (int k = 0; !found && option_of(c, k, &o); k++) {
        found = is_long ? same_name(o.name, typed, n) : o.letter && o.letter == *typed;
        if (!found && is_long) nearest_offer(&near, o.name);
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)n, typed);
    const char *instead = found || !is_long || !c->instead ? NULL : c->instead(name);
    if (instead) return fail(e, BERT_EINVAL, "there is no option '--%s': %s", name, instead);
    if (!found) {
        /* The name that is near may be a row made at run time, whose text the table keeps. */
        return fail(e, BERT_EINVAL, "there is no option '%.*s'%s%s%s", is_long ? (int)n + 2 : 2,
                    arg, near.best ? "; did you mean --" : "", near.best ? near.best : "",
                    near.best ? "?" : "");
    }
    if (typed[n]) value = typed + n + is_long; /* --name=value, -ovalue */
    if (!o.value) {
        if (value) return fail(e, BERT_EINVAL, "--%s takes no value", o.name);
    } else if (!value && !strcmp(o.value, "true|false")) {
        value = *i + 1 < argc && truth_value(argv[*i + 1]) ? argv[++*i] : "true";
    } else if (!value) {
        if (*i + 1 >= argc) return fail(e, BERT_EINVAL, "--%s needs a value: %s", o.name, o.value);
        value = argv[++*i];
    }
    return o.set(&o, (char *)arguments + o.offset, value, e);
}

static void set_defaults(const command *c, void *arguments) {
    common *shared_arguments = arguments;
    *shared_arguments = (common){.seed = 42, .precision = bert_session_default().precision};
    if (c->defaults) c->defaults(arguments);
}

bool options_parse(const command *c, int argc, char **argv, void *arguments, int *operands,
                   char **operand, int *status) {
    bert_error e = {0};
    int n = 0, rc = 0;
    bool only_operands = false;
    set_defaults(c, arguments);
    *status = EXIT_USAGE;
    for (int i = 0; i < argc && !rc; i++) {
        const char *a = argv[i];
        if (only_operands || a[0] != '-' || !a[1]) {
            operand[n++] = argv[i];
        } else if (!strcmp(a, "--")) {
            only_operands = true;
        } else if (!strcmp(a, "--help") || !strcmp(a, "-h")) {
            print_help(c, stdout);
            *status = output_flush(NULL) ? EXIT_FAILED : EXIT_OK;
            return false;
        } else {
            rc = parse_option(c, argc, argv, &i, arguments, &e);
        }
    }
    if (!rc && n < c->min_operands)
        rc = fail(&e, BERT_EINVAL, "too few operands; it takes %s", c->operands);
    if (!rc && c->max_operands >= 0 && n > c->max_operands)
        rc = fail(&e, BERT_EINVAL, "'%s' is one operand too many; it takes %s",
                  operand[c->max_operands], c->operands);
    if (!rc && (c->groups & TAKES_FILE) && n > c->min_operands && ((common *)arguments)->input)
        rc = fail(&e, BERT_EINVAL, "texts come as operands or from -i, not both");
    if (rc) {
        fprintf(stderr, "bert %s: %s\nTry 'bert %s --help'.\n", c->name, e.message, c->name);
        return false;
    }
    *operands = n;
    return true;
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
