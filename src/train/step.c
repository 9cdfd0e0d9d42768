/* One optimizer step: the batches of an accumulation, then clipping and AdamW. */
#include "base/clock.h"
#include "base/error.h"
#include "train/evaluate.h"
#include "train/trainer.h"
#include <math.h>

/* Into t->batch. */
static int get_batch(bert_trainer *t, int64_t epoch, int64_t index, bert_error *e) {
    bert_mixed_batch *all = &t->batch;
    int rc = bert_mixture_get(t->mixture, epoch, index, all, e);
    for (int32_t i = 0; i < all->count && !rc; i++) {
        all->part[i].batch.class_weights = t->tasks[all->part[i].set].class_weights;
        all->part[i].batch.label_smoothing = (float)t->args.label_smoothing_factor;
    }
    return rc;
}

/* What a head sees of a batch of several tasks: the rows of its own tokens. */
static bert_tensor *hidden_of(bert_tape *t, bert_tensor *hidden, const bert_mixture_part *part) {
    const int32_t n = part->batch.inputs.start[part->batch.inputs.n];
    int32_t *index = bert_tape_alloc(t, (size_t)n * sizeof *index);
    for (int32_t i = 0; index && i < n; i++) index[i] = part->first + i;
    return index ? bert_rows(t, hidden, index, n) : NULL;
}

/* The losses of the tasks that are in t->batch, and their sum by weight. */
static bert_tensor *compute_loss(bert_trainer *t, const double *divisors, bert_tensor **losses) {
    const bert_mixed_batch *all = &t->batch;
    bert_tensor *sum = NULL, *hidden = bert_forward(t->tape, t->model, &all->inputs);
    for (int32_t i = 0; i < all->count; i++) {
        const bert_mixture_part *part = &all->part[i];
        const bert_trained *k = &t->tasks[part->set];
        bert_tensor *own = all->count > 1 ? hidden_of(t->tape, hidden, part) : hidden;
        bert_tensor *logits = bert_head_forward(t->tape, k->model, own, &part->batch);
        bert_tensor *loss =
            bert_head_loss(t->tape, k->model, logits, &part->batch, divisors[part->set]);
        losses[i] = loss;
        if (k->loss_weight != 1) loss = bert_scale(t->tape, loss, (float)k->loss_weight);
        sum = i ? bert_add(t->tape, sum, loss) : loss;
    }
    return sum;
}

/* The loss of t->batch, whose gradients are added to the parameters'. number: of the batch in the
 * run, which selects the dropout masks. of_tasks: what each task's own adds to its mean. */
static int run_batch(bert_trainer *t, const double *divisors, int64_t number, double *loss,
                     double *of_tasks, bert_error *e) {
    bert_tensor *losses[BERT_MIXTURE_SETS];
    bert_tape_reset(t->tape);
    bert_tape_set_step(t->tape, (uint64_t)number);
    bert_tensor *out = compute_loss(t, divisors, losses);
    const float *value = bert_tensor_read(t->tape, out);
    for (int32_t i = 0; i < t->batch.count && t->named; i++) {
        const float *own = bert_tensor_read(t->tape, losses[i]);
        if (own) of_tasks[t->batch.part[i].set] += (double)*own;
    }
    int rc = bert_tape_error(t->tape, e);
    if (rc) return rc;
    *loss = (double)*value;
    if (!isfinite(*loss))
        return bert_fail(e, BERT_ENUMERIC,
                         "step %lld: the loss is %g: a lower learning rate, a longer warm-up or "
                         "clipping may help",
                         (long long)t->run.global_step + 1, *loss);
    return bert_tape_backward(t->tape, out, 1, e);
}

/* What a step adds up, of all its batches. */
typedef struct {
    double loss;
    int64_t tokens;
    double items[BERT_MIXTURE_SETS];  /* that each task's loss is a mean of: its divisor, */
    double losses[BERT_MIXTURE_SETS]; /* and that mean */
} sums;

