/* What the plain device's operations share: what rows are given as the device sees it, and a few
 * functions of one file that another one needs. */
#ifndef BERT_TEST_PLAIN_ROWS_H
#define BERT_TEST_PLAIN_ROWS_H
#include "device/device.h"
#include "plain_memory.h"

typedef struct {
    float *a, *b, *y;          /* data of both inputs and the result */
    float *dy, *da, *db;       /* their gradients */
    float *dp[BERT_OP_PARAMS]; /* of parameters */
    size_t rows, cols;         /* of the result */
    size_t in, size;           /* elements of the first input, and of the result */
} plain_view;

/* Counts the call. */
plain_view plain_see(const bert_call *c, const bert_flow *f);

#define PLAIN_ROW(name) const bert_op_row plain_row_##name = {name##_forward, name##_backward}
#define PLAIN_ROW_DECLARE(name) extern const bert_op_row plain_row_##name;
BERT_COMPUTED_OPS(PLAIN_ROW_DECLARE)

void plain_activate(bert_act act, float *y, const float *x, size_t n);
void plain_activate_back(bert_act act, float *dx, const float *dy, const float *x, size_t n);
/* What element e of a mask is multiplied by. */
float plain_mask(float p, uint64_t seed, uint64_t stream, uint64_t e);
/* Returns log(sum(exp(x))); y may be x. */
double plain_softmax(float *y, const float *x, size_t n);
void plain_softmax_back(float *dx, const float *dy, const float *y, size_t n);
#endif
