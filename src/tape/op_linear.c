/* Matrix products: linear layers with their activation, and matmul. */
#include "tape/tape.h"

/* ---- linear: y = act(x W^T + b), W being the given weights one below another */

/* The residual's gradient is dy itself, once the product has read it. */
static int product_backward(bert_tape *t, bert_node *n) {
    bert_tensor *residual = n->in[1];
    n->in[1] = NULL;
    const int rc = bert_op_backward(t, n);
    n->in[1] = residual;
    return !rc && residual && residual->needs_grad ? bert_grad_pass(t, n, residual, true) : rc;
}

const bert_op bert_op_linear = {"linear", BERT_OP_linear, product_backward, true};

/* Whether the linears take cols columns. */
static bool linears_fit(bert_tape *t, const bert_linear *ls, int count, int32_t cols) {
    if (!ls || count < 1 || count > BERT_LINEARS_MAX)
        return bert_tape_fail(t, &bert_op_linear, BERT_EINVAL, "%d linears; 1 to %d can be joined",
                              count, BERT_LINEARS_MAX);
    for (int i = 0; i < count; i++) {
        const bert_param *w = ls[i].weight, *b = ls[i].bias;
        if (!w) return bert_tape_fail(t, &bert_op_linear, BERT_EINVAL, "weight %d is NULL", i);
        if (w->cols != cols)
            return bert_tape_fail(t, &bert_op_linear, BERT_EINVAL,
                                  "input has %d columns, %s takes %d", cols, w->name, w->cols);
        if (b && (size_t)w->rows != bert_param_size(b))
            return bert_tape_fail(t, &bert_op_linear, BERT_EINVAL,
                                  "%s has %zu elements, %s gives %d columns", b->name,
                                  bert_param_size(b), w->name, w->rows);
    }
    return true;
}

static bool act_known(bert_tape *t, bert_act act) {
    if ((int)act >= 0 && act < BERT_ACT_COUNT) return true;
    return bert_tape_fail(t, &bert_op_linear, BERT_EINVAL, "there is no activation %d", act);
}

static bool residual_fits(bert_tape *t, const bert_op *op, const bert_tensor *residual,
                          int32_t rows, int32_t cols) {
    if (!residual || (residual->rows == rows && residual->cols == cols)) return true;
    return bert_tape_fail(t, op, BERT_EINVAL, "the result is [%d, %d], its residual [%d, %d]", rows,
                          cols, residual->rows, residual->cols);
}

