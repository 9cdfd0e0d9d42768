/* Columns put side by side or taken out, and the same elements in another shape. */
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bert_node node;
    int32_t col; /* the first column of a slice */
} slice_node;

typedef struct {
    float *y;
    const float *x;
    size_t y_cols, x_cols, cols; /* row lengths, and columns that are copied */
} block;

static void copy_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const block *o = context;
    for (size_t r = begin; r < end; r++)
        memcpy(o->y + r * o->y_cols, o->x + r * o->x_cols, o->cols * sizeof *o->y);
}

static void copy_block(bert_tape *t, size_t rows, block o) {
    bert_loop(t->threads, rows, bert_rows_grain(o.cols), copy_rows, &o);
}

static int concat_backward(bert_tape *t, bert_node *n) {
    size_t total = (size_t)n->out->cols, first = 0;
    for (int i = 0; i < 2; i++) {
        bert_tensor *x = n->in[i];
        size_t cols = (size_t)x->cols;
        if (x->needs_grad) {
            float *dx = bert_grad_open(t, x);
            if (!dx) return BERT_ENOMEM;
            copy_block(t, (size_t)x->rows, (block){dx, n->out->grad + first, cols, total, cols});
            bert_grad_close(t, x, dx);
        }
        first += cols;
    }
    return BERT_OK;
}

const bert_op bert_op_concat = {"concat", concat_backward};

bert_tensor *bert_concat(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    if (!bert_tape_ready(t, a, b)) return NULL;
    if (a->rows != b->rows || a->cols > INT32_MAX - b->cols)
        return bert_tape_fail(t, &bert_op_concat, BERT_EINVAL, "[%d, %d] beside [%d, %d]", a->rows,
                              a->cols, b->rows, b->cols);
    bert_tensor *y = bert_tape_result(t, &bert_op_concat, sizeof(bert_node), a->rows,
                                      a->cols + b->cols, (bert_sources){.a = a, .b = b});
    if (!y) return NULL;
    size_t rows = (size_t)a->rows, ac = (size_t)a->cols, bc = (size_t)b->cols;
    copy_block(t, rows, (block){y->data, a->data, ac + bc, ac, ac});
    copy_block(t, rows, (block){y->data + ac, b->data, ac + bc, bc, bc});
    return y;
}

static int slice_backward(bert_tape *t, bert_node *n) {
    bert_tensor *x = n->in[0], *y = n->out;
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    memset(dx, 0, bert_tensor_size(x) * sizeof *dx);
    copy_block(t, (size_t)y->rows,
               (block){dx + ((slice_node *)n)->col, y->grad, (size_t)x->cols, (size_t)y->cols,
                       (size_t)y->cols});
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

const bert_op bert_op_slice = {"slice", slice_backward};

bert_tensor *bert_slice(bert_tape *t, bert_tensor *x, int32_t col, int32_t cols) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (col < 0 || cols < 1 || cols > x->cols - col)
        return bert_tape_fail(t, &bert_op_slice, BERT_EINVAL,
                              "columns %d to %lld of an input that has %d", col,
                              (long long)col + cols - 1, x->cols);
    bert_tensor *y = bert_tape_result(t, &bert_op_slice, sizeof(slice_node), x->rows, cols,
                                      (bert_sources){.a = x});
    if (!y) return NULL;
    if (y->node) ((slice_node *)y->node)->col = col;
    copy_block(t, (size_t)x->rows,
               (block){y->data, x->data + col, (size_t)cols, (size_t)x->cols, (size_t)cols});
    return y;
}

static int reshape_backward(bert_tape *t, bert_node *n) {
    return bert_grad_pass(t, n, n->in[0], true);
}

const bert_op bert_op_reshape = {"reshape", reshape_backward};

bert_tensor *bert_reshape(bert_tape *t, bert_tensor *x, int32_t rows, int32_t cols) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (rows < 1 || cols < 1 || (size_t)rows * (size_t)cols != bert_tensor_size(x))
        return bert_tape_fail(t, &bert_op_reshape, BERT_EINVAL, "[%d, %d] as [%d, %d]", x->rows,
                              x->cols, rows, cols);
    return bert_tape_result(t, &bert_op_reshape, sizeof(bert_node), rows, cols,
                            (bert_sources){.a = x, .data = x->data});
}
