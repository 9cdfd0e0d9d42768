#include "plain_device.h"
#include "base/rng.h"
#include "device/device.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- Memory: addresses without access, and as many bytes elsewhere that hold what is there */

static const size_t reserved = sizeof(void *) > 4 ? (size_t)1 << 34 : (size_t)1 << 28;
static struct {
    pthread_mutex_t lock;
    char *addresses, *bytes;
    atomic_size_t used;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};
static atomic_long calls;

static char *reserve(int access) {
    char *p = mmap(NULL, reserved, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) return p;
    perror("the plain device's memory");
    abort();
}

/* Where what lies at an address of the device is. */
static void *at(const void *address) {
    const size_t offset = (size_t)((const char *)address - memory.addresses);
    if (!address) return NULL;
    if (memory.addresses && offset < memory.used) return memory.bytes + offset;
    fprintf(stderr, "plain device: %p is not its memory\n", address);
    abort();
}

enum { PAGE = 1 << 16 };

/* Addresses are never used again: a stale one does not find what is new. The page before one holds
 * its size. */
static void *allocate(size_t bytes) {
    pthread_mutex_lock(&memory.lock);
    if (!memory.addresses) {
        memory.addresses = reserve(PROT_NONE);
        memory.bytes = reserve(PROT_READ | PROT_WRITE);
    }
    const size_t size = (bytes + PAGE - 1) / PAGE * PAGE, used = memory.used;
    char *address = NULL;
    if (size + PAGE <= reserved - used) {
        address = memory.addresses + used + PAGE;
        memory.used = used + PAGE + size;
        memcpy(at(address - PAGE), &size, sizeof size);
        memset(at(address), 0xff, bytes); /* NaN */
    }
    pthread_mutex_unlock(&memory.lock);
    return address;
}

static void release(void *address) {
    size_t size;
    if (!address) return;
    memcpy(&size, at((char *)address - PAGE), sizeof size);
    madvise(at(address), size, MADV_DONTNEED);
}

static void to_device(void *to, const void *from, size_t bytes) {
    memcpy(at(to), from, bytes);
}

static void from_device(void *to, const void *from, size_t bytes) {
    memcpy(to, at(from), bytes);
}

static void zero(void *to, size_t bytes) {
    memset(at(to), 0, bytes);
}

static void copy(bert_worker *w, float *y, const float *x, size_t n) {
    (void)w;
    memmove(at(y), at(x), n * sizeof *y);
}

static void add_to(bert_worker *w, float *y, const float *x, size_t n) {
    (void)w;
    float *to = at(y);
    const float *from = at(x);
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

static void fill(bert_worker *w, float *y, float value, size_t n) {
    (void)w;
    float *to = at(y);
    for (size_t i = 0; i < n; i++) to[i] = value;
}

long plain_device_calls(void) {
    return calls;
}

/* ---- What rows are given, as the device sees it */

typedef struct {
    float *a, *b, *y;          /* data of both inputs and the result */
    float *dy, *da, *db;       /* their gradients */
    float *dp[BERT_OP_PARAMS]; /* of parameters */
    size_t rows, cols;         /* of the result */
    size_t in, size;           /* elements of the first input, and of the result */
} view;

static view see(const bert_call *c, const bert_flow *f) {
    view v = {.a = at(c->x[0].data),
              .b = at(c->x[1].data),
              .y = at(c->y.data),
              .rows = (size_t)c->y.rows,
              .cols = (size_t)c->y.cols,
              .in = bert_matrix_size(&c->x[0]),
              .size = bert_matrix_size(&c->y)};
    calls++;
    if (!f) return v;
    v.dy = at(f->dy);
    v.da = at(f->dx[0]);
    v.db = at(f->dx[1]);
    for (int i = 0; i < BERT_OP_PARAMS; i++) v.dp[i] = at(f->dp[i]);
    return v;
}

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

static void activate(bert_act act, float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (float)acts[act].value((double)x[i]);
}

static void activate_back(bert_act act, float *dx, const float *dy, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) dx[i] = (float)((double)dy[i] * acts[act].slope((double)x[i]));
}

