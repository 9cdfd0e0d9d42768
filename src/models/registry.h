/* Heads by their names: the stock ones, and those that were registered. */
#ifndef BERT_MODELS_REGISTRY_H
#define BERT_MODELS_REGISTRY_H
#include <bert_train.h>

/* NULL and an error that lists the names. */
const bert_head *bert_head_find(const char *name, bert_error *e);
/* What the first stock head is called that has such outputs. */
const char *bert_head_name_of(bert_output_kind outputs);
/* Whether a name is a stock head's. */
bool bert_head_is_stock(const char *name);
#endif
