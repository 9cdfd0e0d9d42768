/* Layers as BERT has them, a LayerNorm after each residual, and embeddings as it has them: of
 * words, positions and (where the family has them) types. BERT, RoBERTa, DistilBERT and others
 * differ in names, and in what counts as a position. */
#ifndef BERT_MODELS_POST_NORM_H
#define BERT_MODELS_POST_NORM_H
#include "models/builder.h"
#include "models/config.h"
#include "models/pass.h"

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

/* Rows of config.json's keys under BERT's names, with what families differ in: defaults of
 * vocabulary and padding id, the least padding id and number of positions. */
#define BERT_POST_NORM_KEYS(vocab, pad, least_pad, least_positions)                                \
    BERT_INT("vocab_size", vocab_size, vocab, 1, BERT_MAX_VOCAB),                                  \
        BERT_INT("hidden_size", hidden_size, 768, 1, BERT_MAX_WIDTH),                              \
        BERT_INT("num_hidden_layers", num_hidden_layers, 12, 1, BERT_MAX_LAYERS),                  \
        BERT_INT("num_attention_heads", num_attention_heads, 12, 1, BERT_MAX_WIDTH),               \
        BERT_INT("intermediate_size", intermediate_size, 3072, 1, BERT_MAX_WIDTH * 4),             \
        BERT_INT("max_position_embeddings", max_position_embeddings, 512, least_positions,         \
                 BERT_MAX_POSITIONS),                                                              \
        BERT_INT("type_vocab_size", type_vocab_size, 2, 1, BERT_MAX_WIDTH),                        \
        BERT_INT("pad_token_id", pad_token_id, pad, least_pad, BERT_MAX_VOCAB),                    \
        BERT_STRING("hidden_act", hidden_act, "gelu"),                                             \
        BERT_PROBABILITY("hidden_dropout_prob", hidden_dropout_prob, 0.1),                         \
        BERT_PROBABILITY("attention_probs_dropout_prob", attention_probs_dropout_prob, 0.1),       \
        BERT_FLOAT("classifier_dropout", classifier_dropout, -1, 0, 0.999),                        \
        BERT_FLOAT("initializer_range", initializer_range, 0.02, 0, 1e3),                          \
        BERT_FLOAT("layer_norm_eps", layer_norm_eps, 1e-12, 0, 1),                                 \
        BERT_BOOL("tie_word_embeddings", tie_word_embeddings, true)
/* Decoders and relative positions are other models under the same model_type. */
extern const bert_config_fixed bert_post_norm_fixed[];
/* BERT's names, which others have too. */
extern const bert_post_norm_names bert_post_norm_bert;

/* Fills *s with padding -1. */
int bert_post_norm_build(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s);
bert_trunk_embed_fn bert_post_norm_embed; /* LayerNorm(word + type + position), dropout */
bert_trunk_block_fn bert_post_norm_block;
#endif
