/* Records of txt, csv, tsv and jsonl files. */
#include "base/error.h"
#include "base/number.h"
#include "files/json.h"
#include "files/lines.h"
#include "files/utf8.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_RECORD = BERT_LINE_MAX, MAX_COLUMNS = 4096 };

/* A record's bytes: fields end to end, each followed by a NUL. */
typedef struct {
    char *data;
    size_t n, capacity;
} bytes;

typedef struct {
    char **name;
    int n;
} columns;

struct bert_reader {
    char *path;
    bert_lines *lines;
    bert_row_format format;
    bool has_header, guessed; /* guessed: its first line was taken for a row unasked */
    bool pending;             /* the first record has been read and is a row */
    columns header;
    int text, pair; /* column numbers; pair -1: none */
    int *label, labels;
    char *line;
    int64_t first_line; /* of the record */
    bytes record;
    size_t *offset; /* of the fields in record, fields + 1 of them */
    int fields, offset_capacity;
    const char **field, **label_field;
    bool *label_null;   /* of the record: which of its labels are null or absent */
    json_t *object;     /* jsonl: the record */
    bool label_is_list; /* of the record */
    int64_t rows, invalid;
};

/* The usual names, best first. */
static const char *const text_names[] = {"text",      "sentence", "sentence1", "review",
                                         "question1", "question", "content",   "premise",
                                         "prompt",    "sent1",    "#1 String", NULL};
static const char *const pair_names[] = {"text_pair",  "sentence2", "pair",      "question2",
                                         "hypothesis", "context",   "#2 String", NULL};
static const char *const label_names[] = {
    "label", "labels", "score", "target", "class", "Quality", "is_duplicate", "gold_label", NULL};

/* Columns that are both of those lists, and a pair where they come together: GLUE's QNLI. */
static const char *const odd_pair[2] = {"question", "sentence"};

static int fail_at(const bert_reader *r, bert_error *e, const char *what) {
    return bert_fail(e, BERT_EFORMAT, "%s:%lld: %s", r->path, (long long)r->first_line, what);
}

/* ------------------------------------------------------------ records */

static int append(bytes *b, const char *p, size_t n, bert_error *e) {
    if (b->n + n + 1 > b->capacity) {
        size_t capacity = 2 * (b->n + n + 1);
        char *q = realloc(b->data, capacity);
        if (!q) return bert_fail_memory(e, capacity);
        b->data = q;
        b->capacity = capacity;
    }
    if (n) memcpy(b->data + b->n, p, n);
    b->n += n;
    return 0;
}

/* Ends the field that the record's bytes end with. */
static int end_field(bert_reader *r, bert_error *e) {
    if (r->fields + 2 > r->offset_capacity) {
        int capacity = 2 * r->offset_capacity + 16;
        if (r->fields >= MAX_COLUMNS) return fail_at(r, e, "more than 4096 fields");
        size_t *p = realloc(r->offset, (size_t)capacity * sizeof *p);
        if (!p) return bert_fail_memory(e, (size_t)capacity * sizeof *p);
        r->offset = p;
        const char **q = realloc(r->field, (size_t)capacity * sizeof *q);
        if (!q) return bert_fail_memory(e, (size_t)capacity * sizeof *q);
        r->field = q;
        r->offset_capacity = capacity;
    }
    int rc = append(&r->record, "", 1, e);
    if (rc) return rc;
    if (!r->fields) r->offset[0] = 0;
    r->offset[++r->fields] = r->record.n;
    return 0;
}

static int split_txt(bert_reader *r, size_t n, bert_error *e) {
    int rc = append(&r->record, r->line, n, e);
    return rc ? rc : end_field(r, e);
}

static int split_tsv(bert_reader *r, size_t n, bert_error *e) {
    for (const char *p = r->line, *end = r->line + n;;) {
        const char *tab = memchr(p, '\t', (size_t)(end - p));
        int rc = append(&r->record, p, (size_t)((tab ? tab : end) - p), e);
        if (!rc) rc = end_field(r, e);
        if (rc || !tab) return rc;
        p = tab + 1;
    }
}

