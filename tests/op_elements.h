/* Cases of test_ops.c: elements, rows and groups of them, operations of one's own. */
#ifndef TEST_OP_ELEMENTS_H
#define TEST_OP_ELEMENTS_H
#include "op_case.h"

static bert_tensor *run_add(env *v, int arg) {
    return bert_add(v->t, v->x[0], v->x[arg]);
}
static void naive_add(double *y, const double *const *in, int arg) {
    for (int i = 0; i < 20; i++) y[i] = in[0][i] + in[arg][i];
}
static bert_tensor *run_sub(env *v, int arg) {
    return bert_sub(v->t, v->x[0], v->x[arg]);
}
static void naive_sub(double *y, const double *const *in, int arg) {
    for (int i = 0; i < 20; i++) y[i] = in[0][i] - in[arg][i];
}
static bert_tensor *run_mul(env *v, int arg) {
    return bert_mul(v->t, v->x[0], v->x[arg]);
}
static void naive_mul(double *y, const double *const *in, int arg) {
    for (int i = 0; i < 20; i++) y[i] = in[0][i] * in[arg][i];
}
static void naive_add_row(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) y[i] = in[0][i] + in[1][i % 5];
}
static void naive_mul_row(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) y[i] = in[0][i] * in[1][i % 5];
}

static bert_tensor *run_scale(env *v, int arg) {
    return bert_scale(v->t, v->x[0], (float)arg / 4);
}
static void naive_scale(double *y, const double *const *in, int arg) {
    for (int i = 0; i < 20; i++) y[i] = in[0][i] * arg / 4;
}

static bert_tensor *run_activate(env *v, int arg) {
    return bert_activate(v->t, v->x[0], (bert_act)arg);
}
static void naive_activate(double *y, const double *const *in, int arg) {
    for (int i = 0; i < 60; i++) y[i] = act_value((bert_act)arg, in[0][i]);
}

/* Negative: over its input. */
static bert_tensor *run_dropout(env *v, int arg) {
    if (arg > 0) return bert_dropout(v->t, v->x[0], (float)arg / 100);
    return bert_dropout_over(v->t, bert_scale(v->t, v->x[0], 1), (float)-arg / 100);
}
static void naive_dropout(double *y, const double *const *in, int arg) {
    float mask[60];
    for (int i = 0; i < 60; i++) mask[i] = 1;
    bert_cpu()->dropout(mask, mask, 60, (float)abs(arg) / 100, 42, 7 << 20, 0);
    for (int i = 0; i < 60; i++) y[i] = in[0][i] * (double)mask[i];
}

enum { NORM_ROWS = 70, NORM_COLS = 6 };
/* 1: with a residual of its own, 2: with x as its residual; 4: without a bias */
static bert_tensor *run_layer_norm(env *v, int arg) {
    bert_layer_norm n = {v->p[1], arg & 4 ? NULL : v->p[2], 1e-3f};
    arg &= 3;
    return bert_layer_norm_apply(v->t, &n, v->x[0], arg ? v->x[arg == 1 ? 3 : 0] : NULL);
}
static void naive_layer_norm(double *y, const double *const *in, int arg) {
    const bool biased = !(arg & 4);
    arg &= 3;
    for (int r = 0; r < NORM_ROWS; r++) {
        double x[NORM_COLS], mean = 0, var = 0;
        for (int c = 0; c < NORM_COLS; c++) {
            x[c] = in[0][r * NORM_COLS + c];
            if (arg) x[c] += in[arg == 1 ? 3 : 0][r * NORM_COLS + c];
            mean += x[c] / NORM_COLS;
        }
        for (int c = 0; c < NORM_COLS; c++) var += (x[c] - mean) * (x[c] - mean) / NORM_COLS;
        for (int c = 0; c < NORM_COLS; c++)
            y[r * NORM_COLS + c] =
                (x[c] - mean) / sqrt(var + (double)1e-3f) * in[1][c] + (biased ? in[2][c] : 0);
    }
}

static bert_tensor *run_softmax(env *v, int arg) {
    (void)arg;
    return bert_softmax(v->t, v->x[0]);
}
static void naive_softmax_rows(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int r = 0; r < 4; r++) naive_softmax(y + r * 9, in[0] + r * 9, 9);
}

