#include "files/json.h"
#include "base/error.h"
#include "base/file.h"
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The largest tokenizer.json of the supported families is below 20 MB. */
enum { MAX_JSON = 256 << 20 };

/* line: of its file, where the text is one; 0: it is all of it. */
static json_t *parse(const char *text, size_t bytes, size_t flags, const char *where, int64_t line,
                     bert_error *e) {
    json_error_t je = {.line = 0}; /* jansson leaves it as it is where an allocation fails */
    flags |= JSON_REJECT_DUPLICATES;
    json_t *value = json_loadb(text, bytes, flags, &je);
    /* "No limit" in a tokenizer_config.json is an integer near 10^30: such a file's are all read as
     * reals. */
    if (!value && json_error_code(&je) == json_error_numeric_overflow)
        value = json_loadb(text, bytes, flags | JSON_DECODE_INT_AS_REAL, &je);
    if (value) return value;
    if (json_error_code(&je) == json_error_out_of_memory || !je.text[0])
        bert_fail_memory(e, bytes);
    else
        bert_fail(e, BERT_EFORMAT, "%s:%lld:%d: not valid JSON: %s", where,
                  line ? (long long)line : je.line, je.column, je.text);
    return NULL;
}

json_t *bert_json_parse(const char *text, size_t bytes, const char *where, bert_error *e) {
    return parse(text, bytes, 0, where, 0, e);
}

json_t *bert_json_parse_row(const char *text, size_t bytes, const char *path, int64_t line,
                            bert_error *e) {
    return parse(text, bytes, JSON_ALLOW_NUL, path, line, e);
}

json_t *bert_json_load(const char *path, bert_error *e) {
    char *text;
    size_t bytes;
    if (bert_read_file(path, MAX_JSON, &text, &bytes, e)) return NULL;
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
