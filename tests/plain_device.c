#include "plain_device.h"
#include "plain_rows.h"
#include <math.h>
#include <stdatomic.h>
#include <string.h>

static atomic_long calls;

long plain_device_calls(void) {
    return calls;
}

plain_view plain_see(const bert_call *c, const bert_flow *f) {
    plain_view v = {.a = plain_at(c->x[0].data),
                    .b = plain_at(c->x[1].data),
                    .y = plain_at(c->y.data),
                    .rows = (size_t)c->y.rows,
                    .cols = (size_t)c->y.cols,
                    .in = bert_matrix_size(&c->x[0]),
                    .size = bert_matrix_size(&c->y)};
    calls++;
    if (!f) return v;
    v.dy = plain_at(f->dy);
    v.da = plain_at(f->dx[0]);
    v.db = plain_at(f->dx[1]);
    for (int i = 0; i < BERT_OP_PARAMS; i++) v.dp[i] = plain_at(f->dp[i]);
    return v;
}

static void copy(bert_worker *w, float *y, const float *x, size_t n) {
    (void)w;
    memmove(plain_at(y), plain_at(x), n * sizeof *y);
}

static void add_to(bert_worker *w, float *y, const float *x, size_t n) {
    (void)w;
    float *to = plain_at(y);
    const float *from = plain_at(x);
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

static void fill(bert_worker *w, float *y, float value, size_t n) {
    (void)w;
    float *to = plain_at(y);
    for (size_t i = 0; i < n; i++) to[i] = value;
}

/* ---- The optimizer's step */

static int norm(bert_worker *w, const bert_adamw_item *items, int count, double *sums) {
    (void)w;
    for (int i = 0; i < count; i++) {
        const float *g = plain_at(items[i].grad);
        for (size_t j = 0; j < items[i].n; j++) {
            if (j % BERT_NORM_PIECE == 0) *sums++ = 0;
            sums[-1] += (double)g[j] * (double)g[j];
        }
    }
    return 0;
}

static int step(bert_worker *w, const bert_adamw_step *s, const bert_adamw_item *items, int count) {
    (void)w;
    for (const bert_adamw_item *i = items; i < items + count; i++) {
        float *p = plain_at(i->value), *g = plain_at(i->grad), *m = plain_at(i->m),
              *v = plain_at(i->v);
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

#define ROW(name) [BERT_OP_##name] = &plain_row_##name,
const bert_device plain_device = {
    .name = "plain",
    .check = check,
    .tokens = tokens,
    .memory = {plain_allocate, plain_release},
    .write = plain_write,
    .read = plain_read,
    .zero = plain_zero,
    .copy = copy,
    .add = add_to,
    .fill = fill,
    .norm = norm,
    .step = step,
    .ops = {BERT_COMPUTED_OPS(ROW)},
};
