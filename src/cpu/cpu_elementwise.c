/* The CPU's rows for operations on each element alone. */
#include "cpu/rows.h"
#include <string.h>

/* ---- add, sub, mul: b of a's shape, or one row for all of a's */

typedef void kernel(float *y, const float *a, const float *b, size_t n);
typedef struct {
    kernel *fn;
    float *y;
    const float *a, *b;
    size_t cols;
} binary;

static void binary_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const binary *o = context;
    o->fn(o->y + begin, o->a + begin, o->b + begin, end - begin);
}

static void binary_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const binary *o = context;
    for (size_t r = begin; r < end; r++)
        o->fn(o->y + r * o->cols, o->a + r * o->cols, o->b, o->cols);
}

/* y = fn(a, b); a and y are of x's shape, b of x's or one row. */
static void apply(bert_worker *w, kernel *fn, float *y, const float *a, const float *b,
                  const bert_matrix *x, bool row) {
    const size_t cols = (size_t)x->cols;
    const binary o = {fn, y, a, b, cols};
    if (row)
        bert_loop(w->threads, (size_t)x->rows, bert_rows_grain(cols), binary_rows, &o);
    else
        bert_loop(w->threads, bert_matrix_size(x), BERT_ELEMENTS, binary_elements, &o);
}

static bool b_is_row(const bert_call *c) {
    return c->x[1].rows != c->x[0].rows;
}

static int forward(bert_worker *w, const bert_call *c, kernel *fn) {
    apply(w, fn, c->y.data, c->x[0].data, c->x[1].data, &c->x[0], b_is_row(c));
    return 0;
}

/* The gradient of the row b: the column sums of dy (* z). */
static void row_gradient(bert_worker *w, const bert_call *c, const bert_flow *f, const float *z) {
    const size_t cols = (size_t)c->y.cols;
    memset(f->dx[1], 0, cols * sizeof *f->dx[1]);
    bert_add_column_sums(w->threads, f->dx[1], f->dy, z, (size_t)c->y.rows, cols);
}

static int add_forward(bert_worker *w, const bert_call *c) {
    return forward(w, c, bert_cpu()->add);
}

static int add_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    row_gradient(w, c, f, NULL);
    return 0;
}

static int sub_forward(bert_worker *w, const bert_call *c) {
    return forward(w, c, bert_cpu()->sub);
}

static int mul_forward(bert_worker *w, const bert_call *c) {
    return forward(w, c, bert_cpu()->mul);
}

static int mul_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_matrix *a = &c->x[0], *b = &c->x[1];
    kernel *mul = bert_cpu()->mul;
    if (f->dx[0]) apply(w, mul, f->dx[0], f->dy, b->data, a, b_is_row(c));
    if (f->dx[1] && b_is_row(c))
        row_gradient(w, c, f, a->data);
    else if (f->dx[1])
        apply(w, mul, f->dx[1], f->dy, a->data, b, false);
    return 0;
}

/* ---- scale, activate, dropout */

typedef struct {
    float *y;
    const float *x, *z;
    float factor;
    bert_act act;
    const bert_dropout_with *dropout;
} unary;

static void run(bert_worker *w, const bert_matrix *x, bert_loop_fn *fn, unary o) {
    bert_loop(w->threads, bert_matrix_size(x), BERT_ELEMENTS, fn, &o);
}

static void scale_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    bert_cpu()->scale(o->y + begin, o->x + begin, o->factor, end - begin);
}

static void act_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    bert_cpu()->act[o->act].forward(o->y + begin, o->x + begin, end - begin);
}

static void act_backward_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    bert_cpu()->act[o->act].backward(o->y + begin, o->x + begin, o->z + begin, end - begin);
}

static void dropout_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    const bert_dropout_with *d = o->dropout;
    bert_cpu()->dropout(o->y + begin, o->x + begin, end - begin, d->p, d->seed, d->stream, begin);
}

void bert_loop_act(bert_threads *threads, bert_act act, float *y, const float *x, size_t n) {
    bert_loop(threads, n, BERT_ELEMENTS, act_elements, &(unary){.y = y, .x = x, .act = act});
}

void bert_loop_act_backward(bert_threads *threads, bert_act act, float *dx, const float *dy,
                            const float *x, size_t n) {
    bert_loop(threads, n, BERT_ELEMENTS, act_backward_elements,
              &(unary){.y = dx, .x = dy, .z = x, .act = act});
}

static int sub_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    run(w, &c->x[1], scale_elements, (unary){.y = f->dx[1], .x = f->dy, .factor = -1});
    return 0;
}

static int scale_forward(bert_worker *w, const bert_call *c) {
    const bert_scale_with *with = c->with;
    run(w, &c->y, scale_elements,
        (unary){.y = c->y.data, .x = c->x[0].data, .factor = with->factor});
    return 0;
}

static int scale_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_scale_with *with = c->with;
    run(w, &c->y, scale_elements, (unary){.y = f->dx[0], .x = f->dy, .factor = with->factor});
    return 0;
}

static int activate_forward(bert_worker *w, const bert_call *c) {
    const bert_activate_with *with = c->with;
    bert_loop_act(w->threads, with->act, c->y.data, c->x[0].data, bert_matrix_size(&c->y));
    return 0;
}

static int activate_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_activate_with *with = c->with;
    bert_loop_act_backward(w->threads, with->act, f->dx[0], f->dy, c->x[0].data,
                           bert_matrix_size(&c->y));
    return 0;
}

static int dropout_forward(bert_worker *w, const bert_call *c) {
    run(w, &c->y, dropout_elements, (unary){.y = c->y.data, .x = c->x[0].data, .dropout = c->with});
    return 0;
}

static int dropout_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    run(w, &c->y, dropout_elements, (unary){.y = f->dx[0], .x = f->dy, .dropout = c->with});
    return 0;
}

const bert_op_row bert_cpu_add = {add_forward, add_backward};
const bert_op_row bert_cpu_sub = {sub_forward, sub_backward};
const bert_op_row bert_cpu_mul = {mul_forward, mul_backward};
const bert_op_row bert_cpu_scale = {scale_forward, scale_backward};
const bert_op_row bert_cpu_activate = {activate_forward, activate_backward};
const bert_op_row bert_cpu_dropout = {dropout_forward, dropout_backward};
