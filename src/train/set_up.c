/* A trainer before its first step: arguments checked, steps planned, memory taken. */
#include "base/error.h"
#include "base/grow.h"
#include "base/number.h"
#include "data/dataset.h"
#include "tape/tape.h"
#include "train/evaluate.h"
#include "train/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool wants_best(const bert_training_args *a) {
    return a->load_best_model_at_end || a->early_stopping_patience ||
           a->save_strategy == BERT_STRATEGY_BEST;
}

static int check_args(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    bool evaluates = a->eval_strategy != BERT_STRATEGY_NO || a->eval_on_start;
    if (evaluates && !t->validates)
        return bert_fail(e, BERT_EINVAL, "eval_strategy needs validation data");
    if (wants_best(a) && a->eval_strategy == BERT_STRATEGY_NO)
        return bert_fail(e, BERT_EINVAL,
                         "%s needs evaluations: set eval_strategy to steps or epoch",
                         a->load_best_model_at_end    ? "load_best_model_at_end"
                         : a->early_stopping_patience ? "early_stopping_patience"
                                                      : "save_strategy best");
    if (a->lr_scheduler_type == BERT_SCHEDULE_REDUCE_ON_PLATEAU &&
        a->eval_strategy == BERT_STRATEGY_NO)
        return bert_fail(e, BERT_EINVAL,
                         "lr_scheduler_type reduce_lr_on_plateau needs evaluations: set "
                         "eval_strategy to steps or epoch");
    if (a->per_device_train_batch_size > INT32_MAX || a->per_device_eval_batch_size > INT32_MAX ||
        a->threads > 1024)
        return bert_fail(e, BERT_EINVAL, "batch size or threads: out of range");
    if (a->precision == BERT_PRECISION_INT8)
        return bert_fail(
            e, BERT_EINVAL,
            "precision int8 is for use, not for training: take highest, high or medium");
    if (a->resume_from_checkpoint[0] && !a->output_dir[0])
        return bert_fail(e, BERT_EINVAL, "resume_from_checkpoint needs output_dir");
    return BERT_OK;
}

/* "auto": rows / (classes * rows of the class), as scikit-learn's "balanced"; else numbers. */
static int set_class_weights(bert_trained *k, const char *text, bert_error *e) {
    const char *p = text;
    int32_t n = bert_dataset_num_labels(k->train);
    if (k->train->problem != BERT_PROBLEM_SINGLE_LABEL || !k->train->task->labels)
        return bert_fail(e, BERT_EINVAL,
                         "class_weights: are of single-label classification, not %s",
                         bert_dataset_problem_type(k->train));
    k->class_weights = malloc((size_t)n * sizeof *k->class_weights);
    if (!k->class_weights) return bert_fail_memory(e, (size_t)n * sizeof *k->class_weights);
    bool balanced = !strcmp(p, "auto"), any = false;
    int64_t all = 0;
    for (int32_t i = 0; i < n; i++) all += bert_dataset_label_rows(k->train, i);
    for (int32_t i = 0; i < n; i++) {
        const int64_t rows = bert_dataset_label_rows(k->train, i);
        char *end = NULL;
        double w =
            balanced ? (rows ? (double)all / ((double)n * (double)rows) : 0) : bert_strtod(p, &end);
        bool last = i + 1 == n;
        if (!balanced && (end == p || *end != (last ? 0 : ',') || !(w >= 0) || !isfinite((float)w)))
            return bert_fail(e, BERT_EINVAL, "class_weights: auto, or %d numbers by commas, not %s",
                             (int)n, text);
        if (!balanced) p = end + 1;
        k->class_weights[i] = (float)w;
        any |= rows && k->class_weights[i] > 0;
    }
    if (!any) return bert_fail(e, BERT_EINVAL, "class_weights: with %s no row counts", text);
    return BERT_OK;
}

/* Those of the arguments are of the tasks that have classes, where there are several. */
static int set_all_class_weights(bert_trainer *t, const bert_trainer_task *tasks, bert_error *e) {
    int rc = BERT_OK;
    for (int32_t i = 0; i < t->task_count && !rc; i++) {
        bert_trained *k = &t->tasks[i];
        const char *own = tasks[i].class_weights, *text = own ? own : t->args.class_weights;
        const bool skips =
            !own && t->task_count > 1 &&
            (k->train->problem != BERT_PROBLEM_SINGLE_LABEL || !k->train->task->labels);
        if (*text && !skips) rc = set_class_weights(k, text, e);
        if (rc && t->named) bert_error_prefix(e, "task %s: ", k->name);
    }
    return rc;
}

