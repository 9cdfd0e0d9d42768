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
    bert_trained *k = context;
    memcpy(k->predicted + row * n, logits, (size_t)n * sizeof *logits);
    return 0;
}

static int make_room(bert_trained *k, bert_error *e) {
    const bert_dataset *d = k->validation;
    k->predicted_step = -1;
    return bert_grow(&k->predicted, (size_t)d->rows * (size_t)d->num_labels, sizeof *k->predicted,
                     e);
}

typedef int row_fn(void *context, int64_t row, const float *logits, int32_t num_labels);

/* Of all sets that are measured together. */
typedef struct {
    double seconds, rows, batches;
} effort;

/* A task's metrics, of a set. */
static int measure_task(bert_trainer *t, bert_trained *k, const bert_dataset *d, row_fn *row,
                        void *row_context, effort *f, bert_error *e) {
    bert_evaluation v = {.tape = t->tape,
                         .model = k->model,
                         .set = d,
                         .batch_size = (int32_t)t->args.per_device_eval_batch_size,
                         .group = t->group,
                         .class_weights = k->class_weights,
                         .label_smoothing = (float)t->args.label_smoothing_factor,
                         .row = row,
                         .row_context = row_context,
                         .batch = after_eval_batches,
                         .batch_context = t};
    double began = bert_seconds();
    bert_metrics_reset(k->metrics);
    int rc = bert_evaluation_run(&v, k->metrics, e);
    t->state.eval_batch = t->state.eval_batches = 0;
    const double seconds = bert_seconds() - began;
    t->rate_time += seconds; /* evaluation does not count in the training rate */
    f->seconds += seconds;
    f->rows += (double)bert_dataset_size(d);
    f->batches += ceil((double)bert_dataset_size(d) / (double)t->args.per_device_eval_batch_size);
    return rc;
}

static void log_metrics(bert_trainer *t, const char *prefix, const bert_metrics *m,
                        const effort *f) {
    const double seconds = fmax(f->seconds, 1e-9);
    t->state.metrics = m;
    bert_log_begin(t);
    for (int i = 0; i < bert_metrics_count(m); i++)
        bert_log_put(t, prefix, bert_metrics_name(m, i), bert_metrics_value(m, i));
    bert_log_put(t, prefix, "runtime", seconds);
    bert_log_put(t, prefix, "samples_per_second", f->rows / seconds);
    bert_log_put(t, prefix, "steps_per_second", f->batches / seconds);
}

/* The metrics of a set, begun as a log. */
static int measure(bert_trainer *t, bert_trained *k, const bert_dataset *d, const char *prefix,
                   row_fn *row, void *row_context, bert_error *e) {
    effort f = {0};
    t->measured_step = -1;
    t->state.metrics = NULL;
    int rc = measure_task(t, k, d, row, row_context, &f, e);
    if (!rc) log_metrics(t, prefix, k->metrics, &f);
    return rc;
}

/* The same of every task's validation data. keeps: what was predicted of rows that the report shows. */
static int measure_all(bert_trainer *t, bool keeps, bert_error *e) {
    effort f = {0};
    int rc = BERT_OK;
    t->measured_step = -1;
    t->state.metrics = NULL;
    for (int32_t i = 0; i < t->task_count && !rc; i++) {
        bert_trained *k = &t->tasks[i];
        const bool shown = keeps && is_shown(k->validation);
        if (shown) rc = make_room(k, e);
        if (!rc && k->validation)
            rc = measure_task(t, k, k->validation, shown ? keep_row : NULL, k, &f, e);
        if (!rc && shown) k->predicted_step = weights_step(t);
    }
    if (!rc) rc = bert_trainer_compute_metrics(t, e);
    if (rc) return rc;
    t->measured_step = weights_step(t);
    log_metrics(t, "eval_", t->metrics, &f);
    return BERT_OK;
}

static bool greater_is_better(const bert_trainer *t, const char *name) {
    const bert_training_args *a = &t->args;
    const bool chosen = a->greater_is_better >= 0 && !strcmp(name, t->best_name);
    return chosen ? a->greater_is_better > 0 : bert_metric_greater_is_better(name);
}

/* A metric of the latest evaluation, and whether it is better than the best before. */
static bool improves(const bert_trainer *t, const bert_metrics *m, const char *name, double best,
                     double *value) {
    *value = (double)NAN;
    bert_metrics_find(m, name, value);
    if (isnan(*value)) return false;
    return isnan(best) || (greater_is_better(t, name) ? *value > best : *value < best);
}

/* What was measured becomes one of the history. judged: it is one of the run's, which says which
 * weights are the best. */
