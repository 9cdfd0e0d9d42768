/* Operations on each row alone: layer_norm, softmax, normalize_rows. */
#include "base/error.h"
#include "tape/tape.h"

static bool is_row(const bert_param *p, int32_t cols) {
    return p && bert_param_size(p) == (size_t)cols;
}

/* ---- layer_norm: y = gamma * (x + residual - mean) / sqrt(var + eps) + beta */

static int layer_norm_backward(bert_tape *t, bert_node *n) {
    bert_tensor *x = n->in[0], *residual = n->in[1], *y = n->out;
    float *dx = bert_worker_take(&t->worker, bert_tensor_size(y));
    if (!dx) return BERT_ENOMEM;
    int rc = 0;
    bert_flow f = {.dy = y->grad, .dx = {dx}};
    for (int i = 0; i < 2; i++) f.dp[i] = bert_grad_param(t, n->params[i], &rc);
    if (!rc) rc = bert_op_flow(t, n, &f);
    /* dx is the gradient of the sum, so of both its terms. */
    bert_worker_give(&t->worker, y->grad);
    y->grad = dx;
    if (!rc && residual && residual->needs_grad)
        rc = bert_grad_pass(t, n, residual, !x->needs_grad);
    return !rc && x->needs_grad ? bert_grad_pass(t, n, x, true) : rc;
}

const bert_op bert_op_layer_norm = {"layer_norm", BERT_OP_layer_norm, layer_norm_backward, false};

bert_tensor *bert_layer_norm_apply(bert_tape *t, const bert_layer_norm *l, bert_tensor *x,
                                   bert_tensor *residual) {
    const bert_op *op = &bert_op_layer_norm;
    if (!bert_tape_ready(t, x)) return NULL;
    if (!l || !is_row(l->weight, x->cols) || (l->bias && !is_row(l->bias, x->cols)))
        return bert_tape_fail(t, op, BERT_EINVAL, "input has %d columns, %s is for %d", x->cols,
                              l && l->weight ? l->weight->name : "(null)",
                              l && l->weight ? l->weight->cols : 0);
    if (residual && (residual->rows != x->rows || residual->cols != x->cols))
        return bert_tape_fail(t, op, BERT_EINVAL, "input is [%d, %d], residual [%d, %d]", x->rows,
                              x->cols, residual->rows, residual->cols);
    const bert_sources from = {.a = x, .b = residual, .params = {l->weight, l->bias}};
    bert_tensor *y = bert_tape_result(t, op, x->rows, x->cols, from);
    bert_layer_norm_with with = {.gamma = l->weight->value, .eps = l->eps};
    if (l->bias) with.beta = l->bias->value;
    if (y && y->node) with.stats = bert_tape_floats(t, 2 * (size_t)x->rows);
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

/* ---- softmax and normalize_rows */

const bert_op bert_op_softmax = {"softmax", BERT_OP_softmax, bert_op_backward, false};
const bert_op bert_op_normalize_rows = {"normalize_rows", BERT_OP_normalize_rows, bert_op_backward,
                                        false};

bert_tensor *bert_softmax(bert_tape *t, bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    const bert_op *op = &bert_op_softmax;
    const bert_sources from = {.a = x};
    return bert_op_forward(t, op, bert_tape_result(t, op, x->rows, x->cols, from), from, NULL, 0);
}

bert_tensor *bert_normalize_rows(bert_tape *t, bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    const bert_op *op = &bert_op_normalize_rows;
    const bert_sources from = {.a = x};
    bert_tensor *y = bert_tape_result(t, op, x->rows, x->cols, from);
    bert_normalize_rows_with with = {0};
    if (y && y->node) with.inverse = bert_tape_floats(t, (size_t)x->rows);
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}
