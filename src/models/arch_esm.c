/* ESM-2: Lin et al. 2022, doi:10.1126/science.ade2574, and ESM-1b: a protein, an amino acid a token.
 * LayerNorms in front of a layer's halves, rotary positions or RoBERTa's, RoBERTa's heads. */
#include "base/error.h"
#include "models/arch_roberta.h"
#include "models/post_norm.h"
#include "models/pre_layer.h"
#include "models/rope.h"
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bool token_dropout, norm_before;
    int32_t mask_token_id;
    float theta;
    char positions[BERT_MAX_NAME];
} own_config;

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 33, 1, BERT_MAX_VOCAB),
    BERT_POST_NORM_SIZES(768, 12, 12, 3072),
    BERT_INT("max_position_embeddings", max_position_embeddings, 1026, 3, BERT_MAX_POSITIONS),
    BERT_INT("pad_token_id", pad_token_id, 1, 0, BERT_MAX_VOCAB),
    BERT_STRING("hidden_act", hidden_act, "gelu"),
    BERT_POST_NORM_DROPOUTS(0.1),
    BERT_OWN_INT("mask_token_id", own_config, mask_token_id, -1, -1, BERT_MAX_VOCAB),
    BERT_OWN_BOOL("token_dropout", own_config, token_dropout, false),
    BERT_OWN_BOOL("emb_layer_norm_before", own_config, norm_before, false),
    BERT_OWN_FLOAT("rope_theta", own_config, theta, 10000, 1, 1e12),
    BERT_OWN_STRING("position_embedding_type", own_config, positions, "absolute"),
    BERT_POST_NORM_REST(1e-12),
    {0},
};

/* The class computes gelu, and turns by rope_theta alone, whatever config.json says. */
static const bert_config_fixed fixed[] = {
    {"is_decoder", "false"},
    {"add_cross_attention", "false"},
    {"is_folding_model", "false"},
    {"hidden_act", "\"gelu\""},
    {"rope_scaling", "null"},
    {"rope_parameters", "null"},
    {0},
};

static int complete(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e) {
    const own_config *o = own;
    (void)json;
    c->classifier_dropout = -1;
    if (o->token_dropout && o->mask_token_id < 0)
        return bert_fail(e, BERT_EFORMAT, "%s: token_dropout needs a mask_token_id", where);
    if (!strcmp(o->positions, "rotary") || !strcmp(o->positions, "absolute")) return 0;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: position_embedding_type is \"%.40s\"; supported: absolute, rotary", where,
                     o->positions);
}

static const bert_copy copies[] = {
    {.name = "lm_head.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {0},
};

static const bert_ignored ignored[] = {
    {.begins = "contact_head.",
     .kept = true,
     .says = "its contact_head is kept as it is: contacts of residues are not predicted here"},
    {.begins = "embeddings.position_embeddings."},
    {0},
};

static const bert_arch_head heads[] = {BERT_ROBERTA_HEADS, {0}};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    (void)own, (void)head, (void)e;
    if (layout->output) layout->dropout = c->hidden_dropout_prob;
    if (layout->output && layout->dense) layout->input_dropout = c->hidden_dropout_prob;
    return 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings - c->pad_token_id - 1;
}

typedef struct {
    bert_param *words, *positions; /* NULL: rotary */
    bert_layer_norm first, last;   /* weight NULL: none */
    bert_pre_layer *layers;
    bert_attention_spec attention;
    int32_t padding, mask; /* mask -1: masked tokens are as others */
} esm;

static int build_embeddings(bert_builder *b, esm *s) {
    const bert_config *c = b->config;
    const own_config *o = b->own;
    const int32_t h = c->hidden_size;
    const bool rotary = !strcmp(o->positions, "rotary");
    int rc = bert_build_table(b, "embeddings.word_embeddings", c->vocab_size, h, &s->words);
    if (!rc && !rotary)
        rc = bert_build_table(b, "embeddings.position_embeddings", c->max_position_embeddings, h,
                              &s->positions);
    if (!rc && o->norm_before)
        rc = bert_build_norm(b, "embeddings.layer_norm", BERT_BELOW, h, c->layer_norm_eps,
                             &s->first);
    if (!rc && rotary)
        rc = bert_rope_build(b, (bert_rope){.theta = o->theta}, &s->attention.rotation);
    if (rc) return rc;
    s->words->padding = s->padding;
    if (s->positions) s->positions->padding = s->padding;
    b->words = s->words;
    return BERT_OK;
}

