/* Stretches that go to their owners, and from them. In chunks between each two processes, which MPI
 * keeps in order, so that they need no numbers; all are sent at once, and received into a window. */
#include "engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 16 /* floats */, SHARED = 1 << 20, WINDOW = 4, TAG = 3 };

/* Where one goes through the chunks of a list of stretches. */
typedef struct {
    int stretch;
    size_t at;
} cursor;

typedef struct {
    cursor where;
    size_t n; /* 0: the place is free */
} chunk;

typedef struct {
    operation o;
    bert_stretch *stretches;
    int count, senders;
    int to; /* share: -1: all */
    bert_stretch_fn *add;
    void *context;
    MPI_Request *sends;
    int sends_count, sends_room;
    /* reduce: what this process owns of it comes in here */
    float *room;        /* [WINDOW][size][CHUNK] */
    MPI_Request *comes; /* [WINDOW][size] */
    chunk window[WINDOW];
    int oldest;   /* of the window */
    cursor asked; /* up to here it is asked for */
} spread;

/* Whether a rank has that stretch to send. */
static bool has(const spread *s, int stretch, int rank) {
    const int only = s->stretches[stretch].only;
    return !only || only == rank + 1;
}

enum { ANYBODY = -1 };

/* The chunk at *c of the stretches of that owner that rank `of` has, and *c behind it; n 0: there is
 * none. */
static chunk take_chunk(const spread *s, int owner, int of, size_t most, cursor *c) {
    while (c->stretch < s->count &&
           (s->stretches[c->stretch].owner != owner || c->at == s->stretches[c->stretch].n ||
            (of != ANYBODY && !has(s, c->stretch, of))))
        *c = (cursor){c->stretch + 1, 0};
    if (c->stretch == s->count) return (chunk){*c, 0};
    const size_t left = s->stretches[c->stretch].n - c->at;
    const chunk k = {*c, left < most ? left : most};
    c->at += k.n;
    return k;
}

static float *data_of(const spread *s, const chunk *k) {
    return s->stretches[k->where.stretch].data + k->where.at;
}

static MPI_Request *new_request(spread *s) {
    if (s->sends_count == s->sends_room) {
        const int room = s->sends_room ? 2 * s->sends_room : 64;
        MPI_Request *more = realloc(s->sends, (size_t)room * sizeof *more);
        if (!more) return NULL;
        s->sends = more;
        s->sends_room = room;
    }
    s->sends[s->sends_count] = MPI_REQUEST_NULL;
    return &s->sends[s->sends_count++];
}

/* All chunks of `owner` that rank `of` has: sent to rank `peer`, or received from it. */
static int post(engine *n, spread *s, int owner, int of, size_t most, int peer, bool is_send) {
    cursor c = {0};
    for (chunk k; (k = take_chunk(s, owner, of, most, &c)).n;) {
        MPI_Request *q = new_request(s);
        if (!q) return MPI_ERR_NO_MEM;
        int rc = is_send ? MPI_Isend(data_of(s, &k), (int)k.n, MPI_FLOAT, peer, TAG, n->comm, q)
                         : MPI_Irecv(data_of(s, &k), (int)k.n, MPI_FLOAT, peer, TAG, n->comm, q);
        if (rc) return rc;
    }
    return 0;
}

static int test_sends(spread *s, bool *done) {
    int all = 0;
    int rc = MPI_Testall(s->sends_count, s->sends, &all, MPI_STATUSES_IGNORE);
    *done = all;
    return rc;
}

static void end(operation *o) {
    spread *s = (spread *)o;
    free(s->stretches);
    free(s->sends);
    free(s->room);
    free(s->comes);
}

/* ---- reduce */

static float *room_of(const engine *n, const spread *s, int place, int rank) {
    return s->room + ((size_t)place * (size_t)n->size + (size_t)rank) * CHUNK;
}

/* Asks for the next chunk of all others, into a place of the window that is free. */
static int ask_for(engine *n, spread *s, int place) {
    chunk *k = &s->window[place];
    *k = take_chunk(s, n->rank, ANYBODY, CHUNK, &s->asked);
    MPI_Request *q = s->comes + (size_t)place * (size_t)n->size;
    for (int r = 0; r < n->size; r++) q[r] = MPI_REQUEST_NULL;
    int rc = 0;
    for (int r = 0; r < s->senders && k->n && !rc; r++)
        if (r != n->rank && has(s, k->where.stretch, r))
            rc = MPI_Irecv(room_of(n, s, place, r), (int)k->n, MPI_FLOAT, r, TAG, n->comm, &q[r]);
    return rc;
}

