#include "models/post_norm.h"
#include "base/error.h"
#include "tape/tape.h"
#include <string.h>

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

static int build_attention(bert_builder *b, const bert_post_norm_names *names, int i,
                           bert_post_norm_layer *l) {
    const int32_t h = b->config->hidden_size;
    const bool biased = !names->unbiased_attention && !names->unbiased_qkv;
    if (!names->key)
        return bert_build_linear_biased(b, names->query, i, h, 3 * h, biased, &l->qkv[0]);
    int rc = bert_build_linear_biased(b, names->query, i, h, h, biased, &l->qkv[0]);
    if (!rc) rc = bert_build_linear_biased(b, names->key, i, h, h, biased, &l->qkv[1]);
    if (!rc) rc = bert_build_linear_biased(b, names->value, i, h, h, biased, &l->qkv[2]);
    return rc;
}

static int build_inner(bert_builder *b, const bert_post_norm_names *names, int i,
                       bert_inner_layer *l) {
    const bert_config *c = b->config;
    const int32_t h = c->hidden_size, f = c->intermediate_size;
    const bool both = names->gate && !names->second_half;
    l->gate = names->gate;
    l->count = names->second_half ? 2 : 1;
    int rc = bert_act_parse(c->hidden_act, &l->act, b->e);
    if (!rc)
        rc = bert_build_linear_biased(b, names->intermediate, i, h, both ? 2 * f : f,
                                      !names->unbiased_inner, &l->up[0]);
    if (!rc && names->second_half)
        rc = bert_build_linear_biased(b, names->second_half, i, h, f, !names->unbiased_inner,
                                      &l->up[1]);
    if (!rc)
        rc = bert_build_linear_biased(b, names->output, i, f, h, !names->unbiased_output, &l->down);
    return rc;
}

int bert_post_norm_layer_new(bert_builder *b, const bert_post_norm_names *names, int layer,
                             bert_post_norm_layer *l) {
    const int32_t h = b->config->hidden_size, i = layer;
    const float eps = b->config->layer_norm_eps;
    int rc = build_attention(b, names, i, l);
    if (!rc)
        rc = bert_build_linear_biased(b, names->attention_output, i, h, h,
                                      !names->unbiased_attention, &l->attention_output);
    if (!rc) rc = bert_build_norm(b, names->attention_norm, i, h, eps, &l->attention_norm);
    if (!rc) rc = build_inner(b, names, i, &l->inner);
    if (!rc) rc = bert_build_norm(b, names->output_norm, i, h, eps, &l->output_norm);
    return rc;
}

int bert_post_norm_layers(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s) {
    int rc = 0;
    s->qkv = names->key ? 3 : 1;
    for (int i = 0; i < b->config->num_hidden_layers && !rc; i++)
        rc = bert_post_norm_layer_new(b, names, i, &s->layers[i]);
    return rc;
}

int bert_post_norm_embeddings(bert_builder *b, const bert_post_norm_names *names, int32_t width,
                              bert_post_norm *s) {
    const bert_config *c = b->config;
    int rc = bert_build_table(b, names->word, c->vocab_size, width, &s->word);
    if (!rc && names->position)
        rc = bert_build_table(b, names->position, c->max_position_embeddings, width, &s->position);
    if (!rc && names->token_type)
        rc = bert_build_table(b, names->token_type, c->type_vocab_size, width, &s->token_type);
    if (!rc)
        rc = bert_build_norm(b, names->embeddings_norm, BERT_BELOW,
                             names->project_first ? c->hidden_size : width, c->layer_norm_eps,
                             &s->embeddings_norm);
    s->project_first = names->project_first;
    if (!rc && names->project)
        rc = bert_build_linear_biased(b, names->project, BERT_BELOW, width, c->hidden_size,
                                      !names->project_first, &s->project);
    if (rc) return rc;
    s->word->padding = c->pad_token_id;
    b->words = s->word;
    return BERT_OK;
}

