/* Rows by number: of a parameter (embedding), of a tensor (rows); and a parameter as it is. */
#include "tape/tape.h"

#define PACKED "%s is packed for products, and cannot be read"

static bool numbers_fit(bert_tape *t, const bert_op *op, const char *name, int32_t rows,
                        const int32_t *index, int32_t n) {
    if (!index || n < 1) return bert_tape_fail(t, op, BERT_EINVAL, "there are no row numbers");
    for (int32_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= rows)
            return bert_tape_fail(t, op, BERT_EINVAL, "number %d is %d; %s has rows 0 to %d", i,
                                  index[i], name, rows - 1);
    return true;
}

/* The numbers, for backward as well where y is recorded. */
static const int32_t *keep_numbers(bert_tape *t, const bert_tensor *y, const int32_t *index) {
    return y && y->node ? bert_tape_copy(t, index, (size_t)y->rows * sizeof *index) : index;
}

/* ---- embedding */

static int embedding_backward(bert_tape *t, bert_node *n) {
    bert_tensor *x = n->in[0];
    int rc = 0;
    bert_flow f = {.dy = n->out->grad};
    bert_param *table = (bert_param *)(uintptr_t)n->params[0];
    const bool all = table->all_touched;
    f.dp[0] = bert_grad_param(t, table, &rc);
    if (f.dp[0]) {
        bert_param_touched_rows(table, all, ((const bert_embedding_with *)n->with)->ids,
                                n->out->rows);
        rc = bert_op_flow(t, n, &f);
    }
    return !rc && x && x->needs_grad ? bert_grad_pass(t, n, x, true) : rc;
}

const bert_op bert_op_embedding = {"embedding", BERT_OP_embedding, embedding_backward, false};

/* x NULL, or what the rows are added to, in its place. */
static bert_tensor *embedding(bert_tape *t, bert_param *table, bert_tensor *x, const int32_t *ids,
                              int32_t n) {
    const bert_op *op = &bert_op_embedding;
    if (!table) return bert_tape_fail(t, op, BERT_EINVAL, "the table is NULL");
    if (table->memo.packed) return bert_tape_fail(t, op, BERT_EUNSUPPORTED, PACKED, table->name);
    if (!numbers_fit(t, op, table->name, table->rows, ids, n)) return NULL;
    if (x && x->cols != table->cols)
        return bert_tape_fail(t, op, BERT_EINVAL, "[%d, %d] onto [%d, %d]", n, table->cols, x->rows,
                              x->cols);
    const size_t cols = (size_t)table->cols;
    for (int32_t i = 0; i < n && table->memo.late; i++)
        bert_param_fill(table, (size_t)ids[i] * cols, cols);
    const bert_sources from = {.a = x, .params = {table}, .data = x ? x->data : NULL};
    bert_tensor *y = bert_tape_result(t, op, n, table->cols, from);
    const bert_embedding_with with = {
        .table = table->value, .ids = keep_numbers(t, y, ids), .padding = table->padding};
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

bert_tensor *bert_embedding(bert_tape *t, bert_param *table, const int32_t *ids, int32_t n) {
    return bert_tape_ready(t) ? embedding(t, table, NULL, ids, n) : NULL;
}

bert_tensor *bert_embedding_onto(bert_tape *t, bert_tensor *x, bert_param *table,
                                 const int32_t *ids) {
    return bert_tape_ready(t, x) ? embedding(t, table, x, ids, x->rows) : NULL;
}

/* ---- rows */

const bert_op bert_op_rows = {"rows", BERT_OP_rows, bert_op_backward, true};

bert_tensor *bert_rows(bert_tape *t, bert_tensor *x, const int32_t *index, int32_t n) {
    const bert_op *op = &bert_op_rows;
    if (!bert_tape_ready(t, x) || !numbers_fit(t, op, "input", x->rows, index, n)) return NULL;
    const bert_sources from = {.a = x};
    bert_tensor *y = bert_tape_result(t, op, n, x->cols, from);
    const bert_rows_with with = {keep_numbers(t, y, index)};
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

/* ---- param */

static int param_backward(bert_tape *t, bert_node *n) {
    int rc = 0;
    float *d = bert_grad_param(t, n->params[0], &rc);
    if (d) t->worker.device->add(&t->worker, d, n->out->grad, bert_tensor_size(n->out));
    return rc;
}

const bert_op bert_op_param = {"param", BERT_OP_param, param_backward, false};

bert_tensor *bert_param_tensor(bert_tape *t, bert_param *p) {
    if (!bert_tape_ready(t)) return NULL;
    if (!p) return bert_tape_fail(t, &bert_op_param, BERT_EINVAL, "the parameter is NULL");
    if (p->memo.packed)
        return bert_tape_fail(t, &bert_op_param, BERT_EUNSUPPORTED, PACKED, p->name);
    bert_param_fill(p, 0, bert_param_size(p));
    float *value = (float *)(uintptr_t)p->value; /* tensors' data is written only when made */
    return bert_tape_result(t, &bert_op_param, p->rows, p->cols,
                            (bert_sources){.params = {p}, .data = value});
}
