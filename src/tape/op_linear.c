/* Matrix products: linear layers with their activation, and matmul.
 *
 * A weight that is being trained is packed on the way through each product: it changes every step,
 * so a kept copy would cost the model's size again and save nothing. A weight that stays is packed
 * once. */
#include "cpu/left.h"
#include "tape/tape.h"
#include <string.h>

/* Backward computes in float32 where forward was quantized. */
static bert_precision backward_precision(const bert_tape *t) {
    return t->options.precision == BERT_PRECISION_INT8 ? BERT_PRECISION_HIGHEST
                                                       : t->options.precision;
}

static bert_view rows_of(const float *data, ptrdiff_t cols) {
    return (bert_view){data, cols, 1};
}

static bert_view transposed(bert_view v) {
    return (bert_view){v.data, v.col, v.row};
}

static int check(bert_tape *t, const bert_op *op, int rc) {
    if (rc) bert_tape_fail(t, op, rc, "out of memory for packed operands");
    return rc;
}

/* ---- linear: y = act(x W^T + b), W being the given weights one below another */

typedef struct {
    bert_node node;
    bert_linear ls[BERT_LINEARS_MAX];
    int count;
    bert_act act;
    float *pre; /* before act; NULL when act is none */
} linear_node;

/* The gradients of a linear's input go here: written, or added to what is there. */
typedef struct {
    float *dx; /* NULL: not wanted */
    bool add;
} input_grad;

/* dW += dY^T X and dx (+)= dY W, dY being columns first .. first + out - 1 of dy [rows, cols]. dx
 * may be x. */
static int product_backward(bert_tape *t, const bert_linear *l, const float *x, const float *dy,
                            int rows, int cols, int first, input_grad to) {
    int out = l->weight->rows, in = l->weight->cols, rc = 0;
    bert_view d = rows_of(dy + first, cols);
    bert_precision precision = backward_precision(t);
    bert_epilogue ep = {.accumulate = true};
    float *dw = bert_grad_param(t, l->weight, &rc);
    if (dw)
        rc = bert_matmul_view(t->threads, precision, out, in, rows, transposed(d), rows_of(x, in),
                              dw, in, &ep);
    if (rc || !to.dx) return rc;
    ep.accumulate = to.add;
    if (bert_param_trainable(l->weight))
        return bert_matmul_view(t->threads, precision, rows, in, out, d,
                                rows_of(l->weight->value, in), to.dx, in, &ep);
    const bert_packed *w = bert_weights_packed(l, 1, false, precision, t->threads, &t->error);
    return w ? bert_matmul_packed(t->threads, rows, d, w, to.dx, in, &ep) : BERT_ENOMEM;
}

/* The gradients of count linears side by side, from dy [rows, the sum of their outs]. */
static int linears_backward(bert_tape *t, const bert_linear *ls, int count, const float *x,
                            const float *dy, int rows, input_grad to) {
    int cols = 0, first = 0, rc = 0;
    bool biases = false;
    for (int i = 0; i < count; i++) {
        cols += ls[i].weight->rows;
        biases |= bert_param_trainable(ls[i].bias);
    }
    float *sums = NULL;
    if (biases) {
        sums = bert_tape_take(t, (size_t)cols);
        if (!sums) return BERT_ENOMEM;
        memset(sums, 0, (size_t)cols * sizeof *sums);
        bert_add_column_sums(t->threads, sums, dy, NULL, (size_t)rows, (size_t)cols);
    }
    for (int i = 0; i < count && !rc; first += ls[i++].weight->rows) {
        float *db = bert_grad_param(t, ls[i].bias, &rc);
        if (db) bert_loop_add(t->threads, db, sums + first, (size_t)ls[i].weight->rows);
        if (!rc) rc = product_backward(t, &ls[i], x, dy, rows, cols, first, to);
        to.add = true;
    }
    bert_tape_give(t, sums);
    return check(t, &bert_op_linear, rc);
}

/* Where the gradient of a tensor goes. */
static int grad_of(bert_tape *t, bert_tensor *x, input_grad *to) {
    *to = (input_grad){0};
    if (x->needs_grad) to->dx = bert_grad_open_add(t, x, &to->add);
    return x->needs_grad && !to->dx ? BERT_ENOMEM : BERT_OK;
}

