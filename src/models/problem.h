/* problem_type: what the labels of a classifier mean, and so its loss and its scores. */
#ifndef BERT_MODELS_PROBLEM_H
#define BERT_MODELS_PROBLEM_H
#include <bert_train.h>

typedef enum {
    BERT_PROBLEM_UNSET, /* null: by the labels of a batch, as in transformers */
    BERT_PROBLEM_REGRESSION,
    BERT_PROBLEM_SINGLE_LABEL,
    BERT_PROBLEM_MULTI_LABEL,
    BERT_PROBLEM_COUNT
} bert_problem;

/* A column of batches beside their labels: probabilities in their place. */
#define BERT_SOFT_LABELS "soft_labels"

/* The configuration's; one label is a regression where it says nothing. */
bert_problem bert_problem_of(const bert_config *c);
/* The dropout in front of a classifier: classifier_dropout, else hidden_dropout_prob. */
float bert_classifier_dropout(const bert_config *c);
const char *bert_problem_name(bert_problem p); /* "single_label_classification" */
/* By name; for "" or NULL what integer labels mean: regression for one label, else single label. */
int bert_problem_parse(const char *name, int32_t num_labels, bert_problem *p, bert_error *e);
/* Checks a problem_type; "" is fine. */
int bert_problem_check(const char *problem_type, int32_t num_labels, const char *where,
                       bert_error *e);
bert_tensor *bert_classification_loss(bert_tape *t, bert_problem p, bert_tensor *logits,
                                      const bert_batch *b, double divisor);
/* Logits [n, num_labels] to what is shown, in place. */
void bert_scores_apply(bert_scores s, const bert_config *c, float *logits, int32_t n);
#endif
