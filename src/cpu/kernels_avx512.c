/* AVX-512: blocks of 14 x 32 in 28 accumulators. */
#define LANES 16
#include "cpu/kernels.h"
#include "cpu/vector.h"
#include <immintrin.h>
#define MR 14
#define NR 32
#define GEMM_NAME "f32-avx512"
#define FILL bert_fill_avx512

static void block(float *c, ptrdiff_t ldc, const void *pa, const void *pb, int depth, int rows,
                  bool accumulate) {
    (void)rows; /* a block of fewer costs the same */
    const float *a = pa, *b = pb;
    __m512 s[MR][2];
#pragma GCC unroll 14
    for (int i = 0; i < MR; i++) {
        s[i][0] = _mm512_setzero_ps();
        s[i][1] = _mm512_setzero_ps();
    }
    for (int k = 0; k < depth; k++, a += MR, b += NR) {
        __m512 x = _mm512_loadu_ps(b), y = _mm512_loadu_ps(b + 16);
        /* The panel comes from the second-level cache; twelve steps ahead hides its latency. */
        _mm_prefetch((const char *)(b + 12 * NR), _MM_HINT_T0);
        _mm_prefetch((const char *)(b + 12 * NR + 16), _MM_HINT_T0);
#pragma GCC unroll 14
        for (int i = 0; i < MR; i++) {
            __m512 t = _mm512_set1_ps(a[i]);
            s[i][0] = _mm512_fmadd_ps(t, x, s[i][0]);
            s[i][1] = _mm512_fmadd_ps(t, y, s[i][1]);
        }
    }
#pragma GCC unroll 14
    for (int i = 0; i < MR; i++) {
        if (accumulate) {
            s[i][0] = _mm512_add_ps(s[i][0], _mm512_loadu_ps(c + i * ldc));
            s[i][1] = _mm512_add_ps(s[i][1], _mm512_loadu_ps(c + i * ldc + 16));
        }
        _mm512_storeu_ps(c + i * ldc, s[i][0]);
        _mm512_storeu_ps(c + i * ldc + 16, s[i][1]);
    }
}

#include "cpu/kernels_body.h"
