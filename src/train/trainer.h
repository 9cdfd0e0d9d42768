/* The inside of a trainer. Functions here take an error that is not NULL. */
#ifndef BERT_TRAIN_TRAINER_H
#define BERT_TRAIN_TRAINER_H
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

/* Sees to it that metrics are of the validation data and the weights as they are. */
int bert_trainer_keep_metrics(bert_trainer *t, bert_error *e);
/* Sees to it that predicted is of the weights as they are: kept, or evaluated now. Data whose rows
 * the report does not show has none. */
int bert_trainer_keep_predictions(bert_trainer *t, bert_error *e);
/* metric_name.c: which metrics decide; computes them too, where nothing says which are. */
int bert_trainer_name_metrics(bert_trainer *t, bert_error *e);
/* judge.c: evaluates and logs what is due at this step; then whether that was the best so far, what
 * is due if so, and whether patience is at its end; and the weights that were the best, where they
 * are kept in memory. */
int bert_trainer_run_evaluation(bert_trainer *t, bert_error *e);
void bert_trainer_restore_best(bert_trainer *t);
/* start.c: a run from its beginning or a checkpoint, in an output_dir that is free for it. *lock is
 * of that directory, and what a failure leaves to be closed. */
int bert_trainer_start(bert_trainer *t, int *lock, bert_error *e);
/* ending.c: sets the state's ending, and says why. */
void bert_trainer_set_ending(bert_trainer *t, bert_ending ending);
/* Whether this process writes files. */
static inline bool bert_trainer_writes(const bert_trainer *t) {
    return t->args.output_dir[0] && !t->group->rank;
}
/* Refuses what bert_training_set() would: members may be written without it. */
int bert_training_check(const bert_training_args *a, bert_error *e);
double bert_seconds(void);
/* Epochs done, a part of one by its batches. */
double bert_trainer_epoch(const bert_trainer *t);
void bert_trainer_emit(bert_trainer *t, bert_event event);
/* step.c: one optimizer step; on failure nothing has changed. */
int bert_trainer_step(bert_trainer *t, bert_error *e);
/* log.c: opens log.jsonl with what the history holds, and event files where they are asked for; a
 * record of the state's log, then of the history and the files. The log stays for callbacks until
 * the next begins. */
int bert_log_open(bert_trainer *t, bert_error *e);
int bert_log_close(bert_trainer *t, bert_error *e);
void bert_log_begin(bert_trainer *t);
void bert_log_put(bert_trainer *t, const char *prefix, const char *name, double value);
int bert_log_end(bert_trainer *t, bert_error *e);
/* The history's evaluation of the weights as they are, or the latest; NULL: there is none. */
const json_t *bert_log_evaluation(const bert_trainer *t);
/* A metric of such a record, not its loss's speed: its name is what follows "eval_". */
bool bert_log_is_metric(const char *key);
/* checkpoint.c */
int bert_checkpoint_save(bert_trainer *t, bert_error *e);
int bert_checkpoint_load(bert_trainer *t, const char *directory, bert_error *e);
int bert_checkpoint_load_weights(bert_trainer *t, const char *directory, bert_error *e);
/* All of output_dir's. */
int bert_checkpoint_remove_all(const char *output_dir, bert_error *e);
/* The newest checkpoint of output_dir in malloc'ed memory; NULL when there is none. */
char *bert_checkpoint_latest(const char *output_dir);
/* Removes what a killed run left half-written: for who holds the directory's lock, since what a run
 * is writing looks the same. */
void bert_checkpoint_sweep(const char *output_dir);
/* The run's operations as transformers estimates them: 6 for each token and parameter, tables of
 * embeddings left out. */
double bert_trainer_flos(const bert_trainer *t);
int bert_trainer_state_save(const bert_trainer *t, const char *directory, bert_error *e);
/* card.c */
int bert_model_card_save(const bert_trainer *t, const char *directory, bert_error *e);
#endif
