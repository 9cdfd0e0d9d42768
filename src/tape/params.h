/* What the tape, the models and the trainer know of a parameter beyond bert_train.h. */
#ifndef BERT_TAPE_PARAMS_H
#define BERT_TAPE_PARAMS_H
#include "cpu/matmul.h"

struct bert_param {
    char *name;
    int32_t rows, cols;
    const float *value; /* mapped, or own memory when trainable or initialised */
    float *grad;        /* NULL unless trainable */
    bool trainable, frozen;
    bool initialised; /* not found in the checkpoint */
    uint64_t version; /* raised by every change of the value: packed copies are stale */
    bert_params *owner;
    void *cache; /* packed copies (src/tape/weights.c) */
};

/* Where values come from. find: 1 and *value ([rows, cols] float32 that lives as long as the
 * parameters), 0 when there is no such tensor, or a negative error (there, but of another shape).
 */
typedef struct {
    int (*find)(void *context, const char *name, int32_t rows, int32_t cols, const float **value,
                bert_error *e);
    void *context;
} bert_param_source;

/* source NULL: everything is initialised. */
bert_params *bert_params_new_from(const bert_param_source *source, bool trainable, uint64_t seed,
                                  float initializer_range, bert_error *e);

/* The right operand W^T (forward, [in, count * out]) or W (backward, [out, in]) of linears that
 * share their input, packed for a precision; packed on first use, again when a value has changed,
 * shared by threads. */
const bert_packed *bert_weights_packed(const bert_linear *ls, int count, bool transposed,
                                       bert_precision precision, bert_threads *threads,
                                       bert_error *e);
size_t bert_params_packed_bytes(const bert_params *ps);
/* Marks a value as changed (optimizer, loading). */
void bert_param_touch(bert_param *p);
#endif
