/* What an output of a model rests on, by gradients: how much each word, or patch of a picture, has of
 * it. One code path for all families: words are looked up, or patches cut out, outside of the model
 * and given to it as constants whose gradient is wanted. */
#ifndef BERT_MODELS_ATTRIBUTION_H
#define BERT_MODELS_ATTRIBUTION_H
#include "models/model.h"

/* A number of the logits of one example. */
typedef struct {
    int32_t row, col;
} bert_logit;
enum { BERT_MAX_LOGITS = 2 };

typedef struct {
    const bert_inputs *in; /* one example: the sequences of a row, with their columns */
    bert_logit logits[BERT_MAX_LOGITS];
    int count; /* of them: their sum is explained */
} bert_output_at;

/* Working memory: a tape on the caller's threads; one thread at a time. */
typedef struct bert_attributor bert_attributor;
/* threads NULL: its own, as many as there are cores. BERT_EUNSUPPORTED: weights or a precision of
 * bytes, which have no gradients. */
bert_attributor *bert_attributor_new(const bert_model *m, bert_precision precision,
                                     bert_threads *threads, bert_error *e);
void bert_attributor_free(bert_attributor *a);

/* What the model computes with in the place of ids or pixels: [rows, cols], malloc'ed. */
typedef struct {
    int32_t rows, cols;
    float *x;
} bert_leaves;
int bert_leaves_of(bert_attributor *a, const bert_inputs *in, bert_leaves *out, bert_error *e);

/* The logits of the example, [*rows, *cols], malloc'ed: of its row, with all its sequences. */
int bert_attributor_logits(bert_attributor *a, const bert_inputs *in, float **logits, int32_t *rows,
                           int32_t *cols, bert_error *e);

/* The straight line from base (NULL: zeros) to x: the gradient is taken at n points of it. */
typedef struct {
    const bert_leaves *x;
    const float *base;
    int32_t n;
    const double *at, *weight;
    int32_t batch_tokens; /* of points that go through the model together; 0: the usual */
    /* Asked before each batch: other than 0 ends the call, with that error; or NULL. */
    int (*check)(void *context, bert_error *e);
    void *context;
} bert_line;

/* scores [rows] = sum over columns of (x - base) times the weighted sum of the gradients;
 * ends: the output at x and at base, or NULL. The same bits for any batch_tokens and number of threads. */
int bert_attribute(bert_attributor *a, const bert_output_at *output, const bert_line *line,
                   double *scores, double ends[2], bert_error *e);
#endif