static int freeze(bert_trainer *t, bert_error *e) {
    char list[sizeof t->args.freeze];
    memcpy(list, t->args.freeze, sizeof list);
    bert_params *ps = bert_model_params(t->model);
    for (char *save = NULL, *p = strtok_r(list, ",", &save); p; p = strtok_r(NULL, ",", &save))
        if (!bert_params_freeze(ps, p))
            return bert_fail(e, BERT_EINVAL,
                             "freeze: no parameter's name starts with %s; one is %s", p,
                             bert_param_name(bert_params_at(ps, 0)));
    for (int i = 0; i < bert_params_count(ps); i++)
        if (bert_param_trainable(bert_params_at(ps, i))) return BERT_OK;
    return bert_fail(e, BERT_EINVAL, "freeze: no parameter is left to train");
}

/* The head is above the top layer, the embeddings below layer 0. */
static void scale_layers(bert_trainer *t) {
    bert_params *ps = bert_model_params(t->model);
    int layers = bert_model_config(t->model)->num_hidden_layers;
    for (int i = 0; i < bert_params_count(ps); i++) {
        bert_param *p = bert_params_at(ps, i);
        const int depth = p->layer < 0 ? layers + 1 : layers - p->layer;
        bert_param_scale_lr(p, pow(t->args.layer_lr_decay, depth));
    }
}

/* An argument that counts steps, or is a part of all of them. */
static int64_t steps_of(const bert_trainer *t, double x) {
    return (int64_t)(x < 1 ? ceil((double)t->max_steps * x) : x);
}

/* task_weights: as many numbers as there are tasks, in their order. */
static int read_task_weights(const bert_trainer *t, double *weights, bert_error *e) {
    const char *p = t->args.task_weights;
    for (int32_t i = 0; i < t->task_count && *t->args.task_weights; i++) {
        char *end;
        const bool last = i + 1 == t->task_count;
        weights[i] = bert_strtod(p, &end);
        if (end == p || *end != (last ? 0 : ',') || !(weights[i] > 0) || !isfinite(weights[i]))
            return bert_fail(e, BERT_EINVAL,
                             "task_weights: %d numbers above 0 by commas, one for each task, not "
                             "%s",
                             (int)t->task_count, t->args.task_weights);
        p = end + 1;
    }
    return BERT_OK;
}

static int open_mixture(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    const bert_dataset *sets[BERT_MIXTURE_SETS];
    double weights[BERT_MIXTURE_SETS];
    bert_mixture_options o = {
        .loader = {.batch_size = (int32_t)a->per_device_train_batch_size,
                   .shuffle = a->train_sampling_strategy != BERT_SAMPLE_SEQUENTIAL,
                   .group_by_length = a->train_sampling_strategy == BERT_SAMPLE_BY_LENGTH,
                   .drop_last = a->dataloader_drop_last,
                   .seed = (uint64_t)(a->data_seed >= 0 ? a->data_seed : a->seed)},
        .mixed = a->task_batches == BERT_BATCHES_MIXED,
        .temperature = a->task_temperature,
        .weights = *a->task_weights ? weights : NULL};
    for (int32_t i = 0; i < t->task_count; i++) sets[i] = t->tasks[i].train;
    int rc = read_task_weights(t, weights, e);
    if (rc) return rc;
    t->mixture = bert_mixture_new(sets, t->task_count, &o, e);
    return t->mixture ? BERT_OK : e->code;
}

double bert_trainer_epoch_rows(const bert_trainer *t) {
    double rows = 0;
    for (int32_t i = 0; i < t->task_count; i++)
        rows += (double)bert_dataset_size(t->tasks[i].train);
    return rows;
}

