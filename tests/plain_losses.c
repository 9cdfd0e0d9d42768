#include "plain_rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The loss of row r, or with dx its gradient. */
static double entropy(const bert_cross_entropy_with *n, const float *x, size_t cols, int32_t r,
                      float *dx, double scale) {
    const float *soft = n->soft ? n->soft + (size_t)r * cols : NULL;
    x += (size_t)r * cols;
    double most = (double)x[0], sum = 0, loss = 0, weights = 0;
    for (size_t j = 1; j < cols; j++) most = fmax(most, (double)x[j]);
    for (size_t j = 0; j < cols; j++) sum += exp((double)x[j] - most);
#define SHARE(j) (soft ? (double)soft[j] : (double)((j) == (size_t)n->labels[r]))
#define TARGET(j) (SHARE(j) * (1 - (double)n->smoothing) + (double)n->smoothing / (double)cols)
#define WEIGHTED(j) (TARGET(j) * (n->weights ? (double)n->weights[j] : 1))
    for (size_t j = 0; j < cols; j++) {
        weights += WEIGHTED(j);
        loss += WEIGHTED(j) * (most + log(sum) - (double)x[j]);
    }
    for (size_t j = 0; j < cols && dx; j++)
        dx[j] = (float)(scale * (weights * exp((double)x[j] - most) / sum - WEIGHTED(j)));
    return loss;
}

static bool counts(const bert_cross_entropy_with *n, int32_t r) {
    return n->soft || n->labels[r] != BERT_NO_LABEL;
}

static int cross_entropy_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_cross_entropy_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    const size_t cols = (size_t)c->x[0].cols;
    double sum = 0;
    for (int32_t r = 0; r < c->x[0].rows; r++)
        if (counts(n, r)) sum += entropy(n, v.a, cols, r, NULL, 0);
    *v.y = n->divisor > 0 ? (float)(sum / n->divisor) : NAN;
    return 0;
}

static int cross_entropy_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_cross_entropy_with *n = c->with;
    const plain_view v = plain_see(c, f);
    const size_t cols = (size_t)c->x[0].cols;
    for (int32_t r = 0; r < c->x[0].rows; r++) {
        float *dx = v.da + (size_t)r * cols;
        if (!counts(n, r))
            memset(dx, 0, cols * sizeof *dx);
        else
            entropy(n, v.a, cols, r, dx, n->divisor > 0 ? (double)*v.dy / n->divisor : 0);
    }
    return 0;
}

static int bce_with_logits_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_element_loss_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    double sum = 0;
    for (size_t i = 0; i < v.in; i++) {
        const double x = (double)v.a[i];
        sum += fmax(x, 0) - x * (double)n->targets[i] + log1p(exp(-fabs(x)));
    }
    *v.y = (float)(sum / n->divisor);
    return 0;
}

static int bce_with_logits_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_element_loss_with *n = c->with;
    const plain_view v = plain_see(c, f);
    for (size_t i = 0; i < v.in; i++)
        v.da[i] = (float)((double)*v.dy / n->divisor *
                          (1 / (1 + exp(-(double)v.a[i])) - (double)n->targets[i]));
    return 0;
}

static int mse_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_element_loss_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    double sum = 0;
    for (size_t i = 0; i < v.in; i++) sum += pow((double)v.a[i] - (double)n->targets[i], 2);
    *v.y = (float)(sum / n->divisor);
    return 0;
}

static int mse_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_element_loss_with *n = c->with;
    const plain_view v = plain_see(c, f);
    for (size_t i = 0; i < v.in; i++)
        v.da[i] =
            (float)((double)*v.dy / n->divisor * 2 * ((double)v.a[i] - (double)n->targets[i]));
    return 0;
}

PLAIN_ROW(cross_entropy);
PLAIN_ROW(bce_with_logits);
PLAIN_ROW(mse);
