/* ViT: Dosovitskiy et al. 2020, arXiv:2010.11929. DeiT, its sibling with a second token: Touvron et al.
 * 2020, arXiv:2012.12877. */
#include "models/arch.h"
#include "models/pre_norm.h"

static const bert_config_key keys[] = {
    BERT_PRE_NORM_KEYS(1e-12),
    BERT_INT("intermediate_size", intermediate_size, 3072, 1, BERT_MAX_WIDTH * 4),
    BERT_OWN_BOOL("qkv_bias", bert_pre_norm_config, qkv_bias, true),
    BERT_OWN_INT("pooler_output_size", bert_pre_norm_config, pooler_size, 0, 1, BERT_MAX_WIDTH),
    BERT_OWN_STRING("pooler_act", bert_pre_norm_config, pooler_act, "tanh"),
    {0},
};

static const bert_config_fixed fixed[] = {{0}};
static const bert_copy copies[] = {{0}};

/* As transformers 5 names them in memory, and saves them where it is told to. */
static const bert_other_name other_names[] = {
    {"encoder.layer.", "layers."},
    {"attention.attention.query", "attention.q_proj"},
    {"attention.attention.key", "attention.k_proj"},
    {"attention.attention.value", "attention.v_proj"},
    {"attention.output.dense", "attention.o_proj"},
    {"intermediate.dense", "mlp.fc1"},
    {".output.dense", ".mlp.fc2"},
    {0},
};

static int complete_vit(const json_t *json, const char *where, bert_config *c, void *own,
                        bert_error *e) {
    (void)own;
    c->special_tokens = 1;
    return bert_pre_norm_sizes(json, where, 16, c, e);
}

static int complete_deit(const json_t *json, const char *where, bert_config *c, void *own,
                         bert_error *e) {
    (void)own;
    c->special_tokens = 2;
    return bert_pre_norm_sizes(json, where, 16, c, e);
}

static const bert_pre_norm_names names = {
    .norm1 = "encoder.layer.%d.layernorm_before",
    .norm2 = "encoder.layer.%d.layernorm_after",
    .up = "encoder.layer.%d.intermediate.dense",
    .down = "encoder.layer.%d.output.dense",
};

static int build_vit(bert_builder *b, void *state) {
    return bert_pre_norm_build(b, &names, state);
}

static int build_deit(bert_builder *b, void *state) {
    bert_pre_norm_names own = names;
    own.distillation = "embeddings.distillation_token";
    return bert_pre_norm_build(b, &own, state);
}

static const bert_arch_head vit_heads[] = {
    {"image-classification", "ForImageClassification", false, {.output = "classifier"}},
    {0},
};
static const bert_arch_head deit_heads[] = {
    {"image-classification", "ForImageClassification", false, {.output = "classifier"}},
    {"image-classification",
     "ForImageClassificationWithTeacher",
     false,
     {.output = "cls_classifier", .second = "distillation_classifier"}},
    {0},
};

#define SHARED                                                                                     \
    .embeddings = "embeddings.", .layers = "encoder.layer.",                                       \
    .signs = {"attention.attention.query.", "layernorm_before."}, .keys = keys, .fixed = fixed,    \
    .copies = copies, .other_names = other_names, .own_size = sizeof(bert_pre_norm_config),        \
    .max_length = bert_pre_norm_max_length, .state_size = sizeof(bert_pre_norm),                   \
    .pooler = "pooler.dense", .pooler_shape = bert_pre_norm_pooler, .embed = bert_pre_norm_embed,  \
    .block = bert_pre_norm_block, .finish = bert_pre_norm_finish, .finishes_apart = true

const bert_arch bert_arch_vit = {
    .model_type = "vit",
    .class_prefix = "ViT",
    .prefix = "vit.",
    .complete = complete_vit,
    .heads = vit_heads,
    .build = build_vit,
    SHARED,
};

const bert_arch bert_arch_deit = {
    .model_type = "deit",
    .class_prefix = "DeiT",
    .prefix = "deit.",
    .complete = complete_deit,
    .heads = deit_heads,
    .build = build_deit,
    SHARED,
};
