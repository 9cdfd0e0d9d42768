/* Products of a head of attention: a strip of rows at a time, by the blocks of the kernel table,
 * with what is packed in a thread's scratch. */
#ifndef BERT_CPU_ATTENTION_PRODUCT_H
#define BERT_CPU_ATTENTION_PRODUCT_H
#include "base/arena.h"
#include "cpu/left.h"

/* Memory handed out piece by piece; without a base it is counted only. */
typedef struct {
    unsigned char *base;
    size_t used;
} bert_scratch;

static inline void *bert_scratch_take(bert_scratch *s, size_t bytes) {
    void *p = s->base ? s->base + s->used : NULL;
    s->used += (bytes + BERT_ALIGN - 1) / BERT_ALIGN * BERT_ALIGN;
    return p;
}

static inline bert_view bert_transposed(bert_view v) {
    return (bert_view){v.data, v.col, v.row};
}

enum { BERT_LINE_FLOATS = 16 }; /* of a line of the caches */

/* Floats from a row to the next of a matrix that is read across rows as well: those of neighbours lie
 * in different sets of the first-level cache. */
static inline int bert_apart(const bert_gemm_kernel *g, int cols) {
    const int ld = bert_round_up(cols, g->nr);
    return ld / BERT_LINE_FLOATS % 2 ? ld : ld + BERT_LINE_FLOATS;
}

/* Items [first, end) of a sequence. */
typedef struct {
    int first, end;
} bert_range;

/* A packed right operand, or some of its panels or of their depth. */
typedef struct {
    const unsigned char *data;
    size_t panel; /* bytes from one to the next */
    int cols;
} bert_right_side;

/* b [depth, cols], packed to `out` (bert_right_bytes). */
bert_right_side bert_right_pack(const bert_gemm_kernel *g, unsigned char *out, bert_view b,
                                int cols, int depth);
/* Columns [at.first, at.end); first is that of a panel. */
static inline bert_right_side bert_right_columns(const bert_gemm_kernel *g, bert_right_side b,
                                                 bert_range at) {
    b.data += (size_t)(at.first / g->nr) * b.panel;
    b.cols = at.end - at.first;
    return b;
}
/* From that depth on, a whole unit. */
static inline bert_right_side bert_right_from(const bert_gemm_kernel *g, bert_right_side b,
                                              int depth) {
    b.data += (size_t)(depth / g->k_unit) * g->b_unit;
    return b;
}

/* Tokens packed as a right operand, some of a long sequence at a time: they are its columns, or its
 * depth. So what is packed stays in cache until it is read. */
typedef struct {
    const bert_gemm_kernel *g;
    bert_view tokens; /* [n, size] */
    int n, size;
    bool deep;
    int room; /* tokens that are packed at a time: all of them, or whole steps (bert_key_step) */
    unsigned char *data;
    bert_range has;
} bert_packed_tokens;
static inline bert_packed_tokens bert_packed_take(bert_scratch *s, const bert_gemm_kernel *g,
                                                  int size, bool deep, int room) {
    return (bert_packed_tokens){.g = g,
                                .size = size,
                                .deep = deep,
                                .room = room,
                                .data =
                                    bert_scratch_take(s, deep ? bert_right_bytes(g, size, room)
                                                              : bert_right_bytes(g, room, size))};
}
/* Packs the tokens `of`, at most `room` from a whole step on; those that are there are not packed again. */
void bert_packed_move(bert_packed_tokens *p, bert_range of);
/* Those of them, all packed; the first one is that of a whole step. */
bert_right_side bert_packed_at(const bert_packed_tokens *p, bert_range of);

/* c [rows, bert_round_up(b.cols, nr)] of the strip of the left operand from `row` on, which is
 * packed on the way; onto: c begins the sums. */
void bert_strip_multiply(float *c, ptrdiff_t ldc, const bert_left_layout *left,
                         unsigned char *strip, int row, int rows, const bert_right_side *right,
                         bool onto);

/* Where products of a few columns go: nothing else may be touched. */
typedef struct {
    float *data;
    ptrdiff_t stride;
    bool add;  /* to what is there */
    bool onto; /* of those: sums may begin with it, which is faster, and rounds otherwise */
} bert_target;
/* What such a product needs: room for a strip, and for a block. */
typedef struct {
    const bert_kernels *k;
    unsigned char *strip;
    float *tile; /* [mr, bert_round_up(columns, nr)] */
} bert_strip_room;
/* Rows [0, rows) of `to` = a b, where a [rows, depth] is at most a strip. By address: a copy of what was
 * just made in parts would wait for all that was stored before. */
void bert_strip_into(const bert_target *to, const bert_gemm_kernel *g, const bert_strip_room *room,
                     const bert_view *a, int rows, int depth, const bert_right_side *b);
#endif
