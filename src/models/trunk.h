/* The trunk of a model: embeddings, layers, pooler, and the one forward pass through them. */
#ifndef BERT_MODELS_TRUNK_H
#define BERT_MODELS_TRUNK_H
#include "models/config.h"
#include <bert_train.h>

typedef struct {
    bert_linear qkv[3], attention_output, intermediate, output;
    bert_layer_norm attention_norm, output_norm;
} bert_layer;

typedef struct {
    bert_param *word, *position, *token_type;
    bert_layer_norm embeddings_norm;
    bert_layer *layers; /* [num_hidden_layers] */
    bert_linear pooler; /* weight NULL: there is none */
    bert_act act;
    int32_t first_position;
} bert_trunk;

/* Who wants to see what passes by. Each function may be NULL. */
typedef struct {
    /* The queries, keys and values [T, 3H] that enter the attention of a layer. */
    int (*qkv)(void *context, int layer, const float *qkv, bert_error *e);
    /* What leaves the embeddings (layer 0) and each layer (1, 2, ...): [T, H]. */
    int (*hidden)(void *context, int layer, const float *hidden, bert_error *e);
    void *context;
    /* Only the first token's row of each sequence is wanted of the last layer: the result is [n, H]
     * and the last layer computes no more than it needs. */
    bool first_rows;
} bert_trunk_watch;

/* [T, H] from the ids of a batch. */
typedef bert_tensor *bert_trunk_embed_fn(bert_tape *t, const bert_config *c, const bert_trunk *k,
                                         const bert_inputs *inputs);
/* One layer: [T, H] -> [T, H], or [n, H] when first_rows. */
typedef bert_tensor *bert_trunk_block_fn(bert_tape *t, const bert_config *c, const bert_trunk *k,
                                         int layer, bert_tensor *x, const bert_inputs *inputs,
                                         const bert_trunk_watch *watch, bool first_rows);

bert_trunk_embed_fn bert_embed_word_position_type; /* LayerNorm(word + position + type), dropout */
bert_trunk_block_fn bert_block_post_norm;          /* a LayerNorm after each residual */

/* Creates the trunk's parameters; prefix is put in front of each name. To be freed in any case. */
int bert_trunk_new(bert_params *ps, const bert_arch *arch, const bert_config *c, const char *prefix,
                   bert_trunk *k, bert_error *e);
int bert_trunk_add_pooler(bert_params *ps, const bert_arch *arch, const bert_config *c,
                          const char *prefix, bert_trunk *k, bert_error *e);
void bert_trunk_free(bert_trunk *k);

/* The forward pass. watch may be NULL. On a tape that records nothing the memory of each layer is
 * taken back as soon as its result is there. */
bert_tensor *bert_trunk_forward(bert_tape *t, const bert_arch *arch, const bert_config *c,
                                const bert_trunk *k, const bert_inputs *inputs,
                                const bert_trunk_watch *watch);
#endif
