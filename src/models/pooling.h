/* Several kinds of pooling at once, and tokens that are left out. */
#ifndef BERT_MODELS_POOLING_H
#define BERT_MODELS_POOLING_H
#include <bert.h>

/* bert_pool for a list of count: out [n, count * dim], side by side. skip [n], or NULL for none:
 * tokens at the front of each sequence that are not pooled. */
int bert_pool_joined(const bert_pooling *list, int count, const float *hidden, int32_t dim,
                     const int32_t *start, const int32_t *skip, int32_t n, float *out,
                     bert_error *e);
#endif