static int split_csv(bert_reader *r, size_t n, bert_error *e) {
    const char *p = r->line, *end = r->line + n;
    int rc = 0;
    for (;;) {
        if (p < end && *p == '"') {
            for (p++;;) {
                const char *quote = memchr(p, '"', (size_t)(end - p));
                if ((rc = append(&r->record, p, (size_t)((quote ? quote : end) - p), e))) return rc;
                if (quote && quote + 1 < end && quote[1] == '"') { /* "" is a quote */
                    if ((rc = append(&r->record, "\"", 1, e))) return rc;
                    p = quote + 2;
                } else if (quote) {
                    p = quote + 1;
                    break;
                } else { /* a quoted field goes on in the next line */
                    if ((rc = append(&r->record, "\n", 1, e))) return rc;
                    if (r->record.n > MAX_RECORD)
                        return fail_at(r, e, "a quoted field of more than 256 MB");
                    rc = bert_lines_next(r->lines, &r->line, &n, e);
                    if (rc < 0) return rc;
                    if (!rc) return fail_at(r, e, "a quoted field that starts here does not end");
                    p = r->line;
                    end = p + n;
                }
            }
            if (p < end && *p != ',') return fail_at(r, e, "text after a closing quote");
        } else {
            const char *comma = memchr(p, ',', (size_t)(end - p));
            const char *stop = comma ? comma : end;
            if ((rc = append(&r->record, p, (size_t)(stop - p), e))) return rc;
            p = stop;
        }
        if ((rc = end_field(r, e)) || p == end) return rc;
        p++;
    }
}

/* As its file most likely has it; a whole number keeps its point, 1.0, as in Python. */
static void write_real(char *out, size_t capacity, double v) {
    bert_format_double(out, capacity, v == floor(v) ? 17 : 15, v);
    if (!strpbrk(out, ".e")) strcat(out, ".0");
}

static int append_json(bert_reader *r, const json_t *v, bert_error *e) {
    char number[40];
    size_t i;
    json_t *item;
    int rc = 0;
    switch (json_typeof(v)) {
    case JSON_STRING:
        return append(&r->record, json_string_value(v), json_string_length(v), e);
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        return append(&r->record, number, strlen(number), e);
    case JSON_REAL:
        write_real(number, sizeof number, json_real_value(v));
        return append(&r->record, number, strlen(number), e);
    case JSON_TRUE:
    case JSON_FALSE:
        return append(&r->record, json_is_true(v) ? "1" : "0", 1, e);
    case JSON_ARRAY:
        json_array_foreach(v, i, item) {
            if (json_is_array(item) || json_is_object(item))
                return fail_at(r, e, "a list inside a list");
            if (i && (rc = append(&r->record, "|", 1, e))) return rc;
            if ((rc = append_json(r, item, e))) return rc;
        }
        return 0;
    case JSON_NULL:
        return 0;
    default:
        return fail_at(r, e, "an object where a value is needed");
    }
}

/* Fields in the order of the header; the first object is the header. */
static int split_jsonl(bert_reader *r, size_t n, bert_error *e) {
    json_decref(r->object);
    r->object = bert_json_parse_row(r->line, n, r->path, bert_lines_number(r->lines), e);
    if (!r->object) return bert_error_code(e, BERT_EFORMAT);
    if (!json_is_object(r->object)) return fail_at(r, e, "not an object");
    if (!r->has_header) return 0;
    r->label_is_list = false;
    for (int c = 0; c < r->header.n; c++) {
        const json_t *v = json_object_get(r->object, r->header.name[c]);
        const bool null = !v || json_is_null(v), is_text = c == r->text || c == r->pair;
        bool used = is_text;
        for (int i = 0; i < r->labels; i++) {
            if (r->label[i] != c) continue;
            used = true;
            r->label_null[i] = null;
            r->label_is_list |= json_array_size(v) > 1;
        }
        if (is_text && null)
            return bert_fail(e, BERT_EFORMAT, "%s:%lld: %s \"%s\"", r->path,
                             (long long)r->first_line, v ? "null in the column" : "has no",
                             r->header.name[c]);
        int rc = v && (used || !json_is_object(v)) ? append_json(r, v, e) : 0;
        if (rc || (rc = end_field(r, e))) return rc;
    }
    return 0;
}

