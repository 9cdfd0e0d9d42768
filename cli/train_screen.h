/* What is on the screen while a model is trained: the bar, and a table of evaluations. */
#ifndef BERT_CLI_TRAIN_SCREEN_H
#define BERT_CLI_TRAIN_SCREEN_H
#include "cli.h"
#include "progress.h"
#include <bert_train.h>

typedef struct {
    const common *common;
    const bert_training_args *training;
    progress bar;
    double loss;     /* smoothed */
    double loss_sum; /* since the latest evaluation */
    int64_t loss_steps;
    int64_t evaluated_step;
    int64_t marked_step; /* of the last row that is marked as the best; 0: none is */
    bool header, undefined_is_said, final; /* final: evaluations are of the finished model */
    double train_loss, runtime;
} screen;

screen screen_new(const common *c, const bert_training_args *training);
bert_callback screen_watch; /* its context is a screen */
#endif
