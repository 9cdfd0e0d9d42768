/* MPNet: Song et al. 2020, arXiv:2004.09297. BERT's layers with RoBERTa's positions and heads, no
 * token types, and a bias on the scores of attention by the distance of two tokens, which all
 * layers share. */
#include "models/arch.h"
#include "models/arch_roberta.h"
#include "models/post_norm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PADDING = 1, BUCKETS = 32, FARTHEST = 128 };

typedef struct {
    int32_t buckets;
} own_config;

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 30527, PADDING + 1, BERT_MAX_VOCAB),
    BERT_POST_NORM_SIZES(768, 12, 12, 3072),
    BERT_INT("max_position_embeddings", max_position_embeddings, 512, PADDING + 2,
             BERT_MAX_POSITIONS),
    BERT_OWN_INT("relative_attention_num_buckets", own_config, buckets, BUCKETS, BUCKETS,
                 BERT_MAX_WIDTH),
    BERT_INT("pad_token_id", pad_token_id, PADDING, -1, BERT_MAX_VOCAB),
    BERT_STRING("hidden_act", hidden_act, "gelu"),
    BERT_POST_NORM_DROPOUTS(0.1),
    BERT_POST_NORM_REST(1e-12),
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    (void)own, (void)e;
    if (strcmp(head, "question-answering")) layout->dropout = c->hidden_dropout_prob;
    if (layout->dense && layout->output) layout->input_dropout = layout->dropout;
    return 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings - PADDING - 1;
}

static const bert_post_norm_names names = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = "encoder.layer.%d.attention.attn.q",
    .key = "encoder.layer.%d.attention.attn.k",
    .value = "encoder.layer.%d.attention.attn.v",
    .attention_output = "encoder.layer.%d.attention.attn.o",
    .attention_norm = "encoder.layer.%d.attention.LayerNorm",
    .intermediate = "encoder.layer.%d.intermediate.dense",
    .output = "encoder.layer.%d.output.dense",
    .output_norm = "encoder.layer.%d.output.LayerNorm",
};

typedef struct {
    bert_post_norm base;
    bert_param *bias;      /* [buckets, heads] */
    const int32_t *bucket; /* of distances key - query from -reach to reach */
    int32_t reach;
} mpnet;

/* T5's: half of the buckets are of keys behind the query; half of each half are of one distance, the
 * others of ever more, up to FARTHEST. */
static int32_t bucket_of(int32_t distance) {
    const int32_t half = BUCKETS / 2, exact = half / 2, n = abs(distance);
    const int32_t side = distance > 0 ? half : 0;
    if (n < exact) return side + n;
    const double far = log((double)n / exact) / log((double)FARTHEST / exact) * (half - exact);
    const int32_t bucket = exact + (int32_t)far;
    return side + (bucket < half ? bucket : half - 1);
}

static int build(bert_builder *b, void *state) {
    mpnet *s = state;
    const own_config *o = b->own;
    int rc = bert_post_norm_build(b, &names, &s->base);
    if (!rc)
        rc = bert_build_table(b, "encoder.relative_attention_bias", o->buckets,
                              b->config->num_attention_heads, &s->bias);
    if (rc) return rc;
    bert_post_norm_count_from(&s->base, PADDING);
    s->reach = max_length(b->config) - 1;
    int32_t *bucket = bert_build_alloc(b, (2 * (size_t)s->reach + 1) * sizeof *bucket);
    if (!bucket) return BERT_ENOMEM;
    for (int32_t d = -s->reach; d <= s->reach; d++) bucket[d + s->reach] = bucket_of(d);
    s->bucket = bucket;
    return BERT_OK;
}

static bert_tensor *block(bert_tape *t, const void *state, bert_tensor *x, const bert_pass *pass) {
    const mpnet *s = state;
    const int32_t reach = bert_inputs_longest(pass->in) - 1;
    bert_attention_spec spec = s->base.attention;
    spec.bias = bert_embedding(t, s->bias, s->bucket + (s->reach - reach), 2 * reach + 1);
    return bert_post_norm_apply(t, &s->base, &s->base.layers[pass->layer], &spec, x, pass);
}

const bert_arch bert_arch_mpnet = {
    .model_type = "mpnet",
    .class_prefix = "MPNet",
    .prefix = "mpnet.",
    .embeddings = "embeddings.",
    .layers = "encoder.layer.",
    .signs = {"attention.attn.q."},
    .keys = keys,
    .fixed = bert_post_norm_fixed,
    .own_size = sizeof(own_config),
    .copies = bert_roberta_copies,
    .heads = bert_roberta_heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(mpnet),
    .build = build,
    .pooler = "pooler.dense",
    .embed = bert_post_norm_embed,
    .block = block,
};
