/* ModernBERT: Warner et al. 2024, arXiv:2412.13663. A LayerNorm in front of each half of a layer,
 * rotary positions, gated inner layers, no biases, and two layers of three that see near tokens
 * only. */
#include "base/error.h"
#include "files/json.h"
#include "models/arch.h"
#include "models/gguf_form.h"
#include "models/post_norm.h"
#include "models/pre_layer.h"
#include "models/rope.h"
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bool norm_bias, attention_bias, mlp_bias, decoder_bias, classifier_bias;
    float attention_dropout, embedding_dropout, mlp_dropout;
    int32_t local_attention, every;
    char pooling[BERT_MAX_NAME], classifier_act[BERT_MAX_NAME];
    bert_rope global, local;
    bool sees_all[BERT_MAX_LAYERS];
} own_config;

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 50368, 1, BERT_MAX_VOCAB),
    BERT_POST_NORM_SIZES(768, 22, 12, 1152),
    BERT_INT("max_position_embeddings", max_position_embeddings, 8192, 1, BERT_MAX_POSITIONS),
    BERT_INT("pad_token_id", pad_token_id, 50283, -1, BERT_MAX_VOCAB),
    BERT_STRING("hidden_activation", hidden_act, "gelu"),
    BERT_FLOAT("initializer_range", initializer_range, 0.02, 0, 1e3),
    BERT_FLOAT("norm_eps", layer_norm_eps, 1e-5, 0, 1),
    BERT_BOOL("tie_word_embeddings", tie_word_embeddings, true),
    BERT_PROBABILITY("classifier_dropout", classifier_dropout, 0),
    BERT_OWN_BOOL("norm_bias", own_config, norm_bias, false),
    BERT_OWN_BOOL("attention_bias", own_config, attention_bias, false),
    BERT_OWN_BOOL("mlp_bias", own_config, mlp_bias, false),
    BERT_OWN_BOOL("decoder_bias", own_config, decoder_bias, true),
    BERT_OWN_BOOL("classifier_bias", own_config, classifier_bias, false),
    BERT_OWN_FLOAT("attention_dropout", own_config, attention_dropout, 0, 0, 0.999),
    BERT_OWN_FLOAT("embedding_dropout", own_config, embedding_dropout, 0, 0, 0.999),
    BERT_OWN_FLOAT("mlp_dropout", own_config, mlp_dropout, 0, 0, 0.999),
    BERT_OWN_INT("local_attention", own_config, local_attention, 128, 2, BERT_MAX_POSITIONS),
    BERT_OWN_INT("global_attn_every_n_layers", own_config, every, 3, 1, BERT_MAX_LAYERS),
    BERT_OWN_STRING("classifier_pooling", own_config, pooling, "cls"),
    BERT_OWN_STRING("classifier_activation", own_config, classifier_act, "gelu"),
    BERT_OWN_FLOAT("global_rope_theta", own_config, global.theta, 160000, 1, 1e12),
    BERT_OWN_FLOAT("local_rope_theta", own_config, local.theta, 10000, 1, 1e12),
    {0},
};

static const bert_config_fixed fixed[] = {
    {0},
};

/* layer_types, a name for each layer; else every third one sees all tokens. */
static int read_layers(const json_t *json, const char *where, const bert_config *c, own_config *o,
                       bert_error *e) {
    const json_t *types = json_object_get(json, "layer_types");
    const int n = c->num_hidden_layers;
    const bool given = types && !json_is_null(types);
    if (given && json_array_size(types) != (size_t)n)
        return bert_fail(e, BERT_EFORMAT, "%s: layer_types must be a list of %d names, one a layer",
                         where, n);
    for (int i = 0; i < n; i++) {
        const char *type = json_string_value(json_array_get(types, (size_t)i));
        o->sees_all[i] = given ? type && !strcmp(type, "full_attention") : i % o->every == 0;
        if (given && !o->sees_all[i] && (!type || strcmp(type, "sliding_attention")))
            return bert_fail(e, BERT_EUNSUPPORTED,
                             "%s: layer_types: layer %d is \"%.40s\"; supported: full_attention, "
                             "sliding_attention",
                             where, i, type ? type : "");
    }
    return 0;
}

/* A kind of layers' member of rope_parameters, and rope_scaling over it; as in transformers, whose
 * default names a rope_type, "type" counts only where the member is there without one. */
