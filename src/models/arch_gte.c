/* GTE v1.5 and multilingual: Zhang et al. 2024, arXiv:2407.19669. BERT's layers with rotary
 * positions and gated inner layers. Its first name was "new", which published files have. */
#include "models/arch.h"
#include "models/post_norm.h"
#include "models/problem.h"
#include "models/rope.h"
#include <string.h>

typedef struct {
    bert_rope rope;
} own_config;

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 250048, 1, BERT_MAX_VOCAB),
    BERT_POST_NORM_SIZES(768, 12, 12, 3072),
    BERT_INT("max_position_embeddings", max_position_embeddings, 8192, 1, BERT_MAX_POSITIONS),
    BERT_INT("type_vocab_size", type_vocab_size, 1, 0, BERT_MAX_WIDTH),
    BERT_INT("pad_token_id", pad_token_id, 1, -1, BERT_MAX_VOCAB),
    BERT_STRING("hidden_act", hidden_act, "gelu"),
    BERT_PROBABILITY("hidden_dropout_prob", hidden_dropout_prob, 0.1),
    BERT_PROBABILITY("attention_probs_dropout_prob", attention_probs_dropout_prob, 0),
    BERT_FLOAT("classifier_dropout", classifier_dropout, -1, 0, 0.999),
    BERT_OWN_FLOAT("rope_theta", own_config, rope.theta, 160000, 1, 1e12),
    BERT_POST_NORM_REST(1e-12),
    {0},
};

static const bert_config_fixed fixed[] = {
    {"position_embedding_type", "\"rope\""},
    {"layer_norm_type", "\"layer_norm\""},
    {"pack_qkv", "true"},
    {"logn_attention_scale", "false"},
    {0},
};

static int complete(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e) {
    return bert_rope_complete(json, where, c, &((own_config *)own)->rope, e);
}

static const bert_copy copies[] = {
    {.name = "lm_head.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {0},
};

static const bert_arch_head heads[] = {
    {"sequence-classification", "ForSequenceClassification", true, {.output = "classifier"}},
    {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},
    {"masked-lm",
     "ForMaskedLM",
     false,
     {.dense = "lm_head.dense",
      .act = BERT_ACT_GELU,
      .norm = "lm_head.norm",
      .bias = "lm_head.decoder.bias",
      .decoder = "lm_head.decoder.weight"}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    (void)own, (void)head, (void)e;
    if (layout->output) layout->dropout = bert_classifier_dropout(c);
    return 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

static int build(bert_builder *b, void *state) {
    bert_post_norm *s = state;
    const bert_config *c = b->config;
    const bert_post_norm_names names = {
        .word = "embeddings.word_embeddings",
        .token_type = c->type_vocab_size ? "embeddings.token_type_embeddings" : NULL,
        .embeddings_norm = "embeddings.LayerNorm",
        .query = "encoder.layer.%d.attention.qkv_proj",
        .attention_output = "encoder.layer.%d.attention.o_proj",
        .attention_norm = "encoder.layer.%d.attn_ln",
        .intermediate = "encoder.layer.%d.mlp.up_gate_proj",
        .gate = BERT_GATE_SECOND,
        .output = "encoder.layer.%d.mlp.down_proj",
        .output_norm = "encoder.layer.%d.mlp_ln",
        .unbiased_inner = true,
    };
    int rc = bert_post_norm_build(b, &names, s);
    if (rc) return rc;
    for (int i = 0; i < c->num_hidden_layers; i++)
        s->layers[i].inner.dropout = c->hidden_dropout_prob;
    return bert_rope_build(b, ((const own_config *)b->own)->rope, &s->attention.rotation);
}

#define LIKE_GTE(type, classes, its_prefix, other)                                                 \
    {                                                                                              \
        .model_type = type, .class_prefix = classes, .prefix = its_prefix, .other_prefix = other,  \
        .embeddings = "embeddings.", .layers = "encoder.layer.", .signs = {"attention.qkv_proj."}, \
        .keys = keys, .fixed = fixed, .complete = complete, .own_size = sizeof(own_config),        \
        .copies = copies, .heads = heads, .configure = configure, .max_length = max_length,        \
        .state_size = sizeof(bert_post_norm), .build = build, .pooler = "pooler.dense",            \
        .embed = bert_post_norm_embed, .block = bert_post_norm_block,                              \
    }
const bert_arch bert_arch_gte = LIKE_GTE("gte", "Gte", "gte.", "new."),
                bert_arch_new = LIKE_GTE("new", "New", "new.", "gte.");
