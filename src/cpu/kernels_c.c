/* The portable level: what every machine has. */
#define LANES 4
#define MR 6
#define GEMM_NAME "f32-c"
#define FILL bert_fill_c
#include "cpu/kernels_body.h"
