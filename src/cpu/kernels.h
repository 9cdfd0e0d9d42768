/* The table of kernels. Portable C fills it first; each instruction set the machine has then
 * overwrites the entries it does better, weakest first. A kernel is single-threaded, never
 * allocates, and treats each row (or element) on its own, so that a result does not depend on where
 * in a batch it was computed. Pointers need no alignment unless said; n may be any size. */
#ifndef BERT_CPU_KERNELS_H
#define BERT_CPU_KERNELS_H
#include <bert.h>

/* y[i] = f(x[i]); y may be x. */
typedef void bert_act_forward_fn(float *y, const float *x, size_t n);
/* dx[i] = dy[i] * f'(x[i]); x is the input of f; dx may be dy. */
typedef void bert_act_backward_fn(float *dx, const float *dy, const float *x, size_t n);
/* y[i] = f(a[i]) * b[i] */
typedef void bert_gate_fn(float *y, const float *a, const float *b, size_t n);
/* da[i] = dy[i] * b[i] * f'(a[i]), db[i] = dy[i] * f(a[i]) */
typedef void bert_gate_backward_fn(float *da, float *db, const float *dy, const float *a,
                                   const float *b, size_t n);

/* A left operand as blocks read it: unit of depth u of row i (of part p, where there are several)
 * is at data + i row + u unit + p part. */
typedef struct {
    const unsigned char *data;
    ptrdiff_t row, unit, part;
    const unsigned char *extra; /* of row i at extra + i row, for the epilogue */
    const unsigned char *next;  /* data of the block that is multiplied next, or NULL */
} bert_left;

/* Where a row begins that pack_rows writes. */
static inline void *bert_left_row(const bert_left *to, int i) {
    return (void *)(uintptr_t)(to->data + i * to->row);
}

/* What a block leaves: floats, floats no more accurate than products of bf16, or whole numbers that
 * scales make floats of (cpu/quantize.h). */
typedef enum { BERT_SUMS_EXACT, BERT_SUMS_COARSE, BERT_SUMS_QUANTIZED, BERT_SUMS_KINDS } bert_sums;

/* One family of matrix blocks: a precision on an instruction set. C block [mr, nr] = A rows [mr, K]
 * x B panel [K, nr]. Each element of C is a sum over k in an order that depends on K only: not on
 * its place in the block, nor on the edges. */
typedef struct bert_gemm_kernel bert_gemm_kernel;
struct bert_gemm_kernel {
    const char *name; /* "f32-avx512" */
    int mr, nr;       /* rows and columns of a block, at most */
    int row_step;     /* a block's time grows in steps of so many rows */
    int kc;         /* depth of a pass over K; larger K is summed pass by pass (a fixed grouping) */
    int rows, slab; /* of a task: rows, and depth (in passes of kc) that the second-level cache
                       holds */
    int tokens;     /* rows of a batch to take through a model's layers at once: enough to make the
                       most of a panel, few enough for their activations to stay in cache */
    int k_unit;     /* how much depth a unit is (1 for f32, 32 for bf16 tiles) */
    int parts;      /* of an element */
    size_t unit;    /* bytes of a unit, of a row and part */
    size_t a_unit, b_unit;   /* bytes of a packed panel per unit of depth */
    size_t a_extra, b_extra; /* bytes behind a row's and a panel's units, for the epilogue; whatever
                                packs writes them. A panel's begin with nr floats, one of which is
                                not finite where an element of its column is not */
    bool in_place;           /* rows of floats are read as they lie: unit is a float */
    bool panels;             /* what is made of rows lies best as pack_across lays it */
    /* Makes rows x depth of a matrix what blocks read, row by row: at the places that `to` tells,
     * whose data is written. A last unit that is not whole is filled up with what counts for
     * nothing. Where sums are quantized, depth k is multiplied by factors[k] first, unless NULL. */
    void (*pack_rows)(const bert_left *to, const float *a, ptrdiff_t row_stride, int rows,
                      int depth, const float *factors);
    /* The same of a matrix whose rows are neighbours in memory, as a panel of mr rows: units of a
     * depth side by side. NULL where sums are quantized, which there is no such matrix for. */
    void (*pack_across)(void *out, const float *a, ptrdiff_t depth_stride, int rows, int depth);
    /* Packs depth x cols (cols <= nr; the rest zero). One of the strides is 1. */
    void (*pack_b)(void *out, const float *b, ptrdiff_t depth_stride, ptrdiff_t col_stride,
                   int cols, int depth, const float *factors);
    /* What a thread does before its first block and after its last; NULL: nothing. */
    void (*begin)(void);
    void (*end)(void);
    /* c [mr, nr] = (accumulate ? c : 0) + a b. Only the first `rows` rows need to be right; rows of
     * a are read up to a whole row_step. Meanwhile fetches into the second-level cache what lies at
     * `ahead`, `pace` bytes for each unit of depth: its part of the right panel that comes after
     * this one, which other blocks read as well. NULL: nothing. */
    void (*block)(float *c, ptrdiff_t ldc, const bert_left *a, const void *b, int depth, int rows,
                  bool accumulate, const char *ahead, int pace);
    bert_sums sums;
    /* The family that packs what is kept, where its panels are smaller than those that blocks read;
     * NULL: this one. The same sums. */
    const bert_gemm_kernel *kept;
    /* Of such a family: the first block that reads a panel, which opens it: it leaves at `opened`
     * what block() reads, opened_unit bytes for each unit of depth and one more; unless `again`,
     * none will. NULL: panels are read as they lie. */
    void (*open)(float *c, ptrdiff_t ldc, const bert_left *a, const void *b, unsigned char *opened,
                 int depth, int rows, bool accumulate, const char *ahead, int pace, bool again);
    size_t opened_unit;
};

