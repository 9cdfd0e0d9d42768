/* What a device must offer: memory, a row for each operation, the optimizer's step.
 *
 * A device is a table like this one. src/cpu/device.c is the first; another one is a folder beside
 * src/cpu/ (or any file that includes this header: tests/plain_device.c is a small one), and the
 * options of a tape, and of a model that is opened, name it. Parameters live on one device, and a
 * tape computes with those of its own.
 *
 * What lies in a device's memory is never read or written by the host, unless `host` is set: sums
 * of an address and a number of floats are all that is done with it. Results come back by `read`.
 * Functions return 0 or a negative BERT_E..; where memory was short (BERT_ENOMEM) the caller says
 * so. Everything that is written by one call may be read by the next one. */
#ifndef BERT_DEVICE_DEVICE_H
#define BERT_DEVICE_DEVICE_H
#include "base/arena.h"
#include "base/threads.h"
#include "device/operations.h"
#include <pthread.h>

/* Where a device works: one tape's, or one optimizer's. */
typedef struct {
    const bert_device *device;
    bert_threads *threads; /* of the host */
    void *state;           /* the device's own, made by open */
    bert_precision precision;
    bool returns;      /* more rows come after these: a weight will be read again */
    bool balancing;    /* inputs of linears are examples to balance their int8 products by */
    bert_error *error; /* for messages; may be set by who returns an error */
    struct bert_buffers {
        bert_arena memory;
        struct bert_buffer {
            float *data;
            size_t capacity; /* floats */
            bool taken;
        } * list;
        int count, room;
    } buffers; /* bert_worker_take */
} bert_worker;

/* device NULL: the CPU. threads as of a tape. To be closed if it is 0. */
int bert_worker_open(bert_worker *w, const bert_device *device, int threads,
                     bert_precision precision, bert_error *e);
void bert_worker_close(bert_worker *w);
size_t bert_worker_memory(const bert_worker *w); /* the host's and the device's bytes */
/* Working memory of the device, given back for the next operation; NULL sets *w->error. Reset: all
 * that was taken is given back. */
float *bert_worker_take(bert_worker *w, size_t count);
void bert_worker_give(bert_worker *w, float *data);
void bert_worker_reset(bert_worker *w);

typedef int bert_forward_fn(bert_worker *w, const bert_call *c);
typedef int bert_backward_fn(bert_worker *w, const bert_call *c, const bert_flow *f);
typedef struct {
    bert_forward_fn *forward;
    bert_backward_fn *backward;
} bert_op_row;

/* Of all weights of a set. */
struct bert_memos {
    pthread_mutex_t lock; /* guards it, and every memo of the set */
    size_t bytes;         /* of copies */
    bert_arena memory;    /* of the host */
    /* The file that values are mapped from. done, unless NULL, is told when a value has been
     * copied, or read for the only time that is foreseen, and whether all of it is finite; read,
     * unless NULL, is cheaper than touching what is read once. */
    void *source;
    void (*done)(void *source, const float *value, size_t bytes, bool finite);
    bert_read_fn *read;
    void (*fill)(void *source, const float *at, size_t bytes); /* of values that are late */
};

/* A copy that a device keeps of weights that stay, as it can be laid in a file and used there: of
 * W^T, the weights one beside another. */
typedef struct {
    bert_memo *of[BERT_LINEARS_MAX];
    int32_t rows[BERT_LINEARS_MAX], cols; /* of the weights */
    int count;
    bert_precision precision;
    const void *data; /* aligned to BERT_KEPT_ALIGN */
    size_t bytes;
    const float *balance; /* [2, cols], or NULL */
} bert_kept_copy;
enum { BERT_KEPT_ALIGN = 64, BERT_KEPT_LAYOUT = 80 };
typedef int bert_kept_fn(void *context, const bert_kept_copy *c, bert_error *e);

/* A parameter in the optimizer's step. */
typedef struct {
    float *value, *grad; /* grad is cleared by the step */
    float *m, *v;        /* first and second moment; NULL where only the gradient is looked at */
    size_t n;
    float lr, weight_decay;
    float correction1, correction2; /* 1 - beta^steps */
} bert_adamw_item;
enum { BERT_NORM_PIECE = 1 << 14 };
/* AdamW as torch.optim.AdamW: g *= grad_scale; p -= lr weight_decay p; m, v; p -= lr / correction1
 * * m / (sqrt(v / correction2) + eps). */
typedef struct {
    double beta1, beta2;
    float eps, grad_scale;
} bert_adamw_step;

struct bert_device {
    const char *name;
    bool host; /* its memory is the host's: addresses can be read, values used where they lie */
    /* Whether it has products of that precision; and how many tokens it likes to take through the
     * layers at once. */
    int (*check)(bert_precision p, bert_error *e);
    int (*tokens)(bert_precision p);
    /* A worker's state; NULL: it needs none. */
    int (*open)(bert_worker *w, bert_error *e);
    void (*close)(bert_worker *w);

    /* Memory, aligned to BERT_ALIGN bytes; and copies from the host and to it, which wait for what
     * is being computed. */
    bert_memory memory;
    void (*write)(void *to, const void *from, size_t bytes);
    void (*read)(void *to, const void *from, size_t bytes);
    void (*zero)(void *to, size_t bytes);

    /* y = x, where x may lie behind y and reach into it; y += x; y = value */
    void (*copy)(bert_worker *w, float *y, const float *x, size_t n);
    void (*add)(bert_worker *w, float *y, const float *x, size_t n);
    void (*fill)(bert_worker *w, float *y, float value, size_t n);

    /* The sums of squares of BERT_NORM_PIECE elements at a time of each item's gradient, one after
     * the other, of the host; where an element is not finite its sum is not. */
    int (*norm)(bert_worker *w, const bert_adamw_item *items, int count, double *sums);
    int (*step)(bert_worker *w, const bert_adamw_step *s, const bert_adamw_item *items, int count);

    void (*forget)(bert_memo *memo); /* frees copies; NULL: it keeps none */
    /* Copies in files; NULL all three: it has none. layout: a name that two machines or versions
     * share only where a copy is the same bytes on both; an error where this precision has no
     * copies of its own. copies: calls `each` for those that are remembered by this memo. adopt:
     * takes one up, whose bytes and balance stay where they are as long as the memos. */
    int (*layout)(bert_precision p, char out[BERT_KEPT_LAYOUT], bert_error *e);
    int (*copies)(const bert_memo *memo, bert_precision p, bert_kept_fn *each, void *context,
                  bert_error *e);
    int (*adopt)(const bert_kept_copy *c, bert_error *e);
    const bert_op_row *ops[BERT_OPS]; /* BERT_COMPUTED_OPS */
};

extern const bert_device bert_device_cpu;

/* n floats of a device where the host can read them: where they lie if it can, else a copy in the
 * arena, of the host. NULL: out of memory. */
const float *bert_device_view(const bert_device *d, const float *data, size_t n,
                              bert_arena *copies);
#endif
