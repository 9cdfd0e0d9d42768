/* A group whose processes are threads of this one, which meet at barriers. */
#ifndef BERT_TEST_THREAD_GROUP_H
#define BERT_TEST_THREAD_GROUP_H
#include "test.h"
#include <bert_group.h>
#include <pthread.h>

enum { SEATS_MAX = 8 };

typedef struct {
    pthread_barrier_t barrier;
    pthread_mutex_t lock;
    int64_t counters[BERT_GROUP_COUNTERS];
    void *data[SEATS_MAX]; /* what each rank has brought */
    int size;
} table_of_all;

/* Everybody sees what the others have brought, until the second meeting. */
static inline void bring(const bert_group *g, void *data) {
    table_of_all *t = g->context;
    t->data[g->rank] = data;
    pthread_barrier_wait(&t->barrier);
}

static inline void leave(const bert_group *g) {
    pthread_barrier_wait(&((table_of_all *)g->context)->barrier);
}

static int seats_broadcast(const bert_group *g, void *data, size_t bytes, int root, bert_error *e) {
    (void)e;
    bring(g, data);
    if (g->rank != root) memcpy(data, ((table_of_all *)g->context)->data[root], bytes);
    leave(g);
    return 0;
}

static int seats_gather(const bert_group *g, void *data, const size_t *first, bert_error *e) {
    (void)e;
    bring(g, data);
    for (int r = 0; r < g->size; r++)
        if (r != g->rank)
            memcpy((char *)data + first[r],
                   (char *)((table_of_all *)g->context)->data[r] + first[r],
                   first[r + 1] - first[r]);
    leave(g);
    return 0;
}

static int seats_barrier(const bert_group *g, bert_error *e) {
    (void)e;
    leave(g);
    return 0;
}

static int seats_next(const bert_group *g, int counter, int64_t *number, bert_error *e) {
    (void)e;
    table_of_all *t = g->context;
    pthread_mutex_lock(&t->lock);
    *number = t->counters[counter]++;
    pthread_mutex_unlock(&t->lock);
    return 0;
}

static int seats_reduce(const bert_group *g, const bert_stretch *stretches, int count, int senders,
                        bert_stretch_fn *add, void *context, bert_error *e) {
    (void)e;
    bring(g, (void *)(uintptr_t)stretches);
    for (int i = 0; i < count; i++)
        for (int r = 0; r < senders && stretches[i].owner == g->rank; r++) {
            const bert_stretch *from = ((table_of_all *)g->context)->data[r];
            assert_true(from[i].n == stretches[i].n && from[i].owner == g->rank &&
                        from[i].only == stretches[i].only);
            if (from[i].only && from[i].only != r + 1) continue;
            add(context, i, r, 0, from[i].data, from[i].n);
        }
    leave(g);
    return 0;
}

static int seats_share(const bert_group *g, const bert_stretch *stretches, int count, int to,
                       bert_error *e) {
    (void)e;
    bring(g, (void *)(uintptr_t)stretches);
    for (int i = 0; i < count; i++) {
        const bert_stretch *from = ((table_of_all *)g->context)->data[stretches[i].owner];
        if (stretches[i].owner != g->rank && (to < 0 || to == g->rank))
            memcpy(stretches[i].data, from[i].data, stretches[i].n * sizeof(float));
    }
    leave(g);
    return 0;
}

static int seats_wait(const bert_group *g, bert_error *e) {
    (void)g, (void)e;
    return 0;
}

static void seats_times(const bert_group *g, double *waiting, double *moving) {
    (void)g;
    *waiting = *moving = 0;
}

static void seats_abort(const bert_group *g, int status, const char *message) {
    fail_msg("rank %d aborts with %d: %s", g->rank, status, message);
}

/* groups[size], for threads of which each is a rank; to be given back with groups_end. */
static inline void groups_begin(bert_group *groups, int size) {
    table_of_all *t = calloc(1, sizeof *t);
    assert_true(t && size <= SEATS_MAX);
    t->size = size;
    pthread_barrier_init(&t->barrier, NULL, (unsigned)size);
    pthread_mutex_init(&t->lock, NULL);
    for (int r = 0; r < size; r++)
        groups[r] = (bert_group){.rank = r,
                                 .size = size,
                                 .name = "threads",
                                 .context = t,
                                 .broadcast = seats_broadcast,
                                 .gather = seats_gather,
                                 .barrier = seats_barrier,
                                 .next = seats_next,
                                 .reduce = seats_reduce,
                                 .share = seats_share,
                                 .wait = seats_wait,
                                 .times = seats_times,
                                 .abort = seats_abort,
                                 .host_size = size};
}

static inline void groups_end(bert_group *groups) {
    table_of_all *t = groups[0].context;
    pthread_barrier_destroy(&t->barrier);
    pthread_mutex_destroy(&t->lock);
    free(t);
}
#endif
