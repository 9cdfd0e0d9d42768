/* A trainer before its first step: arguments checked, steps planned, memory taken. */
#include "base/error.h"
#include "base/grow.h"
#include "base/number.h"
#include "data/dataset.h"
#include "tape/params.h"
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
    if (evaluates && !t->validation)
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
    return bert_trainer_name_metrics(t, e);
}

/* "auto": rows / (classes * rows of the class), as scikit-learn's "balanced"; else numbers. */
static int set_class_weights(bert_trainer *t, bert_error *e) {
    const char *p = t->args.class_weights;
    int32_t n = bert_dataset_num_labels(t->train);
    if (!*p) return BERT_OK;
    if (t->train->problem != BERT_PROBLEM_SINGLE_LABEL || !t->train->task->labels)
        return bert_fail(e, BERT_EINVAL,
                         "class_weights: are of single-label classification, not %s",
                         bert_dataset_problem_type(t->train));
    t->class_weights = malloc((size_t)n * sizeof *t->class_weights);
    if (!t->class_weights) return bert_fail_memory(e, (size_t)n * sizeof *t->class_weights);
    bool balanced = !strcmp(p, "auto"), any = false;
    int64_t all = 0;
    for (int32_t i = 0; i < n; i++) all += bert_dataset_label_rows(t->train, i);
    for (int32_t i = 0; i < n; i++) {
        const int64_t rows = bert_dataset_label_rows(t->train, i);
        char *end = NULL;
        double w =
            balanced ? (rows ? (double)all / ((double)n * (double)rows) : 0) : bert_strtod(p, &end);
        bool last = i + 1 == n;
        if (!balanced && (end == p || *end != (last ? 0 : ',') || !(w >= 0) || !isfinite((float)w)))
            return bert_fail(e, BERT_EINVAL, "class_weights: auto, or %d numbers by commas, not %s",
                             (int)n, t->args.class_weights);
        if (!balanced) p = end + 1;
        t->class_weights[i] = (float)w;
        any |= rows && t->class_weights[i] > 0;
    }
    if (!any)
        return bert_fail(e, BERT_EINVAL, "class_weights: with %s no row counts",
                         t->args.class_weights);
    return BERT_OK;
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

static int plan_steps(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    bert_loader_options o = {.batch_size = (int32_t)a->per_device_train_batch_size,
                             .shuffle = a->train_sampling_strategy != BERT_SAMPLE_SEQUENTIAL,
                             .group_by_length = a->train_sampling_strategy == BERT_SAMPLE_BY_LENGTH,
                             .drop_last = a->dataloader_drop_last,
                             .seed = (uint64_t)(a->data_seed >= 0 ? a->data_seed : a->seed)};
    t->loader = bert_loader_new(t->train, &o, e);
    if (!t->loader) return e->code;
    const int64_t n = a->gradient_accumulation_steps * t->group->size;
    t->step_batches = n;
    t->batches_per_epoch = bert_loader_batches(t->loader);
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

static int set_up(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    if (!t->model->params->trainable)
        return bert_fail(e, BERT_EINVAL, "the model was opened without trainable");
    int rc = bert_dataset_check_model(t->train, t->model, e);
    if (!rc && t->train->task->trainable) rc = t->train->task->trainable(t->train, e);
    if (!rc && t->validation) rc = bert_dataset_check_model(t->validation, t->model, e);
    if (rc) return rc;
    t->metrics = bert_metrics_for(t->validation ? t->validation : t->train, a->metrics, e);
    if (!t->metrics) return e->code;
    rc = check_args(t, e);
    if (!rc) rc = bert_training_check(a, e);
    if (!rc) rc = plan_steps(t, e);
    if (!rc) rc = set_class_weights(t, e);
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
    if (bert_need(group, "group", e) || bert_group_check(group, e)) return NULL;
    if (bert_need(m, "model to train", e) || bert_need(train, "dataset to train on", e) ||
        bert_need(args, "arguments", e))
        return NULL;
    bert_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    t->model = m;
    t->args = *args;
    t->train = train;
    t->validation = validation;
    t->group = group;
    t->run.best_metric = (double)NAN;
    t->predicted_step = t->measured_step = -1;
    if (set_up(t, e)) {
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
                             .log_name = t->log_name,
                             .log_value = t->log_value};
    return t;
}

void bert_trainer_free(bert_trainer *t) {
    if (!t) return;
    bert_loader_free(t->loader);
    bert_tape_free(t->tape);
    bert_optimizer_free(t->optimizer);
    bert_metrics_free(t->metrics);
    bert_log_close(t, &(bert_error){0});
    json_decref(t->log_history);
    free(t->class_weights);
    free(t->best_weights);
    bert_grown_free(t->predicted);
    free(t);
}
