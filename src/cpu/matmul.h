/* Matrix products over packed operands; the one driver for every precision and instruction set. */
#ifndef BERT_CPU_MATMUL_H
#define BERT_CPU_MATMUL_H
#include "cpu/left.h"
#include "cpu/right.h"

/* What happens to a block while it is in cache: v = sum (+ c if accumulate) + bias; pre = v; v =
 * act(v) + residual; c = v. */
typedef struct {
    const float *bias; /* [N] or NULL */
    bert_act act;
    float *pre; /* [M, N] (leading dimension N) or NULL: the value before act, for backward */
    const float *residual; /* [M, residual_stride] or NULL; may be c */
    ptrdiff_t residual_stride;
    bool accumulate;
    const bert_words *words; /* or NULL: v goes there, for the next product of the same kernel to
                                read, and not to c. Sums are not quantized */
} bert_epilogue;

/* c [M, N] (leading dimension ldc) = epilogue(a [M, K] b). epilogue may be NULL. 0 or BERT_ENOMEM
 * (scratch). */
int bert_matmul_packed(bert_threads *threads, int M, bert_view a, const bert_packed *b, float *c,
                       ptrdiff_t ldc, const bert_epilogue *epilogue);
/* The same with a left side that an epilogue wrote. */
int bert_matmul_words(bert_threads *threads, int M, const bert_words *a, const bert_packed *b,
                      float *c, ptrdiff_t ldc, const bert_epilogue *epilogue);
/* The same with a right operand that is used once; packed on the fly. */
int bert_matmul_view(bert_threads *threads, bert_precision precision, int M, int N, int K,
                     bert_view a, bert_view b, float *c, ptrdiff_t ldc,
                     const bert_epilogue *epilogue);
/* bert_matmul_packed, to the bit, with a right operand that is not packed yet and may never be
 * needed again: each thread packs a panel of columns, multiplies all of a by it and forgets it. For
 * few rows. *finite (unless NULL): whether all sums were, as they are when a and b are. */
int bert_matmul_once(bert_threads *threads, bert_precision precision, int M, int N, int K,
                     bert_view a, const bert_right *b, float *c, ptrdiff_t ldc,
                     const bert_epilogue *epilogue, bool *finite);
#endif
