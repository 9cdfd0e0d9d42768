/* The CPU's rows for matrix products: linear layers with their activation, and matmul.
 *
 * A weight that is being trained is packed on the way through each product: it changes every step,
 * so a kept copy would cost the model's size again and save nothing. A weight that stays is packed
 * once (packing.h). */
#include "cpu/matmul.h"
#include "cpu/packing.h"
#include "cpu/rows.h"
#include <string.h>

/* Backward computes in float32 where forward was quantized. */
static bert_precision backward_precision(const bert_worker *w) {
    return w->precision == BERT_PRECISION_INT8 ? BERT_PRECISION_HIGHEST : w->precision;
}

static bert_view rows_of(const float *data, ptrdiff_t cols) {
    return (bert_view){data, cols, 1};
}

static bert_view transposed(bert_view v) {
    return (bert_view){v.data, v.col, v.row};
}

/* ---- linear */

/* The gradient of a linear's input goes here: written, or added to what is there. */
typedef struct {
    float *dx; /* NULL: not wanted */
    bool add;
} input_grad;

/* dW += dY^T X and dx (+)= dY W, dY being columns first .. first + out - 1 of dy [rows, cols]. dx
 * may be x. */
static int product_backward(bert_worker *w, const bert_weight *l, const float *x, const float *dy,
                            int rows, int cols, int first, float *dw, input_grad to) {
    const int out = l->rows, in = l->cols;
    const bert_view d = rows_of(dy + first, cols);
    const bert_precision precision = backward_precision(w);
    bert_epilogue ep = {.accumulate = true};
    if (dw) {
        int rc = bert_matmul_view(w->threads, precision, out, in, rows, transposed(d),
                                  rows_of(x, in), dw, in, &ep);
        if (rc) return rc;
    }
    if (!to.dx) return 0;
    ep.accumulate = to.add;
    if (l->trained)
        return bert_matmul_view(w->threads, precision, rows, in, out, d, rows_of(l->value, in),
                                to.dx, in, &ep);
    const bert_packed *p = bert_weights_packed(l, 1, false, precision, w->threads, w->error);
    return p ? bert_matmul_packed(w->threads, rows, d, p, to.dx, in, &ep) : BERT_ENOMEM;
}

/* The gradients of count linears side by side, from dy [rows, the sum of their outs]; dp: of weight
 * and bias of each. */
static int linears_backward(bert_worker *w, const bert_weight *ls, int count, const float *x,
                            const float *dy, int rows, float *const *dp, input_grad to) {
    int cols = 0, first = 0, rc = 0;
    bool biases = false;
    for (int i = 0; i < count; i++) {
        cols += ls[i].rows;
        biases |= dp[2 * i + 1] != NULL;
    }
    float *sums = NULL;
    if (biases) {
        sums = bert_worker_take(w, (size_t)cols);
        if (!sums) return BERT_ENOMEM;
        memset(sums, 0, (size_t)cols * sizeof *sums);
        bert_add_column_sums(w->threads, sums, dy, NULL, (size_t)rows, (size_t)cols);
    }
    for (int i = 0; i < count && !rc; first += ls[i++].rows) {
        float *db = dp[2 * i + 1];
        if (db) bert_loop_add(w->threads, db, sums + first, (size_t)ls[i].rows);
        rc = product_backward(w, &ls[i], x, dy, rows, cols, first, dp[2 * i], to);
        to.add = true;
    }
    bert_worker_give(w, sums);
    return rc;
}

/* The biases side by side: those of the layer itself when there is one; *made: to be given back. */
static int gather_bias(bert_worker *w, const bert_weight *ls, int count, int cols,
                       const float **bias, float **made) {
    *bias = count == 1 ? ls[0].bias : NULL;
    bool any = false;
    for (int i = 0; i < count; i++) any |= ls[i].bias != NULL;
    if (count == 1 || !any) return 0;
    float *all = *made = bert_worker_take(w, (size_t)cols);
    if (!all) return BERT_ENOMEM;
    *bias = all;
    for (int i = 0; i < count; all += ls[i++].rows) {
        size_t bytes = (size_t)ls[i].rows * sizeof *all;
        if (ls[i].bias)
            memcpy(all, ls[i].bias, bytes);
        else
            memset(all, 0, bytes);
    }
    return 0;
}

