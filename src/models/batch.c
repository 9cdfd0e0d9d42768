#include "models/batch.h"
#include "base/error.h"
#include "tape/tape.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

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

static int reserve_sequences(bert_session *s, size_t count, bert_error *e) {
    if (count <= s->sequences_capacity) return 0;
    s->sequences_capacity = 0;
    free(s->starts);
    free(s->chunks);
    s->starts = calloc(count, 2 * sizeof *s->starts);
    s->chunks = calloc(count, sizeof *s->chunks);
    if (!s->starts || !s->chunks)
        return bert_fail_memory(e, count * (2 * sizeof *s->starts + sizeof *s->chunks));
    s->sequences_capacity = count;
    return 0;
}

/* ---- Lanes */

static int make_lanes(bert_session *s, bert_error *e) {
    const int n = bert_threads_count(s->together.tape->threads);
    if (!s->apart) s->apart = calloc((size_t)n, sizeof *s->apart);
    if (!s->apart) return bert_fail_memory(e, (size_t)n * sizeof *s->apart);
    bert_tape_options o = s->together.tape->options;
    o.threads = 1;
    for (int i = 0; i < n; i++) {
        if (!s->apart[i].tape) s->apart[i].tape = bert_tape_new(&o, e);
        if (!s->apart[i].tape) return BERT_ENOMEM;
    }
    return 0;
}

/* ---- A chunk */

typedef struct {
    bert_session *s;
    const bert_trunk_run *run;
    bert_lane *lane;
    bert_chunk chunk;
    bert_inputs in;
    size_t weights_before; /* attention probabilities of the sequences before it, a layer */
} chunk_run;

static size_t probabilities(const bert_session *s, const bert_inputs *in, int32_t begin,
                            int32_t end) {
    size_t sum = 0;
    for (int32_t i = begin; i < end; i++) {
        size_t n = (size_t)(in->start[i + 1] - in->start[i]);
        sum += n * n * (size_t)s->model->config.num_attention_heads;
    }
    return sum;
}

static int watch_check(void *context, bert_error *e) {
    return bert_session_check(((const chunk_run *)context)->s, e);
}

static float *watch_attentions(void *context, int layer) {
    const chunk_run *r = context;
    return r->s->attentions.data + (size_t)layer * r->run->weights + r->weights_before;
}

static int watch_hidden(void *context, int layer, const float *hidden, bert_error *e) {
    (void)e;
    const chunk_run *r = context;
    const size_t width = (size_t)r->s->model->config.hidden_size;
    const bert_inputs *all = r->run->in;
    float *out = r->s->hidden_states.data + (size_t)layer * (size_t)all->start[all->n] * width +
                 (size_t)all->start[r->chunk.first] * width;
    memcpy(out, hidden, (size_t)r->in.start[r->in.n] * width * sizeof *out);
    return 0;
}

static int run_chunk(bert_session *s, const bert_trunk_run *run, bert_lane *lane, bert_chunk chunk,
                     bert_error *e) {
    const bert_inputs *all = run->in;
    const int32_t *start = all->start + chunk.first, begin = *start;
    int32_t *own = s->starts + 2 * (size_t)chunk.first;
    for (int32_t i = 0; i <= chunk.n; i++) own[i] = start[i] - begin;
    chunk_run r = {.s = s,
                   .run = run,
                   .lane = lane,
                   .chunk = chunk,
                   .in = {.n = chunk.n,
                          .start = own,
                          .ids = all->ids ? all->ids + begin : NULL,
                          .type_ids = all->type_ids ? all->type_ids + begin : NULL}};
    bert_watch watch = {.check = watch_check,
                        .context = &r,
                        .first_rows = run->first_rows,
                        .skip_layers = run->skip_layers};
    if (run->want & BERT_WANT_HIDDEN_STATES) watch.hidden = watch_hidden;
    if (run->want & BERT_WANT_ATTENTIONS) {
        watch.attentions = watch_attentions;
        r.weights_before = probabilities(s, all, 0, chunk.first);
    }
    const bert_model *m = s->model;
    bert_tape_reset(lane->tape);
    bert_tensor *x = bert_trunk_forward(lane->tape, &m->trunk, &r.in, &watch);
    int rc = bert_tape_error(lane->tape, e);
    if (rc) return rc;
    const size_t row = (size_t)(run->first_rows ? chunk.first : begin);
    bert_tensor_copy(lane->tape, x, s->hidden.data + row * (size_t)m->config.hidden_size);
    return 0;
}

/* ---- All of them */

