/* How fast each kernel of each level is here, beside what the machine can do, measured in the same
 * run; and that each level computes what portable C does. usage: bench_kernels [threads]
 * [matmul|other] */
#include "base/arena.h"
#include "base/rng.h"
#include "cpu/attention.h"
#include "cpu/matmul.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 9 };

/* With one thread, processor time: a busy machine then spoils less. */
static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void) {
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef void work_fn(void *context);

/* Median seconds of a call, each measured over at least 5 ms. */
static double seconds(work_fn *work, void *context) {
    double t = now(), times[REPEATS];
    work(context);
    t = now() - t;
    int inner = t > 5e-3 ? 1 : (int)(5e-3 / (t + 1e-9)) + 1;
    for (int i = 0; i < REPEATS; i++) {
        t = now();
        for (int j = 0; j < inner; j++) work(context);
        times[i] = (now() - t) / inner;
    }
    qsort(times, REPEATS, sizeof *times, compare);
    return times[REPEATS / 2];
}

static float *randoms(size_t n, float std) {
    static bert_rng rng = {.seed = 1};
    float *p = bert_aligned_alloc(n, sizeof *p);
    if (!p) exit(1);
    bert_rng_normal(&rng, p, n, std);
    return p;
}

typedef struct {
    bert_threads *threads;
    int M, N, K;
    const float *a;
    bert_packed *b;
    float *c;
} product;

static void multiply(void *context) {
    product *p = context;
    bert_matmul_packed(p->threads, p->M, (bert_view){p->a, p->K, 1}, p->b, p->c, p->N, NULL);
}

/* The peak: blocks of a depth that stays in the first-level cache, on every thread. */
typedef struct {
    bert_threads *threads;
    const bert_gemm_kernel *g;
    bert_left a;
    const void *b;
    int depth;
} peak;

static void peak_blocks(void *context, int begin, int end, int thread) {
    const peak *p = context;
    _Alignas(64) float c[32 * 32];
    (void)thread;
    if (p->g->begin) p->g->begin();
    for (int i = begin; i < end; i++)
        p->g->block(c, p->g->nr, &p->a, p->b, p->depth, p->g->mr, false, NULL, 0);
    if (p->g->end) p->g->end();
}

static void run_peak(void *context) {
    peak *p = context;
    bert_threads_run(p->threads, 4000, 250, peak_blocks, p);
}

static void bench_matmul(bert_threads *threads, int max_threads) {
    static const int shapes[][2] = {{768, 768}, {3072, 768}, {768, 3072}, {2304, 768}};
    static const int rows[] = {16, 128, 512, 1024, 4096};
    for (bert_precision precision = 0; precision < BERT_PRECISION_COUNT; precision++) {
        const bert_gemm_kernel *g = bert_cpu()->gemm[precision];
        if (!g) continue;
        float *pa = randoms(1 << 14, 1), *pb = randoms(1 << 14, 1), *x = randoms(1 << 14, 1);
        const bert_left_layout l = bert_left_lay(g, (bert_view){x, 128, 1}, g->mr, 128);
        bert_left_pack(&l, (unsigned char *)pa, 0, g->mr, NULL);
        g->pack_b(pb, x, 1, 128, g->nr, 128, NULL);
        peak pk = {threads, g, bert_left_block(&l, (unsigned char *)pa, 0, 0), pb, 128};
        double top = 2.0 * g->mr * g->nr * 128 * 4000 / seconds(run_peak, &pk) / 1e9;
        printf("%s (%s), %d threads: blocks from the first-level cache %.0f GFLOP/s\n", g->name,
               bert_precision_name(precision), max_threads, top);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
                product p = {
                    .threads = threads, .M = rows[r], .N = shapes[s][0], .K = shapes[s][1]};
                float *a = randoms((size_t)p.M * (size_t)p.K, 1),
                      *b = randoms((size_t)p.N * (size_t)p.K, 0.02f);
                p.a = a;
                p.b = bert_pack(threads, precision, p.K, 1, &(bert_view){b, 1, p.K}, &p.N, NULL,
                                NULL);
                p.c = bert_aligned_alloc((size_t)p.M * (size_t)p.N, sizeof *p.c);
                double rate = 2.0 * p.M * p.N * p.K / seconds(multiply, &p) / 1e9, square = 0,
                       error = 0;
                for (int i = 0; i < 8; i++)
                    for (int j = 0; j < p.N; j++) {
                        double want = 0;
                        for (int k = 0; k < p.K; k++)
                            want += (double)a[i * p.K + k] * b[j * p.K + k];
                        double d = p.c[i * p.N + j] - want;
                        square += want * want;
                        error += d * d;
                    }
                printf("  M %4d N %4d K %4d  %7.0f GFLOP/s  %3.0f %%  relative error %.1e\n", p.M,
                       p.N, p.K, rate, 100 * rate / top, sqrt(error / square));
                bert_packed_free(p.b);
                free(a), free(b), free(p.c);
            }
        free(pa), free(pb), free(x);
    }
}

