/* The CPU's rows for losses: sums in double, in the order of rows or elements. */
#include "cpu/rows.h"
#include <math.h>
#include <string.h>

typedef struct {
    const void *with;
    const float *x;
    float *dx;
    double scale;  /* of dx */
    double *parts; /* of rows or chunks of elements */
    size_t cols;
    const struct element_kind *kind;
    bert_threads *threads;
} loss_loop;

/* The loss of n parts, which a loop over `items` leaves. */
static int forward(bert_worker *w, const bert_call *c, size_t items, size_t grain, size_t n,
                   bert_loop_fn *fn, double divisor, loss_loop o) {
    double *parts = o.parts = bert_worker_doubles(w, n), sum = 0;
    if (!parts) return BERT_ENOMEM;
    bert_loop(w->threads, items, grain, fn, &o);
    for (size_t i = 0; i < n; i++) sum += parts[i];
    bert_worker_give(w, (float *)parts);
    c->y.data[0] = divisor > 0 ? (float)(sum / divisor) : NAN;
    return 0;
}

/* ---- cross_entropy */

/* The loss of a row. */
static double row_loss(const bert_cross_entropy_with *n, const float *x, float *p, size_t cols,
                       int32_t label) {
    float lse;
    memcpy(p, x, cols * sizeof *p);
    bert_cpu()->softmax(p, (ptrdiff_t)cols, 1, (int)cols, 1, &lse);
    double w = n->weights ? (double)n->weights[label] : 1, q = (double)p[label];
    /* The probability is exact where the loss is small, the logarithm where it is large. */
    double loss = w * (q > 1e-30 ? -log(q) : (double)lse - (double)x[label]);
    if (n->smoothing == 0) return loss;
    double spread = 0;
    for (size_t c = 0; c < cols; c++)
        spread += (n->weights ? (double)n->weights[c] : 1) * ((double)lse - (double)x[c]);
    return (1 - (double)n->smoothing) * loss + (double)n->smoothing / (double)cols * spread;
}

static void row_gradient(const bert_cross_entropy_with *n, float *dx, const float *x, size_t cols,
                         int32_t label, float scale) {
    memcpy(dx, x, cols * sizeof *dx);
    bert_cpu()->softmax(dx, (ptrdiff_t)cols, 1, (int)cols, 1, NULL);
    float w = n->weights ? n->weights[label] : 1, own = (1 - n->smoothing) * w;
    float each = n->smoothing / (float)cols, sum = own;
    for (size_t c = 0; c < cols && n->smoothing != 0; c++)
        sum += each * (n->weights ? n->weights[c] : 1);
    bert_cpu()->scale(dx, dx, sum * scale, cols);
    dx[label] -= own * scale;
    for (size_t c = 0; c < cols && n->smoothing != 0; c++)
        dx[c] -= each * (n->weights ? n->weights[c] : 1) * scale;
}

/* The same of a row whose target is a share of each class. */
static double soft_target(const bert_cross_entropy_with *n, const float *soft, size_t c,
                          size_t cols) {
    return ((1 - (double)n->smoothing) * (double)soft[c] + (double)n->smoothing / (double)cols) *
           (n->weights ? (double)n->weights[c] : 1);
}

static double soft_loss(const bert_cross_entropy_with *n, const float *x, float *p, size_t cols,
                        const float *soft) {
    float lse;
    memcpy(p, x, cols * sizeof *p);
    bert_cpu()->softmax(p, (ptrdiff_t)cols, 1, (int)cols, 1, &lse);
    double sum = 0;
    for (size_t c = 0; c < cols; c++)
        sum += soft_target(n, soft, c, cols) * ((double)lse - (double)x[c]);
    return sum;
}

static void soft_gradient(const bert_cross_entropy_with *n, float *dx, const float *x, size_t cols,
                          const float *soft, double scale) {
    memcpy(dx, x, cols * sizeof *dx);
    bert_cpu()->softmax(dx, (ptrdiff_t)cols, 1, (int)cols, 1, NULL);
    double sum = 0;
    for (size_t c = 0; c < cols; c++) sum += soft_target(n, soft, c, cols);
    for (size_t c = 0; c < cols; c++)
        dx[c] = (float)(scale * (sum * (double)dx[c] - soft_target(n, soft, c, cols)));
}

static void entropy_rows(const void *context, size_t begin, size_t end, int thread) {
    const loss_loop *o = context;
    const bert_cross_entropy_with *n = o->with;
    float *p = bert_threads_scratch(o->threads, thread);
    for (size_t r = begin; r < end; r++) {
        const float *x = o->x + r * o->cols;
        if (n->soft)
            o->parts[r] = soft_loss(n, x, p, o->cols, n->soft + r * o->cols);
        else
            o->parts[r] =
                n->labels[r] == BERT_NO_LABEL ? 0 : row_loss(n, x, p, o->cols, n->labels[r]);
    }
}

