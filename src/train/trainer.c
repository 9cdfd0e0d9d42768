/* The training loop: what transformers' Trainer does, in its order. */
#include "train/trainer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/grow.h"
#include "train/dataset.h"
#include "train/evaluate.h"
#include "train/html.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bert_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- Setting up */

static const char *best_metric_name(const bert_training_args *a) {
    const char *name = a->metric_for_best_model;
    if (!strncmp(name, "eval_", 5)) name += 5;
    return *name ? name : "loss";
}

static bool wants_best(const bert_training_args *a) {
    return a->load_best_model_at_end || a->early_stopping_patience ||
           a->save_strategy == BERT_STRATEGY_BEST;
}

static int check_args(const bert_trainer *t, bert_error *e) {
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
    bert_metrics *m = t->metrics;
    const char *best = best_metric_name(a);
    bool known = !strcmp(best, "loss");
    for (int i = 0; i < bert_metrics_count(m) && !known; i++)
        known = !strcmp(bert_metrics_name(m, i), best);
    if (known) return BERT_OK;
    char list[300] = "loss";
    size_t n = strlen(list);
    for (int i = 0; i < bert_metrics_count(m) && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, ", %s", bert_metrics_name(m, i));
    return bert_fail(e, BERT_EINVAL, "metric_for_best_model: %s is not computed; %s are", best,
                     list);
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
    bool balanced = !strcmp(p, "auto");
    int64_t all = 0;
    for (int32_t i = 0; i < n; i++) all += bert_dataset_label_rows(t->train, i);
    for (int32_t i = 0; i < n; i++) {
        int64_t rows = balanced ? bert_dataset_label_rows(t->train, i) : 0;
        char *end = NULL;
        double w =
            balanced ? (rows ? (double)all / ((double)n * (double)rows) : 0) : strtod(p, &end);
        bool last = i + 1 == n;
        if (!balanced && (end == p || *end != (last ? 0 : ',') || !(w >= 0) || !isfinite(w)))
            return bert_fail(e, BERT_EINVAL, "class_weights: auto, or %d numbers by commas, not %s",
                             (int)n, t->args.class_weights);
        if (!balanced) p = end + 1;
        t->class_weights[i] = (float)w;
    }
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
        const char *layer = strstr(bert_param_name(p), "layer.");
        int depth = 0;
        if (layer)
            depth = layers - atoi(layer + strlen("layer."));
        else if (strstr(bert_param_name(p), "embeddings."))
            depth = layers + 1;
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
    int64_t n = a->gradient_accumulation_steps;
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
    if (!rc && t->validation) rc = bert_dataset_check_model(t->validation, t->model, e);
    if (rc) return rc;
    t->metrics = bert_metrics_for(t->train, a->metrics, e);
    if (!t->metrics) return e->code;
    rc = check_args(t, e);
    if (!rc) rc = plan_steps(t, e);
    if (!rc) rc = set_class_weights(t, e);
    if (!rc) rc = freeze(t, e);
    if (rc) return rc;
    scale_layers(t);
    bert_tape_options tape = bert_tape_default();
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
    if (bert_need(m, "model to train", e) || bert_need(train, "dataset to train on", e))
        return NULL;
    bert_error local = {0};
    bert_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        bert_fail_memory(e, sizeof *t);
        return NULL;
    }
    t->model = m;
    t->args = *args;
    t->train = train;
    t->validation = validation;
    t->run.best_metric = (double)NAN;
    t->predicted_step = -1;
    if (set_up(t, &local)) {
        bert_fail(e, local.code, "%s", local.message);
        bert_trainer_free(t);
        return NULL;
    }
    t->state =
        (bert_trainer_state){.max_steps = t->max_steps,
                             .num_train_epochs = (double)t->max_steps / (double)t->steps_per_epoch,
                             .best_metric = (double)NAN,
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

int bert_trainer_add_callback(bert_trainer *t, bert_callback *fn, void *context, bert_error *e) {
    if (t->callbacks_count == BERT_CALLBACKS_MAX)
        return bert_fail(e, BERT_EINVAL, "a trainer takes %d callbacks", BERT_CALLBACKS_MAX);
    t->callbacks[t->callbacks_count].fn = fn;
    t->callbacks[t->callbacks_count++].context = context;
    fn(context, BERT_ON_INIT_END, &t->state);
    return BERT_OK;
}

void bert_trainer_stop(bert_trainer *t) {
    t->stop = 1;
}

const bert_trainer_state *bert_trainer_get_state(const bert_trainer *t) {
    return &t->state;
}

double bert_trainer_epoch(const bert_trainer *t) {
    const int64_t step = t->run.global_step, whole = step / t->steps_per_epoch;
    const int64_t batches = step % t->steps_per_epoch * t->args.gradient_accumulation_steps;
    return (double)whole + (double)batches / (double)t->batches_per_epoch;
}

void bert_trainer_emit(bert_trainer *t, bert_event event) {
    bert_trainer_state *s = &t->state;
    s->global_step = t->run.global_step;
    s->epoch = bert_trainer_epoch(t);
    s->tokens = t->run.tokens;
    s->best_metric = t->run.best_metric;
    s->best_global_step = t->run.best_step;
    for (int i = 0; i < t->callbacks_count; i++) {
        unsigned wish = t->callbacks[i].fn(t->callbacks[i].context, event, s);
        if (wish & BERT_DO_STOP) t->ended = true;
        t->run.due |= wish & (BERT_DO_LOG | BERT_DO_EVALUATE | BERT_DO_SAVE);
    }
}

/* ---- Evaluation and the best model */

static int after_eval_batches(void *context, int64_t batch, int64_t batches, bert_error *e) {
    bert_trainer *t = context;
    if (t->stop && batch < batches)
        return bert_fail(e, BERT_EINTERRUPTED, "stopped in an evaluation");
    t->state.eval_batch = batch;
    t->state.eval_batches = batches;
    if (batch) bert_trainer_emit(t, BERT_ON_PREDICTION_STEP);
    return BERT_OK;
}

/* The report shows rows of such data. */
static bool is_shown(const bert_dataset *d) {
    return d && d->task == &bert_task_sequence_classification && (d->labels || d->targets) &&
           d->problem != BERT_PROBLEM_REGRESSION && d->rows <= INT32_MAX;
}

static int64_t weights_step(const bert_trainer *t) {
    return t->best_loaded ? t->run.best_step : t->run.global_step;
}

static int keep_row(void *context, int64_t row, const float *logits, int32_t n) {
    bert_trainer *t = context;
    memcpy(t->predicted + row * n, logits, (size_t)n * sizeof *logits);
    return 0;
}

static int make_room(bert_trainer *t, bert_error *e) {
    const bert_dataset *d = t->validation;
    t->predicted_step = -1;
    return bert_grow(&t->predicted, (size_t)d->rows * (size_t)d->num_labels, sizeof *t->predicted,
                     e);
}

typedef int row_fn(void *context, int64_t row, const float *logits, int32_t num_labels);

/* The metrics of a set, begun as a log. */
static int measure(bert_trainer *t, const bert_dataset *d, const char *prefix, row_fn *row,
                   void *row_context, bert_error *e) {
    bert_evaluation v = {.tape = t->tape,
                         .model = t->model,
                         .set = d,
                         .batch_size = (int32_t)t->args.per_device_eval_batch_size,
                         .class_weights = t->class_weights,
                         .label_smoothing = (float)t->args.label_smoothing_factor,
                         .row = row,
                         .row_context = row_context,
                         .batch = after_eval_batches,
                         .batch_context = t};
    double began = bert_seconds();
    bert_metrics_reset(t->metrics);
    t->state.metrics = NULL;
    int rc = bert_evaluation_run(&v, t->metrics, e);
    t->state.eval_batch = t->state.eval_batches = 0;
    if (rc) return rc;
    t->state.metrics = t->metrics;
    t->rate_time += bert_seconds() - began; /* evaluation does not count in the training rate */
    bert_log_begin(t);
    for (int i = 0; i < bert_metrics_count(t->metrics); i++)
        bert_log_put(t, prefix, bert_metrics_name(t->metrics, i),
                     bert_metrics_value(t->metrics, i));
    const double seconds = fmax(bert_seconds() - began, 1e-9);
    const double rows = (double)bert_dataset_size(d);
    const double batches = ceil(rows / (double)t->args.per_device_eval_batch_size);
    bert_log_put(t, prefix, "runtime", seconds);
    bert_log_put(t, prefix, "samples_per_second", rows / seconds);
    bert_log_put(t, prefix, "steps_per_second", batches / seconds);
    return BERT_OK;
}

static int evaluate(bert_trainer *t, const bert_dataset *d, bert_error *e) {
    const bool keeps = d == t->validation && t->args.output_dir[0] && is_shown(d);
    int rc = keeps ? make_room(t, e) : BERT_OK;
    if (!rc) rc = measure(t, d, "eval_", keeps ? keep_row : NULL, t, e);
    if (rc) return rc;
    if (keeps) t->predicted_step = weights_step(t);
    bert_run *r = &t->run;
    const int64_t steps = r->global_step - r->evaluated_step;
    if (steps > 0)
        bert_log_put(t, "", "training_loss", (r->total_loss - r->evaluated_loss) / (double)steps);
    r->evaluated_loss = r->total_loss;
    r->evaluated_step = r->global_step;
    rc = bert_log_end(t, e);
    if (!rc) bert_trainer_emit(t, BERT_ON_EVALUATE);
    return rc;
}

static const bert_metrics *finish_evaluation(bert_trainer *t, const bert_error *local,
                                             bert_error *e) {
    t->stop = 0;
    if (!local->code) return t->metrics;
    bert_fail(e, local->code, "%s", local->message);
    return NULL;
}

const bert_metrics *bert_trainer_evaluate(bert_trainer *t, const bert_dataset *d, bert_error *e) {
    if (bert_need(t, "trainer", e)) return NULL;
    bert_error local = {0};
    if (!d) d = t->validation;
    if (!d) {
        bert_fail(e, BERT_EINVAL, "there is no validation data");
        return NULL;
    }
    if (!bert_dataset_check_model(d, t->model, &local)) evaluate(t, d, &local);
    return finish_evaluation(t, &local, e);
}

const bert_metrics *bert_trainer_predict(bert_trainer *t, const bert_dataset *d, row_fn *row,
                                         void *context, bert_error *e) {
    if (bert_need(t, "trainer", e) || bert_need(d, "dataset to predict", e)) return NULL;
    bert_error local = {0};
    if (!bert_dataset_check_model(d, t->model, &local) &&
        !measure(t, d, "test_", row, context, &local))
        bert_trainer_emit(t, BERT_ON_PREDICT);
    return finish_evaluation(t, &local, e);
}

int bert_trainer_keep_predictions(bert_trainer *t, bert_error *e) {
    if (!is_shown(t->validation) || t->predicted_step == weights_step(t)) return 0;
    if (make_room(t, e)) return e->code;
    bert_evaluate_options o = bert_evaluate_default();
    o.threads = (int)t->args.threads;
    o.precision = t->args.precision;
    o.row = keep_row;
    o.context = t;
    bert_metrics *m = bert_evaluate(t->model, t->validation, &o, e);
    if (!m) return e->code;
    bert_metrics_free(m);
    t->predicted_step = weights_step(t);
    return 0;
}

/* A copy of every weight, for runs that write no files. */
static int keep_weights(bert_trainer *t, bert_error *e) {
    bert_params *ps = bert_model_params(t->model);
    if (!t->best_weights) {
        size_t n = 0;
        for (int i = 0; i < bert_params_count(ps); i++) n += bert_param_size(bert_params_at(ps, i));
        t->best_weights = malloc(n * sizeof *t->best_weights);
        if (!t->best_weights) return bert_fail_memory(e, n * sizeof *t->best_weights);
    }
    float *to = t->best_weights;
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        memcpy(to, bert_param_value(p), bert_param_size(p) * sizeof *to);
        to += bert_param_size(p);
    }
    return BERT_OK;
}

