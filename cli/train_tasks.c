#include "train_tasks.h"
#include "dataset.h"
#include <string.h>

int tasks_arguments(const bert_recipe *r, bert_training_args *a, bert_error *e) {
    static const char *const names[] = {"task_temperature", "task_weights", "task_batches"};
    const bert_training_args usual = bert_training_default();
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++) {
        char now[1024], then[1024];
        const char *said = bert_recipe_value(r, names[i]);
        bert_training_get(a, names[i], now, sizeof now);
        bert_training_get(&usual, names[i], then, sizeof then);
        if (said && !strcmp(now, then)) rc = bert_training_set(a, names[i], said, e);
    }
    return rc;
}

const char *tasks_validation(const bert_recipe *r) {
    const char *name, *file = NULL;
    for (int i = 0; !file && (name = bert_recipe_task_at(r, i)); i++)
        file = bert_recipe_value(bert_recipe_of_task(r, name, NULL), "validation_file");
    return file;
}

static int open_task(task_list *l, int i, bert_model *encoder, const char *name,
                     const bert_recipe *r, const common *c, const bert_dataset_options *data,
                     bert_error *e) {
    const char *train = bert_recipe_value(r, "train_file");
    const char *validation = bert_recipe_value(r, "validation_file");
    bert_dataset_options o = dataset_options(c, data);
    char label[BERT_MAX_NAME + 16];
    o.recipe = r;
    o.group = c->group;
    const char *const *more = bert_recipe_files(r, "validation_file");
    if (!train) return fail(e, BERT_EINVAL, "the recipe says no train_file of it");
    o.more_files = bert_recipe_files(r, "train_file") + 1;
    l->train[i] = bert_dataset_open(train, encoder, &o, e);
    if (!l->train[i]) return BERT_EINVAL;
    snprintf(label, sizeof label, "%s train", name);
    dataset_note(c, label, l->train[i]);
    o.like = l->train[i];
    o.more_files = more ? more + 1 : NULL;
    o.held_out = true;
    if (validation && !(l->validation[i] = bert_dataset_open(validation, encoder, &o, e)))
        return BERT_EINVAL;
    snprintf(label, sizeof label, "%s valid.", name);
    if (validation) dataset_note(c, label, l->validation[i]);
    const bert_model_options head = bert_dataset_model(l->train[i]);
    bert_model *task = bert_model_add_task(encoder, name, NULL, &head, e);
    l->task[i] = (bert_trainer_task){.model = task,
                                     .train = l->train[i],
                                     .validation = l->validation[i],
                                     .loss_weight = bert_recipe_loss_weight(r),
                                     .metric_for_best_model = bert_recipe_value(r, "metric")};
    return task ? 0 : BERT_EINVAL;
}

int tasks_open(task_list *l, bert_model *encoder, const bert_recipe *r, const common *c,
               const bert_dataset_options *data, bert_error *e) {
    const char *name;
    int rc = 0;
    for (int i = 0; !rc && (name = bert_recipe_task_at(r, i)); i++) {
        bert_error why = {0};
        l->count = i + 1;
        rc = open_task(l, i, encoder, name, bert_recipe_of_task(r, name, &why), c, data, &why);
        rc = bert_group_agree(c->group, rc, &why);
        char task[BERT_MAX_NAME + 16]; /* which a recipe's own errors begin with */
        snprintf(task, sizeof task, "task %s: ", name);
        const bool named = !strncmp(why.message, task, strlen(task));
        if (rc) fail(e, why.code, "%s%s", named ? "" : task, why.message);
    }
    return rc;
}

void tasks_free(task_list *l) {
    for (int i = 0; i < l->count; i++) {
        bert_dataset_free(l->validation[i]);
        bert_dataset_free(l->train[i]);
    }
}

void tasks_notes(const common *c, const bert_trainer_state *s) {
    for (int i = 0; i < s->task_count; i++) {
        const bert_trainer_task_state *k = &s->tasks[i];
        const char *at = k->best_model_checkpoint;
        if (k->best_global_step)
            note(c, "%s: the best %s, %.4f, was at step %lld%s%s%s", k->name, k->best_metric_name,
                 k->best_metric, (long long)k->best_global_step, *at ? " (" : "", at,
                 *at ? ")" : "");
    }
}