static void entropy_gradient_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const loss_loop *o = context;
    const bert_cross_entropy_with *n = o->with;
    for (size_t r = begin; r < end; r++) {
        const float *x = o->x + r * o->cols;
        float *dx = o->dx + r * o->cols;
        if (n->soft)
            soft_gradient(n, dx, x, o->cols, n->soft + r * o->cols, o->scale);
        else if (n->labels[r] == BERT_NO_LABEL)
            memset(dx, 0, o->cols * sizeof *dx);
        else
            row_gradient(n, dx, x, o->cols, n->labels[r], (float)o->scale);
    }
}

static int cross_entropy_forward(bert_worker *w, const bert_call *c) {
    const bert_cross_entropy_with *n = c->with;
    const size_t rows = (size_t)c->x[0].rows, cols = (size_t)c->x[0].cols;
    if (bert_threads_reserve(w->threads, cols * sizeof(float))) return BERT_ENOMEM;
    const loss_loop o = {.with = n, .x = c->x[0].data, .cols = cols, .threads = w->threads};
    return forward(w, c, rows, bert_rows_grain(cols), rows, entropy_rows, n->divisor, o);
}

static int cross_entropy_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_cross_entropy_with *n = c->with;
    const size_t cols = (size_t)c->x[0].cols;
    const loss_loop o = {.with = n,
                         .x = c->x[0].data,
                         .dx = f->dx[0],
                         .scale = n->divisor > 0 ? (double)f->dy[0] / n->divisor : 0,
                         .cols = cols};
    bert_loop(w->threads, (size_t)c->x[0].rows, bert_rows_grain(cols), entropy_gradient_rows, &o);
    return 0;
}

const bert_op_row bert_cpu_cross_entropy = {cross_entropy_forward, cross_entropy_backward};

/* ---- losses of elements: a loss and its derivative at (x, target) */

struct element_kind {
    double (*loss)(double x, double target);
    double (*derivative)(double x, double target);
};

static double bce_loss(double x, double target) {
    return (x > 0 ? x : 0) - x * target + log1p(exp(-fabs(x)));
}

static double bce_derivative(double x, double target) {
    double z = exp(-fabs(x));
    return (x > 0 ? 1 : z) / (1 + z) - target;
}

static double mse_loss(double x, double target) {
    return (x - target) * (x - target);
}

static double mse_derivative(double x, double target) {
    return 2 * (x - target);
}

static const struct element_kind bce = {bce_loss, bce_derivative}, mse = {mse_loss, mse_derivative};

static void element_chunks(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const loss_loop *o = context;
    const bert_element_loss_with *n = o->with;
    for (size_t i = begin; i < end;) {
        size_t chunk = i / BERT_ELEMENTS, stop = (chunk + 1) * BERT_ELEMENTS;
        double sum = 0;
        for (; i < stop && i < end; i++)
            sum += o->kind->loss((double)o->x[i], (double)n->targets[i]);
        o->parts[chunk] = sum;
    }
}

static void element_gradients(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const loss_loop *o = context;
    const bert_element_loss_with *n = o->with;
    for (size_t i = begin; i < end; i++)
        o->dx[i] = (float)(o->scale * o->kind->derivative((double)o->x[i], (double)n->targets[i]));
}

static int elements_forward(bert_worker *w, const bert_call *c, const struct element_kind *kind) {
    const bert_element_loss_with *with = c->with;
    const size_t n = bert_matrix_size(&c->x[0]), chunks = (n + BERT_ELEMENTS - 1) / BERT_ELEMENTS;
    const loss_loop o = {.with = with, .x = c->x[0].data, .kind = kind};
    return forward(w, c, n, BERT_ELEMENTS, chunks, element_chunks, with->divisor, o);
}

static int elements_backward(bert_worker *w, const bert_call *c, const bert_flow *f,
                             const struct element_kind *kind) {
    const bert_element_loss_with *with = c->with;
    const loss_loop o = {.with = with,
                         .x = c->x[0].data,
                         .dx = f->dx[0],
                         .scale = (double)f->dy[0] / with->divisor,
                         .kind = kind};
    bert_loop(w->threads, bert_matrix_size(&c->x[0]), BERT_ELEMENTS, element_gradients, &o);
    return 0;
}

static int bce_forward(bert_worker *w, const bert_call *c) {
    return elements_forward(w, c, &bce);
}

static int bce_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    return elements_backward(w, c, f, &bce);
}

static int mse_forward(bert_worker *w, const bert_call *c) {
    return elements_forward(w, c, &mse);
}

static int mse_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    return elements_backward(w, c, f, &mse);
}

const bert_op_row bert_cpu_bce_with_logits = {bce_forward, bce_backward};
const bert_op_row bert_cpu_mse = {mse_forward, mse_backward};
