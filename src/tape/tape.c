#include "tape/tape.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

#define BERT_OP_ROW(name) &bert_op_##name,
const bert_op *const bert_ops[] = {BERT_OP_LIST(BERT_OP_ROW)};
#undef BERT_OP_ROW
const int bert_ops_count = (int)(sizeof bert_ops / sizeof *bert_ops);

bert_tape_options bert_tape_default(void) {
    return (bert_tape_options){.record = true, .seed = 42};
}

bert_tape *bert_tape_new(const bert_tape_options *options, bert_error *e) {
    BERT_DOOR(e);
    bert_tape_options o = options ? *options : bert_tape_default();
    bert_tape *t = calloc(1, sizeof *t);
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    t->options = o;
    if (bert_worker_open(&t->worker, o.device, o.threads, o.precision, e)) {
        free(t);
        return NULL;
    }
    t->worker.error = &t->error;
    t->threads = t->worker.threads;
    t->arena.memory = &t->worker.device->memory;
    return t;
}

void bert_tape_free(bert_tape *t) {
    if (!t) return;
    bert_worker_close(&t->worker);
    bert_arena_free(&t->arena);
    bert_arena_free(&t->notes);
    free(t);
}

void bert_tape_use_threads(bert_tape *t, bert_threads *threads) {
    bert_threads_free(t->threads);
    t->threads = t->worker.threads = bert_threads_share(threads);
}

void bert_tape_reset(bert_tape *t) {
    if (!t) return;
    bert_arena_withdraw(&t->arena);
    bert_arena_reset(&t->arena);
    bert_arena_reset(&t->notes);
    bert_worker_reset(&t->worker);
    t->last = NULL;
    t->refilled = false;
    t->calls = 0;
    bert_error_clear(&t->error);
}

void bert_tape_set_mode(bert_tape *t, bool record, bool training) {
    if (!t) return;
    t->options.record = record;
    t->options.training = training;
}

void bert_tape_set_step(bert_tape *t, uint64_t step) {
    if (!t) return;
    t->step = step;
    t->calls = 0;
}

int bert_tape_error(const bert_tape *t, bert_error *e) {
    BERT_DOOR(e);
    if (!t) return bert_fail(e, BERT_EINVAL, "the tape is NULL");
    if (!t->error.code) return BERT_OK;
    return bert_fail(e, t->error.code, "%s", t->error.message);
}

size_t bert_tape_memory(const bert_tape *t) {
    if (!t) return 0;
    return sizeof *t + t->arena.reserved + t->notes.reserved + bert_worker_memory(&t->worker);
}

int32_t bert_tensor_rows(const bert_tensor *x) {
    return x ? x->rows : 0;
}

int32_t bert_tensor_cols(const bert_tensor *x) {
    return x ? x->cols : 0;
}

/* n floats of the device where the host can read them until the reset. */
static const float *read_floats(bert_tape *t, const float *data, size_t n) {
    const float *view = bert_device_view(t->worker.device, data, n, &t->notes);
    if (!view && data) bert_fail_memory(&t->error, n * sizeof *data);
    return view;
}

const float *bert_tensor_read(bert_tape *t, const bert_tensor *x) {
    return t && x ? read_floats(t, x->data, bert_tensor_size(x)) : NULL;
}

const float *bert_tensor_read_grad(bert_tape *t, const bert_tensor *x) {
    return t && x ? read_floats(t, x->grad, bert_tensor_size(x)) : NULL;
}

/* ---- Forward */

bool bert_tape_ready_(const bert_tape *t, const bert_tensor *const *xs, size_t n) {
    if (!t || t->error.code) return false;
    for (size_t i = 0; i < n; i++)
        if (!xs[i]) return false;
    return true;
}

static void *fail(bert_tape *t, const bert_op *op, int code, const char *format, va_list args) {
    if (!t || t->error.code) return NULL;
    bert_fail_v(&t->error, code, format, args);
    if (op) bert_error_prefix(&t->error, "%s: ", op->name);
    return NULL;
}

void *bert_tape_fail(bert_tape *t, const bert_op *op, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail(t, op, code, format, args);
    va_end(args);
    return NULL;
}

