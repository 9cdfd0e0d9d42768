/* Segments of the forward pass, each with a chain of nodes of its own. A segment is kept as it was
 * recorded until backward has passed it; with gradient checkpointing only its input is, and
 * backward runs it again, in memory that is handed back when it has been passed. */
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bert_segment_fn *fn;
    const void *context;
    bert_tensor *leaf; /* the segment's input as its nodes see it, made by none */
    bert_tensor *kept; /* its result as it was recorded; NULL: to be computed again */
    bert_arena_mark from, to;
    uint64_t step, calls; /* with which dropout masks */
    bool training;
} segment;

/* What a segment changes on the tape, and gets back. */
typedef struct {
    bert_tape_options options;
    bert_node *last;
    uint64_t step, calls;
    bool inside;
} tape_state;

static tape_state save_state(const bert_tape *t) {
    return (tape_state){t->options, t->last, t->step, t->calls, t->inside};
}

static void restore_state(bert_tape *t, const tape_state *s) {
    t->options = s->options;
    t->last = s->last;
    t->step = s->step;
    t->calls = s->calls;
    t->inside = s->inside;
}

static bert_tensor *run(bert_tape *t, const segment *n, bool record) {
    t->last = NULL;
    t->inside = true;
    t->options.record = record;
    return n->fn(t, n->context, n->leaf);
}

static int checkpoint_backward(bert_tape *t, bert_node *node) {
    segment *n = node->with;
    bert_tensor *x = node->in[0], *leaf = n->leaf, *y = n->kept;
    tape_state before = save_state(t);
    bert_arena_mark mark = bert_tape_mark(t);
    leaf->grad = x->grad;
    if (!y) {
        t->step = n->step;
        t->calls = n->calls;
        t->options.training = n->training;
        y = run(t, n, true);
    }
    int rc = t->error.code;
    if (!rc && y == leaf) {
        rc = bert_grad_pass(t, node, leaf, true);
    } else if (!rc && y->needs_grad) {
        y->grad = node->out->grad;
        node->out->grad = NULL;
        rc = bert_tape_propagate(t, y);
    }
    x->grad = leaf->grad;
    restore_state(t, &before);
    bert_arena_rewind(&t->arena, mark);
    if (n->kept && bert_arena_offer(n->from, n->to, node->out->data,
                                    bert_tensor_size(node->out) * sizeof(float)))
        n->kept = NULL;
    return rc;
}

const bert_op bert_op_checkpoint = {"checkpoint", BERT_OP_checkpoint, checkpoint_backward, false};

bert_tensor *bert_checkpoint(bert_tape *t, bert_segment_fn *fn, const void *context, size_t bytes,
                             bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    const bool keep = !t->options.gradient_checkpointing;
    if (!t->options.record || (keep && t->inside)) return fn(t, context, x);
    segment n = {.fn = fn,
                 .context = bert_tape_copy(t, context, bytes),
                 .leaf = bert_tape_copy(t, x, sizeof *x),
                 .step = t->step,
                 .calls = t->calls,
                 .training = t->options.training};
    if (!n.context || !n.leaf) return NULL;
    n.leaf->node = NULL;
    tape_state before = save_state(t);
    bert_arena_mark mark = bert_tape_mark(t);
    bert_tensor *y = run(t, &n, keep);
    t->options.record = false;
    /* Where nothing is trainable, there is nothing to keep the segment for. */
    if (y && y != n.leaf && !y->needs_grad) y = bert_tape_release_keep(t, mark, y);
    before.calls = t->calls;
    restore_state(t, &before);
    if (!y || y == n.leaf) return y ? x : NULL;
    if (keep && !y->needs_grad) return y;
    if (keep) {
        n.kept = y;
        n.from = mark;
        n.to = bert_tape_mark(t);
    }
    y = bert_tape_result(t, &bert_op_checkpoint, y->rows, y->cols,
                         (bert_sources){.a = x, .data = y->data, .wanted = true});
    if (!y) return NULL;
    y->node->with = bert_tape_copy(t, &n, sizeof n);
    return y->node->with ? y : NULL;
}