static void restore_weights(bert_trainer *t) {
    const float *from = t->best_weights;
    bert_params *ps = bert_model_params(t->model);
    for (int i = 0; i < bert_params_count(ps); i++) {
        bert_param *p = bert_params_at(ps, i);
        float *to = bert_param_value_mut(p);
        if (to) memcpy(to, from, bert_param_size(p) * sizeof *to);
        from += bert_param_size(p);
    }
}

/* transformers' rule: the best changes with any strict improvement; patience counts evaluations
 * that did not improve on the best before by more than the threshold. */
static int judge(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    const char *name = best_metric_name(a);
    double value;
    if (!t->run.global_step) return BERT_OK; /* eval_on_start shows the untrained model */
    if (!bert_metrics_find(t->metrics, name, &value)) return BERT_OK;
    bool greater =
        a->greater_is_better < 0 ? bert_metric_greater_is_better(name) : a->greater_is_better > 0;
    bert_run *r = &t->run;
    if (a->lr_scheduler_type == BERT_SCHEDULE_REDUCE_ON_PLATEAU)
        bert_plateau_step(&t->schedule, &r->plateau, value);
    bool first = isnan(r->best_metric) && !isnan(value);
    bool better = first || (greater ? value > r->best_metric : value < r->best_metric);
    bool enough = first || (better && fabs(value - r->best_metric) > a->early_stopping_threshold);
    r->patience = enough ? 0 : r->patience + 1;
    if (a->early_stopping_patience && r->patience >= a->early_stopping_patience) t->ended = true;
    if (!better) return BERT_OK;
    r->best_metric = value;
    r->best_step = r->global_step;
    bool keeps = a->load_best_model_at_end || a->save_strategy == BERT_STRATEGY_BEST;
    if (!keeps) return BERT_OK;
    if (a->output_dir[0])
        r->due |= BERT_DO_SAVE;
    else if (a->load_best_model_at_end)
        return keep_weights(t, e);
    return BERT_OK;
}

