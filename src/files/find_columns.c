/* Which columns are the text, the second text and the labels. */
#include "base/error.h"
#include "files/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int bert_reader_column(const bert_reader *r, const char *name) {
    for (int i = 0; i < r->names; i++)
        if (!strcmp(r->name[i], name)) return i;
    for (int i = 0; i < r->names; i++)
        if (!strcasecmp(r->name[i], name)) return i;
    return -1;
}

void bert_columns_list(const bert_reader *r, char *out, size_t capacity) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < r->names && used < capacity; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", i ? ", " : "", r->name[i]);
    if (used >= capacity) memcpy(out + capacity - 4, "...", 4);
}

static int count(const bert_reader *r) {
    return r->has_header ? r->names : r->fields;
}

/* A column that is used must be the only one of its name. */
static int check_once(const bert_reader *r, int c, const char *option, bert_error *e) {
    for (int i = c + 1; i < r->names; i++)
        if (!strcmp(r->name[i], r->name[c]))
            return bert_fail(e, BERT_EINVAL,
                             "%s: two columns are called '%s': %s takes their numbers as well, %d "
                             "and %d",
                             r->path, r->name[c], option, c, i);
    return 0;
}

static int no_such_column(const bert_reader *r, const char *name, bert_error *e) {
    char list[250];
    if (!r->has_header)
        return bert_fail(
            e, BERT_EINVAL,
            "%s: column '%s' is not there; the file has no header that names it, so columns are "
            "numbers from 0 to %d",
            r->path, name, r->fields - 1);
    bert_columns_list(r, list, sizeof list);
    return bert_fail(e, BERT_EINVAL, "%s: column '%s' is not there; the columns are %s", r->path,
                     name, list);
}

/* The column that was asked for, by name or number, or an error that lists those there are. */
static int find(const bert_reader *r, const char *name, const char *option, int *column,
                bert_error *e) {
    int c = bert_reader_column(r, name);
    if (c >= 0) {
        *column = c;
        return check_once(r, c, option, e);
    }
    if (!bert_column_is_number(name, column) || *column >= count(r) || r->json)
        return no_such_column(r, name, e);
    return 0;
}

static int usual(const bert_reader *r, const char *const *names) {
    for (; *names; names++) {
        int c = bert_reader_column(r, *names);
        if (c >= 0) return c;
    }
    return -1;
}

/* What may be the matter with a file of too few columns, whose first record is the latest; "" or
 * "; ..". */
static const char *few_columns(const bert_reader *r) {
    if (!r->has_header && !r->json && *r->field[0] == '#')
        return "; its first line begins with #: a comment is passed over where --text-column and "
               "--label-column name the header below it";
    switch (r->other_separator) {
    case ';':
        return "; its first line has none of the usual separators, but a ';'";
    case '\t':
        return "; its first line has no comma, but a tab: .tsv is separated by tabs";
    case ',':
        return "; its first line has no tab, but a comma: .csv is separated by commas";
    case '|':
        return "; its first line has none of the usual separators, but a '|'";
    default:
        return "";
    }
}

/* Nothing names this column, and nothing was asked for. */
static int unknown(const bert_reader *r, const char *what, bert_error *e) {
    char list[200];
    const char *shape = r->json ? bert_json_shape(r->object) : NULL;
    const bool label = !strcmp(what, "label");
    if (shape) return bert_record_fail(r, e, "%s", shape);
    bert_columns_list(r, list, sizeof list);
    if (r->has_header)
        return bert_fail(e, BERT_EINVAL,
                         "%s: no column is known as the %s: --%s-column NAME says which it is%s; "
                         "the columns are %s%s%s",
                         r->path, what, what, label ? " (A,B: several, of 0 and 1)" : "", list,
                         bert_names_hint(r), r->hint);
    return bert_fail(e, BERT_EINVAL,
                     "%s: there is no column of a %s: its first line has %d field%s%s", r->path,
                     what, r->fields, r->fields == 1 ? "" : "s", r->hint);
}

/* ---- Texts */

/* The pairs of which both columns are there; a column "text" is the text of no others. */
static const bert_pair_format *known_pair(const bert_reader *r) {
    const bool text = bert_reader_column(r, "text") >= 0;
    for (const bert_pair_format *p = bert_pair_formats; p->text; p++)
        if (bert_reader_column(r, p->text) >= 0 && bert_reader_column(r, p->pair) >= 0 &&
            (!text || !strcmp(p->text, "text")))
            return p;
    return NULL;
}

