/* Consecutive rows made one (mean, max, sum of each column), and the sum of all elements. */
#include "tape/tape.h"
#include <string.h>

typedef enum { MEAN, MAX, SUM } group_kind;

typedef struct {
    bert_node node;
    group_kind kind;
    int32_t *start; /* [n + 1] */
} group_node;

typedef struct {
    group_kind kind;
    float *y;
    const float *x, *z;
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

static void spread_groups(const group *o, const float *grad, size_t begin, size_t end) {
    for (size_t g = begin; g < end; g++) {
        const float *dy = grad + g * o->cols;
        if (o->kind == MAX) {
            largest_takes_all(o, g, dy);
            continue;
        }
        float share = o->kind == MEAN ? 1 / (float)(o->start[g + 1] - o->start[g]) : 1;
        for (int32_t r = o->start[g]; r < o->start[g + 1]; r++)
            bert_cpu()->scale(o->y + (size_t)r * o->cols, dy, share, o->cols);
    }
}

typedef struct {
    group o;
    const float *grad;
} spread;

static void spread_loop(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const spread *s = context;
    spread_groups(&s->o, s->grad, begin, end);
}

static int group_backward(bert_tape *t, bert_node *node) {
    group_node *n = (group_node *)node;
    bert_tensor *x = node->in[0], *y = node->out;
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    size_t cols = (size_t)x->cols, first = (size_t)n->start[0] * cols;
    size_t last = (size_t)n->start[y->rows] * cols;
    memset(dx, 0, first * sizeof *dx);
    memset(dx + last, 0, (bert_tensor_size(x) - last) * sizeof *dx);
    spread s = {{n->kind, dx, x->data, y->data, n->start, cols}, y->grad};
    bert_loop(t->threads, (size_t)y->rows, 1, spread_loop, &s);
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

static bert_tensor *group_op(bert_tape *t, const bert_op *op, group_kind kind, bert_tensor *x,
                             const int32_t *start, int32_t n) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (!start || n < 1) return bert_tape_fail(t, op, BERT_EINVAL, "there are no groups");
    for (int32_t i = 0; i < n; i++)
        if (start[i] < 0 || start[i] >= start[i + 1] || start[i + 1] > x->rows)
            return bert_tape_fail(t, op, BERT_EINVAL,
                                  "group %d is rows %d to %d of %d; each needs at least one", i,
                                  start[i], start[i + 1] - 1, x->rows);
    bert_tensor *y =
        bert_tape_result(t, op, sizeof(group_node), n, x->cols, (bert_sources){.a = x});
    if (!y) return NULL;
    if (y->node) {
        group_node *g = (group_node *)y->node;
        g->kind = kind;
        g->start = bert_tape_copy(t, start, ((size_t)n + 1) * sizeof *start);
        if (!g->start) return NULL;
    }
    group o = {kind, y->data, x->data, NULL, start, (size_t)x->cols};
    bert_loop(t->threads, (size_t)n, 1, reduce_groups, &o);
    return y;
}

const bert_op bert_op_mean_groups = {"mean_groups", group_backward};
const bert_op bert_op_max_groups = {"max_groups", group_backward};
const bert_op bert_op_sum_groups = {"sum_groups", group_backward};

bert_tensor *bert_mean_groups(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n) {
    return group_op(t, &bert_op_mean_groups, MEAN, x, start, n);
}

bert_tensor *bert_max_groups(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n) {
    return group_op(t, &bert_op_max_groups, MAX, x, start, n);
}

bert_tensor *bert_sum_groups(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n) {
    return group_op(t, &bert_op_sum_groups, SUM, x, start, n);
}

/* ---- sum: every element */

typedef struct {
    const float *x;
    double *parts; /* of each chunk */
    float *y, fill;
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

static void fill_chunk(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const total *o = context;
    for (size_t i = begin; i < end; i++) o->y[i] = o->fill;
}

static int sum_backward(bert_tape *t, bert_node *n) {
    bert_tensor *x = n->in[0];
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    bert_loop(t->threads, bert_tensor_size(x), BERT_ELEMENTS, fill_chunk,
              &(total){.y = dx, .fill = n->out->grad[0]});
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

const bert_op bert_op_sum = {"sum", sum_backward};

bert_tensor *bert_sum(bert_tape *t, bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    size_t n = bert_tensor_size(x), chunks = (n + BERT_ELEMENTS - 1) / BERT_ELEMENTS;
    double *parts = bert_tape_alloc(t, chunks * sizeof *parts), s = 0;
    bert_tensor *y =
        parts ? bert_tape_result(t, &bert_op_sum, sizeof(bert_node), 1, 1, (bert_sources){.a = x})
              : NULL;
    if (!y) return NULL;
    bert_loop(t->threads, n, BERT_ELEMENTS, sum_chunks, &(total){.x = x->data, .parts = parts});
    for (size_t i = 0; i < chunks; i++) s += parts[i];
    y->data[0] = (float)s;
    return y;
}