/* ---- What is due after a step, and then after an epoch: transformers' DefaultFlowCallback */

static unsigned due_after_step(const bert_trainer *t) {
    const bert_training_args *a = &t->args;
    const int64_t step = t->run.global_step;
    const bool last = step >= t->max_steps;
    unsigned due = 0;
    if ((a->logging_strategy == BERT_STRATEGY_STEPS && step % t->logging_steps == 0) ||
        (a->logging_first_step && step == 1))
        due |= BERT_DO_LOG;
    if (a->eval_strategy == BERT_STRATEGY_STEPS && (double)step >= a->eval_delay &&
        (step % t->eval_steps == 0 || last))
        due |= BERT_DO_EVALUATE;
    if (a->save_strategy == BERT_STRATEGY_STEPS && (step % t->save_steps == 0 || last))
        due |= BERT_DO_SAVE;
    return due;
}

static unsigned due_after_epoch(const bert_trainer *t) {
    const bert_training_args *a = &t->args;
    const bool evaluates =
        a->eval_strategy == BERT_STRATEGY_EPOCH && bert_trainer_epoch(t) >= a->eval_delay;
    return (a->logging_strategy == BERT_STRATEGY_EPOCH ? BERT_DO_LOG : 0u) |
           (evaluates ? BERT_DO_EVALUATE : 0u) |
           (a->save_strategy == BERT_STRATEGY_EPOCH ? BERT_DO_SAVE : 0u);
}

