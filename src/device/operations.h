/* The operations of the tape, and what a device is given to compute one.
 *
 * The tape (src/tape/op_*.c) checks shapes, makes results, decides what is recorded, opens
 * gradients and adds them up; a device computes. It has a row for each operation: forward writes
 * the result, backward the gradients of what went in. Rows are coarse (a linear layer with its bias
 * and activation, a whole attention), so that a device may fuse what it can.
 *
 * Matrices, gradients of parameters and what is kept for backward (`float *` below) lie in the
 * memory of the device; ids, positions, labels, and what else a batch brings (`const int32_t *`,
 * and floats where it says so) lie in the host's. */
#ifndef BERT_DEVICE_OPERATIONS_H
#define BERT_DEVICE_OPERATIONS_H
#include <bert.h>
#include <stddef.h>

/* Operations that a device has a row for, */
#define BERT_COMPUTED_OPS(X)                                                                       \
    X(linear)                                                                                      \
    X(feed_forward)                                                                                \
    X(matmul)                                                                                      \
    X(add)                                                                                         \
    X(sub)                                                                                         \
    X(mul)                                                                                         \
    X(scale)                                                                                       \
    X(activate)                                                                                    \
    X(dropout)                                                                                     \
    X(layer_norm)                                                                                  \
    X(softmax)                                                                                     \
    X(normalize_rows)                                                                              \
    X(embedding)                                                                                   \
    X(rows)                                                                                        \
    X(attention)                                                                                   \
    X(concat)                                                                                      \
    X(slice)                                                                                       \
    X(mean_groups)                                                                                 \
    X(max_groups)                                                                                  \
    X(sum_groups)                                                                                  \
    X(sum)                                                                                         \
    X(cross_entropy)                                                                               \
    X(bce_with_logits)                                                                             \
    X(mse)
/* and every one: these compute nothing. One of each, and tables and tests loop over them. */
#define BERT_OP_LIST(X)                                                                            \
    BERT_COMPUTED_OPS(X)                                                                           \
    X(param)                                                                                       \
    X(reshape)                                                                                     \
    X(operate)                                                                                     \
    X(checkpoint)
#define BERT_OP_NUMBER(name) BERT_OP_##name,
typedef enum { BERT_OP_LIST(BERT_OP_NUMBER) BERT_OPS } bert_op_number;
#undef BERT_OP_NUMBER

enum {
    BERT_LINEARS_MAX = 3, /* linears that one product may hold: queries, keys, values */
    BERT_OP_PARAMS = 2 * BERT_LINEARS_MAX
};

/* [rows, cols], row by row. */
typedef struct {
    float *data; /* NULL: there is none */
    int32_t rows, cols;
} bert_matrix;

static inline size_t bert_matrix_size(const bert_matrix *m) {
    return (size_t)m->rows * (size_t)m->cols;
}

/* What an operation is given, and where its result goes. */
typedef struct {
    bert_matrix x[2], y; /* y may lie where x[0] does: dropout, embedding */
    const void *with;    /* the operation's own below; NULL: it has none */
} bert_call;

/* What backward is given, beside the call of forward (x, y and what forward kept), and where its
 * results go. */
typedef struct {
    float *dy;    /* of y; may be overwritten */
    float *dx[2]; /* of x; NULL: not wanted. Written, every element */
    bool add[2];  /* of linear, feed_forward, matmul and rows only: added to what is there. Where
                     dx[0] is dx[1], in this order */
    float *dp[BERT_OP_PARAMS]; /* of parameters, in the order given below; NULL: not wanted. Always
                                  added to what is there */
} bert_flow;

/* ---- A weight, of which a device may keep copies in a form of its own */

/* Copies bytes from where a matrix lies, or returns false: then it is read where it is. */
typedef bool bert_read_fn(void *context, const float *at, float *to, size_t bytes);
typedef struct bert_memos bert_memos; /* device.h */

/* What is remembered of a parameter between calls; zero to begin with. */
typedef struct {
    bert_memos *memos;
    uint64_t version; /* raised by every change of the value: copies are stale */
    bool mapped;      /* the value lies in a file's mapping, which the memos' source knows */
    bool late;        /* and can be looked at only behind the memos' fill; their read() reads it */
    bool packed;      /* there is no value, only what the device adopted in its place */
    bool used;        /* the device's: was multiplied once as it lies */
    void *copies;     /* the device's, freed by its forget */
    float *balance;   /* the device's, in the memos' memory */
} bert_memo;

/* The parameters of a linear layer: y = x value^T + bias. */
typedef struct {
    const float *value, *bias; /* [rows, cols]; [rows] or NULL */
    int32_t rows, cols;
    bool trained; /* the value changes with every step: no copy of it lasts */
    bert_memo *memo;
} bert_weight;

/* ---- What each operation has of its own. kept: memory that forward fills for backward, or NULL
 * where nothing is recorded */

/* y = act(x W^T + b), W being the weights one below another; or, of one weight and no act, x W^T + b
 * and the residual, which x[1] is where there is one. dp: gradients of weight and bias of each. */
typedef struct {
    bert_weight w[BERT_LINEARS_MAX];
    int count;
    bert_act act;
    float *pre; /* kept: what act was given; NULL as well where act is none */
} bert_linear_with;
/* y = down(h), and the residual x[1] where there is one, where h = act(up(x)), up being the weights
 * one below another; or, where there is a gate, act(a) b elementwise, a being the half of up(x) that
 * it names and b the other. dp: of the weight and bias of each of up, of down's. */
