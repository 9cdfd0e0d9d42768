/* Right operands of products, the weights: columns packed in panels, as a family's blocks read
 * them. */
#ifndef BERT_CPU_RIGHT_H
#define BERT_CPU_RIGHT_H
#include "base/threads.h"
#include "cpu/view.h"
#include "device/operations.h"

/* What an int8 product spreads its errors over its depth with, [2, K]: the right side is multiplied
 * by the first row, the left one by the second, whose product is 1. NULL: neither. */
typedef const float *bert_balance;

enum { BERT_SEGMENTS_MAX = 3 };

/* A right operand [K, N] packed for a precision: `segments` matrices [K, cols[i]] side by side. */
typedef struct {
    const bert_gemm_kernel *kernel;
    int K, N, segments;
    int cols[BERT_SEGMENTS_MAX];
    size_t panel; /* bytes of nr packed columns */
    unsigned char *data;
    bool borrowed; /* the data are somebody else's */
    bert_balance balance;
    float *gather; /* [threads][K * nr], when a panel spans segments */
    int gather_threads;
    size_t bytes;
} bert_packed;

/* The operand is `segments` matrices [K, cols[i]] side by side. balance must outlive it. */
bert_packed *bert_pack(bert_threads *threads, bert_precision precision, int K, int segments,
                       const bert_view *b, const int *cols, bert_balance balance, bert_error *e);
/* The same of columns that lie one behind another, [cols[i], K], but have to be read. */
bert_packed *bert_pack_read(bert_threads *threads, bert_precision precision, int K, int segments,
                            const bert_view *b, const int *cols, bert_balance balance,
                            bert_read_fn *read, void *context, bert_error *e);
/* What bert_pack() packed once, on a machine of the same kernels. NULL: it cannot be that. */
enum { BERT_PACKED_VERSION = 1 }; /* raised where any family packs otherwise */
bert_packed *bert_packed_over(bert_precision precision, int K, int segments, const int *cols,
                              bert_balance balance, const void *data, size_t bytes, bert_error *e);
/* Packs again into the same memory after the values changed. */
void bert_repack(bert_threads *threads, bert_packed *p, const bert_view *b);
void bert_packed_free(bert_packed *p);
size_t bert_packed_bytes(const bert_packed *p); /* of its own */

/* A right operand as it lies. */
typedef struct {
    bert_view view;
    bert_balance balance;
    bert_read_fn *read; /* NULL: reading it in place is as good */
    void *context;
} bert_right;
#endif