typedef int split_fn(bert_reader *r, size_t n, bert_error *e);
static const struct {
    const char *suffix;
    split_fn *split;
    bool blank_is_row;
} formats[] = {
    [BERT_FORMAT_TXT] = {".txt", split_txt, true},
    [BERT_FORMAT_CSV] = {".csv", split_csv, false},
    [BERT_FORMAT_TSV] = {".tsv", split_tsv, false},
    [BERT_FORMAT_JSONL] = {".jsonl", split_jsonl, false},
};
enum { FORMATS = sizeof formats / sizeof *formats };

/* Reads one record into r->record and r->field; 1, 0 at the end, or an error. */
static int read_record(bert_reader *r, bert_error *e) {
    size_t n;
    int rc;
    do {
        if ((rc = bert_lines_next(r->lines, &r->line, &n, e)) <= 0) return rc;
    } while (!n && !formats[r->format].blank_is_row);
    r->first_line = bert_lines_number(r->lines);
    r->record.n = 0;
    r->fields = 0;
    if ((rc = formats[r->format].split(r, n, e))) return rc;
    for (int i = 0; i < r->fields; i++) r->field[i] = r->record.data + r->offset[i];
    return 1;
}

/* ------------------------------------------------------------ columns */

int bert_reader_column(const bert_reader *r, const char *name) {
    for (int i = 0; i < r->header.n; i++)
        if (!strcmp(r->header.name[i], name)) return i;
    for (int i = 0; i < r->header.n; i++)
        if (!strcasecmp(r->header.name[i], name)) return i;
    return -1;
}

static int add_column(bert_reader *r, const char *name, bert_error *e) {
    char **p = realloc(r->header.name, (size_t)(r->header.n + 1) * sizeof *p);
    if (!p) return bert_fail_memory(e, (size_t)(r->header.n + 1) * sizeof *p);
    r->header.name = p;
    if (!(p[r->header.n] = strdup(name))) return bert_fail_memory(e, strlen(name));
    r->header.n++;
    return 0;
}

static int usual(const bert_reader *r, const char *const *names) {
    for (; *names; names++) {
        int c = bert_reader_column(r, *names);
        if (c >= 0) return c;
    }
    return -1;
}

static int number(const char *s) {
    char *end;
    long n = strtol(s, &end, 10);
    return isdigit((unsigned char)*s) && !*end && n < MAX_COLUMNS ? (int)n : -1;
}

/* The column that was asked for, or an error that lists those there are. */
static int find(const bert_reader *r, const char *name, int *column, bert_error *e) {
    int c = bert_reader_column(r, name);
    if (c < 0 && !r->has_header) c = number(name);
    if (c >= 0 && c < (r->has_header ? r->header.n : r->fields)) {
        *column = c;
        return 0;
    }
    char list[300] = "";
    if (!r->has_header)
        return bert_fail(
            e, BERT_EINVAL,
            "%s: column '%s' is not there; the file has no header that names it, so columns are "
            "numbers from 0 to %d",
            r->path, name, r->fields - 1);
    for (int i = 0; i < r->header.n; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", r->header.name[i]);
    }
    return bert_fail(e, BERT_EINVAL, "%s: column '%s' is not there; the columns are %s", r->path,
                     name, list);
}

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
    if (bert_reader_column(r, names) >= 0) return add_label(r, bert_reader_column(r, names), e);
    char *copy = strdup(names), *rest = copy;
    if (!copy) return bert_fail_memory(e, strlen(names));
    for (char *name; !rc && (name = strsep(&rest, ","));)
        if (!(rc = find(r, name, &c, e))) rc = add_label(r, c, e);
    free(copy);
    return rc;
}

