#include "train/evaluate.h"
#include "base/error.h"
#include "data/dataset.h"
#include "models/registry.h"
#include "tape/tape.h"
#include <math.h>
#include <string.h>

/* The task's own head, or somebody's with the same outputs. */
static bool fits(const bert_head *h, const bert_task *task) {
    if (!strcmp(h->name, task->name)) return true;
    return !bert_head_is_stock(h->name) && h->outputs == task->outputs;
}

/* Something to learn or to be measured by. */
static bool has_more_than_inputs(const bert_dataset *d) {
    static const char *const texts[] = {"ids", "type_ids", NULL};
    for (int i = 0; i < d->columns.n; i++) {
        const char *const *name = d->task->inputs ? d->task->inputs : texts;
        while (*name && strcmp(*name, d->columns.at[i]->name)) name++;
        if (!*name) return true;
    }
    return false;
}

int bert_dataset_check_model(const bert_dataset *d, const bert_model *m, bert_error *e) {
    const bert_config *c = bert_model_config(m);
    const bool sequences = d->task->labels == BERT_LABELLED_ROWS;
    bert_problem problem = sequences ? bert_problem_of(c) : d->problem;
    if (problem == BERT_PROBLEM_UNSET)
        problem = bert_dataset_row_labels(d) ? BERT_PROBLEM_SINGLE_LABEL : BERT_PROBLEM_MULTI_LABEL;
    if (!m->head.name)
        return bert_fail(e, BERT_EINVAL, "%s has no head: open it with one, such as %s", m->path,
                         bert_head_name_of(BERT_OUTPUT_LABELS));
    if (!sequences && !fits(&m->head, d->task))
        return bert_fail(e, BERT_EINVAL, "%s: the data is of %s, but the model's head of %s",
                         d->where, d->task->name, m->head.name);
    if (d->task->labels && bert_dataset_is_labelled(d) &&
        (d->problem != problem || d->num_labels != c->num_labels))
        return bert_fail(e, BERT_EINVAL,
                         "%s: %s with %d labels, but the model does %s with %d: open it with "
                         "bert_dataset_model(), or the data with the model's labels",
                         d->where, bert_problem_name(d->problem), (int)d->num_labels,
                         bert_problem_name(problem), (int)c->num_labels);
    if (!d->task->drawn && !has_more_than_inputs(d))
        return bert_fail(e, BERT_EINVAL, "%s: the rows have no labels", d->where);
    if (d->max_length > bert_model_max_length(m))
        return bert_fail(e, BERT_ETOOLONG, "%s: rows of up to %d tokens; the model takes %d",
                         d->where, (int)d->max_length, (int)bert_model_max_length(m));
    const int32_t *ids = bert_dataset_ints(d, "ids");
    for (int64_t i = 0; ids && i < d->start[d->sequences]; i++)
        if (ids[i] >= c->vocab_size)
            return bert_fail(e, BERT_EINVAL, "%s: holds token %d; the model has %d", d->where,
                             (int)ids[i], (int)c->vocab_size);
    return BERT_OK;
}

static int run_batch(const bert_evaluation *v, bert_batch *b, bert_metrics *metrics,
                     bert_error *e) {
    int32_t labels = bert_model_config(v->model)->num_labels;
    b->class_weights = v->class_weights;
    b->label_smoothing = v->label_smoothing;
    bert_tape_reset(v->tape);
    bert_tensor *hidden = bert_forward(v->tape, v->model, &b->inputs);
    bert_tensor *logits = bert_head_forward(v->tape, v->model, hidden, b);
    bert_tensor *loss = bert_head_loss(v->tape, v->model, logits, b, 0);
    const float *x = bert_tensor_read(v->tape, logits), *value = bert_tensor_read(v->tape, loss);
    int rc = bert_tape_error(v->tape, e);
    if (rc) return rc;
    const bool choice = v->model->head.outputs == BERT_OUTPUT_CHOICE;
    const int32_t width = choice ? b->row_sequences : labels;
    const int64_t scores = (int64_t)bert_tensor_rows(logits) * bert_tensor_cols(logits);
    const bool by_row = !bert_metrics_scorer(metrics);
    if (by_row && scores != (int64_t)b->row_count * width)
        return bert_fail(e, BERT_EINVAL, "the head gives %d x %d logits for %d rows of %d labels",
                         (int)bert_tensor_rows(logits), (int)bert_tensor_cols(logits),
                         (int)b->row_count, (int)width);
    rc = by_row ? bert_metrics_update(metrics, x, b->labels, b->targets, b->row_count, e)
                : bert_metrics_score(metrics, v->set, b, x, bert_tensor_cols(logits), e);
    if (rc) return rc;
    const double items = bert_head_items(v->model, b);
    const float mean = items > 0 ? *value : 0; /* of nothing it is NaN */
    if (!isfinite(mean))
        return bert_fail(e, BERT_ENUMERIC, "the loss of an evaluation batch is not finite");
    bert_metrics_add_loss(metrics, (double)mean, items);
    if (v->predictions)
        rc = bert_predictions_batch(v->predictions, b, x, by_row ? width : bert_tensor_cols(logits),
                                    e);
    for (int32_t i = 0; v->row && by_row && i < b->row_count && !rc; i++) {
        rc = v->row(v->row_context, b->rows[i], x + (size_t)i * (size_t)width, width);
        if (rc) bert_fail(e, rc, "the function called for each row has failed");
    }
    return rc;
}

