/* The inside of the tape, for operations and for the models' forward pass.
 *
 * An operation is a public function that checks what it is given, a row in the list of operations
 * (device/operations.h) with what it has of its own, and a row in the table of each device, which
 * computes:
 *
 *     const bert_op bert_op_scale = {"scale", BERT_OP_scale, bert_op_backward, false};
 *
 *     bert_tensor *bert_scale(bert_tape *t, bert_tensor *x, float factor) {
 *         if (!bert_tape_ready(t, x)) return NULL;
 *         const bert_sources from = {.a = x};
 *         bert_tensor *y = bert_tape_result(t, &bert_op_scale, x->rows, x->cols, from);
 *         return bert_op_forward(t, &bert_op_scale, y, from, &(bert_scale_with){factor},
 *                                sizeof(bert_scale_with));
 *     }
 *
 * What lies in a tensor's data or gradient is the device's: nothing here reads or writes it. */
#ifndef BERT_TAPE_TAPE_H
#define BERT_TAPE_TAPE_H
#include "base/arena.h"
#include "device/device.h"
#include "tape/params.h"

typedef struct bert_node bert_node;
typedef struct {
    const char *name; /* as messages call it */
    bert_op_number number;
    /* Adds the gradient of n->out to the operation's inputs that want one (needs_grad) and its
     * trainable parameters. It may overwrite or pass on n->out->grad, which nothing reads
     * afterwards. On failure the tape's error is set. */
    int (*backward)(bert_tape *t, bert_node *n);
    bool adds; /* the devices' backward can add to the gradients of inputs */
} bert_op;
#define BERT_OP_DECLARE(name) extern const bert_op bert_op_##name;
BERT_OP_LIST(BERT_OP_DECLARE)
#undef BERT_OP_DECLARE
extern const bert_op *const bert_ops[];
extern const int bert_ops_count;

struct bert_tensor {
    float *data; /* [rows, cols], of the device */
    float *grad; /* NULL until something flows in; of the device */
    int32_t rows, cols;
    bool needs_grad; /* a trainable parameter, or a constant that wants it, lies below */
    bert_node *node; /* what made it; NULL for leaves and where nothing is recorded */
};

struct bert_node {
    const bert_op *op;
    bert_node *previous; /* in the order of creation */
    bert_tensor *out;
    bert_tensor *in[2];
    const bert_param *params[BERT_OP_PARAMS];
    void *with; /* the operation's own: device/operations.h */
};

struct bert_tape {
    bert_tape_options options;
    bert_worker worker;    /* of its device; working memory as well */
    bert_threads *threads; /* the worker's */
    bert_arena arena;      /* of the device: what lives until the reset */
    bert_arena notes;      /* of the host, the same: tensors, nodes, ids */
    bert_node *last;
    uint64_t step;
    uint64_t calls;      /* of operations that draw masks, since the reset */
    bool refilled;       /* since the reset, with pages that gradients had: bert_params_lend */
    bool returns;        /* more rows come after these: as the worker's */
    bool inside;         /* a segment: bert_checkpoint */
    bool constants_only; /* gradients of parameters are not wanted, trainable or not */
    bert_error error;
    /* Unless NULL: backward has passed the last node of a parameter, whose gradient is whole. Not of
     * segments that are computed again (gradient checkpointing), whose nodes are made anew. */
    void (*passed)(void *context, const bert_param *p);
    void *passed_context;
};

static inline size_t bert_tensor_size(const bert_tensor *x) {
    return (size_t)x->rows * (size_t)x->cols;
}

/* Copies x to the host. */
static inline void bert_tensor_copy(const bert_tape *t, const bert_tensor *x, float *to) {
    t->worker.device->read(to, x->data, bert_tensor_size(x) * sizeof *to);
}

/* The tape works on these threads, of which it holds a share, not on its own. */
void bert_tape_use_threads(bert_tape *t, bert_threads *threads);

/* ---- Forward */

/* False when the tape has failed or is NULL, or a tensor is: the operation returns NULL. */
#define bert_tape_ready(t, ...)                                                                    \
    bert_tape_ready_((t), (const bert_tensor *const[]){__VA_ARGS__},                               \
                     sizeof((const bert_tensor *const[]){__VA_ARGS__}) / sizeof(bert_tensor *))