#define LAYER "encoder.layer.%d."
static int build_layer(bert_builder *b, const esm *s, int i, bert_pre_layer *l) {
    static const char *const parts[] = {LAYER "attention.self.query", LAYER "attention.self.key",
                                        LAYER "attention.self.value"};
    const bert_config *c = b->config;
    const int32_t h = c->hidden_size, f = c->intermediate_size;
    const float eps = c->layer_norm_eps;
    *l = (bert_pre_layer){.qkv_count = 3,
                          .inner = {.count = 1, .act = BERT_ACT_GELU},
                          .attention = &s->attention,
                          .attention_dropout = c->hidden_dropout_prob,
                          .inner_dropout = c->hidden_dropout_prob};
    int rc = bert_build_norm(b, LAYER "attention.LayerNorm", i, h, eps, &l->attention_norm);
    for (int k = 0; k < 3 && !rc; k++) rc = bert_build_linear(b, parts[k], i, h, h, &l->qkv[k]);
    if (!rc)
        rc = bert_build_linear(b, LAYER "attention.output.dense", i, h, h, &l->attention_output);
    if (!rc) rc = bert_build_norm(b, LAYER "LayerNorm", i, h, eps, &l->inner_norm);
    if (!rc) rc = bert_build_linear(b, LAYER "intermediate.dense", i, h, f, &l->inner.up[0]);
    if (!rc) rc = bert_build_linear(b, LAYER "output.dense", i, f, h, &l->inner.down);
    return rc;
}

static int build(bert_builder *b, void *state) {
    esm *s = state;
    const bert_config *c = b->config;
    const own_config *o = b->own;
    const int n = c->num_hidden_layers;
    *s = (esm){
        .attention = {.heads = c->num_attention_heads, .dropout = c->attention_probs_dropout_prob},
        .padding = c->pad_token_id,
        .mask = o->token_dropout ? o->mask_token_id : -1};
    s->layers = bert_build_alloc(b, (size_t)n * sizeof *s->layers);
    int rc = s->layers ? build_embeddings(b, s) : BERT_ENOMEM;
    for (int i = 0; i < n && !rc; i++) rc = build_layer(b, s, i, &s->layers[i]);
    return rc ? rc
              : bert_build_norm(b, "encoder.emb_layer_norm_after", n - 1, c->hidden_size,
                                c->layer_norm_eps, &s->last);
}

/* Masked words are zero, and what is left is as large as if the usual share of training, 0.12, were
 * masked. */
static bert_tensor *drop_masks(bert_tape *t, const esm *s, const bert_inputs *in, bert_tensor *x) {
    const float usual = 0.88f;
    const int32_t tokens = in->start[in->n], h = s->words->cols;
    int32_t all = 0;
    for (int32_t i = 0; i < tokens; i++) all += in->ids[i] == s->mask;
    if (!all) return bert_scale(t, x, usual);
    float *factors = bert_tape_alloc(t, (size_t)tokens * (size_t)h * sizeof *factors),
          *to = factors;
    if (!factors) return NULL;
    for (int32_t i = 0; i < in->n; i++) {
        const int32_t n = in->start[i + 1] - in->start[i], *ids = in->ids + in->start[i];
        int32_t masked = 0;
        for (int32_t j = 0; j < n; j++) masked += ids[j] == s->mask;
        const int32_t seen = in->attended ? in->attended[i] : n; /* as transformers has it */
        const float factor = masked < seen ? usual / (1 - (float)masked / (float)seen) : 0;
        for (int32_t j = 0; j < n; j++)
            for (int32_t k = 0; k < h; k++) *to++ = ids[j] == s->mask ? 0 : factor;
    }
    return bert_mul(t, x, bert_constant(t, factors, tokens, h, false));
}

static bert_tensor *embed(bert_tape *t, const void *state, const bert_inputs *in) {
    const esm *s = state;
    bert_tensor *x = bert_pass_words(t, s->words, in);
    if (s->mask >= 0) x = drop_masks(t, s, in, x);
    if (s->positions) {
        const int32_t *positions = bert_pass_positions(t, in, s->padding);
        if (!positions) return NULL;
        x = bert_embedding_onto(t, x, s->positions, positions);
    }
    return s->first.weight ? bert_layer_norm_apply(t, &s->first, x, NULL) : x;
}

static bert_tensor *block(bert_tape *t, const void *state, bert_tensor *x, const bert_pass *pass) {
    const esm *s = state;
    return bert_pre_layer_apply(t, &s->layers[pass->layer], x, pass);
}

static bert_tensor *finish(bert_tape *t, const void *state, bert_tensor *x) {
    return bert_layer_norm_apply(t, &((const esm *)state)->last, x, NULL);
}

const bert_arch bert_arch_esm = {
    .model_type = "esm",
    .class_prefix = "Esm",
    .prefix = "esm.",
    .embeddings = "embeddings.",
    .layers = "encoder.layer.",
    .signs = {"attention.self.query.", "attention.LayerNorm."},
    .ignored = ignored,
    .keys = keys,
    .fixed = fixed,
    .complete = complete,
    .own_size = sizeof(own_config),
    .copies = copies,
    .heads = heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(esm),
    .build = build,
    .pooler = "pooler.dense",
    .embed = embed,
    .block = block,
    .finish = finish,
};
