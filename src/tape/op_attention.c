/* Self-attention: cpu/attention.h on the tape. */
#include "cpu/attention.h"
#include "tape/tape.h"

typedef struct {
    bert_node node;
    bert_attention_plan plan;
    float *lse; /* [heads, rows] */
} attention_node;

static int attention_backward(bert_tape *t, bert_node *node) {
    attention_node *n = (attention_node *)node;
    bert_tensor *qkv = node->in[0], *y = node->out;
    float *d = bert_grad_open(t, qkv);
    if (!d) return BERT_ENOMEM;
    int rc = bert_attention_backward(t->threads, &n->plan, qkv->data, y->data, y->grad, n->lse, d);
    if (rc) bert_tape_fail(t, node->op, rc, "out of memory in backward");
    bert_grad_close(t, qkv, d);
    return rc;
}

const bert_op bert_op_attention = {"attention", attention_backward};

bert_tensor *bert_attention(bert_tape *t, bert_tensor *qkv, int32_t heads, const int32_t *start,
                            int32_t n, float p) {
    const bert_op *op = &bert_op_attention;
    if (!bert_tape_ready(t, qkv)) return NULL;
    if (heads < 1 || qkv->cols % 3 || qkv->cols / 3 % heads)
        return bert_tape_fail(t, op, BERT_EINVAL,
                              "%d columns are not queries, keys and values of %d heads", qkv->cols,
                              heads);
    if (!(p >= 0 && p < 1))
        return bert_tape_fail(t, op, BERT_EINVAL, "p is %g; it must be in [0, 1)", (double)p);
    if (!start || n < 1 || start[0] != 0 || start[n] != qkv->rows)
        return bert_tape_fail(t, op, BERT_EINVAL, "%d sequences do not cover the %d rows", n,
                              qkv->rows);
    for (int32_t i = 0; i < n; i++)
        if (start[i] >= start[i + 1])
            return bert_tape_fail(t, op, BERT_EINVAL, "sequence %d has no tokens", i);
    bert_attention_plan plan = {.precision = t->options.precision,
                                .heads = heads,
                                .head_size = qkv->cols / 3 / heads,
                                .start = start,
                                .n = n,
                                .seed = t->options.seed};
    if (t->options.training && p > 0) {
        plan.dropout = p;
        plan.stream = bert_tape_stream(t);
    }
    bert_tensor *y = bert_tape_result(t, op, sizeof(attention_node), qkv->rows, qkv->cols / 3,
                                      (bert_sources){.a = qkv});
    if (!y) return NULL;
    float *lse = NULL;
    if (y->node) {
        attention_node *node = (attention_node *)y->node;
        lse = bert_tape_alloc(t, (size_t)heads * (size_t)qkv->rows * sizeof *lse);
        node->lse = lse;
        node->plan = plan;
        node->plan.start = bert_tape_copy(t, start, ((size_t)n + 1) * sizeof *start);
        if (!lse || !node->plan.start) return NULL;
    }
    int rc = bert_attention_forward(t->threads, &plan, qkv->data, y->data, lse, NULL);
    return rc ? bert_tape_fail(t, op, rc, "out of memory") : y;
}
