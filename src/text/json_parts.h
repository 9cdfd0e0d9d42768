/* Members of tokenizer.json's parts, and what is said where they are not as they must be. where:
 * the file, in messages. */
#ifndef BERT_TEXT_JSON_PARTS_H
#define BERT_TEXT_JSON_PARTS_H
#include "text/load.h"

int bert_part_wrong(const char *where, const char *key, const char *must_be, bert_error *e);
/* NULL: it is no string, or not there. */
const char *bert_part_need_string(const json_t *object, const char *key, const char *where,
                                  bert_error *e);
int bert_part_need_int(const json_t *object, const char *key, int32_t max, int32_t *out,
                       const char *where, bert_error *e);
int bert_part_need_bool(const json_t *object, const char *key, bool *out, const char *where,
                        bert_error *e);
/* The member's "type", "" where it is absent or null, NULL where it has none. */
const char *bert_part_type(const json_t *component, const char *where, const char *key,
                           bert_error *e);
int bert_part_unsupported(const char *where, const char *key, const char *type, const char *known,
                          bert_error *e);

/* The parts of a tokenizer.json, each of root's member of that name. */
typedef int bert_read_part(bert_tokenizer *t, const json_t *root, const char *where, bert_error *e);
bert_read_part bert_read_model, bert_read_post_processor;
int bert_model_kind(const json_t *root, const char *where, bert_token_model *kind, bert_error *e);
#endif