/* How a product reads its weights. */
typedef enum {
    THROUGH, /* packed on the way: they are trained, or multiplied several rows at a time */
    ONCE,    /* as they lie: nobody may need them again */
    KEPT     /* from a packed copy */
} weight_use;

static weight_use use_of(const bert_worker *w, const bert_weight *ls, int count, int rows) {
    for (int i = 0; i < count; i++)
        if (ls[i].trained) return THROUGH;
    return !w->returns && bert_weights_once(ls, count, rows) ? ONCE : KEPT;
}

/* What a product is given: floats, or what another product wrote for it. */
typedef struct {
    const float *x;          /* [rows, the linears' columns] */
    const bert_words *words; /* or NULL */
} left_side;

static int kept_product(bert_worker *w, const bert_weight *ls, int count, left_side x, float *y,
                        int rows, int cols, bert_epilogue ep) {
    float *made = NULL;
    const bert_packed *p = bert_weights_packed(ls, count, true, w->precision, w->threads, w->error);
    if (!p || gather_bias(w, ls, count, cols, &ep.bias, &made)) return BERT_ENOMEM;
    const int rc =
        x.words ? bert_matmul_words(w->threads, rows, x.words, p, y, cols, &ep)
                : bert_matmul_packed(w->threads, rows, rows_of(x.x, ls[0].cols), p, y, cols, &ep);
    bert_worker_give(w, made);
    return rc;
}

/* y [rows, cols] of x. */
static int product(bert_worker *w, const bert_weight *ls, int count, weight_use use, left_side x,
                   float *y, int rows, int cols, bert_epilogue ep) {
    if (use == KEPT) return kept_product(w, ls, count, x, y, rows, cols, ep);
    const bert_view a = rows_of(x.x, ls[0].cols);
    int first = 0, rc = 0;
    for (int i = 0; i < count && !rc; first += ls[i++].rows) {
        const bert_weight *l = &ls[i];
        const bert_memos *memos = l->memo->memos;
        const bert_view b = transposed(rows_of(l->value, l->cols));
        ep.bias = l->bias;
        bool finite = true;
        if (use == ONCE)
            rc =
                bert_matmul_once(w->threads, w->precision, rows, l->rows, l->cols, a,
                                 &(bert_right){b, l->memo->balance,
                                               l->memo->mapped ? memos->read : NULL, memos->source},
                                 y + first, cols, &ep, &finite);
        else
            rc = bert_matmul_view(w->threads, w->precision, rows, l->rows, l->cols, a, b, y + first,
                                  cols, &ep);
        if (use == ONCE && !rc) bert_weights_done(l, finite, w->threads);
    }
    return rc;
}

/* With what is added to the product, unless there is nothing. */
static bert_epilogue onto(const bert_call *c, bert_epilogue ep) {
    ep.residual = c->x[1].data;
    ep.residual_stride = c->x[1].cols;
    return ep;
}

/* An example of what the linears are given. */
static int learn_balance(bert_worker *w, const bert_weight *ls, int count, const bert_matrix *x) {
    if (!w->balancing) return 0;
    return bert_weights_balance(ls, count, x->data, x->rows, w->threads, w->error);
}

static int linear_forward(bert_worker *w, const bert_call *c) {
    const bert_linear_with *n = c->with;
    const bert_matrix *x = &c->x[0];
    int rc = learn_balance(w, n->w, n->count, x);
    return rc ? rc
              : product(w, n->w, n->count, use_of(w, n->w, n->count, x->rows),
                        (left_side){.x = x->data}, c->y.data, x->rows, c->y.cols,
                        onto(c, (bert_epilogue){.act = n->act, .pre = n->pre}));
}

static int linear_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_linear_with *n = c->with;
    if (n->pre)
        bert_loop_act_backward(w->threads, n->act, f->dy, f->dy, n->pre, bert_matrix_size(&c->y));
    return linears_backward(w, n->w, n->count, c->x[0].data, f->dy, c->y.rows, f->dp,
                            (input_grad){f->dx[0], f->add[0]});
}

const bert_op_row bert_cpu_linear = {linear_forward, linear_backward};