static int log_training(bert_trainer *t, bert_error *e) {
    bert_run *r = &t->run;
    int64_t steps = r->global_step - r->log_step;
    if (steps < 1) return BERT_OK;
    bert_log_begin(t);
    bert_log_put(t, "", "loss", r->log_loss / (double)steps);
    bert_log_put(t, "", "grad_norm", t->state.grad_norm);
    bert_log_put(t, "", "learning_rate", t->state.learning_rate);
    r->log_loss = 0;
    r->log_step = r->global_step;
    return bert_log_end(t, e);
}

/* Each thing is marked as done only when it is, so that a checkpoint of an interrupted run knows
 * what is left. */
static int do_what_is_due(bert_trainer *t, bert_error *e) {
    bert_run *r = &t->run;
    int rc = BERT_OK;
    if (r->due & BERT_DO_LOG) {
        r->due &= ~(unsigned)BERT_DO_LOG;
        rc = log_training(t, e);
    }
    if (!rc && r->due & BERT_DO_EVALUATE) {
        if (t->validation) rc = evaluate(t, t->validation, e);
        if (rc) return rc;
        r->due &= ~(unsigned)BERT_DO_EVALUATE;
        if (t->validation) rc = judge(t, e);
    }
    if (!rc && r->due & BERT_DO_SAVE) {
        r->due &= ~(unsigned)BERT_DO_SAVE;
        rc = bert_checkpoint_save(t, e);
    }
    return rc;
}