/* residual, with one linear and no act: what is added, or NULL. */
static bert_tensor *fused(bert_tape *t, const bert_linear *ls, int count, bert_tensor *x,
                          bert_act act, bert_tensor *residual) {
    const bert_op *op = &bert_op_linear;
    if (!bert_tape_ready(t, x) || !linears_fit(t, ls, count, x->cols) || !act_known(t, act))
        return NULL;
    int32_t cols = 0;
    bert_linear_with with = {.count = count, .act = act};
    for (int i = 0; i < count; i++) {
        with.w[i] = bert_weight_of(ls[i]);
        cols += ls[i].weight->rows;
    }
    if (!residual_fits(t, op, residual, x->rows, cols)) return NULL;
    const bert_sources from = {.a = x, .b = residual, .linears = ls, .linears_count = count};
    bert_tensor *y = bert_tape_result(t, op, x->rows, cols, from);
    if (y && y->node && act != BERT_ACT_NONE) with.pre = bert_tape_floats(t, bert_tensor_size(y));
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

/* y and what the weight's adapter adds to it, of the operations there are: the weight stays packed,
 * and an adapter is two small products. */
static bert_tensor *adapt(bert_tape *t, const bert_adapter *d, bert_tensor *x, bert_tensor *y) {
    const bert_linear down = {d->a, NULL}, up = {d->b, NULL};
    bert_tensor *low = fused(t, &down, 1, bert_dropout(t, x, d->dropout), BERT_ACT_NONE, NULL);
    return bert_add(t, y, bert_scale(t, fused(t, &up, 1, low, BERT_ACT_NONE, NULL), d->scale));
}

static bool has_adapter(const bert_linear *ls, int count) {
    for (int i = 0; ls && count <= BERT_LINEARS_MAX && i < count; i++)
        if (ls[i].weight && ls[i].weight->adapter) return true;
    return false;
}

static bert_tensor *linear(bert_tape *t, const bert_linear *ls, int count, bert_tensor *x,
                           bert_act act) {
    if (!has_adapter(ls, count)) return fused(t, ls, count, x, act, NULL);
    if (!bert_tape_ready(t, x) || !linears_fit(t, ls, count, x->cols)) return NULL;
    bert_tensor *all = NULL;
    for (int i = 0; i < count; i++) {
        bert_tensor *y = fused(t, &ls[i], 1, x, BERT_ACT_NONE, NULL);
        if (ls[i].weight->adapter) y = adapt(t, ls[i].weight->adapter, x, y);
        all = i ? bert_concat(t, all, y) : y;
    }
    return act == BERT_ACT_NONE ? all : bert_activate(t, all, act);
}

bert_tensor *bert_linear_act(bert_tape *t, bert_linear l, bert_tensor *x, bert_act act) {
    return linear(t, &l, 1, x, act);
}

bert_tensor *bert_linear_apply(bert_tape *t, bert_linear l, bert_tensor *x) {
    return linear(t, &l, 1, x, BERT_ACT_NONE);
}

bert_tensor *bert_linear_onto(bert_tape *t, bert_linear l, bert_tensor *x, bert_tensor *residual) {
    if (!bert_tape_ready(t, x, residual)) return NULL;
    if (has_adapter(&l, 1)) return bert_add(t, linear(t, &l, 1, x, BERT_ACT_NONE), residual);
    return fused(t, &l, 1, x, BERT_ACT_NONE, residual);
}

bert_tensor *bert_linear_cat(bert_tape *t, const bert_linear *ls, int count, bert_tensor *x) {
    return linear(t, ls, count, x, BERT_ACT_NONE);
}

/* ---- feed_forward: y = down(h), where h = act(up(x)), or act(a) b of its halves */

const bert_op bert_op_feed_forward = {"feed_forward", BERT_OP_feed_forward, product_backward, true};

/* The same of the operations there are, which take adapters. */
static bert_tensor *feed_by_parts(bert_tape *t, const bert_linear *up, int count, bert_gate gate,
                                  bert_act act, bert_linear down, bert_tensor *x) {
    if (gate == BERT_GATE_NONE) return linear(t, &down, 1, linear(t, up, 1, x, act), BERT_ACT_NONE);
    const int32_t inner = down.weight->cols;
    bert_tensor *both = linear(t, up, count, x, BERT_ACT_NONE);
    bert_tensor *first = bert_slice(t, both, 0, inner), *second = bert_slice(t, both, inner, inner);
    bert_tensor *a = gate == BERT_GATE_FIRST ? first : second, *b = a == first ? second : first;
    return linear(t, &down, 1, bert_mul(t, bert_activate(t, a, act), b), BERT_ACT_NONE);
}

/* up and down fit x and, by the gate, each other. */
static bool feed_fits(bert_tape *t, const bert_linear *up, int count, bert_gate gate,
                      const bert_linear *down, int32_t cols) {
    if (count < 1 || count > 2)
        return bert_tape_fail(t, &bert_op_feed_forward, BERT_EINVAL, "%d linears are no gate",
                              count);
    if (!linears_fit(t, up, count, cols)) return false;
    int32_t width = 0;
    for (int i = 0; i < count; i++) width += up[i].weight->rows;
    const int32_t halves = gate == BERT_GATE_NONE ? 1 : 2;
    if (width % halves)
        return bert_tape_fail(t, &bert_op_feed_forward, BERT_EINVAL,
                              "%d columns have no halves, one of which is a gate", width);
    return linears_fit(t, down, 1, width / halves);
}

static bert_tensor *feed(bert_tape *t, const bert_linear *up, int count, bert_gate gate,
                         bert_act act, bert_linear down, bert_tensor *x, bert_tensor *residual) {
    const bert_op *op = &bert_op_feed_forward;
    if (!bert_tape_ready(t, x) || !act_known(t, act) ||
        !feed_fits(t, up, count, gate, &down, x->cols))
        return NULL;
    bert_linear all[BERT_LINEARS_MAX] = {0};
    bert_feed_forward_with with = {
        .count = count, .gate = gate, .act = act, .down = bert_weight_of(down)};
    for (int i = 0; i < count; i++) with.up[i] = bert_weight_of(all[i] = up[i]);
    all[count] = down;
    if (!residual_fits(t, op, residual, x->rows, down.weight->rows)) return NULL;
    if (has_adapter(all, count + 1)) {
        bert_tensor *y = feed_by_parts(t, up, count, gate, act, down, x);
        return residual ? bert_add(t, y, residual) : y;
    }
    const bert_sources from = {.a = x, .b = residual, .linears = all, .linears_count = count + 1};
    bert_tensor *y = bert_tape_result(t, op, x->rows, down.weight->rows, from);
    if (y && y->node)
        with.pre = bert_tape_floats(t, (size_t)x->rows * (size_t)bert_feed_forward_width(&with));
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

bert_tensor *bert_feed_forward(bert_tape *t, bert_linear up, bert_act act, bert_linear down,
                               bert_tensor *x) {
    return feed(t, &up, 1, BERT_GATE_NONE, act, down, x, NULL);
}

bert_tensor *bert_feed_forward_gated(bert_tape *t, const bert_linear *up, int count, bert_gate gate,
                                     bert_act act, bert_linear down, bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (gate != BERT_GATE_FIRST && gate != BERT_GATE_SECOND)
        return bert_tape_fail(t, &bert_op_feed_forward, BERT_EINVAL, "there is no gate %d",
                              (int)gate);
    return feed(t, up, count, gate, act, down, x, NULL);
}

bert_tensor *bert_feed_forward_onto(bert_tape *t, const bert_linear *up, int count, bert_gate gate,
                                    bert_act act, bert_linear down, bert_tensor *x,
                                    bert_tensor *residual) {
    if (!bert_tape_ready(t, x, residual)) return NULL;
    if ((int)gate < 0 || gate > BERT_GATE_SECOND || (gate == BERT_GATE_NONE && count != 1))
        return bert_tape_fail(t, &bert_op_feed_forward, BERT_EINVAL,
                              "there is no gate %d of %d linears", (int)gate, count);
    return feed(t, up, count, gate, act, down, x, residual);
}

/* ---- matmul: y = a b or a b^T */

const bert_op bert_op_matmul = {"matmul", BERT_OP_matmul, bert_op_backward, true};

bert_tensor *bert_matmul(bert_tape *t, bert_tensor *a, bert_tensor *b, bool transpose_b) {
    const bert_op *op = &bert_op_matmul;
    if (!bert_tape_ready(t, a, b)) return NULL;
    int32_t depth = transpose_b ? b->cols : b->rows, cols = transpose_b ? b->rows : b->cols;
    if (a->cols != depth)
        return bert_tape_fail(t, op, BERT_EINVAL, "[%d, %d] times [%d, %d]%s", a->rows, a->cols,
                              b->rows, b->cols, transpose_b ? " transposed" : "");
    const bert_sources from = {.a = a, .b = b};
    const bert_matmul_with with = {transpose_b};
    return bert_op_forward(t, op, bert_tape_result(t, op, a->rows, cols, from), from, &with,
                           sizeof with);
}
