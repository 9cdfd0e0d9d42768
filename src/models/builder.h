/* How an architecture makes its parameters: names with the layer's number in them, and each
 * parameter told what it is. */
#ifndef BERT_MODELS_BUILDER_H
#define BERT_MODELS_BUILDER_H
#include "base/arena.h"
#include <bert_train.h>

typedef struct {
    bert_params *params;
    const char *prefix; /* in front of each name */
    const bert_config *config;
    const void *own;    /* the family's own configuration, or NULL */
    bert_arena *memory; /* that lives as long as the trunk */
    bert_error *e;
    bert_param *words; /* set by who builds: the table of word embeddings */
} bert_builder;

enum { BERT_BELOW = -1 }; /* the layer of what lies below layer 0 */

/* Each is 0, or a negative error with b->e set. name: without prefix and without ".weight" or
 * ".bias"; a "%d" in it becomes the layer. */
int bert_build_linear(bert_builder *b, const char *name, int layer, int32_t in, int32_t out,
                      bert_linear *l);
int bert_build_norm(bert_builder *b, const char *name, int layer, int32_t size, float eps,
                    bert_layer_norm *n);
/* A table of embeddings, below the layers. */
int bert_build_table(bert_builder *b, const char *name, int32_t rows, int32_t cols, bert_param **p);
/* Zeroed memory that lives as long as the trunk; NULL sets b->e. */
void *bert_build_alloc(bert_builder *b, size_t bytes);
#endif
