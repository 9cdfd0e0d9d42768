/* DINOv2: Oquab et al. 2023, arXiv:2304.07193; with registers: Darcet et al. 2023, arXiv:2309.16588. */
#include "base/error.h"
#include "files/json.h"
#include "models/arch.h"
#include "models/pre_norm.h"

static const bert_config_key keys[] = {
    BERT_PRE_NORM_KEYS(1e-6),
    BERT_OWN_BOOL("qkv_bias", bert_pre_norm_config, qkv_bias, true),
    BERT_OWN_BOOL("use_swiglu_ffn", bert_pre_norm_config, gated, false),
    {0},
};
static const bert_config_key register_keys[] = {
    BERT_PRE_NORM_KEYS(1e-6),
    BERT_OWN_BOOL("qkv_bias", bert_pre_norm_config, qkv_bias, true),
    BERT_OWN_BOOL("use_swiglu_ffn", bert_pre_norm_config, gated, false),
    BERT_OWN_INT("num_register_tokens", bert_pre_norm_config, registers, 4, 1, 1024),
    {0},
};

static const bert_config_fixed fixed[] = {{0}};
static const bert_copy copies[] = {{0}};
static const bert_other_name other_names[] = {
    {"attention.attention.query", "attention.q_proj"},
    {"attention.attention.key", "attention.k_proj"},
    {"attention.attention.value", "attention.v_proj"},
    {"attention.output.dense", "attention.o_proj"},
    {0},
};

/* The inner size is a multiple of H; of the gated one two thirds of it, in eights. */
static int complete(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e) {
    const bert_pre_norm_config *o = own;
    float ratio = 4;
    int rc = bert_json_float(json, "mlp_ratio", &ratio, where, e);
    const double inner = (double)c->hidden_size * (double)ratio;
    if (!rc && !(inner >= 1 && inner <= 4.0 * BERT_MAX_WIDTH))
        rc = bert_fail(e, BERT_EFORMAT, "%s: mlp_ratio is %g", where, (double)ratio);
    if (rc) return rc;
    c->intermediate_size = (int32_t)inner;
    if (o->gated) c->intermediate_size = ((int32_t)(c->intermediate_size * 2 / 3.0) + 7) / 8 * 8;
    c->special_tokens = 1 + o->registers;
    return bert_pre_norm_sizes(json, where, 14, c, e);
}

static const bert_pre_norm_names names = {
    .norm1 = "encoder.layer.%d.norm1",
    .norm2 = "encoder.layer.%d.norm2",
    .up = "encoder.layer.%d.mlp.fc1",
    .down = "encoder.layer.%d.mlp.fc2",
    .gated_up = "encoder.layer.%d.mlp.weights_in",
    .gated_down = "encoder.layer.%d.mlp.weights_out",
    .scale1 = "encoder.layer.%d.layer_scale1.lambda1",
    .scale2 = "encoder.layer.%d.layer_scale2.lambda1",
};

static int build(bert_builder *b, void *state) {
    return bert_pre_norm_build(b, &names, state);
}

static const bert_arch_head heads[] = {
    {"image-classification",
     "ForImageClassification",
     false,
     {.output = "classifier", .patches = true}},
    {0},
};

static const bert_ignored ignored[] = {{.begins = "embeddings.mask_token", .kept = true}, {0}};

#define SHARED                                                                                     \
    .embeddings = "embeddings.", .layers = "encoder.layer.",                                       \
    .signs = {"attention.attention.query.", "norm1."}, .fixed = fixed, .complete = complete,       \
    .own_size = sizeof(bert_pre_norm_config), .copies = copies, .other_names = other_names,        \
    .ignored = ignored, .heads = heads, .max_length = bert_pre_norm_max_length,                    \
    .state_size = sizeof(bert_pre_norm), .build = build, .first_row_pools = true,                  \
    .embed = bert_pre_norm_embed, .block = bert_pre_norm_block, .finish = bert_pre_norm_finish,    \
    .finishes_apart = true

const bert_arch bert_arch_dinov2 = {
    .model_type = "dinov2",
    .class_prefix = "Dinov2",
    .prefix = "dinov2.",
    .keys = keys,
    SHARED,
};

const bert_arch bert_arch_dinov2_with_registers = {
    .model_type = "dinov2_with_registers",
    .class_prefix = "Dinov2WithRegisters",
    .prefix = "dinov2_with_registers.",
    .keys = register_keys,
    SHARED,
};