/* ---- linear, feed_forward, matmul */

/* y, of row length ld, = x w^T + bias */
static void linear(float *y, size_t ld, const float *x, const bert_weight *w, size_t rows) {
    const size_t in = (size_t)w->cols, out = (size_t)w->rows;
    const float *bias = at(w->bias);
    multiply(y, ld, false, (strided){x, in, 1}, (strided){at(w->value), 1, in}, rows, out, in);
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
        multiply(dx, in, add, (strided){dy, ld, 1}, (strided){at(w->value), in, 1}, rows, in, out);
}

static int linear_forward(bert_worker *worker, const bert_call *c) {
    (void)worker;
    const bert_linear_with *n = c->with;
    const view v = see(c, NULL);
    size_t first = 0;
    for (int i = 0; i < n->count; first += (size_t)n->w[i++].rows)
        linear(v.y + first, v.cols, v.a, &n->w[i], v.rows);
    if (n->pre) memcpy(at(n->pre), v.y, v.size * sizeof *v.y);
    activate(n->act, v.y, v.y, v.size);
    return 0;
}

static int linear_backward(bert_worker *worker, const bert_call *c, const bert_flow *f) {
    (void)worker;
    const bert_linear_with *n = c->with;
    const view v = see(c, f);
    size_t first = 0;
    if (n->pre) activate_back(n->act, v.dy, v.dy, at(n->pre), v.size);
    for (int i = 0; i < n->count; first += (size_t)n->w[i++].rows)
        linear_back(&n->w[i], v.a, v.dy + first, v.cols, v.rows, v.da, f->add[0] || i, v.dp[2 * i],
                    v.dp[2 * i + 1]);
    return 0;
}

static int feed_forward_forward(bert_worker *worker, const bert_call *c) {
    (void)worker;
    const bert_feed_forward_with *n = c->with;
    const view v = see(c, NULL);
    const size_t inner = (size_t)n->up.rows, size = v.rows * inner;
    float *h = malloc(size * sizeof *h);
    if (!h) return BERT_ENOMEM;
    linear(h, inner, v.a, &n->up, v.rows);
    if (n->pre) memcpy(at(n->pre), h, size * sizeof *h);
    activate(n->act, h, h, size);
    linear(v.y, v.cols, h, &n->down, v.rows);
    free(h);
    return 0;
}

static int feed_forward_backward(bert_worker *worker, const bert_call *c, const bert_flow *f) {
    (void)worker;
    const bert_feed_forward_with *n = c->with;
    const view v = see(c, f);
    const size_t inner = (size_t)n->up.rows, size = v.rows * inner;
    float *h = calloc(size, sizeof *h), *dh = calloc(size, sizeof *dh);
    if (h && dh) {
        activate(n->act, h, at(n->pre), size);
        linear_back(&n->down, h, v.dy, v.cols, v.rows, dh, false, v.dp[2], v.dp[3]);
        activate_back(n->act, dh, dh, at(n->pre), size);
        linear_back(&n->up, v.a, dh, inner, v.rows, v.da, f->add[0], v.dp[0], v.dp[1]);
    }
    const int rc = h && dh ? 0 : BERT_ENOMEM;
    free(h);
    free(dh);
    return rc;
}

static int matmul_forward(bert_worker *worker, const bert_call *c) {
    (void)worker;
    const bool swapped = ((const bert_matmul_with *)c->with)->transpose_b;
    const view v = see(c, NULL);
    const size_t depth = (size_t)c->x[0].cols, b = (size_t)c->x[1].cols;
    multiply(v.y, v.cols, false, (strided){v.a, depth, 1},
             swapped ? (strided){v.b, 1, b} : (strided){v.b, b, 1}, v.rows, v.cols, depth);
    return 0;
}

