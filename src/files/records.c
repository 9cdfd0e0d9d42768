/* Records of txt, csv, tsv and JSON files, and their fields. */
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "files/reader.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bert_record_fail(const bert_reader *r, bert_error *e, const char *format, ...) {
    bert_error local = {0};
    va_list args;
    va_start(args, format);
    bert_fail_v(&local, BERT_EFORMAT, format, args);
    va_end(args);
    return bert_fail(e, BERT_EFORMAT, "%s:%lld: %s", r->path, (long long)r->first_line,
                     local.message);
}

/* ---- Fields */

static int append(bert_reader *r, const char *p, size_t n, bert_error *e) {
    if (r->used + n + 1 > r->capacity) {
        size_t capacity = 2 * (r->used + n + 1);
        char *q = realloc(r->record, capacity);
        if (!q) return bert_fail_memory(e, capacity);
        r->record = q;
        r->capacity = capacity;
    }
    if (n) memcpy(r->record + r->used, p, n);
    r->used += n;
    return 0;
}

static int grow_fields(bert_reader *r, bert_error *e) {
    int capacity = 2 * r->offset_capacity + 16;
    if (r->fields >= BERT_COLUMNS_MAX)
        return bert_record_fail(r, e, "more than %d fields", BERT_COLUMNS_MAX);
    size_t *p = realloc(r->offset, (size_t)capacity * sizeof *p);
    if (!p) return bert_fail_memory(e, (size_t)capacity * sizeof *p);
    r->offset = p;
    const char **q = realloc(r->field, (size_t)capacity * sizeof *q);
    if (!q) return bert_fail_memory(e, (size_t)capacity * sizeof *q);
    r->field = q;
    r->offset_capacity = capacity;
    return 0;
}

/* Ends the field that the record's bytes end with. */
static int end_field(bert_reader *r, bert_error *e) {
    int rc = r->fields + 2 > r->offset_capacity ? grow_fields(r, e) : 0;
    if (!rc) rc = append(r, "", 1, e);
    if (rc) return rc;
    if (!r->fields) r->offset[0] = 0;
    r->offset[++r->fields] = r->used;
    return 0;
}

static void begin_fields(bert_reader *r) {
    r->used = 0;
    r->fields = 0;
}

static void point_fields(bert_reader *r) {
    for (int i = 0; i < r->fields; i++) r->field[i] = r->record + r->offset[i];
}

/* ---- Lines */

static int split_txt(bert_reader *r, size_t n, bert_error *e) {
    int rc = append(r, r->line, n, e);
    return rc ? rc : end_field(r, e);
}

static int split_tsv(bert_reader *r, size_t n, bert_error *e) {
    for (const char *p = r->line, *end = r->line + n;;) {
        const char *tab = memchr(p, '\t', (size_t)(end - p));
        int rc = append(r, p, (size_t)((tab ? tab : end) - p), e);
        if (!rc) rc = end_field(r, e);
        if (rc || !tab) return rc;
        p = tab + 1;
    }
}

/* The next line of a quoted field. */
static int go_on(bert_reader *r, const char **at, const char **end, bert_error *e) {
    size_t n;
    int rc = append(r, "\n", 1, e);
    if (rc) return rc;
    if (r->used > BERT_RECORD_MAX)
        return bert_record_fail(r, e, "a quoted field of more than 256 MB");
    rc = bert_lines_next(r->lines, &r->line, &n, e);
    if (rc < 0) return rc;
    if (!rc) return bert_record_fail(r, e, "a quoted field that starts here does not end");
    *at = r->line;
    *end = r->line + n;
    return 0;
}

static int text_behind(const bert_reader *r, const char *at, bert_error *e) {
    return bert_record_fail(
        r, e, "text after a closing quote%s",
        at - r->line > 1 && at[-2] == '\\' ? ": a quote within a field is \"\", not \\\"" : "");
}

static int split_csv(bert_reader *r, size_t n, bert_error *e) {
    const bert_csv_rules rules = bert_reader_csv_rules(r);
    const char *p = r->line, *end = p + n;
    bert_csv_state s = BERT_CSV_FIELD;
    for (int rc = 0;;) {
        const char *stop = p + bert_csv_run(&rules, s, p, (size_t)(end - p));
        const bool ends = stop == end;
        const bert_csv_state next = ends ? s : bert_csv_step(&rules, s, *stop);
        if (s == BERT_CSV_FIELD && next == BERT_CSV_BARE) { /* its blanks are text */
            s = next;
            continue;
        }
        if (s == BERT_CSV_AFTER && (next == BERT_CSV_BARE || (next == BERT_CSV_QUOTED && stop > p)))
            return text_behind(r, stop, e);
        if (s == BERT_CSV_AFTER)
            rc = next == BERT_CSV_QUOTED ? append(r, "\"", 1, e) : 0;
        else if (s != BERT_CSV_FIELD || next != BERT_CSV_QUOTED)
            rc = append(r, p, (size_t)(stop - p), e);
        if (rc) return rc;
        if (ends && s == BERT_CSV_QUOTED) {
            if ((rc = go_on(r, &p, &end, e))) return rc;
            continue;
        }
        if (ends || next == BERT_CSV_FIELD) rc = end_field(r, e);
        if (rc || ends) return rc;
        s = next;
        p = stop + 1;
    }
}

/* ---- JSON */

/* As its file most likely has it; a whole number keeps its point, 1.0, as in Python. */
static void write_real(char *out, size_t capacity, double v) {
    bert_format_double(out, capacity, v == floor(v) ? 17 : 15, v);
    if (!strpbrk(out, ".e")) strcat(out, ".0");
}

