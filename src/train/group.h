/* What the trainer asks of a group of processes. */
#ifndef BERT_TRAIN_GROUP_H
#define BERT_TRAIN_GROUP_H
#include <bert_group.h>

int bert_group_check(const bert_group *g, bert_error *e);
#endif
