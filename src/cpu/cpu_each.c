/* The CPU's rows for operations on each row of a matrix alone: layer_norm, softmax, normalize_rows.
 */
#include "cpu/rows.h"
#include <math.h>
#include <string.h>

/* ---- layer_norm */

typedef struct {
    const bert_layer_norm_with *with;
    float *y;
    const float *x, *residual, *dy;
    float *sums; /* backward: [groups, 2, cols], what each group adds to dgamma and dbeta */
    size_t rows, cols;
} norm;

static const float *at(const float *data, size_t offset) {
    return data ? data + offset : NULL;
}

static void norm_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const norm *o = context;
    const bert_layer_norm_with *n = o->with;
    const size_t first = begin * o->cols;
    bert_cpu()->layer_norm(o->y + first, o->x + first, at(o->residual, first), n->gamma, n->beta,
                           n->eps, (int)(end - begin), (int)o->cols,
                           n->stats ? n->stats + 2 * begin : NULL);
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
                                        at(o->residual, first), o->with->gamma,
                                        o->with->stats + 2 * row, (int)n, (int)o->cols);
    }
}

static int layer_norm_forward(bert_worker *w, const bert_call *c) {
    bert_layer_norm_with with = *(const bert_layer_norm_with *)c->with;
    const size_t bytes = (size_t)c->y.cols * sizeof(float);
    float *zeros = with.beta ? NULL : bert_worker_take(w, (size_t)c->y.cols);
    if (!with.beta && !zeros) return BERT_ENOMEM;
    if (zeros) with.beta = memset(zeros, 0, bytes);
    const norm o = {.with = &with,
                    .y = c->y.data,
                    .x = c->x[0].data,
                    .residual = c->x[1].data,
                    .rows = (size_t)c->y.rows,
                    .cols = (size_t)c->y.cols};
    bert_loop(w->threads, o.rows, bert_rows_grain(o.cols), norm_rows, &o);
    bert_worker_give(w, zeros);
    return 0;
}

static int layer_norm_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const size_t rows = (size_t)c->y.rows, cols = (size_t)c->y.cols;
    const size_t groups = (rows + NORM_GROUP - 1) / NORM_GROUP;
    const bool trained = f->dp[0] || f->dp[1];
    float *sums = trained ? bert_worker_take(w, (groups + 1) * 2 * cols) : NULL;
    if (trained && !sums) return BERT_ENOMEM;
    const norm o = {.with = c->with,
                    .y = f->dx[0],
                    .x = c->x[0].data,
                    .residual = c->x[1].data,
                    .dy = f->dy,
                    .sums = sums,
                    .rows = rows,
                    .cols = cols};
    bert_loop(w->threads, groups, 1, norm_groups, &o);
    if (trained) {
        float *total = sums + groups * 2 * cols;
        memset(total, 0, 2 * cols * sizeof *total);
        bert_add_column_sums(w->threads, total, sums, NULL, groups, 2 * cols);
        for (size_t i = 0; i < 2; i++)
            if (f->dp[i]) bert_loop_add(w->threads, f->dp[i], total + i * cols, cols);
    }
    bert_worker_give(w, sums);
    return 0;
}

/* ---- softmax and normalize_rows: a forward of one row and a backward of one row */

typedef struct row_loop {
    void (*row)(const struct row_loop *o, size_t r);
    float *y, *saved;
    const float *x, *dy;
    size_t cols;
} row_loop;

static void each_row(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const row_loop *o = context;
    for (size_t r = begin; r < end; r++) o->row(o, r);
}

static int run(bert_worker *w, const bert_call *c, row_loop o) {
    o.cols = (size_t)c->y.cols;
    bert_loop(w->threads, (size_t)c->y.rows, bert_rows_grain(o.cols), each_row, &o);
    return 0;
}

static void softmax_row(const row_loop *o, size_t r) {
    float *y = o->y + r * o->cols;
    memcpy(y, o->x + r * o->cols, o->cols * sizeof *y);
    bert_cpu()->softmax(y, (ptrdiff_t)o->cols, 1, (int)o->cols, 1, NULL);
}

static void softmax_row_backward(const row_loop *o, size_t r) {
    const bert_kernels *k = bert_cpu();
    const size_t first = r * o->cols;
    const float *y = o->x + first, *dy = o->dy + first;
    k->softmax_backward(o->y + first, dy, y, o->cols, k->dot(dy, y, o->cols), 1);
}

/* torch.nn.functional.normalize's floor of 1e-12 */
static void normalize_row(const row_loop *o, size_t r) {
    const float *x = o->x + r * o->cols;
    const double length = sqrt(bert_cpu()->sum_squares(x, o->cols));
    const float inverse = (float)(1 / (length > 1e-12 ? length : 1e-12));
    if (o->saved) o->saved[r] = inverse;
    bert_cpu()->scale(o->y + r * o->cols, x, inverse, o->cols);
}

/* dx = (dy - y (dy . y)) / length */
static void normalize_row_backward(const row_loop *o, size_t r) {
    const bert_kernels *k = bert_cpu();
    const size_t first = r * o->cols;
    const float *y = o->x + first, *dy = o->dy + first, inverse = o->saved[r];
    float *dx = o->y + first;
    k->scale(dx, dy, inverse, o->cols);
    if (inverse < 1e12f) k->axpy(dx, -inverse * k->dot(dy, y, o->cols), y, o->cols);
}

static int softmax_forward(bert_worker *w, const bert_call *c) {
    return run(w, c, (row_loop){.row = softmax_row, .y = c->y.data, .x = c->x[0].data});
}

static int softmax_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    return run(w, c,
               (row_loop){.row = softmax_row_backward, .y = f->dx[0], .x = c->y.data, .dy = f->dy});
}

static int normalize_forward(bert_worker *w, const bert_call *c) {
    const bert_normalize_rows_with *with = c->with;
    return run(
        w, c,
        (row_loop){
            .row = normalize_row, .y = c->y.data, .saved = with->inverse, .x = c->x[0].data});
}

static int normalize_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_normalize_rows_with *with = c->with;
    return run(w, c,
               (row_loop){.row = normalize_row_backward,
                          .y = f->dx[0],
                          .saved = with->inverse,
                          .x = c->y.data,
                          .dy = f->dy});
}

const bert_op_row bert_cpu_layer_norm = {layer_norm_forward, layer_norm_backward};
const bert_op_row bert_cpu_softmax = {softmax_forward, softmax_backward};
const bert_op_row bert_cpu_normalize_rows = {normalize_forward, normalize_backward};