static int accumulate(bert_trainer *t, sums *s, bert_error *e) {
    const bert_group *g = t->group;
    int64_t most = t->step_batches;
    int64_t epoch = t->run.global_step / t->steps_per_epoch;
    int64_t first = t->run.global_step % t->steps_per_epoch * most;
    int64_t n = t->batches_per_epoch - first < most ? t->batches_per_epoch - first : most;
    double divisors[BERT_MIXTURE_SETS];
    int rc = BERT_OK;
    for (int64_t i = g->rank; i < n && !rc; i += g->size) {
        rc = get_batch(t, epoch, first + i, e);
        for (int32_t k = 0; k < t->batch.count && !rc; k++) {
            const bert_mixture_part *part = &t->batch.part[k];
            s->items[part->set] += bert_head_items(t->tasks[part->set].model, &part->batch);
        }
    }
    rc = bert_group_agree(g, rc, e);
    if (!rc) rc = bert_group_sum_f64(g, s->items, (size_t)t->task_count, e);
    for (int32_t k = 0; k < t->task_count; k++) /* in which nothing counts changes nothing */
        divisors[k] = s->items[k] == 0 ? 1 : s->items[k];
    for (int64_t i = g->rank; i < n && !rc; i += g->size) {
        double part = 0;
        if (n > g->size) rc = get_batch(t, epoch, first + i, e);
        for (int32_t k = 0; k < t->batch.count; k++) t->batch.part[k].batch.batches = (int32_t)n;
        if (!rc) rc = run_batch(t, divisors, t->run.global_step * most + i, &part, s->losses, e);
        s->loss += part;
        if (!rc) s->tokens += t->batch.inputs.start[t->batch.inputs.n];
        if (!rc && i + g->size < n) bert_trainer_emit(t, BERT_ON_SUBSTEP_END);
    }
    rc = bert_group_agree(g, rc, e);
    return rc ? rc : bert_group_sum_gradients(g, bert_model_params(t->model), e);
}

/* What all processes have to know of each other's part. */
static int share(bert_trainer *t, sums *s, bert_error *e) {
    double all[] = {s->loss, (double)s->tokens, t->stop != 0};
    if (t->group->size < 2) return BERT_OK;
    int rc = bert_group_sum_f64(t->group, all, 3, e);
    if (!rc && t->named) rc = bert_group_sum_f64(t->group, s->losses, (size_t)t->task_count, e);
    s->loss = all[0];
    s->tokens = (int64_t)all[1];
    t->all_stop = all[2] > 0;
    return rc;
}

static void measure_rate(bert_trainer *t) {
    bert_trainer_state *s = &t->state;
    double now = bert_seconds(), span = now - t->rate_time;
    s->seconds = now - t->started;
    s->seconds_left = s->seconds / (double)(t->run.global_step - t->started_step) *
                      (double)(t->max_steps - t->run.global_step);
    if (span < 0.5 && s->tokens_per_second > 0) return;
    double rate = (double)(t->run.tokens - t->rate_tokens) / (span > 1e-9 ? span : 1e-9);
    s->tokens_per_second =
        s->tokens_per_second > 0 ? 0.7 * s->tokens_per_second + 0.3 * rate : rate;
    t->rate_time = now;
    t->rate_tokens = t->run.tokens;
}

int bert_trainer_step(bert_trainer *t, bert_error *e) {
    const double lr = bert_schedule_lr(&t->schedule, t->run.global_step) * t->run.plateau.scale;
    double norm = 0;
    sums s = {0};
    bert_tape_set_mode(t->tape, true, true);
    int rc = accumulate(t, &s, e);
    if (!rc) rc = share(t, &s, e);
    if (!rc) bert_trainer_emit(t, BERT_ON_PRE_OPTIMIZER_STEP);
    if (!rc) {
        rc = bert_optimizer_step(t->optimizer, lr, t->args.max_grad_norm, &norm, e);
        if (rc) bert_error_prefix(e, "step %lld: ", (long long)t->run.global_step + 1);
    }
    if (!rc) bert_trainer_emit(t, BERT_ON_OPTIMIZER_STEP);
    if (rc) {
        bert_params_zero_grad(bert_model_params(t->model));
        return rc;
    }
    bert_run *r = &t->run;
    r->global_step++;
    r->tokens += s.tokens;
    r->total_loss += s.loss;
    r->log_loss += s.loss;
    for (int32_t k = 0; k < t->task_count; k++) {
        t->tasks[k].log_loss += s.losses[k];
        t->tasks[k].log_steps += s.items[k] > 0;
    }
    t->state.loss = s.loss;
    t->state.grad_norm = norm;
    t->state.learning_rate = lr;
    measure_rate(t);
    return BERT_OK;
}