/* Is the record in r->field a header? Where names are asked for, it must be: one that is not there
 * is then an error, not a reason to take the header for data. */
static bool is_header(const bert_reader *r, const bert_reader_options *o) {
    const char *asked[] = {o->text_column, o->pair_column, o->label_column};
    bool named = false;
    for (int i = 0; i < 3; i++) named |= asked[i] && number(asked[i]) < 0 && !strchr(asked[i], ',');
    if (named) return true;
    const char *const *const lists[] = {text_names, pair_names, label_names};
    for (int i = 0; i < r->fields; i++)
        for (int l = 0; l < 3; l++)
            for (const char *const *name = lists[l]; *name; name++)
                if (!strcasecmp(r->field[i], *name)) return true;
    return false;
}

/* GLUE's CoLA has no header: a source, 0 or 1, its author's star or nothing, the sentence. */
static bool is_cola(const bert_reader *r, const bert_reader_options *o) {
    const bool asked = o->text_column || o->pair_column || o->label_column;
    if (asked || r->has_header || r->format != BERT_FORMAT_TSV || r->fields != 4) return false;
    return (!strcmp(r->field[1], "0") || !strcmp(r->field[1], "1")) &&
           (!*r->field[2] || !strcmp(r->field[2], "*"));
}

/* Reads the first record and decides which columns are which. */
static int start(bert_reader *r, const bert_reader_options *o, bert_error *e) {
    int rc = read_record(r, e);
    if (rc < 0) return rc;
    if (!rc) return bert_fail(e, BERT_EFORMAT, "%s: is empty", r->path);
    rc = 0;
    r->pending = true;
    r->pair = -1;
    if (r->format == BERT_FORMAT_TXT) return 0;
    if (r->format == BERT_FORMAT_JSONL) {
        const char *key;
        json_t *value;
        json_object_foreach(r->object, key, value) if ((rc = add_column(r, key, e))) return rc;
        r->has_header = true;
    } else if (is_header(r, o)) {
        for (int i = 0; i < r->fields; i++)
            if ((rc = add_column(r, r->field[i], e))) return rc;
        r->has_header = true;
        r->pending = false;
    }
    const bool cola = is_cola(r, o), asked = o->text_column || o->pair_column || o->label_column;
    r->guessed = !r->has_header && !cola && !asked;
    if (cola) {
        r->text = 3;
        return add_label(r, 1, e);
    }
    const int question = bert_reader_column(r, odd_pair[0]),
              sentence = bert_reader_column(r, odd_pair[1]);
    if (!o->text_column && !o->pair_column && question >= 0 && sentence >= 0 &&
        bert_reader_column(r, "text") < 0) {
        r->text = question;
        r->pair = sentence;
    } else if (o->text_column)
        rc = find(r, o->text_column, &r->text, e);
    else if (r->has_header && (r->text = usual(r, text_names)) < 0)
        rc = r->header.n == 1 ? (r->text = 0) : find(r, "text", &r->text, e);
    if (rc) return rc;
    if (o->pair_column)
        rc = find(r, o->pair_column, &r->pair, e);
    else if (r->has_header && r->pair < 0)
        r->pair = usual(r, pair_names);
    if (rc) return rc;
    if (r->pair == r->text) r->pair = -1;
    if (o->label_column)
        rc = find_labels(r, o->label_column, e);
    else {
        int c = r->has_header ? usual(r, label_names) : r->fields > 1 ? r->fields - 1 : -1;
        if (c >= 0 && c != r->text && c != r->pair)
            rc = add_label(r, c, e);
        else if (o->labels)
            rc = find(r, "label", &c, e);
    }
    if (rc || r->format != BERT_FORMAT_JSONL) return rc;
    /* Now that the columns are known, the first object can be split. */
    return split_jsonl(r, strlen(r->line), e);
}

