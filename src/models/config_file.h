/* config.json: read by the tables of the architecture that it names, and written back. */
#ifndef BERT_MODELS_CONFIG_FILE_H
#define BERT_MODELS_CONFIG_FILE_H
#include "models/arch.h"

/* where: the file's name for messages. Fills *c, *labels, *arch and *own, the architecture's own
 * configuration: malloc'ed, the caller's in any case, or NULL. */
int bert_config_read(const json_t *json, const char *where, bert_config *c, bert_labels *labels,
                     const bert_arch **arch, void **own, bert_error *e);
/* What save writes: the file as it was read (keys that mean nothing to us included) with the
 * architecture, the labels and the problem type as they are now, and float32 as the type. A new
 * reference, or NULL. */
json_t *bert_config_write(const json_t *original, const bert_config *c, const bert_labels *labels,
                          bert_error *e);
#endif
