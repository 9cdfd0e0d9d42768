/* A matrix of floats as it lies. */
#ifndef BERT_CPU_VIEW_H
#define BERT_CPU_VIEW_H
#include "cpu/kernels.h"

/* Element (i, j) is data[i * row + j * col]; a transpose is a swap of strides. One of them is 1:
 * col, for the left side of an int8 product. */
typedef struct {
    const float *data;
    ptrdiff_t row, col;
} bert_view;
#endif