void *bert_tape_set_error(bert_tape *t, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail(t, NULL, code, format, args);
    va_end(args);
    return NULL;
}

static void *allocate(bert_tape *t, bert_arena *a, size_t bytes) {
    void *p = bert_arena_alloc(a, bytes);
    if (!p) bert_fail_memory(&t->error, bytes);
    return p;
}

void *bert_tape_alloc(bert_tape *t, size_t bytes) {
    return allocate(t, &t->notes, bytes);
}

float *bert_tape_floats(bert_tape *t, size_t count) {
    return allocate(t, &t->arena,
                    count > SIZE_MAX / sizeof(float) ? SIZE_MAX : count * sizeof(float));
}

void *bert_tape_copy(bert_tape *t, const void *data, size_t bytes) {
    void *p = bert_tape_alloc(t, bytes);
    return p && bytes ? memcpy(p, data, bytes) : p;
}

uint64_t bert_tape_stream(bert_tape *t) {
    return (t->step << 20) + t->calls++;
}

bert_weight bert_weight_of(bert_linear l) {
    return (bert_weight){.value = l.weight->value,
                         .bias = l.bias ? l.bias->value : NULL,
                         .rows = l.weight->rows,
                         .cols = l.weight->cols,
                         .trained = bert_param_trainable(l.weight),
                         .memo = &l.weight->memo};
}

static bool wants_grad(const bert_tape *t, const bert_sources *from) {
    if ((from->a && from->a->needs_grad) || (from->b && from->b->needs_grad)) return true;
    if (t->constants_only) return false;
    for (int i = 0; i < 2; i++)
        if (bert_param_trainable(from->params[i])) return true;
    for (int i = 0; i < from->linears_count; i++)
        if (bert_param_trainable(from->linears[i].weight) ||
            bert_param_trainable(from->linears[i].bias))
            return true;
    return false;
}

/* Memory of segments that the last backward has passed serves gradients; before the first operation
 * with parameters that are trained it comes back. */
static void refill(bert_tape *t, const bert_sources *from) {
    const bert_param *p = NULL;
    for (int i = 0; i < 2; i++)
        if (bert_param_trainable(from->params[i])) p = from->params[i];
    for (int i = 0; i < from->linears_count; i++)
        if (bert_param_trainable(from->linears[i].weight)) p = from->linears[i].weight;
    if (!p) return;
    t->refilled = true;
    bert_params_lend(p->owner, &t->arena);
}

/* Parameters live on the device that computes with them. */
static bool same_device(bert_tape *t, const bert_op *op, const bert_param *p) {
    if (!p || p->owner->device == t->worker.device) return true;
    return bert_tape_fail(t, op, BERT_EINVAL, "%s is on the device %s, the tape computes on %s",
                          p->name, p->owner->device->name, t->worker.device->name);
}

static bool same_devices(bert_tape *t, const bert_op *op, const bert_sources *from) {
    for (int i = 0; i < 2; i++)
        if (!same_device(t, op, from->params[i])) return false;
    for (int i = 0; i < from->linears_count; i++)
        if (!same_device(t, op, from->linears[i].weight) ||
            !same_device(t, op, from->linears[i].bias))
            return false;
    return true;
}

static void name_params(bert_node *n, const bert_sources *from) {
    for (int i = 0; i < 2; i++) n->params[i] = from->params[i];
    for (int i = 0; i < from->linears_count; i++) {
        n->params[2 * i] = from->linears[i].weight;
        n->params[2 * i + 1] = from->linears[i].bias;
    }
}

static void count_uses(const bert_tape *t, const bert_node *n) {
    for (int i = 0; i < BERT_OP_PARAMS && t->passed; i++)
        if (n->params[i]) ((bert_param *)(uintptr_t)n->params[i])->uses++;
}

static void pass_params(const bert_tape *t, const bert_node *n) {
    for (int i = 0; i < BERT_OP_PARAMS && t->passed; i++)
        if (n->params[i] && --((bert_param *)(uintptr_t)n->params[i])->uses == 0)
            t->passed(t->passed_context, n->params[i]);
}

