/* Evaluation on a tape that is there already: what the trainer and bert_evaluate() share. */
#ifndef BERT_TRAIN_EVALUATE_H
#define BERT_TRAIN_EVALUATE_H
#include "data/predictions.h"
#include "models/problem.h"
#include "train/group.h"

typedef struct {
    bert_tape *tape; /* its mode is left at inference */
    const bert_model *model;
    const bert_dataset *set;
    int32_t batch_size;
    const bert_group *group;    /* NULL: alone */
    const float *class_weights; /* of the loss, as in training; or NULL */
    float label_smoothing;
    int (*row)(void *context, int64_t row, const float *logits, int32_t num_labels);
    void *row_context;
    bert_predictions *predictions; /* to write, or NULL */
    /* Before each batch and after the last, unless NULL, with the number of those done; a result
     * other than 0 ends it. */
    int (*batch)(void *context, int64_t batch, int64_t batches, bert_error *e);
    void *batch_context;
} bert_evaluation;

/* Adds to metrics, and computes them. */
int bert_evaluation_run(const bert_evaluation *v, bert_metrics *metrics, bert_error *e);

/* A set whose rows cannot be put through this model is an error that says why. */
int bert_dataset_check_model(const bert_dataset *d, const bert_model *m, bert_error *e);
#endif