int bert_evaluation_run(const bert_evaluation *v, bert_metrics *metrics, bert_error *e) {
    bert_loader_options o = {.batch_size = v->batch_size};
    bert_loader *l = bert_loader_new(v->set, &o, e);
    if (!l) return e->code;
    bert_tape_set_mode(v->tape, false, false);
    int64_t n = bert_loader_batches(l);
    const bert_group *g = v->group ? v->group : &bert_group_alone;
    /* Rows that somebody wants to see, and metrics that are no sums, need all batches in one place.
     */
    const bool dealt = g->size > 1 && !v->row && !v->predictions && bert_metrics_are_sums(metrics);
    int rc = BERT_OK;
    for (int64_t i = 0; i <= n && !rc; i++) {
        bert_batch b;
        if (v->batch) rc = v->batch(v->batch_context, i, n, e);
        if (i == n) break;
        if (dealt && i % g->size != g->rank) continue;
        if (!rc) rc = bert_loader_get(l, 0, i, &b, e);
        if (!rc) rc = run_batch(v, &b, metrics, e);
    }
    bert_loader_free(l);
    if (dealt) rc = bert_group_agree(g, rc, e);
    if (!rc && dealt) rc = bert_metrics_sum(metrics, g, e);
    return rc ? rc : bert_metrics_compute(metrics, e);
}

bert_evaluate_options bert_evaluate_default(void) {
    return (bert_evaluate_options){.batch_size = 64};
}

static int stopped(void *context, int64_t batch, int64_t batches, bert_error *e) {
    const volatile sig_atomic_t *stop = context;
    if (!stop || !*stop) return BERT_OK;
    return bert_fail(e, BERT_EINTERRUPTED, "stopped after %lld of %lld batches", (long long)batch,
                     (long long)batches);
}

bert_metrics *bert_evaluate(const bert_model *m, const bert_dataset *d,
                            const bert_evaluate_options *options, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "model to evaluate", e) || bert_need(d, "dataset to evaluate on", e))
        return NULL;
    bert_evaluate_options o = options ? *options : bert_evaluate_default();
    bert_tape_options t = bert_tape_default();
    t.device = m->params->device;
    t.threads = o.threads;
    t.precision = o.precision;
    t.record = false;
    bert_tape *tape = NULL;
    bert_metrics *metrics = NULL;
    int rc = bert_dataset_check_model(d, m, e);
    if (!rc) metrics = bert_metrics_for(d, o.metrics, e);
    bert_predictions *predictions = NULL;
    if (metrics && o.predictions) predictions = bert_predictions_open(o.predictions, d, e);
    if (metrics && !e->code) tape = bert_tape_new(&t, e);
    bert_evaluation v = {.tape = tape,
                         .model = m,
                         .set = d,
                         .batch_size = o.batch_size,
                         .row = o.row,
                         .row_context = o.context,
                         .predictions = predictions,
                         .batch = stopped,
                         .batch_context = (void *)(uintptr_t)o.stop};
    if (tape) bert_evaluation_run(&v, metrics, e);
    bert_tape_free(tape);
    if (predictions && e->code)
        bert_predictions_abort(predictions);
    else if (predictions)
        bert_predictions_commit(predictions, e);
    if (!e->code) return metrics;
    bert_metrics_free(metrics);
    return NULL;
}
