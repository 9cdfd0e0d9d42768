/* Rows of a batch mixed with each other by chance: mixup (arXiv:1710.09412) and CutMix
 * (arXiv:1905.04899). */
#ifndef BERT_DATA_MIX_H
#define BERT_DATA_MIX_H
#include "base/rng.h"
#include <bert.h>

/* Zeroed: nothing is mixed. Of two that are set each batch takes one, by even chance. */
typedef struct {
    double mixup, cutmix; /* both numbers of the Beta distribution that a share is drawn from */
} bert_mix;

/* What is done with a batch: of row i share is kept, and 1 - share comes from the row before it (of row
 * 0 from the last one): of every value, or where there is a box all of those inside it. */
typedef struct {
    double share;
    int32_t left, top, right, bottom; /* the box, ends not in it */
    bool boxed;
} bert_mixing;
/* Pictures of height x width. */
bert_mixing bert_mix_draw(const bert_mix *m, int32_t height, int32_t width, bert_rng *r);
/* x [n, planes, height, width] of n rows; 0, or memory that there is not. */
int bert_mix_pictures(const bert_mixing *m, float *x, int32_t n, size_t planes, int32_t height,
                      int32_t width, bert_error *e);
/* x [n, cols]: every value by its share. */
int bert_mix_values(const bert_mixing *m, float *x, int32_t n, size_t cols, bert_error *e);
#endif
