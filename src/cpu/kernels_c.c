/* The portable level: what every machine has. */
#define LANES 4
#include "cpu/kernels.h"
#include "cpu/vector.h"
#define MR 6
#define NR 8
#define GEMM_NAME "f32-c"
#define FILL bert_fill_c

static void block(float *c, ptrdiff_t ldc, const void *pa, const void *pb, int depth, int rows,
                  bool accumulate) {
    (void)rows; /* a block of fewer costs the same */
    const float *a = pa, *b = pb;
    vf s[MR][2];
    for (int i = 0; i < MR; i++)
        for (int j = 0; j < 2; j++) s[i][j] = all(0);
    for (int k = 0; k < depth; k++, a += MR, b += NR) {
        vf x = load(b), y = load(b + LANES);
        for (int i = 0; i < MR; i++) {
            s[i][0] += x * a[i];
            s[i][1] += y * a[i];
        }
    }
    for (int i = 0; i < MR; i++)
        for (int j = 0; j < 2; j++) {
            float *out = c + i * ldc + j * LANES;
            store(out, accumulate ? s[i][j] + load(out) : s[i][j]);
        }
}

#include "cpu/kernels_body.h"