typedef struct {
    bert_weight up[2], down;
    int count; /* of up */
    bert_gate gate;
    bert_act act;
    float *pre; /* kept: up(x) */
} bert_feed_forward_with;
static inline int32_t bert_feed_forward_width(const bert_feed_forward_with *n) {
    return n->up[0].rows + (n->count > 1 ? n->up[1].rows : 0); /* of up(x) */
}
/* y = a b, or a b^T */
typedef struct {
    bool transpose_b;
} bert_matmul_with;
/* add, sub, mul: nothing. b is of a's shape, or a row that is taken for each of a's. The gradients
 * that are dy itself are passed on without the device: of add's and sub's a, and of add's b where
 * it is no row, and of a product's residual. */

typedef struct {
    float factor;
} bert_scale_with;
typedef struct {
    bert_act act;
} bert_activate_with;
/* y[i] = x[i] / (1 - p) where element i is kept, else 0. It is kept when its draw is at least p
 * 2^32; draws are Philox at (seed, stream), as the kernel table describes (src/cpu/kernels.h). */
typedef struct {
    float p;
    uint64_t seed, stream;
} bert_dropout_with;

/* y = gamma (x + residual - mean) / sqrt(var + eps) + beta of each row, x[1] being the residual or
 * nothing. dx[0] is of the sum, so of both. dp: of gamma and beta. */
typedef struct {
    const float *gamma, *beta; /* beta NULL: 0 */
    float eps;
    float *stats; /* kept: [rows, 2] mean, 1 / sqrt(var + eps) */
} bert_layer_norm_with;
/* softmax: nothing. */
/* y = x / max(|x|, 1e-12) of each row; below that floor the length is a constant. */
typedef struct {
    float *inverse; /* kept: [rows] 1 / length */
} bert_normalize_rows_with;

/* y[i] = table[ids[i]], plus x[0][i] where there is an x. dp: of the table, which the row `padding`
 * (-1: none) gets nothing of. */
typedef struct {
    const float *table;
    const int32_t *ids;
    int32_t padding;
} bert_embedding_with;
/* y[i] = x[index[i]] */
typedef struct {
    const int32_t *index;
} bert_rows_with;

/* x[0] [T, 3H]: queries, keys and values side by side, heads of H / heads each; y [T, H]. Of each
 * head of each sequence: softmax of scale times query times key, dropped out, times values. x[1]:
 * what is added to a scaled score, [2 reach + 1, heads], row key - query + reach; or relative
 * positions; or nothing. */
typedef struct {
    int heads, head_size; /* H = heads * head_size */
    const int32_t *start; /* [n + 1] */
    int n;
    const int32_t
        *attended; /* [n]: of a sequence only the first so many tokens are seen; NULL: all.
                                In the host's memory. Not where backward comes */
    float scale;   /* 0: 1 / sqrt(head_size) */
    int window;    /* a query sees the keys that are at most so far away; 0: all of its sequence */
    /* The first `turned` columns of queries and keys are turned by position (rotary embeddings, as
     * two halves): cos and sin [longest sequence, turned / 2], in the host's memory. 0: none. */
    int turned;
    const float *cos, *sin;
    /* slopes[head] times the distance of key and query is taken from a scaled score; NULL: not. In
     * the host's memory. */
    const float *slopes;
    /* Set where x[1] is no bias but rows of relative keys or queries [rows, H], or of both side by
     * side [rows, 2H], heads as in x[0]: that of a distance is index[key - query + reach], and
     * query times relative key, and relative query times key, are added before the scale. In the
     * host's memory. */
    const int32_t *index;
    bool relative_keys, relative_queries;
    bool interleaved; /* x[0] is head after head, of each its query, key and value */
    int reach;
    /* Of probabilities, as of dropout; row ((sequence * heads + head) << 16 | query) begins at
     * element row << 16. */
    float dropout;
    uint64_t seed, stream;
    float *lse;           /* kept: [heads, T] log(sum(exp(scores))) */
    float *probabilities; /* or NULL: of each sequence in turn [heads, len, len], before dropout */
} bert_attention_with;

/* concat: nothing; y = x[0] beside x[1]. */
/* y = the columns of x from col on */
typedef struct {
    int32_t col;
} bert_slice_with;
/* mean_groups, max_groups, sum_groups: y[i] of the rows start[i] .. start[i + 1] - 1. max: a NaN
 * wins; the first row that has the largest value gets the gradient. */
typedef struct {
    const int32_t *start; /* [y's rows + 1] */
} bert_groups_with;
/* sum: nothing; y [1, 1]. */

/* The sum over rows of -log softmax(x)[label], divided, [1, 1]: with smoothing s the target is
 * (1 - s) of the label and s spread over all classes; each class's term is multiplied by its
 * weight. */
typedef struct {
    const int32_t *labels; /* [rows]; BERT_NO_LABEL: the row counts for nothing */
    const float *soft;     /* [rows, cols] in their place: a share of each class; NULL: labels */
    const float *weights;  /* [cols], in the host's memory, or NULL */
    float smoothing;
    double divisor; /* 0: nothing counts, whose mean is NaN, and gives no gradient */
} bert_cross_entropy_with;
enum { BERT_NO_LABEL = -100 };
/* bce_with_logits, mse: the sum over elements, divided, [1, 1]. */
typedef struct {
    const float *targets; /* of x's shape, in the host's memory */
    double divisor;
} bert_element_loss_with;
#endif
