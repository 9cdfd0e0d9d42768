/* Matrix products over packed operands; the one driver for every precision and instruction set. */
#ifndef BERT_CPU_MATMUL_H
#define BERT_CPU_MATMUL_H
#include "base/threads.h"
#include "cpu/kernels.h"

/* Element (i, j) is data[i * row + j * col]; a transpose is a swap of strides. One of them is 1:
 * col, for the left side of an int8 product. */
typedef struct {
    const float *data;
    ptrdiff_t row, col;
} bert_view;

typedef struct bert_words bert_words; /* cpu/left.h */

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

/* A right operand [K, N] packed for a precision. */
typedef struct bert_packed bert_packed;
/* What an int8 product spreads its errors over its depth with, [2, K]: the right side is multiplied
 * by the first row, the left one by the second, whose product is 1. NULL: neither. */
typedef const float *bert_balance;

/* The operand is `segments` matrices [K, cols[i]] side by side. balance must outlive it. */
bert_packed *bert_pack(bert_threads *threads, bert_precision precision, int K, int segments,
                       const bert_view *b, const int *cols, bert_balance balance, bert_error *e);
/* Packs again into the same memory after the values changed. */
void bert_repack(bert_threads *threads, bert_packed *p, const bert_view *b);
void bert_packed_free(bert_packed *p);
size_t bert_packed_bytes(const bert_packed *p);

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
/* Copies bytes from where a matrix lies, or returns false: then it is read where it is. */
typedef bool bert_read_fn(void *context, const float *at, float *to, size_t bytes);
/* A right operand as it lies. */
typedef struct {
    bert_view view;
    bert_balance balance;
    bert_read_fn *read; /* NULL: reading it in place is as good */
    void *context;
} bert_right;
/* bert_matmul_packed, to the bit, with a right operand that is not packed yet and may never be
 * needed again: each thread packs a panel of columns, multiplies all of a by it and forgets it. For
 * few rows. *finite (unless NULL): whether all sums were, as they are when a and b are. */
int bert_matmul_once(bert_threads *threads, bert_precision precision, int M, int N, int K,
                     bert_view a, const bert_right *b, float *c, ptrdiff_t ldc,
                     const bert_epilogue *epilogue, bool *finite);
#endif
