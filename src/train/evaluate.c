#include "train/evaluate.h"
#include "base/error.h"
#include "base/grow.h"
#include "data/dataset.h"
#include "models/registry.h"
#include "tape/tape.h"
#include <math.h>
#include <stdlib.h>
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

/* What the model makes of a batch. In a group it comes from whoever computed it. */
typedef struct {
    int32_t rows, cols;
    float loss;
    const float *logits; /* [rows, cols] */
} outcome;

static int get_batch(const bert_evaluation *v, bert_loader *l, int64_t index, bert_batch *b,
                     bert_error *e) {
    int rc = bert_loader_get(l, 0, index, b, e);
    b->class_weights = v->class_weights;
    b->label_smoothing = v->label_smoothing;
    return rc;
}

static int compute(const bert_evaluation *v, const bert_batch *b, outcome *out, bert_error *e) {
    bert_tape_reset(v->tape);
    bert_tensor *hidden = bert_forward(v->tape, v->model, &b->inputs);
    bert_tensor *logits = bert_head_forward(v->tape, v->model, hidden, b);
    bert_tensor *loss = bert_head_loss(v->tape, v->model, logits, b, 0);
    const float *x = bert_tensor_read(v->tape, logits), *value = bert_tensor_read(v->tape, loss);
    int rc = bert_tape_error(v->tape, e);
    if (rc) return rc;
    *out = (outcome){bert_tensor_rows(logits), bert_tensor_cols(logits), *value, x};
    return BERT_OK;
}

/* Adds it to the metrics, and shows it to whoever wants to see it. */
static int score(const bert_evaluation *v, const bert_batch *b, const outcome *o,
                 bert_metrics *metrics, bert_error *e) {
    const int32_t labels = bert_model_config(v->model)->num_labels;
    const bool choice = v->model->head.outputs == BERT_OUTPUT_CHOICE;
    const int32_t width = choice ? b->row_sequences : labels;
    const int64_t scores = (int64_t)o->rows * o->cols;
    const bool by_row = !bert_metrics_scorer(metrics);
    const float *x = o->logits;
    if (by_row && scores != (int64_t)b->row_count * width)
        return bert_fail(e, BERT_EINVAL, "the head gives %d x %d logits for %d rows of %d labels",
                         (int)o->rows, (int)o->cols, (int)b->row_count, (int)width);
    int rc = by_row ? bert_metrics_update(metrics, x, b->labels, b->targets, b->row_count, e)
                    : bert_metrics_score(metrics, v->set, b, x, o->cols, e);
    if (rc) return rc;
    const double items = bert_head_items(v->model, b);
    const float mean = items > 0 ? o->loss : 0; /* of nothing it is NaN */
    if (!isfinite(mean))
        return bert_fail(e, BERT_ENUMERIC, "the loss of an evaluation batch is not finite");
    bert_metrics_add_loss(metrics, (double)mean, items);
    if (v->predictions)
        rc = bert_predictions_batch(v->predictions, b, x, by_row ? width : o->cols, e);
    for (int32_t i = 0; v->row && by_row && i < b->row_count && !rc; i++) {
        rc = v->row(v->row_context, b->rows[i], x + (size_t)i * (size_t)width, width);
        if (rc) bert_fail(e, rc, "the function called for each row has failed");
    }
    return rc;
}

/* One process: batch after batch. */
static int run_alone(const bert_evaluation *v, bert_loader *l, bert_metrics *metrics,
                     bert_error *e) {
    const int64_t n = bert_loader_batches(l);
    int rc = BERT_OK;
    for (int64_t i = 0; i <= n && !rc; i++) {
        bert_batch b;
        outcome o;
        if (v->batch) rc = v->batch(v->batch_context, i, n, e);
        if (i == n || rc) break;
        rc = get_batch(v, l, i, &b, e);
        if (!rc) rc = compute(v, &b, &o, e);
        if (!rc) rc = score(v, &b, &o, metrics, e);
    }
    return rc;
}

/* Rank r computes batches r, r + size ..; a round's outcomes come to all, who score them in the order
 * of batches: so every metric is the same bits as one process's. */
typedef struct {
    const bert_evaluation *v;
    bert_loader *loader;
    bert_metrics *metrics;
    outcome *outcomes; /* [size] of this round */
    float *logits;     /* of one of them: bert_grow */
} division;

