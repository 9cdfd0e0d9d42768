/* The metrics by which an evaluation is the best, of each task and of all, and by which patience
 * counts. */
#include "base/error.h"
#include "data/dataset.h"
#include "data/task.h"
#include "train/trainer.h"
#include <stdio.h>
#include <string.h>

static bool is_computed(const bert_metrics *m, const char *name) {
    bool computed = !strcmp(name, "loss");
    for (int i = 0; i < bert_metrics_count(m) && !computed; i++)
        computed = !strcmp(bert_metrics_name(m, i), name);
    return computed;
}

/* Beside the usual metrics, where nothing says which are computed. */
static bool add_metric(bert_trained *k, const char *name, bool chosen) {
    char list[1024] = "";
    size_t used = 0;
    if (chosen) return false;
    for (int i = 0; i < bert_metrics_count(k->metrics) && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s,",
                                 bert_metrics_name(k->metrics, i));
    if (used + strlen(name) >= sizeof list) return false;
    snprintf(list + used, sizeof list - used, "%s", name);
    bert_error ignored = {0};
    bert_metrics *more = bert_metrics_for(k->train, list, &ignored);
    if (!more) return false;
    bert_metrics_free(k->metrics);
    k->metrics = more;
    return true;
}

/* What there is, behind the names of tasks where they have any. */
static int fail_unknown(const bert_trainer *t, const char *argument, const char *name,
                        bert_error *e) {
    char list[300] = "loss";
    size_t n = strlen(list);
    if (t->has_mean) n += (size_t)snprintf(list + n, sizeof list - n, ", mean");
    for (int32_t k = 0; k < t->task_count; k++) {
        const bert_metrics *m = t->tasks[k].metrics;
        for (int i = 0; i < bert_metrics_count(m) && n < sizeof list; i++)
            n += (size_t)snprintf(list + n, sizeof list - n, ", %s%s%s", t->tasks[k].name,
                                  t->named ? "_" : "", bert_metrics_name(m, i));
    }
    return bert_fail(e, BERT_EINVAL, "%s: %s is not computed; %s are", argument, name, list);
}

/* A name, or what scripts call so: "f1" of several labels is the micro average that they compute,
 * of more than two classes the macro average. */
static bool resolve(bert_trained *k, const char *name, bool chosen, char *out) {
    static const char *const multi[] = {"", "_micro", NULL}, *const single[] = {"", "_macro",
                                                                                "_ovr", NULL};
    const char *const *suffix = k->train->problem == BERT_PROBLEM_MULTI_LABEL ? multi : single;
    static const char overall[] = "overall_"; /* seqeval's, of all types of entities */
    const char *bare =
        strncmp(name, overall, sizeof overall - 1) ? name : name + sizeof overall - 1;
    if (!*name) name = bare = "loss";
    for (int adds = 0; adds < 2; adds++)
        for (int i = 0; suffix[i]; i++) {
            snprintf(out, BERT_MAX_NAME, "%s%s", i ? bare : name, suffix[i]);
            if (is_computed(k->metrics, out) || (adds && add_metric(k, out, chosen))) return true;
            snprintf(out, BERT_MAX_NAME, "%s%s", bare, suffix[i]);
            if (is_computed(k->metrics, out)) return true;
        }
    return false;
}

/* The task whose name, and "_", a metric's begins with: the longest of them. */
static int32_t task_of(const bert_trainer *t, const char *name) {
    int32_t found = -1;
    size_t longest = 0;
    for (int32_t i = 0; i < t->task_count; i++) {
        const size_t n = strlen(t->tasks[i].name);
        if (n < longest || strncmp(name, t->tasks[i].name, n) || name[n] != '_') continue;
        longest = n;
        found = i;
    }
    return found;
}

static int resolve_of_all(bert_trainer *t, const bert_trainer_task *tasks, const char *argument,
                          const char *named, char out[BERT_MAX_NAME], bert_error *e) {
    const char *name = strncmp(named, "eval_", 5) ? named : named + 5;
    const bool chosen = *t->args.metrics != 0;
    if (!t->named)
        return resolve(&t->tasks[0], name, chosen || tasks[0].metrics, out)
                   ? BERT_OK
                   : fail_unknown(t, argument, name, e);
    const int32_t i = task_of(t, name);
    char own[BERT_MAX_NAME];
    if (!*name || !strcmp(name, "loss") || (t->has_mean && !strcmp(name, "mean"))) {
        snprintf(out, BERT_MAX_NAME, "%s", *name ? name : "loss");
        return BERT_OK;
    }
    if (i < 0 || !t->tasks[i].validation ||
        !resolve(&t->tasks[i], name + strlen(t->tasks[i].name) + 1, chosen || tasks[i].metrics,
                 own) ||
        snprintf(out, BERT_MAX_NAME, "%s_%s", t->tasks[i].name, own) >= BERT_MAX_NAME)
        return fail_unknown(t, argument, name, e);
    return BERT_OK;
}

/* By which a task's weights are its best: what it says, else the first of its metrics. */
static int name_own(bert_trainer *t, bert_trained *k, const bert_trainer_task *from,
                    bert_error *e) {
    const char *first = bert_metrics_count(k->metrics) ? bert_metrics_name(k->metrics, 0) : "loss";
    const char *named = from->metric_for_best_model;
    const bool chosen = *t->args.metrics || from->metrics;
    if (resolve(k, named && *named ? named : first, chosen, k->best_name)) return BERT_OK;
    fail_unknown(t, "metric", named, e);
    bert_error_prefix(e, "task %s: ", k->name);
    return e->code;
}

int bert_trainer_name_metrics(bert_trainer *t, const bert_trainer_task *tasks, bert_error *e) {
    const bert_training_args *a = &t->args;
    int rc = BERT_OK;
    t->has_mean = t->named;
    for (int32_t i = 0; i < t->task_count && t->named && !rc; i++) {
        rc = name_own(t, &t->tasks[i], &tasks[i], e);
        t->has_mean &= bert_metric_greater_is_better(t->tasks[i].best_name);
    }
    if (!rc)
        rc = resolve_of_all(t, tasks, "metric_for_best_model", a->metric_for_best_model,
                            t->best_name, e);
    memcpy(t->stopping_name, t->best_name, sizeof t->stopping_name);
    if (!rc && *a->early_stopping_metric)
        rc = resolve_of_all(t, tasks, "early_stopping_metric", a->early_stopping_metric,
                            t->stopping_name, e);
    if (!rc && !t->named) memcpy(t->tasks[0].best_name, t->best_name, sizeof t->best_name);
    return rc ? rc : bert_trainer_gather_metrics(t, e);
}