typedef struct {
    const bert_kernels *k;
    float *x, *y, *z;
    int what;
    bert_threads *threads;
    bert_attention_plan plan;
} other;

enum { ROWS = 64, COLS = 768, N = ROWS * COLS };

static void run_other(void *context) {
    other *o = context;
    switch (o->what) {
    case 0:
        o->k->act[BERT_ACT_GELU].forward(o->y, o->x, N);
        break;
    case 1:
        o->k->act[BERT_ACT_GELU].backward(o->y, o->z, o->x, N);
        break;
    case 2:
        o->k->act[BERT_ACT_TANH].forward(o->y, o->x, N);
        break;
    case 3:
        memcpy(o->y, o->x, N * sizeof *o->y), o->k->softmax(o->y, 128, N / 128, 128, 0.125f, NULL);
        break;
    case 4:
        o->k->layer_norm(o->y, o->x, o->z, o->x, o->z, 1e-12f, ROWS, COLS, NULL);
        break;
    case 5:
        o->k->dropout(o->y, o->x, N, 0.1f, 1, 2, 0);
        break;
    case 6:
        o->k->adamw(o->y, o->x, o->z, o->z + N, N, 1, 1e-5f, .9, .999, 1e-8f, .01f, .1f, .001f);
        break;
    }
}

static void bench_others(void) {
    static const char *const names[] = {"gelu",       "gelu backward", "tanh", "softmax 128",
                                        "layer norm", "dropout",       "adamw"};
    float *x = randoms(N, 1), *y = randoms(N, 1), *z = randoms(2 * N, 1);
    for (int i = 0; i < 2 * N; i++) z[i] = fabsf(z[i]);
    printf("%-14s", "ns an element");
    for (const bert_isa_level *l = bert_isa_levels; l->name; l++)
        if (bert_cpu_at(l->name)) printf(" %8s", l->name);
    printf("\n");
    for (int i = 0; i < 7; i++) {
        printf("%-14s", names[i]);
        for (const bert_isa_level *l = bert_isa_levels; l->name; l++) {
            other o = {.k = bert_cpu_at(l->name), .x = x, .y = y, .z = z, .what = i};
            if (o.k) printf(" %8.3f", 1e9 * seconds(run_other, &o) / N);
        }
        printf("\n");
    }
    free(x), free(y), free(z);
}

static void run_attention(void *context) {
    other *o = context;
    if (o->what)
        bert_attention_backward(o->threads, &o->plan, o->x, o->y, o->y, o->z, o->x + 3 * o->what,
                                NULL);
    else
        bert_attention_forward(o->threads, &o->plan, o->x, o->y, NULL, NULL);
}

static void bench_attention(bert_threads *threads) {
    static const int lengths[] = {16, 128, 512};
    for (int i = 0; i < 3; i++) {
        int len = lengths[i], n = 1024 / len;
        int32_t start[65];
        for (int s = 0; s <= n; s++) start[s] = s * len;
        float *qkv = randoms(2 * 1024 * 2304, 1), *out = randoms(1024 * 768, 1),
              *lse = randoms(12 * 1024, 1);
        other o = {.threads = threads,
                   .x = qkv,
                   .y = out,
                   .z = lse,
                   .plan = {.heads = 12, .head_size = 64, .start = start, .n = n}};
        double forward = seconds(run_attention, &o), flop = 4.0 * 768 * len * 1024;
        printf("attention, 12 heads of 64, %2d x %3d tokens: %6.0f us (%.0f GFLOP/s)", n, len,
               1e6 * forward, flop / forward / 1e9);
        o.what = 1024 * 768;
        bert_attention_forward(threads, &o.plan, qkv, out, lse, NULL);
        double backward = seconds(run_attention, &o);
        printf(", backward %6.0f us\n", 1e6 * backward);
        free(qkv), free(out), free(lse);
    }
}

int main(int argc, char **argv) {
    bert_threads *threads = bert_threads_new(argc > 1 ? atoi(argv[1]) : 0, NULL);
    if (!threads) return 1;
    if (bert_threads_count(threads) == 1) clock_used = CLOCK_THREAD_CPUTIME_ID;
    printf("levels: %s; in use: %s\n", bert_isa_list(), bert_isa());
    if (argc < 3 || strcmp(argv[2], "other")) bench_matmul(threads, bert_threads_count(threads));
    if (argc < 3 || strcmp(argv[2], "matmul")) {
        bench_others();
        bench_attention(threads);
    }
    bert_threads_free(threads);
    return 0;
}
