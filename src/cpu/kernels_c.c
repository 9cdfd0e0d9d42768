/* The portable level: what every machine has. */
#include "cpu/kernels.h"
#include "cpu/vector.h"
#define MR 6
#define NR 16
#define GEMM_NAME "f32-c"
#define FILL bert_fill_c

static void block(float *c, ptrdiff_t ldc, const void *pa, const void *pb, int depth,
                  bool accumulate) {
    const float *a = pa, *b = pb;
    vf s[MR];
    for (int i = 0; i < MR; i++) s[i] = accumulate ? load(c + i * ldc) : all(0);
    for (int k = 0; k < depth; k++, a += MR, b += NR) {
        vf x = load(b);
        for (int i = 0; i < MR; i++) s[i] += x * a[i];
    }
    for (int i = 0; i < MR; i++) store(c + i * ldc, s[i]);
}

#include "cpu/kernels_body.h"