static inline int bert_divide_up(int a, int b) {
    return (a + b - 1) / b;
}
static inline int bert_round_up(int n, int to) {
    return bert_divide_up(n, to) * to;
}

/* Rows of the blocks that rows are cut into: as few blocks as can be, all alike, since a block of
 * two rows takes as long as one of five. */
static inline int bert_block_rows(const bert_gemm_kernel *g, int rows) {
    return bert_round_up(bert_divide_up(rows, bert_divide_up(rows, g->mr)), g->row_step);
}

static inline int bert_units(const bert_gemm_kernel *g, int depth) {
    return bert_divide_up(depth, g->k_unit);
}
/* Bytes of a packed right panel, and where its extra bytes are. */
static inline size_t bert_panel_extra(const bert_gemm_kernel *g, int depth) {
    return g->b_unit * (size_t)bert_units(g, depth);
}
static inline size_t bert_panel_bytes(const bert_gemm_kernel *g, int depth) {
    return (bert_panel_extra(g, depth) + g->b_extra + 63) / 64 * 64;
}
/* Bytes of a right operand packed in panels. */
static inline size_t bert_right_bytes(const bert_gemm_kernel *g, int cols, int depth) {
    return bert_panel_bytes(g, depth) * (size_t)bert_divide_up(cols, g->nr);
}

/* What happens to a block of a product while it is in cache; pointers are at the block's first
 * element. */
typedef struct {
    const float *bias; /* [cols] or NULL */
    float *pre;        /* the value before the activation, or NULL */
    ptrdiff_t pre_stride;
    const float *residual; /* or NULL */
    ptrdiff_t residual_stride;
    bool accumulate;
    const bert_left *left; /* where sums are quantized: the block's left side, */
    const void *right;     /* and the extra bytes of its right panel */
} bert_block_epilogue;

/* c [rows, cols] = act(tile (+ c) + bias) + residual; tile [rows, tile_ld] is a block's sums; of
 * quantized ones whole vectors are read. c may be the tile. */
typedef void bert_epilogue_fn(float *c, ptrdiff_t ldc, const float *tile, int tile_ld, int rows,
                              int cols, const bert_block_epilogue *e);

/* Relative positions of the queries [query, query + rows) and all keys of a sequence: the row of a
 * distance key - query is index[distance] - first. c or p may be NULL. Around each row of scores
 * there is room for BERT_RELATIVE_LANES numbers, and behind c; around p for BERT_RELATIVE_AROUND. */
enum { BERT_RELATIVE_LANES = 16, BERT_RELATIVE_AROUND = 64, BERT_RELATIVE_QUERIES = 192 };
typedef struct {
    float *c; /* add_relative reads c[(i - query) c_ld + row] of query i, scatter_relative has
                 c[row c_ld + i - query]; for it there are BERT_RELATIVE_QUERIES rows at most */
    float *p; /* of key j: p[row p_ld + j] */
    ptrdiff_t c_ld, p_ld;
    int query, rows, keys;
    const int32_t *index; /* of distance 0 */
    int first;
    bool falls; /* rows of neighbouring distances differ by 1 at most, and never rise: then
                   scatter_relative writes all of c's rows that the queries have, and of p's what comes
                   after the queries before; else it adds */
} bert_relative_strip;

