#include "plain_rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows by number, columns, groups. */

static int embedding_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_embedding_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    const float *table = plain_at(n->table);
    for (size_t i = 0; i < v.size; i++) {
        const float x = table[(size_t)n->ids[i / v.cols] * v.cols + i % v.cols];
        v.y[i] = v.a ? v.a[i] + x : x;
    }
    return 0;
}

static int embedding_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_embedding_with *n = c->with;
    const plain_view v = plain_see(c, f);
    for (size_t i = 0; i < v.size; i++) {
        const int32_t id = n->ids[i / v.cols];
        if (id != n->padding) v.dp[0][(size_t)id * v.cols + i % v.cols] += v.dy[i];
    }
    return 0;
}

static int rows_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const int32_t *index = ((const bert_rows_with *)c->with)->index;
    const plain_view v = plain_see(c, NULL);
    for (size_t i = 0; i < v.size; i++)
        v.y[i] = v.a[(size_t)index[i / v.cols] * v.cols + i % v.cols];
    return 0;
}

static int rows_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const int32_t *index = ((const bert_rows_with *)c->with)->index;
    const plain_view v = plain_see(c, f);
    if (!f->add[0]) memset(v.da, 0, v.in * sizeof *v.da);
    for (size_t i = 0; i < v.size; i++)
        v.da[(size_t)index[i / v.cols] * v.cols + i % v.cols] += v.dy[i];
    return 0;
}

static int concat_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    const size_t a = (size_t)c->x[0].cols, b = v.cols - a;
    for (size_t r = 0; r < v.rows; r++) {
        memcpy(v.y + r * v.cols, v.a + r * a, a * sizeof *v.y);
        memcpy(v.y + r * v.cols + a, v.b + r * b, b * sizeof *v.y);
    }
    return 0;
}

static int concat_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    const size_t a = (size_t)c->x[0].cols, b = v.cols - a;
    for (size_t r = 0; r < v.rows; r++) {
        if (v.da) memcpy(v.da + r * a, v.dy + r * v.cols, a * sizeof *v.da);
        if (v.db) memcpy(v.db + r * b, v.dy + r * v.cols + a, b * sizeof *v.db);
    }
    return 0;
}

static int slice_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const plain_view v = plain_see(c, NULL);
    const size_t all = (size_t)c->x[0].cols,
                 first = (size_t)((const bert_slice_with *)c->with)->col;
    for (size_t r = 0; r < v.rows; r++)
        memcpy(v.y + r * v.cols, v.a + r * all + first, v.cols * sizeof *v.y);
    return 0;
}

static int slice_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
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
    const plain_view v = plain_see(c, f);
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
    const plain_view v = plain_see(c, NULL);
    double s = 0;
    for (size_t i = 0; i < v.in; i++) s += (double)v.a[i];
    *v.y = (float)s;
    return 0;
}

static int sum_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const plain_view v = plain_see(c, f);
    for (size_t i = 0; i < v.in; i++) v.da[i] = *v.dy;
    return 0;
}

PLAIN_ROW(embedding);
PLAIN_ROW(rows);
PLAIN_ROW(concat);
PLAIN_ROW(slice);
PLAIN_ROW(sum);
PLAIN_ROW(mean_groups);
PLAIN_ROW(max_groups);
PLAIN_ROW(sum_groups);