static int begin_reduce(engine *n, operation *o) {
    spread *s = (spread *)o;
    bool owns = false;
    for (int i = 0; i < s->count; i++) owns |= s->stretches[i].owner == n->rank;
    if (owns) {
        const size_t places = (size_t)WINDOW * (size_t)n->size;
        s->room = malloc(places * CHUNK * sizeof *s->room);
        s->comes = malloc(places * sizeof *s->comes);
        if (!s->room || !s->comes) return MPI_ERR_NO_MEM;
    }
    int rc = 0;
    for (int place = 0; place < WINDOW && owns && !rc; place++) rc = ask_for(n, s, place);
    for (int d = 1; d < n->size && n->rank < s->senders && !rc; d++) {
        const int to = (n->rank + d) % n->size; /* not all to the same one at once */
        rc = post(n, s, to, n->rank, CHUNK, to, true);
    }
    return rc;
}

static void add_chunk(engine *n, spread *s, int place) {
    const chunk *k = &s->window[place];
    for (int r = 0; r < s->senders; r++)
        if (has(s, k->where.stretch, r))
            s->add(s->context, k->where.stretch, r, k->where.at,
                   r == n->rank ? data_of(s, k) : room_of(n, s, place, r), k->n);
}

static int test_reduce(engine *n, operation *o, bool *done, bool *moved) {
    spread *s = (spread *)o;
    for (int rc, all = 1; s->room && s->window[s->oldest].n;) {
        MPI_Request *q = s->comes + (size_t)s->oldest * (size_t)n->size;
        rc = MPI_Testall(n->size, q, &all, MPI_STATUSES_IGNORE);
        if (rc) return rc;
        if (!all) break;
        *moved = true;
        add_chunk(n, s, s->oldest);
        rc = ask_for(n, s, s->oldest);
        if (rc) return rc;
        s->oldest = (s->oldest + 1) % WINDOW;
    }
    int rc = test_sends(s, done);
    *done = *done && (!s->room || !s->window[s->oldest].n);
    return rc;
}

/* ---- share */

static int begin_share(engine *n, operation *o) {
    spread *s = (spread *)o;
    int rc = 0;
    for (int d = 1; d < n->size && !rc; d++) {
        const int to = (n->rank + d) % n->size, from = (n->rank - d + n->size) % n->size;
        if (s->to < 0 || s->to == n->rank) rc = post(n, s, from, ANYBODY, SHARED, from, false);
        if (!rc && (s->to < 0 || s->to == to)) rc = post(n, s, n->rank, ANYBODY, SHARED, to, true);
    }
    return rc;
}

static int test_share(engine *n, operation *o, bool *done, bool *moved) {
    (void)n, (void)moved;
    return test_sends((spread *)o, done);
}

/* ---- The table's */

static int start(const bert_group *g, const spread *like, const bert_stretch *stretches,
                 bert_error *e) {
    spread *s = malloc(sizeof *s);
    bert_stretch *copy = malloc((size_t)like->count * sizeof *copy + 1);
    if (!s || !copy) {
        free(s);
        free(copy);
        snprintf(e->message, sizeof e->message, "%s: out of memory", like->o.name);
        return e->code = BERT_ENOMEM;
    }
    *s = *like;
    if (s->count) memcpy(copy, stretches, (size_t)s->count * sizeof *copy);
    s->stretches = copy;
    return engine_run(g->context, &s->o, e);
}

int stretches_reduce(const bert_group *g, const bert_stretch *stretches, int count, int senders,
                     bert_stretch_fn *add, void *context, bert_error *e) {
    const spread s = {.o = {.name = "reduce",
                            .begin = begin_reduce,
                            .test = test_reduce,
                            .end = end,
                            .detached = true},
                      .count = count,
                      .senders = senders < g->size ? senders : g->size,
                      .add = add,
                      .context = context};
    return start(g, &s, stretches, e);
}

int stretches_share(const bert_group *g, const bert_stretch *stretches, int count, int to,
                    bert_error *e) {
    const spread s = {.o = {.name = "share",
                            .begin = begin_share,
                            .test = test_share,
                            .end = end,
                            .detached = true},
                      .count = count,
                      .to = to};
    return start(g, &s, stretches, e);
}