/* ---- The loop */

static int start(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    t->ended = t->best_loaded = false;
    t->predicted_step = -1;
    t->run = (bert_run){.best_metric = (double)NAN, .plateau = {1, (double)NAN, 0, 0}};
    t->checkpoint[0] = t->best_checkpoint[0] = 0;
    json_array_clear(t->log_history);
    bert_optimizer_forget(t->optimizer);
    if (!a->output_dir[0]) return bert_log_open(t, e);
    int rc = bert_make_directory(a->output_dir, e);
    if (rc) return rc;
    char *latest = bert_checkpoint_latest(a->output_dir);
    const char *from = a->resume_from_checkpoint;
    if (!strcmp(from, "last") || !strcmp(from, "true")) {
        rc = latest ? bert_checkpoint_load(t, latest, e)
                    : bert_fail(e, BERT_ENOTFOUND, "%s: holds no checkpoint to resume from",
                                a->output_dir);
    } else if (*from) {
        rc = bert_checkpoint_load(t, from, e);
    } else if (latest) {
        rc = bert_fail(e, BERT_EINVAL,
                       "%s is of an earlier run: resume from it (resume_from_checkpoint last), "
                       "remove it, or choose another output_dir",
                       latest);
    }
    free(latest);
    return rc ? rc : bert_log_open(t, e);
}

/* Leaves a checkpoint of the finished step behind. */
static int interrupted(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    bool saves = a->output_dir[0] && a->save_strategy != BERT_STRATEGY_NO && t->run.global_step > 0;
    int rc = saves ? bert_checkpoint_save(t, e) : BERT_OK;
    if (rc) return rc;
    return bert_fail(e, BERT_EINTERRUPTED, "stopped at step %lld of %lld%s%s",
                     (long long)t->run.global_step, (long long)t->max_steps,
                     !saves               ? ""
                     : a->save_only_model ? "; saved in "
                                          : "; resume from ",
                     saves ? t->checkpoint : "");
}

/* What comes between a step and the next; a resumed run may begin with a part of it. */
static int after_step(bert_trainer *t, bert_error *e) {
    bert_run *r = &t->run;
    int rc = do_what_is_due(t, e);
    if (t->ended && r->global_step) r->due |= BERT_DUE_EPOCH_END;
    if (rc || !(r->due & BERT_DUE_EPOCH_END)) return rc;
    r->due = (r->due & ~(unsigned)BERT_DUE_EPOCH_END) | due_after_epoch(t);
    bert_trainer_emit(t, BERT_ON_EPOCH_END);
    return do_what_is_due(t, e);
}

