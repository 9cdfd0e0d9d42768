/* Whose weights a file has: for directories whose files come from two checkpoints. */
#ifndef BERT_MODELS_WHOSE_H
#define BERT_MODELS_WHOSE_H
#include "files/tensors.h"
#include "models/arch.h"

/* Names into `out` the families that the tensors are named after, beside config.json's, as the end
 * of a message; "" where they are named as `own`'s, or after nobody. */
void bert_whose_weights(const bert_tensors *file, const bert_arch *own, char *out, size_t capacity);
#endif
