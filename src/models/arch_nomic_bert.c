/* Nomic BERT: Nussbaum et al. 2024, arXiv:2402.01613. BERT's layers without biases, with rotary
 * positions and gated inner layers. config.json has BERT's keys or GPT-2's. */
#include "base/error.h"
#include "models/arch.h"
#include "models/gguf_form.h"
#include "models/post_norm.h"
#include "models/problem.h"
#include "models/rope.h"
#include <string.h>

typedef struct {
    bert_rope rope;
    float scaling; /* 0: none */
    int32_t trained_positions;
} own_config;

static const bert_config_alias aliases[] = {
    {"n_embd", "hidden_size"},
    {"n_layer", "num_hidden_layers"},
    {"n_head", "num_attention_heads"},
    {"n_inner", "intermediate_size"},
    {"n_positions", "max_position_embeddings"},
    {"layer_norm_epsilon", "layer_norm_eps"},
    {"embd_pdrop", "hidden_dropout_prob"},
    {"attn_pdrop", "attention_probs_dropout_prob"},
    {0},
};

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 30528, 1, BERT_MAX_VOCAB),
    BERT_POST_NORM_SIZES(768, 12, 12, 3072),
    BERT_INT("max_position_embeddings", max_position_embeddings, 2048, 1, BERT_MAX_POSITIONS),
    BERT_INT("type_vocab_size", type_vocab_size, 2, 1, BERT_MAX_WIDTH),
    BERT_INT("pad_token_id", pad_token_id, 0, -1, BERT_MAX_VOCAB),
    BERT_STRING("hidden_act", hidden_act, "silu"),
    BERT_POST_NORM_DROPOUTS(0),
    BERT_FLOAT("classifier_dropout", classifier_dropout, -1, 0, 0.999),
    BERT_OWN_FLOAT("rotary_scaling_factor", own_config, scaling, 0, 1, 1e6),
    BERT_OWN_INT("max_trained_positions", own_config, trained_positions, 2048, 1,
                 BERT_MAX_POSITIONS),
    BERT_OWN_FLOAT("rotary_emb_base", own_config, rope.theta, 1000, 1, 1e12),
    BERT_POST_NORM_REST(1e-12),
    {0},
};

static const bert_config_fixed fixed[] = {
    {"activation_function", "\"swiglu\""},
    {"prenorm", "false"},
    {"qkv_proj_bias", "false"},
    {"mlp_fc1_bias", "false"},
    {"mlp_fc2_bias", "false"},
    {"use_rms_norm", "false"},
    {"rotary_emb_interleaved", "false"},
    {"causal", "false"},
    {0},
};

/* The scaling changes the angles of texts that are longer than those of training, each text's by its
 * own length: these are refused, and for all others it does nothing. */
static int complete(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e) {
    own_config *o = own;
    if (o->scaling > 0 && c->max_position_embeddings > o->trained_positions)
        c->max_position_embeddings = o->trained_positions;
    return bert_rope_complete(json, where, c, &o->rope, e);
}

static const bert_copy copies[] = {
    {.name = "cls.predictions.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {.name = "cls.predictions.decoder.bias", .original = "cls.predictions.bias", .counts = true},
    {0},
};

static const bert_arch_head heads[] = {
    {"sequence-classification", "ForSequenceClassification", true, {.output = "classifier"}},
    {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},
    {"masked-lm",
     "ForMaskedLM",
     false,
     {.dense = "cls.predictions.transform.dense",
      .norm = "cls.predictions.transform.layer_norm",
      .bias = "cls.predictions.bias",
      .decoder = "cls.predictions.decoder.weight"}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    (void)own, (void)head;
    if (layout->output) layout->dropout = bert_classifier_dropout(c);
    return layout->decoder ? bert_act_parse(c->hidden_act, &layout->act, e) : 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

static const bert_post_norm_names names = {
    .word = "embeddings.word_embeddings",
    .token_type = "embeddings.token_type_embeddings",
    .embeddings_norm = "emb_ln",
    .query = "encoder.layers.%d.attn.Wqkv",
    .attention_output = "encoder.layers.%d.attn.out_proj",
    .attention_norm = "encoder.layers.%d.norm1",
    .intermediate = "encoder.layers.%d.mlp.fc11",
    .second_half = "encoder.layers.%d.mlp.fc12",
    .gate = BERT_GATE_SECOND,
    .output = "encoder.layers.%d.mlp.fc2",
    .output_norm = "encoder.layers.%d.norm2",
    .unbiased_attention = true,
    .unbiased_inner = true,
    .unbiased_output = true,
};

static int build(bert_builder *b, void *state) {
    bert_post_norm *s = state;
    int rc = bert_post_norm_build(b, &names, s);
    return rc ? rc : bert_rope_build(b, ((const own_config *)b->own)->rope, &s->attention.rotation);
}

static int put_gguf(const bert_config *c, const void *own, const char *where, bert_gguf_keys *k,
                    bert_error *e) {
    const own_config *o = own;
    (void)c;
    bert_gguf_put_f32(k, "nomic-bert.rope.freq_base", o->rope.theta);
    const char *type = bert_rope_type(&o->rope);
    if (!type) return BERT_OK;
    bert_gguf_put_string(k, "nomic-bert.rope.scaling.type", type);
    bert_gguf_put_f32(k, "nomic-bert.rope.scaling.factor", o->rope.factor);
    return strcmp(type, "linear") ? bert_fail(e, BERT_EUNSUPPORTED, BERT_ROPE_NO_GGUF, where, type)
                                  : BERT_OK;
}
static const bert_gguf_form gguf = {"nomic-bert", BERT_GGUF_NOMIC, false,   false,
                                    "silu",       "roberta-bpe",   put_gguf};

const bert_arch bert_arch_nomic_bert = {
    .model_type = "nomic_bert",
    .class_prefix = "NomicBert",
    .prefix = "nomic_bert.",
    .other_prefix = "bert.",
    .embeddings = "embeddings.",
    .layers = "encoder.layers.",
    .aliases = aliases,
    .keys = keys,
    .fixed = fixed,
    .complete = complete,
    .own_size = sizeof(own_config),
    .copies = copies,
    .heads = heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(bert_post_norm),
    .build = build,
    .pooler = "pooler.dense",
    .gguf = &gguf,
    .embed = bert_post_norm_embed,
    .block = bert_post_norm_block,
};
