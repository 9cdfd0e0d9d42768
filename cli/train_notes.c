#include "train_notes.h"
#include <string.h>

static bool same_name(const char *a, const char *b) {
    while (*a && (*a == *b || (*a == '_' && *b == '-'))) a++, b++;
    return !*a && !*b;
}

static int number_of(const char *name) {
    bert_training_arg arg;
    for (int i = 0; bert_training_arg_at(i, &arg); i++)
        if (same_name(arg.name, name)) return i;
    return -1;
}

void given_add(given_arguments *g, const char *name) {
    const int i = number_of(name);
    if (i >= 0 && i < (int)(sizeof g->is / sizeof *g->is)) g->is[i] = true;
}

void idle_notes(const common *c, const bert_training_args *a, const given_arguments *g,
                bool several) {
    const bool evaluates = a->eval_strategy != BERT_STRATEGY_NO;
    const bool by_steps = a->eval_strategy == BERT_STRATEGY_STEPS;
    const struct {
        const char *name;
        bool idle;
        const char *because;
    } rows[] = {
        {"eval_steps", !evaluates, "nothing is evaluated"},
        {"eval_steps", evaluates && !by_steps, "--eval-strategy is epoch"},
        {"eval_delay", !evaluates, "nothing is evaluated"},
        {"metric_for_best_model", !evaluates, "nothing is evaluated"},
        {"save_steps", a->save_strategy != BERT_STRATEGY_STEPS, "--save-strategy is not steps"},
        {"logging_steps",
         a->logging_strategy != BERT_STRATEGY_STEPS && !(by_steps && !(a->eval_steps > 0)),
         "--logging-strategy is not steps"},
        {"num_train_epochs", a->max_steps > 0, "--max-steps says how long"},
        {"warmup_ratio", a->warmup_steps > 0, "--warmup-steps says how long"},
        {"early_stopping_threshold", !a->early_stopping_patience, "--early-stopping-patience is 0"},
        {"early_stopping_metric", !a->early_stopping_patience, "--early-stopping-patience is 0"},
        {"logging_dir", a->report_to == BERT_REPORT_NONE, "--report-to is none"},
        {"task_temperature", !several, "there is one task"},
        {"task_weights", !several, "there is one task"},
        {"task_batches", !several, "there is one task"},
        {"task_temperature", several && *a->task_weights,
         "--task-weights says how often each is taken"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char flag[64];
        if (!rows[i].idle || !g->is[number_of(rows[i].name)]) continue;
        snprintf(flag, sizeof flag, "%s", rows[i].name);
        for (char *p = flag; *p; p++)
            if (*p == '_') *p = '-';
        note(c, "--%s is not used: %s", flag, rows[i].because);
    }
}

static void metric_note(const common *c, const char *argument, const char *named, const char *is) {
    const char *name = strncmp(named, "eval_", 5) ? named : named + 5;
    if (*name && strcmp(name, is)) note(c, "--%s %s is taken as %s", argument, named, is);
}

void metric_notes(const common *c, const bert_training_args *a, const bert_trainer_state *t) {
    metric_note(c, "metric-for-best-model", a->metric_for_best_model, t->best_metric_name);
    metric_note(c, "early-stopping-metric", a->early_stopping_metric, t->stopping_metric_name);
}

void ending_notes(const common *c, const bert_training_args *a, const bert_trainer_state *t,
                  bool is_marked) {
    const char *best = t->best_metric_name;
    const bool keeps = a->load_best_model_at_end;
    note(c, "%s", t->why);
    if (t->best_global_step)
        note(c, "the best %s, %.4f, was at step %lld%s%s", best, t->best_metric,
             (long long)t->best_global_step,
             keeps       ? ", whose weights are taken"
             : is_marked ? ", the last row marked *"
                         : "",
             keeps || t->best_global_step == t->global_step
                 ? ""
                 : "; the weights are those of the last step");
    else if (t->undefined)
        note(c, "there is no best model: %s was undefined at each of %lld evaluations%s", best,
             (long long)t->undefined, keeps ? "; the weights are those of the last step" : "");
}
