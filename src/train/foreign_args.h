/* What transformers' TrainingArguments, and the scripts around them, call things that have no row
 * among ours. */
#ifndef BERT_TRAIN_FOREIGN_ARGS_H
#define BERT_TRAIN_FOREIGN_ARGS_H
#include <stdbool.h>

/* What there is instead, or why there is nothing; NULL: no such argument there either. harmless,
 * unless NULL: whether the value, as text, asks for what is so anyway. */
const char *bert_foreign_arg(const char *name, const char *value, bool *harmless);
#endif