static int plan_steps(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    int rc = open_mixture(t, e);
    if (rc) return rc;
    const int64_t n = a->gradient_accumulation_steps * t->group->size;
    t->step_batches = n;
    t->batches_per_epoch = bert_mixture_batches(t->mixture);
    t->steps_per_epoch = (t->batches_per_epoch + n - 1) / n;
    double steps = ceil(a->num_train_epochs * (double)t->steps_per_epoch);
    t->max_steps = a->max_steps > 0 ? a->max_steps : (int64_t)fmin(steps, 0x1p53);
    t->logging_steps = steps_of(t, a->logging_steps);
    t->eval_steps = steps_of(t, a->eval_steps > 0 ? a->eval_steps : a->logging_steps);
    t->save_steps = steps_of(t, a->save_steps);
    int64_t warmup = a->warmup_steps > 0 ? steps_of(t, a->warmup_steps)
                                         : (int64_t)ceil((double)t->max_steps * a->warmup_ratio);
    t->schedule = (bert_schedule){.type = a->lr_scheduler_type,
                                  .learning_rate = a->learning_rate,
                                  .warmup_steps = warmup,
                                  .total_steps = t->max_steps};
    return bert_schedule_set(&t->schedule, a->lr_scheduler_kwargs, e);
}

/* One task's part of the whole. */
static int set_up_task(bert_trainer *t, int32_t i, const bert_trainer_task *from, bert_error *e) {
    bert_trained *k = &t->tasks[i];
    if (bert_need(from->model, "model to train", e) ||
        bert_need(from->train, "dataset to train on", e))
        return BERT_EINVAL;
    const char *name = bert_model_task_name(from->model);
    *k = (bert_trained){.name = name ? name : "",
                        .model = from->model,
                        .train = from->train,
                        .validation = from->validation,
                        .loss_weight = from->loss_weight > 0 ? from->loss_weight : 1,
                        .best_metric = (double)NAN,
                        .predicted_step = -1};
    t->validates |= k->validation != NULL;
    if (from->loss_weight < 0 || !isfinite(from->loss_weight))
        return bert_fail(e, BERT_EINVAL, "loss_weight %g: it is above 0", from->loss_weight);
    if (bert_model_params(k->model) != bert_model_params(t->model) || (t->task_count > 1 && !name))
        return bert_fail(e, BERT_EINVAL,
                         "tasks that are trained together are those of one encoder "
                         "(bert_model_add_task())");
    for (int32_t j = 0; j < i; j++)
        if (t->tasks[j].model == k->model) return bert_fail(e, BERT_EINVAL, "it is there twice");
    int rc = bert_dataset_check_model(k->train, k->model, e);
    if (!rc && k->train->task->trainable) rc = k->train->task->trainable(k->train, e);
    if (!rc && k->validation) rc = bert_dataset_check_model(k->validation, k->model, e);
    if (rc) return rc;
    const char *metrics = from->metrics ? from->metrics : t->args.metrics;
    k->metrics = bert_metrics_for(k->validation ? k->validation : k->train, metrics, e);
    return k->metrics ? BERT_OK : e->code;
}

static int set_up_tasks(bert_trainer *t, const bert_trainer_task *tasks, bert_error *e) {
    int rc = BERT_OK;
    t->named = bert_model_task_name(tasks[0].model) != NULL;
    for (int32_t i = 0; i < t->task_count && !rc; i++) {
        rc = set_up_task(t, i, &tasks[i], e);
        if (rc && t->named) bert_error_prefix(e, "task %s: ", t->tasks[i].name);
    }
    return rc;
}

static int set_up(bert_trainer *t, const bert_trainer_task *tasks, bert_error *e) {
    const bert_training_args *a = &t->args;
    if (!t->model->params->trainable)
        return bert_fail(e, BERT_EINVAL, "the model was opened without trainable");
    int rc = set_up_tasks(t, tasks, e);
    if (!rc) rc = check_args(t, e);
    if (!rc) rc = bert_trainer_name_metrics(t, tasks, e);
    if (!rc) rc = bert_training_check(a, e);
    if (!rc) rc = plan_steps(t, e);
    if (!rc) rc = set_all_class_weights(t, tasks, e);
    if (!rc) rc = freeze(t, e);
    if (rc) return rc;
    scale_layers(t);
    bert_tape_options tape = bert_tape_default();
    tape.device = bert_model_params(t->model)->device;
    tape.threads = (int)a->threads;
    tape.precision = a->precision;
    tape.gradient_checkpointing = a->gradient_checkpointing;
    tape.seed = (uint64_t)a->seed;
    t->tape = bert_tape_new(&tape, e);
    if (!t->tape) return e->code;
    bert_adamw_options adamw = {a->adam_beta1, a->adam_beta2, a->adam_epsilon, a->weight_decay};
    t->optimizer = bert_optimizer_new(bert_model_params(t->model), &adamw, (int)a->threads, e);
    if (!t->optimizer) return e->code;
    t->slices = bert_slices_new(bert_model_params(t->model), t->group, (int)a->threads, e);
    if (!t->slices) return e->code;
    t->slices->narrow = a->wire_dtype == BERT_WIRE_BF16;
    if (t->group->size > 1 && bert_optimizer_divide(t->optimizer, t->slices, e)) return e->code;
    if (t->group->size > 1 && !a->gradient_checkpointing) { /* which records nodes in backward */
        t->tape->passed = bert_slices_passed;
        t->tape->passed_context = t->slices;
    }
    t->log_history = json_array();
    return t->log_history ? BERT_OK : bert_fail_memory(e, 1);
}

