/* Jina BERT v2: Günther et al. 2023, arXiv:2310.19923. BERT with gated inner layers, and in the
 * place of a position table a bias against distant tokens (ALiBi: Press et al. 2021,
 * arXiv:2108.12409). config.json calls it a bert. */
#include "base/error.h"
#include "models/arch_bert.h"
#include "models/gguf_form.h"
#include "models/post_norm.h"
#include <math.h>
#include <string.h>

typedef struct {
    char feed_forward_type[BERT_MAX_NAME];
} own_config;

static const bert_config_key keys[] = {
    BERT_POST_NORM_KEYS(30522, 0, -1, 1),
    BERT_OWN_STRING("feed_forward_type", own_config, feed_forward_type, "geglu"),
    {0},
};

static const bert_config_fixed fixed[] = {
    {"is_decoder", "false"},
    {"add_cross_attention", "false"},
    {0},
};

/* The activation of the gate, which is that of a masked word's transform where there is none. */
static int gate_of(const own_config *o, bert_gate *gate, bert_act *act, bert_error *e) {
    static const struct {
        const char *name;
        bert_gate gate;
        bert_act act;
    } types[] = {{"original", BERT_GATE_NONE, BERT_ACT_NONE},
                 {"geglu", BERT_GATE_FIRST, BERT_ACT_GELU},
                 {"reglu", BERT_GATE_FIRST, BERT_ACT_RELU}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, o->feed_forward_type)) {
            *gate = types[i].gate;
            *act = types[i].act;
            return 0;
        }
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "feed_forward_type is \"%s\"; supported: original, geglu, reglu",
                     o->feed_forward_type);
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

/* Heads of a power of 2 have 2^(-8 / heads), its square and so on; others those of the power below
 * them, and then every other one of the power above. */
static void fill_slopes(float *slope, int heads) {
    int below = 1;
    while (2 * below <= heads) below *= 2;
    for (int h = 0; h < heads; h++) {
        const double step =
            h < below ? 8.0 * (h + 1) / below : 8.0 * (2 * (h - below) + 1) / (2 * below);
        slope[h] = (float)exp2(-step);
    }
}

static int build(bert_builder *b, void *state) {
    bert_post_norm *s = state;
    const bert_config *c = b->config;
    bert_post_norm_names names = bert_post_norm_bert;
    bert_act act = BERT_ACT_NONE;
    names.position = NULL;
    int rc = gate_of(b->own, &names.gate, &act, b->e);
    if (!rc && names.gate) {
        names.intermediate = "encoder.layer.%d.mlp.gated_layers";
        names.output = "encoder.layer.%d.mlp.wo";
        names.output_norm = "encoder.layer.%d.mlp.layernorm";
        names.unbiased_inner = true;
    }
    if (!rc) rc = bert_post_norm_build(b, &names, s);
    if (rc) return rc;
    if (names.gate) s->output_dropout = 0; /* it stands behind the gate instead */
    for (int i = 0; names.gate && i < c->num_hidden_layers; i++) {
        s->layers[i].inner.act = act;
        s->layers[i].inner.dropout = c->hidden_dropout_prob;
    }
    float *slopes = bert_build_alloc(b, (size_t)c->num_attention_heads * sizeof *slopes);
    if (!slopes) return BERT_ENOMEM;
    fill_slopes(slopes, c->num_attention_heads);
    s->attention.slopes = slopes;
    return BERT_OK;
}

static int put_gguf(const bert_config *c, const void *own, const char *where, bert_gguf_keys *k,
                    bert_error *e) {
    const own_config *o = own;
    (void)c, (void)k;
    if (!strcmp(o->feed_forward_type, "geglu")) return BERT_OK;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: llama.cpp computes geglu, not %s (feed_forward_type)", where,
                     o->feed_forward_type);
}
static const bert_gguf_form gguf = {"jina-bert-v2", BERT_GGUF_JINA, false,   false,
                                    "gelu",         "roberta-bpe",  put_gguf};

const bert_arch bert_arch_jina = {
    .model_type = "bert",
    .when = "position_embedding_type",
    .is = "alibi",
    .class_prefix = "JinaBert",
    .prefix = "bert.",
    .embeddings = "embeddings.",
    .layers = "encoder.layer.",
    .signs = {"mlp.gated_layers."},
    .keys = keys,
    .fixed = fixed,
    .own_size = sizeof(own_config),
    .copies = bert_copies_bert,
    .heads = bert_heads_bert,
    .configure = bert_configure_bert,
    .max_length = max_length,
    .state_size = sizeof(bert_post_norm),
    .build = build,
    .pooler = "pooler.dense",
    .gguf = &gguf,
    .embed = bert_post_norm_embed,
    .block = bert_post_norm_block,
};
