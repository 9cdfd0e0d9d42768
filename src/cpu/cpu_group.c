/* The CPU's rows for consecutive rows made one (mean, max, sum of each column), and for the sum of
 * all elements. */
#include "cpu/rows.h"
#include <string.h>

typedef enum { MEAN, MAX, SUM } group_kind;

typedef struct {
    group_kind kind;
    float *y;
    const float *x, *z, *dy;
    const int32_t *start;
    size_t cols;
} group;

/* y[c] = the larger; NaN wins, as in torch.max. */
static void larger(float *y, const float *x, size_t cols) {
    for (size_t c = 0; c < cols; c++) y[c] = x[c] > y[c] || x[c] != x[c] ? x[c] : y[c];
}

static void reduce_groups(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const group *o = context;
    const bert_kernels *k = bert_cpu();
    for (size_t g = begin; g < end; g++) {
        float *y = o->y + g * o->cols;
        memcpy(y, o->x + (size_t)o->start[g] * o->cols, o->cols * sizeof *y);
        for (int32_t r = o->start[g] + 1; r < o->start[g + 1]; r++) {
            const float *x = o->x + (size_t)r * o->cols;
            if (o->kind == MAX)
                larger(y, x, o->cols);
            else
                k->add(y, y, x, o->cols);
        }
        if (o->kind == MEAN) k->scale(y, y, 1 / (float)(o->start[g + 1] - o->start[g]), o->cols);
    }
}

/* The whole gradient goes to the first row that has the largest value (z: the results). */
static void largest_takes_all(const group *o, size_t g, const float *dy) {
    const float *z = o->z + g * o->cols;
    for (size_t c = 0; c < o->cols; c++) {
        bool taken = false;
        for (int32_t r = o->start[g]; r < o->start[g + 1]; r++) {
            size_t i = (size_t)r * o->cols + c;
            bool takes = !taken && (o->x[i] == z[c] || o->x[i] != o->x[i]);
            o->y[i] = takes ? dy[c] : 0;
            taken |= takes;
        }
    }
}

static void spread_groups(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const group *o = context;
    for (size_t g = begin; g < end; g++) {
        const float *dy = o->dy + g * o->cols;
        if (o->kind == MAX) {
            largest_takes_all(o, g, dy);
            continue;
        }
        float share = o->kind == MEAN ? 1 / (float)(o->start[g + 1] - o->start[g]) : 1;
        for (int32_t r = o->start[g]; r < o->start[g + 1]; r++)
            bert_cpu()->scale(o->y + (size_t)r * o->cols, dy, share, o->cols);
    }
}

static int forward(bert_worker *w, const bert_call *c, group_kind kind) {
    const bert_groups_with *with = c->with;
    bert_loop(w->threads, (size_t)c->y.rows, 1, reduce_groups,
              &(group){.kind = kind,
                       .y = c->y.data,
                       .x = c->x[0].data,
                       .start = with->start,
                       .cols = (size_t)c->y.cols});
    return 0;
}

static int backward(bert_worker *w, const bert_call *c, const bert_flow *f, group_kind kind) {
    const bert_groups_with *with = c->with;
    const size_t cols = (size_t)c->y.cols, size = bert_matrix_size(&c->x[0]);
    const size_t first = (size_t)with->start[0] * cols,
                 last = (size_t)with->start[c->y.rows] * cols;
    float *dx = f->dx[0];
    memset(dx, 0, first * sizeof *dx);
    memset(dx + last, 0, (size - last) * sizeof *dx);
    bert_loop(w->threads, (size_t)c->y.rows, 1, spread_groups,
              &(group){.kind = kind,
                       .y = dx,
                       .x = c->x[0].data,
                       .z = c->y.data,
                       .dy = f->dy,
                       .start = with->start,
                       .cols = cols});
    return 0;
}

#define GROUPS(name, kind)                                                                         \
    static int name##_forward(bert_worker *w, const bert_call *c) {                                \
        return forward(w, c, kind);                                                                \
    }                                                                                              \
    static int name##_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {           \
        return backward(w, c, f, kind);                                                            \
    }                                                                                              \
    const bert_op_row bert_cpu_##name = {name##_forward, name##_backward};
GROUPS(mean_groups, MEAN)
GROUPS(max_groups, MAX)
GROUPS(sum_groups, SUM)

/* ---- sum: every element */

typedef struct {
    const float *x;
    double *parts; /* of each chunk */
} total;

static void sum_chunks(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const total *o = context;
    for (size_t i = begin; i < end;) {
        size_t chunk = i / BERT_ELEMENTS, stop = (chunk + 1) * BERT_ELEMENTS;
        double s = 0;
        for (; i < stop && i < end; i++) s += (double)o->x[i];
        o->parts[chunk] = s;
    }
}

static int sum_forward(bert_worker *w, const bert_call *c) {
    const size_t n = bert_matrix_size(&c->x[0]), chunks = (n + BERT_ELEMENTS - 1) / BERT_ELEMENTS;
    double *parts = bert_worker_doubles(w, chunks), s = 0;
    if (!parts) return BERT_ENOMEM;
    bert_loop(w->threads, n, BERT_ELEMENTS, sum_chunks, &(total){c->x[0].data, parts});
    for (size_t i = 0; i < chunks; i++) s += parts[i];
    bert_worker_give(w, (float *)parts);
    c->y.data[0] = (float)s;
    return 0;
}

static int sum_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    bert_loop_fill(w->threads, f->dx[0], f->dy[0], bert_matrix_size(&c->x[0]));
    return 0;
}

const bert_op_row bert_cpu_sum = {sum_forward, sum_backward};
