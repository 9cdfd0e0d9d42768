#include "train_screen.h"
#include <math.h>
#include <string.h>

screen screen_new(const common *c, const bert_training_args *training) {
    return (screen){.common = c, .training = training, .bar = progress_new(!c->quiet)};
}

static void draw(screen *s, const bert_trainer_state *t, bool evaluating) {
    enum { NARROW = 10, WIDE = 30 };
    char line[256], rest[160], bar[WIDE + 1], left[32];
    double part = t->max_steps ? (double)t->global_step / (double)t->max_steps : 1;
    if (!progress_due(&s->bar)) return;
    progress_time(t->seconds_left, left, sizeof left);
    int n = snprintf(rest, sizeof rest, "%3.0f%%  step %lld/%lld  loss %.4f  lr %.1e  %.0f tok/s  ",
                     100 * part, (long long)t->global_step, (long long)t->max_steps, s->loss,
                     t->learning_rate, t->tokens_per_second);
    if (evaluating)
        n += snprintf(rest + n, sizeof rest - (size_t)n, "evaluating %lld/%lld",
                      (long long)t->eval_batch, (long long)t->eval_batches);
    else
        n += snprintf(rest + n, sizeof rest - (size_t)n, "%s left", left);
    int room = progress_width(&s->bar) - n - 18; /* "epoch 10.0/10 ", and a blank at the end */
    if (room >= NARROW) progress_bar(part, room > WIDE ? WIDE : room, bar);
    snprintf(line, sizeof line, "epoch %.1f/%g %s%s%s", t->epoch, t->num_train_epochs,
             room < NARROW ? "" : bar, room < NARROW ? "" : " ", rest);
    progress_show(&s->bar, line);
}

/* ---- The table of evaluations */

enum { COLUMNS_MAX = 32, FIXED = 38 }; /* FIXED: epoch, step, train loss, seconds and the mark */

/* The numbers of the metrics in the order of columns: those that decide anything come first, as a
 * narrow terminal shows no others. */
static int order_of(const screen *s, const bert_trainer_state *t, int *order) {
    const bert_metrics *m = t->metrics;
    const char *first[] = {t->best_metric_name,
                           s->training->early_stopping_patience ? t->stopping_metric_name : "loss",
                           "loss"};
    bool taken[COLUMNS_MAX] = {false};
    int n = 0, all = bert_metrics_count(m);
    if (all > COLUMNS_MAX) all = COLUMNS_MAX;
    for (size_t k = 0; k <= sizeof first / sizeof *first; k++)
        for (int i = 0; i < all; i++) {
            const bool wanted =
                k == sizeof first / sizeof *first || !strcmp(bert_metrics_name(m, i), first[k]);
            if (taken[i] || !wanted) continue;
            taken[i] = true;
            order[n++] = i;
        }
    return n;
}

/* Beside the training loss a loss needs a word more. */
static const char *heading(const bert_metrics *m, int i) {
    const char *name = bert_metrics_name(m, i);
    return strcmp(name, "loss") ? name : "eval loss";
}

static int column_width(const bert_metrics *m, int i) {
    const int n = (int)strlen(heading(m, i));
    return n < 8 ? 10 : n + 2;
}

static void print_values(screen *s, const bert_trainer_state *t, const int *order, int n) {
    const bert_metrics *m = t->metrics;
    fprintf(stderr, "%6.2f %7lld ", t->epoch, (long long)t->global_step);
    if (s->loss_steps)
        fprintf(stderr, "%11.4f", s->loss_sum / (double)s->loss_steps);
    else
        fprintf(stderr, "%11s", "-");
    for (int i = 0; i < n; i++) {
        const double v = bert_metrics_value(m, order[i]);
        fprintf(stderr, v < 1e4 ? "%*.4f" : "%*.4g", column_width(m, order[i]), v);
    }
    fprintf(stderr, "%9.1f%s\n", t->seconds, t->is_best ? " *" : "");
}

/* Once: a metric that decides something, and is none. */
static void say_undefined(screen *s, const bert_trainer_state *t) {
    const char *best = t->best_metric_name;
    const char *stopping = t->stopping_metric_name;
    const bool waits = s->training->early_stopping_patience > 0;
    double value = 0;
    if (s->undefined_is_said || !t->global_step) return;
    if (bert_metrics_find(t->metrics, best, &value) && isnan(value))
        note(s->common, "%s is undefined on this validation data: no model is the best by it%s",
             best, waits && !strcmp(best, stopping) ? ", and patience is not counted" : "");
    else if (waits && bert_metrics_find(t->metrics, stopping, &value) && isnan(value))
        note(s->common, "%s is undefined on this validation data: patience is not counted",
             stopping);
    s->undefined_is_said = isnan(value);
}

static void evaluation_row(screen *s, const bert_trainer_state *t) {
    const bert_metrics *m = t->metrics;
    int order[COLUMNS_MAX], n = 0, used = FIXED;
    s->evaluated_step = t->global_step;
    if (!m || s->final || s->common->quiet) return;
    const int all = order_of(s, t, order), width = progress_width(&s->bar);
    while (n < all && used + column_width(m, order[n]) < width) used += column_width(m, order[n++]);
    progress_clear(&s->bar);
    if (!s->header) {
        fprintf(stderr, "\n%6s %7s %11s", "epoch", "step", "train loss");
        for (int i = 0; i < n; i++)
            fprintf(stderr, "%*s", column_width(m, order[i]), heading(m, order[i]));
        fprintf(stderr, "%9s\n", "seconds");
        s->header = true;
    }
    print_values(s, t, order, n);
    if (t->is_best) s->marked_step = t->global_step;
    s->loss_sum = 0;
    s->loss_steps = 0;
    say_undefined(s, t);
}

unsigned screen_watch(void *context, bert_event event, const bert_trainer_state *t) {
    screen *s = context;
    switch (event) {
    case BERT_ON_STEP_END:
        s->loss = s->loss_steps || s->header ? 0.9 * s->loss + 0.1 * t->loss : t->loss;
        s->loss_sum += t->loss;
        s->loss_steps++;
        draw(s, t, false);
        break;
    case BERT_ON_PREDICTION_STEP:
        draw(s, t, true);
        break;
    case BERT_ON_EVALUATE:
        evaluation_row(s, t);
        break;
    case BERT_ON_LOG:
        for (int i = 0; i < t->log_count; i++) {
            if (!strcmp(t->log_name[i], "train_loss")) s->train_loss = t->log_value[i];
            if (!strcmp(t->log_name[i], "train_runtime")) s->runtime = t->log_value[i];
        }
        break;
    default:
        break;
    }
    return 0;
}
