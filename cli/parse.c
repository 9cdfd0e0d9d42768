/* What follows a command's name: its options, those that other programs call otherwise, operands.
 */
#include "nearest.h"
#include "options.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* "max_length" and "max-length" are one name. */
static bool same_name(const char *name, const char *typed, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!name[i] || name[i] != (typed[i] == '_' ? '-' : typed[i])) return false;
    return !name[n];
}

/* By the whole name, or by the letter; near, unless NULL: one that may have been meant. */
static bool find_option(const command *c, const char *typed, size_t n, bool is_long, option *o,
                        nearest *near) {
    for (int k = 0; option_of(c, k, o); k++) {
        if (is_long ? same_name(o->name, typed, n) : o->letter && o->letter == *typed) return true;
        if (is_long && near) nearest_offer(near, o->name);
    }
    return false;
}

/* It has no value, or may do without one. */
static bool is_switch(const option *o) {
    return !o->value || !strcmp(o->value, "true|false") || !strcmp(o->value, "auto|false|true");
}

static int set_value(const option *o, void *arguments, const char *value, bert_error *e) {
    char *target = (char *)arguments + o->offset;
    bool truth = true;
    if (o->value || !value) return o->set(o, target, value, e);
    if (!bert_parse_truth(value, &truth))
        return fail(e, BERT_EINVAL, "--%s is true or false, not '%s'", o->name, value);
    return o->set(o, target, truth ? NULL : "false", e);
}

int options_set(const command *c, void *arguments, const char *name, const char *value,
                bert_error *e) {
    option o;
    if (!strcmp(name, "MODEL")) {
        ((common *)arguments)->model = value;
        return 0;
    }
    if (!find_option(c, name, strlen(name), true, &o, NULL))
        return fail(e, BERT_EINVAL, "there is no option '--%s'", name);
    return set_value(&o, arguments, value, e);
}

/* ---- An option after the other */

typedef struct {
    char name[80], text[256];
    bool refused; /* text says why; else it is a name that may have been meant */
} stranger;
enum { STRANGERS_MAX = 32 };

/* Where it is, and what is said when all has been read. */
typedef struct {
    const command *command;
    void *arguments;
    int argc, i;
    char **argv;
    FILE *said;  /* what is wrong */
    char *notes; /* lines, or NULL */
    int strangers;
    stranger stranger[STRANGERS_MAX];
} parser;

__attribute__((format(printf, 2, 3))) static void add_note(parser *p, const char *format, ...) {
    char *line, *all;
    va_list args;
    va_start(args, format);
    const int n = vasprintf(&line, format, args);
    va_end(args);
    if (n < 0) return;
    if (asprintf(&all, "%s%s%s", p->notes ? p->notes : "", p->notes ? "\n" : "", line) >= 0) {
        free(p->notes);
        p->notes = all;
    }
    free(line);
}

static void add_stranger(parser *p, const char *name, const char *text, bool refused) {
    if (p->strangers == STRANGERS_MAX) return;
    stranger *s = &p->stranger[p->strangers++];
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->text, sizeof s->text, "%s", text ? text : "");
    s->refused = refused;
}

static void print_reason(FILE *f, const stranger *s) {
    if (s->refused)
        fprintf(f, ": %s", s->text);
    else if (*s->text)
        fprintf(f, "; did you mean --%s?", s->text);
}

/* All of them, so that one change of a line is enough. */
static int fail_strangers(const parser *p) {
    const stranger *s = p->stranger;
    const int n = p->strangers;
    fprintf(p->said, "there %s", n == 1 ? "is no option" : "are no options");
    for (int i = 0; i < n; i++) fprintf(p->said, "%s '%s'", i ? "," : "", s[i].name);
    for (int i = 0; i < n; i++) {
        if (n > 1 && *s[i].text) fprintf(p->said, "\n  %s", s[i].name);
        print_reason(p->said, &s[i]);
    }
    return BERT_EINVAL;
}

/* The next argument where it is a value: of a switch, a word of truth; else no other option. */
static const char *take_value(parser *p, bool of_switch) {
    bool truth;
    const char *next = p->i + 1 < p->argc ? p->argv[p->i + 1] : NULL;
    const bool is_option = next && next[0] == '-' && next[1] && !isdigit((unsigned char)next[1]);
    if (!next || (of_switch ? !bert_parse_truth(next, &truth) : is_option)) return NULL;
    p->i++;
    return next;
}

