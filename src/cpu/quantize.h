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
    bool is_signed;
    int32_t zero;         /* of a left side, which is one row */
    const float *inverse; /* of each row's scale */
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
    /* two of each, so that one need not wait for the other */
    vf low[2] = {0}, high[2] = {0}, bad[2] = {0};
#define RAISE(j, k, n)                                                                             \
    {                                                                                              \
        const vf x = quantized_load(s, i, k, n);                                                   \
        low[j] = smaller(x, low[j]);                                                               \
        high[j] = larger(x, high[j]);                                                              \
        bad[j] += x;                                                                               \
    }
    int k = 0;
    for (; k + 2 * LANES <= s->n; k += 2 * LANES) {
        RAISE(0, k, LANES);
        RAISE(1, k + LANES, LANES);
    }
    for (; k < s->n; k += LANES) RAISE(0, k, s->n - k < LANES ? s->n - k : LANES);
#undef RAISE
    *least = -largest(-smaller(low[0], low[1]));
    *most = largest(larger(high[0], high[1]));
    *poison = sum(bad[0] + bad[1]) * 0.0f;
}

/* A range too small to be told from nothing is nothing. */
INLINE float quantized_inverse(float scale) {
    return scale > 1e-30f ? 1.0f / scale : 0.0f;
}

/* Of a right side: its scales, and their inverses, which the side keeps. */
INLINE void quantize_right(quantized_side *s, int cols, float inverse[QUANTIZED_SIDE],
                           quantized_columns *extra) {
    s->is_signed = true;
    s->inverse = inverse;
    *extra = (quantized_columns){0};
    for (int i = 0; i < cols; i++) {
        float least, most, poison;
        quantized_range(s, i, &least, &most, &poison);
        const float scale = (most > -least ? most : -least) / 127.0f;
        inverse[i] = quantized_inverse(scale);
        extra->scale[i] = scale + poison;
    }
}

/* LANES elements of row i from k on, of which n are there, quantized (the others are `zero`, which
 * counts for nothing where the other side is zero). x / scale is rounded before the rest is added,
 * so that a machine with FMA computes what one without does; adding 1.5 * 2^23 leaves no room for a
 * fraction. Two roundings may make one more of the largest; none goes below the least. */
INLINE vi quantized_lanes(const quantized_side *s, int i, int k, int n) {
    const float shift = 12582912.0f;
    const vf x = quantized_load(s, i, k, n < 0 ? 0 : n > LANES ? LANES : n) * s->inverse[i];
    const vi bits = (vi)all(shift) - s->zero; /* of shift, and what zero adds */
    return (vi)((vu)(x + shift) - (vu)bits);
}

/* Four vectors as bytes, in order; what a byte cannot hold is held at its limit (which limit is
 * open for what is not near it: only a NaN is that far off, and its scale is NaN as well). */
INLINE vi narrowed(vi a, vi b, vi c, vi d, bool is_signed) {
#if LANES == 16
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i ab = _mm512_packs_epi32((__m512i)a, (__m512i)b),
                  cd = _mm512_packs_epi32((__m512i)c, (__m512i)d);
    return (vi)_mm512_permutexvar_epi32(order, is_signed ? _mm512_packs_epi16(ab, cd)
                                                         : _mm512_packus_epi16(ab, cd));
#elif LANES == 8
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i ab = _mm256_packs_epi32((__m256i)a, (__m256i)b),
                  cd = _mm256_packs_epi32((__m256i)c, (__m256i)d);
    return (vi)_mm256_permutevar8x32_epi32(
        is_signed ? _mm256_packs_epi16(ab, cd) : _mm256_packus_epi16(ab, cd), order);
#else
    const vi v[4] = {a, b, c, d};
    const int32_t high = is_signed ? 127 : 255;
    uint8_t t[4 * LANES];
    for (int i = 0; i < 4 * LANES; i++) {
        const int32_t x = v[i / LANES][i % LANES];
        t[i] = (uint8_t)(x > high ? high : x);
    }
    vi r;
    memcpy(&r, t, sizeof r);
    return r;
#endif
}