bert_trainer *bert_trainer_new(bert_model *m, const bert_training_args *args,
                               const bert_dataset *train, const bert_dataset *validation,
                               bert_error *e) {
    BERT_DOOR(e);
    return bert_trainer_new_in_group(m, args, train, validation, &bert_group_alone, e);
}

bert_trainer *bert_trainer_new_in_group(bert_model *m, const bert_training_args *args,
                                        const bert_dataset *train, const bert_dataset *validation,
                                        const bert_group *group, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(group, "group", e)) return NULL;
    return bert_trainer_new_tasks(
        args, &(bert_trainer_task){.model = m, .train = train, .validation = validation}, 1, group,
        e);
}

static bert_trainer *new_trainer(int n, bert_error *e) {
    bert_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    t->tasks = calloc((size_t)n, sizeof *t->tasks);
    t->task_states = calloc((size_t)n, sizeof *t->task_states);
    t->task_count = n;
    if (t->tasks && t->task_states) return t;
    bert_fail_memory(e, (size_t)n * sizeof *t->tasks);
    bert_trainer_free(t);
    return NULL;
}

bert_trainer *bert_trainer_new_tasks(const bert_training_args *args, const bert_trainer_task *tasks,
                                     int n, const bert_group *group, bert_error *e) {
    BERT_DOOR(e);
    if (!group) group = &bert_group_alone;
    if (bert_group_check(group, e) || bert_need(tasks, "tasks to train", e)) return NULL;
    if (n < 1 || n > BERT_MIXTURE_SETS) {
        bert_fail(e, BERT_EINVAL, "%d tasks: there may be 1 to %d", n, BERT_MIXTURE_SETS);
        return NULL;
    }
    if (bert_need(tasks[0].model, "model to train", e) ||
        bert_need(tasks[0].train, "dataset to train on", e) || bert_need(args, "arguments", e))
        return NULL;
    bert_trainer *t = new_trainer(n, e);
    if (!t) return NULL;
    t->model = (bert_model *)(uintptr_t)bert_model_root(tasks[0].model);
    t->args = *args;
    t->group = group;
    t->run.best_metric = (double)NAN;
    t->measured_step = -1;
    if (set_up(t, tasks, e)) {
        bert_trainer_free(t);
        return NULL;
    }
    t->state =
        (bert_trainer_state){.max_steps = t->max_steps,
                             .num_train_epochs = (double)t->max_steps / (double)t->steps_per_epoch,
                             .best_metric = (double)NAN,
                             .why = t->why,
                             .best_metric_name = t->best_name,
                             .stopping_metric_name = t->stopping_name,
                             .best_model_checkpoint = t->best_checkpoint,
                             .checkpoint = t->checkpoint,
                             .tasks = t->task_states,
                             .task_count = t->named ? t->task_count : 0,
                             .log_name = t->log_name,
                             .log_value = t->log_value};
    return t;
}

void bert_trainer_free(bert_trainer *t) {
    if (!t) return;
    if (t->named) bert_metrics_free(t->metrics);
    for (int32_t i = 0; i < t->task_count && t->tasks; i++) {
        free(t->tasks[i].class_weights);
        bert_metrics_free(t->tasks[i].metrics);
        bert_grown_free(t->tasks[i].predicted);
    }
    for (char **name = t->names; name && *name; name++) free(*name);
    free(t->names);
    free(t->tasks);
    free(t->task_states);
    bert_mixture_free(t->mixture);
    bert_tape_free(t->tape);
    bert_optimizer_free(t->optimizer);
    bert_slices_free(t->slices);
    bert_log_close(t, &(bert_error){0});
    json_decref(t->log_history);
    free(t->best_weights);
    free(t);
}
