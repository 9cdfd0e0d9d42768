/* The metrics by which an evaluation is the best, and by which patience counts. */
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

/* Beside the usual metrics, where the arguments do not say which are computed. */
static bool add_metric(bert_trainer *t, const char *name) {
    char list[1024] = "";
    size_t used = 0;
    if (*t->args.metrics) return false;
    for (int i = 0; i < bert_metrics_count(t->metrics) && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s,",
                                 bert_metrics_name(t->metrics, i));
    if (used + strlen(name) >= sizeof list) return false;
    snprintf(list + used, sizeof list - used, "%s", name);
    bert_error ignored = {0};
    bert_metrics *more = bert_metrics_for(t->train, list, &ignored);
    if (!more) return false;
    bert_metrics_free(t->metrics);
    t->metrics = more;
    return true;
}

static int fail_unknown(const bert_trainer *t, const char *argument, const char *name,
                        bert_error *e) {
    char list[300] = "loss";
    size_t n = strlen(list);
    for (int i = 0; i < bert_metrics_count(t->metrics) && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, ", %s", bert_metrics_name(t->metrics, i));
    return bert_fail(e, BERT_EINVAL, "%s: %s is not computed; %s are", argument, name, list);
}

/* A name, or what scripts call so: "f1" of several labels is the micro average that they compute,
 * of more than two classes the macro average. */
static int resolve(bert_trainer *t, const char *argument, const char *named, char *out,
                   bert_error *e) {
    static const char *const multi[] = {"", "_micro", NULL}, *const single[] = {"", "_macro",
                                                                                "_ovr", NULL};
    const char *const *suffix = t->train->problem == BERT_PROBLEM_MULTI_LABEL ? multi : single;
    const char *name = strncmp(named, "eval_", 5) ? named : named + 5;
    static const char overall[] = "overall_"; /* seqeval's, of all types of entities */
    const char *bare =
        strncmp(name, overall, sizeof overall - 1) ? name : name + sizeof overall - 1;
    if (!*name) name = bare = "loss";
    for (int adds = 0; adds < 2; adds++)
        for (int i = 0; suffix[i]; i++) {
            snprintf(out, BERT_MAX_NAME, "%s%s", i ? bare : name, suffix[i]);
            if (is_computed(t->metrics, out) || (adds && add_metric(t, out))) return BERT_OK;
            snprintf(out, BERT_MAX_NAME, "%s%s", bare, suffix[i]);
            if (is_computed(t->metrics, out)) return BERT_OK;
        }
    return fail_unknown(t, argument, name, e);
}

int bert_trainer_name_metrics(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    int rc = resolve(t, "metric_for_best_model", a->metric_for_best_model, t->best_name, e);
    if (!rc && *a->early_stopping_metric)
        return resolve(t, "early_stopping_metric", a->early_stopping_metric, t->stopping_name, e);
    memcpy(t->stopping_name, t->best_name, sizeof t->stopping_name);
    return rc;
}