static int read_rope(const json_t *json, const char *kind, const char *where, const bert_config *c,
                     bert_rope *r, bert_error *e) {
    json_t *own = json_object_get(json_object_get(json, "rope_parameters"), kind),
           *all = json_object_get(json, "rope_scaling"),
           *both = json_is_object(own) ? json_copy(own) : json_pack("{ss}", "rope_type", "default");
    int rc = both ? BERT_OK : BERT_ENOMEM;
    if (!rc && json_is_object(all) && json_object_update(both, all)) rc = BERT_ENOMEM;
    if (!rc) rc = bert_rope_read(both, where, c, r, e);
    json_decref(both);
    return rc;
}

static int complete(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e) {
    own_config *o = own;
    int rc = read_layers(json, where, c, o, e);
    if (!rc) rc = read_rope(json, "full_attention", where, c, &o->global, e);
    if (!rc) rc = read_rope(json, "sliding_attention", where, c, &o->local, e);
    if (!rc && strcmp(o->pooling, "cls") && strcmp(o->pooling, "mean"))
        rc = bert_fail(e, BERT_EUNSUPPORTED,
                       "%s: classifier_pooling is \"%s\"; supported: cls, mean", where, o->pooling);
    return rc;
}

static const bert_copy copies[] = {
    {.name = "decoder.weight", .original = "embeddings.tok_embeddings.weight"},
    {0},
};

