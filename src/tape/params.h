/* What the tape, the models and the trainer know of a parameter beyond bert_train.h. */
#ifndef BERT_TAPE_PARAMS_H
#define BERT_TAPE_PARAMS_H
#include "base/arena.h"
#include "device/device.h"
#include <bert_train.h>
#include <pthread.h>

/* The low-rank update of a weight. */
typedef struct {
    bert_param *a, *b; /* [rank, in], [out, rank] */
    float scale, dropout;
} bert_adapter;

struct bert_param {
    char *name;
    int32_t rows, cols;
    const float *value; /* of the device: own memory when trainable or initialised, else mapped
                           where the device can use it so */
    float *grad;        /* of the device; NULL until it is first asked for */
    bool trainable, frozen;
    bool initialised; /* not found in the checkpoint */
    bool flowed;      /* something was added to grad since it was last cleared */
    /* Rows to which it was, a bit each (NULL: nobody asks), unless it was to any: by an operation that
     * does not say. */
    uint8_t *touched;
    bool all_touched;
    double lr_scale; /* of the optimizer's learning rate */
    int32_t padding; /* the row that embeddings do not teach, torch's padding_idx; -1: none */
    bert_kind kind;
    bert_part part;
    int layer; /* 0, 1, ..; -1: below layer 0; as many as there are layers: above them */
    bert_adapter *adapter; /* of a weight; NULL: none */
    bool merged;           /* of an adapter that is in its weight now */
    int dims;              /* of the shape that files give it; 0: [rows, cols], vectors [cols] */
    int32_t shape[4];
    bert_params *owner;
    bert_memo memo; /* what the device remembers of it */
    int uses;       /* by nodes that backward has yet to pass, of a tape that has `passed` */
};

/* Where values come from. find: 1 and *value ([rows, cols] float32 that lives as long as the
 * parameters), BERT_SOURCE_PACKED where the device is going to adopt what stands for it, 0 when
 * there is no such tensor, or a negative error (there, but of another shape).
 * done, unless NULL, is told when a value has been packed, or read for the only time that is
 * foreseen, so that the pages of a mapping can be given back (the value must stay readable), and
 * whether all of it is finite: so opening a model need not read it. read, unless NULL, copies a
 * part of a value that is read once, where that is cheaper than touching it, or returns false.
 * differs, unless NULL: there is a tensor of this name, which repeats another one as a rule, but
 * not here. */
enum { BERT_SOURCE_PACKED = 2 };
typedef struct {
    int (*find)(void *context, const char *name, int32_t rows, int32_t cols, const float **value,
                bert_error *e);
    void *context;
    void (*done)(void *context, const float *value, size_t bytes, bool finite);
    bert_read_fn *read;
    bool (*differs)(void *context, const char *name);
    /* Unless NULL: whether a value that find() gave can be looked at only where fill() was called for
     * it; read() reads it without. */
    bool (*late)(void *context, const float *value);
    void (*fill)(void *context, const float *at, size_t bytes);
} bert_param_source;

/* Parameters, values and gradients lie in the order of creation, each in one arena, so a parameter
 * never moves. */
struct bert_params {
    const bert_device *device;
    bert_param **items;
    int count, capacity;
    bert_param_source source;
    bool trainable;
    bool unset; /* values are never read, and not written */
    uint64_t seed;
    float initializer_range;
    bert_part part; /* of the parameters that are made now, and their layer */
    int layer;
    const char *scope; /* in front of their names, or NULL */
    bert_arena names, values, grads;
    bert_memos memos;          /* of every parameter's memo */
    pthread_mutex_t balancing; /* guards balanced, and every parameter's balance until then */
    bool balanced;
};

/* Before n numbers of a value are looked at, from the first-th on. */
void bert_param_fill(const bert_param *p, size_t first, size_t n);
/* source NULL: everything is initialised. device NULL: the CPU. */
bert_params *bert_params_new_on(const bert_device *device, const bert_param_source *source,
                                bool trainable, uint64_t seed, float initializer_range,
                                bert_error *e);
bert_params *bert_params_new_from(const bert_param_source *source, bool trainable, uint64_t seed,
                                  float initializer_range, bert_error *e);
bool bert_params_differ(const bert_params *ps, const char *name);
/* Weight decay is of these, as in transformers' Trainer: neither of biases nor of LayerNorms. */
static inline bool bert_param_decays(const bert_param *p) {
    return p->kind == BERT_KIND_WEIGHT || p->kind == BERT_KIND_EMBEDDING;
}
static inline size_t bert_param_size(const bert_param *p) {
    return (size_t)p->rows * (size_t)p->cols;
}
/* The gradient to add to, allocated (zero) at the first call: a parameter that stays frozen never
 * has one. NULL when p is frozen or not trainable, or memory is out (then *e is set). */
float *bert_param_grad_mut(bert_param *p, bert_error *e);
/* The same, with large pages that the arena offers. */
float *bert_param_grad_from(bert_param *p, bert_arena *pages, bert_error *e);
/* Bytes of a bit for each row, and one of the bits. */
static inline size_t bert_param_touched_bytes(const bert_param *p) {
    return ((size_t)p->rows + 7) / 8;
}
static inline bool bert_row_is_touched(const uint8_t *touched, size_t row) {
    return touched[row / 8] >> row % 8 & 1;
}
/* From now on it is known which rows of the gradient something was added to. */
int bert_param_keep_touched(bert_param *p, bert_error *e);
/* What was added since bert_param_grad_mut() is in these rows alone; all: p->all_touched before. */
void bert_param_touched_rows(bert_param *p, bool all, const int32_t *rows, int32_t n);
/* Gradients that are all zero give their large pages to the arena that had offered its own. */
void bert_params_lend(bert_params *ps, bert_arena *to);
/* Marks a value as changed (optimizer, loading). */
void bert_param_touch(bert_param *p);
size_t bert_params_bytes(const bert_params *ps); /* values, gradients and packed copies */

/* The first use of every weight is still to come. */
void bert_params_unused(bert_params *ps);
size_t bert_params_packed_bytes(const bert_params *ps);
#endif
