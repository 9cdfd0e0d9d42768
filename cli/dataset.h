/* Datasets by the shared options. */
#ifndef BERT_CLI_DATASET_H
#define BERT_CLI_DATASET_H
#include "cli.h"
#include <bert_train.h>

/* Options that tasks have, as rows of a command whose arguments have bert_dataset_options at
 * offset; false past the end. */
bool dataset_option_at(int i, size_t offset, option *out);
/* How --help shows the type of a value, in the words of bert_dataset_option and
 * bert_training_arg. */
const char *shown_type(const char *type);
/* "a, b or c": what --task may be. */
const char *task_names(void);
bool known_task(const char *name); /* NULL: the first */
/* Those of tasks, and the options that all commands share. */
bert_dataset_options dataset_options(const common *c, const bert_dataset_options *own);
/* A line of what is in it: rows, tokens, rows per label; and one where text was cut off. */
void dataset_note(const common *c, const char *name, const bert_dataset *d);
#endif
