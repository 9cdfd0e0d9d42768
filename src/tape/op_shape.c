/* Columns put side by side or taken out, and the same elements in another shape. */
#include "tape/tape.h"

const bert_op bert_op_concat = {"concat", BERT_OP_concat, bert_op_backward, false};

bert_tensor *bert_concat(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    const bert_op *op = &bert_op_concat;
    if (!bert_tape_ready(t, a, b)) return NULL;
    if (a->rows != b->rows || a->cols > INT32_MAX - b->cols)
        return bert_tape_fail(t, op, BERT_EINVAL, "[%d, %d] beside [%d, %d]", a->rows, a->cols,
                              b->rows, b->cols);
    const bert_sources from = {.a = a, .b = b};
    bert_tensor *y = bert_tape_result(t, op, a->rows, a->cols + b->cols, from);
    return bert_op_forward(t, op, y, from, NULL, 0);
}

const bert_op bert_op_slice = {"slice", BERT_OP_slice, bert_op_backward, false};

bert_tensor *bert_slice(bert_tape *t, bert_tensor *x, int32_t col, int32_t cols) {
    const bert_op *op = &bert_op_slice;
    if (!bert_tape_ready(t, x)) return NULL;
    if (col < 0 || cols < 1 || cols > x->cols - col)
        return bert_tape_fail(t, op, BERT_EINVAL, "columns %d to %lld of an input that has %d", col,
                              (long long)col + cols - 1, x->cols);
    const bert_sources from = {.a = x};
    const bert_slice_with with = {col};
    return bert_op_forward(t, op, bert_tape_result(t, op, x->rows, cols, from), from, &with,
                           sizeof with);
}

static int reshape_backward(bert_tape *t, bert_node *n) {
    return bert_grad_pass(t, n, n->in[0], true);
}

const bert_op bert_op_reshape = {"reshape", BERT_OP_reshape, reshape_backward, false};

bert_tensor *bert_reshape(bert_tape *t, bert_tensor *x, int32_t rows, int32_t cols) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (rows < 1 || cols < 1 || (size_t)rows * (size_t)cols != bert_tensor_size(x))
        return bert_tape_fail(t, &bert_op_reshape, BERT_EINVAL, "[%d, %d] as [%d, %d]", x->rows,
                              x->cols, rows, cols);
    return bert_tape_result(t, &bert_op_reshape, rows, cols,
                            (bert_sources){.a = x, .data = x->data});
}
