/* Gradient checkpointing: a segment of the forward pass of which only the input is kept. Backward
 * runs it again, recording, in memory that is handed back when the segment has been passed. */
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bert_node node;
    bert_segment_fn *fn;
    const void *context;
    uint64_t step, calls; /* with which dropout masks */
    bool training;
} checkpoint_node;

/* What a segment's second run changes on the tape, and gets back. */
typedef struct {
    bert_tape_options options;
    bert_node *last;
    bert_buffer *spare;
    uint64_t step, calls;
} tape_state;

static tape_state save_state(const bert_tape *t) {
    return (tape_state){t->options, t->last, t->spare, t->step, t->calls};
}

static void restore_state(bert_tape *t, const tape_state *s) {
    t->options = s->options;
    t->last = s->last;
    t->spare = s->spare;
    t->step = s->step;
    t->calls = s->calls;
}

static int checkpoint_backward(bert_tape *t, bert_node *node) {
    const checkpoint_node *n = (checkpoint_node *)node;
    bert_tensor *x = node->in[0], *y = node->out;
    /* The input's gradient outlives the segment, so it is allocated before. */
    bert_tensor leaf = {.data = x->data, .rows = x->rows, .cols = x->cols};
    leaf.needs_grad = x->needs_grad;
    if (x->needs_grad) {
        bool add;
        leaf.grad = bert_grad_open_add(t, x, &add);
        if (!leaf.grad) return BERT_ENOMEM;
        if (!add) memset(leaf.grad, 0, bert_tensor_size(x) * sizeof *leaf.grad);
    }
    tape_state before = save_state(t);
    bert_arena_mark mark = bert_tape_mark(t);
    t->last = NULL;
    t->spare = NULL;
    t->step = n->step;
    t->calls = n->calls;
    t->options.record = true;
    t->options.training = n->training;
    bert_tensor *again = n->fn(t, n->context, &leaf);
    int rc = t->error.code;
    if (again && !rc && again->needs_grad) {
        again->grad = bert_tape_take(t, bert_tensor_size(y));
        if (!again->grad) return BERT_ENOMEM;
        memcpy(again->grad, y->grad, bert_tensor_size(y) * sizeof *y->grad);
        rc = bert_tape_propagate(t, again);
    }
    restore_state(t, &before);
    bert_arena_rewind(&t->arena, mark);
    return rc;
}

const bert_op bert_op_checkpoint = {"checkpoint", checkpoint_backward};

bert_tensor *bert_checkpoint(bert_tape *t, bert_segment_fn *fn, const void *context, size_t bytes,
                             bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (!t->options.record || !t->options.gradient_checkpointing) return fn(t, context, x);
    checkpoint_node what = {.fn = fn,
                            .context = bert_tape_copy(t, context, bytes),
                            .step = t->step,
                            .calls = t->calls,
                            .training = t->options.training};
    if (!what.context) return NULL;
    bert_buffer *spare = t->spare;
    bert_arena_mark mark = bert_tape_mark(t);
    t->options.record = false;
    t->spare = NULL;
    bert_tensor *y = bert_tape_release_keep(t, mark, fn(t, context, x));
    t->options.record = true;
    t->spare = spare;
    if (!y) return NULL;
    y = bert_tape_result(t, &bert_op_checkpoint, sizeof what, y->rows, y->cols,
                         (bert_sources){.a = x, .data = y->data, .wanted = true});
    if (!y) return NULL;
    what.node = *y->node;
    *(checkpoint_node *)y->node = what;
    return y;
}
