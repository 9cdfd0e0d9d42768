/* Several tasks of a recipe in one training: their data, and their heads over one encoder. */
#ifndef BERT_CLI_TRAIN_TASKS_H
#define BERT_CLI_TRAIN_TASKS_H
#include "cli.h"

enum { TASKS_MAX = 64 };

typedef struct {
    bert_trainer_task task[TASKS_MAX];
    bert_dataset *train[TASKS_MAX], *validation[TASKS_MAX];
    int count;
} task_list;

/* What the recipe says of sampling and batches, where the arguments are as they are by default. */
int tasks_arguments(const bert_recipe *r, bert_training_args *a, bert_error *e);
/* Whether any has a validation file, its name; NULL: none has. */
const char *tasks_validation(const bert_recipe *r);
/* Reads the files of all tasks and gives the encoder, which has no head, theirs. */
int tasks_open(task_list *l, bert_model *encoder, const bert_recipe *r, const common *c,
               const bert_dataset_options *data, bert_error *e);
void tasks_free(task_list *l);
/* A line for each task: when its weights were the best, and where they are. */
void tasks_notes(const common *c, const bert_trainer_state *s);
#endif
