/* An index of shards: {"weight_map": {tensor: file}}. */
#ifndef BERT_FILES_WEIGHT_INDEX_H
#define BERT_FILES_WEIGHT_INDEX_H
#include <bert.h>
#include <jansson.h>

typedef struct {
    json_t *json;
    json_t *map;        /* in it: tensor to file */
    const char **files; /* in it: each once, by name */
    int count;
} bert_weight_index;

/* Its files are names of files beside it that end in suffix, never paths. */
int bert_weight_index_open(bert_weight_index *x, const char *path, const char *suffix,
                           bert_error *e);
void bert_weight_index_free(bert_weight_index *x);
#endif
