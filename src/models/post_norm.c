#include "models/post_norm.h"
#include "base/error.h"
#include "tape/tape.h"

const bert_post_norm_names bert_post_norm_bert = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .token_type = "embeddings.token_type_embeddings",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = "encoder.layer.%d.attention.self.query",
    .key = "encoder.layer.%d.attention.self.key",
    .value = "encoder.layer.%d.attention.self.value",
    .attention_output = "encoder.layer.%d.attention.output.dense",
    .attention_norm = "encoder.layer.%d.attention.output.LayerNorm",
    .intermediate = "encoder.layer.%d.intermediate.dense",
    .output = "encoder.layer.%d.output.dense",
    .output_norm = "encoder.layer.%d.output.LayerNorm",
};

const bert_config_fixed bert_post_norm_fixed[] = {
    {"is_decoder", "false"},
    {"add_cross_attention", "false"},
    {"position_embedding_type", "\"absolute\""},
    {0},
};

static int build_layer(bert_builder *b, const bert_post_norm_names *names, int i,
                       bert_post_norm_layer *l) {
    const bert_config *c = b->config;
    const int32_t h = c->hidden_size, f = c->intermediate_size;
    const float eps = c->layer_norm_eps;
    int rc = bert_build_linear(b, names->query, i, h, h, &l->qkv[0]);
    if (!rc) rc = bert_build_linear(b, names->key, i, h, h, &l->qkv[1]);
    if (!rc) rc = bert_build_linear(b, names->value, i, h, h, &l->qkv[2]);
    if (!rc) rc = bert_build_linear(b, names->attention_output, i, h, h, &l->attention_output);
    if (!rc) rc = bert_build_norm(b, names->attention_norm, i, h, eps, &l->attention_norm);
    if (!rc) rc = bert_build_linear(b, names->intermediate, i, h, f, &l->intermediate);
    if (!rc) rc = bert_build_linear(b, names->output, i, f, h, &l->output);
    if (!rc) rc = bert_build_norm(b, names->output_norm, i, h, eps, &l->output_norm);
    return rc;
}

static int build_embeddings(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s) {
    const bert_config *c = b->config;
    const int32_t h = c->hidden_size;
    int rc = bert_build_table(b, names->word, c->vocab_size, h, &s->word);
    if (!rc) rc = bert_build_table(b, names->position, c->max_position_embeddings, h, &s->position);
    if (!rc && names->token_type)
        rc = bert_build_table(b, names->token_type, c->type_vocab_size, h, &s->token_type);
    if (!rc)
        rc = bert_build_norm(b, names->embeddings_norm, BERT_BELOW, h, c->layer_norm_eps,
                             &s->embeddings_norm);
    if (rc) return rc;
    s->word->padding = c->pad_token_id;
    b->words = s->word;
    return BERT_OK;
}

int bert_post_norm_build(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s) {
    const bert_config *c = b->config;
    *s = (bert_post_norm){
        .attention = {.heads = c->num_attention_heads, .dropout = c->attention_probs_dropout_prob},
        .hidden_dropout = c->hidden_dropout_prob,
        .attention_output_dropout = c->hidden_dropout_prob,
        .padding = -1};
    s->layers = bert_build_alloc(b, (size_t)c->num_hidden_layers * sizeof *s->layers);
    if (!s->layers) return BERT_ENOMEM;
    int rc = bert_act_parse(c->hidden_act, &s->act, b->e);
    if (!rc) rc = build_embeddings(b, names, s);
    for (int i = 0; i < c->num_hidden_layers && !rc; i++)
        rc = build_layer(b, names, i, &s->layers[i]);
    return rc;
}

/* The positions of a sequence's n tokens. */
static void count_positions(const bert_post_norm *s, const int32_t *ids, int32_t n,
                            int32_t *positions) {
    int32_t next = s->padding + 1;
    for (int32_t j = 0; j < n; j++)
        positions[j] = s->padding >= 0 && ids[j] == s->padding ? s->padding : next++;
}

bert_tensor *bert_post_norm_embed(bert_tape *t, const void *state, const bert_inputs *in) {
    const bert_post_norm *s = state;
    const int32_t tokens = in->start[in->n];
    int32_t *positions = bert_tape_alloc(t, (size_t)tokens * sizeof *positions);
    int32_t *types = NULL;
    const bool no_types = s->token_type && !in->type_ids; /* all are 0 */
    if (no_types) types = bert_tape_alloc(t, (size_t)tokens * sizeof *types);
    if (!positions || (no_types && !types)) return NULL;
    for (int32_t i = 0; i < in->n; i++)
        count_positions(s, in->ids + in->start[i], in->start[i + 1] - in->start[i],
                        positions + in->start[i]);
    for (int32_t j = 0; types && j < tokens; j++) types[j] = 0;
    bert_tensor *x = bert_embedding(t, s->word, in->ids, tokens);
    if (s->token_type) x = bert_embedding_onto(t, x, s->token_type, types ? types : in->type_ids);
    x = bert_embedding_onto(t, x, s->position, positions);
    x = bert_layer_norm_apply(t, &s->embeddings_norm, x, NULL);
    return bert_dropout_over(t, x, s->hidden_dropout);
}

bert_tensor *bert_post_norm_block(bert_tape *t, const void *state, bert_tensor *x,
                                  const bert_pass *pass) {
    const bert_post_norm *s = state;
    const bert_post_norm_layer *l = &s->layers[pass->layer];
    const bert_inputs *in = pass->in;
    bert_tensor *qkv = bert_linear_cat(t, l->qkv, 3, x);
    bert_tensor *a = bert_pass_attention(t, pass, qkv, &s->attention);
    if (pass->first_rows) {
        a = bert_rows(t, a, in->start, in->n);
        x = bert_rows(t, x, in->start, in->n);
    }
    a = bert_dropout_over(t, bert_linear_apply(t, l->attention_output, a),
                          s->attention_output_dropout);
    x = bert_layer_norm_apply(t, &l->attention_norm, a, x);
    bert_tensor *f = bert_feed_forward(t, l->intermediate, s->act, l->output, x);
    return bert_layer_norm_apply(t, &l->output_norm, bert_dropout_over(t, f, s->hidden_dropout), x);
}
