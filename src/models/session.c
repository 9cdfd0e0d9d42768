/* The forward pass for use: whole sequences in chunks that stay in cache, nothing recorded. */
#include "models/session.h"
#include "base/error.h"
#include "cpu/attention.h"
#include "models/heads.h"
#include "tape/tape.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH_TOKENS = 1 << 22 };

bert_session_options bert_session_default(void) {
    return (bert_session_options){.precision = BERT_PRECISION_HIGHEST};
}

bert_session *bert_session_new(const bert_model *m, const bert_session_options *options,
                               bert_error *e) {
    bert_session_options o = options ? *options : bert_session_default();
    if (!m || o.batch_tokens < 0 || o.batch_tokens > MAX_BATCH_TOKENS) {
        bert_fail(e, BERT_EINVAL, "session: a model is needed, and batch_tokens from 0 to %d",
                  MAX_BATCH_TOKENS);
        return NULL;
    }
    if (bert_precision_check(o.precision, bert_precision_name(o.precision), e)) return NULL;
    if (o.precision == BERT_PRECISION_INT8 && bert_model_balance(m, o.threads, e)) return NULL;
    if (!o.batch_tokens) o.batch_tokens = bert_cpu()->gemm[o.precision]->tokens;
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
    t.threads = o.threads;
    t.precision = o.precision;
    t.record = t.training = false;
    s->tape = bert_tape_new(&t, e);
    if (s->tape) return s;
    bert_session_free(s);
    return NULL;
}

void bert_session_free(bert_session *s) {
    if (!s) return;
    bert_tape_free(s->tape);
    bert_encoder_free(s->encoder);
    bert_arena_free(&s->results);
    free(s->hidden.data);
    free(s->hidden_states.data);
    free(s->attentions.data);
    free(s->context.data);
    free(s->layer_pointers);
    free(s->starts);
    free(s);
}

size_t bert_session_memory(const bert_session *s) {
    size_t floats = s->hidden.capacity + s->hidden_states.capacity + s->attentions.capacity +
                    s->context.capacity;
    return floats * sizeof(float) + s->starts_capacity * sizeof *s->starts + s->results.reserved +
           bert_tape_memory(s->tape) + bert_params_packed_bytes(s->model->params);
}

bert_encoder *bert_session_encoder(bert_session *s, bert_error *e) {
    if (s->encoder) return s->encoder;
    const bert_tokenizer *t = bert_model_need_tokenizer(s->model, e);
    if (t) s->encoder = bert_encoder_new(t, e);
    return s->encoder;
}

const float *bert_session_first_rows(const bert_session *s) {
    return s->hidden.data;
}

/* Grows by half at least, so that batches of slowly rising size do not reallocate each time. */
static int reserve(bert_buffer_f32 *b, size_t count, size_t times, bert_error *e) {
    if (times && count > SIZE_MAX / sizeof(float) / 2 / times) return bert_fail_memory(e, SIZE_MAX);
    count *= times;
    if (count <= b->capacity) return 0;
    size_t larger = b->capacity + b->capacity / 2;
    if (larger < count) larger = count;
    free(b->data);
    b->capacity = 0;
    b->data = bert_aligned_alloc(larger, sizeof *b->data);
    if (!b->data) return bert_fail_memory(e, larger * sizeof *b->data);
    b->capacity = larger;
    return 0;
}

static int reserve_starts(bert_session *s, size_t count, bert_error *e) {
    if (count <= s->starts_capacity) return 0;
    int32_t *starts = realloc(s->starts, count * sizeof *starts);
    if (!starts) return bert_fail_memory(e, count * sizeof *starts);
    s->starts = starts;
    s->starts_capacity = count;
    return 0;
}

/* ---- One call */

typedef struct {
    bert_session *s;
    const bert_inputs *in;
    unsigned want;
    bool first_rows;   /* only the first token of each sequence leaves the last layer */
    bert_inputs chunk; /* sequences first .. first + chunk.n - 1 */
    int32_t first;
    size_t weights_before; /* attention probabilities of the sequences before the chunk, a layer */
    size_t weights;        /* of all sequences */
} run;

