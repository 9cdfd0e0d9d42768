/* Datasets by the shared options. */
#ifndef BERT_CLI_DATASET_H
#define BERT_CLI_DATASET_H
#include "cli.h"
#include <bert_train.h>

typedef struct {
    const char *separator, *problem_type, *task;
    int32_t doc_stride;
    bool label_all_tokens, whole_word_mask, line_by_line;
    double mlm_probability;
} label_options;
bert_dataset_options dataset_options(const common *c, const label_options *l);
/* A line of what is in it: rows, tokens, rows per label; and one where text was cut off. */
void dataset_note(const common *c, const char *name, const bert_dataset *d);
#endif
