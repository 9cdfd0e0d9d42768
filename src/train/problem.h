/* The three kinds of classification problem that config.json knows (problem_type), as a table. */
#ifndef BERT_TRAIN_PROBLEM_H
#define BERT_TRAIN_PROBLEM_H
#include <bert.h>

typedef enum {
    BERT_PROBLEM_REGRESSION,
    BERT_PROBLEM_SINGLE_LABEL,
    BERT_PROBLEM_MULTI_LABEL,
    BERT_PROBLEM_COUNT
} bert_problem;

const char *bert_problem_name(bert_problem p); /* "single_label_classification" */
/* The kind behind a name. An empty or NULL name is decided as transformers does for integer
 * labels: regression for one label, else single label. */
int bert_problem_parse(const char *name, int32_t num_labels, bert_problem *p, bert_error *e);
#endif
