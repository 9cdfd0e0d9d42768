/* The portable level: what every machine has. */
#define ISA "c"
#define LANES 4
#define F32_ROWS 6
#define INT8_ROWS 4
#define FILL bert_fill_c
#include "cpu/kernels_body.h"
