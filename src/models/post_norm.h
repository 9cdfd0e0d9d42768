/* Layers as BERT has them, a LayerNorm after each residual, and embeddings as it has them: of
 * words, positions and (where the family has them) types. BERT, RoBERTa, DistilBERT and others
 * differ in names, and in what counts as a position. */
#ifndef BERT_MODELS_POST_NORM_H
#define BERT_MODELS_POST_NORM_H
#include "models/builder.h"

typedef struct {
    /* Without prefix and without ".weight" or ".bias"; token_type NULL: there are no types. */
    const char *word, *position, *token_type, *embeddings_norm;
    /* "%d" is the layer. */
    const char *query, *key, *value, *attention_output, *attention_norm;
    const char *intermediate, *output, *output_norm;
} bert_post_norm_names;

typedef struct {
    bert_linear qkv[3], attention_output, intermediate, output;
    bert_layer_norm attention_norm, output_norm;
} bert_post_norm_layer;

typedef struct {
    bert_param *word, *position, *token_type; /* token_type NULL: none */
    bert_layer_norm embeddings_norm;
    bert_post_norm_layer *layers;
    bert_act act;
    bert_attention_spec attention;
    float hidden_dropout;           /* of the embeddings and of what a layer's second half gives, */
    float attention_output_dropout; /* and its first */
    /* >= 0: positions begin with the one after it and count tokens that are not this id, which
     * stays at it itself (fairseq's); -1: positions are 0, 1, 2, ... */
    int32_t padding;
} bert_post_norm;

/* Fills *s with padding -1. */
int bert_post_norm_build(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s);
bert_trunk_embed_fn bert_post_norm_embed; /* LayerNorm(word + type + position), dropout */
bert_trunk_block_fn bert_post_norm_block;
#endif
