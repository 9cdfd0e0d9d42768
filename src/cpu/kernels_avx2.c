/* AVX2 with FMA: blocks of 6 x 16 in twelve accumulators. */
#define LANES 8
#define MR 6
#define GEMM_NAME "f32-avx2"
#define FILL bert_fill_avx2
#include "cpu/kernels_body.h"