static int linear_backward(bert_tape *t, bert_node *node) {
    linear_node *n = (linear_node *)node;
    bert_tensor *x = node->in[0], *y = node->out;
    input_grad to;
    if (grad_of(t, x, &to)) return BERT_ENOMEM;
    if (n->pre)
        bert_loop_act_backward(t->threads, n->act, y->grad, y->grad, n->pre, bert_tensor_size(y));
    return linears_backward(t, n->ls, n->count, x->data, y->grad, y->rows, to);
}

const bert_op bert_op_linear = {"linear", linear_backward};

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

/* The biases side by side: those of the parameter itself when there is one linear. */
static int gather_bias(bert_tape *t, const bert_linear *ls, int count, int cols,
                       const float **bias) {
    *bias = count == 1 && ls[0].bias ? ls[0].bias->value : NULL;
    bool any = false;
    for (int i = 0; i < count; i++) any |= ls[i].bias != NULL;
    if (count == 1 || !any) return BERT_OK;
    float *all = bert_tape_alloc(t, (size_t)cols * sizeof *all);
    if (!all) return BERT_ENOMEM;
    *bias = all;
    for (int i = 0; i < count; all += ls[i++].weight->rows) {
        size_t bytes = (size_t)ls[i].weight->rows * sizeof *all;
        if (ls[i].bias)
            memcpy(all, ls[i].bias->value, bytes);
        else
            memset(all, 0, bytes);
    }
    return BERT_OK;
}

/* How a product reads its weights. */
typedef enum {
    THROUGH, /* packed on the way: they are trained, or multiplied several rows at a time */
    ONCE,    /* as they lie: nobody may need them again */
    KEPT     /* from a packed copy */
} weight_use;

static weight_use use_of(const bert_tape *t, const bert_linear *ls, int count, int rows) {
    for (int i = 0; i < count; i++)
        if (bert_param_trainable(ls[i].weight)) return THROUGH;
    const bool again = t->options.record || t->returns; /* a step comes back */
    return !again && bert_weights_once(ls, count, rows) ? ONCE : KEPT;
}

/* What a product is given: floats, or what another product wrote for it. */
typedef struct {
    const float *x;          /* [rows, the linears' columns] */
    const bert_words *words; /* or NULL */
} left_side;

/* y [rows, cols] of x. */
static int linear_forward(bert_tape *t, const bert_linear *ls, int count, weight_use use,
                          left_side x, float *y, int rows, int cols, bert_epilogue ep) {
    bert_view a = rows_of(x.x, ls[0].weight->cols);
    if (use == KEPT) {
        const bert_packed *w =
            bert_weights_packed(ls, count, true, t->options.precision, t->threads, &t->error);
        if (!w || gather_bias(t, ls, count, cols, &ep.bias)) return BERT_ENOMEM;
        return x.words ? bert_matmul_words(t->threads, rows, x.words, w, y, cols, &ep)
                       : bert_matmul_packed(t->threads, rows, a, w, y, cols, &ep);
    }
    int first = 0, rc = 0;
    for (int i = 0; i < count && !rc; first += ls[i++].weight->rows) {
        const bert_param *w = ls[i].weight;
        ep.bias = ls[i].bias ? ls[i].bias->value : NULL;
        bert_view b = transposed(rows_of(w->value, w->cols));
        const bert_param_source *source = &w->owner->source;
        /* what is initialised lies in memory of its own */
        bert_read_fn *read = w->initialised ? NULL : source->read;
        bool finite = true;
        if (use == ONCE)
            rc = bert_matmul_once(t->threads, t->options.precision, rows, w->rows, w->cols, a,
                                  &(bert_right){b, w->balance, read, source->context}, y + first,
                                  cols, &ep, &finite);
        else
            rc = bert_matmul_view(t->threads, t->options.precision, rows, w->rows, w->cols, a, b,
                                  y + first, cols, &ep);
        if (use == ONCE && !rc) bert_weights_done(w, finite, t->threads);
    }
    return rc;
}

/* An example of what the linears are given. */
static int learn_balance(bert_tape *t, const bert_linear *ls, int count, const bert_tensor *x) {
    if (!t->balancing) return BERT_OK;
    return bert_weights_balance(ls, count, x->data, x->rows, t->threads, &t->error);
}

