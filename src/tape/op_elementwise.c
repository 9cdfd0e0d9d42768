/* Operations on each element alone. */
#include "base/error.h"
#include "tape/tape.h"
#include <stdio.h>
#include <string.h>

/* ---- add, sub, mul: b of a's shape, or one row for all of a's */

typedef void kernel(float *y, const float *a, const float *b, size_t n);
typedef struct {
    kernel *fn;
    float *y;
    const float *a, *b;
    size_t cols;
} binary;

static void binary_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const binary *o = context;
    o->fn(o->y + begin, o->a + begin, o->b + begin, end - begin);
}

static void binary_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const binary *o = context;
    for (size_t r = begin; r < end; r++)
        o->fn(o->y + r * o->cols, o->a + r * o->cols, o->b, o->cols);
}

/* y = fn(a, b); a and y are of x's shape, b of x's or one row. */
static void apply(bert_tape *t, kernel *fn, float *y, const float *a, const float *b,
                  const bert_tensor *x, bool row) {
    size_t cols = (size_t)x->cols;
    binary o = {fn, y, a, b, cols};
    if (row)
        bert_loop(t->threads, (size_t)x->rows, bert_rows_grain(cols), binary_rows, &o);
    else
        bert_loop(t->threads, bert_tensor_size(x), BERT_ELEMENTS, binary_elements, &o);
}

static bert_tensor *binary_op(bert_tape *t, const bert_op *op, kernel *fn, bert_tensor *a,
                              bert_tensor *b, bool row_allowed) {
    if (!bert_tape_ready(t, a, b)) return NULL;
    bool row = row_allowed && b->rows == 1 && a->rows != 1;
    if (a->cols != b->cols || (a->rows != b->rows && !row))
        return bert_tape_fail(t, op, BERT_EINVAL, "[%d, %d] and [%d, %d]", a->rows, a->cols,
                              b->rows, b->cols);
    bert_tensor *y = bert_tape_result(t, op, sizeof(bert_node), a->rows, a->cols,
                                      (bert_sources){.a = a, .b = b});
    if (y) apply(t, fn, y->data, a->data, b->data, a, row);
    return y;
}

/* Adds the column sums of dy (* z) to the gradient of the row b. */
static int row_backward(bert_tape *t, bert_node *n, const float *z) {
    bert_tensor *b = n->in[1];
    float *db = bert_grad_open(t, b);
    if (!db) return BERT_ENOMEM;
    memset(db, 0, (size_t)b->cols * sizeof *db);
    bert_add_column_sums(t->threads, db, n->out->grad, z, (size_t)n->out->rows, (size_t)b->cols);
    bert_grad_close(t, b, db);
    return BERT_OK;
}

static int add_backward(bert_tape *t, bert_node *n) {
    bert_tensor *a = n->in[0], *b = n->in[1];
    int rc = 0;
    if (b->needs_grad)
        rc = b->rows == n->out->rows ? bert_grad_pass(t, n, b, !a->needs_grad)
                                     : row_backward(t, n, NULL);
    return !rc && a->needs_grad ? bert_grad_pass(t, n, a, true) : rc;
}

static int scaled_grad(bert_tape *t, bert_node *n, bert_tensor *x, float factor);

static int sub_backward(bert_tape *t, bert_node *n) {
    bert_tensor *a = n->in[0], *b = n->in[1];
    int rc = b->needs_grad ? scaled_grad(t, n, b, -1) : BERT_OK;
    return !rc && a->needs_grad ? bert_grad_pass(t, n, a, true) : rc;
}

static int product_grad(bert_tape *t, bert_node *n, bert_tensor *x, const bert_tensor *other) {
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    apply(t, bert_cpu()->mul, dx, n->out->grad, other->data, x, other->rows != x->rows);
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

static int mul_backward(bert_tape *t, bert_node *n) {
    bert_tensor *a = n->in[0], *b = n->in[1];
    int rc = a->needs_grad ? product_grad(t, n, a, b) : BERT_OK;
    if (rc || !b->needs_grad) return rc;
    return b->rows == a->rows ? product_grad(t, n, b, a) : row_backward(t, n, a->data);
}

const bert_op bert_op_add = {"add", add_backward};
const bert_op bert_op_sub = {"sub", sub_backward};
const bert_op bert_op_mul = {"mul", mul_backward};

bert_tensor *bert_add(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    return binary_op(t, &bert_op_add, bert_cpu()->add, a, b, true);
}

bert_tensor *bert_sub(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    return binary_op(t, &bert_op_sub, bert_cpu()->sub, a, b, false);
}

bert_tensor *bert_mul(bert_tape *t, bert_tensor *a, bert_tensor *b) {
    return binary_op(t, &bert_op_mul, bert_cpu()->mul, a, b, true);
}

/* ---- scale, activate, dropout */

typedef struct {
    bert_node node;
    float factor; /* of scale; the probability of dropout */
    bert_act act;
    uint64_t seed, stream;
} unary_node;

typedef struct {
    float *y;
    const float *x, *z;
    const unary_node *n;
} unary;

static void scale_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    bert_cpu()->scale(o->y + begin, o->x + begin, o->n->factor, end - begin);
}

