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
    return bert_session_check(((const bert_lane *)context)->session, e);
}

static float *watch_attentions(void *context, int layer) {
    const bert_lane *l = context;
    return l->session->attentions.data + (size_t)layer * l->run->weights + l->weights_before;
}

static const bert_chunk *chunk_of(const bert_lane *l) {
    return &l->session->chunks[l->number];
}

static int watch_hidden(void *context, int layer, const float *hidden, bert_error *e) {
    (void)e;
    const bert_lane *l = context;
    const size_t width = (size_t)l->session->model->config.hidden_size;
    const bert_inputs *all = l->run->in;
    float *out = l->session->hidden_states.data +
                 (size_t)layer * (size_t)all->start[all->n] * width +
                 (size_t)all->start[chunk_of(l)->first] * width;
    memcpy(out, hidden, (size_t)l->in.start[l->in.n] * width * sizeof *out);
    return 0;
}

/* What the sequences of a chunk have beside ids. */
static int32_t chunk_columns(const bert_inputs *all, bert_chunk chunk, bert_column *out) {
    int32_t n = 0;
    for (int32_t i = 0; i < all->column_count && n < BERT_LANE_COLUMNS; i++) {
        bert_column c = all->columns[i];
        if (c.per != BERT_PER_SEQUENCE) continue;
        /* Numbers of both types are of four bytes. */
        c.data = (const float *)c.data + (size_t)chunk.first * (size_t)c.width;
        c.count = chunk.n;
        out[n++] = c;
    }
    return n;
}

/* The lane begins with a chunk: its embeddings. */
static void begin_chunk(bert_lane *l, bert_session *s, const bert_trunk_run *run, int32_t number) {
    const bert_inputs *all = run->in;
    const bert_chunk *chunk = &s->chunks[number];
    const int32_t *start = all->start + chunk->first, begin = *start;
    int32_t *own = s->starts + 2 * (size_t)chunk->first;
    for (int32_t i = 0; i <= chunk->n; i++) own[i] = start[i] - begin;
    l->at_work = true;
    l->number = number;
    l->session = s;
    l->run = run;
    l->in = (bert_inputs){.n = chunk->n,
                          .start = own,
                          .ids = all->ids ? all->ids + begin : NULL,
                          .type_ids = all->type_ids ? all->type_ids + begin : NULL,
                          .attended = all->attended ? all->attended + chunk->first : NULL,
                          .columns = l->columns,
                          .column_count = chunk_columns(all, *chunk, l->columns)};
    l->watch = (bert_watch){.check = watch_check,
                            .context = l,
                            .first_rows = run->first_rows,
                            .skip_layers = run->skip_layers};
    if (run->want & BERT_WANT_HIDDEN_STATES) l->watch.hidden = watch_hidden;
    if (run->want & BERT_WANT_ATTENTIONS) {
        l->watch.attentions = watch_attentions;
        l->weights_before = probabilities(s, all, 0, chunk->first);
    }
    bert_tape_reset(l->tape);
    bert_trunk_begin(l->tape, &s->model->trunk, &l->in, &l->watch, &l->walk);
}

/* Its layers are done, or have failed. */
static int end_chunk(bert_lane *l, bert_error *e) {
    bert_session *s = l->session;
    bert_chunk *chunk = &s->chunks[l->number];
    l->at_work = false;
    int rc = bert_tape_error(l->tape, e);
    if (rc) return rc;
    const size_t row =
        (size_t)(l->run->first_rows ? chunk->first : l->run->in->start[chunk->first]);
    bert_tensor_copy(l->tape, l->walk.x,
                     s->hidden.data + row * (size_t)s->model->config.hidden_size);
    chunk->done = true;
    return 0;
}

/* ---- Turns of the threads */

/* A turn lasts until somebody waits who has had none, but not less than a layer; the first one of a
 * call not less than what a short text takes: this many tokens through all layers. Somebody who has
 * had one waits until a chunk is done. */
enum { SHORT = 128 };
typedef struct {
    bert_threads *threads;
    bool goes_on;      /* it is not the call's first */
    int64_t least;     /* tokens times layers of a first one */
    atomic_llong done; /* in this one */
} turn;

static void begin_turn(turn *t) {
    bert_threads_begin(t->threads, t->goes_on);
    atomic_store(&t->done, 0);
}

static void give_way(turn *t) {
    bert_threads_give_way(t->threads);
    t->goes_on = true;
    begin_turn(t);
}