static size_t probabilities(const run *r, int32_t begin, int32_t end) {
    size_t sum = 0;
    for (int32_t i = begin; i < end; i++) {
        size_t n = (size_t)(r->in->start[i + 1] - r->in->start[i]);
        sum += n * n * (size_t)r->s->model->config.num_attention_heads;
    }
    return sum;
}

/* The attention op keeps no probabilities; for who wants to see them they are computed again. */
static int watch_qkv(void *context, int layer, const float *qkv, bert_error *e) {
    const run *r = context;
    const bert_config *c = &r->s->model->config;
    int rc = reserve(&r->s->context, (size_t)r->chunk.start[r->chunk.n], (size_t)c->hidden_size, e);
    if (rc) return rc;
    const bert_attention_plan plan = {.precision = r->s->options.precision,
                                      .heads = c->num_attention_heads,
                                      .head_size = c->hidden_size / c->num_attention_heads,
                                      .start = r->chunk.start,
                                      .n = r->chunk.n};
    float *out = r->s->attentions.data + (size_t)layer * r->weights + r->weights_before;
    rc = bert_attention_forward(r->s->tape->threads, &plan, qkv, r->s->context.data, NULL, out);
    return rc ? bert_fail_memory(e, 0) : 0;
}

static int watch_hidden(void *context, int layer, const float *hidden, bert_error *e) {
    (void)e;
    const run *r = context;
    const size_t width = (size_t)r->s->model->config.hidden_size;
    const size_t tokens = (size_t)r->in->start[r->in->n];
    float *out = r->s->hidden_states.data + (size_t)layer * tokens * width +
                 (size_t)r->in->start[r->first] * width;
    memcpy(out, hidden, (size_t)r->chunk.start[r->chunk.n] * width * sizeof *out);
    return 0;
}

/* The next chunk: whole sequences of batch_tokens tokens at most, one sequence at least. */
static void next_chunk(run *r) {
    const int32_t *start = r->in->start;
    const int32_t begin = start[r->first];
    int32_t n = 1;
    while (r->first + n < r->in->n && start[r->first + n + 1] - begin <= r->s->options.batch_tokens)
        n++;
    for (int32_t i = 0; i <= n; i++) r->s->starts[i] = start[r->first + i] - begin;
    r->chunk = (bert_inputs){.n = n,
                             .start = r->s->starts,
                             .ids = r->in->ids + begin,
                             .type_ids = r->in->type_ids ? r->in->type_ids + begin : NULL};
}

static int run_chunk(run *r, bert_error *e) {
    bert_session *s = r->s;
    const bert_model *m = s->model;
    const bert_trunk_watch watch = {.qkv = r->want & BERT_WANT_ATTENTIONS ? watch_qkv : NULL,
                                    .hidden =
                                        r->want & BERT_WANT_HIDDEN_STATES ? watch_hidden : NULL,
                                    .context = r,
                                    .first_rows = r->first_rows};
    bert_tape_reset(s->tape);
    bert_tensor *x = bert_trunk_forward(s->tape, m->arch, &m->config, &m->trunk, &r->chunk, &watch);
    int rc = bert_tape_error(s->tape, e);
    if (rc) return rc;
    const size_t width = (size_t)m->config.hidden_size;
    const size_t row = (size_t)(r->first_rows ? r->first : r->in->start[r->first]);
    memcpy(s->hidden.data + row * width, bert_tensor_data(x), bert_tensor_size(x) * sizeof(float));
    return 0;
}

/* A value that is not finite comes from the weights, or from a product that overflowed. */
static int check_finite(const run *r, const float *x, size_t n, const char *what, bert_error *e) {
    if (!x || bert_all_finite(NULL, x, n)) return 0;
    int rc = bert_params_check_finite(r->s->model->params, e);
    return rc ? rc : bert_fail(e, BERT_ENUMERIC, "the %s hold a value that is not finite", what);
}