static int matmul_backward(bert_worker *worker, const bert_call *c, const bert_flow *f) {
    (void)worker;
    const bool swapped = ((const bert_matmul_with *)c->with)->transpose_b;
    const view v = see(c, f);
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

/* ---- Elements */

/* The element of b that meets element i of a. */
static size_t other(const bert_call *c, size_t i) {
    return c->x[1].rows == c->x[0].rows ? i : i % (size_t)c->y.cols;
}

static int add_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = v.a[i] + v.b[other(c, i)];
    return 0;
}

static int add_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    memset(v.db, 0, v.cols * sizeof *v.db);
    for (size_t i = 0; i < v.size; i++) v.db[i % v.cols] += v.dy[i];
    return 0;
}

static int sub_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = v.a[i] - v.b[i];
    return 0;
}

static int sub_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    for (size_t i = 0; i < v.size; i++) v.db[i] = -v.dy[i];
    return 0;
}

static int mul_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = v.a[i] * v.b[other(c, i)];
    return 0;
}

static int mul_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    for (size_t i = 0; i < v.size && v.da; i++) v.da[i] = v.dy[i] * v.b[other(c, i)];
    if (v.db) memset(v.db, 0, bert_matrix_size(&c->x[1]) * sizeof *v.db);
    for (size_t i = 0; i < v.size && v.db; i++) v.db[other(c, i)] += v.dy[i] * v.a[i];
    return 0;
}

static int scale_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_scale_with *n = c->with;
    const view v = see(c, NULL);
    for (size_t i = 0; i < v.size; i++) v.y[i] = n->factor * v.a[i];
    return 0;
}

static int scale_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_scale_with *n = c->with;
    const view v = see(c, f);
    for (size_t i = 0; i < v.size; i++) v.da[i] = n->factor * v.dy[i];
    return 0;
}

static int activate_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    activate(((const bert_activate_with *)c->with)->act, v.y, v.a, v.size);
    return 0;
}

static int activate_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    activate_back(((const bert_activate_with *)c->with)->act, v.da, v.dy, v.a, v.size);
    return 0;
}

/* What element e of a mask is multiplied by. */
static float mask(float p, uint64_t seed, uint64_t stream, uint64_t e) {
    const uint32_t draw = bert_philox_at(seed, stream, e / 64 * 16 + e % 16).v[e / 16 % 4];
    return draw >= (uint32_t)((double)p * 4294967296.0) ? 1.0f / (1.0f - p) : 0;
}

static void drop(const bert_dropout_with *n, float *y, const float *x, size_t size) {
    for (size_t i = 0; i < size; i++) y[i] = x[i] * mask(n->p, n->seed, n->stream, i);
}

static int dropout_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    drop(c->with, v.y, v.a, v.size);
    return 0;
}

static int dropout_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    drop(c->with, v.da, v.dy, v.size);
    return 0;
}

/* ---- Each row */

static int layer_norm_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_layer_norm_with *n = c->with;
    const view v = see(c, NULL);
    const float *gamma = at(n->gamma), *beta = at(n->beta);
    float *stats = at(n->stats);
    for (size_t r = 0; r < v.rows; r++) {
        double mean = 0, variance = 0;
#define SUMMED(j) ((double)v.a[r * v.cols + (j)] + (v.b ? (double)v.b[r * v.cols + (j)] : 0))
        for (size_t j = 0; j < v.cols; j++) mean += SUMMED(j) / (double)v.cols;
        for (size_t j = 0; j < v.cols; j++)
            variance += (SUMMED(j) - mean) * (SUMMED(j) - mean) / (double)v.cols;
        const double inverse = 1 / sqrt(variance + (double)n->eps);
        for (size_t j = 0; j < v.cols; j++)
            v.y[r * v.cols + j] =
                (float)((SUMMED(j) - mean) * inverse * (double)gamma[j] + (double)beta[j]);
        if (stats) stats[2 * r] = (float)mean;
        if (stats) stats[2 * r + 1] = (float)inverse;
    }
    return 0;
}

static int layer_norm_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_layer_norm_with *n = c->with;
    const view v = see(c, f);
    const float *gamma = at(n->gamma), *stats = at(n->stats);
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

