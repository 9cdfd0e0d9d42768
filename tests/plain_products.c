#include "plain_rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* linear, feed_forward, matmul. */

/* y (+)= a b, whose elements are at i * row + j * col. */
typedef struct {
    const float *data;
    size_t row, col;
} strided;

static void multiply(float *y, size_t ld, bool add, strided a, strided b, size_t rows, size_t cols,
                     size_t depth) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            double s = add ? (double)y[i * ld + j] : 0;
            for (size_t k = 0; k < depth; k++)
                s += (double)a.data[i * a.row + k * a.col] * (double)b.data[k * b.row + j * b.col];
            y[i * ld + j] = (float)s;
        }
}

/* y, of row length ld, = x w^T + bias */
static void linear(float *y, size_t ld, const float *x, const bert_weight *w, size_t rows) {
    const size_t in = (size_t)w->cols, out = (size_t)w->rows;
    const float *bias = plain_at(w->bias);
    multiply(y, ld, false, (strided){x, in, 1}, (strided){plain_at(w->value), 1, in}, rows, out,
             in);
    for (size_t i = 0; i < rows && bias; i++)
        for (size_t j = 0; j < out; j++) y[i * ld + j] += bias[j];
}

static void linear_back(const bert_weight *w, const float *x, const float *dy, size_t ld,
                        size_t rows, float *dx, bool add, float *dw, float *db) {
    const size_t in = (size_t)w->cols, out = (size_t)w->rows;
    if (dw) multiply(dw, in, true, (strided){dy, 1, ld}, (strided){x, in, 1}, out, in, rows);
    for (size_t i = 0; i < rows && db; i++)
        for (size_t j = 0; j < out; j++) db[j] += dy[i * ld + j];
    if (dx)
        multiply(dx, in, add, (strided){dy, ld, 1}, (strided){plain_at(w->value), in, 1}, rows, in,
                 out);
}

static void add_residual(const plain_view *v) {
    for (size_t i = 0; v->b && i < v->size; i++) v->y[i] += v->b[i];
}

static int linear_forward(bert_worker *worker, const bert_call *c) {
    (void)worker;
    const bert_linear_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    size_t first = 0;
    for (int i = 0; i < n->count; first += (size_t)n->w[i++].rows)
        linear(v.y + first, v.cols, v.a, &n->w[i], v.rows);
    if (n->pre) memcpy(plain_at(n->pre), v.y, v.size * sizeof *v.y);
    plain_activate(n->act, v.y, v.y, v.size);
    add_residual(&v);
    return 0;
}

static int linear_backward(bert_worker *worker, const bert_call *c, const bert_flow *f) {
    (void)worker;
    const bert_linear_with *n = c->with;
    const plain_view v = plain_see(c, f);
    size_t first = 0;
    if (n->pre) plain_activate_back(n->act, v.dy, v.dy, plain_at(n->pre), v.size);
    for (int i = 0; i < n->count; first += (size_t)n->w[i++].rows)
        linear_back(&n->w[i], v.a, v.dy + first, v.cols, v.rows, v.da, f->add[0] || i, v.dp[2 * i],
                    v.dp[2 * i + 1]);
    return 0;
}

/* up(x), as a matrix of all its columns. */
static void up_of(const bert_feed_forward_with *n, float *both, const float *x, size_t rows) {
    const size_t width = (size_t)bert_feed_forward_width(n);
    linear(both, width, x, &n->up[0], rows);
    if (n->count > 1) linear(both + n->up[0].rows, width, x, &n->up[1], rows);
}

