/* Learning rate schedules: transformers.get_scheduler's lambdas, one row each. */
#include "train/schedule.h"
#include <math.h>

/* The factor after the warm-up: s steps since its end, of `rest` to go. */
typedef double shape(const bert_schedule *s, double since, double rest);

static double progress_of(double since, double rest) {
    return since / (rest > 1 ? rest : 1);
}

static double linear(const bert_schedule *s, double since, double rest) {
    (void)s;
    double left = (rest - since) / (rest > 1 ? rest : 1);
    return left > 0 ? left : 0;
}

static double wave(const bert_schedule *s, double progress) {
    return 0.5 * (1 + cos(M_PI * s->num_cycles * 2 * progress));
}

/* From 0 to 1 becomes from min_lr_rate to 1. */
static double above_floor(const bert_schedule *s, double f) {
    f = f * (1 - s->min_lr_rate) + s->min_lr_rate;
    return f > 0 ? f : 0;
}

static double cosine(const bert_schedule *s, double since, double rest) {
    return above_floor(s, wave(s, progress_of(since, rest)));
}

static double cosine_warmup_with_min_lr(const bert_schedule *s, double since, double rest) {
    return above_floor(s, wave(s, progress_of(since + 1, rest)));
}

static double cosine_with_restarts(const bert_schedule *s, double since, double rest) {
    double progress = progress_of(since, rest);
    if (progress >= 1) return 0;
    double f = 0.5 * (1 + cos(M_PI * fmod(s->num_cycles * progress, 1)));
    return f > 0 ? f : 0;
}

static double polynomial(const bert_schedule *s, double since, double rest) {
    double peak = s->learning_rate, end = s->lr_end;
    if (since > rest) return end / peak;
    double left = 1 - since / rest; /* since <= rest, so rest is 0 only at since 0 */
    if (!(rest > 0)) left = 1;
    return ((peak - end) * pow(left, s->power) + end) / peak;
}

static double constant(const bert_schedule *s, double since, double rest) {
    (void)s, (void)since, (void)rest;
    return 1;
}

static double inverse_sqrt(const bert_schedule *s, double since, double rest) {
    (void)rest;
    return 1 / sqrt((since + s->timescale) / s->timescale);
}

static double stable_decay(const bert_schedule *s, double since, double rest) {
    const double stable = s->num_stable_steps;
    (void)rest;
    if (since < stable) return 1;
    if (since >= stable + s->num_decay_steps) return s->min_lr_rate;
    double progress = progress_of(since - stable, s->num_decay_steps);
    return above_floor(s, s->decay_type == BERT_RAMP_LINEAR   ? 1 - progress
                          : s->decay_type == BERT_RAMP_COSINE ? wave(s, progress)
                                                              : 1 - sqrt(progress));
}

/* The factor in the warm-up: step of `steps`, which are 1 at least. */
static double warmup(const bert_schedule *s, double step, double steps) {
    (void)s;
    return step / steps;
}

static double warmup_from_rate(const bert_schedule *s, double step, double steps) {
    const double first = s->warmup_lr_rate;
    if (isnan(first)) return (step + 1) / steps;
    return first + (1 - first) * step / (steps > 2 ? steps - 1 : 1);
}

static double warmup_by_type(const bert_schedule *s, double step, double steps) {
    const double progress = step / steps;
    return above_floor(s, s->warmup_type == BERT_RAMP_LINEAR   ? progress
                          : s->warmup_type == BERT_RAMP_COSINE ? 0.5 * (1 - cos(M_PI * progress))
                                                               : 1 - sqrt(1 - progress));
}

static const struct {
    shape *after, *before; /* before NULL: it has no warm-up */
} table[BERT_SCHEDULE_COUNT] = {
    [BERT_SCHEDULE_LINEAR] = {linear, warmup},
    [BERT_SCHEDULE_COSINE] = {cosine, warmup},
    [BERT_SCHEDULE_COSINE_WITH_RESTARTS] = {cosine_with_restarts, warmup},
    [BERT_SCHEDULE_POLYNOMIAL] = {polynomial, warmup},
    [BERT_SCHEDULE_CONSTANT] = {constant, NULL},
    [BERT_SCHEDULE_CONSTANT_WITH_WARMUP] = {constant, warmup},
    [BERT_SCHEDULE_INVERSE_SQRT] = {inverse_sqrt, warmup},
    [BERT_SCHEDULE_REDUCE_ON_PLATEAU] = {constant, NULL},
    [BERT_SCHEDULE_COSINE_WITH_MIN_LR] = {cosine, warmup},
    [BERT_SCHEDULE_COSINE_WARMUP_WITH_MIN_LR] = {cosine_warmup_with_min_lr, warmup_from_rate},
    [BERT_SCHEDULE_WARMUP_STABLE_DECAY] = {stable_decay, warmup_by_type},
};

double bert_schedule_lr(const bert_schedule *s, int64_t step) {
    const double steps = table[s->type].before ? (double)s->warmup_steps : 0;
    if ((double)step < steps)
        return s->learning_rate * table[s->type].before(s, (double)step, steps);
    return s->learning_rate *
           table[s->type].after(s, (double)step - steps, (double)s->total_steps - steps);
}

/* ---- By evaluations */

static bool is_better(const bert_schedule *s, double metric, double best) {
    if (isnan(best)) return true;
    const double sign = s->mode ? 1 : -1; /* of what an improvement adds */
    const double bar =
        s->threshold_mode ? best + sign * s->threshold : best * (1 + sign * s->threshold);
    return s->mode ? metric > bar : metric < bar;
}

void bert_plateau_step(const bert_schedule *s, bert_plateau *p, double metric) {
    if (is_better(s, metric, p->best)) {
        p->best = metric;
        p->bad = 0;
    } else
        p->bad++;
    if (p->cooldown > 0) {
        p->cooldown--;
        p->bad = 0;
    }
    if ((double)p->bad <= s->patience) return;
    p->cooldown = (int64_t)s->cooldown;
    p->bad = 0;
    const double now = s->learning_rate * p->scale, next = fmax(now * s->factor, s->min_lr);
    if (now - next > s->eps) p->scale = next / s->learning_rate;
}
