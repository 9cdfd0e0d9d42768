/* AVX2 with FMA: blocks of 6 x 16 in twelve accumulators. */
#define LANES 8
#include "cpu/kernels.h"
#include "cpu/vector.h"
#include <immintrin.h>
#define MR 6
#define NR 16
#define GEMM_NAME "f32-avx2"
#define FILL bert_fill_avx2

static void block(float *c, ptrdiff_t ldc, const void *pa, const void *pb, int depth, int rows,
                  bool accumulate) {
    (void)rows; /* a block of fewer costs the same */
    const float *a = pa, *b = pb;
    __m256 s[MR][2];
#pragma GCC unroll 6
    for (int i = 0; i < MR; i++) {
        s[i][0] = _mm256_setzero_ps();
        s[i][1] = _mm256_setzero_ps();
    }
    for (int k = 0; k < depth; k++, a += MR, b += NR) {
        __m256 x = _mm256_loadu_ps(b), y = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
        for (int i = 0; i < MR; i++) {
            __m256 t = _mm256_broadcast_ss(a + i);
            s[i][0] = _mm256_fmadd_ps(t, x, s[i][0]);
            s[i][1] = _mm256_fmadd_ps(t, y, s[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < MR; i++) {
        if (accumulate) {
            s[i][0] = _mm256_add_ps(s[i][0], _mm256_loadu_ps(c + i * ldc));
            s[i][1] = _mm256_add_ps(s[i][1], _mm256_loadu_ps(c + i * ldc + 8));
        }
        _mm256_storeu_ps(c + i * ldc, s[i][0]);
        _mm256_storeu_ps(c + i * ldc + 8, s[i][1]);
    }
}

#include "cpu/kernels_body.h"