/* 4 LANES elements of row i from k on, of which n are there, a byte each. */
INLINE vi quantized_quarters(const quantized_side *s, int i, int k, int n) {
    return narrowed(quantized_lanes(s, i, k, n), quantized_lanes(s, i, k + LANES, n - LANES),
                    quantized_lanes(s, i, k + 2 * LANES, n - 2 * LANES),
                    quantized_lanes(s, i, k + 3 * LANES, n - 3 * LANES), s->is_signed);
}
INLINE vi quantized_bytes(const quantized_side *s, int i, int k) {
    const int n = s->n - k;
    /* once inlined, a constant spares the masks */
    return n >= 4 * LANES ? quantized_quarters(s, i, k, 4 * LANES) : quantized_quarters(s, i, k, n);
}

/* What a row of the left side is quantized by, and the inverse of its scale. */
INLINE quantized_row quantized_row_from(const quantized_side *s, int i, float *inverse) {
    float least, most, poison;
    quantized_range(s, i, &least, &most, &poison);
    const float scale = (most - least) / 255.0f;
    *inverse = quantized_inverse(scale);
    const float zero = -least * *inverse; /* an infinite range makes it NaN */
    return (quantized_row){scale + poison, zero > 255 ? 255
                                           : zero > 0 ? (int32_t)(zero + 0.5f)
                                                      : 0};
}

/* Rows are taken by twos: the steps from a range to a scale wait for each other, and those of
 * another row fill the time. */
enum { ROWS_AT_ONCE = 2 };
INLINE void quantize_rows_by(const float *factors, const bert_left *to, const float *a,
                             ptrdiff_t row_stride, int rows, int depth, const int unit_depth) {
    for (int first = 0; first < rows; first += ROWS_AT_ONCE) {
        const int n = rows - first < ROWS_AT_ONCE ? rows - first : ROWS_AT_ONCE;
        float inverse[ROWS_AT_ONCE];
        quantized_row made[ROWS_AT_ONCE];
        quantized_side s = {.x = a + first * row_stride,
                            .row = row_stride,
                            .depth = 1,
                            .n = depth,
                            .factors = factors,
                            .inverse = inverse};
        for (int i = 0; i < n; i++) made[i] = quantized_row_from(&s, i, &inverse[i]);
        for (int i = 0; i < n; i++) {
            unsigned char *row = bert_left_row(to, first + i);
            s.zero = made[i].zero;
            for (int k = 0; k < depth; k += 4 * LANES) {
                const vi q = quantized_bytes(&s, i, k);
                memcpy(row + k / unit_depth * to->unit, &q, sizeof q);
            }
            memcpy(row + (to->extra - to->data), &made[i], sizeof made[i]);
        }
    }
}

/* The left side: see bert_gemm_kernel.pack_rows. A unit is unit_depth bytes. */
INLINE void quantize_rows(const bert_left *to, const float *a, ptrdiff_t row_stride, int rows,
                          int depth, const float *factors, const int unit_depth) {
    /* once inlined, constants spare the tests */
    if (factors)
        quantize_rows_by(factors, to, a, row_stride, rows, depth, unit_depth);
    else
        quantize_rows_by(NULL, to, a, row_stride, rows, depth, unit_depth);
}

/* Of row i of a block. */
INLINE const quantized_row *quantized_row_of(const bert_left *left, int i) {
    return (const void *)(left->extra + i * left->row);
}

/* LANES columns of a panel, whose extra bytes are `right`. */
typedef struct {
    vf scale;
    vi sum;
} quantized_group;
INLINE quantized_group quantized_columns_at(const void *right, size_t j) {
    const quantized_columns *columns = right;
    return (quantized_group){load(columns->scale + j), load_words(columns->sum + j)};
}

/* Sums of a row as floats: scales times (sum - zero * the column's sum). */
INLINE vf dequantized(vi sums, const quantized_row *row, quantized_group columns) {
    const vi exact = sums - row->zero * columns.sum;
    return __builtin_convertvector(exact, vf) * (columns.scale * row->scale);
}
#endif
