/* One optimizer step: the batches of an accumulation, then clipping and AdamW. */
#include "base/clock.h"
#include "base/error.h"
#include "train/evaluate.h"
#include "train/trainer.h"
#include <math.h>

static int get_batch(bert_trainer *t, int64_t epoch, int64_t index, bert_batch *b, bert_error *e) {
    int rc = bert_loader_get(t->loader, epoch, index, b, e);
    b->class_weights = t->class_weights;
    b->label_smoothing = (float)t->args.label_smoothing_factor;
    return rc;
}

/* The loss of one batch, whose gradients are added to the parameters'. number: of the batch in the
 * run, which selects the dropout masks. */
static int run_batch(bert_trainer *t, const bert_batch *b, double divisor, int64_t number,
                     double *loss, bert_error *e) {
    bert_tape_reset(t->tape);
    bert_tape_set_step(t->tape, (uint64_t)number);
    bert_tensor *hidden = bert_forward(t->tape, t->model, &b->inputs);
    bert_tensor *logits = bert_head_forward(t->tape, t->model, hidden, b);
    bert_tensor *out = bert_head_loss(t->tape, t->model, logits, b, divisor);
    const float *value = bert_tensor_read(t->tape, out);
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

static int accumulate(bert_trainer *t, double *loss, int64_t *tokens, bert_error *e) {
    const bert_group *g = t->group;
    int64_t most = t->step_batches;
    int64_t epoch = t->run.global_step / t->steps_per_epoch;
    int64_t first = t->run.global_step % t->steps_per_epoch * most;
    int64_t n = t->batches_per_epoch - first < most ? t->batches_per_epoch - first : most;
    double divisor = 0;
    bert_batch b;
    int rc = BERT_OK;
    for (int64_t i = g->rank; i < n && !rc; i += g->size) {
        rc = get_batch(t, epoch, first + i, &b, e);
        if (!rc) divisor += bert_head_items(t->model, &b);
    }
    rc = bert_group_agree(g, rc, e);
    if (!rc) rc = bert_group_sum_f64(g, &divisor, 1, e);
    if (divisor == 0) divisor = 1; /* a step in which nothing counts changes nothing */
    for (int64_t i = g->rank; i < n && !rc; i += g->size) {
        double part = 0;
        if (n > g->size) rc = get_batch(t, epoch, first + i, &b, e);
        b.batches = (int32_t)n;
        if (!rc) rc = run_batch(t, &b, divisor, t->run.global_step * most + i, &part, e);
        *loss += part;
        *tokens += b.inputs.start[b.inputs.n];
        if (!rc && i + g->size < n) bert_trainer_emit(t, BERT_ON_SUBSTEP_END);
    }
    rc = bert_group_agree(g, rc, e);
    return rc ? rc : bert_group_sum_gradients(g, bert_model_params(t->model), e);
}

/* What all processes have to know of each other's part. */
static int share(bert_trainer *t, double *loss, int64_t *tokens, bert_error *e) {
    double all[] = {*loss, (double)*tokens, t->stop != 0};
    if (t->group->size < 2) return BERT_OK;
    int rc = bert_group_sum_f64(t->group, all, 3, e);
    *loss = all[0];
    *tokens = (int64_t)all[1];
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
    double loss = 0, norm = 0;
    int64_t tokens = 0;
    bert_tape_set_mode(t->tape, true, true);
    int rc = accumulate(t, &loss, &tokens, e);
    if (!rc) rc = share(t, &loss, &tokens, e);
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
    r->tokens += tokens;
    r->total_loss += loss;
    r->log_loss += loss;
    t->state.loss = loss;
    t->state.grad_norm = norm;
    t->state.learning_rate = lr;
    measure_rate(t);
    return BERT_OK;
}
