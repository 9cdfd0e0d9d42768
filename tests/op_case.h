/* A case of an operation: how it is run on a tape, and plain double code that says what comes out. */
#ifndef TEST_OP_CASE_H
#define TEST_OP_CASE_H
#include "act_value.h"
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
