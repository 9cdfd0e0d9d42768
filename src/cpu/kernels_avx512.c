/* AVX-512: blocks of 14 x 32 in 28 accumulators. */
#define ISA "avx512"
#define LANES 16
#define F32_ROWS 14
#define INT8_ROWS 12
#define FILL bert_fill_avx512
#include "cpu/kernels_body.h"
