/* Matrix blocks of floats: cpu/gemm_body.h with a float a word. */
#include "cpu/vector.h"

typedef struct {
    const float *x;
    ptrdiff_t row;
} f32_side;

INLINE vf f32_words(const f32_side *s, int row, int k, int n) {
    const float *p = s->x + row * s->row + k;
    return n == LANES ? load(p) : load_part(p, (size_t)n, 0);
}

#define GEMM f32
#define GEMM_ROWS F32_ROWS
#define GEMM_DEPTH 1
#define SUM vf
#define DOT(s, a, b) mul_add((vf)(a), (vf)(b), s)
#define SIDE f32_side
#define WORDS f32_words
#include "cpu/gemm_body.h"

/* From a side whose neighbours in memory are rows. */
INLINE void pack_across(float *out, const float *a, ptrdiff_t depth_stride, int rows, int depth,
                        const int width) {
    for (int k = 0; k < depth; k++, a += depth_stride, out += width) {
        if (rows == width) {
            memcpy(out, a, (size_t)width * sizeof *out);
            continue;
        }
        memcpy(out, a, (size_t)rows * sizeof *out);
        for (int i = rows; i < width; i++) out[i] = 0;
    }
}
static void pack_across_f32(void *out, const float *a, ptrdiff_t depth_stride, int rows,
                            int depth) {
    pack_across(out, a, depth_stride, rows, depth, F32_ROWS);
}
static void pack_rows_f32(const bert_left *to, const float *a, ptrdiff_t row_stride, int rows,
                          int depth, const float *factors) {
    (void)factors;
    for (int i = 0; i < rows; i++, a += row_stride)
        memcpy(bert_left_row(to, i), a, (size_t)depth * sizeof *a);
}
static void pack_b_f32(void *out, const float *b, ptrdiff_t depth_stride, ptrdiff_t col_stride,
                       int cols, int depth, const float *factors) {
    (void)factors;
    float *to = out;
    if (col_stride == 1)
        pack_across(to, b, depth_stride, cols, depth, GEMM_COLS);
    else
        pack_squares_f32(to, &(f32_side){b, col_stride}, cols, depth, GEMM_COLS);
}

static const bert_gemm_kernel gemm_f32 = {
    .name = "f32-" ISA,
    .mr = F32_ROWS,
    .nr = GEMM_COLS,
    .row_step = 1,
    .kc = 256,
    .rows = 144, /* 128 and some, which is whole in panels of 14 */
    .slab = 768,
    .tokens = 256,
    .k_unit = 1,
    .parts = 1,
    .unit = sizeof(float),
    .a_unit = F32_ROWS * sizeof(float),
    .b_unit = GEMM_COLS * sizeof(float),
    .in_place = true,
    .pack_rows = pack_rows_f32,
    .pack_across = pack_across_f32,
    .pack_b = pack_b_f32,
    .block = block_f32,
};
