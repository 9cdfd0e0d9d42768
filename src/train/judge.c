/* A trainer's evaluations, and which of them is the best. */
#include "base/clock.h"
#include "base/error.h"
#include "base/grow.h"
#include "data/dataset.h"
#include "train/evaluate.h"
#include "train/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int after_eval_batches(void *context, int64_t batch, int64_t batches, bert_error *e) {
    bert_trainer *t = context;
    if (t->stop && batch < batches && t->group->size < 2)
        return bert_fail(e, BERT_EINTERRUPTED, "stopped in an evaluation");
    t->state.eval_batch = batch;
    t->state.eval_batches = batches;
    if (batch) bert_trainer_emit(t, BERT_ON_PREDICTION_STEP);
    return BERT_OK;
}

/* The report shows rows of such data. */
static bool is_shown(const bert_dataset *d) {
    return d && d->task->labels == BERT_LABELLED_ROWS && bert_dataset_is_labelled(d) &&
           d->problem != BERT_PROBLEM_REGRESSION && d->rows <= INT32_MAX;
}

static int64_t weights_step(const bert_trainer *t) {
    return t->best_loaded ? t->run.best_step : t->run.global_step;
}

/* Weights of this step have an evaluation in the history: another one would be a second point of
 * the curve, and that of the best weights one at a step that did not have them. */
static bool is_logged(const bert_trainer *t) {
    const json_t *record;
    size_t i;
    if (t->best_loaded) return true;
    json_array_foreach(t->log_history, i, record) {
        if (json_object_get(record, "eval_loss") &&
            json_integer_value(json_object_get(record, "step")) == t->run.global_step)
            return true;
    }
    return false;
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
                         .group = t->group,
                         .class_weights = t->class_weights,
                         .label_smoothing = (float)t->args.label_smoothing_factor,
                         .row = row,
                         .row_context = row_context,
                         .batch = after_eval_batches,
                         .batch_context = t};
    double began = bert_seconds();
    t->measured_step = -1;
    bert_metrics_reset(t->metrics);
    t->state.metrics = NULL;
    int rc = bert_evaluation_run(&v, t->metrics, e);
    t->state.eval_batch = t->state.eval_batches = 0;
    if (rc) return rc;
    t->state.metrics = t->metrics;
    if (d == t->validation) t->measured_step = weights_step(t);
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

static bool greater_is_better(const bert_trainer *t, const char *name) {
    const bert_training_args *a = &t->args;
    const bool chosen = a->greater_is_better >= 0 && !strcmp(name, t->best_name);
    return chosen ? a->greater_is_better > 0 : bert_metric_greater_is_better(name);
}

/* A metric of the latest evaluation, and whether it is better than the best before. */
static bool improves(const bert_trainer *t, const char *name, double best, double *value) {
    *value = (double)NAN;
    bert_metrics_find(t->metrics, name, value);
    if (isnan(*value)) return false;
    return isnan(best) || (greater_is_better(t, name) ? *value > best : *value < best);
}

/* judged: it is one of the run's, which says which weights are the best. */
static int run_evaluation(bert_trainer *t, const bert_dataset *d, bool judged, bert_error *e) {
    const bool keeps = d == t->validation && t->args.output_dir[0] && is_shown(d);
    int rc = keeps ? make_room(t, e) : BERT_OK;
    if (!rc) rc = measure(t, d, "eval_", keeps ? keep_row : NULL, t, e);
    if (rc) return rc;
    if (keeps) t->predicted_step = weights_step(t);
    bert_run *r = &t->run;
    double value;
    t->state.is_best = judged && improves(t, t->best_name, r->best_metric, &value);
    if (judged || !is_logged(t)) {
        const int64_t steps = r->global_step - r->evaluated_step;
        if (steps > 0)
            bert_log_put(t, "", "training_loss",
                         (r->total_loss - r->evaluated_loss) / (double)steps);
        r->evaluated_loss = r->total_loss;
        r->evaluated_step = r->global_step;
        rc = bert_log_end(t, e);
    }
    if (!rc) bert_trainer_emit(t, BERT_ON_EVALUATE);
    return rc;
}

static const bert_metrics *finish_evaluation(bert_trainer *t, const bert_error *e) {
    t->stop = 0;
    return e->code ? NULL : t->metrics;
}

const bert_metrics *bert_trainer_evaluate(bert_trainer *t, const bert_dataset *d, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "trainer", e)) return NULL;
    if (!d) d = t->validation;
    if (!d) {
        bert_fail(e, BERT_EINVAL, "there is no validation data");
        return NULL;
    }
    if (!bert_dataset_check_model(d, t->model, e)) run_evaluation(t, d, false, e);
    return finish_evaluation(t, e);
}

const bert_metrics *bert_trainer_predict(bert_trainer *t, const bert_dataset *d, row_fn *row,
                                         void *context, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "trainer", e) || bert_need(d, "dataset to predict", e)) return NULL;
    if (!bert_dataset_check_model(d, t->model, e) && !measure(t, d, "test_", row, context, e))
        bert_trainer_emit(t, BERT_ON_PREDICT);
    return finish_evaluation(t, e);
}

int bert_trainer_keep_metrics(bert_trainer *t, bert_error *e) {
    if (t->measured_step == weights_step(t)) return BERT_OK;
    return measure(t, t->validation, "eval_", NULL, NULL, e);
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
        bert_param_read(p, to);
        to += bert_param_size(p);
    }
    return BERT_OK;
}

void bert_trainer_restore_best(bert_trainer *t) {
    const float *from = t->best_weights;
    bert_params *ps = bert_model_params(t->model);
    for (int i = 0; i < bert_params_count(ps); i++) {
        bert_param *p = bert_params_at(ps, i);
        bert_param_write(p, from);
        from += bert_param_size(p);
    }
}

/* transformers' rule: the best changes with any strict improvement; patience counts evaluations
 * that did not improve on the best before by more than the threshold. Here a metric that is not a
 * number says nothing, and counts for nothing. */
static void count_patience(bert_trainer *t) {
    const bert_training_args *a = &t->args;
    bert_run *r = &t->run;
    double value;
    const bool better = improves(t, t->stopping_name, r->stopping_best, &value);
    if (isnan(value)) return;
    const bool enough = better && (isnan(r->stopping_best) ||
                                   fabs(value - r->stopping_best) > a->early_stopping_threshold);
    r->patience = enough ? 0 : r->patience + 1;
    if (better) r->stopping_best = value;
    if (a->early_stopping_patience && r->patience >= a->early_stopping_patience)
        t->ended = t->by_patience = true;
}

static int judge(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    bert_run *r = &t->run;
    double value;
    if (!r->global_step) return BERT_OK; /* eval_on_start shows the untrained model */
    const bool better = improves(t, t->best_name, r->best_metric, &value);
    r->undefined += isnan(value);
    if (a->lr_scheduler_type == BERT_SCHEDULE_REDUCE_ON_PLATEAU && !isnan(value))
        bert_plateau_step(&t->schedule, &r->plateau, value);
    count_patience(t);
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

int bert_trainer_run_evaluation(bert_trainer *t, bert_error *e) {
    if (t->validation) {
        int rc = run_evaluation(t, t->validation, t->run.global_step > 0, e);
        if (rc) return rc;
    }
    t->run.due &= ~(unsigned)BERT_DO_EVALUATE;
    return t->validation ? judge(t, e) : BERT_OK;
}
