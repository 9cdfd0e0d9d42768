/* Operations on each row alone: layer_norm, softmax, normalize_rows. */
#include "base/error.h"
#include "tape/tape.h"
#include <math.h>
#include <string.h>

static bool is_row(const bert_param *p, int32_t cols) {
    return p && bert_param_size(p) == (size_t)cols;
}

/* ---- layer_norm: y = gamma * (x + residual - mean) / sqrt(var + eps) + beta */

typedef struct {
    bert_node node;
    bert_layer_norm norm;
    float *stats; /* [rows, 2] */
} norm_node;

typedef struct {
    float *y, *stats;
    const float *x, *residual, *dy;
    const bert_layer_norm *norm;
    float *sums; /* backward: [groups, 2, cols], what each group adds to dgamma and dbeta */
    size_t rows, cols;
} norm;

static const float *at(const float *data, size_t offset) {
    return data ? data + offset : NULL;
}

static void norm_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const norm *o = context;
    size_t first = begin * o->cols;
    bert_cpu()->layer_norm(o->y + first, o->x + first, at(o->residual, first),
                           o->norm->weight->value, o->norm->bias->value, o->norm->eps,
                           (int)(end - begin), (int)o->cols,
                           o->stats ? o->stats + 2 * begin : NULL);
}

/* The gradients of gamma and beta are summed group by group of 64 rows. */
enum { NORM_GROUP = 64 };

static void norm_groups(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const norm *o = context;
    for (size_t g = begin; g < end; g++) {
        size_t row = g * NORM_GROUP, n = o->rows - row < NORM_GROUP ? o->rows - row : NORM_GROUP;
        size_t first = row * o->cols;
        float *dgamma = o->sums ? o->sums + g * 2 * o->cols : NULL;
        float *dbeta = dgamma ? dgamma + o->cols : NULL;
        if (dgamma) memset(dgamma, 0, 2 * o->cols * sizeof *dgamma);
        bert_cpu()->layer_norm_backward(o->y + first, dgamma, dbeta, o->dy + first, o->x + first,
                                        at(o->residual, first), o->norm->weight->value,
                                        o->stats + 2 * row, (int)n, (int)o->cols);
    }
}

static int layer_norm_backward(bert_tape *t, bert_node *node) {
    norm_node *n = (norm_node *)node;
    bert_tensor *x = node->in[0], *residual = node->in[1], *y = node->out;
    size_t rows = (size_t)y->rows, cols = (size_t)y->cols;
    size_t groups = (rows + NORM_GROUP - 1) / NORM_GROUP;
    bert_param *params[2] = {n->norm.weight, n->norm.bias};
    bool trained = bert_param_trainable(params[0]) || bert_param_trainable(params[1]);
    float *sums = trained ? bert_tape_take(t, (groups + 1) * 2 * cols) : NULL;
    float *dx = bert_tape_take(t, rows * cols);
    if (!dx || (trained && !sums)) return BERT_ENOMEM;
    norm o = {.y = dx,
              .stats = n->stats,
              .x = x->data,
              .residual = residual ? residual->data : NULL,
              .dy = y->grad,
              .norm = &n->norm,
              .sums = sums,
              .rows = rows,
              .cols = cols};
    bert_loop(t->threads, groups, 1, norm_groups, &o);
    int rc = 0;
    if (trained) {
        float *total = sums + groups * 2 * cols;
        memset(total, 0, 2 * cols * sizeof *total);
        bert_add_column_sums(t->threads, total, sums, NULL, groups, 2 * cols);
        for (int i = 0; i < 2 && !rc; i++) {
            float *g = bert_grad_param(t, params[i], &rc);
            if (g) bert_loop_add(t->threads, g, total + (size_t)i * cols, cols);
        }
    }
    bert_tape_give(t, sums);
    /* dx is the gradient of the sum, so of both its terms. */
    bert_tape_give(t, y->grad);
    y->grad = dx;
    if (!rc && residual && residual->needs_grad)
        rc = bert_grad_pass(t, node, residual, !x->needs_grad);
    return !rc && x->needs_grad ? bert_grad_pass(t, node, x, true) : rc;
}

const bert_op bert_op_layer_norm = {"layer_norm", layer_norm_backward};

bert_tensor *bert_layer_norm_apply(bert_tape *t, const bert_layer_norm *l, bert_tensor *x,
                                   bert_tensor *residual) {
    const bert_op *op = &bert_op_layer_norm;
    if (!bert_tape_ready(t, x)) return NULL;
    if (!l || !is_row(l->weight, x->cols) || !is_row(l->bias, x->cols))
        return bert_tape_fail(t, op, BERT_EINVAL, "input has %d columns, %s is for %d", x->cols,
                              l && l->weight ? l->weight->name : "(null)",
                              l && l->weight ? l->weight->cols : 0);
    if (residual && (residual->rows != x->rows || residual->cols != x->cols))
        return bert_tape_fail(t, op, BERT_EINVAL, "input is [%d, %d], residual [%d, %d]", x->rows,
                              x->cols, residual->rows, residual->cols);
    bert_tensor *y =
        bert_tape_result(t, op, sizeof(norm_node), x->rows, x->cols,
                         (bert_sources){.a = x, .b = residual, .params = {l->weight, l->bias}});
    if (!y) return NULL;
    size_t rows = (size_t)x->rows, cols = (size_t)x->cols;
    norm o = {.y = y->data,
              .x = x->data,
              .residual = residual ? residual->data : NULL,
              .norm = l,
              .rows = rows,
              .cols = cols};
    if (y->node) {
        norm_node *n = (norm_node *)y->node;
        n->norm = *l;
        n->stats = o.stats = bert_tape_alloc(t, rows * 2 * sizeof *o.stats);
        if (!n->stats) return NULL;
    }
    bert_loop(t->threads, rows, bert_rows_grain(cols), norm_rows, &o);
    return y;
}