typedef struct {
    bert_session *s;
    const bert_trunk_run *run;
    int least;                   /* chunks of a turn, */
    atomic_int begun;            /* those that it has begun, */
    atomic_bool stop, gives_way; /* and whether it ended for others */
} job;

/* Another session's turn comes when this one has done something with each thread. */
static bool give_way(job *j) {
    if (atomic_fetch_add(&j->begun, 1) < j->least ||
        !bert_threads_awaited(j->s->together.tape->threads))
        return false;
    atomic_store(&j->gives_way, true);
    return true;
}

static void run_apart(void *context, int begin, int end, int thread) {
    job *j = context;
    bert_lane *lane = &j->s->apart[thread];
    for (int i = begin; i < end; i++) {
        if (atomic_load_explicit(&j->stop, memory_order_relaxed)) return;
        bert_chunk *chunk = &j->s->chunks[i];
        if (chunk->done || atomic_load(&j->gives_way) || give_way(j)) continue;
        chunk->done = !run_chunk(j->s, j->run, lane, *chunk, &lane->error);
        if (chunk->done) continue;
        lane->failed = i;
        atomic_store_explicit(&j->stop, true, memory_order_relaxed);
        return;
    }
}

/* The chunks that are not done, of one thread each, among n. */
static int run_lanes(bert_session *s, const bert_trunk_run *run, int32_t n, bool goes_on,
                     bert_error *e) {
    bert_threads *threads = s->together.tape->threads;
    int rc = make_lanes(s, e);
    if (rc) return rc;
    const int lanes = bert_threads_count(threads);
    for (int i = 0; i < lanes; i++) s->apart[i].error.code = 0;
    job j = {.s = s, .run = run, .least = lanes};
    do {
        atomic_store(&j.begun, 0);
        bert_threads_begin(threads, goes_on || atomic_load(&j.gives_way));
        atomic_store(&j.gives_way, false);
        bert_threads_run(threads, n, 1, run_apart, &j);
        bert_threads_end(threads);
    } while (atomic_load(&j.gives_way) && !atomic_load(&j.stop));
    const bert_lane *first = NULL;
    for (const bert_lane *l = s->apart; l < s->apart + lanes; l++)
        if (l->error.code && (!first || l->failed < first->failed)) first = l;
    return first ? bert_fail(e, first->error.code, "%s", first->error.message) : 0;
}

/* All threads take it. */
static int run_together(bert_session *s, const bert_trunk_run *run, bert_chunk *chunk, bool goes_on,
                        bert_error *e) {
    bert_threads *threads = s->together.tape->threads;
    bert_threads_begin(threads, goes_on);
    int rc = run_chunk(s, run, &s->together, *chunk, e);
    bert_threads_end(threads);
    chunk->done = true;
    return rc;
}

static int run_chunks(bert_session *s, const bert_trunk_run *run, bert_error *e) {
    bert_tape *tape = s->together.tape;
    const int32_t n = bert_chunks_plan(s->chunks, run->in->start, run->in->n,
                                       bert_threads_count(tape->threads), s->options.batch_tokens);
    int32_t apart = 0;
    for (int32_t i = 0; i < n; i++) apart += !s->chunks[i].together;
    tape->returns = apart > 0;
    if (apart && !s->packed) { /* all threads pack what one would pack alone */
        apart -= !s->chunks[0].together;
        s->chunks[0].together = true;
        s->packed = true;
    }
    int rc = 0, turns = 0;
    for (int32_t i = 0; i < n && !rc; i++)
        if (s->chunks[i].together) rc = run_together(s, run, &s->chunks[i], turns++ > 0, e);
    return rc || !apart ? rc : run_lanes(s, run, n, turns > 0, e);
}

int bert_session_trunk(bert_session *s, bert_trunk_run *run, bert_error *e) {
    const bert_inputs *in = run->in;
    const bert_config *c = &s->model->config;
    const size_t tokens = (size_t)in->start[in->n], layers = (size_t)c->num_hidden_layers;
    const size_t width = (size_t)c->hidden_size;
    int rc = reserve(&s->hidden, run->first_rows ? (size_t)in->n : tokens, width, e);
    if (!rc) rc = reserve_sequences(s, (size_t)in->n, e);
    if (!rc && run->want & BERT_WANT_HIDDEN_STATES)
        rc = reserve(&s->hidden_states, tokens * width, layers + 1, e);
    if (!rc && run->want & BERT_WANT_ATTENTIONS) {
        run->weights = probabilities(s, in, 0, in->n);
        rc = reserve(&s->attentions, run->weights, layers, e);
    }
    return rc ? rc : run_chunks(s, run, e);
}
