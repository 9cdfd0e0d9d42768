/* Cases of test_ops.c: products, feed-forward layers, adapters. */
#ifndef TEST_OP_PRODUCTS_H
#define TEST_OP_PRODUCTS_H
#include "op_case.h"

static bert_tensor *run_param(env *v, int arg) {
    (void)arg;
    return bert_param_tensor(v->t, v->p[0]);
}
static void naive_param(double *y, const double *const *in, int arg) {
    (void)arg;
    memcpy(y, in[0], 4 * 5 * sizeof *y);
}

static bert_tensor *run_linear(env *v, int arg) {
    return bert_linear_act(v->t, (bert_linear){v->p[1], v->p[2]}, v->x[0], (bert_act)arg);
}
static void naive_linear_act(double *y, const double *const *in, int arg) {
    naive_linear(y, 5, in[0], in[1], in[2], 6, 7, 5);
    for (int i = 0; i < 30; i++) y[i] = act_value((bert_act)arg, y[i]);
}

static bert_tensor *run_linear_cat(env *v, int arg) {
    bert_linear ls[3];
    for (int i = 0; i < arg; i++) ls[i] = (bert_linear){v->p[1 + 2 * i], v->p[2 + 2 * i]};
    return bert_linear_cat(v->t, ls, arg, v->x[0]);
}
static void naive_linear_cat(double *y, const double *const *in, int arg) {
    static const int cols[] = {4, 5, 3};
    int total = 0, first = 0;
    for (int i = 0; i < arg; i++) total += cols[i];
    for (int i = 0; i < arg; first += cols[i++])
        naive_linear(y + first, total, in[0], in[1 + 2 * i], in[2 + 2 * i], 6, 7, cols[i]);
}

static bert_tensor *run_feed_forward(env *v, int arg) {
    bert_linear up = {v->p[1], v->p[2]}, down = {v->p[3], v->p[4]};
    return bert_feed_forward(v->t, up, (bert_act)arg, down, v->x[0]);
}
static void naive_feed_forward(double *y, const double *const *in, int arg) {
    double h[6 * 5];
    naive_linear(h, 5, in[0], in[1], in[2], 6, 7, 5);
    for (int i = 0; i < 30; i++) h[i] = act_value((bert_act)arg, h[i]);
    naive_linear(y, 3, h, in[3], in[4], 6, 5, 3);
}

/* arg: the activation, and from 100 on the second half is the one that is activated. */
static bert_tensor *run_gated(env *v, int arg) {
    const bert_linear up = {v->p[1], v->p[2]}, down = {v->p[3], v->p[4]};
    return bert_feed_forward_gated(v->t, &up, 1, arg < 100 ? BERT_GATE_FIRST : BERT_GATE_SECOND,
                                   (bert_act)(arg % 100), down, v->x[0]);
}
static bert_tensor *run_gated_of_two(env *v, int arg) {
    const bert_linear up[] = {{v->p[1], NULL}, {v->p[2], v->p[3]}}, down = {v->p[4], NULL};
    return bert_feed_forward_gated(v->t, up, 2, arg < 100 ? BERT_GATE_FIRST : BERT_GATE_SECOND,
                                   (bert_act)(arg % 100), down, v->x[0]);
}
static void naive_gate(double *h, const double *both, int arg) {
    const int a = arg < 100 ? 0 : 5;
    for (int i = 0; i < 30; i++)
        h[i] = act_value((bert_act)(arg % 100), both[i / 5 * 10 + a + i % 5]) *
               both[i / 5 * 10 + 5 - a + i % 5];
}
static void naive_gated(double *y, const double *const *in, int arg) {
    double both[6 * 10], h[6 * 5];
    naive_linear(both, 10, in[0], in[1], in[2], 6, 7, 10);
    naive_gate(h, both, arg);
    naive_linear(y, 3, h, in[3], in[4], 6, 5, 3);
}
static void naive_gated_of_two(double *y, const double *const *in, int arg) {
    double both[6 * 10], h[6 * 5];
    naive_linear(both, 10, in[0], in[1], NULL, 6, 7, 5);
    naive_linear(both + 5, 10, in[0], in[2], in[3], 6, 7, 5);
    naive_gate(h, both, arg);
    naive_linear(y, 3, h, in[4], NULL, 6, 5, 3);
}

