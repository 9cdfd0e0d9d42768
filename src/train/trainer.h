/* What the files of a trainer do for each other, each in its turn of the loop. Functions here take an
 * error that is not NULL. */
#ifndef BERT_TRAIN_TRAINER_H
#define BERT_TRAIN_TRAINER_H
#include "train/events.h"

/* Sees to it that metrics are of the validation data and the weights as they are. */
int bert_trainer_keep_metrics(bert_trainer *t, bert_error *e);
/* Sees to it that predicted is of the weights as they are: kept, or evaluated now. Data whose rows
 * the report does not show has none. */
int bert_trainer_keep_predictions(bert_trainer *t, bert_trained *k, bert_error *e);
/* metric_name.c: which metrics decide, of each task (own: by its name, or NULL) and of all; computes
 * them too, where nothing says which are. */
int bert_trainer_name_metrics(bert_trainer *t, const bert_trainer_task *tasks, bert_error *e);
/* all_metrics.c: t->metrics, once each task has its own; then their values, as the tasks have them. */
int bert_trainer_gather_metrics(bert_trainer *t, bert_error *e);
int bert_trainer_compute_metrics(bert_trainer *t, bert_error *e);
/* Rows that an epoch trains on. */
double bert_trainer_epoch_rows(const bert_trainer *t);
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
/* Refuses what bert_training_set() would: members may be written without it. */
int bert_training_check(const bert_training_args *a, bert_error *e);
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