static bert_tensor *run_normalize(env *v, int arg) {
    (void)arg;
    return bert_normalize_rows(v->t, v->x[0]);
}
static void naive_normalize(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int r = 0; r < 4; r++) {
        double s = 0;
        for (int c = 0; c < 9; c++) s += in[0][r * 9 + c] * in[0][r * 9 + c];
        for (int c = 0; c < 9; c++) y[r * 9 + c] = in[0][r * 9 + c] / sqrt(s);
    }
}

static const int32_t ids[] = {3, 1, 3, 0, 3, 2, 1, 4};
static bert_tensor *run_embedding(env *v, int arg) {
    (void)arg;
    return bert_embedding(v->t, v->p[0], ids, 8);
}
static bert_tensor *run_rows(env *v, int arg) {
    (void)arg;
    return bert_rows(v->t, v->x[0], ids, 8);
}
static void naive_rows(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int i = 0; i < 8 * 6; i++) y[i] = in[0][ids[i / 6] * 6 + i % 6];
}

static bert_tensor *run_concat(env *v, int arg) {
    (void)arg;
    return bert_concat(v->t, v->x[0], v->x[1]);
}
static void naive_concat(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int i = 0; i < 4 * 8; i++)
        y[i] = i % 8 < 5 ? in[0][i / 8 * 5 + i % 8] : in[1][i / 8 * 3 + i % 8 - 5];
}
static bert_tensor *run_slice(env *v, int arg) {
    return bert_slice(v->t, v->x[0], arg, 3);
}
static void naive_slice(double *y, const double *const *in, int arg) {
    for (int i = 0; i < 4 * 3; i++) y[i] = in[0][i / 3 * 5 + arg + i % 3];
}
/* y = a^2 b, by hand. */
static int own_forward(const bert_operands *x, float *y) {
    for (int i = 0; i < x->rows * x->cols; i++) y[i] = x->a[i] * x->a[i] * x->b[i];
    return 0;
}
static int own_backward(const bert_operands *x, const float *y, const float *dy, float *da,
                        float *db) {
    (void)y;
    for (int i = 0; i < x->rows * x->cols; i++) {
        if (da) da[i] = 2 * x->a[i] * x->b[i] * dy[i];
        if (db) db[i] = x->a[i] * x->a[i] * dy[i];
    }
    return 0;
}
static const bert_operation own_operation = {"own", own_forward, own_backward};
static bert_tensor *run_operate(env *v, int arg) {
    (void)arg;
    return bert_operate(v->t, &own_operation, v->x[0], v->x[1], 4, 5, NULL);
}
static void naive_operate(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int i = 0; i < 4 * 5; i++) y[i] = in[0][i] * in[0][i] * in[1][i];
}
/* Twice from one input, so that a contribution is added to another. */
static bert_tensor *run_reshape(env *v, int arg) {
    (void)arg;
    return bert_mul(v->t, bert_reshape(v->t, v->x[0], 10, 2), bert_reshape(v->t, v->x[0], 10, 2));
}
static void naive_square(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) y[i] = in[0][i] * in[0][i];
}

static const int32_t groups[] = {1, 4, 5, 9}; /* rows 0 and 9 belong to none */
typedef bert_tensor *group_fn(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n);
static group_fn *const group_fns[] = {bert_mean_groups, bert_max_groups, bert_sum_groups};
static bert_tensor *run_groups(env *v, int arg) {
    return group_fns[arg](v->t, v->x[0], groups, 3);
}
static void naive_groups(double *y, const double *const *in, int arg) {
    for (int g = 0; g < 3; g++)
        for (int c = 0; c < 4; c++) {
            double sum = 0, max = -INFINITY;
            for (int r = groups[g]; r < groups[g + 1]; r++) {
                sum += in[0][r * 4 + c];
                max = fmax(max, in[0][r * 4 + c]);
            }
            y[g * 4 + c] = arg == 1 ? max : arg == 0 ? sum / (groups[g + 1] - groups[g]) : sum;
        }
}

static bert_tensor *run_sum(env *v, int arg) {
    (void)arg;
    return bert_sum(v->t, v->x[0]);
}
static void naive_sum(double *y, const double *const *in, int arg) {
    (void)arg;
    y[0] = 0;
    for (int i = 0; i < 20; i++) y[0] += in[0][i];
}
#endif
