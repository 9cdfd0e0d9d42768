/* Cases of test_ops.c: attention and the terms of its scores. */
#ifndef TEST_OP_ATTENTION_H
#define TEST_OP_ATTENTION_H
#include "op_case.h"

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
#endif
