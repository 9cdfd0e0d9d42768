/* What a trainer is, and where its run is. */
#ifndef BERT_TRAIN_RUN_H
#define BERT_TRAIN_RUN_H
#include "data/mixture.h"
#include "data/task.h"
#include "models/model.h"
#include "train/event_file.h"
#include "train/group.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/slices.h"
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>

/* Beside BERT_DO_...: an epoch, or the training, ends with this step. */
enum { BERT_DUE_EPOCH_END = 16 };
enum { BERT_LOG_MAX = 600, BERT_LOG_NAME = 160, BERT_CALLBACKS_MAX = 16 };

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

/* A head and the rows that it learns from: one of those that are trained together, or the only one.
 */
typedef struct {
    const char *name;                       /* of the task; "": the only head of its model */
    bert_model *model;                      /* with this head */
    const bert_dataset *train, *validation; /* validation may be NULL */
    double loss_weight;
    float *class_weights; /* or NULL */
    bert_metrics *metrics;
    char best_name[BERT_MAX_NAME]; /* the metric by which weights are its best */
    double best_metric;            /* NaN: none */
    int64_t best_step;
    char best_checkpoint[1200];
    double log_loss;   /* its losses since the latest log, */
    int64_t log_steps; /* and how many steps had one */
    /* [rows of validation, num_labels] that the weights of a step gave, for the report: bert_grow,
     * and the step, or -1 where there are none. */
    float *predicted;
    int64_t predicted_step;
} bert_trained;

struct bert_trainer {
    bert_model *model; /* that is saved: the encoder, with all heads */
    bert_training_args args;
    bert_trained *tasks; /* [task_count] */
    int32_t task_count;
    bool named;     /* tasks have names, which stand in front of those of their metrics */
    bool validates; /* there is validation data */
    bool has_mean;  /* of the metrics by which weights are the tasks' best */
    char **names;   /* of the metrics of all tasks together, ended by NULL, where they are named */
    bert_scorer scorer; /* that computes them */
    const bert_group *group;
    bert_mixture *mixture;
    bert_mixed_batch batch; /* the latest */
    bert_tape *tape;
    bert_optimizer *optimizer;
    bert_slices *slices; /* of the parameters, whose gradients they add up */
    float *best_weights; /* of every parameter in turn; kept where there is no output_dir */
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
    int64_t
        measured_step; /* metrics are of the validation data and these weights; -1: they are not */
    bool best_loaded;  /* the weights are those of run.best_step */
    bert_metrics *metrics; /* of all tasks: those of the only one, or a set of their own */
    bert_trainer_state state;
    bert_trainer_task_state *task_states; /* [task_count] behind state's */
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