#define HEAD .dense = "head.dense", .norm = "head.norm"
static const bert_arch_head heads[] = {
    {"sequence-classification", "ForSequenceClassification", false, {HEAD, .output = "classifier"}},
    {"token-classification", "ForTokenClassification", false, {HEAD, .output = "classifier"}},
    {"question-answering", "ForQuestionAnswering", false, {HEAD, .output = "classifier"}},
    {"multiple-choice", "ForMultipleChoice", false, {HEAD, .output = "classifier"}},
    {"masked-lm",
     "ForMaskedLM",
     false,
     {HEAD, .bias = "decoder.bias", .decoder = "decoder.weight"}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    const own_config *o = own;
    layout->dense_unbiased = !o->classifier_bias;
    layout->norm_unbiased = !o->norm_bias;
    if (layout->output) layout->dropout = c->classifier_dropout;
    if (!o->decoder_bias) layout->bias = NULL;
    if (!strcmp(head, "sequence-classification") || !strcmp(head, "multiple-choice"))
        layout->mean = !strcmp(o->pooling, "mean");
    return bert_act_parse(o->classifier_act, &layout->act, e);
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

typedef struct {
    bert_param *words;
    bert_layer_norm embeddings_norm, final_norm;
    bert_pre_layer *layers;
    bert_attention_spec global, local;
    float embeddings_dropout;
} modernbert;

static int build_layer(bert_builder *b, const modernbert *s, int i, bert_pre_layer *l) {
    const bert_config *c = b->config;
    const own_config *o = b->own;
    const int32_t h = c->hidden_size, f = c->intermediate_size;
    const float eps = c->layer_norm_eps;
    const bool norm = o->norm_bias, attention = o->attention_bias, inner = o->mlp_bias;
    l->attention = o->sees_all[i] ? &s->global : &s->local;
    l->attention_dropout = o->attention_dropout;
    l->qkv_count = 1;
    l->inner = (bert_inner_layer){.count = 1, .gate = BERT_GATE_FIRST, .dropout = o->mlp_dropout};
    int rc = bert_act_parse(c->hidden_act, &l->inner.act, b->e);
    if (!rc && i)
        rc = bert_build_norm_biased(b, "layers.%d.attn_norm", i, h, eps, norm, &l->attention_norm);
    if (!rc)
        rc = bert_build_linear_biased(b, "layers.%d.attn.Wqkv", i, h, 3 * h, attention, &l->qkv[0]);
    if (!rc)
        rc = bert_build_linear_biased(b, "layers.%d.attn.Wo", i, h, h, attention,
                                      &l->attention_output);
    if (!rc) rc = bert_build_norm_biased(b, "layers.%d.mlp_norm", i, h, eps, norm, &l->inner_norm);
    if (!rc)
        rc = bert_build_linear_biased(b, "layers.%d.mlp.Wi", i, h, 2 * f, inner, &l->inner.up[0]);
    if (!rc) rc = bert_build_linear_biased(b, "layers.%d.mlp.Wo", i, f, h, inner, &l->inner.down);
    return rc;
}

static int build_embeddings(bert_builder *b, modernbert *s) {
    const bert_config *c = b->config;
    const own_config *o = b->own;
    int rc =
        bert_build_table(b, "embeddings.tok_embeddings", c->vocab_size, c->hidden_size, &s->words);
    if (!rc)
        rc = bert_build_norm_biased(b, "embeddings.norm", BERT_BELOW, c->hidden_size,
                                    c->layer_norm_eps, o->norm_bias, &s->embeddings_norm);
    if (rc) return rc;
    s->words->padding = c->pad_token_id;
    b->words = s->words;
    return BERT_OK;
}

static int build(bert_builder *b, void *state) {
    modernbert *s = state;
    const bert_config *c = b->config;
    const own_config *o = b->own;
    const bert_attention_spec attention = {.heads = c->num_attention_heads,
                                           .dropout = o->attention_dropout};
    *s = (modernbert){
        .global = attention, .local = attention, .embeddings_dropout = o->embedding_dropout};
    s->local.window = o->local_attention / 2;
    const int n = c->num_hidden_layers;
    s->layers = bert_build_alloc(b, (size_t)n * sizeof *s->layers);
    if (!s->layers) return BERT_ENOMEM;
    int rc = build_embeddings(b, s);
    if (!rc) rc = bert_rope_build(b, o->global, &s->global.rotation);
    if (!rc) rc = bert_rope_build(b, o->local, &s->local.rotation);
    for (int i = 0; i < n && !rc; i++) rc = build_layer(b, s, i, &s->layers[i]);
    if (!rc)
        rc = bert_build_norm_biased(b, "final_norm", n - 1, c->hidden_size, c->layer_norm_eps,
                                    o->norm_bias, &s->final_norm);
    return rc;
}

static bert_tensor *embed(bert_tape *t, const void *state, const bert_inputs *in) {
    const modernbert *s = state;
    bert_tensor *x = bert_pass_words(t, s->words, in);
    x = bert_layer_norm_apply(t, &s->embeddings_norm, x, NULL);
    return bert_dropout_over(t, x, s->embeddings_dropout);
}

static bert_tensor *block(bert_tape *t, const void *state, bert_tensor *x, const bert_pass *pass) {
    const modernbert *s = state;
    return bert_pre_layer_apply(t, &s->layers[pass->layer], x, pass);
}

static bert_tensor *finish(bert_tape *t, const void *state, bert_tensor *x) {
    return bert_layer_norm_apply(t, &((const modernbert *)state)->final_norm, x, NULL);
}

/* llama.cpp knows no biases, and one number for which layers see all tokens: each so-many-th. */
static int check_gguf(const bert_config *c, const own_config *o, const char *where, int *every,
                      bert_error *e) {
    const char *scaled =
        bert_rope_type(&o->global) ? bert_rope_type(&o->global) : bert_rope_type(&o->local);
    if (scaled) return bert_fail(e, BERT_EUNSUPPORTED, BERT_ROPE_NO_GGUF, where, scaled);
    if (o->norm_bias || o->attention_bias || o->mlp_bias)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: llama.cpp's ModernBERT has no biases (norm_bias, attention_bias, "
                         "mlp_bias)",
                         where);
    *every = 1;
    while (*every < c->num_hidden_layers && !o->sees_all[*every]) ++*every;
    for (int i = 0; i < c->num_hidden_layers; i++)
        if (o->sees_all[i] != (i % *every == 0))
            return bert_fail(e, BERT_EUNSUPPORTED,
                             "%s: layer_types cannot be written into a GGUF file but where every "
                             "so-many-th layer, from the first on, is full_attention",
                             where);
    return BERT_OK;
}

static int put_gguf(const bert_config *c, const void *own, const char *where, bert_gguf_keys *k,
                    bert_error *e) {
    const own_config *o = own;
    int every = 1;
    const int rc = check_gguf(c, o, where, &every, e);
    bert_gguf_put_f32(k, "modern-bert.rope.freq_base", o->global.theta);
    bert_gguf_put_f32(k, "modern-bert.rope.freq_base_swa", o->local.theta);
    bert_gguf_put_string(k, "modern-bert.rope.scaling.type", "none");
    bert_gguf_put_u32(k, "modern-bert.attention.sliding_window", (uint32_t)o->local_attention);
    bert_gguf_put_u32(k, "modern-bert.attention.sliding_window_pattern", (uint32_t)every);
    bert_gguf_put_u32(k, "modern-bert.vocab_size", (uint32_t)c->vocab_size);
    return rc;
}
static const bert_gguf_form gguf = {"modern-bert", BERT_GGUF_MODERN, false,   false,
                                    "gelu",        "modern-bert",    put_gguf};

const bert_arch bert_arch_modernbert = {
    .model_type = "modernbert",
    .class_prefix = "ModernBert",
    .prefix = "model.",
    .embeddings = "embeddings.",
    .layers = "layers.",
    .signs = {"attn."},
    .keys = keys,
    .fixed = fixed,
    .complete = complete,
    .own_size = sizeof(own_config),
    .copies = copies,
    .heads = heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(modernbert),
    .build = build,
    .gguf = &gguf,
    .embed = embed,
    .block = block,
    .finish = finish,
};