/* ---- feed_forward, keeping neither the activations nor their gradient */

static int plain_feed_forward(bert_worker *w, const bert_call *c) {
    const bert_feed_forward_with *n = c->with;
    const bert_matrix *x = &c->x[0];
    const int inner = n->up[0].rows, rows = x->rows;
    const weight_use up = use_of(w, n->up, 1, rows), down = use_of(w, &n->down, 1, rows);
    const bert_gemm_kernel *g = bert_cpu()->gemm[w->precision];
    const bool as_words = up == KEPT && down == KEPT && bert_words_wanted(g, rows, inner);
    float *h = bert_worker_take(w, as_words ? bert_words_bytes(g, rows, inner) / sizeof(float)
                                            : (size_t)rows * (size_t)inner);
    if (!h) return BERT_ENOMEM;
    const bert_words words = bert_words_at(g, h, rows, inner);
    const left_side made = {.x = h, .words = as_words ? &words : NULL};
    int rc = product(w, n->up, 1, up, (left_side){.x = x->data}, h, rows, inner,
                     (bert_epilogue){.act = n->act, .pre = n->pre, .words = made.words});
    if (!rc)
        rc = product(w, &n->down, 1, down, made, c->y.data, rows, c->y.cols,
                     onto(c, (bert_epilogue){0}));
    bert_worker_give(w, h);
    return rc;
}

/* The halves of up(x) [rows, 2 inner], and what is made of them. */
typedef struct {
    bert_act act;
    size_t inner;
    const float *a, *b; /* of the first row: what is activated, and the other */
    float *h;           /* [rows, inner]: forward's result, backward's gradient */
    float *da, *db;     /* beside each other as a and b are */
} gated;

static gated gated_of(const bert_feed_forward_with *n, const float *both, float *h, float *dboth) {
    const size_t inner = (size_t)n->down.cols;
    const size_t a = n->gate == BERT_GATE_FIRST ? 0 : inner, b = inner - a;
    return (gated){.act = n->act,
                   .inner = inner,
                   .a = both + a,
                   .b = both + b,
                   .h = h,
                   .da = dboth ? dboth + a : NULL,
                   .db = dboth ? dboth + b : NULL};
}

static void gate_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const gated *o = context;
    for (size_t r = begin, i = 2 * begin * o->inner; r < end; r++, i += 2 * o->inner)
        bert_cpu()->act[o->act].gate(o->h + i / 2, o->a + i, o->b + i, o->inner);
}

static void gate_backward_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const gated *o = context;
    for (size_t r = begin, i = 2 * begin * o->inner; r < end; r++, i += 2 * o->inner)
        bert_cpu()->act[o->act].gate_backward(o->da + i, o->db + i, o->h + i / 2, o->a + i,
                                              o->b + i, o->inner);
}

static void gate(bert_worker *w, size_t rows, bert_loop_fn *fn, gated o) {
    bert_loop(w->threads, rows, bert_rows_grain(2 * o.inner), fn, &o);
}

static int gated_feed_forward(bert_worker *w, const bert_call *c) {
    const bert_feed_forward_with *n = c->with;
    const bert_matrix *x = &c->x[0];
    const int width = bert_feed_forward_width(n), rows = x->rows;
    const size_t size = (size_t)rows * (size_t)width;
    float *own = n->pre ? NULL : bert_worker_take(w, size), *both = n->pre ? n->pre : own;
    float *h = bert_worker_take(w, size / 2);
    int rc = both && h ? 0 : BERT_ENOMEM;
    if (!rc)
        rc = product(w, n->up, n->count, use_of(w, n->up, n->count, rows),
                     (left_side){.x = x->data}, both, rows, width, (bert_epilogue){0});
    if (!rc) gate(w, (size_t)rows, gate_rows, gated_of(n, both, h, NULL));
    if (!rc)
        rc = product(w, &n->down, 1, use_of(w, &n->down, 1, rows), (left_side){.x = h}, c->y.data,
                     rows, c->y.cols, onto(c, (bert_epilogue){0}));
    bert_worker_give(w, h);
    bert_worker_give(w, own);
    return rc;
}

