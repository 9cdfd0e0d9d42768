/* One family of matrix blocks over panels of 32-bit words: a float, or as many neighbours in depth
 * as fit (two bf16, four int8). A block is GEMM_ROWS x 2 LANES sums in registers; a right panel
 * holds 2 LANES words for each step of depth, and a left operand may lie anyhow. Each family's file
 * defines
 *
 *   GEMM        the suffix of its names
 *   GEMM_ROWS   rows of a block
 *   GEMM_DEPTH  elements of a word
 *   SUM         the vector of LANES sums
 *   DOT(s, a, b)  s plus the products of the words a and b (vi), lane by lane
 *   SIDE        the type of what an operand's words are made from, and
 *   WORDS(side, row, k, n)  the vector of its words k .. k + n - 1 of a row; the rest zero
 *
 * and includes this, which undefines them. Elements of C are summed in the order of k whatever the
 * block. */
#include "cpu/kernels.h"
#include "cpu/vector.h"

#ifndef BERT_CPU_GEMM_NAME
#define BERT_CPU_GEMM_NAME
#define JOIN_NAMES(a, b) a##_##b
#define JOIN(a, b) JOIN_NAMES(a, b)
#define GEMM_COLS (2 * LANES)
#endif

/* out[k][i] = word k of row i, the shape in which a block reads its right side; rows are padded
 * with zeros to `width`, a constant once this is inlined. In squares of LANES rows and words. What
 * a square has more than the panel's width is overwritten by what is stored next (squares go from
 * the last rows to the first), but at the panel's end. */
INLINE void JOIN(pack_squares, GEMM)(float *out, const SIDE *side, int rows, int words,
                                     const int width) {
    for (int k = 0; k < words; k += LANES) {
        const int d = words - k < LANES ? words - k : LANES;
        const bool end = words - k <= LANES;
        for (int g = (width - 1) / LANES * LANES; g >= 0; g -= LANES) {
            const size_t wide = (size_t)(width - g < LANES ? width - g : LANES);
            float *to = out + k * width + g;
            vf r[LANES];
            if (rows == width && d == LANES)
                for (int i = 0; i < LANES; i++)
                    r[i] = g + i < width ? WORDS(side, g + i, k, LANES) : all(0);
            else
                for (int i = 0; i < LANES; i++)
                    r[i] = g + i < rows ? WORDS(side, g + i, k, d) : all(0);
            transpose(r);
            if (!end)
                for (int i = 0; i < LANES; i++) store(to + i * width, r[i]);
            else
                for (int i = 0; i < d; i++) store_part(to + i * width, r[i], wide);
        }
    }
}

/* A block whose number of rows is a constant once this is inlined: its sums stay in registers. A
 * row is computed alike in all of them. Of each three rows, two are addressed from the first. */
INLINE void JOIN(block_of, GEMM)(const int rows, float *c, ptrdiff_t ldc, const bert_left *a,
                                 const int32_t *b, int words, bool accumulate, const char *ahead,
                                 ptrdiff_t pace) {
    SUM s[GEMM_ROWS][2];
    const unsigned char *at[GEMM_ROWS / 3 + 1];
    const ptrdiff_t row = a->row, unit = a->unit;
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) s[i][0] = s[i][1] = (SUM){0};
#pragma GCC unroll 16
    for (int i = 0; i < rows; i += 3) at[i / 3] = a->data + i * row;
    for (int k = 0; k < words; k++, b += GEMM_COLS) {
        vi x = load_words(b), y = load_words(b + LANES);
        /* The panel comes from an outer cache or memory; 48 steps ahead hide its latency. */
        __builtin_prefetch(b + 48 * GEMM_COLS);
        __builtin_prefetch(b + 48 * GEMM_COLS + LANES);
        __builtin_prefetch(ahead, 0, 2);
        __builtin_prefetch(ahead + 64, 0, 2);
        ahead += pace;
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            int32_t word;
            memcpy(&word, at[i / 3] + i % 3 * row, sizeof word);
            const vi t = all_words(word);
            s[i][0] = DOT(s[i][0], t, x);
            s[i][1] = DOT(s[i][1], t, y);
        }
#pragma GCC unroll 16
        for (int i = 0; i < rows; i += 3) at[i / 3] += unit;
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++, c += ldc)
        for (int j = 0; j < 2; j++) {
            if (accumulate) s[i][j] += (SUM)load_words(c + j * LANES);
            memcpy(c + j * LANES, &s[i][j], sizeof s[i][j]);
        }
}

static void JOIN(block, GEMM)(float *c, ptrdiff_t ldc, const bert_left *a, const void *b, int depth,
                              int rows, bool accumulate, const char *ahead, int pace) {
    if (!ahead) ahead = b, pace = 0;
    const int words = (depth + GEMM_DEPTH - 1) / GEMM_DEPTH;
    switch (rows) {
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        JOIN(block_of, GEMM)                                                                       \
        (n < GEMM_ROWS ? n : GEMM_ROWS, c, ldc, a, b, words, accumulate, ahead, pace);             \
        break
        ROWS(1);
        ROWS(2);
        ROWS(3);
#if GEMM_ROWS > 4
        ROWS(4);
        ROWS(5);
#endif
#if GEMM_ROWS > 6
        ROWS(6);
        ROWS(7);
        ROWS(8);
        ROWS(9);
        ROWS(10);
        ROWS(11);
#endif
#if GEMM_ROWS > 12
        ROWS(12);
        ROWS(13);
#endif
#undef ROWS
    default:
        JOIN(block_of, GEMM)(GEMM_ROWS, c, ldc, a, b, words, accumulate, ahead, pace);
    }
}
#undef GEMM
#undef GEMM_ROWS
#undef GEMM_DEPTH
#undef SUM
#undef DOT
#undef SIDE
#undef WORDS
