/* Every operation against plain double code: values directly, gradients by central differences of
 * that code. The cases are a table; an operation without a case fails the test. */
#include "base/rng.h"
#include "levels.h"
#include "plain_device.h"
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

static double act_value(bert_act act, double x) {
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
static void naive_linear(double *y, int ld, const double *x, const double *w, const double *b,
                         int n, int k, int m) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < m; j++) {
            double s = b ? b[j] : 0;
            for (int l = 0; l < k; l++) s += x[i * k + l] * w[j * k + l];
            y[i * ld + j] = s;
        }
}

static void naive_softmax(double *y, const double *x, int n) {
    double max = x[0], sum = 0;
    for (int i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
    for (int i = 0; i < n; i++) sum += y[i] = exp(x[i] - max);
    for (int i = 0; i < n; i++) y[i] /= sum;
}

/* ---- cases: run and naive of each */

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

enum { HEADS = 2, HEAD = 4, H = HEADS * HEAD };
static const int32_t sequences[] = {0, 5, 6, 9};
static bert_tensor *run_attention(env *v, int arg) {
    const bert_attention_spec spec = {.heads = HEADS, .dropout = (float)arg / 100};
    return bert_attention(v->t, v->x[0], &spec, sequences, 3);
}
/* The terms of a score, or'ed together; the last two ways to turn. */
enum {
    SCALED = 1,
    WINDOW = 2,
    BIASED = 4,
    TURNED = 8,
    HALF_TURNED = 16,
    SLOPED = 32,
    MIXED = 64,
    REACH = 4
};
static const float slopes[] = {.5f, .125f};
static float angles[2][8]; /* cos and sin [5 - 1 positions .., 2 or 1] */
static bert_rotation rotation_of(int arg) {
    const int half = arg & TURNED ? 2 : 1;
    return (bert_rotation){2 * half, 4, angles[0], angles[1]};
}
static bert_tensor *run_attention_terms(env *v, int arg) {
    for (int i = 0; i < 8; i++) {
        angles[0][i] = (float)cos(0.7 * i);
        angles[1][i] = (float)sin(0.7 * i);
    }
    static const int32_t few[] = {0, 4, 5, 9};
    const bert_rotation rotation = rotation_of(arg);
    const bert_attention_spec spec = {.heads = HEADS,
                                      .scale = arg & SCALED ? 0.3f : 0,
                                      .window = arg & WINDOW ? 1 : 0,
                                      .rotation = arg & (TURNED | HALF_TURNED) ? &rotation : NULL,
                                      .slopes = arg & SLOPED ? slopes : NULL,
                                      .interleaved = arg & MIXED,
                                      .bias = arg & BIASED ? v->x[1] : NULL};
    return bert_attention(v->t, v->x[0], &spec, few, 3);
}
/* The columns of a head's query or key at place i of its sequence. */
static void naive_turn(double *y, const double *x, int i, int arg) {
    const int half = arg & TURNED ? 2 : arg & HALF_TURNED ? 1 : 0;
    memcpy(y, x, HEAD * sizeof *y);
    for (int c = 0; c < half; c++) {
        const double cos = angles[0][i * half + c], sin = angles[1][i * half + c];
        y[c] = x[c] * cos - x[c + half] * sin;
        y[c + half] = x[c + half] * cos + x[c] * sin;
    }
}
static void naive_attention_terms(double *y, const double *const *in, int arg) {
    static const int few[] = {0, 4, 5, 9};
    const int part = arg & MIXED ? HEAD : H, head = arg & MIXED ? 3 * HEAD : HEAD;
    for (int s = 0; s < 3; s++)
        for (int h = 0; h < HEADS; h++)
            for (int i = 0; i < few[s + 1] - few[s]; i++) {
                const double *x = in[0] + few[s] * 3 * H + h * head;
                double p[4] = {0}, q[HEAD], k[HEAD];
                int seen = 0, first = 0;
                naive_turn(q, x + i * 3 * H, i, arg);
                for (int j = 0; j < few[s + 1] - few[s]; j++) {
                    if (arg & WINDOW && abs(i - j) > 1) continue;
                    if (!seen) first = j;
                    naive_turn(k, x + j * 3 * H + part, j, arg);
                    for (int c = 0; c < HEAD; c++) p[seen] += q[c] * k[c];
                    p[seen] *= arg & SCALED ? (double)0.3f : 1 / sqrt(HEAD);
                    if (arg & SLOPED) p[seen] -= (double)slopes[h] * abs(i - j);
                    if (arg & BIASED) p[seen] += in[1][(j - i + REACH) * HEADS + h];
                    seen++;
                }
                naive_softmax(p, p, seen);
                for (int c = 0; c < HEAD; c++) {
                    double o = 0;
                    for (int j = 0; j < seen; j++)
                        o += p[j] * x[(first + j) * 3 * H + 2 * part + c];
                    y[(few[s] + i) * H + h * HEAD + c] = o;
                }
            }
}
/* Relative keys, 1, queries, 2, or both: rows of five distances, the furthest of which share one. */
enum { KEYS = 1, QUERIES = 2 };
static const int32_t row_of_distance[] = {1, 1, 0, 3, 2, 4, 4};
static bert_tensor *run_relative(env *v, int arg) {
    static const int32_t few[] = {0, 4, 5, 9};
    const bert_relative relative = {.rows = v->x[1],
                                    .keys = arg & KEYS,
                                    .queries = arg & QUERIES,
                                    .index = row_of_distance,
                                    .reach = 3};
    const bert_attention_spec spec = {.heads = HEADS, .scale = .3f, .relative = &relative};
    return bert_attention(v->t, v->x[0], &spec, few, 3);
}
static void naive_relative(double *y, const double *const *in, int arg) {
    static const int few[] = {0, 4, 5, 9};
    const int width = arg == (KEYS | QUERIES) ? 2 * H : H, queries = width - H;
    for (int s = 0; s < 3; s++)
        for (int h = 0; h < HEADS; h++)
            for (int i = 0; i < few[s + 1] - few[s]; i++) {
                const double *x = in[0] + few[s] * 3 * H + h * HEAD, *q = x + i * 3 * H;
                const int n = few[s + 1] - few[s];
                double p[4] = {0};
                for (int j = 0; j < n; j++) {
                    const double *k = x + j * 3 * H + H;
                    const double *r = in[1] + row_of_distance[j - i + 3] * width + h * HEAD;
                    for (int c = 0; c < HEAD; c++) {
                        p[j] += q[c] * k[c];
                        if (arg & KEYS) p[j] += q[c] * r[c];
                        if (arg & QUERIES) p[j] += k[c] * r[queries + c];
                    }
                    p[j] *= (double).3f;
                }
                naive_softmax(p, p, n);
                for (int c = 0; c < HEAD; c++) {
                    double o = 0;
                    for (int j = 0; j < n; j++) o += p[j] * x[j * 3 * H + 2 * H + c];
                    y[(few[s] + i) * H + h * HEAD + c] = o;
                }
            }
}
static void naive_attention(double *y, const double *const *in, int arg) {
    (void)arg;
    for (int s = 0; s < 3; s++)
        for (int h = 0; h < HEADS; h++)
            for (int i = sequences[s]; i < sequences[s + 1]; i++) {
                int first = sequences[s], len = sequences[s + 1] - first;
                double p[16];
                for (int j = 0; j < len; j++) {
                    p[j] = 0;
                    for (int c = 0; c < HEAD; c++)
                        p[j] += in[0][i * 3 * H + h * HEAD + c] *
                                in[0][(first + j) * 3 * H + H + h * HEAD + c] / sqrt(HEAD);
                }
                naive_softmax(p, p, len);
                for (int c = 0; c < HEAD; c++) {
                    double o = 0;
                    for (int j = 0; j < len; j++)
                        o += p[j] * in[0][(first + j) * 3 * H + 2 * H + h * HEAD + c];
                    y[i * H + h * HEAD + c] = o;
                }
            }
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

/* dropout(gelu(x w^T + b)), once to be kept and once to be run again. */
static bert_tensor *segment(bert_tape *t, const void *context, bert_tensor *x) {
    const bert_linear *l = context;
    return bert_dropout(t, bert_linear_act(t, *l, x, BERT_ACT_GELU), .3f);
}
static bert_tensor *run_checkpoint(env *v, int arg) {
    (void)arg;
    bert_linear l = {v->p[1], v->p[2]};
    bert_tensor *y = bert_checkpoint(v->t, segment, &l, sizeof l, v->x[0]);
    l = (bert_linear){0};
    return bert_add(v->t, y, v->x[0]);
}
static void naive_checkpoint(double *y, const double *const *in, int arg) {
    float mask[6 * 7];
    for (int i = 0; i < 42; i++) mask[i] = 1;
    bert_cpu()->dropout(mask, mask, 42, .3f, 42, 7 << 20, 0);
    naive_linear(y, 7, in[0], in[1], in[2], 6, 7, 7);
    for (int i = 0; i < 42; i++) y[i] = act_value((bert_act)arg, y[i]) * (double)mask[i] + in[0][i];
}

#define X(r, c)                                                                                    \
    { r, c, false }
#define P(r, c)                                                                                    \
    { r, c, true }
#define LINEAR                                                                                     \
    { X(6, 7), P(5, 7), P(1, 5) }
#define NORM                                                                                       \
    { X(NORM_ROWS, NORM_COLS), P(1, NORM_COLS), P(1, NORM_COLS), X(NORM_ROWS, NORM_COLS) }
#define CAT                                                                                        \
    { X(6, 7), P(4, 7), P(1, 4), P(5, 7), P(1, 5), P(3, 7), P(1, 3) }
#define FEED                                                                                       \
    { X(6, 7), P(5, 7), P(1, 5), P(3, 5), P(1, 3) }
#define GATED                                                                                      \
    { X(6, 7), P(10, 7), P(1, 10), P(3, 5), P(1, 3) }
#define GATED_OF_TWO                                                                               \
    { X(6, 7), P(5, 7), P(5, 7), P(1, 5), P(3, 5) }
#define ADAPTED_GATE                                                                               \
    { X(6, 7), P(10, 7), P(1, 10), P(3, 5), P(1, 3), P(2, 7), P(10, 2) }
#define ADAPTED                                                                                    \
    { X(6, 7), P(5, 7), P(1, 5), P(2, 7), P(5, 2) }
#define ADAPTED_CAT                                                                                \
    { X(6, 7), P(4, 7), P(1, 4), P(5, 7), P(1, 5), P(2, 7), P(5, 2) }
#define ADAPTED_FEED                                                                               \
    { X(6, 7), P(5, 7), P(1, 5), P(3, 5), P(1, 3), P(2, 5), P(3, 2) }
#define RELATIVE(name, arg, cols)                                                                  \
    {                                                                                              \
        name, &bert_op_attention, arg, run_relative, naive_relative, {X(9, 3 * H), X(5, cols)},    \
            false                                                                                  \
    }
#define TERMS(name, arg)                                                                           \
    {                                                                                              \
        name, &bert_op_attention, arg, run_attention_terms, naive_attention_terms,                 \
            {X(9, 3 * H), X(2 * REACH + 1, HEADS)}, false                                          \
    }
static const op_case cases[] = {
    {"param", &bert_op_param, 0, run_param, naive_param, {P(4, 5)}, false},
    {"linear", &bert_op_linear, BERT_ACT_NONE, run_linear, naive_linear_act, LINEAR, false},
    {"linear gelu", &bert_op_linear, BERT_ACT_GELU, run_linear, naive_linear_act, LINEAR, false},
    {"linear gelu_new", &bert_op_linear, BERT_ACT_GELU_NEW, run_linear, naive_linear_act, LINEAR,
     false},
    {"linear tanh", &bert_op_linear, BERT_ACT_TANH, run_linear, naive_linear_act, LINEAR, false},
    {"linear of 2", &bert_op_linear, 2, run_linear_cat, naive_linear_cat, CAT, false},
    {"linear of 3", &bert_op_linear, 3, run_linear_cat, naive_linear_cat, CAT, false},
    {"linear adapted", &bert_op_linear, BERT_ACT_GELU, run_adapted, naive_adapted_linear, ADAPTED,
     false},
    {"linear of 2 adapted", &bert_op_linear, 2, run_adapted_cat, naive_adapted_cat, ADAPTED_CAT,
     false},
    {"feed_forward adapted", &bert_op_feed_forward, BERT_ACT_TANH, run_adapted_feed,
     naive_adapted_feed, ADAPTED_FEED, false},
    {"linear tied", &bert_op_linear, 0, run_tied, naive_tied, {P(5, 3)}, false},
    {"linear onto",
     &bert_op_linear,
     0,
     run_linear_onto,
     naive_linear_onto,
     {X(6, 7), P(5, 7), P(1, 5), X(6, 5)},
     false},
    {"linear onto itself",
     &bert_op_linear,
     1,
     run_linear_onto,
     naive_linear_onto,
     {X(6, 7), P(7, 7), P(1, 7)},
     false},
    {"feed_forward onto",
     &bert_op_feed_forward,
     0,
     run_feed_onto,
     naive_feed_onto,
     {X(6, 7), P(5, 7), P(1, 5), P(3, 5), P(1, 3), X(6, 3)},
     false},
    {"feed_forward gate onto",
     &bert_op_feed_forward,
     1,
     run_feed_onto,
     naive_feed_onto,
     {X(6, 7), P(10, 7), P(1, 10), P(3, 5), P(1, 3), X(6, 3)},
     false},
    {"feed_forward", &bert_op_feed_forward, BERT_ACT_GELU, run_feed_forward, naive_feed_forward,
     FEED, false},
    {"feed_forward none", &bert_op_feed_forward, BERT_ACT_NONE, run_feed_forward,
     naive_feed_forward, FEED, false},
    {"feed_forward gate first", &bert_op_feed_forward, BERT_ACT_GELU, run_gated, naive_gated, GATED,
     false},
    {"feed_forward gate second", &bert_op_feed_forward, 100 + BERT_ACT_SILU, run_gated, naive_gated,
     GATED, false},
    {"feed_forward gate of two", &bert_op_feed_forward, BERT_ACT_GELU_NEW, run_gated_of_two,
     naive_gated_of_two, GATED_OF_TWO, false},
    {"feed_forward second of two", &bert_op_feed_forward, 100 + BERT_ACT_SILU, run_gated_of_two,
     naive_gated_of_two, GATED_OF_TWO, false},
    {"feed_forward gate adapted", &bert_op_feed_forward, 100 + BERT_ACT_GELU, run_adapted_gate,
     naive_adapted_gate, ADAPTED_GATE, false},
    {"matmul", &bert_op_matmul, 0, run_matmul, naive_matmul, {X(4, 5), X(5, 6)}, false},
    {"matmul b^T", &bert_op_matmul, 1, run_matmul, naive_matmul, {X(4, 5), X(6, 5)}, false},
    {"add", &bert_op_add, 1, run_add, naive_add, {X(4, 5), X(4, 5)}, false},
    {"add itself", &bert_op_add, 0, run_add, naive_add, {X(4, 5)}, false},
    {"add row", &bert_op_add, 1, run_add, naive_add_row, {X(4, 5), X(1, 5)}, false},
    {"sub", &bert_op_sub, 1, run_sub, naive_sub, {X(4, 5), X(4, 5)}, false},
    {"mul", &bert_op_mul, 1, run_mul, naive_mul, {X(4, 5), X(4, 5)}, false},
    {"mul itself", &bert_op_mul, 0, run_mul, naive_mul, {X(4, 5)}, false},
    {"mul row", &bert_op_mul, 1, run_mul, naive_mul_row, {X(4, 5), X(1, 5)}, false},
    {"scale", &bert_op_scale, -3, run_scale, naive_scale, {X(4, 5)}, false},
    {"none", &bert_op_activate, BERT_ACT_NONE, run_activate, naive_activate, {X(6, 10)}, false},
    {"gelu", &bert_op_activate, BERT_ACT_GELU, run_activate, naive_activate, {X(6, 10)}, false},
    {"gelu_new",
     &bert_op_activate,
     BERT_ACT_GELU_NEW,
     run_activate,
     naive_activate,
     {X(6, 10)},
     false},
    {"relu", &bert_op_activate, BERT_ACT_RELU, run_activate, naive_activate, {X(6, 10)}, true},
    {"tanh", &bert_op_activate, BERT_ACT_TANH, run_activate, naive_activate, {X(6, 10)}, false},
    {"sigmoid",
     &bert_op_activate,
     BERT_ACT_SIGMOID,
     run_activate,
     naive_activate,
     {X(6, 10)},
     false},
    {"silu", &bert_op_activate, BERT_ACT_SILU, run_activate, naive_activate, {X(6, 10)}, false},
    {"mish", &bert_op_activate, BERT_ACT_MISH, run_activate, naive_activate, {X(6, 10)}, false},
    {"relu2", &bert_op_activate, BERT_ACT_RELU2, run_activate, naive_activate, {X(6, 10)}, true},
    {"linear quick_gelu", &bert_op_linear, BERT_ACT_QUICK_GELU, run_linear, naive_linear_act,
     LINEAR, false},
    {"linear hardswish", &bert_op_linear, BERT_ACT_HARDSWISH, run_linear, naive_linear_act, LINEAR,
     false},
    {"dropout", &bert_op_dropout, 30, run_dropout, naive_dropout, {X(6, 10)}, false},
    {"dropout over", &bert_op_dropout, -30, run_dropout, naive_dropout, {X(6, 10)}, false},
    {"layer_norm", &bert_op_layer_norm, 0, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm + r", &bert_op_layer_norm, 1, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm + x", &bert_op_layer_norm, 2, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm unbiased", &bert_op_layer_norm, 4, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm unbiased + r", &bert_op_layer_norm, 5, run_layer_norm, naive_layer_norm, NORM,
     false},
    {"softmax", &bert_op_softmax, 0, run_softmax, naive_softmax_rows, {X(4, 9)}, false},
    {"normalize_rows",
     &bert_op_normalize_rows,
     0,
     run_normalize,
     naive_normalize,
     {X(4, 9)},
     false},
    {"embedding", &bert_op_embedding, 0, run_embedding, naive_rows, {P(5, 6)}, false},
    {"rows", &bert_op_rows, 0, run_rows, naive_rows, {X(5, 6)}, false},
    {"attention", &bert_op_attention, 0, run_attention, naive_attention, {X(9, 3 * H)}, false},
    {"attention dropout", &bert_op_attention, 25, run_attention, NULL, {X(9, 3 * H)}, false},
    TERMS("attention scale", SCALED),
    TERMS("attention window", WINDOW),
    TERMS("attention bias", BIASED),
    TERMS("attention rotation", TURNED),
    TERMS("attention half rotation", HALF_TURNED),
    TERMS("attention slopes", SLOPED),
    TERMS("attention interleaved", MIXED | TURNED),
    TERMS("attention terms", SCALED | WINDOW | BIASED | TURNED | SLOPED),
    RELATIVE("attention relative keys", KEYS, H),
    RELATIVE("attention relative queries", QUERIES, H),
    RELATIVE("attention relative", KEYS | QUERIES, 2 * H),
    {"concat", &bert_op_concat, 0, run_concat, naive_concat, {X(4, 5), X(4, 3)}, false},
    {"slice", &bert_op_slice, 1, run_slice, naive_slice, {X(4, 5)}, false},
    {"operate", &bert_op_operate, 0, run_operate, naive_operate, {X(4, 5), X(4, 5)}, false},
    {"reshape", &bert_op_reshape, 0, run_reshape, naive_square, {X(4, 5)}, false},
    {"mean_groups", &bert_op_mean_groups, 0, run_groups, naive_groups, {X(10, 4)}, false},
    {"max_groups", &bert_op_max_groups, 1, run_groups, naive_groups, {X(10, 4)}, false},
    {"sum_groups", &bert_op_sum_groups, 2, run_groups, naive_groups, {X(10, 4)}, false},
    {"sum", &bert_op_sum, 0, run_sum, naive_sum, {X(4, 5)}, false},
    {"checkpoint",
     &bert_op_checkpoint,
     BERT_ACT_GELU,
     run_checkpoint,
     naive_checkpoint,
     {X(6, 7), P(7, 7), P(1, 7)},
     false},
    {"cross_entropy",
     &bert_op_cross_entropy,
     0,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy weights",
     &bert_op_cross_entropy,
     1,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy smoothing",
     &bert_op_cross_entropy,
     2,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy both",
     &bert_op_cross_entropy,
     3,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy all",
     &bert_op_cross_entropy,
     7,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy soft",
     &bert_op_cross_entropy,
     0,
     run_soft_entropy,
     naive_soft_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy soft all",
     &bert_op_cross_entropy,
     7,
     run_soft_entropy,
     naive_soft_entropy,
     {X(7, 5)},
     false},
    {"bce_with_logits", &bert_op_bce_with_logits, 0, run_bce, naive_bce, {X(4, 5)}, false},
    {"bce_with_logits divisor", &bert_op_bce_with_logits, 7, run_bce, naive_bce, {X(4, 5)}, false},
    {"mse", &bert_op_mse, 0, run_mse, naive_mse, {X(4, 5)}, false},
    {"mse divisor", &bert_op_mse, 7, run_mse, naive_mse, {X(4, 5)}, false},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- the checks */

static double leaf_value(const op_case *c, int leaf_number, int i) {
    bert_philox p = bert_philox_at(1, (uint64_t)leaf_number, (uint64_t)i);
    double x = ((double)p.v[0] - 0x1p31) / 0x1p30; /* -2 .. 2 */
    if (c->positive && fabs(x) < .05) x += x < 0 ? -.05 : .05;
    return (double)(float)x;
}

/* A tape with the case's leaves on it, from in. */
static env env_new(const op_case *c, bert_params *ps, bert_tape *t, double *const *in) {
    env v = {.t = t};
    float f[SIZE];
    bert_tape_reset(t);
    bert_tape_set_step(t, 7);
    for (int l = 0; l < LEAVES && c->leaves[l].rows; l++) {
        leaf s = c->leaves[l];
        for (int i = 0; i < s.rows * s.cols; i++) f[i] = (float)in[l][i];
        if (s.param) {
            char name[16];
            snprintf(name, sizeof name, "leaf%d", l);
            v.p[l] = bert_param_new(ps, name, s.rows, s.cols, BERT_INIT_ZERO, NULL);
            assert_int_equal(bert_param_write(v.p[l], f), 0);
        } else {
            v.x[l] = bert_constant(t, f, s.rows, s.cols, true);
        }
    }
    return v;
}

static double factor(int i) {
    return 1 + .37 * (i * 7 % 11) - .1 * (i % 5);
}

/* The number that is differentiated: results times fixed factors. */
static double naive_loss(const op_case *c, double *const *in, int size) {
    double y[SIZE], s = 0;
    c->naive(y, (const double *const *)in, c->arg);
    for (int i = 0; i < size; i++) s += factor(i) * y[i];
    return s;
}

static double run_loss(const op_case *c, bert_params *ps, bert_tape *t, double *const *in) {
    env v = env_new(c, ps, t, in);
    bert_tensor *y = c->run(&v, c->arg);
    const float *value = bert_tensor_read(t, y);
    double s = 0;
    for (int i = 0; i < y->rows * y->cols; i++) s += factor(i) * (double)value[i];
    return s;
}

static void check_leaf(const op_case *c, int l, const float *grad, bert_params *ps, bert_tape *t,
                       double *const *in, int y_size) {
    double difference = 0, norm = 0, h = c->naive ? 1e-5 : 4e-3;
    int n = c->leaves[l].rows * c->leaves[l].cols;
    float *g = malloc((size_t)n * sizeof *g);
    assert_non_null(g);
    for (int i = 0; i < n; i++) g[i] = grad ? grad[i] : 0;
    for (int i = 0; i < n; i++) {
        double x = in[l][i];
        in[l][i] = x + h;
        double up = c->naive ? naive_loss(c, in, y_size) : run_loss(c, ps, t, in);
        in[l][i] = x - h;
        double down = c->naive ? naive_loss(c, in, y_size) : run_loss(c, ps, t, in);
        in[l][i] = x;
        double d = (up - down) / (2 * h);
        difference += (d - (double)g[i]) * (d - (double)g[i]);
        norm += d * d;
    }
    free(g);
    double limit = c->naive ? 1e-6 : 1e-3;
    if (!(sqrt(difference) <= limit * sqrt(norm) + 1e-9))
        fail_msg("%s: gradient of leaf %d is off by %.2g relative (limit %g)", c->name, l,
                 sqrt(difference / norm), limit);
}

static void check_case(const op_case *c, bert_tape *t) {
    bert_params *ps = bert_params_new_on(t->worker.device, NULL, true, 1, .02f, NULL);
    double *in[LEAVES] = {0};
    for (int l = 0; l < LEAVES && c->leaves[l].rows; l++) {
        int n = c->leaves[l].rows * c->leaves[l].cols;
        assert_true(n <= SIZE);
        in[l] = malloc((size_t)n * sizeof **in);
        assert_non_null(in[l]);
        for (int i = 0; i < n; i++) in[l][i] = leaf_value(c, l, i);
    }
    env v = env_new(c, ps, t, in);
    bert_tensor *y = c->run(&v, c->arg);
    bert_error e = {0};
    if (!y) bert_tape_error(t, &e);
    if (!y) fail_msg("%s: %s", c->name, e.message);
    int size = y->rows * y->cols;
    if (c->naive) {
        const float *got = bert_tensor_read(t, y);
        double expected[SIZE], largest = 1;
        c->naive(expected, (const double *const *)in, c->arg);
        for (int i = 0; i < size; i++) largest = fmax(largest, fabs(expected[i]));
        for (int i = 0; i < size; i++)
            if (!(fabs((double)got[i] - expected[i]) <= 1e-6 * largest))
                fail_msg("%s: element %d is %.9g, not %.9g", c->name, i, (double)got[i],
                         expected[i]);
    }
    float factors[SIZE];
    for (int i = 0; i < size; i++) factors[i] = (float)factor(i);
    bert_tensor *r = bert_constant(t, factors, y->rows, y->cols, false);
    if (bert_tape_backward(t, bert_sum(t, bert_mul(t, y, r)), 1, &e))
        fail_msg("%s: %s", c->name, e.message);
    float *grads[LEAVES] = {0};
    for (int l = 0; l < LEAVES && in[l]; l++) {
        const float *g = v.x[l] ? bert_tensor_read_grad(t, v.x[l]) : NULL;
        size_t bytes = (size_t)(c->leaves[l].rows * c->leaves[l].cols) * sizeof *g;
        grads[l] = calloc(1, bytes);
        assert_non_null(grads[l]);
        if (g) memcpy(grads[l], g, bytes);
        if (v.p[l]) bert_param_read_grad(v.p[l], grads[l]);
    }
    for (int l = 0; l < LEAVES && in[l]; l++) check_leaf(c, l, grads[l], ps, t, in, size);
    for (int l = 0; l < LEAVES; l++) {
        free(grads[l]);
        free(in[l]);
    }
    bert_params_free(ps);
}

static void check_cases(const bert_device *device) {
    bert_tape_options o = bert_tape_default();
    o.threads = 1;
    o.training = true;
    o.gradient_checkpointing = true;
    o.device = device;
    bert_tape *t = bert_tape_new(&o, NULL);
    assert_non_null(t);
    for (int i = 0; i < CASES; i++) check_case(&cases[i], t);
    bert_tape_free(t);
}

static void test_cases(void **state) {
    (void)state;
    check_cases(NULL);
}

/* Every operation of a device that the host cannot look into. */
static void test_cases_on_the_plain_device(void **state) {
    (void)state;
    const long before = plain_device_calls();
    check_cases(&plain_device);
    assert_true(plain_device_calls() - before > 2 * CASES);
}

/* Labels that are all ignored, and classes of weight 0: the mean is NaN as PyTorch's, the part of a
 * larger sum is 0, and no gradient comes of either. */
static void check_losses_of_nothing(const bert_device *device) {
    static const float x[] = {1, 2, 3, 4, 5, 6}, weights[] = {0, 0, 1};
    static const int32_t of[][2] = {{-100, -100}, {0, 1}};
    bert_tape_options o = bert_tape_default();
    o.threads = 1;
    o.device = device;
    bert_tape *t = bert_tape_new(&o, NULL);
    for (int i = 0; i < 4; i++) {
        bert_error e = {0};
        const bool weighted = i & 1, mean = i & 2;
        bert_tape_reset(t);
        bert_tensor *logits = bert_constant(t, x, 2, 3, true);
        bert_tensor *loss =
            bert_cross_entropy(t, logits, of[weighted], weighted ? weights : NULL, mean ? 0 : 4, 0);
        if (bert_tape_backward(t, loss, 1, &e)) fail_msg("%s", e.message);
        if (mean) assert_true(isnan(bert_tensor_read(t, loss)[0]));
        if (!mean) assert_float_equal(bert_tensor_read(t, loss)[0], 0, 0);
        const float *g = bert_tensor_read_grad(t, logits);
        for (int k = 0; g && k < 6; k++) assert_float_equal(g[k], 0, 0);
    }
    bert_tape_free(t);
}

static void test_losses_of_nothing(void **state) {
    (void)state;
    check_losses_of_nothing(NULL);
    check_losses_of_nothing(&plain_device);
}

static void test_every_op_has_a_case(void **state) {
    (void)state;
    for (int i = 0; i < bert_ops_count; i++) {
        bool found = false;
        for (int c = 0; c < CASES; c++) found |= cases[c].op == bert_ops[i];
        if (!found) fail_msg("%s has no case", bert_ops[i]->name);
    }
}

int main(void) {
    if (!test_level()) return TEST_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cases_on_the_plain_device),
        cmocka_unit_test(test_losses_of_nothing),
        cmocka_unit_test(test_every_op_has_a_case),
    };
    return test_run_at_level(tests);
}