static int append_scalar(bert_reader *r, const json_t *v, bert_error *e) {
    char number[40];
    switch (json_typeof(v)) {
    case JSON_STRING:
        return append(r, json_string_value(v), json_string_length(v), e);
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        return append(r, number, strlen(number), e);
    case JSON_REAL:
        write_real(number, sizeof number, json_real_value(v));
        return append(r, number, strlen(number), e);
    case JSON_TRUE:
    case JSON_FALSE:
        return append(r, json_is_true(v) ? "1" : "0", 1, e);
    default: /* null */
        return 0;
    }
}

static bool nested(const json_t *v) {
    size_t i;
    json_t *item;
    if (json_is_object(v)) return true;
    json_array_foreach(v, i, item) if (json_is_array(item) || json_is_object(item)) return true;
    return false;
}

/* Elements joined by "|"; nothing of what is deeper. */
static int append_value(bert_reader *r, const json_t *v, bert_error *e) {
    size_t i;
    json_t *item;
    if (!v || nested(v)) return 0;
    if (!json_is_array(v)) return append_scalar(r, v, e);
    json_array_foreach(v, i, item) {
        int rc = i ? append(r, "|", 1, e) : 0;
        if (!rc) rc = append_scalar(r, item, e);
        if (rc) return rc;
    }
    return 0;
}

static int check_text(const bert_reader *r, int c, const json_t *v, bert_error *e) {
    const char *name = r->name[c];
    if (!v) return bert_record_fail(r, e, "has no \"%.60s\"", name);
    if (json_is_null(v)) return bert_record_fail(r, e, "null in the column \"%.60s\"", name);
    if (!json_is_array(v) && !json_is_object(v)) return 0;
    const char *shape = r->rows ? NULL : bert_json_shape(r->object);
    if (shape) return bert_record_fail(r, e, "%s", shape);
    return bert_record_fail(r, e, "the column \"%.60s\" holds %s where a text is needed%s", name,
                            json_is_array(v) ? "a list" : "an object", bert_names_hint(r));
}

/* What there is to say of label i, the value v of column c. */
static int check_label(bert_reader *r, int i, int c, const json_t *v, bert_error *e) {
    const bool odd = nested(v);
    if (odd && r->needs_labels)
        return bert_record_fail(r, e, "the label, column \"%.60s\", is %s", r->name[c],
                                json_is_object(v) ? "an object" : "a list of lists or objects");
    r->label_null[i] = odd || !v || json_is_null(v);
    r->label_is_list |= json_is_array(v);
    return 0;
}

int bert_record_split_object(bert_reader *r, bert_error *e) {
    begin_fields(r);
    r->label_is_list = false;
    for (int c = 0; c < r->names; c++) {
        const json_t *v = json_object_get(r->object, r->name[c]);
        int rc = c == r->text || c == r->pair ? check_text(r, c, v, e) : 0;
        for (int i = 0; i < r->labels && !rc; i++)
            if (r->label[i] == c) rc = check_label(r, i, c, v, e);
        if (!rc) rc = append_value(r, v, e);
        if (rc || (rc = end_field(r, e))) return rc;
    }
    point_fields(r);
    return 0;
}

static int next_object(bert_reader *r, bert_error *e) {
    int rc = bert_json_rows_next(r->json, &r->object, e);
    if (rc <= 0) return rc;
    r->first_line = bert_json_rows_line(r->json);
    r->first_at = bert_lines_at(bert_json_rows_lines(r->json));
    if (r->names && (rc = bert_record_split_object(r, e))) return rc;
    return 1;
}

/* ---- Formats */

static const bert_record_format formats[] = {
    {BERT_FORMAT_TXT, ".txt", "text", '\n', true, split_txt},
    {BERT_FORMAT_CSV, ".csv", "CSV", ',', false, split_csv},
    {BERT_FORMAT_TSV, ".tsv", "TSV", '\t', false, split_tsv},
    {BERT_FORMAT_TSV, ".tab", "TSV", '\t', false, split_tsv},
    {BERT_FORMAT_JSONL, ".jsonl", "JSON", 0, false, NULL},
    {BERT_FORMAT_JSONL, ".ndjson", "JSON", 0, false, NULL},
    {BERT_FORMAT_JSONL, ".json", "JSON", 0, false, NULL},
};
enum { FORMATS = sizeof formats / sizeof *formats };

const bert_record_format *bert_record_format_of(const char *path) {
    for (int i = 0; i < FORMATS; i++)
        if (bert_file_has_suffix(path, formats[i].suffix)) return &formats[i];
    return NULL;
}

const bert_record_format *bert_record_format_at(bert_row_format format) {
    for (int i = 0; i < FORMATS; i++)
        if (formats[i].format == format) return &formats[i];
    return NULL;
}

void bert_record_separate(bert_reader *r, char separator) {
    r->format = bert_record_format_at(BERT_FORMAT_CSV);
    r->separator = separator;
}

int bert_record_next(bert_reader *r, bert_error *e) {
    size_t n;
    int rc;
    if (r->json) return next_object(r, e);
    do {
        if ((rc = bert_lines_next(r->lines, &r->line, &n, e)) <= 0) return rc;
    } while (!n && !r->format->blank_is_row);
    r->first_line = bert_lines_number(r->lines);
    r->first_at = bert_lines_at(r->lines);
    begin_fields(r);
    if ((rc = r->format->split(r, n, e))) {
        r->fields = 0; /* nobody has pointed them to what was read of them */
        return rc;
    }
    point_fields(r);
    return 1;
}