static int run_trunk(run *r, bert_error *e) {
    bert_session *s = r->s;
    const bert_config *c = &s->model->config;
    const size_t tokens = (size_t)r->in->start[r->in->n], layers = (size_t)c->num_hidden_layers;
    const size_t width = (size_t)c->hidden_size;
    const size_t rows = r->first_rows ? (size_t)r->in->n : tokens;
    int rc = reserve(&s->hidden, rows, width, e);
    if (!rc) rc = reserve_starts(s, (size_t)r->in->n + 1, e);
    if (!rc && r->want & BERT_WANT_HIDDEN_STATES)
        rc = reserve(&s->hidden_states, tokens * width, layers + 1, e);
    if (!rc && r->want & BERT_WANT_ATTENTIONS) {
        r->weights = probabilities(r, 0, r->in->n);
        rc = reserve(&s->attentions, r->weights, layers, e);
    }
    for (r->first = 0; r->first < r->in->n && !rc; r->first += r->chunk.n) {
        next_chunk(r);
        rc = run_chunk(r, e);
        if (r->want & BERT_WANT_ATTENTIONS)
            r->weights_before += probabilities(r, r->first, r->first + r->chunk.n);
    }
    return rc ? rc : check_finite(r, s->hidden.data, rows * width, "hidden states", e);
}

/* Pooler and head see the whole batch at once, so that a head may look across sequences. */
static int run_head(run *r, bert_outputs *out, bert_error *e) {
    bert_session *s = r->s;
    const bert_model *m = s->model;
    bert_inputs in = *r->in;
    if (r->first_rows) {
        for (int32_t i = 0; i <= in.n; i++) s->starts[i] = i;
        in.start = s->starts;
    }
    bert_tape_reset(s->tape);
    bert_tensor *hidden = bert_tape_result(s->tape, NULL, 0, in.start[in.n], m->config.hidden_size,
                                           (bert_sources){.data = s->hidden.data});
    bert_tensor *pooled = NULL, *logits = NULL;
    if (r->want & BERT_WANT_POOLER && m->trunk.pooler.weight)
        pooled = bert_pooler(s->tape, m, hidden, &in);
    if (r->want & BERT_WANT_LOGITS && m->head.name)
        logits = bert_head_forward(s->tape, m, hidden, &in);
    int rc = bert_tape_error(s->tape, e);
    if (rc) return rc;
    out->pooler_output = bert_tensor_data(pooled);
    out->logits = bert_tensor_data(logits);
    if (logits) {
        out->logit_rows = bert_tensor_rows(logits);
        out->logit_cols = bert_tensor_cols(logits);
    }
    if (pooled) rc = check_finite(r, pooled->data, bert_tensor_size(pooled), "pooler's output", e);
    if (logits && !rc) rc = check_finite(r, logits->data, bert_tensor_size(logits), "logits", e);
    return rc;
}

int bert_session_run(bert_session *s, const bert_inputs *inputs, unsigned want, bert_outputs *out,
                     bert_error *e) {
    *out = (bert_outputs){0};
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    const bert_model *m = s->model;
    bert_error local = {0};
    int rc = bert_inputs_check(m, inputs, e);
    if (rc) return rc;
    run r = {.s = s, .in = inputs, .want = want};
    const unsigned whole = BERT_WANT_HIDDEN_STATES | BERT_WANT_ATTENTIONS;
    bool head_takes_it = !(want & BERT_WANT_LOGITS) || !m->head.name || m->head.first_token;
    r.first_rows = want & BERT_SKIP_HIDDEN && !(want & whole) && head_takes_it;
    rc = run_trunk(&r, &local);
    if (!rc && want & (BERT_WANT_POOLER | BERT_WANT_LOGITS)) rc = run_head(&r, out, &local);
    if (!rc) rc = bert_weight_source_check(&m->weights, &local);
    if (rc) {
        *out = (bert_outputs){0};
        return bert_fail(e, rc, "%s", local.message);
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
