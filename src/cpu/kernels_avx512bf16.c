/* AVX-512 BF16: two products of bf16 a lane in one instruction. cpu/gemm_body.h with two neighbours
 * in depth a word. */
#define LANES 16
#include "cpu/vector.h"

#define BF16_ROWS 14

typedef struct {
    const float *x;
    ptrdiff_t row;
    int n; /* elements of a row */
} bf16_side;

/* The bf16 of a below those of b. */
INLINE __m512i bf16_of(vf a, vf b) {
    return (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
}

INLINE vf bf16_words(const bf16_side *s, int row, int k, int n) {
    const float *p = s->x + row * s->row + 2 * k;
    if (2 * (k + LANES) <= s->n) return (vf)bf16_of(load(p), load(p + LANES));
    const int left = s->n - 2 * k;
    (void)n; /* the side knows its end */
    const vf low = left >= LANES ? load(p) : load_part(p, (size_t)left, 0);
    return (vf)bf16_of(low,
                       left > LANES ? load_part(p + LANES, (size_t)(left - LANES), 0) : all(0));
}

#define GEMM bf16
#define GEMM_ROWS BF16_ROWS
#define GEMM_DEPTH 2
#define SUM vf
#define DOT(s, a, b) (vf) _mm512_dpbf16_ps((__m512)(s), (__m512bh)(a), (__m512bh)(b))
#define SIDE bf16_side
#define WORDS bf16_words
#include "cpu/gemm_body.h"

void bert_fill_avx512bf16(bert_kernels *k);

/* From a side whose neighbours in memory are rows: two depths at a time, interleaved. */
INLINE void pack_across(float *out, const float *a, ptrdiff_t depth_stride, int rows, int depth,
                        const int width) {
    const __m512i pairs =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int k = 0; k < depth; k += 2, a += 2 * depth_stride, out += width)
        for (int g = 0; g < width; g += LANES) {
            const size_t wide = (size_t)(width - g < LANES ? width - g : LANES);
            const size_t n = rows <= g                         ? 0
                             : (size_t)rows - (size_t)g < wide ? (size_t)(rows - g)
                                                               : wide;
            vf x = all(0), y = all(0);
            if (n) x = n == LANES ? load(a + g) : load_part(a + g, n, 0);
            if (n && k + 1 < depth)
                y = n == LANES ? load(a + depth_stride + g) : load_part(a + depth_stride + g, n, 0);
            store_part(out + g, (vf)_mm512_permutexvar_epi16(pairs, bf16_of(x, y)), wide);
        }
}

static void pack_rows_bf16(const bert_left *to, const float *a, ptrdiff_t row_stride, int rows,
                           int depth, const float *factors) {
    (void)factors;
    for (int i = 0; i < rows; i++, a += row_stride) {
        float *out = bert_left_row(to, i);
        for (int k = 0; k < depth; k += 2 * LANES) {
            const int left = depth - k < 2 * LANES ? depth - k : 2 * LANES;
            const vf words = bf16_words(&(bf16_side){a + k, 0, left}, 0, 0, LANES);
            if (left == 2 * LANES)
                store(out + k / 2, words);
            else
                store_part(out + k / 2, words, (size_t)(left + 1) / 2);
        }
    }
}
static void pack_across_bf16(void *out, const float *a, ptrdiff_t depth_stride, int rows,
                             int depth) {
    pack_across(out, a, depth_stride, rows, depth, BF16_ROWS);
}
static void pack_b_bf16(void *out, const float *b, ptrdiff_t depth_stride, ptrdiff_t col_stride,
                        int cols, int depth, const float *factors) {
    (void)factors;
    float *to = out;
    if (col_stride == 1)
        pack_across(to, b, depth_stride, cols, depth, GEMM_COLS);
    else
        pack_squares_bf16(to, &(bf16_side){b, col_stride, depth}, cols, (depth + 1) / 2, GEMM_COLS);
}

static const bert_gemm_kernel gemm_bf16 = {
    .name = "bf16-avx512",
    .mr = BF16_ROWS,
    .nr = GEMM_COLS,
    .row_step = 1,
    .kc = 512,
    .rows = 168,
    .slab = 512,
    .tokens = 256,
    .k_unit = 2,
    .parts = 1,
    .unit = sizeof(float),
    .a_unit = BF16_ROWS * sizeof(float),
    .b_unit = GEMM_COLS * sizeof(float),
    .pack_rows = pack_rows_bf16,
    .pack_across = pack_across_bf16,
    .pack_b = pack_b_bf16,
    .block = block_bf16,
    .sums = BERT_SUMS_COARSE,
};

void bert_fill_avx512bf16(bert_kernels *k) {
    k->gemm[BERT_PRECISION_MEDIUM] = &gemm_bf16;
}