/* A text that is a prompt, and endings nobody would read. */
static int check_endings(const bert_reader *r, const bert_reader_options *o, bert_error *e) {
    const bool asked = o->text_column || o->label_column || o->pair_column;
    const char *endings =
        o->labels && !asked && !r->called && r->has_header ? bert_names_endings(r) : NULL;
    if (!endings) return 0;
    return bert_fail(e, BERT_EINVAL,
                     "%s: \"%s..\" are endings to choose from: --task multiple-choice reads them; "
                     "--text-column NAME says what the text is where they are none",
                     r->path, endings);
}

static int choose_text(bert_reader *r, const bert_reader_options *o, const bert_pair_format *p,
                       bert_error *e) {
    if (o->text_column) return find(r, o->text_column, "--text-column", &r->text, e);
    if (!r->has_header) return 0;
    const bool of_pair = p && (!o->pair_column || !bert_column_asked(o->pair_column) ||
                               !strcasecmp(o->pair_column, p->pair));
    r->text = of_pair     ? bert_reader_column(r, p->text)
              : r->called ? usual(r, r->called->texts)
                          : usual(r, bert_usual_texts);
    if (r->text < 0 && r->names == 1) r->text = 0;
    return r->text < 0 ? unknown(r, "text", e) : check_once(r, r->text, "--text-column", e);
}

/* A second text is read where it was asked for, and in pairs that are known. */
static int choose_pair(bert_reader *r, const bert_reader_options *o, const bert_pair_format *p,
                       bert_error *e) {
    r->pair = -1;
    if (o->pair_column && (bert_column_asked(o->pair_column) ||
                           (*o->pair_column && bert_reader_column(r, o->pair_column) >= 0))) {
        int rc = find(r, o->pair_column, "--pair-column", &r->pair, e);
        if (rc) return rc;
    } else if (!o->pair_column && !o->text_column && p) {
        r->pair = bert_reader_column(r, p->pair);
    }
    if (r->pair == r->text) r->pair = -1;
    return r->pair < 0 ? 0 : check_once(r, r->pair, "--pair-column", e);
}

/* ---- Labels */

static int add_label(bert_reader *r, int column, bert_error *e) {
    size_t n = (size_t)r->labels + 1;
    int *p = realloc(r->label, n * sizeof *p);
    if (!p) return bert_fail_memory(e, n * sizeof *p);
    r->label = p;
    const char **q = realloc(r->label_field, n * sizeof *q);
    if (!q) return bert_fail_memory(e, n * sizeof *q);
    r->label_field = q;
    bool *null = realloc(r->label_null, n * sizeof *null);
    if (!null) return bert_fail_memory(e, n * sizeof *null);
    r->label_null = null;
    r->label_null[r->labels] = false;
    r->label[r->labels++] = column;
    return 0;
}

static int find_labels(bert_reader *r, const char *names, bert_error *e) {
    int c, rc = 0;
    if (bert_reader_column(r, names) >= 0) {
        rc = find(r, names, "--label-column", &c, e);
        return rc ? rc : add_label(r, c, e);
    }
    char *copy = strdup(names), *rest = copy;
    if (!copy) return bert_fail_memory(e, strlen(names));
    for (char *name; !rc && (name = strsep(&rest, ","));)
        if (!*name && !rest && r->labels) /* "a,": one of such columns */
            break;
        else if (!(rc = find(r, name, "--label-column", &c, e)))
            rc = add_label(r, c, e);
    free(copy);
    return rc;
}

/* The one column that a usual name calls the label; -1: none, and *second >= 0: several. */
static int usual_label(const bert_reader *r, const bert_pair_format *p, int *second) {
    int c = usual(r, r->called ? r->called->labels : bert_usual_labels);
    *second = -1;
    if (r->called) return c;
    if (c < 0 && p && p->label && r->pair >= 0) c = bert_reader_column(r, p->label);
    if (c >= 0) return c;
    for (const char *const *name = bert_other_labels; *name; name++) {
        const int other = bert_reader_column(r, *name);
        if (other < 0 || other == c || other == r->text || other == r->pair) continue;
        if (c < 0)
            c = other;
        else if (*second < 0)
            *second = other;
    }
    return c;
}

static int choose_label(bert_reader *r, const bert_reader_options *o, const bert_pair_format *p,
                        bert_error *e) {
    if (o->label_column) return find_labels(r, o->label_column, e);
    int second = -1, c = r->has_header   ? usual_label(r, p, &second)
                         : r->fields > 1 ? r->fields - 1
                                         : -1;
    if (second >= 0 && o->labels)
        return bert_fail(e, BERT_EINVAL,
                         "%s: '%s' and '%s' may both be the label: --label-column NAME says which",
                         r->path, r->name[c], r->name[second]);
    if (c >= 0 && c != r->text && c != r->pair) {
        int rc = r->has_header ? check_once(r, c, "--label-column", e) : 0;
        return rc && o->labels ? rc : add_label(r, c, e);
    }
    return o->labels ? unknown(r, "label", e) : 0;
}

