/* A task for the trainer, of two files. */
#include "base/error.h"
#include <bert_train.h>
#include <stdint.h>

static bert_model *open_model(bert_model *encoder, const char *name, const bert_head *head,
                              const bert_dataset *train, bert_error *e) {
    if (!name)
        return head ? bert_dataset_open_head(train, head, e) : bert_dataset_open_model(train, e);
    bert_model_options o = bert_dataset_model(train);
    return bert_model_add_task(encoder, name, head, &o, e);
}

bert_trainer_task bert_trainer_task_open(bert_model *encoder, const char *name,
                                         const bert_head *head, const char *train,
                                         const char *validation,
                                         const bert_dataset_options *options, bert_error *e) {
    BERT_DOOR(e);
    bert_trainer_task task = {0};
    if (bert_need(encoder, "encoder of the task", e)) return task;
    bert_dataset_options o = options ? *options : (bert_dataset_options){0};
    o.like = task.train = bert_dataset_open(train, encoder, &o, e);
    o.more_files = NULL; /* which are the training's */
    if (validation) task.validation = bert_dataset_open(validation, encoder, &o, e);
    if (!e->code) task.model = open_model(encoder, name, head, task.train, e);
    if (e->code) bert_trainer_task_close(&task);
    return task;
}

static void free_set(const bert_dataset *d) {
    bert_dataset_free((bert_dataset *)(uintptr_t)d);
}

void bert_trainer_task_close(bert_trainer_task *task) {
    if (!bert_model_task_name(task->model)) bert_model_close(task->model); /* else the encoder's */
    free_set(task->validation);
    free_set(task->train);
    *task = (bert_trainer_task){0};
}
