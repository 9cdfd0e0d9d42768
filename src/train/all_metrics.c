/* The metrics of several tasks as one set, under names with the task's in front: "sst2_accuracy". With
 * them the mean of those by which weights are the tasks' best, and the loss that training lowers, of
 * the validation data: the tasks' losses, summed up by weight. */
#include "base/error.h"
#include "train/trainer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The state of the scorer. */
typedef struct {
    const bert_trainer *t;
} gathered;

static int compute(void *state, double *values, int64_t *rows, bert_error *e) {
    (void)e;
    const bert_trainer *t = ((const gathered *)state)->t;
    double sum = 0;
    int n = 0, tasks = 0;
    *rows = 0;
    for (int32_t i = 0; i < t->task_count; i++) {
        const bert_trained *k = &t->tasks[i];
        double best = (double)NAN;
        if (!k->validation) continue;
        for (int j = 0; j < bert_metrics_count(k->metrics); j++)
            values[n++] = bert_metrics_value(k->metrics, j);
        bert_metrics_find(k->metrics, k->best_name, &best);
        *rows += bert_metrics_rows(k->metrics);
        sum += best;
        tasks++;
    }
    if (t->has_mean) values[n] = sum / tasks;
    return BERT_OK;
}

static int add_name(bert_trainer *t, int *n, const char *task, const char *name, bert_error *e) {
    if (*n == BERT_METRICS_MAX - 1)
        return bert_fail(e, BERT_EINVAL, "the tasks have more than %d metrics together",
                         BERT_METRICS_MAX - 1);
    if (asprintf(&t->names[*n], "%s%s%s", task, *task ? "_" : "", name) < 0) {
        t->names[*n] = NULL;
        return bert_fail_memory(e, sizeof *t->names);
    }
    (*n)++;
    return BERT_OK;
}

/* In the order of compute(): an evaluation's loss comes first. */
static int name_all(bert_trainer *t, bert_error *e) {
    int n = 0, rc = BERT_OK;
    for (int32_t i = 0; i < t->task_count && !rc; i++) {
        const bert_trained *k = &t->tasks[i];
        if (!k->validation) continue;
        rc = add_name(t, &n, k->name, "loss", e);
        for (int j = 0; j < bert_metrics_count(k->metrics) && !rc; j++)
            rc = add_name(t, &n, k->name, bert_metrics_name(k->metrics, j), e);
    }
    return rc || !t->has_mean ? rc : add_name(t, &n, "", "mean", e);
}

int bert_trainer_gather_metrics(bert_trainer *t, bert_error *e) {
    if (!t->named) {
        t->metrics = t->tasks[0].metrics;
        return BERT_OK;
    }
    t->names = calloc(BERT_METRICS_MAX, sizeof *t->names);
    if (!t->names) return bert_fail_memory(e, BERT_METRICS_MAX * sizeof *t->names);
    int rc = name_all(t, e);
    t->scorer = (bert_scorer){
        .names = (const char *const *)t->names, .size = sizeof(gathered), .compute = compute};
    if (!rc) t->metrics = bert_metrics_with(&t->scorer, NULL, e);
    return rc ? rc : t->metrics ? BERT_OK : e->code;
}

int bert_trainer_compute_metrics(bert_trainer *t, bert_error *e) {
    double loss = 0;
    if (!t->named) return BERT_OK;
    bert_metrics_reset(t->metrics);
    *(gathered *)bert_metrics_state(t->metrics) = (gathered){t};
    for (int32_t i = 0; i < t->task_count; i++) {
        double own = 0;
        if (!t->tasks[i].validation) continue;
        bert_metrics_find(t->tasks[i].metrics, "loss", &own);
        loss += t->tasks[i].loss_weight * own;
    }
    bert_metrics_add_loss(t->metrics, loss, 1);
    return bert_metrics_compute(t->metrics, e);
}
