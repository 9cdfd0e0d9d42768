/* Cases of test_ops.c: losses. */
#ifndef TEST_OP_LOSSES_H
#define TEST_OP_LOSSES_H
#include "op_case.h"

/* arg: 1 weights, 2 smoothing, 4 a divisor, 8 no item counts */
static const int32_t labels[] = {2, -100, 0, 4, 2, 1, -100};
static const int32_t ignored[] = {-100, -100, -100, -100, -100, -100, -100};
static const float class_weights[] = {1, .5f, 2, .25f, 3};
static bert_tensor *run_cross_entropy(env *v, int arg) {
    return bert_cross_entropy(v->t, v->x[0], arg & 8 ? ignored : labels,
                              arg & 1 ? class_weights : NULL, arg & 4 ? 3.5 : 0, arg & 2 ? .1f : 0);
}
static void naive_cross_entropy(double *y, const double *const *in, int arg) {
    double sum = 0, items = 0, smoothing = arg & 2 ? (double).1f : 0;
    for (int r = 0; r < 7; r++) {
        if (labels[r] == -100) continue;
        double p[5];
        naive_softmax(p, in[0] + r * 5, 5);
        double w = arg & 1 ? (double)class_weights[labels[r]] : 1;
        sum -= (1 - smoothing) * w * log(p[labels[r]]);
        for (int c = 0; c < 5; c++)
            sum -= smoothing / 5 * (arg & 1 ? (double)class_weights[c] : 1) * log(p[c]);
        items += w;
    }
    y[0] = sum / (arg & 4 ? 3.5 : items);
}

static const float shares[] = {1,    0, 0,   0,   0,   .5f, .25f, .25f, 0,    0,   0, 0,
                               1,    0, 0,   .2f, .2f, .2f, .2f,  .2f,  .75f, 0,   0, 0,
                               .25f, 0, .5f, 0,   .5f, 0,   0,    .1f,  0,    .9f, 0};
static bert_tensor *run_soft_entropy(env *v, int arg) {
    return bert_soft_cross_entropy(v->t, v->x[0], shares, arg & 1 ? class_weights : NULL,
                                   arg & 4 ? 3.5 : 0, arg & 2 ? .1f : 0);
}
static void naive_soft_entropy(double *y, const double *const *in, int arg) {
    const double smoothing = arg & 2 ? (double).1f : 0;
    y[0] = 0;
    for (int r = 0; r < 7; r++) {
        double p[5];
        naive_softmax(p, in[0] + r * 5, 5);
        for (int c = 0; c < 5; c++)
            y[0] -= ((1 - smoothing) * (double)shares[r * 5 + c] + smoothing / 5) *
                    (arg & 1 ? (double)class_weights[c] : 1) * log(p[c]);
    }
    y[0] /= arg & 4 ? 3.5 : 7;
}

static const float targets[] = {0,    1, 1, .5f, 0, 1, .25f, -1, 2, 0,
                                1.5f, 1, 0, 0,   1, 1, 0,    1,  0, .75f};
static bert_tensor *run_bce(env *v, int arg) {
    return bert_bce_with_logits(v->t, v->x[0], targets, arg);
}
static void naive_bce(double *y, const double *const *in, int arg) {
    y[0] = 0;
    for (int i = 0; i < 20; i++)
        y[0] -= (double)targets[i] * log(1 / (1 + exp(-in[0][i]))) +
                (1 - (double)targets[i]) * log(1 / (1 + exp(in[0][i])));
    y[0] /= arg ? arg : 20;
}
static bert_tensor *run_mse(env *v, int arg) {
    return bert_mse(v->t, v->x[0], targets, arg);
}
static void naive_mse(double *y, const double *const *in, int arg) {
    y[0] = 0;
    for (int i = 0; i < 20; i++) y[0] += pow(in[0][i] - (double)targets[i], 2);
    y[0] /= arg ? arg : 20;
}
#endif
