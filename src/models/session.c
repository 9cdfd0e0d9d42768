/* Sessions: made, looked at, freed. session_run.c runs one. */
#include "models/session.h"
#include "base/error.h"
#include "tape/tape.h"
#include <stdlib.h>

enum { MAX_BATCH_TOKENS = 1 << 22 };

bert_session_options bert_session_default(void) {
    return (bert_session_options){.precision = BERT_PRECISION_HIGHEST};
}

/* In a turn of the threads that it is not done on, so that no more of them work. */
static int balance(const bert_model *m, const bert_session_options *o, bert_error *e) {
    if (o->shared) bert_threads_begin(o->shared, false);
    int rc = bert_model_balance(m, o->threads, e);
    if (o->shared) bert_threads_end(o->shared);
    return rc;
}

bert_session *bert_session_new(const bert_model *m, const bert_session_options *options,
                               bert_error *e) {
    BERT_DOOR(e);
    bert_session_options o = options ? *options : bert_session_default();
    if (!m || o.batch_tokens < 0 || o.batch_tokens > MAX_BATCH_TOKENS) {
        bert_fail(e, BERT_EINVAL, "session: a model is needed, and batch_tokens from 0 to %d",
                  MAX_BATCH_TOKENS);
        return NULL;
    }
    const bert_device *device = m->params->device;
    if (device->check(o.precision, e) ||
        bert_packed_serves(&bert_model_root(m)->weights.packed, o.precision, e))
        return NULL;
    if (o.shared) o.threads = bert_threads_count(o.shared);
    if (o.precision == BERT_PRECISION_INT8 && balance(m, &o, e)) return NULL;
    if (!o.batch_tokens) o.batch_tokens = device->tokens(o.precision);
    bert_session *s = calloc(1, sizeof *s);
    const size_t pointers = 2 * (size_t)m->config.num_hidden_layers + 1;
    if (s) s->layer_pointers = calloc(pointers, sizeof *s->layer_pointers);
    if (!s || !s->layer_pointers) {
        bert_fail_memory(e, sizeof *s);
        bert_session_free(s);
        return NULL;
    }
    s->model = m;
    s->options = o;
    bert_tape_options t = bert_tape_default();
    t.device = device;
    t.threads = o.shared ? 1 : o.threads;
    t.precision = o.precision;
    t.record = t.training = false;
    s->together.tape = bert_tape_new(&t, e);
    if (s->together.tape && o.shared) bert_tape_use_threads(s->together.tape, o.shared);
    if (s->together.tape) return s;
    bert_session_free(s);
    return NULL;
}

void bert_session_cancel(bert_session *s, bool cancelled) {
    if (s) atomic_store(&s->cancelled, cancelled);
}

int bert_session_check(const bert_session *s, bert_error *e) {
    return atomic_load_explicit(&s->cancelled, memory_order_relaxed)
               ? bert_fail(e, BERT_EINTERRUPTED, "cancelled, by bert_session_cancel()")
               : 0;
}

static int lanes(const bert_session *s) {
    return s->apart ? bert_threads_count(s->together.tape->threads) : 0;
}

void bert_session_free(bert_session *s) {
    if (!s) return;
    for (int i = 0; i < lanes(s); i++) bert_tape_free(s->apart[i].tape);
    bert_tape_free(s->together.tape);
    free(s->apart);
    bert_tokenization_free(s->tokenization);
    bert_arena_free(&s->results);
    free(s->processor);
    free(s->hidden.data);
    free(s->hidden_states.data);
    free(s->attentions.data);
    free(s->layer_pointers);
    free(s->starts);
    free(s->chunks);
    free(s);
}

static size_t lane_memory(const bert_lane *l) {
    return l->tape ? bert_tape_memory(l->tape) : 0;
}

size_t bert_session_memory(const bert_session *s) {
    size_t bytes =
        sizeof(float) * (s->hidden.capacity + s->hidden_states.capacity + s->attentions.capacity);
    bytes += s->sequences_capacity * (2 * sizeof *s->starts + sizeof *s->chunks);
    bytes += s->results.reserved + lane_memory(&s->together);
    for (int i = 0; i < lanes(s); i++) bytes += lane_memory(&s->apart[i]);
    return bytes + bert_params_packed_bytes(s->model->params);
}

bert_threads *bert_session_threads(const bert_session *s) {
    return s->together.tape->threads;
}

bert_tokenization *bert_session_tokenization(bert_session *s, bert_error *e) {
    if (s->tokenization) return s->tokenization;
    const bert_tokenizer *t = bert_model_need_tokenizer(s->model, e);
    if (t) s->tokenization = bert_tokenization_new(t, e);
    return s->tokenization;
}

const float *bert_session_first_rows(const bert_session *s) {
    return s->hidden.data;
}
