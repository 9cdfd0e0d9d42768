/* Rows by number: of a parameter (embedding), of a tensor (rows); and a parameter as it is. */
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bert_node node;
    const bert_param *param; /* NULL: the rows are the input's; else they are added to it */
    int32_t *index;
    size_t n;
} gather_node;

typedef struct {
    float *y;
    const float *x;
    const int32_t *index;
    size_t cols;
} gather;

static void gather_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const gather *o = context;
    for (size_t i = begin; i < end; i++)
        memcpy(o->y + i * o->cols, o->x + (size_t)o->index[i] * o->cols, o->cols * sizeof *o->y);
}

static void add_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const gather *o = context;
    for (size_t i = begin; i < end; i++) {
        float *y = o->y + i * o->cols;
        bert_cpu()->add(y, y, o->x + (size_t)o->index[i] * o->cols, o->cols);
    }
}

static bert_tensor *gather_op(bert_tape *t, const bert_op *op, const bert_param *p, bert_tensor *x,
                              const int32_t *index, int32_t n) {
    int32_t rows = p ? p->rows : x->rows, cols = p ? p->cols : x->cols;
    const char *name = p ? p->name : "input";
    if (!index || n < 1) return bert_tape_fail(t, op, BERT_EINVAL, "there are no row numbers");
    for (int32_t i = 0; i < n; i++)
        if (index[i] < 0 || index[i] >= rows)
            return bert_tape_fail(t, op, BERT_EINVAL, "number %d is %d; %s has rows 0 to %d", i,
                                  index[i], name, rows - 1);
    if (p && x && (x->rows != n || x->cols != cols))
        return bert_tape_fail(t, op, BERT_EINVAL, "[%d, %d] onto [%d, %d]", n, cols, x->rows,
                              x->cols);
    float *onto = p && x ? x->data : NULL;
    bert_tensor *y = bert_tape_result(t, op, sizeof(gather_node), n, cols,
                                      (bert_sources){.a = x, .params = {p}, .data = onto});
    if (!y) return NULL;
    if (y->node) {
        gather_node *g = (gather_node *)y->node;
        g->param = p;
        g->n = (size_t)n;
        g->index = bert_tape_copy(t, index, g->n * sizeof *index);
        if (!g->index) return NULL;
    }
    bert_loop(t->threads, (size_t)n, bert_rows_grain((size_t)cols), onto ? add_rows : gather_rows,
              &(gather){y->data, p ? p->value : x->data, index, (size_t)cols});
    return y;
}

/* What the padding row would get. */
static void clear_padding(const gather_node *g, float *grad) {
    const size_t cols = (size_t)g->param->cols;
    for (size_t i = 0; i < g->n && g->param->padding >= 0; i++)
        if (g->index[i] == g->param->padding) memset(grad + i * cols, 0, cols * sizeof *grad);
}

static int embedding_backward(bert_tape *t, bert_node *node) {
    gather_node *g = (gather_node *)node;
    int rc = 0;
    float *d = bert_grad_param(t, g->param, &rc);
    if (d && !node->in[0]) clear_padding(g, node->out->grad); /* nobody else reads it */
    if (d)
        bert_add_scattered(t->threads, d, node->out->grad, g->index, g->n, (size_t)g->param->cols);
    bert_tensor *x = node->in[0];
    return !rc && x && x->needs_grad ? bert_grad_pass(t, node, x, true) : rc;
}

static int rows_backward(bert_tape *t, bert_node *node) {
    gather_node *g = (gather_node *)node;
    bert_tensor *x = node->in[0];
    bool add;
    float *dx = bert_grad_open_add(t, x, &add);
    if (!dx) return BERT_ENOMEM;
    if (!add) memset(dx, 0, bert_tensor_size(x) * sizeof *dx);
    bert_add_scattered(t->threads, dx, node->out->grad, g->index, g->n, (size_t)x->cols);
    return BERT_OK;
}

const bert_op bert_op_embedding = {"embedding", embedding_backward};
const bert_op bert_op_rows = {"rows", rows_backward};

bert_tensor *bert_embedding(bert_tape *t, bert_param *table, const int32_t *ids, int32_t n) {
    if (!bert_tape_ready(t)) return NULL;
    if (!table) return bert_tape_fail(t, &bert_op_embedding, BERT_EINVAL, "the table is NULL");
    return gather_op(t, &bert_op_embedding, table, NULL, ids, n);
}

bert_tensor *bert_embedding_onto(bert_tape *t, bert_tensor *x, bert_param *table,
                                 const int32_t *ids) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (!table) return bert_tape_fail(t, &bert_op_embedding, BERT_EINVAL, "the table is NULL");
    return gather_op(t, &bert_op_embedding, table, x, ids, x->rows);
}

bert_tensor *bert_rows(bert_tape *t, bert_tensor *x, const int32_t *index, int32_t n) {
    if (!bert_tape_ready(t, x)) return NULL;
    return gather_op(t, &bert_op_rows, NULL, x, index, n);
}

static int param_backward(bert_tape *t, bert_node *node) {
    const bert_param *p = ((gather_node *)node)->param;
    int rc = 0;
    float *d = bert_grad_param(t, p, &rc);
    if (d) bert_loop_add(t->threads, d, node->out->grad, bert_param_size(p));
    return rc;
}

const bert_op bert_op_param = {"param", param_backward};

bert_tensor *bert_param_tensor(bert_tape *t, bert_param *p) {
    if (!bert_tape_ready(t)) return NULL;
    if (!p) return bert_tape_fail(t, &bert_op_param, BERT_EINVAL, "the parameter is NULL");
    float *value = (float *)(uintptr_t)p->value; /* tensors' data is written only when made */
    bert_tensor *y = bert_tape_result(t, &bert_op_param, sizeof(gather_node), p->rows, p->cols,
                                      (bert_sources){.params = {p}, .data = value});
    if (y && y->node) ((gather_node *)y->node)->param = p;
    return y;
}