/* A value that is called otherwise here. */
static const char *known_value(parser *p, const option *o, const char *value) {
    if (!p->command->foreign || !value) return value;
    const bert_foreign f = p->command->foreign(o->name, value);
    if (f.kind != BERT_FOREIGN_TAKEN || !f.value || !*f.instead) return value;
    add_note(p, "--%s %s is taken as %s: %s", o->name, value, f.value, f.instead);
    return f.value;
}

/* Where more reporters follow as words of their own: the list of all, by commas. */
static const char *take_reporters(parser *p, const option *o, const char *value, char *list,
                                  size_t capacity) {
    int n = snprintf(list, capacity, "%s", value);
    const int first = n;
    while (p->i + 1 < p->argc && n < (int)capacity) {
        const char *next = p->argv[p->i + 1];
        if (strcmp(next, "tensorboard") && !p->command->foreign(o->name, next).value) break;
        n += snprintf(list + n, capacity - (size_t)n, ",%s", next);
        p->i++;
    }
    return n > first ? list : value;
}

static int parse_own(parser *p, const option *o, const char *value, bert_error *e) {
    const bool pasted = p->command->foreign != NULL;
    if (!o->value && value && !pasted) return fail(e, BERT_EINVAL, "--%s takes no value", o->name);
    if (!value && is_switch(o)) {
        if (o->value || pasted) value = take_value(p, true);
        if (!value && o->value) value = "true";
    } else if (!value) {
        if (p->i + 1 >= p->argc)
            return fail(e, BERT_EINVAL, "--%s needs a value: %s", o->name, o->value);
        value = p->argv[++p->i];
    }
    char list[200];
    if (pasted && !strcmp(o->name, "report-to"))
        value = take_reporters(p, o, value, list, sizeof list);
    return set_value(o, p->arguments, known_value(p, o, value), e);
}

/* "--name value", with dashes. */
static void spell(char *out, size_t capacity, const char *name, const char *value) {
    const int n = snprintf(out, capacity, "--%s", name);
    for (int i = 2; i < n && i < (int)capacity - 1; i++)
        if (out[i] == '_') out[i] = '-';
    if (n < (int)capacity) snprintf(out + n, capacity - (size_t)n, " %s", value);
}

static int take(parser *p, const char *typed, const char *value, const bert_foreign *f,
                bert_error *e) {
    common *c = p->arguments;
    const char *now = f->value ? f->value : value, *equals = f->also ? strchr(f->also, '=') : NULL;
    char is[300], also[128] = "", name[64];
    spell(is, sizeof is, f->name, now);
    int rc = options_set(p->command, p->arguments, f->name, now, e);
    if (!rc && equals && c->overflow == BERT_OVERFLOW_ERROR) {
        snprintf(name, sizeof name, "%.*s", (int)(equals - f->also), f->also);
        spell(also, sizeof also, name, equals + 1);
        rc = options_set(p->command, p->arguments, name, equals + 1, e);
    }
    if (!strcmp(f->name, "MODEL"))
        add_note(p, "--%s %s is taken as MODEL", typed, value);
    else
        add_note(p, "--%s %s is taken as %s%s%s", typed, value, is, *also ? " " : "", also);
    return rc;
}

/* What another program calls so. */
static int parse_foreign(parser *p, const char *name, const char *value, bert_error *e) {
    const bool of_switch = p->command->foreign(name, NULL).is_switch;
    const bool is_given = value != NULL;
    if (!value) value = take_value(p, of_switch);
    if (!value && !of_switch) return fail(e, BERT_EINVAL, "--%s needs a value", name);
    const bool is_bare = !is_given && !value;
    const bert_foreign f = p->command->foreign(name, value ? value : "true");
    char typed[72];
    snprintf(typed, sizeof typed, "--%s", name);
    if (f.kind == BERT_FOREIGN_TAKEN) return take(p, name, value ? value : "true", &f, e);
    if (f.kind == BERT_FOREIGN_IDLE)
        add_note(p, "--%s%s%s has no effect: %s", name, is_bare ? "" : " ", is_bare ? "" : value,
                 f.instead);
    else
        add_stranger(p, typed, f.instead, true);
    return 0;
}