/* Returns log(sum(exp(x))); y may be x. */
static double softmax(float *y, const float *x, size_t n) {
    double most = (double)x[0], sum = 0;
    for (size_t i = 1; i < n; i++) most = fmax(most, (double)x[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - most);
    for (size_t i = 0; i < n; i++) y[i] = (float)(exp((double)x[i] - most) / sum);
    return most + log(sum);
}

static void softmax_back(float *dx, const float *dy, const float *y, size_t n) {
    double s = 0;
    for (size_t i = 0; i < n; i++) s += (double)dy[i] * (double)y[i];
    for (size_t i = 0; i < n; i++) dx[i] = (float)((double)y[i] * ((double)dy[i] - s));
}

static int softmax_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    for (size_t r = 0; r < v.rows; r++) softmax(v.y + r * v.cols, v.a + r * v.cols, v.cols);
    return 0;
}

static int softmax_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    for (size_t r = 0, i = 0; r < v.rows; r++, i += v.cols)
        softmax_back(v.da + i, v.dy + i, v.y + i, v.cols);
    return 0;
}

static int normalize_rows_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    float *inverse = at(((const bert_normalize_rows_with *)c->with)->inverse);
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
    const view v = see(c, f);
    const float *inverse = at(((const bert_normalize_rows_with *)c->with)->inverse);
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

/* ---- Rows by number, columns, groups */

static int embedding_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_embedding_with *n = c->with;
    const view v = see(c, NULL);
    const float *table = at(n->table);
    for (size_t i = 0; i < v.size; i++) {
        const float x = table[(size_t)n->ids[i / v.cols] * v.cols + i % v.cols];
        v.y[i] = v.a ? v.a[i] + x : x;
    }
    return 0;
}

static int embedding_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_embedding_with *n = c->with;
    const view v = see(c, f);
    for (size_t i = 0; i < v.size; i++) {
        const int32_t id = n->ids[i / v.cols];
        if (id != n->padding) v.dp[0][(size_t)id * v.cols + i % v.cols] += v.dy[i];
    }
    return 0;
}

static int rows_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const int32_t *index = ((const bert_rows_with *)c->with)->index;
    const view v = see(c, NULL);
    for (size_t i = 0; i < v.size; i++)
        v.y[i] = v.a[(size_t)index[i / v.cols] * v.cols + i % v.cols];
    return 0;
}

static int rows_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const int32_t *index = ((const bert_rows_with *)c->with)->index;
    const view v = see(c, f);
    if (!f->add[0]) memset(v.da, 0, v.in * sizeof *v.da);
    for (size_t i = 0; i < v.size; i++)
        v.da[(size_t)index[i / v.cols] * v.cols + i % v.cols] += v.dy[i];
    return 0;
}

static int concat_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    const size_t a = (size_t)c->x[0].cols, b = v.cols - a;
    for (size_t r = 0; r < v.rows; r++) {
        memcpy(v.y + r * v.cols, v.a + r * a, a * sizeof *v.y);
        memcpy(v.y + r * v.cols + a, v.b + r * b, b * sizeof *v.y);
    }
    return 0;
}

static int concat_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    const size_t a = (size_t)c->x[0].cols, b = v.cols - a;
    for (size_t r = 0; r < v.rows; r++) {
        if (v.da) memcpy(v.da + r * a, v.dy + r * v.cols, a * sizeof *v.da);
        if (v.db) memcpy(v.db + r * b, v.dy + r * v.cols + a, b * sizeof *v.db);
    }
    return 0;
}

static int slice_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    const size_t all = (size_t)c->x[0].cols,
                 first = (size_t)((const bert_slice_with *)c->with)->col;
    for (size_t r = 0; r < v.rows; r++)
        memcpy(v.y + r * v.cols, v.a + r * all + first, v.cols * sizeof *v.y);
    return 0;
}

