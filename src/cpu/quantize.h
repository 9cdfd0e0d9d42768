/* What an int8 product is made of. A row x of the left side (a token) becomes bytes q in 0 .. 255
 * with x = scale (q - zero), 0 being exact; a column of the right side (an output channel) becomes
 * q in -127 .. 127 with x = scale q. Sums of products are exact in 32 bits, so they are the same at
 * every level. Rounding is to the nearest, ties to even. */
#ifndef BERT_CPU_QUANTIZE_H
#define BERT_CPU_QUANTIZE_H
#include "cpu/kernels.h"
#include "cpu/vector.h"

enum { QUANTIZED_SIDE = 32 /* rows or columns of a panel, at most */ };

/* Lies behind a left row's units, */
typedef struct {
    float scale;
    int32_t zero;
} quantized_row;
/* and behind a right panel's. */
typedef struct {
    float scale[QUANTIZED_SIDE];
    int32_t sum[QUANTIZED_SIDE]; /* of the column's bytes */
} quantized_columns;

/* Element k of row i is x[i * row + k * depth], times factors[k] unless NULL. */
typedef struct {
    const float *x;
    ptrdiff_t row, depth;
    int n; /* elements of a row */
    const float *factors;
    int32_t high;
    float inverse[QUANTIZED_SIDE];
    int32_t zero[QUANTIZED_SIDE];
} quantized_side;

/* n <= LANES elements of row i from k on; the rest zero. */
INLINE vf quantized_load(const quantized_side *s, int i, int k, int n) {
    const float *p = s->x + i * s->row + k * s->depth;
    vf x;
    if (s->depth == 1) {
        x = n == LANES ? load(p) : load_part(p, (size_t)n, 0);
    } else {
        float t[LANES] = {0};
        for (int j = 0; j < n; j++) t[j] = p[j * s->depth];
        x = load(t);
    }
    if (!s->factors) return x;
    return x * (n == LANES ? load(s->factors + k) : load_part(s->factors + k, (size_t)n, 0));
}

/* Least and largest of row i, and of 0. *poison is NaN when an element is not finite (or their sum
 * is not), else 0. */
INLINE void quantized_range(const quantized_side *s, int i, float *least, float *most,
                            float *poison) {
    vf low = all(0), high = all(0), bad = all(0);
    for (int k = 0; k < s->n; k += LANES) {
        vf x = quantized_load(s, i, k, s->n - k < LANES ? s->n - k : LANES);
        low = smaller(x, low);
        high = larger(x, high);
        bad += x;
    }
    *least = -largest(-low);
    *most = largest(high);
    *poison = sum(bad) * 0.0f;
}

/* A range too small to be told from nothing is nothing. */
INLINE float quantized_inverse(float scale) {
    return scale > 1e-30f ? 1.0f / scale : 0.0f;
}

INLINE void quantize_right(quantized_side *s, int cols, quantized_columns *extra) {
    s->high = 127;
    *extra = (quantized_columns){0};
    for (int i = 0; i < cols; i++) {
        float least, most, poison;
        quantized_range(s, i, &least, &most, &poison);
        const float scale = (most > -least ? most : -least) / 127.0f;
        s->inverse[i] = quantized_inverse(scale);
        s->zero[i] = 0;
        extra->scale[i] = scale + poison;
    }
}

INLINE vi smaller_words(vi a, vi b) {
#if LANES == 16
    return (vi)_mm512_min_epi32((__m512i)a, (__m512i)b);
#elif LANES == 8
    return (vi)_mm256_min_epi32((__m256i)a, (__m256i)b);
#else
    vi less = a < b;
    return (a & less) | (b & ~less);
#endif
}

/* LANES elements of row i from k on, of which n are there, quantized (the others are `zero`, which
 * counts for nothing where the other side is zero). x / scale is rounded before the rest is added,
 * so that a machine with FMA computes what one without does; adding 1.5 * 2^23 leaves no room for a
 * fraction. Two roundings may make 256 of the largest; none goes below the least. */