/* After a layer of so many tokens. */
static bool is_over(turn *t, int32_t tokens) {
    const int64_t done = atomic_fetch_add(&t->done, tokens) + tokens;
    return (t->goes_on || done >= t->least) && bert_threads_awaited_anew(t->threads);
}

/* ---- All of them */

/* All threads take a chunk. */
static int run_together(bert_session *s, const bert_trunk_run *run, int32_t number, turn *t,
                        bert_error *e) {
    bert_lane *l = &s->together;
    begin_chunk(l, s, run, number);
    while (bert_trunk_step(l->tape, &l->walk))
        if (is_over(t, l->in.start[l->in.n])) {
            give_way(t);
        }
    return end_chunk(l, e);
}

typedef struct {
    bert_session *s;
    const bert_trunk_run *run;
    turn *turn;
    int32_t chunks;
    int least;              /* chunks of a turn that others than new ones wait for, */
    atomic_int next, begun; /* the chunk that is looked at next, and those begun in the turn, */
    atomic_bool stop, gives_way; /* and whether it ended for others */
} job;

/* The next chunk of one thread, or -1. */
static int32_t next_chunk(job *j) {
    if (atomic_fetch_add(&j->begun, 1) >= j->least && bert_threads_awaited(j->turn->threads)) {
        atomic_store(&j->gives_way, true);
        return -1;
    }
    int32_t i;
    do i = atomic_fetch_add(&j->next, 1);
    while (i < j->chunks && j->s->chunks[i].together);
    return i < j->chunks ? i : -1;
}

/* Takes chunks through the layers until there are no more, or the turn is over. */
static void run_lane(job *j, bert_lane *l) {
    while (!atomic_load(&j->stop) && !atomic_load(&j->gives_way)) {
        if (!l->at_work) {
            const int32_t number = next_chunk(j);
            if (number < 0) return;
            begin_chunk(l, j->s, j->run, number);
        }
        const bool more = bert_trunk_step(l->tape, &l->walk);
        if (is_over(j->turn, l->in.start[l->in.n])) atomic_store(&j->gives_way, true);
        if (more || !end_chunk(l, &l->error)) continue;
        l->failed = l->number;
        atomic_store(&j->stop, true);
    }
}

static void run_lanes_of(void *context, int begin, int end, int thread) {
    (void)thread;
    job *j = context;
    for (int i = begin; i < end; i++) run_lane(j, &j->s->apart[i]);
}

/* The chunks of one thread each, in turns. Which lane is resumed by which thread varies. */
static int run_lanes(bert_session *s, const bert_trunk_run *run, int32_t n, turn *t,
                     bert_error *e) {
    int rc = make_lanes(s, e);
    if (rc) return rc;
    const int lanes = bert_threads_count(t->threads);
    for (int i = 0; i < lanes; i++) {
        s->apart[i].error.code = 0;
        s->apart[i].at_work = false;
    }
    job j = {.s = s, .run = run, .turn = t, .chunks = n, .least = lanes};
    for (;;) {
        atomic_store(&j.begun, 0);
        atomic_store(&j.gives_way, false);
        bert_threads_run(t->threads, lanes, 1, run_lanes_of, &j);
        if (!atomic_load(&j.gives_way) || atomic_load(&j.stop)) break;
        give_way(t);
    }
    const bert_lane *first = NULL;
    for (const bert_lane *l = s->apart; l < s->apart + lanes; l++)
        if (l->error.code && (!first || l->failed < first->failed)) first = l;
    return first ? bert_fail(e, first->error.code, "%s", first->error.message) : 0;
}

static int run_chunks(bert_session *s, bert_trunk_run *run, bert_error *e) {
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
    turn t = {.threads = tape->threads,
              .least = (int64_t)SHORT * s->model->config.num_hidden_layers};
    int rc = 0;
    bool begun = false;
    begin_turn(&t);
    for (int32_t i = 0; i < n && !rc; i++)
        if (s->chunks[i].together) {
            if (begun && bert_threads_awaited(t.threads)) {
                give_way(&t);
            }
            begun = true;
            rc = run_together(s, run, i, &t, e);
        }
    if (!rc && apart) rc = run_lanes(s, run, n, &t, e);
    run->has_turn = run->keep_turn && !rc;
    if (!run->has_turn) bert_threads_end(t.threads);
    return rc;
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
