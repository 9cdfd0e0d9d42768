#include "cpu/loops.h"
#include "base/finite.h"
#include <stdatomic.h>
#include <string.h>

typedef struct {
    bert_loop_fn *fn;
    const void *context;
    size_t n, grain;
} loop;

static void run_chunks(void *context, int begin, int end, int thread) {
    const loop *l = context;
    size_t first = (size_t)begin * l->grain, last = (size_t)end * l->grain;
    l->fn(l->context, first, last < l->n ? last : l->n, thread);
}

void bert_loop(bert_threads *threads, size_t n, size_t grain, bert_loop_fn *fn,
               const void *context) {
    if (!n) return;
    size_t chunks = (n + grain - 1) / grain;
    while (chunks > INT32_MAX / 2) {
        grain *= 2;
        chunks = (n + grain - 1) / grain;
    }
    bert_threads_run(threads, (int)chunks, 1, run_chunks, &(loop){fn, context, n, grain});
}

typedef struct {
    float *y;
    const float *x, *z;
    const int32_t *index;
    size_t rows, cols;
} columns;

enum { SUM_COLS = 256, SUM_ROWS = 32, SCATTER_COLS = 128 };

/* Rows are summed 32 at a time and those sums then, so that rounding errors do not pile up. */
static void column_sums(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const columns *s = context;
    const bert_kernels *k = bert_cpu();
    for (size_t c = begin; c < end; c += SUM_COLS) {
        size_t n = end - c < SUM_COLS ? end - c : SUM_COLS;
        float total[SUM_COLS] = {0}, part[SUM_COLS], product[SUM_COLS];
        for (size_t r = 0; r < s->rows;) {
            size_t stop = s->rows - r < SUM_ROWS ? s->rows : r + SUM_ROWS;
            memset(part, 0, n * sizeof *part);
            for (; r < stop; r++) {
                const float *row = s->x + r * s->cols + c;
                if (s->z) {
                    k->mul(product, row, s->z + r * s->cols + c, n);
                    row = product;
                }
                k->add(part, part, row, n);
            }
            k->add(total, total, part, n);
        }
        k->add(s->y + c, s->y + c, total, n);
    }
}

void bert_add_column_sums(bert_threads *threads, float *y, const float *x, const float *z,
                          size_t rows, size_t cols) {
    bert_loop(threads, cols, SUM_COLS, column_sums,
              &(columns){.y = y, .x = x, .z = z, .rows = rows, .cols = cols});
}

static void scatter(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const columns *s = context;
    const bert_kernels *k = bert_cpu();
    for (size_t i = 0; i < s->rows; i++) {
        float *y = s->y + (size_t)s->index[i] * s->cols + begin;
        k->add(y, y, s->x + i * s->cols + begin, end - begin);
    }
}

void bert_add_scattered(bert_threads *threads, float *y, const float *x, const int32_t *index,
                        size_t n, size_t cols) {
    bert_loop(threads, cols, SCATTER_COLS, scatter,
              &(columns){.y = y, .x = x, .index = index, .rows = n, .cols = cols});
}

static void add_to(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const columns *s = context;
    bert_cpu()->add(s->y + begin, s->y + begin, s->x + begin, end - begin);
}

void bert_loop_add(bert_threads *threads, float *y, const float *x, size_t n) {
    bert_loop(threads, n, BERT_ELEMENTS, add_to, &(columns){.y = y, .x = x});
}

static void copy_to(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const columns *s = context;
    memcpy(s->y + begin, s->x + begin, (end - begin) * sizeof *s->y);
}

void bert_loop_copy(bert_threads *threads, float *y, const float *x, size_t n) {
    bert_loop(threads, n, BERT_ELEMENTS, copy_to, &(columns){.y = y, .x = x});
}

typedef struct {
    float *y, value;
} filling;

static void fill_with(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const filling *f = context;
    for (size_t i = begin; i < end; i++) f->y[i] = f->value;
}

void bert_loop_fill(bert_threads *threads, float *y, float value, size_t n) {
    bert_loop(threads, n, BERT_ELEMENTS, fill_with, &(filling){y, value});
}

typedef struct {
    const float *x;
    atomic_bool *infinite;
} finite_scan;

static void scan(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const finite_scan *s = context;
    if (!bert_finite(s->x + begin, end - begin))
        atomic_store_explicit(s->infinite, true, memory_order_relaxed);
}

bool bert_all_finite(bert_threads *threads, const float *x, size_t n) {
    atomic_bool infinite = false;
    bert_loop(threads, n, BERT_ELEMENTS, scan, &(finite_scan){x, &infinite});
    return !infinite;
}
