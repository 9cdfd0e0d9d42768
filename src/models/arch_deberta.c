/* DeBERTa: He et al. 2021, arXiv:2006.03654, and v3, arXiv:2111.09543. BERT's layers, and attention
 * that scores words against relative positions, whose table all layers share. v1 has one product
 * for queries, keys and values, head after head, and biases of its own; v2 and v3 have buckets of
 * distances. */
#include "base/error.h"
#include "models/arch.h"
#include "models/post_norm.h"
#include "tape/tape.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bool relative, position_biased_input, share_att_key, legacy;
    bool keys, queries; /* pos_att_type: words against relative keys (c2p), queries (p2c) */
    int32_t max_relative_positions, position_buckets, embedding_size;
    int32_t taps; /* of the convolution beside layer 0; 0: there is none */
    char norm_rel_ebd[BERT_MAX_NAME], pooler_act[BERT_MAX_NAME], conv_act[BERT_MAX_NAME];
    float pooler_dropout, cls_dropout;
} own_config;

#define KEYS                                                                                       \
    BERT_INT("max_position_embeddings", max_position_embeddings, 512, 1, BERT_MAX_POSITIONS),      \
        BERT_INT("type_vocab_size", type_vocab_size, 0, 0, BERT_MAX_WIDTH),                        \
        BERT_INT("pad_token_id", pad_token_id, 0, -1, BERT_MAX_VOCAB),                             \
        BERT_STRING("hidden_act", hidden_act, "gelu"), BERT_POST_NORM_DROPOUTS(0.1),               \
        BERT_OWN_BOOL("relative_attention", own_config, relative, false),                          \
        BERT_OWN_BOOL("position_biased_input", own_config, position_biased_input, true),           \
        BERT_OWN_BOOL("legacy", own_config, legacy, true),                                         \
        BERT_OWN_INT("max_relative_positions", own_config, max_relative_positions, -1, -1,         \
                     BERT_MAX_POSITIONS),                                                          \
        BERT_OWN_INT("embedding_size", own_config, embedding_size, 0, 1, BERT_MAX_WIDTH),          \
        BERT_OWN_STRING("pooler_hidden_act", own_config, pooler_act, "gelu"),                      \
        BERT_OWN_FLOAT("pooler_dropout", own_config, pooler_dropout, 0, 0, 0.999),                 \
        BERT_OWN_FLOAT("cls_dropout", own_config, cls_dropout, -1, 0, 0.999),                      \
        BERT_POST_NORM_REST(1e-7)

static const bert_config_key keys_v1[] = {
    BERT_INT("vocab_size", vocab_size, 50265, 1, BERT_MAX_VOCAB),
    BERT_POST_NORM_SIZES(768, 12, 12, 3072),
    KEYS,
    {0},
};

static const bert_config_key keys_v2[] = {
    BERT_INT("vocab_size", vocab_size, 128100, 1, BERT_MAX_VOCAB),
    BERT_POST_NORM_SIZES(1536, 24, 24, 6144),
    KEYS,
    BERT_OWN_BOOL("share_att_key", own_config, share_att_key, false),
    BERT_OWN_INT("position_buckets", own_config, position_buckets, -1, -1, BERT_MAX_POSITIONS),
    BERT_OWN_STRING("norm_rel_ebd", own_config, norm_rel_ebd, "none"),
    BERT_OWN_INT("conv_kernel_size", own_config, taps, 0, 0, 63),
    BERT_OWN_STRING("conv_act", own_config, conv_act, "tanh"),
    {0},
};

static const bert_config_fixed fixed_v1[] = {
    {"talking_head", "false"},
    {0},
};
static const bert_config_fixed fixed_v2[] = {
    {"conv_groups", "1"},
    {"attention_head_size", "null"},
    {0},
};

/* pos_att_type: "p2c|c2p", or a list. */
static void read_kind(const char *name, own_config *o) {
    o->keys |= name && strstr(name, "c2p");
    o->queries |= name && strstr(name, "p2c");
}

