/* The forward pass for use: nothing is recorded. */
#include "base/error.h"
#include "base/finite.h"
#include "models/batch.h"
#include "tape/tape.h"

/* A value that is not finite comes from the weights, or from a product that overflowed. */
static int check_finite(const bert_session *s, const float *x, size_t n, const char *what,
                        bert_error *e) {
    if (!x || bert_finite(x, n)) return 0;
    int rc = bert_params_check_finite(s->model->params, e);
    return rc ? rc : bert_fail(e, BERT_ENUMERIC, "the %s hold a value that is not finite", what);
}

/* Rows are as many neighbours as the head joins. */
static bert_tensor *logits_of(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                              const bert_inputs *in) {
    const int32_t views = bert_model_views(m), rows = in->n / views;
    bert_batch b = {.inputs = *in};
    if (views == 1) return bert_head_forward(t, m, hidden, &b);
    if (in->n % views)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "%d sequences, and a row of the head is %d",
                              in->n, views);
    int32_t *start = bert_tape_alloc(t, ((size_t)rows + 1) * sizeof *start);
    for (int32_t i = 0; start && i <= rows; i++) start[i] = i * views;
    b.row_count = rows;
    b.row_sequences = views;
    b.row_start = start;
    return start ? bert_head_forward(t, m, hidden, &b) : NULL;
}

/* Pooler and head see the whole batch at once, so that a head may look across sequences. */
static int compute_head(bert_session *s, const bert_trunk_run *r, bert_outputs *out,
                        bert_error *e) {
    const bert_model *m = s->model;
    bert_inputs in = *r->in;
    if (r->first_rows) {
        for (int32_t i = 0; i <= in.n; i++) s->starts[i] = i;
        in.start = s->starts;
    }
    bert_tape *tape = s->together.tape;
    bert_tape_reset(tape);
    bert_tensor *hidden =
        bert_tensor_over(tape, s->hidden.data, in.start[in.n], m->config.hidden_size);
    bert_tensor *pooled = NULL, *logits = NULL;
    if (r->want & BERT_WANT_POOLER && bert_trunk_pools(&m->trunk))
        pooled = bert_pooler(tape, m, hidden, &in);
    if (r->want & BERT_WANT_LOGITS && m->head.name) logits = logits_of(tape, m, hidden, &in);
    out->pooler_output = bert_tensor_read(tape, pooled);
    out->logits = bert_tensor_read(tape, logits);
    int rc = bert_tape_error(tape, e);
    if (rc) return rc;
    if (logits) {
        out->logit_rows = bert_tensor_rows(logits);
        out->logit_cols = bert_tensor_cols(logits);
    }
    if (pooled) out->pooler_size = bert_tensor_cols(pooled);
    if (pooled)
        rc = check_finite(s, out->pooler_output, bert_tensor_size(pooled), "pooler's output", e);
    if (logits && !rc) rc = check_finite(s, out->logits, bert_tensor_size(logits), "logits", e);
    return rc;
}

/* In the turn of the threads in which the layers ended: a head is less than one. */
static int run_head(bert_session *s, const bert_trunk_run *r, bert_outputs *out, bert_error *e) {
    int rc = bert_session_check(s, e);
    return rc ? rc : compute_head(s, r, out, e);
}

int bert_session_run(bert_session *s, const bert_inputs *inputs, unsigned want, bert_outputs *out,
                     bert_error *e) {
    BERT_DOOR(e);
    return bert_session_run_part(s, inputs, want, 0, out, e);
}

int bert_session_run_part(bert_session *s, const bert_inputs *inputs, unsigned want,
                          int32_t skip_layers, bert_outputs *out, bert_error *e) {
    *out = (bert_outputs){0};
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    const bert_model *m = s->model;
    int rc = bert_inputs_check(m, inputs, e);
    if (!rc && inputs->embeds)
        rc = bert_fail(e, BERT_EINVAL, "inputs: embeds are of bert_forward(), not of a session");
    if (rc) return rc;
    bert_trunk_run r = {.in = inputs, .want = want, .skip_layers = skip_layers};
    const unsigned whole = BERT_WANT_HIDDEN_STATES | BERT_WANT_ATTENTIONS;
    bool head_takes_it = !(want & BERT_WANT_LOGITS) || !m->head.name || m->head.first_token;
    r.first_rows = want & BERT_SKIP_HIDDEN && !(want & whole) && head_takes_it &&
                   skip_layers < m->config.num_hidden_layers; /* the embeddings have no fewer */
    r.keep_turn = want & (BERT_WANT_POOLER | BERT_WANT_LOGITS);
    rc = bert_session_trunk(s, &r, e);
    const size_t rows = (size_t)(r.first_rows ? inputs->n : inputs->start[inputs->n]);
    if (!rc)
        rc = check_finite(s, s->hidden.data, rows * (size_t)m->config.hidden_size, "hidden states",
                          e);
    if (!rc && r.keep_turn) rc = run_head(s, &r, out, e);
    if (r.has_turn) bert_threads_end(s->together.tape->threads);
    if (!rc) rc = bert_weight_source_check(&bert_model_root(m)->weights, e);
    if (rc) {
        *out = (bert_outputs){0};
        return rc;
    }
    const bert_config *c = &m->config;
    const size_t tokens = (size_t)inputs->start[inputs->n], layers = (size_t)c->num_hidden_layers;
    out->tokens = inputs->start[inputs->n];
    out->hidden_size = c->hidden_size;
    out->layers = c->num_hidden_layers;
    out->heads = c->num_attention_heads;
    if (!(want & BERT_SKIP_HIDDEN)) out->last_hidden_state = s->hidden.data;
    if (want & BERT_WANT_HIDDEN_STATES) {
        for (size_t i = 0; i <= layers; i++)
            s->layer_pointers[i] = s->hidden_states.data + i * tokens * (size_t)c->hidden_size;
        out->hidden_states = s->layer_pointers;
    }
    if (want & BERT_WANT_ATTENTIONS) {
        for (size_t i = 0; i < layers; i++)
            s->layer_pointers[layers + 1 + i] = s->attentions.data + i * r.weights;
        out->attentions = s->layer_pointers + layers + 1;
    }
    return 0;
}

int bert_session_logits(bert_session *s, const bert_inputs *inputs, bert_outputs *out,
                        bert_error *e) {
    const bert_trunk_run r = {.in = inputs, .want = BERT_WANT_LOGITS};
    bert_threads *threads = s->together.tape->threads;
    bert_threads_begin(threads, true);
    int rc = run_head(s, &r, out, e);
    bert_threads_end(threads);
    return rc;
}