bool bert_tape_ready_(const bert_tape *t, const bert_tensor *const *xs, size_t n);
/* Sets the tape's error, unless it has one; "op: " is put before the message unless op is NULL. */
void *bert_tape_fail(bert_tape *t, const bert_op *op, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

typedef struct {
    bert_tensor *a, *b;          /* inputs; NULL: none */
    const bert_param *params[2]; /* parameters that the operation uses; NULL: none */
    const bert_linear *linears;  /* or these */
    int linears_count;
    float *data; /* the result lies here already, and is not allocated */
    bool wanted; /* a node is needed whatever lies below */
} bert_sources;
/* The result [rows, cols] of an operation, its data not yet written; and, when the tape records and
 * something below wants a gradient, y->node. NULL when memory is out (then the error is set). */
bert_tensor *bert_tape_result(bert_tape *t, const bert_op *op, int32_t rows, int32_t cols,
                              bert_sources from);
/* Lets the device compute y, which may be NULL, and keeps a copy of `with` for backward. y, or
 * NULL. */
bert_tensor *bert_op_forward(bert_tape *t, const bert_op *op, bert_tensor *y, bert_sources from,
                             const void *with, size_t bytes);
/* A copy in memory that lives until the reset, as bert_tape_alloc gives it: of the host. */
void *bert_tape_copy(bert_tape *t, const void *data, size_t bytes);
float *bert_tape_floats(bert_tape *t, size_t count); /* the same of the device */
/* A tensor of what lies in the host's memory, where the device can use it there, else of a copy. */
bert_tensor *bert_tensor_over(bert_tape *t, float *data, int32_t rows, int32_t cols);
/* A linear as devices know it. */
bert_weight bert_weight_of(bert_linear l);
/* The stream of the next dropout mask. */
uint64_t bert_tape_stream(bert_tape *t);

/* Inference layer by layer in the same memory: everything allocated since the mark goes, except x,
 * which moves down to it. On a tape that records nothing goes, and x is returned as it is.
 *
 *     bert_arena_mark mark = bert_tape_mark(t);
 *     bert_tensor *x = embeddings(t);
 *     for (...) x = bert_tape_release_keep(t, mark, layer(t, x));
 *
 * The mark comes before the first x, so that a layer's input goes as well. */
bert_arena_mark bert_tape_mark(const bert_tape *t);
bert_tensor *bert_tape_release_keep(bert_tape *t, bert_arena_mark mark, bert_tensor *x);

/* bert_dropout that overwrites x: for an x that nothing else uses, and whose operation does not
 * need its result in backward (a linear without activation). Saves a matrix. */
bert_tensor *bert_dropout_over(bert_tape *t, bert_tensor *x, float p);
/* x + bert_embedding() of as many ids as x has rows, over an x of the same kind. Saves two. */
bert_tensor *bert_embedding_onto(bert_tape *t, bert_tensor *x, bert_param *table,
                                 const int32_t *ids);

/* bert_attention, whose probabilities are written to `shown` of the host as well, unless it is
 * NULL: [heads, length, length] of each sequence in turn, before dropout. */
bert_tensor *bert_attention_shown(bert_tape *t, bert_tensor *qkv, const bert_attention_spec *spec,
                                  const int32_t *start, int32_t n, float *shown);

/* A segment of the forward pass: y of x. */
typedef bert_tensor *bert_segment_fn(bert_tape *t, const void *context, bert_tensor *x);
/* fn(t, context, x), whose inside dies when backward has passed it; with gradient checkpointing at
 * once. Backward that comes where the inside is gone calls fn again with the same dropout masks.
 * context is copied (`bytes`); what it points to must live until then. fn computes with x and
 * parameters, with no other tensor of the tape, and hands out nothing but y. */
bert_tensor *bert_checkpoint(bert_tape *t, bert_segment_fn *fn, const void *context, size_t bytes,
                             bert_tensor *x);

/* ---- Backward */

/* Lets the device compute the gradients of n. */
int bert_op_flow(bert_tape *t, const bert_node *n, const bert_flow *f);
/* The backward of operations whose device gives the gradient of each input and parameter. */
int bert_op_backward(bert_tape *t, bert_node *n);
/* Backward of everything that y was made from, y->grad being there. */
int bert_tape_propagate(bert_tape *t, bert_tensor *y);

/* Where an operation writes (not adds) all of its contribution to x's gradient, and the end of it:
 * what flowed in before is added. NULL: out of memory, the error is set. */
float *bert_grad_open(bert_tape *t, bert_tensor *x);
void bert_grad_close(bert_tape *t, bert_tensor *x, float *contribution);
/* The same for an operation that can add: *add says whether it must. No close. */
float *bert_grad_open_add(bert_tape *t, bert_tensor *x, bool *add);
/* x's contribution is the gradient of n's result as it is (of the same number of elements). last:
 * n does not read it any more. */
int bert_grad_pass(bert_tape *t, bert_node *n, bert_tensor *x, bool last);
/* The gradient of a parameter, or NULL: not trainable (then *rc is left alone), or no memory. */
float *bert_grad_param(bert_tape *t, const bert_param *p, int *rc);
#endif
