/* Operations on each element alone. */
#include "base/error.h"
#include "tape/tape.h"
#include <stdio.h>
#include <string.h>

/* ---- add, sub, mul: b of a's shape, or one row for all of a's */

static bert_tensor *binary_op(bert_tape *t, const bert_op *op, bert_tensor *a, bert_tensor *b,
                              bool row_allowed) {
    if (!bert_tape_ready(t, a, b)) return NULL;
    bool row = row_allowed && b->rows == 1 && a->rows != 1;
    if (a->cols != b->cols || (a->rows != b->rows && !row))
        return bert_tape_fail(t, op, BERT_EINVAL, "[%d, %d] and [%d, %d]", a->rows, a->cols,
                              b->rows, b->cols);
    const bert_sources from = {.a = a, .b = b};
    return bert_op_forward(t, op, bert_tape_result(t, op, a->rows, a->cols, from), from, NULL, 0);
}

/* The gradient of b alone, by the device. */
static int second_backward(bert_tape *t, bert_node *n) {
    bert_tensor *b = n->in[1];
    float *db = bert_grad_open(t, b);
    if (!db) return BERT_ENOMEM;
    int rc = bert_op_flow(t, n, &(bert_flow){.dy = n->out->grad, .dx = {NULL, db}});
    bert_grad_close(t, b, db);
    return rc;
}

static int add_backward(bert_tape *t, bert_node *n) {
    bert_tensor *a = n->in[0], *b = n->in[1];
    int rc = 0;
    if (b->needs_grad)
        rc = b->rows == n->out->rows ? bert_grad_pass(t, n, b, !a->needs_grad)
                                     : second_backward(t, n);
    return !rc && a->needs_grad ? bert_grad_pass(t, n, a, true) : rc;
}

static int sub_backward(bert_tape *t, bert_node *n) {
    bert_tensor *a = n->in[0], *b = n->in[1];
    int rc = b->needs_grad ? second_backward(t, n) : BERT_OK;
    return !rc && a->needs_grad ? bert_grad_pass(t, n, a, true) : rc;
}

const bert_op bert_op_add = {"add", BERT_OP_add, add_backward, false};
const bert_op bert_op_sub = {"sub", BERT_OP_sub, sub_backward, false};
const bert_op bert_op_mul = {"mul", BERT_OP_mul, bert_op_backward, false};

bert_tensor *bert_add(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    return binary_op(t, &bert_op_add, a, b, true);
}

bert_tensor *bert_sub(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    return binary_op(t, &bert_op_sub, a, b, false);
}

bert_tensor *bert_mul(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    return binary_op(t, &bert_op_mul, a, b, true);
}

/* ---- scale, activate, dropout */

const bert_op bert_op_scale = {"scale", BERT_OP_scale, bert_op_backward, false};
const bert_op bert_op_activate = {"activate", BERT_OP_activate, bert_op_backward, false};
const bert_op bert_op_dropout = {"dropout", BERT_OP_dropout, bert_op_backward, false};

/* data: where the result goes; NULL: a place of its own. */
static bert_tensor *unary_op(bert_tape *t, const bert_op *op, bert_tensor *x, float *data,
                             const void *with, size_t bytes) {
    const bert_sources from = {.a = x, .data = data};
    return bert_op_forward(t, op, bert_tape_result(t, op, x->rows, x->cols, from), from, with,
                           bytes);
}

bert_tensor *bert_scale(bert_tape *t, bert_tensor *x, float factor) {
    if (!bert_tape_ready(t, x)) return NULL;
    const bert_scale_with with = {factor};
    return unary_op(t, &bert_op_scale, x, NULL, &with, sizeof with);
}

bert_tensor *bert_activate(bert_tape *t, bert_tensor *x, bert_act act) {
    if (!bert_tape_ready(t, x)) return NULL;
    if ((int)act < 0 || act >= BERT_ACT_COUNT)
        return bert_tape_fail(t, &bert_op_activate, BERT_EINVAL, "there is no activation %d", act);
    const bert_activate_with with = {act};
    return unary_op(t, &bert_op_activate, x, NULL, &with, sizeof with);
}

static bert_tensor *dropout(bert_tape *t, bert_tensor *x, float *data, float p) {
    if (!(p >= 0 && p < 1))
        return bert_tape_fail(t, &bert_op_dropout, BERT_EINVAL, "p is %g; it must be in [0, 1)",
                              (double)p);
    if (!t->options.training || p == 0) return x;
    const bert_dropout_with with = {.p = p, .seed = t->options.seed, .stream = bert_tape_stream(t)};
    return unary_op(t, &bert_op_dropout, x, data, &with, sizeof with);
}

bert_tensor *bert_dropout(bert_tape *t, bert_tensor *x, float p) {
    return bert_tape_ready(t, x) ? dropout(t, x, NULL, p) : NULL;
}

bert_tensor *bert_dropout_over(bert_tape *t, bert_tensor *x, float p) {
    return bert_tape_ready(t, x) ? dropout(t, x, x->data, p) : NULL;
}

/* ---- names of activations, as config.json gives them */

int bert_act_parse(const char *name, bert_act *act, bert_error *e) {
    BERT_DOOR(e);
    static const struct {
        const char *name;
        bert_act act;
    } names[] = {
        {"gelu", BERT_ACT_GELU},
        {"gelu_python", BERT_ACT_GELU},
        {"gelu_new", BERT_ACT_GELU_NEW},
        {"gelu_fast", BERT_ACT_GELU_NEW},
        {"gelu_accurate", BERT_ACT_GELU_NEW},
        {"gelu_pytorch_tanh", BERT_ACT_GELU_NEW},
        {"gelu_python_tanh", BERT_ACT_GELU_NEW},
        {"relu", BERT_ACT_RELU},
        {"tanh", BERT_ACT_TANH},
        {"sigmoid", BERT_ACT_SIGMOID},
        {"silu", BERT_ACT_SILU},
        {"swish", BERT_ACT_SILU},
        {"quick_gelu", BERT_ACT_QUICK_GELU},
        {"gelu_10", BERT_ACT_GELU_10},
        {"mish", BERT_ACT_MISH},
        {"hardswish", BERT_ACT_HARDSWISH},
        {"relu6", BERT_ACT_RELU6},
        {"relu2", BERT_ACT_RELU2},
        {"leaky_relu", BERT_ACT_LEAKY_RELU},
        {"linear", BERT_ACT_NONE},
    };
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i].name)) {
            *act = names[i].act;
            return BERT_OK;
        }
    char list[300] = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", names[i].name);
    }
    return bert_fail(e, BERT_EUNSUPPORTED, "activation %.60s is not known; these are: %s",
                     name ? name : "(null)", list);
}