static int complete(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e) {
    own_config *o = own;
    const json_t *kinds = json_object_get(json, "pos_att_type");
    read_kind(json_string_value(kinds), o);
    for (size_t i = 0; i < json_array_size(kinds); i++)
        read_kind(json_string_value(json_array_get(kinds, i)), o);
    if (!o->embedding_size) o->embedding_size = c->hidden_size;
    if (o->max_relative_positions < 1) o->max_relative_positions = c->max_position_embeddings;
    if (o->cls_dropout < 0) o->cls_dropout = c->hidden_dropout_prob;
    if (o->position_buckets > 0 && o->max_relative_positions <= o->position_buckets / 2 + 1)
        return bert_fail(e, BERT_EFORMAT,
                         "%s: position_buckets %d are too many for %d relative positions", where,
                         o->position_buckets, o->max_relative_positions);
    if (o->taps && o->taps % 2 == 0)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s: conv_kernel_size is %d; only odd ones are supported", where, o->taps);
    return 0;
}

static const bert_copy copies[] = {
    {.name = "cls.predictions.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {.name = "cls.predictions.decoder.bias", .original = "cls.predictions.bias", .counts = true},
    {0},
};

#define POOLED .dense = "pooler.dense", .output = "classifier"
#define HEADS                                                                                      \
    {"sequence-classification", "ForSequenceClassification", false, {POOLED}},                     \
        {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},       \
        {"question-answering", "ForQuestionAnswering", false, {.output = "qa_outputs"}}, {         \
        "masked-lm", "ForMaskedLM", false, {                                                       \
            .dense = "cls.predictions.transform.dense",                                            \
            .norm = "cls.predictions.transform.LayerNorm", .bias = "cls.predictions.bias",         \
            .decoder = "cls.predictions.decoder.weight"                                            \
        }                                                                                          \
    }
static const bert_arch_head heads_v1[] = {HEADS, {0}};
static const bert_arch_head heads_v2[] = {
    HEADS,
    {"multiple-choice", "ForMultipleChoice", false, {POOLED}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    const own_config *o = own;
    if (!strcmp(head, "token-classification")) layout->dropout = c->hidden_dropout_prob;
    if (layout->dense && layout->output) {
        layout->input_dropout = o->pooler_dropout;
        layout->dropout = o->cls_dropout;
        return bert_act_parse(o->pooler_act, &layout->act, e);
    }
    if (!layout->decoder) return 0;
    if (o->legacy) {
        layout->width = o->embedding_size;
    } else { /* what the models were published with, which transformers came to later */
        layout->dense = "lm_predictions.lm_head.dense";
        layout->norm = "lm_predictions.lm_head.LayerNorm";
        layout->bias = "lm_predictions.lm_head.bias";
        layout->decoder = NULL;
    }
    return bert_act_parse(c->hidden_act, &layout->act, e);
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

typedef struct {
    bert_linear keys, queries;   /* of relative positions */
    bert_param *q_bias, *v_bias; /* of words, in v1; NULL: queries and values have their own */
} relative_layer;

/* What v1 and v2 call and arrange differently. */
typedef struct {
    const char *query, *key, *value; /* key NULL: all three are one */
    const char *relative_keys, *relative_queries;
    bool mixed; /* head after head, biases apart; relative keys have none */
} version;
#define SELF "encoder.layer.%d.attention.self."
static const version v1 = {.query = SELF "in_proj",
                           .relative_keys = SELF "pos_proj",
                           .relative_queries = SELF "pos_q_proj",
                           .mixed = true};
static const version v2 = {.query = SELF "query_proj",
                           .key = SELF "key_proj",
                           .value = SELF "value_proj",
                           .relative_keys = SELF "pos_key_proj",
                           .relative_queries = SELF "pos_query_proj"};

/* x = LayerNorm(x + act(convolution of the embeddings)) behind layer 0, as v2-xlarge and xxlarge have. */
typedef struct {
    bert_param *weight, *bias; /* [H, H * taps], taps last; NULL: there is none */
    bert_layer_norm norm;
    int32_t taps;
    bert_act act;
    float dropout;
} convolution;

typedef struct {
    bert_post_norm base;
    convolution beside;
    const version *names;
    bert_param *table;    /* [2 span, H]; NULL: there are no relative positions */
    bert_layer_norm norm; /* of its rows; weight NULL: none */
    relative_layer *layers;
    bool keys, queries;
    const int32_t *row; /* of the table, for distances key - query from -reach to reach */
    int32_t reach;
    float dropout;
} deberta;

/* Distances of query - key near 0 have a bucket each, others ever larger ones. */
static int32_t bucket_of(int32_t distance, int32_t buckets, int32_t most) {
    const int32_t middle = buckets / 2, n = abs(distance);
    if (buckets < 1 || n <= middle) return distance;
    const double far =
        ceil(log((double)n / middle) / log((double)(most - 1) / middle) * (middle - 1)) + middle;
    return distance < 0 ? -(int32_t)far : (int32_t)far;
}

static int fill_rows(bert_builder *b, const own_config *o, int32_t span, deberta *s) {
    s->reach = max_length(b->config) - 1;
    int32_t *row = bert_build_alloc(b, (2 * (size_t)s->reach + 1) * sizeof *row);
    if (!row) return BERT_ENOMEM;
    for (int32_t d = -s->reach; d <= s->reach; d++) {
        const int32_t at = bucket_of(-d, o->position_buckets, o->max_relative_positions) + span;
        row[d + s->reach] = at < 0 ? 0 : at >= 2 * span ? 2 * span - 1 : at;
    }
    s->row = row;
    return BERT_OK;
}

/* What relative positions are multiplied by. */
static int build_relative_layer(bert_builder *b, const deberta *s, int i, relative_layer *l) {
    const int32_t h = b->config->hidden_size;
    const own_config *o = b->own;
    l->queries = s->base.layers[i].qkv[0];
    l->keys = s->base.layers[i].qkv[1];
    if (o->share_att_key) return 0;
    int rc = 0;
    if (s->keys)
        rc = bert_build_linear_biased(b, s->names->relative_keys, i, h, h, !s->names->mixed,
                                      &l->keys);
    if (!rc && s->queries)
        rc = bert_build_linear(b, s->names->relative_queries, i, h, h, &l->queries);
    return rc;
}

static int build_relative(bert_builder *b, deberta *s) {
    const bert_config *c = b->config;
    const own_config *o = b->own;
    const int32_t span = o->position_buckets > 0 ? o->position_buckets : o->max_relative_positions;
    s->keys = o->keys;
    s->queries = o->queries;
    s->dropout = c->hidden_dropout_prob;
    int rc = bert_build_table(b, "encoder.rel_embeddings", 2 * span, c->hidden_size, &s->table);
    if (!rc) rc = fill_rows(b, o, span, s);
    for (int i = 0; i < c->num_hidden_layers && !rc; i++)
        rc = build_relative_layer(b, s, i, &s->layers[i]);
    return rc;
}

static int build_biases(bert_builder *b, deberta *s) {
    const int32_t h = b->config->hidden_size;
    int rc = 0;
    for (int i = 0; i < b->config->num_hidden_layers && !rc; i++) {
        rc = bert_build_bias(b, SELF "q_bias", i, h, &s->layers[i].q_bias);
        if (!rc) rc = bert_build_bias(b, SELF "v_bias", i, h, &s->layers[i].v_bias);
    }
    return rc;
}

static int build_convolution(bert_builder *b, convolution *v) {
    const bert_config *c = b->config;
    const own_config *o = b->own;
    const int32_t h = c->hidden_size, shape[] = {h, h, o->taps};
    v->taps = o->taps;
    v->dropout = c->hidden_dropout_prob;
    int rc = bert_act_parse(o->conv_act, &v->act, b->e);
    if (!rc)
        rc = bert_build_param(b, "encoder.conv.conv.weight", 0, 3, shape, BERT_INIT_NORMAL,
                              &v->weight);
    if (!rc) rc = bert_build_bias(b, "encoder.conv.conv.bias", 0, h, &v->bias);
    return rc ? rc
              : bert_build_norm(b, "encoder.conv.LayerNorm", 0, h, c->layer_norm_eps, &v->norm);
}

static int build(bert_builder *b, deberta *s, const version *its) {
    const bert_config *c = b->config;
    const own_config *o = b->own;
    bert_post_norm_names names = bert_post_norm_bert;
    if (!o->position_biased_input) names.position = NULL;
    if (!c->type_vocab_size) names.token_type = NULL;
    if (o->embedding_size != c->hidden_size) names.project = "embeddings.embed_proj";
    names.project_first = true;
    names.query = its->query;
    names.key = its->key;
    names.value = its->value;
    names.unbiased_qkv = its->mixed;
    s->names = its;
    s->layers = bert_build_alloc(b, (size_t)c->num_hidden_layers * sizeof *s->layers);
    int rc = s->layers ? bert_post_norm_begin(b, &s->base) : BERT_ENOMEM;
    if (!rc) rc = bert_post_norm_embeddings(b, &names, o->embedding_size, &s->base);
    if (!rc) rc = bert_post_norm_layers(b, &names, &s->base);
    /* as many parts as a score has, whether there are relative positions or not */
    const float parts = 1.0f + (float)o->keys + (float)o->queries;
    s->base.attention.scale = 1 / sqrtf((float)(c->hidden_size / c->num_attention_heads) * parts);
    s->base.attention.interleaved = its->mixed;
    if (!rc && its->mixed) rc = build_biases(b, s);
    if (!rc && o->relative) rc = build_relative(b, s);
    if (!rc && o->taps) rc = build_convolution(b, &s->beside);
    if (!rc && strstr(o->norm_rel_ebd, "layer_norm"))
        rc = bert_build_norm(b, "encoder.LayerNorm", BERT_BELOW, c->hidden_size, c->layer_norm_eps,
                             &s->norm);
    return rc;
}

static int build_v1(bert_builder *b, void *state) {
    return build(b, state, &v1);
}

static int build_v2(bert_builder *b, void *state) {
    return build(b, state, &v2);
}

/* Relative keys and queries of a layer, for the distances of sequences of `longest` tokens. */
static bool relative_of(bert_tape *t, const deberta *s, int layer, int32_t longest,
                        bert_relative *r) {
    const int32_t reach = longest - 1, *row = s->row + (s->reach - reach);
    const int32_t first = row[2 * reach], count = row[0] - first + 1;
    int32_t *ids = bert_tape_alloc(t, (size_t)count * sizeof *ids);
    int32_t *index = bert_tape_alloc(t, (2 * (size_t)reach + 1) * sizeof *index);
    if (!ids || !index) return false;
    for (int32_t i = 0; i < count; i++) ids[i] = first + i;
    for (int32_t i = 0; i <= 2 * reach; i++) index[i] = row[i] - first;
    bert_tensor *x = bert_embedding(t, s->table, ids, count);
    if (s->norm.weight) x = bert_layer_norm_apply(t, &s->norm, x, NULL);
    x = bert_dropout_over(t, x, s->dropout);
    const relative_layer *l = &s->layers[layer];
    const bert_linear both[] = {l->keys, l->queries};
    *r = (bert_relative){.rows =
                             bert_linear_cat(t, s->keys ? both : both + 1, s->keys + s->queries, x),
                         .keys = s->keys,
                         .queries = s->queries,
                         .index = index,
                         .reach = reach};
    return r->rows != NULL;
}

/* A row of biases, head after head: of its query, no key, its value. */
static bert_tensor *bias_of(bert_tape *t, const deberta *s, const relative_layer *l) {
    const int32_t heads = s->base.attention.heads, all = l->q_bias->cols, size = all / heads;
    float *zeros = bert_tape_alloc(t, (size_t)all * sizeof *zeros);
    if (!zeros) return NULL;
    memset(zeros, 0, (size_t)all * sizeof *zeros);
    bert_tensor *q = bert_reshape(t, bert_param_tensor(t, l->q_bias), heads, size);
    bert_tensor *v = bert_reshape(t, bert_param_tensor(t, l->v_bias), heads, size);
    bert_tensor *qk = bert_concat(t, q, bert_constant(t, zeros, heads, size, false));
    return bert_reshape(t, bert_concat(t, qk, v), 1, 3 * all);
}

/* The rows of x, and one of zeros below them. */
static bert_tensor *with_zeros(bert_tape *t, bert_tensor *x, int32_t rows, int32_t cols) {
    float *zeros = bert_tape_alloc(t, (size_t)cols * sizeof *zeros);
    if (!zeros) return NULL;
    memset(zeros, 0, (size_t)cols * sizeof *zeros);
    x = bert_concat(t, bert_reshape(t, x, 1, rows * cols), bert_constant(t, zeros, 1, cols, false));
    return bert_reshape(t, x, rows + 1, cols);
}

/* Of each token the one `by` places behind it in its sequence, or the row of zeros, as which
 * transformers has those that are not attended to. */
static int32_t *shifted(bert_tape *t, const bert_inputs *in, int32_t by) {
    const int32_t tokens = in->start[in->n];
    int32_t *at = bert_tape_alloc(t, (size_t)tokens * sizeof *at);
    for (int32_t i = 0; at && i < in->n; i++) {
        const int32_t first = in->start[i],
                      end = in->attended ? first + in->attended[i] : in->start[i + 1];
        for (int32_t j = first; j < in->start[i + 1]; j++)
            at[j] = j + by >= first && j + by < end ? j + by : tokens;
    }
    return at;
}

/* The convolution of x along each sequence, a product a tap, so that every row's sum is made in one
 * order. */
static bert_tensor *convolve(bert_tape *t, const convolution *v, const bert_inputs *in,
                             bert_tensor *x) {
    const int32_t h = v->bias->cols, tokens = in->start[in->n];
    bert_tensor *all = bert_reshape(t, bert_param_tensor(t, v->weight), h * h, v->taps);
    bert_tensor *from = with_zeros(t, x, tokens, h), *sum = NULL;
    for (int32_t k = 0; k < v->taps; k++) {
        const int32_t *at = shifted(t, in, k - v->taps / 2);
        if (!at) return NULL;
        bert_tensor *weight = bert_reshape(t, bert_slice(t, all, k, 1), h, h);
        bert_tensor *part = bert_matmul(t, bert_rows(t, from, at, tokens), weight, true);
        sum = sum ? bert_add(t, sum, part) : part;
    }
    return bert_add(t, sum, bert_param_tensor(t, v->bias));
}

static bert_tensor *add_convolution(bert_tape *t, const convolution *v, bert_tensor *x,
                                    bert_tensor *y, const bert_pass *pass) {
    bert_tensor *c = convolve(t, v, pass->in, x);
    if (pass->first_rows) c = bert_rows(t, c, pass->in->start, pass->in->n);
    c = bert_activate(t, bert_dropout(t, c, v->dropout), v->act);
    return bert_layer_norm_apply(t, &v->norm, y, c);
}

static bert_tensor *block(bert_tape *t, const void *state, bert_tensor *x, const bert_pass *pass) {
    const deberta *s = state;
    const bert_post_norm_layer *l = &s->base.layers[pass->layer];
    const relative_layer *more = &s->layers[pass->layer];
    bert_attention_spec spec = s->base.attention;
    bert_relative relative;
    if (s->table && (s->keys || s->queries)) {
        if (!relative_of(t, s, pass->layer, bert_inputs_longest(pass->in), &relative)) return NULL;
        spec.relative = &relative;
    }
    bert_tensor *qkv = bert_linear_cat(t, l->qkv, s->base.qkv, x);
    if (more->q_bias) qkv = bert_add(t, qkv, bias_of(t, s, more));
    bert_tensor *y = bert_post_norm_attend(t, &s->base, l, &spec, qkv, x, pass);
    return s->beside.weight && !pass->layer ? add_convolution(t, &s->beside, x, y, pass) : y;
}

/* Stored where position_biased_input is false, too. */
static const bert_ignored ignored[] = {{.begins = "embeddings.position_embeddings."}, {0}};

#define DEBERTA(type, classes, sign, its_keys, its_fixed, its_heads, its_build)                    \
    {                                                                                              \
        .model_type = type, .class_prefix = classes, .prefix = "deberta.",                         \
        .embeddings = "embeddings.", .layers = "encoder.layer.", .signs = {sign},                  \
        .ignored = ignored, .keys = its_keys, .fixed = its_fixed, .complete = complete,            \
        .own_size = sizeof(own_config), .copies = copies, .heads = its_heads,                      \
        .configure = configure, .max_length = max_length, .state_size = sizeof(deberta),           \
        .build = its_build, .embed = bert_post_norm_embed, .block = block,                         \
    }
const bert_arch bert_arch_deberta = DEBERTA("deberta", "Deberta", "attention.self.in_proj.",
                                            keys_v1, fixed_v1, heads_v1, build_v1),
                bert_arch_deberta_v2 =
                    DEBERTA("deberta-v2", "DebertaV2", "attention.self.query_proj.", keys_v2,
                            fixed_v2, heads_v2, build_v2);
