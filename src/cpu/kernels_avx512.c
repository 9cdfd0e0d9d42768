/* AVX-512: blocks of 14 x 32 in 28 accumulators. */
#define LANES 16
#define MR 14
#define GEMM_NAME "f32-avx512"
#define FILL bert_fill_avx512
#include "cpu/kernels_body.h"