static void act_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    bert_cpu()->act[o->n->act].forward(o->y + begin, o->x + begin, end - begin);
}

static void act_backward_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    bert_cpu()->act[o->n->act].backward(o->y + begin, o->x + begin, o->z + begin, end - begin);
}

static void dropout_elements(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const unary *o = context;
    bert_cpu()->dropout(o->y + begin, o->x + begin, end - begin, o->n->factor, o->n->seed,
                        o->n->stream, begin);
}

void bert_loop_act(bert_threads *threads, bert_act act, float *y, const float *x, size_t n) {
    unary_node node = {.act = act};
    bert_loop(threads, n, BERT_ELEMENTS, act_elements, &(unary){y, x, NULL, &node});
}

void bert_loop_act_backward(bert_threads *threads, bert_act act, float *dx, const float *dy,
                            const float *x, size_t n) {
    unary_node node = {.act = act};
    bert_loop(threads, n, BERT_ELEMENTS, act_backward_elements, &(unary){dx, dy, x, &node});
}

/* data: where the result goes; NULL: a place of its own. */
static bert_tensor *unary_op(bert_tape *t, const bert_op *op, bert_loop_fn *fn, bert_tensor *x,
                             float *data, unary_node what) {
    bert_tensor *y = bert_tape_result(t, op, sizeof(unary_node), x->rows, x->cols,
                                      (bert_sources){.a = x, .data = data});
    if (!y) return NULL;
    bert_loop(t->threads, bert_tensor_size(x), BERT_ELEMENTS, fn,
              &(unary){y->data, x->data, NULL, &what});
    if (y->node) {
        what.node = *y->node;
        *(unary_node *)y->node = what;
    }
    return y;
}

/* dx = fn(dy), with z as a further operand. */
static int unary_backward(bert_tape *t, bert_node *n, bert_loop_fn *fn, const float *z,
                          const unary_node *what) {
    bert_tensor *x = n->in[0];
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    bert_loop(t->threads, bert_tensor_size(x), BERT_ELEMENTS, fn,
              &(unary){dx, n->out->grad, z, what});
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

static int scaled_grad(bert_tape *t, bert_node *n, bert_tensor *x, float factor) {
    unary_node what = {.factor = factor};
    float *dx = bert_grad_open(t, x);
    if (!dx) return BERT_ENOMEM;
    bert_loop(t->threads, bert_tensor_size(x), BERT_ELEMENTS, scale_elements,
              &(unary){dx, n->out->grad, NULL, &what});
    bert_grad_close(t, x, dx);
    return BERT_OK;
}

static int scale_backward(bert_tape *t, bert_node *n) {
    return unary_backward(t, n, scale_elements, NULL, (unary_node *)n);
}

static int activate_backward(bert_tape *t, bert_node *n) {
    return unary_backward(t, n, act_backward_elements, n->in[0]->data, (unary_node *)n);
}

static int dropout_backward(bert_tape *t, bert_node *n) {
    return unary_backward(t, n, dropout_elements, NULL, (unary_node *)n);
}

const bert_op bert_op_scale = {"scale", scale_backward};
const bert_op bert_op_activate = {"activate", activate_backward};
const bert_op bert_op_dropout = {"dropout", dropout_backward};

bert_tensor *bert_scale(bert_tape *t, bert_tensor *x, float factor) {
    if (!bert_tape_ready(t, x)) return NULL;
    return unary_op(t, &bert_op_scale, scale_elements, x, NULL, (unary_node){.factor = factor});
}

bert_tensor *bert_activate(bert_tape *t, bert_tensor *x, bert_act act) {
    if (!bert_tape_ready(t, x)) return NULL;
    if ((int)act < 0 || act >= BERT_ACT_COUNT)
        return bert_tape_fail(t, &bert_op_activate, BERT_EINVAL, "there is no activation %d", act);
    return unary_op(t, &bert_op_activate, act_elements, x, NULL, (unary_node){.act = act});
}

static bert_tensor *dropout(bert_tape *t, bert_tensor *x, float *data, float p) {
    if (!(p >= 0 && p < 1))
        return bert_tape_fail(t, &bert_op_dropout, BERT_EINVAL, "p is %g; it must be in [0, 1)",
                              (double)p);
    if (!t->options.training || p == 0) return x;
    return unary_op(
        t, &bert_op_dropout, dropout_elements, x, data,
        (unary_node){.factor = p, .seed = t->options.seed, .stream = bert_tape_stream(t)});
}

bert_tensor *bert_dropout(bert_tape *t, bert_tensor *x, float p) {
    return bert_tape_ready(t, x) ? dropout(t, x, NULL, p) : NULL;
}

bert_tensor *bert_dropout_over(bert_tape *t, bert_tensor *x, float p) {
    return bert_tape_ready(t, x) ? dropout(t, x, x->data, p) : NULL;
}

/* ---- names of activations, as config.json gives them */

int bert_act_parse(const char *name, bert_act *act, bert_error *e) {
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