static int slice_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    const size_t all = (size_t)c->x[0].cols,
                 first = (size_t)((const bert_slice_with *)c->with)->col;
    memset(v.da, 0, v.in * sizeof *v.da);
    for (size_t r = 0; r < v.rows; r++)
        memcpy(v.da + r * all + first, v.dy + r * v.cols, v.cols * sizeof *v.da);
    return 0;
}

typedef enum { MEAN, MAX, SUM } group_kind;

/* The row of a group whose element of column j counts for max. */
static size_t largest(const float *x, size_t cols, size_t begin, size_t end, size_t j) {
    size_t best = begin;
    for (size_t r = begin + 1; r < end && !isnan(x[best * cols + j]); r++)
        if (!(x[r * cols + j] <= x[best * cols + j])) best = r;
    return best;
}

static int groups(const bert_call *c, const bert_flow *f, group_kind kind) {
    const int32_t *start = ((const bert_groups_with *)c->with)->start;
    const view v = see(c, f);
    if (f) memset(v.da, 0, v.in * sizeof *v.da);
    for (size_t g = 0; g < v.rows; g++)
        for (size_t j = 0; j < v.cols; j++) {
            const size_t begin = (size_t)start[g], end = (size_t)start[g + 1];
            const size_t one = kind == MAX ? largest(v.a, v.cols, begin, end, j) : begin;
            const size_t stop = kind == MAX ? one + 1 : end;
            const double share = kind == MEAN ? 1 / (double)(end - begin) : 1;
            double s = 0;
            for (size_t r = one; r < stop; r++) {
                if (f) v.da[r * v.cols + j] = (float)((double)v.dy[g * v.cols + j] * share);
                s += (double)v.a[r * v.cols + j] * share;
            }
            if (!f) v.y[g * v.cols + j] = (float)s;
        }
    return 0;
}

#define GROUPS(name, kind)                                                                         \
    static int name##_forward(bert_worker *w, const bert_call *c) {                                \
        (void)w;                                                                                   \
        return groups(c, NULL, kind);                                                              \
    }                                                                                              \
    static int name##_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {           \
        (void)w;                                                                                   \
        return groups(c, f, kind);                                                                 \
    }
GROUPS(mean_groups, MEAN)
GROUPS(max_groups, MAX)
GROUPS(sum_groups, SUM)

static int sum_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const view v = see(c, NULL);
    double s = 0;
    for (size_t i = 0; i < v.in; i++) s += (double)v.a[i];
    *v.y = (float)s;
    return 0;
}

static int sum_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const view v = see(c, f);
    for (size_t i = 0; i < v.in; i++) v.da[i] = *v.dy;
    return 0;
}

/* ---- Attention */

/* A query of a head: what it is made of, and its probabilities. */
typedef struct {
    const bert_attention_with *with;
    const float *first;              /* queries of the sequence's first token, of the head */
    const float *bias;               /* of key 0, or NULL */
    size_t query, length, size, row; /* row: of queries, keys and values */
    size_t begin, end;               /* keys that it sees */
    double factor;
    uint64_t mask; /* its first draw */
} attention;

static attention attention_of(const bert_call *c, const bert_attention_with *n, int s, int h,
                              int query) {
    const size_t size = (size_t)n->head_size, row = 3 * size * (size_t)n->heads;
    const int length = n->start[s + 1] - n->start[s], w = n->window;
    const float *bias = at(c->x[1].data);
    return (attention){
        .with = n,
        .first = (float *)at(c->x[0].data) + (size_t)n->start[s] * row + (size_t)h * size,
        .bias = bias ? bias + (n->reach - query) * n->heads + h : NULL,
        .query = (size_t)query,
        .length = (size_t)length,
        .size = size,
        .row = row,
        .begin = (size_t)(w && query > w ? query - w : 0),
        .end = (size_t)(w && query + w + 1 < length ? query + w + 1 : length),
        .factor = n->scale != 0 ? (double)n->scale : 1 / sqrt((double)size),
        .mask = (((uint64_t)s * (uint64_t)n->heads + (uint64_t)h) << 16 | (uint64_t)query) << 16};
}

