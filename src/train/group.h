/* What the trainer asks of a group of processes; alone, nothing is done. */
#ifndef BERT_TRAIN_GROUP_H
#define BERT_TRAIN_GROUP_H
#include <bert_train.h>

int bert_group_check(const bert_group *g, bert_error *e);
int bert_group_sum_f64(const bert_group *g, double *x, size_t n, bert_error *e);
/* The gradients of every parameter that is trained become the sums of all processes'. */
int bert_group_sum_gradients(const bert_group *g, bert_params *ps, bert_error *e);
#endif
