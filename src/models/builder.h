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
/* The same without a bias, unless `biased`. */
int bert_build_linear_biased(bert_builder *b, const char *name, int layer, int32_t in, int32_t out,
                             bool biased, bert_linear *l);
int bert_build_norm_biased(bert_builder *b, const char *name, int layer, int32_t size, float eps,
                           bool biased, bert_layer_norm *n);
/* A bias of its own, under this whole name. */
int bert_build_bias(bert_builder *b, const char *name, int layer, int32_t size, bert_param **p);
/* A table of embeddings, below the layers. */
int bert_build_table(bert_builder *b, const char *name, int32_t rows, int32_t cols, bert_param **p);
/* Rotary position embeddings of `positions` places: column pair i of size / 2 turns by the place
 * times frequencies[i], all in float32 as the reference has it, and is multiplied by scale. *r
 * lives as long as the trunk. */
int bert_build_rotation(bert_builder *b, int32_t size, int32_t positions, const float *frequencies,
                        float scale, const bert_rotation **r);
/* One that is none of these, by its whole name, with the shape that files give it: [.., rows, cols],
 * where the first dimensions may be 1, or [rows, ..], whose others are cols together. Of
 * BERT_KIND_EMBEDDING. */
int bert_build_param(bert_builder *b, const char *name, int layer, int dims, const int32_t *shape,
                     bert_init init, bert_param **p);
/* The shape that files give a parameter that is there. */
void bert_build_shape(bert_param *p, int dims, const int32_t *shape);
/* Zeroed memory that lives as long as the trunk; NULL sets b->e. */
void *bert_build_alloc(bert_builder *b, size_t bytes);
#endif
