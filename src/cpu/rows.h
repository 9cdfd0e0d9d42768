/* The rows of the CPU's table, by the file that has them; device.c gathers them. */
#ifndef BERT_CPU_ROWS_H
#define BERT_CPU_ROWS_H
#include "cpu/loops.h"
#include "device/device.h"

#define BERT_CPU_ROW(name) extern const bert_op_row bert_cpu_##name;
BERT_COMPUTED_OPS(BERT_CPU_ROW)
#undef BERT_CPU_ROW

static inline double *bert_worker_doubles(bert_worker *w, size_t count) {
    return (double *)bert_worker_take(w, 2 * count);
}

/* y = act(x); dx = dy * act'(x), where dx may be dy. */
void bert_loop_act(bert_threads *threads, bert_act act, float *y, const float *x, size_t n);
void bert_loop_act_backward(bert_threads *threads, bert_act act, float *dx, const float *dy,
                            const float *x, size_t n);
#endif