/* The query (which 0) or key (1) of a token, turned by its position, is out [size] of x; back: what
 * that does to a gradient. */
static void turn(const attention *a, size_t token, const float *x, double *out, bool back) {
    const size_t half = (size_t)a->with->turned / 2;
    for (size_t k = 0; k < a->size; k++) out[k] = (double)x[k];
    for (size_t k = 0; k < half; k++) {
        const double c = (double)a->with->cos[token * half + k],
                     s = (double)a->with->sin[token * half + k] * (back ? -1 : 1);
        out[k] = (double)x[k] * c - (double)x[k + half] * s;
        out[k + half] = (double)x[k + half] * c + (double)x[k] * s;
    }
}

static const float *part_of(const attention *a, int which, size_t token) {
    return a->first + token * a->row + (size_t)which * a->row / 3;
}

enum { MOST_HEAD = 256 };

/* p [length], 0 where nothing is seen; returns log(sum(exp(scores))). */
static double probabilities(const attention *a, float *p) {
    double q[MOST_HEAD], k[MOST_HEAD];
    memset(p, 0, a->length * sizeof *p);
    turn(a, a->query, part_of(a, 0, a->query), q, false);
    for (size_t j = a->begin; j < a->end; j++) {
        double s = 0;
        turn(a, j, part_of(a, 1, j), k, false);
        for (size_t i = 0; i < a->size; i++) s += q[i] * k[i];
        p[j] = (float)(s * a->factor);
        if (a->bias) p[j] += a->bias[j * (size_t)a->with->heads];
    }
    return softmax(p + a->begin, p + a->begin, a->end - a->begin);
}

static float kept(const attention *a, size_t key) {
    const bert_attention_with *n = a->with;
    return n->dropout > 0 ? mask(n->dropout, n->seed, n->stream, a->mask + key) : 1;
}

static int attention_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_attention_with *n = c->with;
    const view v = see(c, NULL);
    float *lse = at(n->lse), *shown = at(n->probabilities), *p = malloc(v.rows * sizeof *p);
    if (!p || n->head_size > MOST_HEAD) return BERT_ENOMEM;
    for (int s = 0; s < n->n; s++)
        for (int h = 0; h < n->heads; h++)
            for (int i = 0; i < n->start[s + 1] - n->start[s]; i++) {
                const attention a = attention_of(c, n, s, h, i);
                const size_t token = (size_t)(n->start[s] + i);
                const double sum = probabilities(&a, p);
                if (lse) lse[(size_t)h * v.rows + token] = (float)sum;
                if (shown) memcpy(shown, p, a.length * sizeof *p);
                if (shown) shown += a.length;
                for (size_t k = 0; k < a.size; k++) {
                    double y = 0;
                    for (size_t j = a.begin; j < a.end; j++)
                        y += (double)(p[j] * kept(&a, j)) * (double)part_of(&a, 2, j)[k];
                    v.y[token * v.cols + (size_t)h * a.size + k] = (float)y;
                }
            }
    free(p);
    return 0;
}

/* Adds the gradients of a query, of its keys and of its bias, ds [length] being those of its
 * scores; dqkv and dbias are those of the whole. */
static void scores_back(const attention *a, const bert_call *c, const float *ds, float *dqkv,
                        float *dbias) {
    const float *whole = at(c->x[0].data);
    double q[MOST_HEAD], k[MOST_HEAD], turned[MOST_HEAD];
    float dq[MOST_HEAD] = {0}, dk[MOST_HEAD];
    turn(a, a->query, part_of(a, 0, a->query), q, false);
    for (size_t j = a->begin; j < a->end; j++) {
        float *to = dqkv + (part_of(a, 1, j) - whole);
        turn(a, j, part_of(a, 1, j), k, false);
        for (size_t i = 0; i < a->size; i++) {
            dq[i] += (float)((double)ds[j] * a->factor * k[i]);
            dk[i] = (float)((double)ds[j] * a->factor * q[i]);
        }
        turn(a, j, dk, turned, true);
        for (size_t i = 0; i < a->size; i++) to[i] += (float)turned[i];
        if (dbias)
            dbias[(a->bias - (float *)at(c->x[1].data)) + (ptrdiff_t)j * a->with->heads] += ds[j];
    }
    turn(a, a->query, dq, turned, true);
    float *to = dqkv + (part_of(a, 0, a->query) - whole);
    for (size_t i = 0; i < a->size; i++) to[i] += (float)turned[i];
}