int bert_post_norm_begin(bert_builder *b, bert_post_norm *s) {
    const bert_config *c = b->config;
    *s = (bert_post_norm){
        .attention = {.heads = c->num_attention_heads, .dropout = c->attention_probs_dropout_prob},
        .embeddings_dropout = c->hidden_dropout_prob,
        .attention_output_dropout = c->hidden_dropout_prob,
        .output_dropout = c->hidden_dropout_prob,
        .qkv = 3,
        .padding = -1};
    s->layers = bert_build_alloc(b, (size_t)c->num_hidden_layers * sizeof *s->layers);
    return s->layers ? BERT_OK : BERT_ENOMEM;
}

int bert_post_norm_build(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s) {
    int rc = bert_post_norm_begin(b, s);
    if (!rc) rc = bert_post_norm_embeddings(b, names, b->config->hidden_size, s);
    return rc ? rc : bert_post_norm_layers(b, names, s);
}

void bert_post_norm_count_from(bert_post_norm *s, int32_t padding) {
    s->padding = s->word->padding = s->position->padding = padding;
}

/* The types of all tokens, 0 where the inputs have none; NULL: out of memory. */
static const int32_t *types_of(bert_tape *t, const bert_inputs *in) {
    if (in->type_ids) return in->type_ids;
    const size_t bytes = (size_t)in->start[in->n] * sizeof(int32_t);
    int32_t *types = bert_tape_alloc(t, bytes);
    return types ? memset(types, 0, bytes) : NULL;
}

bert_tensor *bert_post_norm_embed(bert_tape *t, const void *state, const bert_inputs *in) {
    const bert_post_norm *s = state;
    const int32_t *positions = s->position ? bert_pass_positions(t, in, s->padding) : NULL;
    const int32_t *types = s->token_type ? types_of(t, in) : NULL;
    if ((s->position && !positions) || (s->token_type && !types)) return NULL;
    bert_tensor *x = bert_pass_words(t, s->word, in);
    if (types) x = bert_embedding_onto(t, x, s->token_type, types);
    if (positions) x = bert_embedding_onto(t, x, s->position, positions);
    const bool project = s->project.weight != NULL;
    if (project && s->project_first) x = bert_linear_apply(t, s->project, x);
    x = bert_layer_norm_apply(t, &s->embeddings_norm, x, NULL);
    x = bert_dropout_over(t, x, s->embeddings_dropout);
    return project && !s->project_first ? bert_linear_apply(t, s->project, x) : x;
}

bert_tensor *bert_post_norm_apply(bert_tape *t, const bert_post_norm *s,
                                  const bert_post_norm_layer *l, const bert_attention_spec *spec,
                                  bert_tensor *x, const bert_pass *pass) {
    return bert_post_norm_attend(t, s, l, spec, bert_linear_cat(t, l->qkv, s->qkv, x), x, pass);
}

bert_tensor *bert_post_norm_attend(bert_tape *t, const bert_post_norm *s,
                                   const bert_post_norm_layer *l, const bert_attention_spec *spec,
                                   bert_tensor *qkv, bert_tensor *x, const bert_pass *pass) {
    const bert_inputs *in = pass->in;
    bert_tensor *a = bert_pass_attention(t, pass, qkv, spec);
    if (pass->first_rows) {
        a = bert_rows(t, a, in->start, in->n);
        x = bert_rows(t, x, in->start, in->n);
    }
    a = bert_dropout_over(t, bert_linear_apply(t, l->attention_output, a),
                          s->attention_output_dropout);
    x = bert_layer_norm_apply(t, &l->attention_norm, a, x);
    bert_tensor *f = bert_inner_layer_apply(t, &l->inner, x, NULL);
    return bert_layer_norm_apply(t, &l->output_norm, bert_dropout_over(t, f, s->output_dropout), x);
}

bert_tensor *bert_post_norm_block(bert_tape *t, const void *state, bert_tensor *x,
                                  const bert_pass *pass) {
    const bert_post_norm *s = state;
    return bert_post_norm_apply(t, s, &s->layers[pass->layer], &s->attention, x, pass);
}
