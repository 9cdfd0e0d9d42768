/* Reading JSON with errors that name the file and the key; a thin layer over jansson. */
#ifndef BERT_FILES_JSON_H
#define BERT_FILES_JSON_H
#include <bert.h>
#include <jansson.h>

/* Bytes of a file. The largest tokenizer.json of the supported families is below 20 MB. */
enum { BERT_JSON_MAX = 256 << 20 };

/* A file, or text already in memory (where: what to call it in messages), as Python's json reads
 * it: of a key that is there twice the last counts, and python_json.h says what becomes of NaN and
 * the like. Bad UTF-8 is refused. NULL and e on failure; release with json_decref. */
json_t *bert_json_load(const char *path, bert_error *e);
json_t *bert_json_parse(const char *text, size_t bytes, const char *where, bert_error *e);
/* The same without Python's liberties. */
json_t *bert_json_parse_exact(const char *text, size_t bytes, const char *where, bert_error *e);
/* A line of a file of them, whose strings may hold zero bytes. */
json_t *bert_json_parse_row(const char *text, size_t bytes, const char *path, int64_t line,
                            bert_error *e);
int bert_json_save(const json_t *value, const char *path, bert_error *e); /* indented, atomic */

/* Typed members of an object: absent or null leaves *out alone; a wrong type or range is
 * BERT_EFORMAT ("where: key: ..."). */
int bert_json_int(const json_t *object, const char *key, int32_t min, int32_t max, int32_t *out,
                  const char *where, bert_error *e);
int bert_json_float(const json_t *object, const char *key, float *out, const char *where,
                    bert_error *e);
int bert_json_bool(const json_t *object, const char *key, bool *out, const char *where,
                   bert_error *e);
int bert_json_string(const json_t *object, const char *key, char *out, size_t capacity,
                     const char *where, bert_error *e);
#endif
