/* Operations of anybody's, on the host: what a device computed is read, and written back. */
#include "base/error.h"
#include "tape/tape.h"

typedef struct {
    const bert_operation *op;
    bert_operands of;
} own;

/* The host's memory for n floats of the device at `data`: themselves, where it can write there. */
static float *room(bert_tape *t, float *data, size_t n) {
    if (t->worker.device->host) return data;
    return bert_tape_alloc(t, n * sizeof *data);
}

static void put(const bert_tape *t, float *data, const float *from, size_t n) {
    if (data != from) t->worker.device->write(data, from, n * sizeof *from);
}

static int computed(bert_tape *t, const bert_operation *op, int rc) {
    if (rc)
        bert_tape_set_error(t, rc < 0 ? rc : BERT_EINVAL, "%s: the operation failed",
                            op->name ? op->name : "operate");
    return rc < 0 ? rc : rc ? BERT_EINVAL : 0;
}

static int operate_backward(bert_tape *t, bert_node *n) {
    const own *o = n->with;
    const bert_tensor *y = n->out;
    const float *dy = bert_device_view(t->worker.device, y->grad, bert_tensor_size(y), &t->notes);
    float *given[2] = {NULL, NULL}, *to[2] = {NULL, NULL};
    if (!o->op->backward) return 0;
    if (!dy) return BERT_ENOMEM;
    for (int i = 0; i < 2; i++) {
        if (!n->in[i] || !n->in[i]->needs_grad) continue;
        given[i] = bert_grad_open(t, n->in[i]);
        to[i] = given[i] ? room(t, given[i], bert_tensor_size(n->in[i])) : NULL;
        if (!to[i]) return BERT_ENOMEM;
    }
    const float *value = bert_tensor_read(t, y);
    int rc = value ? o->op->backward(&o->of, value, dy, to[0], to[1]) : BERT_ENOMEM;
    for (int i = 0; i < 2; i++) {
        if (!given[i]) continue;
        put(t, given[i], to[i], bert_tensor_size(n->in[i]));
        bert_grad_close(t, n->in[i], given[i]);
    }
    return computed(t, o->op, rc);
}

const bert_op bert_op_operate = {"operate", BERT_OP_operate, operate_backward, false};

bert_tensor *bert_operate(bert_tape *t, const bert_operation *op, bert_tensor *a, bert_tensor *b,
                          int32_t rows, int32_t cols, const void *context) {
    if (!bert_tape_ready(t, a)) return NULL;
    if (!op || !op->forward || rows < 1 || cols < 1)
        return bert_tape_fail(t, &bert_op_operate, BERT_EINVAL,
                              "an operation needs a forward function, and a result [%d, %d] has "
                              "rows and columns",
                              rows, cols);
    own o = {op,
             {.a = bert_tensor_read(t, a),
              .b = bert_tensor_read(t, b),
              .a_rows = a->rows,
              .a_cols = a->cols,
              .b_rows = bert_tensor_rows(b),
              .b_cols = bert_tensor_cols(b),
              .rows = rows,
              .cols = cols,
              .context = context}};
    bert_tensor *y =
        bert_tape_result(t, &bert_op_operate, rows, cols, (bert_sources){.a = a, .b = b});
    float *to = y ? room(t, y->data, bert_tensor_size(y)) : NULL;
    if (!to || !o.of.a || (b && !o.of.b)) return NULL;
    if (computed(t, op, op->forward(&o.of, to))) return NULL;
    put(t, y->data, to, bert_tensor_size(y));
    if (y->node && !(y->node->with = bert_tape_copy(t, &o, sizeof o))) return NULL;
    return y;
}
