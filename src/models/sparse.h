/* A weight for words of the vocabulary: SPLADE (Formal et al. 2021, arXiv:2107.05720), as
 * sentence-transformers' SparseEncoder stores it, and bge-m3's sparse linear. */
#ifndef BERT_MODELS_SPARSE_H
#define BERT_MODELS_SPARSE_H
#include "models/modules.h"

typedef struct {
    bool there;           /* the checkpoint says so; any head of masked words will do, though */
    bert_error refused;   /* what it asks for is not there or not supported */
    bool sum, twice;      /* SpladePooling's: tokens are added up; log(1 + x) is taken twice */
    int32_t max_active;   /* 0: all that are not 0 */
    bert_modules modules; /* bge-m3: a weight for each token, of its own id; none: SPLADE */
} bert_sparse;

int bert_sparse_read(const bert_pretrained *from, const json_t *list, const json_t *options,
                     bert_sparse *s, bert_error *e);
void bert_sparse_free(bert_sparse *s);
#endif