/* The last leaf is the residual; arg 1: it is the input, too. */
static bert_tensor *run_linear_onto(env *v, int arg) {
    return bert_linear_onto(v->t, (bert_linear){v->p[1], v->p[2]}, v->x[0], v->x[arg ? 0 : 3]);
}
static void naive_linear_onto(double *y, const double *const *in, int arg) {
    const int cols = arg ? 7 : 5;
    naive_linear(y, cols, in[0], in[1], in[2], 6, 7, cols);
    for (int i = 0; i < 6 * cols; i++) y[i] += in[arg ? 0 : 3][i];
}
static bert_tensor *run_feed_onto(env *v, int arg) {
    const bert_linear up = {v->p[1], v->p[2]}, down = {v->p[3], v->p[4]};
    return bert_feed_forward_onto(v->t, &up, 1, arg ? BERT_GATE_FIRST : BERT_GATE_NONE,
                                  BERT_ACT_GELU, down, v->x[0], v->x[5]);
}
static void naive_feed_onto(double *y, const double *const *in, int arg) {
    (arg ? naive_gated : naive_feed_forward)(y, in, BERT_ACT_GELU);
    for (int i = 0; i < 18; i++) y[i] += in[5][i];
}

/* Leaves from `first` on as the adapter of a weight. */
static bert_param *with_adapter(const env *v, int weight, int first) {
    static bert_adapter d;
    d = (bert_adapter){.a = v->p[first], .b = v->p[first + 1], .scale = .5f};
    v->p[weight]->adapter = &d;
    return v->p[weight];
}
/* w + scale b a, into sum. */
static const double *naive_adapted(double *sum, const double *w, const double *a, const double *b,
                                   int rows, int cols, int rank) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) {
            sum[i * cols + j] = w[i * cols + j];
            for (int k = 0; k < rank; k++)
                sum[i * cols + j] += .5 * b[i * rank + k] * a[k * cols + j];
        }
    return sum;
}

static bert_tensor *run_adapted(env *v, int arg) {
    return bert_linear_act(v->t, (bert_linear){with_adapter(v, 1, 3), v->p[2]}, v->x[0],
                           (bert_act)arg);
}
static void naive_adapted_linear(double *y, const double *const *in, int arg) {
    double w[35];
    naive_linear(y, 5, in[0], naive_adapted(w, in[1], in[3], in[4], 5, 7, 2), in[2], 6, 7, 5);
    for (int i = 0; i < 30; i++) y[i] = act_value((bert_act)arg, y[i]);
}

static bert_tensor *run_adapted_cat(env *v, int arg) {
    with_adapter(v, 3, 5);
    return run_linear_cat(v, arg);
}
static void naive_adapted_cat(double *y, const double *const *in, int arg) {
    double w[35];
    const double *const merged[] = {in[0], in[1], in[2],
                                    naive_adapted(w, in[3], in[5], in[6], 5, 7, 2), in[4]};
    naive_linear_cat(y, merged, arg);
}

static bert_tensor *run_adapted_feed(env *v, int arg) {
    with_adapter(v, 3, 5);
    return run_feed_forward(v, arg);
}
static void naive_adapted_feed(double *y, const double *const *in, int arg) {
    double w[15];
    const double *const merged[] = {in[0], in[1], in[2],
                                    naive_adapted(w, in[3], in[5], in[6], 3, 5, 2), in[4]};
    naive_feed_forward(y, merged, arg);
}

static bert_tensor *run_adapted_gate(env *v, int arg) {
    with_adapter(v, 1, 5);
    return run_gated(v, arg);
}
static void naive_adapted_gate(double *y, const double *const *in, int arg) {
    double w[70];
    const double *const merged[] = {in[0], naive_adapted(w, in[1], in[5], in[6], 10, 7, 2), in[2],
                                    in[3], in[4]};
    naive_gated(y, merged, arg);
}

static const int32_t tied_ids[] = {2, 0, 2, 4};
static bert_tensor *run_tied(env *v, int arg) {
    (void)arg;
    bert_tensor *x = bert_embedding(v->t, v->p[0], tied_ids, 4);
    return bert_linear_apply(v->t, (bert_linear){v->p[0], NULL}, x);
}
static void naive_tied(double *y, const double *const *in, int arg) {
    (void)arg;
    double x[12];
    for (int i = 0; i < 12; i++) x[i] = in[0][tied_ids[i / 3] * 3 + i % 3];
    naive_linear(y, 5, x, in[0], NULL, 4, 3, 5);
}

static bert_tensor *run_matmul(env *v, int arg) {
    return bert_matmul(v->t, v->x[0], v->x[1], arg);
}
static void naive_matmul(double *y, const double *const *in, int arg) {
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 6; j++) {
            y[i * 6 + j] = 0;
            for (int k = 0; k < 5; k++)
                y[i * 6 + j] += in[0][i * 5 + k] * (arg ? in[1][j * 5 + k] : in[1][k * 6 + j]);
        }
}
#endif