static int attention_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_attention_with *n = c->with;
    const view v = see(c, f);
    float *p = malloc((2 * v.rows + v.in) * sizeof *p), *ds = p + v.rows;
    if (!p) return BERT_ENOMEM;
    float *dqkv = v.da ? v.da : ds + v.rows; /* a bias alone may be what is trained */
    memset(dqkv, 0, v.in * sizeof *dqkv);
    if (v.db) memset(v.db, 0, bert_matrix_size(&c->x[1]) * sizeof *v.db);
    for (int s = 0; s < n->n; s++)
        for (int h = 0; h < n->heads; h++)
            for (int i = 0; i < n->start[s + 1] - n->start[s]; i++) {
                const attention a = attention_of(c, n, s, h, i);
                const float *dy = v.dy + (size_t)(n->start[s] + i) * v.cols + (size_t)h * a.size;
                probabilities(&a, p);
                for (size_t j = 0; j < a.length; j++) {
                    const float *value = part_of(&a, 2, j), m = kept(&a, j);
                    float *to = dqkv + (value - v.a);
                    double d = 0;
                    for (size_t k = 0; k < a.size; k++) {
                        d += (double)dy[k] * (double)value[k];
                        to[k] += p[j] * m * dy[k];
                    }
                    ds[j] = (float)d * m;
                }
                softmax_back(ds, ds, p, a.length);
                scores_back(&a, c, ds, dqkv, v.db);
            }
    free(p);
    return 0;
}

/* ---- Losses */

/* The loss of a row, or with dx its gradient. */
static double entropy(const bert_cross_entropy_with *n, const float *x, size_t cols, int32_t label,
                      float *dx, double scale) {
    double most = (double)x[0], sum = 0, loss = 0, weights = 0;
    for (size_t j = 1; j < cols; j++) most = fmax(most, (double)x[j]);
    for (size_t j = 0; j < cols; j++) sum += exp((double)x[j] - most);
#define TARGET(j)                                                                                  \
    (((j) == (size_t)label ? 1 - (double)n->smoothing : 0) + (double)n->smoothing / (double)cols)
#define WEIGHTED(j) (TARGET(j) * (n->weights ? (double)n->weights[j] : 1))
    for (size_t j = 0; j < cols; j++) {
        weights += WEIGHTED(j);
        loss += WEIGHTED(j) * (most + log(sum) - (double)x[j]);
    }
    for (size_t j = 0; j < cols && dx; j++)
        dx[j] = (float)(scale * (weights * exp((double)x[j] - most) / sum - WEIGHTED(j)));
    return loss;
}

static int cross_entropy_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_cross_entropy_with *n = c->with;
    const view v = see(c, NULL);
    const size_t cols = (size_t)c->x[0].cols;
    double sum = 0;
    for (int32_t r = 0; r < c->x[0].rows; r++)
        if (n->labels[r] != BERT_NO_LABEL)
            sum += entropy(n, v.a + (size_t)r * cols, cols, n->labels[r], NULL, 0);
    *v.y = n->divisor > 0 ? (float)(sum / n->divisor) : NAN;
    return 0;
}

static int cross_entropy_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_cross_entropy_with *n = c->with;
    const view v = see(c, f);
    const size_t cols = (size_t)c->x[0].cols;
    for (int32_t r = 0; r < c->x[0].rows; r++) {
        float *dx = v.da + (size_t)r * cols;
        if (n->labels[r] == BERT_NO_LABEL)
            memset(dx, 0, cols * sizeof *dx);
        else
            entropy(n, v.a + (size_t)r * cols, cols, n->labels[r], dx,
                    n->divisor > 0 ? (double)*v.dy / n->divisor : 0);
    }
    return 0;
}