bert_reader *bert_reader_open(const char *path, const bert_reader_options *options, bert_error *e) {
    bert_reader_options o = options ? *options : (bert_reader_options){0};
    bert_reader *r = calloc(1, sizeof *r);
    if (r) r->path = strdup(strcmp(path, "-") ? path : "standard input");
    if (!r || !r->path) {
        bert_fail_memory(e, sizeof *r);
        bert_reader_close(r);
        return NULL;
    }
    r->format = o.format;
    size_t n = strlen(path);
    for (int i = 1; i < FORMATS && !r->format; i++) {
        size_t m = strlen(formats[i].suffix);
        if (n > m && !strcasecmp(path + n - m, formats[i].suffix)) r->format = (bert_row_format)i;
    }
    if (!r->format && !strcmp(path, "-")) r->format = BERT_FORMAT_TXT;
    if (r->format == BERT_FORMAT_TXT && o.labels && !o.format) r->format = BERT_FORMAT_TSV;
    if (!r->format || (int)r->format >= FORMATS) {
        bert_fail(e, BERT_EINVAL,
                  "%s: cannot tell the format by the name; .txt, .csv, .tsv and .jsonl are known",
                  path);
        bert_reader_close(r);
        return NULL;
    }
    r->lines = bert_lines_open(path, r->path, e);
    if (!r->lines) {
        bert_reader_close(r);
        return NULL;
    }
    if (!start(r, &o, e)) {
        for (int i = 0; i < r->fields; i++) r->field[i] = r->record.data + r->offset[i];
        return r;
    }
    bert_reader_close(r);
    return NULL;
}

void bert_reader_close(bert_reader *r) {
    if (!r) return;
    bert_lines_close(r->lines);
    for (int i = 0; i < r->header.n; i++) free(r->header.name[i]);
    free(r->header.name);
    free(r->label);
    free(r->label_field);
    free(r->label_null);
    free(r->record.data);
    free(r->offset);
    free(r->field);
    free(r->path);
    json_decref(r->object);
    free(r);
}

static size_t field_bytes(const bert_reader *r, int i) {
    return r->offset[i + 1] - r->offset[i] - 1;
}

int bert_reader_next(bert_reader *r, bert_row *row, bert_error *e) {
    *row = (bert_row){0};
    if (bert_need(r, "reader", e)) return BERT_EINVAL;
    const int want = r->has_header ? r->header.n : r->fields;
    int rc = r->pending ? 1 : read_record(r, e);
    bool first = !r->rows;
    r->pending = false;
    if (rc < 0) return rc;
    if (!rc) return first ? bert_fail(e, BERT_EFORMAT, "%s: has a header and no rows", r->path) : 0;
    if (r->fields != want && r->format != BERT_FORMAT_TXT && (r->has_header || !first)) {
        char what[100];
        snprintf(what, sizeof what, "%d field%s where the %s has %d", r->fields,
                 r->fields == 1 ? "" : "s", r->has_header ? "header" : "line before it", want);
        return fail_at(r, e, what);
    }
    r->rows++;
    if (!bert_utf8_valid(r->record.data, r->record.n)) r->invalid++;
    row->text = (bert_text){.text = r->field[r->text], .bytes = field_bytes(r, r->text)};
    if (r->pair >= 0) {
        row->text.pair = r->field[r->pair];
        row->text.pair_bytes = field_bytes(r, r->pair);
    }
    for (int i = 0; i < r->labels; i++) {
        r->label_field[i] = r->field[r->label[i]];
        if (strlen(r->label_field[i]) != field_bytes(r, r->label[i]))
            return fail_at(r, e, "a zero byte in a label");
        if (r->label_null[i]) r->label_field[i] = NULL;
    }
    row->labels = r->labels;
    row->label = r->label_field;
    row->label_is_list = r->label_is_list;
    row->fields = r->fields;
    row->field = r->field;
    row->line = r->first_line;
    return 1;
}

bool bert_reader_guessed(const bert_reader *r) {
    return r->guessed;
}

int64_t bert_reader_invalid(const bert_reader *r) {
    return r->invalid;
}
