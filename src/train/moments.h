/* optimizer.safetensors: the moments of every parameter that has been updated, and how often it was. */
#ifndef BERT_TRAIN_MOMENTS_H
#define BERT_TRAIN_MOMENTS_H
#include "files/tensors.h"
#include "train/trainer.h"

/* In a group the moments come from their owners, one after the other: rank 0 saves while the others
 * serve; both end with the other, whether or not anything failed. */
int bert_moments_save(bert_trainer *t, const char *directory, bert_error *e);
int bert_moments_serve(bert_trainer *t, bert_error *e);
/* Each process reads what it owns. */
int bert_moments_load(bert_trainer *t, const char *directory, bert_error *e);
/* "PREFIX" and the parameter's name, of so many elements; NULL: not there, or not like that. */
const bert_stored_tensor *bert_stored_of(const bert_tensors *s, const char *prefix,
                                         const bert_param *p, size_t elements, bert_dtype dtype);
#endif
