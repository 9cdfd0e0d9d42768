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
    bert_tape_options o = options ? *options : bert_tape_default();
    if ((int)o.precision < 0 || o.precision >= BERT_PRECISION_COUNT ||
        !bert_cpu()->gemm[o.precision]) {
        bert_fail(e, BERT_EUNSUPPORTED, "precision %s is not available at level %s",
                  bert_precision_name(o.precision), bert_cpu()->isa);
        return NULL;
    }
    bert_tape *t = calloc(1, sizeof *t);
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    t->options = o;
    t->threads = bert_threads_new(o.threads, e);
    if (!t->threads) {
        free(t);
        return NULL;
    }
    return t;
}

void bert_tape_free(bert_tape *t) {
    if (!t) return;
    bert_threads_free(t->threads);
    bert_arena_free(&t->arena);
    bert_arena_free(&t->work);
    free(t);
}

void bert_tape_reset(bert_tape *t) {
    if (!t) return;
    bert_arena_withdraw(&t->arena);
    bert_arena_reset(&t->arena);
    bert_arena_reset(&t->work);
    t->last = NULL;
    t->spare = NULL;
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
    if (!t) return bert_fail(e, BERT_EINVAL, "the tape is NULL");
    if (!t->error.code) return BERT_OK;
    return bert_fail(e, t->error.code, "%s", t->error.message);
}

size_t bert_tape_memory(const bert_tape *t) {
    if (!t) return 0;
    return sizeof *t + t->arena.reserved + t->work.reserved + bert_threads_memory(t->threads);
}

int32_t bert_tensor_rows(const bert_tensor *x) {
    return x ? x->rows : 0;
}

int32_t bert_tensor_cols(const bert_tensor *x) {
    return x ? x->cols : 0;
}

const float *bert_tensor_data(const bert_tensor *x) {
    return x ? x->data : NULL;
}

const float *bert_tensor_grad(const bert_tensor *x) {
    return x ? x->grad : NULL;
}

/* ---- Forward */

bool bert_tape_ready_(const bert_tape *t, const bert_tensor *const *xs, size_t n) {
    if (!t || t->error.code) return false;
    for (size_t i = 0; i < n; i++)
        if (!xs[i]) return false;
    return true;
}

void *bert_tape_fail(bert_tape *t, const bert_op *op, int code, const char *format, ...) {
    if (t->error.code) return NULL;
    va_list args;
    va_start(args, format);
    bert_fail_v(&t->error, code, format, args);
    va_end(args);
    if (op) bert_error_prefix(&t->error, "%s: ", op->name);
    return NULL;
}

void *bert_tape_set_error(bert_tape *t, int code, const char *format, ...) {
    if (!t || t->error.code) return NULL;
    va_list args;
    va_start(args, format);
    bert_fail_v(&t->error, code, format, args);
    va_end(args);
    return NULL;
}

void *bert_tape_alloc(bert_tape *t, size_t bytes) {
    void *p = bert_arena_alloc(&t->arena, bytes);
    if (!p) bert_fail_memory(&t->error, bytes);
    return p;
}

void *bert_tape_copy(bert_tape *t, const void *data, size_t bytes) {
    void *p = bert_tape_alloc(t, bytes);
    return p && bytes ? memcpy(p, data, bytes) : p;
}

uint64_t bert_tape_stream(bert_tape *t) {
    return (t->step << 20) + t->calls++;
}

static bool wants_grad(const bert_sources *from) {
    if ((from->a && from->a->needs_grad) || (from->b && from->b->needs_grad)) return true;
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

bert_tensor *bert_tape_result(bert_tape *t, const bert_op *op, size_t node_bytes, int32_t rows,
                              int32_t cols, bert_sources from) {
    if (t->options.record && !t->refilled) refill(t, &from);
    float *data = from.data;
    if (!data) data = bert_tape_alloc(t, bert_matrix_bytes(rows, cols, sizeof *data));
    bert_tensor *y = data ? bert_tape_alloc(t, sizeof *y) : NULL;
    if (!y) return NULL;
    *y = (bert_tensor){.data = data, .rows = rows, .cols = cols};
    if (!t->options.record || !(from.wanted || wants_grad(&from))) return y;
    bert_node *n = bert_tape_alloc(t, node_bytes);
    if (!n) return NULL;
    memset(n, 0, node_bytes);
    *n = (bert_node){.op = op, .previous = t->last, .out = y, .in = {from.a, from.b}};
    t->last = n;
    y->node = n;
    y->needs_grad = true;
    return y;
}

bert_tensor *bert_constant(bert_tape *t, const float *data, int32_t rows, int32_t cols,
                           bool requires_grad) {
    if (!bert_tape_ready(t) || !data) return NULL;
    if (rows < 1 || cols < 1)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "constant: the shape is [%d, %d]", rows, cols);
    bert_tensor *y = bert_tape_result(t, NULL, 0, rows, cols, (bert_sources){0});
    if (!y) return NULL;
    memcpy(y->data, data, bert_tensor_size(y) * sizeof *data);
    y->needs_grad = requires_grad && t->options.record;
    return y;
}