/* ---- softmax and normalize_rows: a forward of one row and a backward of one row */

typedef struct {
    const bert_op *op;
    /* y of x; *saved is a number that backward may want. */
    void (*forward)(float *y, const float *x, float *saved, size_t cols);
    void (*backward)(float *dx, const float *dy, const float *y, float saved, size_t cols);
} row_kind;

typedef struct {
    bert_node node;
    float *saved; /* [rows] */
} row_node;

typedef struct {
    const row_kind *kind;
    float *y, *saved;
    const float *x, *dy;
    size_t cols;
} row_loop;

static void forward_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const row_loop *o = context;
    float unused;
    for (size_t r = begin; r < end; r++)
        o->kind->forward(o->y + r * o->cols, o->x + r * o->cols, o->saved ? o->saved + r : &unused,
                         o->cols);
}

static void backward_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const row_loop *o = context;
    for (size_t r = begin; r < end; r++)
        o->kind->backward(o->y + r * o->cols, o->dy + r * o->cols, o->x + r * o->cols, o->saved[r],
                          o->cols);
}

static bert_tensor *row_op(bert_tape *t, const row_kind *kind, bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    bert_tensor *y =
        bert_tape_result(t, kind->op, sizeof(row_node), x->rows, x->cols, (bert_sources){.a = x});
    if (!y) return NULL;
    size_t rows = (size_t)x->rows, cols = (size_t)x->cols;
    row_loop o = {.kind = kind, .y = y->data, .x = x->data, .cols = cols};
    if (y->node) {
        o.saved = ((row_node *)y->node)->saved = bert_tape_alloc(t, rows * sizeof *o.saved);
        if (!o.saved) return NULL;
    }
    bert_loop(t->threads, rows, bert_rows_grain(cols), forward_rows, &o);
    return y;
}

static int row_op_backward(bert_tape *t, bert_node *n, const row_kind *kind) {
    bert_tensor *x = n->in[0], *y = n->out;
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    size_t cols = (size_t)y->cols;
    row_loop o = {.kind = kind,
                  .y = dx,
                  .saved = ((row_node *)n)->saved,
                  .x = y->data,
                  .dy = y->grad,
                  .cols = cols};
    bert_loop(t->threads, (size_t)y->rows, bert_rows_grain(cols), backward_rows, &o);
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

static void softmax_row(float *y, const float *x, float *saved, size_t cols) {
    memcpy(y, x, cols * sizeof *y);
    bert_cpu()->softmax(y, (ptrdiff_t)cols, 1, (int)cols, 1, NULL);
    *saved = 0;
}

static void softmax_row_backward(float *dx, const float *dy, const float *y, float saved,
                                 size_t cols) {
    (void)saved;
    bert_cpu()->softmax_backward(dx, dy, y, 1, (int)cols);
}

/* saved: 1 / length, with torch.nn.functional.normalize's floor of 1e-12. */
static void normalize_row(float *y, const float *x, float *saved, size_t cols) {
    double length = sqrt(bert_cpu()->sum_squares(x, cols));
    *saved = (float)(1 / (length > 1e-12 ? length : 1e-12));
    bert_cpu()->scale(y, x, *saved, cols);
}

/* dx = (dy - y (dy . y)) / length; below the floor, the length is a constant. */
static void normalize_row_backward(float *dx, const float *dy, const float *y, float saved,
                                   size_t cols) {
    const bert_kernels *k = bert_cpu();
    k->scale(dx, dy, saved, cols);
    if (saved < 1e12f) k->axpy(dx, -saved * k->dot(dy, y, cols), y, cols);
}

static const row_kind softmax_kind = {&bert_op_softmax, softmax_row, softmax_row_backward};
static const row_kind normalize_kind = {&bert_op_normalize_rows, normalize_row,
                                        normalize_row_backward};

static int softmax_backward(bert_tape *t, bert_node *n) {
    return row_op_backward(t, n, &softmax_kind);
}

static int normalize_backward(bert_tape *t, bert_node *n) {
    return row_op_backward(t, n, &normalize_kind);
}

const bert_op bert_op_softmax = {"softmax", softmax_backward};
const bert_op bert_op_normalize_rows = {"normalize_rows", normalize_backward};

bert_tensor *bert_softmax(bert_tape *t, bert_tensor *x) {
    return row_op(t, &softmax_kind, x);
}

bert_tensor *bert_normalize_rows(bert_tape *t, bert_tensor *x) {
    return row_op(t, &normalize_kind, x);
}