bert_tensor *bert_tape_result(bert_tape *t, const bert_op *op, int32_t rows, int32_t cols,
                              bert_sources from) {
    if (!same_devices(t, op, &from)) return NULL;
    if (t->options.record && !t->refilled && !t->constants_only) refill(t, &from);
    float *data = from.data;
    if (!data) data = allocate(t, &t->arena, bert_matrix_bytes(rows, cols, sizeof *data));
    bert_tensor *y = data ? bert_tape_alloc(t, sizeof *y) : NULL;
    if (!y) return NULL;
    *y = (bert_tensor){.data = data, .rows = rows, .cols = cols};
    if (!t->options.record || !(from.wanted || wants_grad(t, &from))) return y;
    bert_node *n = bert_tape_alloc(t, sizeof *n);
    if (!n) return NULL;
    *n = (bert_node){.op = op, .previous = t->last, .out = y, .in = {from.a, from.b}};
    name_params(n, &from);
    count_uses(t, n);
    t->last = n;
    y->node = n;
    y->needs_grad = true;
    return y;
}

static bert_matrix matrix_of(const bert_tensor *x) {
    return x ? (bert_matrix){x->data, x->rows, x->cols} : (bert_matrix){0};
}

/* What a device's row returned. */
static int computed(bert_tape *t, const bert_op *op, int rc) {
    if (rc && !t->error.code)
        bert_tape_fail(t, op, rc, "%s", rc == BERT_ENOMEM ? "out of memory" : bert_error_name(rc));
    return rc;
}

bert_tensor *bert_op_forward(bert_tape *t, const bert_op *op, bert_tensor *y, bert_sources from,
                             const void *with, size_t bytes) {
    if (!y || t->error.code) return NULL;
    if (y->node && bytes) {
        y->node->with = bert_tape_copy(t, with, bytes);
        if (!y->node->with) return NULL;
    }
    t->worker.returns = t->options.record || t->returns;
    const bert_call c = {{matrix_of(from.a), matrix_of(from.b)}, matrix_of(y), with};
    const bert_op_row *row = t->worker.device->ops[op->number];
    return computed(t, op, row->forward(&t->worker, &c)) ? NULL : y;
}

bert_tensor *bert_tensor_over(bert_tape *t, float *data, int32_t rows, int32_t cols) {
    if (!t->worker.device->host) return bert_constant(t, data, rows, cols, false);
    return bert_tape_result(t, NULL, rows, cols, (bert_sources){.data = data});
}

bert_tensor *bert_constant(bert_tape *t, const float *data, int32_t rows, int32_t cols,
                           bool requires_grad) {
    if (!bert_tape_ready(t) || !data) return NULL;
    if (rows < 1 || cols < 1)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "constant: the shape is [%d, %d]", rows, cols);
    bert_tensor *y = bert_tape_result(t, NULL, rows, cols, (bert_sources){0});
    if (!y) return NULL;
    t->worker.device->write(y->data, data, bert_tensor_size(y) * sizeof *data);
    y->needs_grad = requires_grad && t->options.record;
    return y;
}

bert_arena_mark bert_tape_mark(const bert_tape *t) {
    return bert_arena_save(&t->arena);
}

bert_tensor *bert_tape_release_keep(bert_tape *t, bert_arena_mark mark, bert_tensor *x) {
    if (t->options.record || !bert_tape_ready(t, x)) return x;
    bert_arena_rewind(&t->arena, mark);
    float *data = bert_tape_floats(t, bert_tensor_size(x));
    if (!data) return NULL;
    t->worker.device->copy(&t->worker, data, x->data, bert_tensor_size(x));
    x->data = data;
    return x;
}

/* ---- Backward */

float *bert_grad_open(bert_tape *t, bert_tensor *x) {
    float *g = bert_worker_take(&t->worker, bert_tensor_size(x));
    if (g && !x->grad) x->grad = g;
    return g;
}

void bert_grad_close(bert_tape *t, bert_tensor *x, float *contribution) {
    if (contribution == x->grad) return;
    t->worker.device->add(&t->worker, x->grad, contribution, bert_tensor_size(x));
    bert_worker_give(&t->worker, contribution);
}

