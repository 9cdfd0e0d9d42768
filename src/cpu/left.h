/* Left operands of products: rows of floats, made into what a family's blocks read unless they read
 * them as they lie. */
#ifndef BERT_CPU_LEFT_H
#define BERT_CPU_LEFT_H
#include "cpu/view.h"

/* How an operand is cut into blocks of `step` rows, and how those lie. */
typedef struct {
    const bert_gemm_kernel *g;
    bert_view view;
    int step, depth;
    enum { BERT_LEFT_IN_PLACE, BERT_LEFT_ROWS, BERT_LEFT_ACROSS } kind;
    ptrdiff_t row, unit, part, extra; /* bytes: see bert_left */
    ptrdiff_t block;                  /* bytes of a block in a buffer; 0 in place */
} bert_left_layout;

bert_left_layout bert_left_lay(const bert_gemm_kernel *g, bert_view view, int step, int depth);
/* Likewise, of a product of so many columns: where they are two panels at most, rows that are neighbours
 * in memory are read as they lie, too. It takes longer to pack them than to read more lines twice. */
bert_left_layout bert_left_lay_narrow(const bert_gemm_kernel *g, bert_view view, int step,
                                      int depth, int cols);
/* Bytes of a block, however its operand lies. */
size_t bert_left_bytes(const bert_gemm_kernel *g, int step, int depth);
/* Makes the block of `rows` rows from `row` on; it is written to `to`. Nothing to do in place. */
void bert_left_pack(const bert_left_layout *l, unsigned char *to, int row, int rows,
                    const float *factors);
/* The block from `row` on, which was written to `from`, from depth k on (a whole unit). */
bert_left bert_left_block(const bert_left_layout *l, const unsigned char *from, int row, int k);
/* Bytes from a block to the one after it. */
static inline ptrdiff_t bert_left_apart(const bert_left_layout *l) {
    return l->kind == BERT_LEFT_IN_PLACE ? l->step * l->row : l->block;
}

/* An operand that another product writes as blocks read it. */
typedef struct {
    bert_left_layout layout;
    unsigned char *data;
} bert_words;
/* Whether that spares a pass: not where rows of floats are read as they lie, nor where they must be
 * whole before bytes can be made of them, nor where parts would be larger than floats. */
bool bert_words_wanted(const bert_gemm_kernel *g, int rows, int depth);
/* [rows, depth] at `data`, which has room for bert_words_bytes. */
bert_words bert_words_at(const bert_gemm_kernel *g, void *data, int rows, int depth);
size_t bert_words_bytes(const bert_gemm_kernel *g, int rows, int depth);
#endif