INLINE vi quantized_lanes(const quantized_side *s, int i, int k, int n) {
    const float shift = 12582912.0f;
    const vf x = quantized_load(s, i, k, n < 0 ? 0 : n > LANES ? LANES : n) * s->inverse[i];
    const vi bits = (vi)all(shift) - s->zero[i]; /* of shift, and what zero adds */
    return smaller_words((vi)((vu)(x + shift) - (vu)bits), all_words(s->high));
}

/* The low bytes of four vectors, in order. */
INLINE vi low_bytes(vi a, vi b, vi c, vi d) {
#if LANES == 16
    __m512i r = _mm512_castsi128_si512(_mm512_cvtepi32_epi8((__m512i)a));
    r = _mm512_inserti32x4(r, _mm512_cvtepi32_epi8((__m512i)b), 1);
    r = _mm512_inserti32x4(r, _mm512_cvtepi32_epi8((__m512i)c), 2);
    return (vi)_mm512_inserti32x4(r, _mm512_cvtepi32_epi8((__m512i)d), 3);
#elif LANES == 8
    const __m256i byte = _mm256_set1_epi32(255);
    __m256i ab = _mm256_packus_epi32((__m256i)a & byte, (__m256i)b & byte);
    __m256i cd = _mm256_packus_epi32((__m256i)c & byte, (__m256i)d & byte);
    return (vi)_mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd),
                                           _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
#else
    const vi v[4] = {a, b, c, d};
    uint8_t t[4 * LANES];
    for (int i = 0; i < 4 * LANES; i++) t[i] = (uint8_t)v[i / LANES][i % LANES];
    vi r;
    memcpy(&r, t, sizeof r);
    return r;
#endif
}

/* 4 LANES elements of row i from k on, a byte each. */
INLINE vi quantized_bytes(const quantized_side *s, int i, int k) {
    const int n = s->n - k;
    return low_bytes(quantized_lanes(s, i, k, n), quantized_lanes(s, i, k + LANES, n - LANES),
                     quantized_lanes(s, i, k + 2 * LANES, n - 2 * LANES),
                     quantized_lanes(s, i, k + 3 * LANES, n - 3 * LANES));
}

/* The left side: see bert_gemm_kernel.pack_rows. */
static inline void quantize_rows(const bert_left *to, const float *a, ptrdiff_t row_stride,
                                 ptrdiff_t depth_stride, int rows, int depth,
                                 const float *factors) {
    for (int i = 0; i < rows; i++) {
        quantized_side s = {.x = a + i * row_stride,
                            .depth = depth_stride,
                            .n = depth,
                            .factors = factors,
                            .high = 255};
        float least, most, poison;
        quantized_range(&s, 0, &least, &most, &poison);
        const float scale = (most - least) / 255.0f;
        *s.inverse = quantized_inverse(scale);
        const float zero = -least * *s.inverse;
        /* an infinite range makes it NaN */
        *s.zero = zero > 255 ? 255 : zero > 0 ? (int32_t)(zero + 0.5f) : 0;
        unsigned char *row = (unsigned char *)(uintptr_t)(to->data + i * to->row);
        for (int k = 0; k < depth; k += 4 * LANES) {
            const vi q = quantized_bytes(&s, 0, k);
            memcpy(row + k, &q, sizeof q);
        }
        const quantized_row extra = {scale + poison, *s.zero};
        memcpy((unsigned char *)(uintptr_t)(to->extra + i * to->row), &extra, sizeof extra);
    }
}

/* Of row i of a block. */
INLINE quantized_row quantized_row_of(const bert_left *left, int i) {
    quantized_row row;
    memcpy(&row, left->extra + i * left->row, sizeof row);
    return row;
}

/* Sums of row `row` and columns j and on of a panel (whose extra bytes are `right`), as floats:
 * scales times (sum - zero * the column's sum). */
INLINE vf dequantized(vi sums, const void *right, size_t j, quantized_row row) {
    const quantized_columns *columns = right;
    const vi exact = sums - row.zero * load_words(columns->sum + j);
    return __builtin_convertvector(exact, vf) * (load(columns->scale + j) * row.scale);
}
#endif
