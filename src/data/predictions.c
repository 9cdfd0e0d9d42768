#include "data/predictions.h"
#include "base/error.h"
#include "base/file.h"
#include "data/dataset.h"
#include "text/code_points.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The file */

static const char *suffix_of(const bert_prediction_rows *how, const char *path, bert_error *e) {
    char known[200] = "";
    for (int i = 0; how->suffixes[i]; i++) {
        const size_t used = strlen(known);
        if (bert_file_has_suffix(path, how->suffixes[i])) return how->suffixes[i];
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", how->suffixes[i]);
    }
    bert_fail(e, BERT_EINVAL, "%s: predictions of this task are written as %s", path, known);
    return NULL;
}

bert_predictions *bert_predictions_open(const char *path, const bert_dataset *d, bert_error *e) {
    const bert_prediction_rows *how = d->task->predictions;
    if (!how) {
        bert_fail(e, BERT_EUNSUPPORTED, "there are no predictions of %s to write", d->task->name);
        return NULL;
    }
    if (!how->texts_in_extra && d->kept.rows != d->rows) {
        bert_fail(e, BERT_EINVAL, "%s: opened without keep_texts, which predictions need",
                  d->where);
        return NULL;
    }
    const char *suffix = suffix_of(how, path, e);
    bert_predictions *p = suffix ? calloc(1, sizeof *p) : NULL;
    if (!p) {
        if (suffix) bert_fail_memory(e, sizeof *p);
        return NULL;
    }
    *p = (bert_predictions){.set = d, .how = how, .suffix = suffix};
    char *real = realpath(path, NULL); /* through a link it is the file at its end */
    p->out = bert_writer_open(real ? real : path, e);
    free(real);
    if (p->out) return p;
    free(p);
    return NULL;
}

int bert_predictions_batch(bert_predictions *p, const bert_batch *b, const float *logits,
                           int32_t cols, bert_error *e) {
    return p->how->batch(p, b, logits, cols, e);
}

static void release(bert_predictions *p) {
    if (p->state && p->how->free_state) p->how->free_state(p->state);
    free(p);
}

int bert_predictions_commit(bert_predictions *p, bert_error *e) {
    int rc = p->how->end ? p->how->end(p, e) : 0;
    if (rc)
        bert_writer_abort(p->out);
    else
        rc = bert_writer_commit(p->out, e);
    release(p);
    return rc;
}

void bert_predictions_abort(bert_predictions *p) {
    if (!p) return;
    bert_writer_abort(p->out);
    release(p);
}

/* ---- Values */

json_t *bert_json_text(const char *text, size_t bytes) {
    if (bert_utf8_valid((const uint8_t *)text, bytes)) return json_stringn(text, bytes);
    char *copy = malloc(3 * bytes);
    size_t used = 0;
    const uint8_t *p = (const uint8_t *)text, *end = p + bytes;
    while (copy && p < end) {
        const uint8_t *from = p;
        const size_t n = bert_utf8_next(&p, end) == BERT_REPLACEMENT ? 0 : (size_t)(p - from);
        memcpy(copy + used, n ? (const char *)from : "\xEF\xBF\xBD", n ? n : 3);
        used += n ? n : 3;
    }
    json_t *string = copy ? json_stringn(copy, used) : NULL;
    free(copy);
    return string;
}

json_t *bert_json_number(double x) {
    return isfinite(x) ? json_real(x) : json_null();
}

/* ---- Records */

const char *const bert_record_suffixes[] = {".jsonl", ".csv", ".tsv", NULL};
enum { DIGITS = 9 }; /* bring a float back to the bit */

static int put(bert_predictions *p, const char *text, size_t n, bert_error *e) {
    return bert_writer_put(p->out, text, n, e);
}

