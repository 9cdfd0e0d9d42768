/* Learning rate schedules: transformers.get_scheduler's lambdas, one row each. */
#include <bert_train.h>
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

static double cosine(const bert_schedule *s, double since, double rest) {
    double cycles = s->num_cycles > 0 ? s->num_cycles : 0.5;
    double f = 0.5 * (1 + cos(M_PI * cycles * 2 * progress_of(since, rest)));
    return f > 0 ? f : 0;
}

static double cosine_with_restarts(const bert_schedule *s, double since, double rest) {
    double progress = progress_of(since, rest);
    if (progress >= 1) return 0;
    double f = 0.5 * (1 + cos(M_PI * fmod((s->num_cycles > 0 ? s->num_cycles : 1) * progress, 1)));
    return f > 0 ? f : 0;
}

static double polynomial(const bert_schedule *s, double since, double rest) {
    double peak = s->learning_rate, end = s->lr_end > 0 ? s->lr_end : 1e-7;
    if (since > rest) return end / peak;
    double left = 1 - since / rest; /* since <= rest, so rest is 0 only at since 0 */
    if (!(rest > 0)) left = 1;
    return ((peak - end) * pow(left, s->power > 0 ? s->power : 1) + end) / peak;
}

static double constant(const bert_schedule *s, double since, double rest) {
    (void)s, (void)since, (void)rest;
    return 1;
}

static double inverse_sqrt(const bert_schedule *s, double since, double rest) {
    (void)rest;
    double timescale = s->warmup_steps > 0 ? (double)s->warmup_steps : 10000;
    return 1 / sqrt((since + timescale) / timescale);
}

static const struct {
    shape *after;
    bool warms_up;
} table[BERT_SCHEDULE_COUNT] = {
    [BERT_SCHEDULE_LINEAR] = {linear, true},
    [BERT_SCHEDULE_COSINE] = {cosine, true},
    [BERT_SCHEDULE_COSINE_WITH_RESTARTS] = {cosine_with_restarts, true},
    [BERT_SCHEDULE_POLYNOMIAL] = {polynomial, true},
    [BERT_SCHEDULE_CONSTANT] = {constant, false},
    [BERT_SCHEDULE_CONSTANT_WITH_WARMUP] = {constant, true},
    [BERT_SCHEDULE_INVERSE_SQRT] = {inverse_sqrt, true},
};

double bert_schedule_lr(const bert_schedule *s, int64_t step) {
    double warmup = table[s->type].warms_up ? (double)s->warmup_steps : 0;
    if ((double)step < warmup) return s->learning_rate * ((double)step / warmup);
    return s->learning_rate *
           table[s->type].after(s, (double)step - warmup, (double)s->total_steps - warmup);
}