/* The option at argv[i] with its value; i moves to its last argument. */
static int parse_option(parser *p, bert_error *e) {
    const command *c = p->command;
    const char *arg = p->argv[p->i], *value = NULL;
    bool is_long = arg[1] == '-';
    const char *typed = arg + 1 + is_long;
    size_t n = is_long ? strcspn(typed, "=") : 1;
    if (typed[n]) value = typed + n + is_long; /* --name=value, -ovalue */
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)n, typed);
    nearest near = nearest_to(name);
    option o;
    if (find_option(c, typed, n, is_long, &o, &near)) return parse_own(p, &o, value, e);
    if (is_long && c->foreign && c->foreign(name, NULL).kind != BERT_FOREIGN_NONE)
        return parse_foreign(p, name, value, e);
    snprintf(name, sizeof name, "%.*s", is_long ? (int)n + 2 : 2, arg);
    /* The name that is near may be a row made at run time, whose text the table keeps. */
    add_stranger(p, name, near.best, false);
    if (is_long && !value) take_value(p, false); /* which is no operand, then */
    return 0;
}

static void set_defaults(const command *c, void *arguments) {
    common *shared_arguments = arguments;
    *shared_arguments = (common){.seed = 42, .precision = bert_session_default().precision};
    if (c->defaults) c->defaults(arguments);
}

/* A model that came as an option is the first operand. */
static int add_model(const common *c, int *n, char **operand, bert_error *e) {
    if (!c->model) return 0;
    if (*n)
        return fail(e, BERT_EINVAL, "MODEL is given twice, '%s' and '%s'", operand[0], c->model);
    operand[(*n)++] = (char *)(uintptr_t)c->model;
    return 0;
}

static int check_operands(const command *c, const common *arguments, int n, char **operand,
                          bert_error *e) {
    if (n < c->min_operands)
        return fail(e, BERT_EINVAL, "too few operands; it takes %s", c->operands);
    if (c->max_operands >= 0 && n > c->max_operands)
        return fail(e, BERT_EINVAL, "'%s' is one operand too many; it takes %s",
                    operand[c->max_operands], *c->operands ? c->operands : "none");
    if (c->groups & TAKES_FILE && n > c->min_operands && arguments->input)
        return fail(e, BERT_EINVAL, "texts come as operands or from -i, not both");
    return 0;
}

/* A dash as word processors and web pages make one of two. */
static bool is_long_dash(const char *a) {
    return !strncmp(a, "\xe2\x80\x93", 3) || !strncmp(a, "\xe2\x80\x94", 3);
}

/* 0, or what is wrong, which is written to p->said; out->helped: that was all there was to do. */
static int parse_all(parser *p, parsed *out, bert_error *e) {
    const command *c = p->command;
    bool only_operands = false;
    int rc = 0;
    for (; p->i < p->argc && !rc; p->i++) {
        const char *a = p->argv[p->i];
        if (c->foreign && !only_operands && is_long_dash(a)) {
            add_stranger(p, a, "it begins with a long dash, not with --", true);
        } else if (only_operands || a[0] != '-' || !a[1]) {
            out->operand[out->operands++] = p->argv[p->i];
        } else if (!strcmp(a, "--")) {
            only_operands = true;
        } else if (!strcmp(a, "--help") || !strcmp(a, "-h")) {
            print_help(c, stdout);
            out->helped = true;
            return 0;
        } else {
            rc = parse_option(p, e);
        }
    }
    if (!rc && p->strangers) rc = fail_strangers(p);
    if (!rc) rc = add_model(p->arguments, &out->operands, out->operand, e);
    if (!rc) rc = check_operands(c, p->arguments, out->operands, out->operand, e);
    if (e->code) fprintf(p->said, "%s", e->message);
    return rc;
}

int options_parse(const command *c, int argc, char **argv, void *arguments, parsed *out) {
    bert_error e = {0};
    size_t bytes;
    *out = (parsed){.operand = calloc((size_t)argc + 1, sizeof *out->operand)};
    parser p = {.command = c, .arguments = arguments, .argc = argc, .argv = argv};
    p.said = open_memstream(&out->wrong, &bytes);
    set_defaults(c, arguments);
    int rc = p.said && out->operand ? parse_all(&p, out, &e) : fail_memory(&e);
    if (p.said) fclose(p.said);
    out->notes = p.notes;
    return rc;
}

void parsed_free(parsed *p) {
    free(p->operand);
    free(p->wrong);
    free(p->notes);
}