static int take_outcome(const division *x, int rank, float *to, size_t bytes, bert_error *e) {
    const bert_group *g = x->v->group;
    const outcome *o = &x->outcomes[rank];
    if (rank == g->rank && bytes) memcpy(to, o->logits, bytes);
    return bert_group_broadcast(g, to, bytes, rank, e);
}

static int score_round(division *x, int64_t first, int64_t count, bert_error *e) {
    int rc = BERT_OK;
    for (int r = 0; r < count && !rc; r++) {
        outcome o = x->outcomes[r];
        const size_t size = (size_t)o.rows * (size_t)o.cols;
        bert_batch b;
        rc = bert_grow(&x->logits, size + 1, sizeof *x->logits, e);
        rc = bert_group_agree(x->v->group, rc, e);
        if (!rc) rc = take_outcome(x, r, x->logits, size * sizeof *x->logits, e);
        if (!rc) rc = get_batch(x->v, x->loader, first + r, &b, e);
        o.logits = x->logits;
        if (!rc) rc = score(x->v, &b, &o, x->metrics, e);
        rc = bert_group_agree(x->v->group, rc, e);
    }
    return rc;
}

static int run_divided(division *x, bert_error *e) {
    const bert_evaluation *v = x->v;
    const bert_group *g = v->group;
    const int64_t n = bert_loader_batches(x->loader);
    int rc = BERT_OK;
    for (int64_t first = 0; first <= n && !rc; first += g->size) {
        const int64_t count = n - first < g->size ? n - first : g->size;
        bert_batch b;
        if (v->batch) rc = v->batch(v->batch_context, first, n, e);
        if (!rc && g->rank < count) rc = get_batch(v, x->loader, first + g->rank, &b, e);
        if (!rc && g->rank < count) rc = compute(v, &b, &x->outcomes[g->rank], e);
        rc = bert_group_agree(g, rc, e);
        if (!rc) rc = bert_group_gather_equal(g, x->outcomes, sizeof *x->outcomes, e);
        if (!rc) rc = score_round(x, first, count, e);
    }
    if (!rc && v->batch && n % g->size) rc = v->batch(v->batch_context, n, n, e);
    return rc;
}

int bert_evaluation_run(const bert_evaluation *v, bert_metrics *metrics, bert_error *e) {
    bert_loader_options o = {.batch_size = v->batch_size};
    bert_loader *l = bert_loader_new(v->set, &o, e);
    int rc = l ? BERT_OK : e->code;
    bert_tape_set_mode(v->tape, false, false);
    if (v->group && v->group->size > 1) {
        division x = {.v = v, .loader = l, .metrics = metrics};
        x.outcomes = calloc((size_t)v->group->size, sizeof *x.outcomes);
        if (!rc && !x.outcomes)
            rc = bert_fail_memory(e, (size_t)v->group->size * sizeof *x.outcomes);
        rc = bert_group_agree(v->group, rc, e);
        if (!rc) rc = run_divided(&x, e);
        bert_grown_free(x.logits);
        free(x.outcomes);
    } else if (!rc) {
        rc = run_alone(v, l, metrics, e);
    }
    bert_loader_free(l);
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
    const bool first = !o.group || !o.group->rank; /* who writes */
    if (metrics && o.predictions && first) predictions = bert_predictions_open(o.predictions, d, e);
    if (metrics && !e->code) tape = bert_tape_new(&t, e);
    bert_evaluation v = {.tape = tape,
                         .model = m,
                         .set = d,
                         .batch_size = o.batch_size,
                         .group = o.group,
                         .row = o.row,
                         .row_context = o.context,
                         .predictions = predictions,
                         .batch = stopped,
                         .batch_context = (void *)(uintptr_t)o.stop};
    rc = bert_group_agree(o.group, e->code, e);
    if (!rc) bert_evaluation_run(&v, metrics, e);
    bert_tape_free(tape);
    if (predictions && e->code)
        bert_predictions_abort(predictions);
    else if (predictions)
        bert_predictions_commit(predictions, e);
    if (!rc) bert_group_agree(o.group, e->code, e);
    if (!e->code) return metrics;
    bert_metrics_free(metrics);
    return NULL;
}