/* GLUE's CoLA has no header: a source, 0 or 1, its author's star or nothing, the sentence. */
static bool is_cola(const bert_reader *r, const bert_reader_options *o) {
    const bool asked = o->text_column || o->pair_column || o->label_column;
    if (asked || r->has_header || r->format->format != BERT_FORMAT_TSV || r->fields != 4)
        return false;
    return (!strcmp(r->field[1], "0") || !strcmp(r->field[1], "1")) &&
           (!*r->field[2] || !strcmp(r->field[2], "*"));
}

int bert_columns_choose(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    r->pair = -1;
    r->needs_labels = o->labels;
    r->hint = "";
    if (r->format->format == BERT_FORMAT_TXT) return 0;
    r->hint = few_columns(r);
    if (is_cola(r, o)) {
        r->text = 3;
        return add_label(r, 1, e);
    }
    r->guessed = !r->has_header && !o->text_column && !o->pair_column && !o->label_column;
    const bert_pair_format *p = r->has_header && !r->called ? known_pair(r) : NULL;
    int rc = check_endings(r, o, e);
    if (!rc) rc = choose_text(r, o, p, e);
    if (!rc) rc = choose_pair(r, o, p, e);
    return rc ? rc : choose_label(r, o, p, e);
}

/* ---- What was chosen */

typedef struct {
    char text[400];
    size_t used;
} line;

static void put(line *l, const char *text) {
    if (l->used >= sizeof l->text) return;
    l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%.80s", text);
}

static void put_column(line *l, const bert_reader *r, int c) {
    char number[16];
    snprintf(number, sizeof number, "%d", c);
    put(l, r->has_header ? "\"" : "");
    put(l, r->has_header ? r->name[c] : number);
    put(l, r->has_header ? "\"" : "");
}

static void put_labels(line *l, const bert_reader *r) {
    enum { SHOWN = 4 };
    put(l, r->labels > 1 ? ", labels " : ", label ");
    for (int i = 0; i < r->labels && i < SHOWN; i++) {
        put(l, i ? " " : "");
        put_column(l, r, r->label[i]);
    }
    if (r->labels > SHOWN) put(l, " ..");
}

/* Columns that the caller reads by themselves: "mlo,patient", by name or number. */
static bool is_among(const bert_reader *r, int c) {
    for (const char *p = r->has_header && r->also ? r->also : ""; *p;) {
        const size_t n = strcspn(p, ",");
        char number[16];
        snprintf(number, sizeof number, "%d", c);
        if (n == strlen(r->name[c]) && !strncasecmp(p, r->name[c], n)) return true;
        if (n == strlen(number) && !strncmp(p, number, n)) return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static bool is_read(const bert_reader *r, int c) {
    bool used = c == r->text || c == r->pair || is_among(r, c);
    for (int i = 0; i < r->labels && r->needs_labels; i++) used |= r->label[i] == c;
    return used;
}

static void put_also(line *l, const bert_reader *r) {
    for (int c = 0; c < count(r); c++) {
        if (c == r->text || c == r->pair || !is_among(r, c)) continue;
        put(l, " ");
        put_column(l, r, c);
    }
}

static void put_others(line *l, const bert_reader *r) {
    enum { SHOWN = 5 };
    int n = 0;
    for (int c = 0; c < count(r); c++) {
        if (is_read(r, c)) continue;
        if (n < SHOWN) {
            put(l, n ? ", " : "; not read: ");
            put_column(l, r, c);
        }
        n++;
    }
    if (n > SHOWN) put(l, " ..");
}

int bert_columns_say(bert_reader *r, bert_error *e) {
    if (r->format->format == BERT_FORMAT_TXT || count(r) < 2) return 0;
    line l = {.used = 0};
    put(&l, r->json ? bert_json_rows_layout(r->json) : r->format->name);
    put(&l, r->json ? "" : r->has_header ? " with a header" : " without a header");
    put(&l, r->pair < 0 ? ": " : ": pairs of the ");
    put(&l, r->holds ? r->holds : "text");
    put(&l, r->pair < 0 ? " column " : " columns ");
    put_column(&l, r, r->text);
    put_also(&l, r);
    if (r->pair >= 0) {
        put(&l, " and ");
        put_column(&l, r, r->pair);
    }
    if (r->needs_labels) put_labels(&l, r);
    put_others(&l, r);
    return bert_notes_say(&r->notes, e, "%s", l.text);
}
