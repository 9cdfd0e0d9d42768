/* Layers with a LayerNorm in front of attention and feed-forward, and embeddings of patches: what ViT,
 * DeiT and DINOv2 have in common. They differ in names, in tokens beside the patches, and in what
 * stands on a branch before it is added. */
#ifndef BERT_MODELS_PRE_NORM_H
#define BERT_MODELS_PRE_NORM_H
#include "models/builder.h"
#include "models/config.h"
#include "models/pass.h"
#include "models/pictures.h"

typedef struct {
    /* "%d" is the layer; without ".weight" and ".bias", those of scales are whole. NULL: none. */
    const char *norm1, *norm2, *up, *down, *scale1, *scale2;
    const char *gated_up, *gated_down; /* in the place of up and down: [gate; up] in one */
    const char *distillation;          /* a second token */
} bert_pre_norm_names;

typedef struct {
    bert_linear qkv[3], attention_output, up, down;
    bert_layer_norm norm1, norm2;
    bert_param *scale1, *scale2; /* [1, H], or NULL */
} bert_pre_norm_layer;

typedef struct {
    const bert_config *config;
    bert_param *cls, *distillation, *registers, *positions; /* [1, H] .., or NULL */
    bert_linear patches;
    bert_layer_norm last;
    bert_pre_norm_layer *layers;
    bert_act act;
    bool gated;
    bert_attention_spec attention;
    bert_grid_filter grid;
} bert_pre_norm;

/* Own configurations of these families begin with this. */
typedef struct {
    bool qkv_bias, gated;
    int32_t registers;
    int32_t pooler_size; /* 0: H */
    char pooler_act[BERT_MAX_NAME];
} bert_pre_norm_config;

/* config.json's image_size and patch_size, numbers or [height, width]; fallback: of the latter. */
int bert_pre_norm_sizes(const json_t *json, const char *where, int32_t patch, bert_config *c,
                        bert_error *e);
int bert_pre_norm_build(bert_builder *b, const bert_pre_norm_names *names, bert_pre_norm *s);
bert_trunk_embed_fn bert_pre_norm_embed;
bert_trunk_block_fn bert_pre_norm_block;
bert_trunk_finish_fn bert_pre_norm_finish;
int bert_pre_norm_pooler(const bert_config *c, const void *own, int32_t *size, bert_act *act,
                         bert_error *e);
int32_t bert_pre_norm_max_length(const bert_config *c);

/* Rows of config.json's keys that they share; what they differ in: eps. */
#define BERT_PRE_NORM_KEYS(eps)                                                                    \
    BERT_INT("hidden_size", hidden_size, 768, 1, BERT_MAX_WIDTH),                                  \
        BERT_INT("num_hidden_layers", num_hidden_layers, 12, 1, BERT_MAX_LAYERS),                  \
        BERT_INT("num_attention_heads", num_attention_heads, 12, 1, BERT_MAX_WIDTH),               \
        BERT_INT("num_channels", num_channels, 3, 1, 3),                                           \
        BERT_STRING("hidden_act", hidden_act, "gelu"),                                             \
        BERT_PROBABILITY("hidden_dropout_prob", hidden_dropout_prob, 0),                           \
        BERT_PROBABILITY("attention_probs_dropout_prob", attention_probs_dropout_prob, 0),         \
        BERT_FLOAT("initializer_range", initializer_range, 0.02, 0, 1e3),                          \
        BERT_FLOAT("layer_norm_eps", layer_norm_eps, eps, 0, 1)
#endif
