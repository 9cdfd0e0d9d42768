/* What a trainer is, and where its run is. */
#ifndef BERT_TRAIN_RUN_H
#define BERT_TRAIN_RUN_H
#include "models/model.h"
#include "train/event_file.h"
#include "train/group.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>

/* Beside BERT_DO_...: an epoch, or the training, ends with this step. */
enum { BERT_DUE_EPOCH_END = 16 };
enum { BERT_LOG_MAX = 48, BERT_LOG_NAME = 64, BERT_CALLBACKS_MAX = 16 };

/* What a run is between two steps, beside weights and optimizer: all that a checkpoint holds. Where
 * it is in the data follows from global_step. */
typedef struct {
    int64_t global_step;
    double total_loss;      /* of all steps, */
    double log_loss;        /* and of those since the latest log */
    int64_t log_step;       /* the step of that log */
    double evaluated_loss;  /* total_loss at the latest evaluation, */
    int64_t evaluated_step; /* and its step */
    int64_t tokens;
    int64_t patience;   /* evaluations without improvement */
    unsigned due;       /* BERT_DO_... and BERT_DUE_...: what is left undone at this step */
    double best_metric; /* NaN: none */
    int64_t best_step;
    double stopping_best; /* by early_stopping_metric; NaN: none */
    int64_t undefined;    /* evaluations whose metric was a NaN */
    bert_plateau plateau;
} bert_run;

struct bert_trainer {
    bert_model *model;
    bert_training_args args;
    const bert_dataset *train, *validation;
    const bert_group *group;
    bert_loader *loader;
    bert_tape *tape;
    bert_optimizer *optimizer;
    float *class_weights; /* or NULL */
    float *best_weights;  /* of every parameter in turn; kept where there is no output_dir */
    bert_schedule schedule;
    int64_t batches_per_epoch, steps_per_epoch, max_steps;
    int64_t step_batches;                          /* of all processes, in a step that is whole */
    int64_t logging_steps, eval_steps, save_steps; /* of the arguments, in steps */
    struct {
        bert_callback *fn;
        void *context;
    } callbacks[BERT_CALLBACKS_MAX];
    int callbacks_count;
    bert_run run;
    bool ended;       /* by a callback or early stopping */
    bool by_patience; /* that is early stopping */
    bool is_whole;    /* nothing was left to train, and output_dir holds the model */
    char best_name[BERT_MAX_NAME], stopping_name[BERT_MAX_NAME]; /* of metrics */
    char why[400];                                               /* behind state's */
    json_t *log_history;
    FILE *log_file;          /* output_dir/log.jsonl, or NULL */
    bert_event_file *events; /* or NULL */
    /* [rows of validation, num_labels] that the weights of a step gave, for the report: bert_grow,
     * and the step, or -1 where there are none. */
    float *predicted;
    int64_t predicted_step;
    int64_t
        measured_step; /* metrics are of the validation data and these weights; -1: they are not */
    bool best_loaded;  /* the weights are those of run.best_step */
    bert_metrics *metrics;
    bert_trainer_state state;
    char log_names[BERT_LOG_MAX][BERT_LOG_NAME];
    const char *log_name[BERT_LOG_MAX];
    double log_value[BERT_LOG_MAX];
    char checkpoint[1200], best_checkpoint[1200]; /* behind state's */
    double started, rate_time;                    /* seconds */
    int64_t started_step, rate_tokens;
    atomic_int stop; /* set by signal handlers and other threads */
    bool all_stop;   /* the group knows of it: set by a step */
};

/* Whether this process writes files. */
static inline bool bert_trainer_writes(const bert_trainer *t) {
    return t->args.output_dir[0] && !t->group->rank;
}
#endif