static bool act_known(bert_tape *t, bert_act act) {
    if ((int)act >= 0 && act < BERT_ACT_COUNT) return true;
    return bert_tape_fail(t, &bert_op_linear, BERT_EINVAL, "there is no activation %d", act);
}

static bert_tensor *linear(bert_tape *t, const bert_linear *ls, int count, bert_tensor *x,
                           bert_act act) {
    if (!bert_tape_ready(t, x) || !linears_fit(t, ls, count, x->cols)) return NULL;
    if (!act_known(t, act)) return NULL;
    int32_t cols = 0;
    for (int i = 0; i < count; i++) cols += ls[i].weight->rows;
    bert_tensor *y =
        bert_tape_result(t, &bert_op_linear, sizeof(linear_node), x->rows, cols,
                         (bert_sources){.a = x, .linears = ls, .linears_count = count});
    if (!y) return NULL;
    bert_epilogue ep = {.act = act};
    linear_node *n = (linear_node *)y->node;
    if (n) {
        memcpy(n->ls, ls, (size_t)count * sizeof *ls);
        n->count = count;
        n->act = act;
        if (act != BERT_ACT_NONE) {
            n->pre = ep.pre = bert_tape_alloc(t, bert_tensor_size(y) * sizeof *ep.pre);
            if (!n->pre) return NULL;
        }
    }
    int rc = learn_balance(t, ls, count, x);
    if (!rc)
        rc = linear_forward(t, ls, count, use_of(t, ls, count, x->rows), (left_side){.x = x->data},
                            y->data, x->rows, cols, ep);
    return check(t, &bert_op_linear, rc) ? NULL : y;
}

bert_tensor *bert_linear_act(bert_tape *t, bert_linear l, bert_tensor *x, bert_act act) {
    return linear(t, &l, 1, x, act);
}

bert_tensor *bert_linear_apply(bert_tape *t, bert_linear l, bert_tensor *x) {
    return linear(t, &l, 1, x, BERT_ACT_NONE);
}

bert_tensor *bert_linear_cat(bert_tape *t, const bert_linear *ls, int count, bert_tensor *x) {
    return linear(t, ls, count, x, BERT_ACT_NONE);
}

/* ---- feed_forward: y = down(act(up(x))), keeping neither the activations nor their gradient */

typedef struct {
    bert_node node;
    bert_linear up, down;
    bert_act act;
    float *pre; /* up(x) */
} feed_forward_node;

static int feed_forward_backward(bert_tape *t, bert_node *node) {
    feed_forward_node *n = (feed_forward_node *)node;
    bert_tensor *x = node->in[0];
    int rows = x->rows;
    size_t size = (size_t)rows * (size_t)n->up.weight->rows;
    input_grad to;
    float *h = bert_tape_take(t, size); /* the activations, and then their gradient */
    if (!h || grad_of(t, x, &to)) return BERT_ENOMEM;
    bert_loop_act(t->threads, n->act, h, n->pre, size);
    int rc = linears_backward(t, &n->down, 1, h, node->out->grad, rows, (input_grad){.dx = h});
    if (!rc) {
        bert_loop_act_backward(t->threads, n->act, h, h, n->pre, size);
        rc = linears_backward(t, &n->up, 1, x->data, h, rows, to);
    }
    bert_tape_give(t, h);
    return rc;
}

const bert_op bert_op_feed_forward = {"feed_forward", feed_forward_backward};

