#include "base/rng.h"
#include "plain_rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Operations on elements and on rows. */

/* ---- Activations */

#define PI 3.14159265358979323846
static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double gelu(double x) {
    return 0.5 * x * erfc(-x / sqrt(2));
}

static double gelu_slope(double x) {
    return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * PI);
}

/* tanh of gelu_new, and of mish */
static double bent(double x) {
    return tanh(sqrt(2 / PI) * (x + 0.044715 * x * x * x));
}

static double soft(double x) {
    return tanh(log1p(exp(x)));
}

/* A function of x and its slope, by the activation's name. */
#define ACT(name, value, slope)                                                                    \
    static double name##_of(double x) {                                                            \
        return value;                                                                              \
    }                                                                                              \
    static double name##_slope_of(double x) {                                                      \
        return slope;                                                                              \
    }
#define ACTS(X)                                                                                    \
    X(NONE, x, 1 + 0 * x)                                                                          \
    X(GELU, gelu(x), gelu_slope(x))                                                                \
    X(GELU_NEW, 0.5 * x * (1 + bent(x)),                                                           \
      0.5 * (1 + bent(x)) +                                                                        \
          0.5 * x * (1 - bent(x) * bent(x)) * sqrt(2 / PI) * (1 + 3 * 0.044715 * x * x))           \
    X(RELU, fmax(x, 0), x > 0)                                                                     \
    X(TANH, tanh(x), 1 - tanh(x) * tanh(x))                                                        \
    X(SIGMOID, sigmoid(x), sigmoid(x) * sigmoid(-x))                                               \
    X(SILU, x *sigmoid(x), sigmoid(x) * (1 + x * sigmoid(-x)))                                     \
    X(QUICK_GELU, x *sigmoid(1.702 * x),                                                           \
      sigmoid(1.702 * x) * (1 + 1.702 * x * sigmoid(-1.702 * x)))                                  \
    X(GELU_10, fmin(gelu(x), 10), gelu(x) < 10 ? gelu_slope(x) : 0)                                \
    X(MISH, x *soft(x), soft(x) + x * (1 - soft(x) * soft(x)) * sigmoid(x))                        \
    X(HARDSWISH, x *fmin(fmax(x + 3, 0), 6) / 6, x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6)       \
    X(RELU6, fmin(fmax(x, 0), 6), x > 0 && x < 6)                                                  \
    X(RELU2, fmax(x, 0) * fmax(x, 0), 2 * fmax(x, 0))                                              \
    X(LEAKY_RELU, x > 0 ? x : 0.01 * x, x > 0 ? 1 : 0.01)
ACTS(ACT)
static const struct {
    double (*value)(double x);
    double (*slope)(double x);
} acts[BERT_ACT_COUNT] = {
#define ACT_ROW(name, value, slope) [BERT_ACT_##name] = {name##_of, name##_slope_of},
    ACTS(ACT_ROW)};

void plain_activate(bert_act act, float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (float)acts[act].value((double)x[i]);
}

void plain_activate_back(bert_act act, float *dx, const float *dy, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) dx[i] = (float)((double)dy[i] * acts[act].slope((double)x[i]));
}

/* What element e of a mask is multiplied by. */
float plain_mask(float p, uint64_t seed, uint64_t stream, uint64_t e) {
    const uint32_t draw = bert_philox_at(seed, stream, e / 64 * 16 + e % 16).v[e / 16 % 4];
    return draw >= (uint32_t)((double)p * 4294967296.0) ? 1.0f / (1.0f - p) : 0;
}

/* ---- Elements */

/* The element of b that meets element i of a. */
static size_t other(const bert_call *c, size_t i) {
    return c->x[1].rows == c->x[0].rows ? i : i % (size_t)c->y.cols;
}

static int add_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = v.a[i] + v.b[other(c, i)];
    return 0;
}

static int add_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    memset(v.db, 0, v.cols * sizeof *v.db);
    for (size_t i = 0; i < v.size; i++) v.db[i % v.cols] += v.dy[i];
    return 0;
}

static int sub_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = v.a[i] - v.b[i];
    return 0;
}

static int sub_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    for (size_t i = 0; i < v.size; i++) v.db[i] = -v.dy[i];
    return 0;
}

static int mul_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = v.a[i] * v.b[other(c, i)];
    return 0;
}

static int mul_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    for (size_t i = 0; i < v.size && v.da; i++) v.da[i] = v.dy[i] * v.b[other(c, i)];
    if (v.db) memset(v.db, 0, bert_matrix_size(&c->x[1]) * sizeof *v.db);
    for (size_t i = 0; i < v.size && v.db; i++) v.db[other(c, i)] += v.dy[i] * v.a[i];
    return 0;
}

static int scale_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_scale_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = n->factor * v.a[i];
    return 0;
}

static int scale_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_scale_with *n = c->with;
    const plain_view v = plain_see(c, f);
    for (size_t i = 0; i < v.size; i++) v.da[i] = n->factor * v.dy[i];
    return 0;
}

static int activate_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    plain_activate(((const bert_activate_with *)c->with)->act, v.y, v.a, v.size);
    return 0;
}

static int activate_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    plain_activate_back(((const bert_activate_with *)c->with)->act, v.da, v.dy, v.a, v.size);
    return 0;
}

