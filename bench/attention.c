/* What the terms of attention's specification cost, beside plain attention of the same shape, and a
 * window at 1,024 and 8,192 tokens. usage: bench_attention [threads] */
#include "cpu/attention.h"
#include "base/arena.h"
#include "base/rng.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEADS = 12, SIZE = 64, HIDDEN = HEADS * SIZE, LONGEST = 8192, ROUNDS = 9, BUCKETS = 256 };

typedef struct {
    bert_threads *threads;
    bert_attention_plan plan;
    float *qkv, *out, *lse, *dqkv, *dx;
    bool backward;
} work;

/* With one thread, processor time: a busy machine then spoils less. */
static clockid_t clock_used = CLOCK_MONOTONIC;

static double seconds(const work *w) {
    struct timespec a, b;
    clock_gettime(clock_used, &a);
    if (w->backward)
        bert_attention_backward(w->threads, &w->plan, w->qkv, w->out, w->out, w->lse, w->dqkv,
                                w->dx);
    else
        bert_attention_forward(w->threads, &w->plan, w->qkv, w->out, w->lse, NULL);
    clock_gettime(clock_used, &b);
    return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median times of both, in turns. */
static void measure(work *a, work *b, double t[2]) {
    double times[2][ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        times[0][i] = seconds(a);
        times[1][i] = seconds(b);
    }
    for (int i = 0; i < 2; i++) {
        qsort(times[i], ROUNDS, sizeof **times, by_size);
        t[i] = times[i][ROUNDS / 2];
    }
}

/* In large pages, as a model's activations and gradients lie. */
static float *randoms(size_t n, float scale) {
    bert_rng r = {.seed = 1, .stream = n};
    float *x = bert_aligned_alloc(n, sizeof *x);
    if (!x) exit(1);
    bert_rng_normal(&r, x, n, scale);
    return x;
}

/* DeBERTa's buckets of 256 and 512 positions. */
static int32_t bucket(int distance) {
    const int m = BUCKETS / 2, far = abs(distance);
    if (far <= m) return distance + BUCKETS;
    const int b = m + (int)ceil(log((double)far / m) / log(511.0 / m) * (m - 1));
    const int at = (distance < 0 ? -b : b) + BUCKETS;
    return at < 0 ? 0 : at > 2 * BUCKETS - 1 ? 2 * BUCKETS - 1 : at;
}

static void compare(const char *name, work plain, work other) {
    double forward[2], backward[2];
    measure(&plain, &other, forward);
    plain.backward = other.backward = true;
    measure(&plain, &other, backward);
    printf("%-28s forward %8.0f us, %5.2f; backward %8.0f us, %5.2f\n", name, 1e6 * forward[1],
           forward[1] / forward[0], 1e6 * backward[1], backward[1] / backward[0]);
}

int main(int argc, char **argv) {
    const int32_t two[] = {0, 512, 1024}, one[] = {0, 1024}, longest[] = {0, LONGEST};
    int32_t eight[LONGEST / 1024 + 1];
    static float cos_sin[2][LONGEST * SIZE / 2];
    static int32_t index[2 * LONGEST];
    work w = {.threads = bert_threads_new(argc > 1 ? atoi(argv[1]) : 0, NULL),
              .qkv = randoms((size_t)LONGEST * 3 * HIDDEN, 1),
              .out = randoms((size_t)LONGEST * HIDDEN, 1),
              .lse = randoms((size_t)LONGEST * HEADS, 1),
              .dqkv = randoms((size_t)LONGEST * 3 * HIDDEN, 1),
              .dx = randoms((size_t)4 * BUCKETS * HIDDEN, 1),
              .plan = {.heads = HEADS, .head_size = SIZE, .start = two, .n = 2}};
    if (bert_threads_count(w.threads) == 1) clock_used = CLOCK_THREAD_CPUTIME_ID;
    float *bias = randoms((size_t)2 * LONGEST * HEADS, .1f), *slopes = randoms(HEADS, .1f),
          *rows = randoms((size_t)4 * BUCKETS * HIDDEN, .1f);
    for (int i = 0; i < LONGEST * SIZE / 2; i++) {
        cos_sin[0][i] = cosf((float)i * .01f);
        cos_sin[1][i] = sinf((float)i * .01f);
    }
    for (int d = 1 - LONGEST; d < LONGEST; d++) index[d + LONGEST - 1] = bucket(-d);
    work o = w;
    o.plan.bias = bias, o.plan.reach = LONGEST - 1, o.dx = NULL;
    compare("512 tokens, relative bias", w, o);
    o = w, o.plan.slopes = slopes, o.dx = NULL;
    compare("512 tokens, ALiBi", w, o);
    o = w, o.plan.turned = SIZE, o.plan.cos = cos_sin[0], o.plan.sin = cos_sin[1], o.dx = NULL;
    compare("512 tokens, rotation", w, o);
    o.plan.window = 64;
    compare("512 tokens, that and a window", w, o);
    o = w, o.plan.relative = rows, o.plan.index = index, o.plan.reach = LONGEST - 1;
    o.plan.relative_keys = o.plan.relative_queries = true;
    compare("512 tokens, disentangled", w, o);
    w.plan.window = 64, w.plan.start = one, w.plan.n = 1;
    o = w, o.plan.start = longest;
    compare("window 128, 8,192 to 1,024", w, o);
    /* what is so many times more, without being longer */
    for (int i = 0; i <= LONGEST / 1024; i++) eight[i] = 1024 * i;
    o.plan.start = eight, o.plan.n = LONGEST / 1024;
    compare("window 128, 8 x 1,024", w, o);
    printf("scratch: %.1f MB\n", (double)bert_threads_memory(w.threads) / 1e6);
    bert_threads_free(w.threads);
    free(w.qkv), free(w.out), free(w.lse), free(w.dqkv), free(w.dx);
    free(bias), free(slopes), free(rows);
    return 0;
}
