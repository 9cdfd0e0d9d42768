/* Bytes that move as they are: MPI's own collectives, begun and tested. */
#include "engine.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    operation o;
    char *data;
    size_t bytes, at; /* broadcast: at is what is done */
    int root;
    int *counts, *places; /* [size] */
    MPI_Request request;
} move;

enum { MOST = 1 << 30 };

static int test_one(engine *n, operation *o, bool *done, bool *moved) {
    (void)n;
    int flag = 0;
    int rc = MPI_Test(&((move *)o)->request, &flag, MPI_STATUS_IGNORE);
    *done = *moved = flag;
    return rc;
}

/* ---- broadcast, in parts whose size is an int */

static int begin_part(engine *n, operation *o) {
    move *m = (move *)o;
    const size_t left = m->bytes - m->at;
    const int part = (int)(left < MOST ? left : MOST);
    int rc = MPI_Ibcast(m->data + m->at, part, MPI_BYTE, m->root, n->comm, &m->request);
    m->at += (size_t)part;
    return rc;
}

static int test_parts(engine *n, operation *o, bool *done, bool *moved) {
    move *m = (move *)o;
    int rc = test_one(n, o, done, moved);
    if (rc || !*done || m->at == m->bytes) return rc;
    *done = false;
    return begin_part(n, o);
}

int moves_broadcast(const bert_group *g, void *data, size_t bytes, int root, bert_error *e) {
    move m = {.o = {.name = "broadcast", .begin = begin_part, .test = test_parts},
              .data = data,
              .bytes = bytes,
              .root = root};
    return engine_run(g->context, &m.o, e);
}

/* ---- gather */

static int begin_gather(engine *n, operation *o) {
    move *m = (move *)o;
    return MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_BYTE, m->data, m->counts, m->places, MPI_BYTE,
                           n->comm, &m->request);
}

int moves_gather(const bert_group *g, void *data, const size_t *first, bert_error *e) {
    const size_t size = (size_t)g->size;
    if (first[size] > INT_MAX) {
        snprintf(e->message, sizeof e->message, "gather of %zu bytes: 2 GB are the most at a time",
                 first[size]);
        return e->code = BERT_EINVAL;
    }
    int *counts = malloc(2 * size * sizeof *counts);
    if (!counts) {
        snprintf(e->message, sizeof e->message, "gather: out of memory");
        return e->code = BERT_ENOMEM;
    }
    for (size_t r = 0; r < size; r++) {
        counts[r] = (int)(first[r + 1] - first[r]);
        counts[size + r] = (int)first[r];
    }
    move m = {.o = {.name = "gather", .begin = begin_gather, .test = test_one},
              .data = data,
              .counts = counts,
              .places = counts + size};
    int rc = engine_run(g->context, &m.o, e);
    free(counts);
    return rc;
}

/* ---- barrier */

static int begin_barrier(engine *n, operation *o) {
    return MPI_Ibarrier(n->comm, &((move *)o)->request);
}

int moves_barrier(const bert_group *g, bert_error *e) {
    move m = {.o = {.name = "barrier", .begin = begin_barrier, .test = test_one}};
    return engine_run(g->context, &m.o, e);
}