static void drop(const bert_dropout_with *n, float *y, const float *x, size_t size) {
    for (size_t i = 0; i < size; i++) y[i] = x[i] * plain_mask(n->p, n->seed, n->stream, i);
}

static int dropout_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    drop(c->with, v.y, v.a, v.size);
    return 0;
}

static int dropout_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    drop(c->with, v.da, v.dy, v.size);
    return 0;
}

/* Returns log(sum(exp(x))); y may be x. */
double plain_softmax(float *y, const float *x, size_t n) {
    double most = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++) most = fmax(most, (double)x[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - most);
    for (size_t i = 0; i < n; i++) y[i] = (float)(exp((double)x[i] - most) / sum);
    return most + log(sum);
}

void plain_softmax_back(float *dx, const float *dy, const float *y, size_t n) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += (double)dy[i] * (double)y[i];
    for (size_t i = 0; i < n; i++) dx[i] = (float)((double)y[i] * ((double)dy[i] - s));
}

/* ---- Each row */

static int layer_norm_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_layer_norm_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    const float *gamma = plain_at(n->gamma), *beta = plain_at(n->beta);
    float *stats = plain_at(n->stats);
    for (size_t r = 0; r < v.rows; r++) {
        double mean = 0, variance = 0;
#define SUMMED(j) ((double)v.a[r * v.cols + (j)] + (v.b ? (double)v.b[r * v.cols + (j)] : 0))
        for (size_t j = 0; j < v.cols; j++) mean += SUMMED(j) / (double)v.cols;
        for (size_t j = 0; j < v.cols; j++)
            variance += (SUMMED(j) - mean) * (SUMMED(j) - mean) / (double)v.cols;
        const double inverse = 1 / sqrt(variance + (double)n->eps);
        for (size_t j = 0; j < v.cols; j++)
            v.y[r * v.cols + j] = (float)((SUMMED(j) - mean) * inverse * (double)gamma[j] +
                                          (beta ? (double)beta[j] : 0));
        if (stats) stats[2 * r] = (float)mean;
        if (stats) stats[2 * r + 1] = (float)inverse;
    }
    return 0;
}

static int layer_norm_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_layer_norm_with *n = c->with;
    const plain_view v = plain_see(c, f);
    const float *gamma = plain_at(n->gamma), *stats = plain_at(n->stats);
    for (size_t r = 0; r < v.rows; r++) {
        const double mean = (double)stats[2 * r], inverse = (double)stats[2 * r + 1];
        double sum = 0, product = 0;
#define NORMED(j) ((SUMMED(j) - mean) * inverse)
        for (size_t j = 0; j < v.cols; j++) {
            const double dy = (double)v.dy[r * v.cols + j], g = dy * (double)gamma[j];
            sum += g / (double)v.cols;
            product += g * NORMED(j) / (double)v.cols;
            if (v.dp[0]) v.dp[0][j] += (float)(dy * NORMED(j));
            if (v.dp[1]) v.dp[1][j] += (float)dy;
        }
        for (size_t j = 0; j < v.cols; j++) {
            const double g = (double)v.dy[r * v.cols + j] * (double)gamma[j];
            v.da[r * v.cols + j] = (float)((g - sum - NORMED(j) * product) * inverse);
        }
    }
    return 0;
}

static int softmax_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    for (size_t r = 0; r < v.rows; r++) plain_softmax(v.y + r * v.cols, v.a + r * v.cols, v.cols);
    return 0;
}

static int softmax_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    for (size_t r = 0, i = 0; r < v.rows; r++, i += v.cols)
        plain_softmax_back(v.da + i, v.dy + i, v.y + i, v.cols);
    return 0;
}

static int normalize_rows_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    float *inverse = plain_at(((const bert_normalize_rows_with *)c->with)->inverse);
    for (size_t r = 0; r < v.rows; r++) {
        double squares = 0;
        for (size_t j = 0; j < v.cols; j++)
            squares += (double)v.a[r * v.cols + j] * (double)v.a[r * v.cols + j];
        const double one = 1 / fmax(sqrt(squares), 1e-12);
        for (size_t j = 0; j < v.cols; j++)
            v.y[r * v.cols + j] = (float)((double)v.a[r * v.cols + j] * one);
        if (inverse) inverse[r] = (float)one;
    }
    return 0;
}

static int normalize_rows_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    const float *inverse = plain_at(((const bert_normalize_rows_with *)c->with)->inverse);
    for (size_t r = 0; r < v.rows; r++) {
        const float *dy = v.dy + r * v.cols, *y = v.y + r * v.cols;
        double s = 0;
        for (size_t j = 0; j < v.cols; j++) s += (double)dy[j] * (double)y[j];
        if (inverse[r] >= 1e12f) s = 0;
        for (size_t j = 0; j < v.cols; j++)
            v.da[r * v.cols + j] = (float)(((double)dy[j] - (double)y[j] * s) * (double)inverse[r]);
    }
    return 0;
}

PLAIN_ROW(add);
PLAIN_ROW(sub);
PLAIN_ROW(mul);
PLAIN_ROW(scale);
PLAIN_ROW(activate);
PLAIN_ROW(dropout);
PLAIN_ROW(layer_norm);
PLAIN_ROW(softmax);
PLAIN_ROW(normalize_rows);