static int record(bert_trainer *t, bool judged, bert_error *e) {
    bert_run *r = &t->run;
    double value;
    int rc = BERT_OK;
    t->state.is_best = judged && improves(t, t->metrics, t->best_name, r->best_metric, &value);
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

static int evaluate_all(bert_trainer *t, bool judged, bert_error *e) {
    int rc = measure_all(t, t->args.output_dir[0], e);
    return rc ? rc : record(t, judged, e);
}

static const bert_metrics *finish_evaluation(bert_trainer *t, const bert_metrics *m,
                                             const bert_error *e) {
    t->stop = 0;
    return e->code ? NULL : m;
}

/* Whose rows these are: the only task's, or those of one that has just these. NULL: an error. */
static bert_trained *task_of(bert_trainer *t, const bert_dataset *d, bert_error *e) {
    for (int32_t i = 0; i < t->task_count; i++)
        if (t->tasks[i].validation == d || t->tasks[i].train == d) return &t->tasks[i];
    if (t->task_count > 1)
        bert_fail(e, BERT_EINVAL,
                  "%s: is none of the datasets of the tasks: bert_evaluate() with the task's model "
                  "takes it",
                  d->where);
    else if (!bert_dataset_check_model(d, t->tasks[0].model, e))
        return &t->tasks[0];
    return NULL;
}

const bert_metrics *bert_trainer_evaluate(bert_trainer *t, const bert_dataset *d, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "trainer", e)) return NULL;
    if (!d && !t->validates) {
        bert_fail(e, BERT_EINVAL, "there is no validation data");
        return NULL;
    }
    if (!d || (!t->named && d == t->tasks[0].validation)) {
        evaluate_all(t, false, e);
        return finish_evaluation(t, t->metrics, e);
    }
    bert_trained *k = task_of(t, d, e);
    if (!k || measure(t, k, d, "eval_", NULL, NULL, e)) return finish_evaluation(t, NULL, e);
    if (t->named)
        bert_trainer_emit(t, BERT_ON_EVALUATE);
    else
        record(t, false, e);
    return finish_evaluation(t, k->metrics, e);
}

const bert_metrics *bert_trainer_predict(bert_trainer *t, const bert_dataset *d, row_fn *row,
                                         void *context, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "trainer", e) || bert_need(d, "dataset to predict", e)) return NULL;
    bert_trained *k = task_of(t, d, e);
    if (k && !measure(t, k, d, "test_", row, context, e)) bert_trainer_emit(t, BERT_ON_PREDICT);
    return finish_evaluation(t, k ? k->metrics : NULL, e);
}

int bert_trainer_keep_metrics(bert_trainer *t, bert_error *e) {
    if (t->measured_step == weights_step(t)) return BERT_OK;
    return measure_all(t, false, e);
}

int bert_trainer_keep_predictions(bert_trainer *t, bert_trained *k, bert_error *e) {
    if (!is_shown(k->validation) || k->predicted_step == weights_step(t)) return 0;
    if (make_room(k, e)) return e->code;
    bert_evaluate_options o = bert_evaluate_default();
    o.threads = (int)t->args.threads;
    o.precision = t->args.precision;
    o.row = keep_row;
    o.context = k;
    bert_metrics *m = bert_evaluate(k->model, k->validation, &o, e);
    if (!m) return e->code;
    bert_metrics_free(m);
    k->predicted_step = weights_step(t);
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
    const bool better = improves(t, t->metrics, t->stopping_name, r->stopping_best, &value);
    if (isnan(value)) return;
    const bool enough = better && (isnan(r->stopping_best) ||
                                   fabs(value - r->stopping_best) > a->early_stopping_threshold);
    r->patience = enough ? 0 : r->patience + 1;
    if (better) r->stopping_best = value;
    if (a->early_stopping_patience && r->patience >= a->early_stopping_patience)
        t->ended = t->by_patience = true;
}

/* Which weights are each task's best; whether these are of any. */
static bool judge_tasks(bert_trainer *t) {
    bool any = false;
    for (int32_t i = 0; i < t->task_count; i++) {
        bert_trained *k = &t->tasks[i];
        double value;
        if (!k->validation || !improves(t, k->metrics, k->best_name, k->best_metric, &value))
            continue;
        k->best_metric = value;
        k->best_step = t->run.global_step;
        any = true;
    }
    return any && t->named;
}

static int judge(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    bert_run *r = &t->run;
    double value;
    if (!r->global_step) return BERT_OK; /* eval_on_start shows the untrained model */
    const bool better = improves(t, t->metrics, t->best_name, r->best_metric, &value);
    r->undefined += isnan(value);
    if (a->lr_scheduler_type == BERT_SCHEDULE_REDUCE_ON_PLATEAU && !isnan(value))
        bert_plateau_step(&t->schedule, &r->plateau, value);
    count_patience(t);
    const bool of_a_task = judge_tasks(t);
    const bool keeps = a->load_best_model_at_end || a->save_strategy == BERT_STRATEGY_BEST;
    if (keeps && of_a_task && a->output_dir[0]) r->due |= BERT_DO_SAVE;
    if (!better) return BERT_OK;
    r->best_metric = value;
    r->best_step = r->global_step;
    if (!keeps) return BERT_OK;
    if (a->output_dir[0])
        r->due |= BERT_DO_SAVE;
    else if (a->load_best_model_at_end)
        return keep_weights(t, e);
    return BERT_OK;
}

int bert_trainer_run_evaluation(bert_trainer *t, bert_error *e) {
    if (t->validates) {
        int rc = evaluate_all(t, t->run.global_step > 0, e);
        if (rc) return rc;
    }
    t->run.due &= ~(unsigned)BERT_DO_EVALUATE;
    return t->validates ? judge(t, e) : BERT_OK;
}