float *bert_grad_open_add(bert_tape *t, bert_tensor *x, bool *add) {
    *add = x->grad;
    if (!x->grad) x->grad = bert_worker_take(&t->worker, bert_tensor_size(x));
    return x->grad;
}

int bert_grad_pass(bert_tape *t, bert_node *n, bert_tensor *x, bool last) {
    float *dy = n->out->grad;
    size_t size = bert_tensor_size(x);
    if (x->grad) {
        t->worker.device->add(&t->worker, x->grad, dy, size);
    } else if (last) {
        x->grad = dy;
        n->out->grad = NULL;
    } else {
        x->grad = bert_worker_take(&t->worker, size);
        if (!x->grad) return BERT_ENOMEM;
        t->worker.device->copy(&t->worker, x->grad, dy, size);
    }
    return BERT_OK;
}

float *bert_grad_param(bert_tape *t, const bert_param *p, int *rc) {
    if (t->constants_only || !bert_param_trainable(p)) return NULL;
    float *g = bert_param_grad_from((bert_param *)(uintptr_t)p, &t->arena, &t->error);
    if (!g) *rc = BERT_ENOMEM;
    return g;
}

int bert_op_flow(bert_tape *t, const bert_node *n, const bert_flow *f) {
    const bert_call c = {{matrix_of(n->in[0]), matrix_of(n->in[1])}, matrix_of(n->out), n->with};
    return computed(t, n->op, t->worker.device->ops[n->op->number]->backward(&t->worker, &c, f));
}

int bert_op_backward(bert_tape *t, bert_node *n) {
    bert_flow f = {.dy = n->out->grad};
    int rc = 0;
    for (int i = 0; i < 2; i++) {
        bert_tensor *x = n->in[i];
        if (!x || !x->needs_grad) continue;
        f.dx[i] = n->op->adds ? bert_grad_open_add(t, x, &f.add[i]) : bert_grad_open(t, x);
        if (!f.dx[i]) return BERT_ENOMEM;
    }
    for (int i = 0; i < BERT_OP_PARAMS; i++) f.dp[i] = bert_grad_param(t, n->params[i], &rc);
    if (!rc) rc = bert_op_flow(t, n, &f);
    for (int i = 0; i < 2 && !n->op->adds; i++)
        if (f.dx[i]) bert_grad_close(t, n->in[i], f.dx[i]);
    return rc;
}

int bert_tape_propagate(bert_tape *t, bert_tensor *y) {
    for (bert_node *n = y->node; n; n = n->previous) {
        int rc = n->out->grad ? n->op->backward(t, n) : BERT_OK;
        if (rc) return rc;
        if (n->out->grad) bert_worker_give(&t->worker, n->out->grad);
        n->out->grad = NULL;
        pass_params(t, n);
    }
    return BERT_OK;
}

static int run_backward(bert_tape *t, bert_tensor *loss, float seed_grad) {
    float *g = bert_grad_open(t, loss);
    if (!g) return BERT_ENOMEM;
    t->worker.device->fill(&t->worker, g, seed_grad, bert_tensor_size(loss));
    bert_grad_close(t, loss, g);
    return bert_tape_propagate(t, loss);
}

int bert_tape_backward(bert_tape *t, bert_tensor *loss, float seed_grad, bert_error *e) {
    BERT_DOOR(e);
    if (!t) return bert_fail(e, BERT_EINVAL, "backward: the tape is NULL");
    if (!t->error.code && !loss)
        bert_tape_fail(t, NULL, BERT_EINVAL, "backward: the loss is NULL");
    else if (!t->error.code && !loss->needs_grad)
        bert_tape_fail(t, NULL, BERT_EINVAL, "backward: the loss depends on nothing trainable%s",
                       t->options.record ? "" : ", since the tape does not record");
    if (t->error.code) return bert_tape_error(t, e);
    int rc = run_backward(t, loss, seed_grad);
    if (rc && !t->error.code) bert_tape_fail(t, NULL, rc, "backward: %s", bert_error_name(rc));
    return bert_tape_error(t, e);
}
