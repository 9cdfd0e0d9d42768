/* AVX2 with FMA: blocks of 6 x 16 in twelve accumulators. */
#define ISA "avx2"
#define LANES 8
#define F32_ROWS 6
#define INT8_ROWS 4
#define FILL bert_fill_avx2
#include "cpu/kernels_body.h"
