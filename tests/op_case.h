/* A case of an operation: how it is run on a tape, and plain double code that says what comes out. */
#ifndef TEST_OP_CASE_H
#define TEST_OP_CASE_H
#include "levels.h"
#include "tape/tape.h"
#include <math.h>

enum { LEAVES = 7, SIZE = 4096 };
typedef struct {
    int rows, cols;
    bool param;
} leaf;

typedef struct {
    bert_tape *t;
    bert_tensor *x[LEAVES]; /* the leaves that are tensors */
    bert_param *p[LEAVES];  /* and those that are parameters */
} env;

typedef struct {
    const char *name;
    const bert_op *op;
    int arg;
    bert_tensor *(*run)(env *v, int arg);
    void (*naive)(double *y, const double *const *in, int arg); /* NULL: differences of run */
    leaf leaves[LEAVES];
    bool positive; /* leaves have no element near 0, where the operation has an edge */
} op_case;

/* ---- plain code */

static inline double act_value(bert_act act, double x) {
    switch (act) {
    case BERT_ACT_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case BERT_ACT_GELU_NEW:
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case BERT_ACT_RELU:
        return x > 0 ? x : 0;
    case BERT_ACT_TANH:
        return tanh(x);
    case BERT_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case BERT_ACT_SILU:
        return x / (1 + exp(-x));
    case BERT_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case BERT_ACT_GELU_10:
        return fmin(10, 0.5 * x * (1 + erf(x / sqrt(2))));
    case BERT_ACT_MISH:
        return x * tanh(log1p(exp(x)));
    case BERT_ACT_HARDSWISH:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    case BERT_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    case BERT_ACT_RELU2:
        return x > 0 ? x * x : 0;
    case BERT_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.01 * x;
    default:
        return x;
    }
}

/* y [n, m] (leading dimension ld) = x [n, k] w^T + b */
static inline void naive_linear(double *y, int ld, const double *x, const double *w,
                                const double *b, int n, int k, int m) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) {
            double s = b ? b[j] : 0;
            for (int l = 0; l < k; l++) s += x[i * k + l] * w[j * k + l];
            y[i * ld + j] = s;
        }
}

static inline void naive_softmax(double *y, const double *x, int n) {
    double max = x[0], sum = 0;
    for (int i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
    for (int i = 0; i < n; i++) sum += y[i] = exp(x[i] - max);
    for (int i = 0; i < n; i++) y[i] /= sum;
}
#endif