static int put_json(bert_predictions *p, const json_t *record, bert_error *e) {
    char *text = json_dumps(record, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    int rc = text ? put(p, text, strlen(text), e) : bert_fail_memory(e, 1);
    if (!rc) rc = put(p, "\n", 1, e);
    free(text);
    return rc;
}

/* A field being put together. */
typedef struct {
    char *data;
    size_t n, capacity;
} field;

static int append(field *f, const char *text, size_t n, bert_error *e) {
    if (f->n + n + 1 > f->capacity) {
        const size_t capacity = 2 * (f->n + n + 1);
        char *larger = realloc(f->data, capacity);
        if (!larger) return bert_fail_memory(e, capacity);
        f->data = larger;
        f->capacity = capacity;
    }
    memcpy(f->data + f->n, text, n);
    f->n += n;
    return 0;
}

static int append_value(field *f, const json_t *v, bert_error *e) {
    if (json_is_string(v)) return append(f, json_string_value(v), json_string_length(v), e);
    if (json_is_null(v)) return append(f, "", 0, e);
    if (json_is_array(v)) {
        int rc = append(f, "", 0, e);
        for (size_t i = 0; i < json_array_size(v) && !rc; i++) {
            if (i) rc = append(f, "|", 1, e);
            if (!rc) rc = append_value(f, json_array_get(v, i), e);
        }
        return rc;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS));
    int rc = text ? append(f, text, strlen(text), e) : bert_fail_memory(e, 1);
    free(text);
    return rc;
}

/* As our readers take it: .csv with quotes where they are needed; .tsv has none, and a blank for
 * what would end a field. */
static int put_field(bert_predictions *p, field *f, bool first, bert_error *e) {
    const bool csv = !strcmp(p->suffix, ".csv");
    int rc = first ? 0 : put(p, csv ? "," : "\t", 1, e);
    if (!csv)
        for (size_t i = 0; i < f->n; i++)
            if (strchr("\t\r\n", f->data[i]) && f->data[i]) f->data[i] = ' ';
    bool quoted = false;
    for (size_t i = 0; i < f->n && csv; i++)
        quoted |= f->data[i] && strchr(",\"\r\n", f->data[i]) != NULL;
    if (!rc && !quoted) rc = put(p, f->data, f->n, e);
    if (rc || !quoted) return rc;
    rc = put(p, "\"", 1, e);
    for (size_t i = 0, n; i < f->n && !rc; i += n) {
        const char *quote = memchr(f->data + i, '"', f->n - i);
        n = quote ? (size_t)(quote - f->data) + 1 - i : f->n - i;
        rc = put(p, f->data + i, n, e);
        if (quote && !rc) rc = put(p, "\"", 1, e);
    }
    return rc ? rc : put(p, "\"", 1, e);
}

/* The values of a record as a line, or its names. */
static int put_line(bert_predictions *p, const json_t *record, bool names, bert_error *e) {
    const char *key, *inner;
    json_t *value, *member;
    field f = {0};
    bool first = true;
    int rc = 0;
    json_object_foreach((json_t *)(uintptr_t)record, key, value) {
        const size_t count = json_is_object(value) ? json_object_size(value) : 1;
        void *at = json_is_object(value) ? json_object_iter(value) : NULL;
        for (size_t i = 0; i < count && !rc; i++) {
            inner = at ? json_object_iter_key(at) : NULL;
            member = at ? json_object_iter_value(at) : value;
            f.n = 0;
            if (!names) rc = append_value(&f, member, e);
            if (names) rc = append(&f, key, strlen(key), e);
            if (names && inner && !rc) rc = append(&f, "_", 1, e);
            if (names && inner && !rc) rc = append(&f, inner, strlen(inner), e);
            if (!rc) rc = put_field(p, &f, first, e);
            first = false;
            if (at) at = json_object_iter_next(value, at);
        }
    }
    free(f.data);
    return rc ? rc : put(p, "\n", 1, e);
}

int bert_predictions_record(bert_predictions *p, json_t *record, bert_error *e) {
    if (!record) return bert_fail_memory(e, 1);
    int rc = 0;
    if (!strcmp(p->suffix, ".jsonl")) {
        rc = put_json(p, record, e);
    } else {
        if (!p->rows) rc = put_line(p, record, true, e);
        if (!rc) rc = put_line(p, record, false, e);
    }
    p->rows++;
    json_decref(record);
    return rc;
}
