/* Weights in one file, or in several and an index, as transformers' save_pretrained cuts them. */
#ifndef BERT_FILES_SHARDS_H
#define BERT_FILES_SHARDS_H
#include "files/safetensors.h"

/* Writes model.safetensors into a directory, or model-00001-of-0000N.safetensors with
 * model.safetensors.index.json where they are more than max bytes: tensors in their order, none cut
 * in two. *files: how many hold tensors. */
int bert_shards_write(const char *directory, const bert_safetensors_content *c, int64_t max,
                      int *files, bert_error *e);
#endif
