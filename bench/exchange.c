/* What a training step sends, beside MPI_Allreduce of the same bytes: gradients to the owners of
 * equal slices, added there in the order of ranks, and values back.
 *
 *     mpirun -n N bench_exchange [MB [rounds]]            this library's, of a group
 *     mpirun -n N bench_exchange [MB [rounds]] allreduce  MPI's own
 *
 * Prints the least and the median of the seconds of a round, of the slowest process in each. Both in turns:
 * bench/clusters.sh. */
#include "base/clock.h"
#include <bert_group.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int rank, size, stretches;
    size_t n;           /* of all numbers */
    float *data, *sums; /* of all; of those that are this process's */
    bert_stretch *list;
} work;

static void add(void *context, int stretch, int rank, size_t first, const float *x, size_t n) {
    const work *w = context;
    float *sum = w->sums + (w->list[stretch].data - w->data) + first;
    for (size_t i = 0; i < n; i++) sum[i] = rank ? sum[i] + x[i] : x[i];
}

/* A layer's slices, one after the other, as training has them. */
static int lay(work *w) {
    enum { LAYERS = 14 };
    w->stretches = LAYERS * w->size;
    w->list = calloc((size_t)w->stretches, sizeof *w->list);
    w->data = malloc(w->n * sizeof *w->data);
    w->sums = malloc(w->n * sizeof *w->sums);
    if (!w->list || !w->data || !w->sums) return BERT_ENOMEM;
    for (size_t i = 0; i < w->n; i++) w->data[i] = w->sums[i] = (float)(w->rank + 1);
    for (int i = 0; i < w->stretches; i++) {
        const size_t first = w->n * (size_t)i / (size_t)w->stretches;
        const size_t end = w->n * ((size_t)i + 1) / (size_t)w->stretches;
        w->list[i] =
            (bert_stretch){.owner = i % w->size, .n = end - first, .data = w->data + first};
    }
    return BERT_OK;
}

static int round_of_group(const bert_group *g, work *w, bert_error *e) {
    int rc = bert_group_reduce(g, w->list, w->stretches, w->size, add, w, e);
    if (!rc) rc = bert_group_wait(g, e);
    for (int i = 0; i < w->stretches && !rc; i++)
        if (w->list[i].owner == w->rank)
            memcpy(w->list[i].data, w->sums + (w->list[i].data - w->data),
                   w->list[i].n * sizeof(float));
    if (!rc) rc = bert_group_share(g, w->list, w->stretches, -1, e);
    return rc ? rc : bert_group_wait(g, e);
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a number is after so many rounds: rank r began with r + 1. */
static float sum_of(int size, int rounds) {
    float x = (float)(size * (size + 1) / 2);
    for (int i = 1; i < rounds; i++) x *= (float)size;
    return x;
}

static void report(const char *name, work *w, double *seconds, int rounds) {
    if (w->rank) return;
    const float want = sum_of(w->size, rounds);
    qsort(seconds, (size_t)rounds, sizeof *seconds, ascending);
    printf("%-10s %d processes, %.0f MB: %7.1f ms at least, median %7.1f%s\n", name, w->size,
           (double)w->n * 4e-6, 1e3 * seconds[0], 1e3 * seconds[rounds / 2],
           w->data[0] == want && w->data[w->n - 1] == want ? "" : "  WRONG SUMS");
}

static int with_group(work *w, double *seconds, int rounds) {
    bert_error e = {0};
    const bert_group *g = bert_group_open(NULL, &e);
    if (!g) return fprintf(stderr, "%s\n", e.message), 1;
    w->rank = g->rank, w->size = g->size;
    double *all = calloc((size_t)w->size, sizeof *all);
    int rc = all ? lay(w) : BERT_ENOMEM;
    for (int i = 0; i < rounds && !rc; i++) {
        rc = bert_group_barrier(g, &e);
        const double begun = bert_seconds();
        if (!rc) rc = round_of_group(g, w, &e);
        all[w->rank] = bert_seconds() - begun;
        if (!rc) rc = bert_group_gather_equal(g, all, sizeof *all, &e);
        for (int r = 0; r < w->size; r++)
            if (all[r] > seconds[i]) seconds[i] = all[r];
    }
    if (rc) fprintf(stderr, "%s\n", e.message);
    if (!rc) report("ours", w, seconds, rounds);
    free(all);
    bert_group_close(g);
    return rc != 0;
}

static int with_mpi(work *w, double *seconds, int rounds) {
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &w->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &w->size);
    if (lay(w)) MPI_Abort(MPI_COMM_WORLD, 1);
    for (int i = 0; i < rounds; i++) {
        MPI_Barrier(MPI_COMM_WORLD);
        const double begun = bert_seconds();
        MPI_Allreduce(MPI_IN_PLACE, w->data, (int)w->n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        const double took = bert_seconds() - begun;
        MPI_Allreduce(&took, &seconds[i], 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    }
    report("allreduce", w, seconds, rounds);
    MPI_Finalize();
    return 0;
}

int main(int argc, char **argv) {
    const int mb = argc > 1 ? atoi(argv[1]) : 40, rounds = argc > 2 ? atoi(argv[2]) : 15;
    if (mb < 1 || mb > 4000 || rounds < 1)
        return fprintf(stderr, "usage: %s [MB [rounds]] [allreduce]\n", argv[0]), 2;
    work w = {.n = (size_t)mb * 250000};
    double *seconds = calloc((size_t)rounds, sizeof *seconds);
    if (!seconds) return 1;
    const int rc = (argc > 3 ? with_mpi : with_group)(&w, seconds, rounds);
    free(seconds);
    free(w.list);
    free(w.data);
    free(w.sums);
    return rc;
}