static int bce_with_logits_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_element_loss_with *n = c->with;
    const view v = see(c, NULL);
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
    const view v = see(c, f);
    for (size_t i = 0; i < v.in; i++)
        v.da[i] = (float)((double)*v.dy / n->divisor *
                          (1 / (1 + exp(-(double)v.a[i])) - (double)n->targets[i]));
    return 0;
}

static int mse_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_element_loss_with *n = c->with;
    const view v = see(c, NULL);
    double sum = 0;
    for (size_t i = 0; i < v.in; i++) sum += pow((double)v.a[i] - (double)n->targets[i], 2);
    *v.y = (float)(sum / n->divisor);
    return 0;
}

static int mse_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_element_loss_with *n = c->with;
    const view v = see(c, f);
    for (size_t i = 0; i < v.in; i++)
        v.da[i] =
            (float)((double)*v.dy / n->divisor * 2 * ((double)v.a[i] - (double)n->targets[i]));
    return 0;
}

/* ---- The optimizer's step */

static int norm(bert_worker *w, const bert_adamw_item *items, int count, double *squares,
                int *broken) {
    (void)w;
    *squares = 0;
    *broken = -1;
    for (int i = 0; i < count; i++) {
        const float *g = at(items[i].grad);
        for (size_t j = 0; j < items[i].n; j++) {
            if (!isfinite(g[j]) && *broken < 0) *broken = i;
            *squares += (double)g[j] * (double)g[j];
        }
    }
    return 0;
}

static int step(bert_worker *w, const bert_adamw_step *s, const bert_adamw_item *items, int count) {
    (void)w;
    for (const bert_adamw_item *i = items; i < items + count; i++) {
        float *p = at(i->value), *g = at(i->grad), *m = at(i->m), *v = at(i->v);
        for (size_t j = 0; j < i->n; j++) {
            const double gradient = (double)g[j] * (double)s->grad_scale;
            m[j] = (float)(s->beta1 * (double)m[j] + (1 - s->beta1) * gradient);
            v[j] = (float)(s->beta2 * (double)v[j] + (1 - s->beta2) * gradient * gradient);
            const double root = sqrt((double)v[j] / (double)i->correction2) + (double)s->eps;
            double value = (double)p[j] * (1 - (double)i->lr * (double)i->weight_decay);
            value -= (double)i->lr / (double)i->correction1 * (double)m[j] / root;
            p[j] = (float)value;
            g[j] = 0;
        }
    }
    return 0;
}

/* ---- The table */

static int check(bert_precision p, bert_error *e) {
    (void)p, (void)e;
    return 0;
}

static int tokens(bert_precision p) {
    (void)p;
    return 32;
}

#define ROW(name)                                                                                  \
    [BERT_OP_##name] = &(const bert_op_row) {                                                      \
        name##_forward, name##_backward                                                            \
    }
const bert_device plain_device = {
    .name = "plain",
    .check = check,
    .tokens = tokens,
    .memory = {allocate, release},
    .write = to_device,
    .read = from_device,
    .zero = zero,
    .copy = copy,
    .add = add_to,
    .fill = fill,
    .norm = norm,
    .step = step,
    .ops = {ROW(linear),    ROW(feed_forward),  ROW(matmul),          ROW(add),
            ROW(sub),       ROW(mul),           ROW(scale),           ROW(activate),
            ROW(dropout),   ROW(layer_norm),    ROW(softmax),         ROW(normalize_rows),
            ROW(embedding), ROW(rows),          ROW(attention),       ROW(concat),
            ROW(slice),     ROW(mean_groups),   ROW(max_groups),      ROW(sum_groups),
            ROW(sum),       ROW(cross_entropy), ROW(bce_with_logits), ROW(mse)},
};