bert_arena_mark bert_tape_mark(const bert_tape *t) {
    return bert_arena_save(&t->arena);
}

bert_tensor *bert_tape_release_keep(bert_tape *t, bert_arena_mark mark, bert_tensor *x) {
    if (t->options.record || !bert_tape_ready(t, x)) return x;
    bert_tensor old = *x;
    size_t bytes = bert_tensor_size(x) * sizeof *x->data;
    bert_arena_rewind(&t->arena, mark);
    /* The data moves before anything is written to its new surroundings. */
    float *data = bert_tape_alloc(t, bytes);
    if (!data) return NULL;
    memmove(data, old.data, bytes);
    x = bert_tape_alloc(t, sizeof *x);
    if (x) *x = (bert_tensor){.data = data, .rows = old.rows, .cols = old.cols};
    return x;
}

/* ---- Backward */

struct bert_buffer {
    bert_buffer *next;
    size_t capacity; /* floats */
    _Alignas(BERT_ALIGN) float data[];
};

float *bert_tape_take(bert_tape *t, size_t count) {
    /* The smallest that fits, unless it is much too large: a small matrix must not hold the place
     * of a large one. */
    bert_buffer **best = NULL;
    for (bert_buffer **b = &t->spare; *b; b = &(*b)->next)
        if ((*b)->capacity >= count && (*b)->capacity / 2 <= count &&
            (!best || (*b)->capacity < (*best)->capacity))
            best = b;
    if (best) {
        bert_buffer *b = *best;
        *best = b->next;
        return b->data;
    }
    size_t bytes = sizeof(bert_buffer) + count * sizeof(float);
    bert_buffer *b = bert_arena_alloc(&t->work, bytes);
    if (!b) {
        bert_fail_memory(&t->error, bytes);
        return NULL;
    }
    b->capacity = count;
    return b->data;
}

void bert_tape_give(bert_tape *t, float *buffer) {
    if (!buffer) return;
    bert_buffer *b = (bert_buffer *)((char *)buffer - offsetof(bert_buffer, data));
    b->next = t->spare;
    t->spare = b;
}

float *bert_grad_open(bert_tape *t, bert_tensor *x) {
    float *g = bert_tape_take(t, bert_tensor_size(x));
    if (g && !x->grad) x->grad = g;
    return g;
}

void bert_grad_close(bert_tape *t, bert_tensor *x, float *contribution) {
    if (contribution == x->grad) return;
    bert_loop_add(t->threads, x->grad, contribution, bert_tensor_size(x));
    bert_tape_give(t, contribution);
}

float *bert_grad_open_add(bert_tape *t, bert_tensor *x, bool *add) {
    *add = x->grad;
    if (!x->grad) x->grad = bert_tape_take(t, bert_tensor_size(x));
    return x->grad;
}

int bert_grad_pass(bert_tape *t, bert_node *n, bert_tensor *x, bool last) {
    float *dy = n->out->grad;
    size_t size = bert_tensor_size(x);
    if (x->grad) {
        bert_loop_add(t->threads, x->grad, dy, size);
    } else if (last) {
        x->grad = dy;
        n->out->grad = NULL;
    } else {
        x->grad = bert_tape_take(t, size);
        if (!x->grad) return BERT_ENOMEM;
        bert_loop_copy(t->threads, x->grad, dy, size);
    }
    return BERT_OK;
}

float *bert_grad_param(bert_tape *t, const bert_param *p, int *rc) {
    if (!bert_param_trainable(p)) return NULL;
    float *g = bert_param_grad_from((bert_param *)(uintptr_t)p, &t->arena, &t->error);
    if (!g) *rc = BERT_ENOMEM;
    return g;
}

int bert_tape_propagate(bert_tape *t, bert_tensor *y) {
    for (bert_node *n = y->node; n; n = n->previous) {
        if (!n->out->grad) continue;
        int rc = n->op->backward(t, n);
        if (rc) return rc;
        bert_tape_give(t, n->out->grad);
        n->out->grad = NULL;
    }
    return BERT_OK;
}

static int run_backward(bert_tape *t, bert_tensor *loss, float seed_grad) {
    bool add;
    float *g = bert_grad_open_add(t, loss, &add);
    if (!g) return BERT_ENOMEM;
    for (size_t i = 0; i < bert_tensor_size(loss); i++) g[i] = add ? g[i] + seed_grad : seed_grad;
    return bert_tape_propagate(t, loss);
}

int bert_tape_backward(bert_tape *t, bert_tensor *loss, float seed_grad, bert_error *e) {
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
