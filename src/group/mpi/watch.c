/* The watch over the others. MPI notices a process that dies, mostly; one that is stopped, that hangs,
 * or whose machine has gone, it waits for. So each process sends its neighbour a beat a second, with
 * how far every process is, as far as it has heard. */
#include "engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG = 4, BEAT = 1, GAP = 5 };
static const double silence = 30, patience = 1800; /* seconds */

static double seconds_of(const char *name, double fallback) {
    const char *text = getenv(name);
    char *end;
    const double value = text ? strtod(text, &end) : 0;
    return value > 0 ? value : fallback;
}

int watch_begin(engine *n, watch *w) {
    *w = (watch){.sent = MPI_REQUEST_NULL,
                 .comes = MPI_REQUEST_NULL,
                 .silence = seconds_of("BERT_GROUP_SILENCE", silence),
                 .patience = seconds_of("BERT_GROUP_PATIENCE", patience)};
    w->heard_at = w->looked_at = engine_now();
    if (n->size < 2) return 0;
    const size_t size = (size_t)n->size;
    w->done = calloc(3 * size, sizeof *w->done);
    if (!w->done) return MPI_ERR_NO_MEM;
    w->going = w->done + size;
    w->coming = w->going + size;
    return MPI_Irecv(w->coming, n->size, MPI_INT64_T, (n->rank - 1 + n->size) % n->size, TAG,
                     n->side, &w->comes);
}

void watch_end(watch *w) {
    MPI_Request *both[] = {&w->comes, &w->sent};
    for (int i = 0; i < 2; i++) {
        if (*both[i] == MPI_REQUEST_NULL) continue;
        MPI_Cancel(both[i]);
        MPI_Request_free(both[i]);
    }
    free(w->done);
}

void watch_begun(const engine *n, watch *w) {
    if (w->done) w->done[n->rank]++;
    w->begun_at = engine_now();
}

static int listen(const engine *n, watch *w, double t) {
    int got = 0;
    int rc = MPI_Test(&w->comes, &got, MPI_STATUS_IGNORE);
    if (rc || !got || w->comes != MPI_REQUEST_NULL) return rc;
    for (int r = 0; r < n->size; r++)
        if (w->coming[r] > w->done[r]) w->done[r] = w->coming[r];
    w->heard_at = t;
    return MPI_Irecv(w->coming, n->size, MPI_INT64_T, (n->rank - 1 + n->size) % n->size, TAG,
                     n->side, &w->comes);
}

static int beat(const engine *n, watch *w, double t) {
    int free_again = 0;
    int rc = MPI_Test(&w->sent, &free_again, MPI_STATUS_IGNORE);
    if (rc || !free_again || t - w->beat_at < BEAT) return rc;
    memcpy(w->going, w->done, (size_t)n->size * sizeof *w->going);
    w->beat_at = t;
    return MPI_Isend(w->going, n->size, MPI_INT64_T, (n->rank + 1) % n->size, TAG, n->side,
                     &w->sent);
}

/* The first process that has not come to where this one waits; -1: all have. */
static int late(const engine *n, const watch *w) {
    for (int r = 0; r < n->size; r++)
        if (w->done[r] < w->done[n->rank]) return r;
    return -1;
}

static void give_up(const engine *n, int rank, const char *what, double seconds) {
    fprintf(stderr, "bert: rank %d of %d on %s: rank %d on %s %s %.0f s: all end\n", n->rank,
            n->size, n->hosts[n->rank], rank, n->hosts[rank], what, seconds);
    fflush(NULL);
    MPI_Abort(n->comm, 1);
}

int watch_look(const engine *n, watch *w, bool waits) {
    if (!w->done) return 0;
    const double t = engine_now();
    if (t - w->looked_at < 0.05) return 0;
    if (t - w->looked_at > GAP) w->heard_at = t; /* it was this one that stood still */
    w->looked_at = t;
    int rc = listen(n, w, t);
    if (!rc) rc = beat(n, w, t);
    if (t - w->heard_at > w->silence)
        give_up(n, (n->rank - 1 + n->size) % n->size,
                "is stopped, or its machine or cable is gone: nothing was heard of it for",
                t - w->heard_at);
    const int r = waits && t - w->begun_at > w->patience ? late(n, w) : -1;
    if (r >= 0) give_up(n, r, "has not come to where the others wait, for", t - w->begun_at);
    return rc;
}