bert_tensor *bert_feed_forward(bert_tape *t, bert_linear up, bert_act act, bert_linear down,
                               bert_tensor *x) {
    if (!bert_tape_ready(t, x) || !act_known(t, act) || !linears_fit(t, &up, 1, x->cols) ||
        !linears_fit(t, &down, 1, up.weight->rows))
        return NULL;
    int inner = up.weight->rows;
    const size_t size = (size_t)x->rows * (size_t)inner;
    const bert_linear both[] = {up, down};
    bert_tensor *y = bert_tape_result(t, &bert_op_feed_forward, sizeof(feed_forward_node), x->rows,
                                      down.weight->rows,
                                      (bert_sources){.a = x, .linears = both, .linears_count = 2});
    if (!y) return NULL;
    bert_epilogue ep = {.act = act};
    if (y->node) {
        feed_forward_node *n = (feed_forward_node *)y->node;
        n->up = up;
        n->down = down;
        n->act = act;
        n->pre = ep.pre = bert_tape_alloc(t, size * sizeof *ep.pre);
        if (!n->pre) return NULL;
    }
    const weight_use up_use = use_of(t, &up, 1, x->rows), down_use = use_of(t, &down, 1, x->rows);
    const bert_gemm_kernel *g = bert_cpu()->gemm[t->options.precision];
    const bool as_words =
        up_use == KEPT && down_use == KEPT && bert_words_wanted(g, x->rows, inner);
    const size_t floats = bert_words_bytes(g, x->rows, inner) / sizeof(float);
    float *h = bert_tape_take(t, as_words ? floats : size);
    if (!h) return NULL;
    const bert_words words = bert_words_at(g, h, x->rows, inner);
    const left_side made = {.x = h, .words = as_words ? &words : NULL};
    /* not of down, whose input differs more from text to text than an example tells */
    int rc = learn_balance(t, &up, 1, x);
    ep.words = made.words;
    if (!rc)
        rc = linear_forward(t, &up, 1, up_use, (left_side){.x = x->data}, h, x->rows, inner, ep);
    if (!rc)
        rc = linear_forward(t, &down, 1, down_use, made, y->data, x->rows, y->cols,
                            (bert_epilogue){0});
    bert_tape_give(t, h);
    return check(t, &bert_op_feed_forward, rc) ? NULL : y;
}

/* ---- matmul: y = a b or a b^T */

typedef struct {
    bert_node node;
    bool transpose_b;
} matmul_node;

static int matmul_backward(bert_tape *t, bert_node *node) {
    bool swapped = ((matmul_node *)node)->transpose_b;
    bert_tensor *a = node->in[0], *b = node->in[1], *y = node->out;
    bert_view d = rows_of(y->grad, y->cols);
    bert_precision precision = backward_precision(t);
    bert_epilogue ep = {0};
    int rc = 0;
    if (a->needs_grad) {
        bert_view v = rows_of(b->data, b->cols); /* dA += dY B^T, or dY B */
        float *da = bert_grad_open_add(t, a, &ep.accumulate);
        if (!da) return BERT_ENOMEM;
        rc = bert_matmul_view(t->threads, precision, a->rows, a->cols, y->cols, d,
                              swapped ? v : transposed(v), da, a->cols, &ep);
    }
    if (b->needs_grad && !rc) {
        bert_view v = rows_of(a->data, a->cols); /* dB += A^T dY, or dY^T A */
        float *db = bert_grad_open_add(t, b, &ep.accumulate);
        if (!db) return BERT_ENOMEM;
        rc = bert_matmul_view(t->threads, precision, b->rows, b->cols, y->rows,
                              transposed(swapped ? d : v), swapped ? v : d, db, b->cols, &ep);
    }
    return check(t, &bert_op_matmul, rc);
}

const bert_op bert_op_matmul = {"matmul", matmul_backward};

bert_tensor *bert_matmul(bert_tape *t, bert_tensor *a, bert_tensor *b, bool transpose_b) {
    if (!bert_tape_ready(t, a, b)) return NULL;
    int32_t depth = transpose_b ? b->cols : b->rows, cols = transpose_b ? b->rows : b->cols;
    if (a->cols != depth)
        return bert_tape_fail(t, &bert_op_matmul, BERT_EINVAL, "[%d, %d] times [%d, %d]%s", a->rows,
                              a->cols, b->rows, b->cols, transpose_b ? " transposed" : "");
    bert_tensor *y = bert_tape_result(t, &bert_op_matmul, sizeof(matmul_node), a->rows, cols,
                                      (bert_sources){.a = a, .b = b});
    if (!y) return NULL;
    if (y->node) ((matmul_node *)y->node)->transpose_b = transpose_b;
    bert_view v = rows_of(b->data, b->cols);
    int rc = bert_matmul_view(t->threads, t->options.precision, a->rows, cols, depth,
                              rows_of(a->data, a->cols), transpose_b ? transposed(v) : v, y->data,
                              cols, NULL);
    return check(t, &bert_op_matmul, rc) ? NULL : y;
}
