/* The one forward pass: training and inference, every architecture. */
#include "base/error.h"
#include "models/arch.h"
#include "models/model.h"
#include "tape/tape.h"

bert_tensor *bert_embed_word_position_type(bert_tape *t, const bert_config *c, const bert_trunk *k,
                                           const bert_inputs *in) {
    const int32_t tokens = in->start[in->n];
    int32_t *positions = bert_tape_alloc(t, (size_t)tokens * sizeof *positions);
    int32_t *types = NULL;
    if (!in->type_ids) types = bert_tape_alloc(t, (size_t)tokens * sizeof *types);
    if (!positions || (!in->type_ids && !types)) return NULL;
    for (int32_t i = 0; i < in->n; i++)
        for (int32_t j = in->start[i]; j < in->start[i + 1]; j++)
            positions[j] = k->first_position + j - in->start[i];
    for (int32_t j = 0; types && j < tokens; j++) types[j] = 0;
    bert_tensor *x = bert_embedding(t, k->word, in->ids, tokens);
    x = bert_embedding_onto(t, x, k->token_type, types ? types : in->type_ids);
    x = bert_embedding_onto(t, x, k->position, positions);
    x = bert_layer_norm_apply(t, &k->embeddings_norm, x, NULL);
    return bert_dropout_over(t, x, c->hidden_dropout_prob);
}

bert_tensor *bert_block_post_norm(bert_tape *t, const bert_config *c, const bert_trunk *k,
                                  int layer, bert_tensor *x, const bert_inputs *in,
                                  const bert_trunk_watch *watch, bool first_rows) {
    const bert_layer *l = &k->layers[layer];
    const float drop = c->hidden_dropout_prob;
    bert_tensor *qkv = bert_linear_cat(t, l->qkv, 3, x);
    if (qkv && watch && watch->qkv) {
        bert_error e = {0};
        int rc = watch->qkv(watch->context, layer, bert_tensor_data(qkv), &e);
        if (rc) return bert_tape_fail(t, NULL, rc, "%s", e.message);
    }
    bert_tensor *a = bert_attention(t, qkv, c->num_attention_heads, in->start, in->n,
                                    c->attention_probs_dropout_prob);
    if (first_rows) {
        a = bert_rows(t, a, in->start, in->n);
        x = bert_rows(t, x, in->start, in->n);
    }
    a = bert_dropout_over(t, bert_linear_apply(t, l->attention_output, a), drop);
    x = bert_layer_norm_apply(t, &l->attention_norm, a, x);
    bert_tensor *f = bert_feed_forward(t, l->intermediate, k->act, l->output, x);
    return bert_layer_norm_apply(t, &l->output_norm, bert_dropout_over(t, f, drop), x);
}

static void show(bert_tape *t, const bert_trunk_watch *watch, int layer, const bert_tensor *x) {
    if (!x || !watch || !watch->hidden) return;
    bert_error e = {0};
    int rc = watch->hidden(watch->context, layer, bert_tensor_data(x), &e);
    if (rc) bert_tape_fail(t, NULL, rc, "%s", e.message);
}

/* One layer as a segment that gradient checkpointing may run again. */
typedef struct {
    const bert_arch *arch;
    const bert_config *config;
    const bert_trunk *trunk;
    bert_inputs in;
    const bert_trunk_watch *watch;
    int layer;
} segment;

static bert_tensor *run_segment(bert_tape *t, const void *context, bert_tensor *x) {
    const segment *s = context;
    bool first_rows =
        s->watch && s->watch->first_rows && s->layer + 1 == s->config->num_hidden_layers;
    return s->arch->block(t, s->config, s->trunk, s->layer, x, &s->in, s->watch, first_rows);
}

bert_tensor *bert_trunk_forward(bert_tape *t, const bert_arch *arch, const bert_config *c,
                                const bert_trunk *k, const bert_inputs *in,
                                const bert_trunk_watch *watch) {
    segment s = {.arch = arch, .config = c, .trunk = k, .in = *in, .watch = watch};
    if (t->options.record) { /* the caller's array may be gone when backward runs a layer again */
        s.in.start = bert_tape_copy(t, in->start, ((size_t)in->n + 1) * sizeof *in->start);
        if (!s.in.start) return NULL;
    }
    bert_arena_mark mark = bert_tape_mark(t);
    bert_tensor *x = bert_tape_release_keep(t, mark, arch->embed(t, c, k, in));
    show(t, watch, 0, x);
    for (; s.layer < c->num_hidden_layers && x; s.layer++) {
        /* x dies with its layer, so the next one is kept where this one began. */
        x = bert_tape_release_keep(t, mark, bert_checkpoint(t, run_segment, &s, sizeof s, x));
        show(t, watch, s.layer + 1, x);
    }
    return x;
}

/* ---- The public functions over it */

static bool usable(bert_tape *t, const bert_model *m, const bert_inputs *in) {
    if (!bert_tape_ready(t)) return false;
    bert_error e = {0};
    int rc = bert_need(m, "model", &e);
    if (!rc) rc = bert_inputs_check(m, in, &e);
    if (!rc && t->options.precision == BERT_PRECISION_INT8)
        rc = bert_model_balance(m, t->options.threads, &e);
    if (rc) bert_tape_fail(t, NULL, rc, "%s", e.message);
    return !rc;
}

bert_tensor *bert_forward(bert_tape *t, const bert_model *m, const bert_inputs *inputs) {
    if (!usable(t, m, inputs)) return NULL;
    return bert_trunk_forward(t, m->arch, &m->config, &m->trunk, inputs, NULL);
}

bert_tensor *bert_cls(bert_tape *t, bert_tensor *hidden, const bert_inputs *inputs) {
    return bert_rows(t, hidden, inputs->start, inputs->n);
}

bert_tensor *bert_pooler(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                         const bert_inputs *inputs) {
    if (!bert_tape_ready(t, hidden)) return NULL;
    if (!m) return bert_tape_fail(t, NULL, BERT_EINVAL, "there is no model");
    if (!m->trunk.pooler.weight)
        return bert_tape_fail(t, NULL, BERT_EINVAL,
                              "the model has no pooler; a head that wants one says pooler = true");
    return bert_linear_act(t, m->trunk.pooler, bert_cls(t, hidden, inputs), BERT_ACT_TANH);
}