/* h [rows, inner] of up(x); with dh, whose place the gradient of up(x) takes, its backward. */
static void inner_of(const bert_feed_forward_with *n, float *h, const float *both, size_t rows,
                     const float *dh, float *dboth) {
    const size_t inner = (size_t)n->down.cols, width = (size_t)bert_feed_forward_width(n);
    const size_t first = n->gate == BERT_GATE_SECOND ? inner : 0, other = inner - first;
    for (size_t r = 0; r < rows; r++) {
        const float *a = both + r * width + first, *b = both + r * width + other;
        float value[1];
        for (size_t j = 0; j < inner; j++) {
            plain_activate(n->act, value, a + j, 1);
            const float gate = n->gate == BERT_GATE_NONE ? 1 : b[j];
            if (!dh) h[r * inner + j] = *value * gate;
            if (!dh) continue;
            const float d = dh[r * inner + j], scaled = d * gate;
            plain_activate_back(n->act, dboth + r * width + first + j, &scaled, a + j, 1);
            if (n->gate != BERT_GATE_NONE) dboth[r * width + other + j] = d * *value;
        }
    }
}

static int feed_forward_forward(bert_worker *worker, const bert_call *c) {
    (void)worker;
    const bert_feed_forward_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    const size_t inner = (size_t)n->down.cols, size = v.rows * (size_t)bert_feed_forward_width(n);
    float *both = malloc((size + v.rows * inner) * sizeof *both), *h = both + size;
    if (!both) return BERT_ENOMEM;
    up_of(n, both, v.a, v.rows);
    if (n->pre) memcpy(plain_at(n->pre), both, size * sizeof *both);
    inner_of(n, h, both, v.rows, NULL, NULL);
    linear(v.y, v.cols, h, &n->down, v.rows);
    add_residual(&v);
    free(both);
    return 0;
}

static int feed_forward_backward(bert_worker *worker, const bert_call *c, const bert_flow *f) {
    (void)worker;
    const bert_feed_forward_with *n = c->with;
    const plain_view v = plain_see(c, f);
    const size_t inner = (size_t)n->down.cols, width = (size_t)bert_feed_forward_width(n);
    float *dboth = calloc(v.rows * (width + 2 * inner), sizeof *dboth), *h = dboth + v.rows * width,
          *dh = h + v.rows * inner;
    if (!dboth) return BERT_ENOMEM;
    const float *both = plain_at(n->pre);
    float *const *down = v.dp + 2 * n->count;
    inner_of(n, h, both, v.rows, NULL, NULL);
    linear_back(&n->down, h, v.dy, v.cols, v.rows, dh, false, down[0], down[1]);
    inner_of(n, NULL, both, v.rows, dh, dboth);
    for (int i = 0, first = 0; i < n->count; first += n->up[i++].rows)
        linear_back(&n->up[i], v.a, dboth + first, width, v.rows, v.da, f->add[0] || i, v.dp[2 * i],
                    v.dp[2 * i + 1]);
    free(dboth);
    return 0;
}

static int matmul_forward(bert_worker *worker, const bert_call *c) {
    (void)worker;
    const bool swapped = ((const bert_matmul_with *)c->with)->transpose_b;
    const plain_view v = plain_see(c, NULL);
    const size_t depth = (size_t)c->x[0].cols, b = (size_t)c->x[1].cols;
    multiply(v.y, v.cols, false, (strided){v.a, depth, 1},
             swapped ? (strided){v.b, 1, b} : (strided){v.b, b, 1}, v.rows, v.cols, depth);
    return 0;
}

static int matmul_backward(bert_worker *worker, const bert_call *c, const bert_flow *f) {
    (void)worker;
    const bool swapped = ((const bert_matmul_with *)c->with)->transpose_b;
    const plain_view v = plain_see(c, f);
    const size_t depth = (size_t)c->x[0].cols, b = (size_t)c->x[1].cols;
    const strided dy = {v.dy, v.cols, 1}, turned = {v.dy, 1, v.cols};
    if (v.da)
        multiply(v.da, depth, f->add[0], dy, swapped ? (strided){v.b, b, 1} : (strided){v.b, 1, b},
                 v.rows, depth, v.cols);
    if (v.db && swapped)
        multiply(v.db, b, f->add[1], turned, (strided){v.a, depth, 1}, v.cols, depth, v.rows);
    else if (v.db)
        multiply(v.db, b, f->add[1], (strided){v.a, 1, depth}, dy, depth, v.cols, v.rows);
    return 0;
}

PLAIN_ROW(linear);
PLAIN_ROW(feed_forward);
PLAIN_ROW(matmul);
