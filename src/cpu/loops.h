/* Loops split among threads. What is computed never depends on the split. */
#ifndef BERT_CPU_LOOPS_H
#define BERT_CPU_LOOPS_H
#include "base/threads.h"
#include "cpu/kernels.h"

/* Items begin .. end-1; begin is a multiple of the loop's grain. */
typedef void bert_loop_fn(const void *context, size_t begin, size_t end, int thread);
/* 0 .. n-1 in chunks of grain. A sum over items must be made per item (grain 1, or an item a
 * group), since a thread may be handed several chunks as one. */
void bert_loop(bert_threads *threads, size_t n, size_t grain, bert_loop_fn *fn,
               const void *context);

enum { BERT_ELEMENTS = 8192 }; /* a chunk of elementwise work: 32 KB of each operand */
/* Rows of cols elements that a thread takes at once: two such chunks, less than that is not worth
 * another thread's coming. */
static inline size_t bert_rows_grain(size_t cols) {
    return cols < 2 * BERT_ELEMENTS ? 2 * BERT_ELEMENTS / cols : 1;
}

/* y[c] += the sum over rows of x[r, c], or of x[r, c] * z[r, c] unless z is NULL. */
void bert_add_column_sums(bert_threads *threads, float *y, const float *x, const float *z,
                          size_t rows, size_t cols);
/* y[index[i], :] += x[i, :] for i = 0 .. n-1 in order. */
void bert_add_scattered(bert_threads *threads, float *y, const float *x, const int32_t *index,
                        size_t n, size_t cols);
void bert_loop_add(bert_threads *threads, float *y, const float *x, size_t n); /* y += x */
/* Whether all of x is finite. */
bool bert_all_finite(bert_threads *threads, const float *x, size_t n);
void bert_loop_copy(bert_threads *threads, float *y, const float *x, size_t n);
void bert_loop_fill(bert_threads *threads, float *y, float value, size_t n);
#endif
