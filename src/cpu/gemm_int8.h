/* Matrix blocks of int8: cpu/gemm_body.h with four neighbours in depth a word. The file that
 * includes this defines INT8_ROWS, and INT8_DOT where the machine has an instruction for it. */
#include "cpu/quantize.h"

/* s plus the products of the four unsigned bytes of a and the four signed ones of b, lane by lane.
 */
INLINE vi dot_bytes(vi s, vi a, vi b) {
#if defined(INT8_DOT)
    return INT8_DOT(s, a, b);
#elif LANES == 16
    const __m512i even = _mm512_set1_epi16(255);
    __m512i b0 = _mm512_srai_epi16(_mm512_slli_epi16((__m512i)b, 8), 8),
            b1 = _mm512_srai_epi16((__m512i)b, 8);
    __m512i a0 = (__m512i)a & even, a1 = _mm512_srli_epi16((__m512i)a, 8);
    return s + (vi)_mm512_madd_epi16(a0, b0) + (vi)_mm512_madd_epi16(a1, b1);
#elif LANES == 8
    const __m256i even = _mm256_set1_epi16(255);
    __m256i b0 = _mm256_srai_epi16(_mm256_slli_epi16((__m256i)b, 8), 8),
            b1 = _mm256_srai_epi16((__m256i)b, 8);
    __m256i a0 = (__m256i)a & even, a1 = _mm256_srli_epi16((__m256i)a, 8);
    return s + (vi)_mm256_madd_epi16(a0, b0) + (vi)_mm256_madd_epi16(a1, b1);
#else
    for (int j = 0; j < 32; j += 8) s += (a >> j & 255) * ((vi)((vu)b << (24 - j)) >> 24);
    return s;
#endif
}

INLINE vf int8_words(const quantized_side *s, int row, int k, int n) {
    (void)n; /* the side knows its end */
    return (vf)quantized_bytes(s, row, 4 * k);
}

#define GEMM int8
#define GEMM_ROWS INT8_ROWS
#define GEMM_DEPTH 4
#define SUM vi
#define DOT dot_bytes
#define SIDE quantized_side
#define WORDS int8_words
#include "cpu/gemm_body.h"

static void pack_rows_int8(const bert_left *to, const float *a, ptrdiff_t row_stride, int rows,
                           int depth, const float *factors) {
    quantize_rows(to, a, row_stride, rows, depth, factors, 4);
}

static const bert_gemm_kernel gemm_int8;

static void pack_b_int8(void *out, const float *b, ptrdiff_t depth_stride, ptrdiff_t col_stride,
                        int cols, int depth, const float *factors) {
    const int words = (depth + 3) / 4;
    const int32_t *packed = out;
    quantized_columns *extra = (void *)((char *)out + bert_panel_extra(&gemm_int8, depth));
    quantized_side s = {
        .x = b, .row = col_stride, .depth = depth_stride, .n = depth, .factors = factors};
    float inverse[QUANTIZED_SIDE];
    quantize_right(&s, cols, inverse, extra);
    pack_squares_int8(out, &s, cols, words, GEMM_COLS);
    for (int j = 0; j < GEMM_COLS; j += LANES) {
        vi sums = {0};
        for (int k = 0; k < words; k++)
            sums = dot_bytes(sums, all_words(0x01010101), load_words(packed + k * GEMM_COLS + j));
        memcpy(extra->sum + j, &sums, sizeof sums);
    }
}

static const bert_gemm_kernel gemm_int8 = {
    .name = "int8-" ISA,
    .mr = INT8_ROWS,
    .nr = GEMM_COLS,
    .row_step = 1,
    .kc = 768,
    .rows = 168, /* whole in panels of 4, 12 and 14 */
    .slab = 768,
    .tokens = 256,
    .k_unit = 4,
    .parts = 1,
    .unit = sizeof(int32_t),
    .b_unit = GEMM_COLS * sizeof(int32_t),
    .a_extra = sizeof(quantized_row),
    .b_extra = sizeof(quantized_columns),
    .pack_rows = pack_rows_int8,
    .pack_b = pack_b_int8,
    .block = block_int8,
    .sums = BERT_SUMS_QUANTIZED,
};