static int run_steps(bert_trainer *t, bert_error *e) {
    int rc = after_step(t, e);
    while (!rc && !t->stop && !t->ended && t->run.global_step < t->max_steps) {
        bert_run *r = &t->run;
        if (r->global_step % t->steps_per_epoch == 0 || r->global_step == t->started_step)
            bert_trainer_emit(t, BERT_ON_EPOCH_BEGIN);
        bert_trainer_emit(t, BERT_ON_STEP_BEGIN);
        rc = bert_trainer_step(t, e);
        if (rc) break;
        r->due |= due_after_step(t);
        if (r->global_step % t->steps_per_epoch == 0 || r->global_step >= t->max_steps)
            r->due |= BERT_DUE_EPOCH_END;
        bert_trainer_emit(t, BERT_ON_STEP_END);
        rc = after_step(t, e);
    }
    return rc;
}

static int finish(bert_trainer *t, bert_error *e) {
    int rc = BERT_OK;
    if (t->args.load_best_model_at_end && !isnan(t->run.best_metric)) {
        if (t->best_weights)
            restore_weights(t);
        else if (t->best_checkpoint[0])
            rc = bert_checkpoint_load_weights(t, t->best_checkpoint, e);
        t->best_loaded = t->best_weights || t->best_checkpoint[0];
    }
    if (rc) return rc;
    double seconds = bert_seconds() - t->started;
    int64_t steps = t->run.global_step - t->started_step;
    bert_log_begin(t);
    bert_log_put(t, "train_", "runtime", seconds);
    bert_log_put(t, "train_", "samples_per_second",
                 (double)steps / (double)t->steps_per_epoch * (double)bert_dataset_size(t->train) /
                     seconds);
    bert_log_put(t, "train_", "steps_per_second", (double)steps / seconds);
    bert_log_put(t, "", "total_flos", bert_trainer_flos(t));
    bert_log_put(t, "train_", "loss",
                 t->run.total_loss / (double)(t->run.global_step ? t->run.global_step : 1));
    rc = bert_log_end(t, e);
    if (!rc) bert_trainer_emit(t, BERT_ON_TRAIN_END);
    return rc;
}

int bert_trainer_train(bert_trainer *t, bert_error *e) {
    if (bert_need(t, "trainer", e)) return BERT_EINVAL;
    bert_error local = {0};
    int rc = start(t, &local);
    if (!rc) {
        t->started = t->rate_time = bert_seconds();
        t->started_step = t->run.global_step;
        t->rate_tokens = t->run.tokens;
        t->state.tokens_per_second = 0;
        bert_trainer_emit(t, BERT_ON_TRAIN_BEGIN);
        if (t->args.eval_on_start && !t->run.global_step) t->run.due |= BERT_DO_EVALUATE;
        rc = run_steps(t, &local);
        if (rc == BERT_EINTERRUPTED) bert_error_clear(&local);
        bool cut = rc == BERT_EINTERRUPTED ||
                   (!rc && t->stop && !t->ended && t->run.global_step < t->max_steps);
        if (cut)
            rc = interrupted(t, &local);
        else if (!rc)
            rc = finish(t, &local);
    }
    t->stop = 0;
    return rc ? bert_fail(e, rc, "%s", local.message) : BERT_OK;
}

int bert_trainer_save(bert_trainer *t, bert_error *e) {
    if (bert_need(t, "trainer", e)) return BERT_EINVAL;
    const char *dir = t->args.output_dir;
    bert_error local = {0};
    if (!*dir) return bert_fail(e, BERT_EINVAL, "the trainer has no output_dir to save to");
    int rc = bert_model_save(t->model, dir, &local);
    if (!rc) rc = bert_model_card_save(t, dir, &local);
    if (!rc) rc = bert_trainer_state_save(t, dir, &local);
    if (!rc) rc = bert_html_save(t, dir, &local);
    return rc ? bert_fail(e, rc, "%s", local.message) : BERT_OK;
}