typedef struct {
    const char *isa;                                    /* the strongest level that is in use */
    const bert_gemm_kernel *gemm[BERT_PRECISION_COUNT]; /* NULL: not available at this level */

    struct {
        bert_act_forward_fn *forward;
        bert_act_backward_fn *backward;
        bert_gate_fn *gate;
        bert_gate_backward_fn *gate_backward;
        bert_epilogue_fn *epilogue[BERT_SUMS_KINDS];
    } act[BERT_ACT_COUNT]; /* BERT_ACT_NONE copies */

    void (*add)(float *y, const float *a, const float *b, size_t n); /* y = a + b */
    void (*sub)(float *y, const float *a, const float *b, size_t n);
    void (*mul)(float *y, const float *a, const float *b, size_t n);
    void (*scale)(float *y, const float *x, float s, size_t n); /* y = s x */
    void (*axpy)(float *y, float s, const float *x, size_t n);  /* y += s x */
    float (*dot)(const float *a, const float *b, size_t n);
    double (*sum_squares)(const float *x, size_t n); /* accumulated in double */
    float (*max)(const float *x, size_t n);          /* n >= 1 */

    /* y[i] = x[i] / (1 - p) where kept, else 0. Element e = first + i is kept when its 32-bit draw
     * is at least p 2^32; draws are Philox at (seed, stream), 64 elements at a time: word e / 16 %
     * 4 at counter e / 64 * 16 + e % 16. first is a multiple of 64. y may be x. Applied to a
     * gradient it is its own backward. */
    void (*dropout)(float *y, const float *x, size_t n, float p, uint64_t seed, uint64_t stream,
                    uint64_t first);

    /* In place softmax of each of rows x cols (leading dimension ld), of scale * x. Writes log(sum
     * exp(scale x)) of each row to lse unless NULL. */
    void (*softmax)(float *x, ptrdiff_t ld, int rows, int cols, float scale, float *lse);
    /* x = exp(factor * x - shift), in place. */
    void (*exp_shifted)(float *x, size_t n, float factor, float shift);
    /* y and x are two halves of `half` numbers, pairs of which are turned by cos and sin: back, the
     * other way. y may be x. */
    void (*rotate)(float *y, const float *x, const float *cos, const float *sin, size_t half,
                   bool back);
    /* The scores y [rows, keys] = p's; what is around their rows is spoilt. And adds c's to them. */
    void (*put_relative)(float *y, ptrdiff_t ldy, const bert_relative_strip *s);
    void (*add_relative)(float *y, ptrdiff_t ldy, const bert_relative_strip *s);
    /* The other way: what y gives to c and p. Around its rows are zeros. */
    void (*scatter_relative)(const float *y, ptrdiff_t ldy, const bert_relative_strip *s);
    /* dx = scale y (dy - d), where y = softmax(scale x) and d = sum(dy y). dx may be dy. */
    void (*softmax_backward)(float *dx, const float *dy, const float *y, size_t n, float d,
                             float scale);

    /* y = gamma * (x + residual - mean) / sqrt(var + eps) + beta of each row; residual may be NULL.
     * Mean and variance in two passes. stats [rows, 2] = mean, 1/sqrt(var + eps), unless NULL. y
     * may be x. */
    void (*layer_norm)(float *y, const float *x, const float *residual, const float *gamma,
                       const float *beta, float eps, int rows, int cols, float *stats);
    /* dx of each row from dy and x (the sum x + residual when there was one; residual as above);
     * adds to dgamma and dbeta unless NULL. Rows are summed in order. */
    void (*layer_norm_backward)(float *dx, float *dgamma, float *dbeta, const float *dy,
                                const float *x, const float *residual, const float *gamma,
                                const float *stats, int rows, int cols);

    /* AdamW as torch.optim.AdamW: g *= grad_scale; p -= lr wd p; m, v; p -= step * m / (sqrt(v) /
     * sqrt(correction2) + eps), where step = lr / correction1. */
    void (*adamw)(float *p, const float *g, float *m, float *v, size_t n, float grad_scale,
                  float lr, double beta1, double beta2, float eps, float weight_decay,
                  float correction1, float correction2);
} bert_kernels;

/* The table for this machine, capped by the environment variable BERT_ISA ("c", "avx2", "avx512",
 * ...); filled once. */
const bert_kernels *bert_cpu(void);
/* The table at a level, for the checker; NULL when the machine lacks it. */
const bert_kernels *bert_cpu_at(const char *isa);
/* The blocks of a product of that depth on this machine; NULL when there are none. Sums of bytes
 * have 32 bits, so int8 products that are deeper than those can hold are made at `highest`. */
enum { BERT_BYTES_DEPTH = 1 << 16 }; /* 255 * 127 * 2^16 < 2^31 */
const bert_gemm_kernel *bert_gemm_of(bert_precision p, int depth);
/* And those that read a right side which is kept. */
const bert_gemm_kernel *bert_gemm_kept(bert_precision p, int depth);
/* For tests that emulate a level's instructions: counts it among those of the machine, which must
 * have all weaker ones. The name is kept, not copied. False when the table is already filled. */
bool bert_cpu_assume(const char *isa);

/* Rows of the table of levels: what fills a kernel table, and whether this machine can. */
typedef struct {
    const char *name;
    bool (*available)(void);
    void (*fill)(bert_kernels *k);
} bert_isa_level;
extern const bert_isa_level bert_isa_levels[]; /* weakest first; ends with a NULL name */
/* BERT_EUNSUPPORTED, naming those that are, when no kernel of this machine serves p; name is what
 * the user called it. */
int bert_precision_check(bert_precision p, const char *name, bert_error *e);
#endif
