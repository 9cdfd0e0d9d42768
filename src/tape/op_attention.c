/* Self-attention: cpu/attention.h on the tape. */
#include "base/error.h"
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bert_node node; /* in[0]: queries, keys and values; in[1]: the bias, or NULL */
    bert_attention_plan plan;
    float *lse; /* [heads, rows] */
} attention_node;

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

static int attention_backward(bert_tape *t, bert_node *node) {
    attention_node *n = (attention_node *)node;
    bert_tensor *qkv = node->in[0], *bias = node->in[1], *y = node->out;
    const bert_attention_plan *p = &n->plan;
    const size_t parts = (size_t)p->n * (size_t)p->heads * (size_t)(2 * p->reach + 1);
    const bool wants_bias = bias && bias->needs_grad;
    /* a bias alone may be what is trained */
    float *d = qkv->needs_grad ? bert_grad_open(t, qkv) : bert_tape_take(t, bert_tensor_size(qkv)),
          *dbias = NULL;
    if (!d) return BERT_ENOMEM;
    if (wants_bias && !(dbias = bert_tape_take(t, parts))) return BERT_ENOMEM;
    if (dbias) memset(dbias, 0, parts * sizeof *dbias);
    int rc = bert_attention_backward(t->threads, p, qkv->data, y->data, y->grad, n->lse, d, dbias);
    if (rc) bert_tape_fail(t, node->op, rc, "out of memory in backward");
    if (qkv->needs_grad)
        bert_grad_close(t, qkv, d);
    else
        bert_tape_give(t, d);
    if (!dbias) return rc;
    float *to = rc ? NULL : bert_grad_open(t, bias);
    if (to) {
        sum_bias(p, dbias, to);
        bert_grad_close(t, bias, to);
    }
    bert_tape_give(t, dbias);
    return rc || to ? rc : BERT_ENOMEM;
}

const bert_op bert_op_attention = {"attention", attention_backward};

static bool spec_fits(bert_tape *t, const bert_attention_spec *s, int32_t cols) {
    const bert_op *op = &bert_op_attention;
    if (!s || s->heads < 1 || cols % 3 || cols / 3 % s->heads)
        return bert_tape_fail(t, op, BERT_EINVAL,
                              "%d columns are not queries, keys and values of %d heads", cols,
                              s ? s->heads : 0);
    if (!(s->dropout >= 0 && s->dropout < 1))
        return bert_tape_fail(t, op, BERT_EINVAL, "p is %g; it must be in [0, 1)",
                              (double)s->dropout);
    if (s->window < 0 || !(s->scale >= 0))
        return bert_tape_fail(t, op, BERT_EINVAL, "window %d and scale %g must not be negative",
                              s->window, (double)s->scale);
    const bert_rotation *r = s->rotation;
    if (r && (r->size < 2 || r->size % 2 || r->size > cols / 3 / s->heads || !r->cos || !r->sin))
        return bert_tape_fail(t, op, BERT_EINVAL,
                              "a rotation of %d columns; it must be even, and %d at most", r->size,
                              cols / 3 / s->heads);
    return true;
}

/* Whether rotation and bias are long enough. */
static bool reaches(bert_tape *t, const bert_attention_spec *s, int32_t longest) {
    const bert_op *op = &bert_op_attention;
    const bert_rotation *r = s->rotation;
    if (r && r->positions < longest)
        return bert_tape_fail(t, op, BERT_ETOOLONG,
                              "a sequence has %d tokens, the rotation %d positions", longest,
                              r->positions);
    const bert_tensor *b = s->bias;
    const int32_t reach = s->window && s->window < longest - 1 ? s->window : longest - 1;
    if (b && (b->cols != s->heads || b->rows % 2 == 0 || b->rows / 2 < reach))
        return bert_tape_fail(t, op, BERT_EINVAL,
                              "the bias is [%d, %d]; distances up to %d and %d heads need [%d, %d]",
                              b->rows, b->cols, reach, s->heads, 2 * reach + 1, s->heads);
    return true;
}

bert_attention_plan bert_attention_plan_of(const bert_tape *t, const bert_attention_spec *s,
                                           int32_t cols, const int32_t *start, int32_t n) {
    bert_attention_plan plan = {.precision = t->options.precision,
                                .heads = s->heads,
                                .head_size = cols / 3 / s->heads,
                                .start = start,
                                .n = n,
                                .scale = s->scale,
                                .window = s->window,
                                .seed = t->options.seed};
    if (s->rotation) {
        plan.turned = s->rotation->size;
        plan.cos = s->rotation->cos;
        plan.sin = s->rotation->sin;
    }
    if (s->bias) {
        plan.bias = s->bias->data;
        plan.reach = s->bias->rows / 2;
    }
    return plan;
}

bert_tensor *bert_attention(bert_tape *t, bert_tensor *qkv, const bert_attention_spec *spec,
                            const int32_t *start, int32_t n) {
    const bert_op *op = &bert_op_attention;
    if (!bert_tape_ready(t, qkv) || !spec_fits(t, spec, qkv->cols)) return NULL;
    if (!start || n < 1 || start[0] != 0 || start[n] != qkv->rows)
        return bert_tape_fail(t, op, BERT_EINVAL, "%d sequences do not cover the %d rows", n,
                              qkv->rows);
    int32_t longest = 0;
    for (int32_t i = 0; i < n; i++) {
        if (start[i] >= start[i + 1])
            return bert_tape_fail(t, op, BERT_EINVAL, "sequence %d has no tokens", i);
        if (start[i + 1] - start[i] > longest) longest = start[i + 1] - start[i];
    }
    if (!reaches(t, spec, longest)) return NULL;
    bert_attention_plan plan = bert_attention_plan_of(t, spec, qkv->cols, start, n);
    if (t->options.training && spec->dropout > 0) {
        plan.dropout = spec->dropout;
        plan.stream = bert_tape_stream(t);
    }
    bert_tensor *y = bert_tape_result(t, op, sizeof(attention_node), qkv->rows, qkv->cols / 3,
                                      (bert_sources){.a = qkv, .b = spec->bias});
    if (!y) return NULL;
    float *lse = NULL;
    if (y->node) {
        attention_node *node = (attention_node *)y->node;
        lse = bert_tape_alloc(t, (size_t)spec->heads * (size_t)qkv->rows * sizeof *lse);
        node->lse = lse;
        node->plan = plan;
        node->plan.start = bert_tape_copy(t, start, ((size_t)n + 1) * sizeof *start);
        if (!lse || !node->plan.start) return NULL;
    }
    int rc = bert_attention_forward(t->threads, &plan, qkv->data, y->data, lse, NULL);
    return rc ? bert_tape_fail(t, op, rc, "out of memory") : y;
}
