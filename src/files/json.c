#include "files/json.h"
#include "base/error.h"
#include "base/file.h"
#include "files/python_json.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a reader asks of jansson, and of what is not valid. */
typedef struct {
    size_t flags;
    const char *where;
    int64_t line; /* of its file, where the text is one; 0: it is all of it */
    bool exact;   /* nothing that RFC 8259 does not know, and no key twice */
} reading;

static json_t *complain(const char *text, size_t bytes, const reading *r, const json_error_t *je,
                        int shift, bert_error *e) {
    const char *instead = bert_file_instead(text, bytes);
    if (json_error_code(je) == json_error_out_of_memory || !je->text[0])
        bert_fail_memory(e, bytes);
    else if (instead)
        bert_fail(e, BERT_EFORMAT, "%s: %s", r->where, instead);
    else
        bert_fail(e, BERT_EFORMAT, "%s:%lld:%d: not valid JSON: %s", r->where,
                  r->line ? (long long)r->line : je->line, je->column - shift, je->text);
    return NULL;
}

/* What jansson refuses may be what Python's json writes. */
static json_t *parse_as_python(const char *text, size_t bytes, const reading *r, json_error_t *je,
                               bert_error *e) {
    size_t n;
    char *copy = bert_python_json(text, bytes, &n, e);
    json_t *value = copy ? json_loadb(copy, n, r->flags, je) : NULL;
    free(copy);
    if (value) return value;
    if (e->code) return NULL;
    const int shift =
        copy && je->position > 0 ? bert_python_json_shift(text, bytes, (size_t)je->position) : 0;
    return complain(text, bytes, r, je, shift, e);
}

static json_t *parse(const char *text, size_t bytes, reading r, bert_error *e) {
    json_error_t je = {.line = 0}; /* jansson leaves it as it is where an allocation fails */
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    if (!r.exact && !r.line && bytes >= sizeof mark && !memcmp(text, mark, sizeof mark)) {
        text += sizeof mark;
        bytes -= sizeof mark;
    }
    json_t *value = json_loadb(text, bytes, r.flags, &je);
    if (value) return value;
    const bool may_be_python =
        !r.exact && je.text[0] && json_error_code(&je) != json_error_out_of_memory;
    return may_be_python ? parse_as_python(text, bytes, &r, &je, e)
                         : complain(text, bytes, &r, &je, 0, e);
}

json_t *bert_json_parse(const char *text, size_t bytes, const char *where, bert_error *e) {
    return parse(text, bytes, (reading){.where = where}, e);
}

json_t *bert_json_parse_exact(const char *text, size_t bytes, const char *where, bert_error *e) {
    return parse(text, bytes,
                 (reading){.flags = JSON_REJECT_DUPLICATES, .where = where, .exact = true}, e);
}

json_t *bert_json_parse_row(const char *text, size_t bytes, const char *path, int64_t line,
                            bert_error *e) {
    return parse(text, bytes, (reading){.flags = JSON_ALLOW_NUL, .where = path, .line = line}, e);
}

json_t *bert_json_load(const char *path, bert_error *e) {
    char *text;
    size_t bytes;
    if (bert_read_file(path, BERT_JSON_MAX, &text, &bytes, e)) return NULL;
    json_t *value = bert_json_parse(text, bytes, path, e);
    free(text);
    return value;
}

int bert_json_save(const json_t *value, const char *path, bert_error *e) {
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (!text) return bert_fail(e, BERT_ENOMEM, "%s: out of memory while writing JSON", path);
    size_t n = strlen(text);
    text[n++] = '\n'; /* in the place of the NUL, which is not written */
    int rc = bert_write_file(path, text, n, e);
    free(text);
    return rc;
}

/* The member, or NULL where it is absent or null. */
static const json_t *member(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    return v && !json_is_null(v) ? v : NULL;
}

int bert_json_int(const json_t *object, const char *key, int32_t min, int32_t max, int32_t *out,
                  const char *where, bert_error *e) {
    const json_t *v = member(object, key);
    if (!v) return 0;
    double real = json_is_real(v) ? json_real_value(v) : 0.5;
    if (!json_is_integer(v) && (real != floor(real) || fabs(real) > 1e15))
        return bert_fail(e, BERT_EFORMAT, "%s: %s: must be an integer", where, key);
    json_int_t i = json_is_integer(v) ? json_integer_value(v) : (json_int_t)real;
    if (i < min || i > max)
        return bert_fail(e, BERT_EFORMAT, "%s: %s: is %lld; it must be %d to %d", where, key,
                         (long long)i, min, max);
    *out = (int32_t)i;
    return 0;
}

int bert_json_float(const json_t *object, const char *key, float *out, const char *where,
                    bert_error *e) {
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_number(v))
        return bert_fail(e, BERT_EFORMAT, "%s: %s: must be a number", where, key);
    float x = (float)json_number_value(v);
    if (!isfinite(x)) return bert_fail(e, BERT_EFORMAT, "%s: %s: is out of range", where, key);
    *out = x;
    return 0;
}

int bert_json_bool(const json_t *object, const char *key, bool *out, const char *where,
                   bert_error *e) {
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_boolean(v))
        return bert_fail(e, BERT_EFORMAT, "%s: %s: must be true or false", where, key);
    *out = json_is_true(v);
    return 0;
}

int bert_json_string(const json_t *object, const char *key, char *out, size_t capacity,
                     const char *where, bert_error *e) {
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_string(v))
        return bert_fail(e, BERT_EFORMAT, "%s: %s: must be a string", where, key);
    size_t n = json_string_length(v);
    if (n >= capacity)
        return bert_fail(e, BERT_EFORMAT, "%s: %s: has %zu bytes; at most %zu are allowed", where,
                         key, n, capacity - 1);
    memcpy(out, json_string_value(v), n + 1);
    return 0;
}
