/* The CPU's row for attention. */
#include "cpu/attention.h"
#include "cpu/rows.h"
#include <string.h>

static bert_attention_plan plan_of(const bert_worker *w, const bert_call *c) {
    const bert_attention_with *n = c->with;
    return (bert_attention_plan){.precision = w->precision,
                                 .heads = n->heads,
                                 .head_size = n->head_size,
                                 .start = n->start,
                                 .n = n->n,
                                 .attended = n->attended,
                                 .scale = n->scale,
                                 .window = n->window,
                                 .turned = n->turned,
                                 .cos = n->cos,
                                 .sin = n->sin,
                                 .bias = n->index ? NULL : c->x[1].data,
                                 .slopes = n->slopes,
                                 .interleaved = n->interleaved,
                                 .relative = n->index ? c->x[1].data : NULL,
                                 .relative_keys = n->relative_keys,
                                 .relative_queries = n->relative_queries,
                                 .index = n->index,
                                 .reach = n->reach,
                                 .dropout = n->dropout,
                                 .seed = n->seed,
                                 .stream = n->stream};
}

static int attention_forward(bert_worker *w, const bert_call *c) {
    const bert_attention_with *n = c->with;
    const bert_attention_plan plan = plan_of(w, c);
    return bert_attention_forward(w->threads, &plan, c->x[0].data, c->y.data, n->lse,
                                  n->probabilities);
}

/* dbias [2 reach + 1, heads] of its parts [n, heads, 2 reach + 1], in the order of sequences. */
static void sum_bias(const bert_attention_plan *p, const float *parts, float *dbias) {
    const int width = 2 * p->reach + 1;
    for (int d = 0; d < width; d++)
        for (int h = 0; h < p->heads; h++) {
            float sum = 0;
            for (int i = 0; i < p->n; i++) sum += parts[((ptrdiff_t)i * p->heads + h) * width + d];
            dbias[(ptrdiff_t)d * p->heads + h] = sum;
        }
}

static int attention_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_attention_with *n = c->with;
    const bert_attention_plan plan = plan_of(w, c);
    const size_t parts = (size_t)n->n * (size_t)n->heads * (size_t)(2 * n->reach + 1);
    /* a bias alone may be what is trained */
    float *own = f->dx[0] ? NULL : bert_worker_take(w, bert_matrix_size(&c->x[0]));
    float *dbias = f->dx[1] && plan.bias ? bert_worker_take(w, parts) : NULL;
    if ((!f->dx[0] && !own) || (f->dx[1] && plan.bias && !dbias)) return BERT_ENOMEM;
    if (dbias) memset(dbias, 0, parts * sizeof *dbias);
    if (f->dx[1]) memset(f->dx[1], 0, bert_matrix_size(&c->x[1]) * sizeof(float));
    int rc = bert_attention_backward(w->threads, &plan, c->x[0].data, c->y.data, f->dy, n->lse,
                                     own ? own : f->dx[0], dbias ? dbias : f->dx[1]);
    if (dbias && !rc) sum_bias(&plan, dbias, f->dx[1]);
    bert_worker_give(w, dbias);
    bert_worker_give(w, own);
    return rc;
}

const bert_op_row bert_cpu_attention = {attention_forward, attention_backward};