static int feed_forward_forward(bert_worker *w, const bert_call *c) {
    const bert_feed_forward_with *n = c->with;
    /* not of down, whose input differs more from text to text than an example tells */
    int rc = learn_balance(w, n->up, n->count, &c->x[0]);
    if (rc) return rc;
    return n->gate == BERT_GATE_NONE ? plain_feed_forward(w, c) : gated_feed_forward(w, c);
}

static int plain_feed_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_feed_forward_with *n = c->with;
    const bert_matrix *x = &c->x[0];
    const size_t size = (size_t)x->rows * (size_t)n->up[0].rows;
    float *h = bert_worker_take(w, size); /* the activations, and then their gradient */
    if (!h) return BERT_ENOMEM;
    bert_loop_act(w->threads, n->act, h, n->pre, size);
    int rc = linears_backward(w, &n->down, 1, h, f->dy, x->rows, f->dp + 2, (input_grad){.dx = h});
    if (!rc) {
        bert_loop_act_backward(w->threads, n->act, h, h, n->pre, size);
        rc = linears_backward(w, n->up, 1, x->data, h, x->rows, f->dp,
                              (input_grad){f->dx[0], f->add[0]});
    }
    bert_worker_give(w, h);
    return rc;
}

static int gated_feed_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_feed_forward_with *n = c->with;
    const bert_matrix *x = &c->x[0];
    const size_t rows = (size_t)x->rows, size = rows * (size_t)bert_feed_forward_width(n);
    float *h = bert_worker_take(w, size / 2), *dboth = bert_worker_take(w, size);
    int rc = h && dboth ? 0 : BERT_ENOMEM;
    if (!rc) gate(w, rows, gate_rows, gated_of(n, n->pre, h, NULL));
    if (!rc)
        rc = linears_backward(w, &n->down, 1, h, f->dy, x->rows, f->dp + 2 * n->count,
                              (input_grad){.dx = h});
    if (!rc) gate(w, rows, gate_backward_rows, gated_of(n, n->pre, h, dboth));
    if (!rc)
        rc = linears_backward(w, n->up, n->count, x->data, dboth, x->rows, f->dp,
                              (input_grad){f->dx[0], f->add[0]});
    bert_worker_give(w, dboth);
    bert_worker_give(w, h);
    return rc;
}

static int feed_forward_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_feed_forward_with *n = c->with;
    return n->gate == BERT_GATE_NONE ? plain_feed_backward(w, c, f) : gated_feed_backward(w, c, f);
}

const bert_op_row bert_cpu_feed_forward = {feed_forward_forward, feed_forward_backward};

/* ---- matmul */

static bert_view view_of(const bert_matrix *m) {
    return rows_of(m->data, m->cols);
}

static int matmul_forward(bert_worker *w, const bert_call *c) {
    const bert_matmul_with *n = c->with;
    const bert_view b = view_of(&c->x[1]);
    return bert_matmul_view(w->threads, w->precision, c->y.rows, c->y.cols, c->x[0].cols,
                            view_of(&c->x[0]), n->transpose_b ? transposed(b) : b, c->y.data,
                            c->y.cols, NULL);
}

static int matmul_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bool swapped = ((const bert_matmul_with *)c->with)->transpose_b;
    const bert_matrix *a = &c->x[0], *b = &c->x[1], *y = &c->y;
    const bert_view d = rows_of(f->dy, y->cols), va = view_of(a), vb = view_of(b);
    const bert_precision precision = backward_precision(w);
    int rc = 0;
    if (f->dx[0]) /* dA += dY B^T, or dY B */
        rc = bert_matmul_view(w->threads, precision, a->rows, a->cols, y->cols, d,
                              swapped ? vb : transposed(vb), f->dx[0], a->cols,
                              &(bert_epilogue){.accumulate = f->add[0]});
    if (f->dx[1] && !rc) /* dB += A^T dY, or dY^T A */
        rc = bert_matmul_view(w->threads, precision, b->rows, b->cols, y->rows,
                              transposed(swapped ? d : va), swapped ? va : d, f->dx[1], b->cols,
                              &(bert_epilogue){.accumulate = f->add[1]});
    return rc;
}

const bert_op_row bert_cpu_matmul = {matmul_forward, matmul_backward};
