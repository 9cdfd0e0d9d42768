/* One optimizer step: the batches of an accumulation, then clipping and AdamW. */
#include "base/clock.h"
#include "base/error.h"
#include "tape/tape.h"
#include "train/evaluate.h"
#include "train/trainer.h"
#include <math.h>
#include <stdlib.h>

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
    if (t->tape->passed) bert_slices_recorded(t->slices);
    return bert_tape_backward(t->tape, out, 1, e);
}

/* ---- A step: micro-batches j = 0 .. count - 1, which are rank j % size's in round j / size. What is
 * added up over them is added in that order, wherever it was computed (slices.h). */

typedef struct {
    int64_t epoch, first, count, rounds;
} plan;

static plan plan_step(const bert_trainer *t) {
    const int64_t most = t->step_batches, size = t->group->size;
    plan p = {.epoch = t->run.global_step / t->steps_per_epoch,
              .first = t->run.global_step % t->steps_per_epoch * most};
    p.count = t->batches_per_epoch - p.first < most ? t->batches_per_epoch - p.first : most;
    p.rounds = (p.count + size - 1) / size;
    return p;
}

/* Numbers of each micro-batch, and of each process beside them: [size][rounds of a whole step][each],
 * then [size][own]. Ranks write theirs; gathered, all are everywhere. */
typedef struct {
    double *at;
    int64_t rounds, each, own;
} board;

static double *board_batch(const bert_trainer *t, const board *b, int64_t j) {
    const int64_t size = t->group->size;
    return b->at + (j % size) * (b->rounds * b->each + b->own) + j / size * b->each;
}

static double *board_rank(const board *b, int rank) {
    return b->at + rank * (b->rounds * b->each + b->own) + b->rounds * b->each;
}

static int board_open(bert_trainer *t, board *b, int64_t rounds, int64_t each, int64_t own,
                      bert_error *e) {
    const size_t n = (size_t)(rounds * each + own), size = (size_t)t->group->size;
    *b = (board){calloc(size * n + 1, sizeof *b->at), rounds, each, own};
    return b->at ? BERT_OK : bert_fail_memory(e, size * n * sizeof *b->at);
}

static int board_gather(const bert_trainer *t, const board *b, bert_error *e) {
    return bert_group_gather_equal(t->group, b->at,
                                   (size_t)(b->rounds * b->each + b->own) * sizeof *b->at, e);
}

/* What a step adds up, of all its micro-batches. */
typedef struct {
    double loss;
    int64_t tokens;
    double items[BERT_MIXTURE_SETS];  /* that each task's loss is a mean of: its divisor, */
    double losses[BERT_MIXTURE_SETS]; /* and that mean */
} sums;

/* The items of every task in all micro-batches. Afterwards t->batch is this process's last one. */
static int count_items(bert_trainer *t, const plan *p, sums *s, bert_error *e) {
    board b;
    int rc = board_open(t, &b, p->rounds, t->task_count, 0, e);
    for (int64_t j = t->group->rank; j < p->count && !rc; j += t->group->size) {
        rc = get_batch(t, p->epoch, p->first + j, e);
        for (int32_t k = 0; k < t->batch.count && !rc; k++) {
            const bert_mixture_part *part = &t->batch.part[k];
            board_batch(t, &b, j)[part->set] =
                bert_head_items(t->tasks[part->set].model, &part->batch);
        }
    }
    rc = bert_group_agree(t->group, rc, e);
    if (!rc) rc = board_gather(t, &b, e);
    for (int64_t j = 0; j < p->count && !rc; j++)
        for (int32_t k = 0; k < t->task_count; k++) s->items[k] += board_batch(t, &b, j)[k];
    free(b.at);
    return rc;
}

/* This process's micro-batch of a round: what it has is written at `out`: loss, tokens, losses of
 * tasks. */
static int run_round(bert_trainer *t, const plan *p, int64_t round, const double *divisors,
                     double *out, bert_error *e) {
    const int64_t j = round * t->group->size + t->group->rank;
    int rc = p->rounds > 1 ? get_batch(t, p->epoch, p->first + j, e) : BERT_OK;
    if (rc) return rc;
    for (int32_t k = 0; k < t->batch.count; k++) t->batch.part[k].batch.batches = (int32_t)p->count;
    rc = run_batch(t, divisors, t->run.global_step * t->step_batches + j, &out[0], &out[2], e);
    out[1] = (double)t->batch.inputs.start[t->batch.inputs.n];
    return rc;
}

/* A process that has failed goes on with the others, who learn of it at the end of the step. */
static int run_rounds(bert_trainer *t, const plan *p, const double *divisors, const board *b,
                      bert_error *e) {
    const bert_group *g = t->group;
    int rc = BERT_OK;
    for (int64_t round = 0; round < p->rounds && (!rc || g->size > 1); round++) {
        const int64_t first = round * g->size, left = p->count - first;
        const int senders = (int)(left < g->size ? left : g->size);
        bert_slices_begin(t->slices, round, senders);
        if (g->rank < senders && !rc)
            rc = run_round(t, p, round, divisors, board_batch(t, b, first + g->rank), e);
        bert_error own = {0};
        int added = rc && g->size < 2 ? rc : bert_slices_add(t->slices, round, p->rounds, &own);
        if (!rc && added) rc = bert_fail(e, added, "%s", own.message);
        if (!rc && round + 1 < p->rounds) bert_trainer_emit(t, BERT_ON_SUBSTEP_END);
    }
    return rc;
}

/* All of it: what was added up over the micro-batches, and whether anybody wants to stop. */
static int accumulate(bert_trainer *t, sums *s, bert_error *e) {
    const plan p = plan_step(t);
    const int32_t params = t->slices->params;
    double divisors[BERT_MIXTURE_SETS];
    board b;
    int rc = count_items(t, &p, s, e);
    if (rc) return rc;
    for (int32_t k = 0; k < t->task_count; k++) /* in which nothing counts changes nothing */
        divisors[k] = s->items[k] == 0 ? 1 : s->items[k];
    rc = bert_group_agree(t->group, board_open(t, &b, p.rounds, 2 + t->task_count, 1 + params, e),
                          e);
    if (rc) return rc;
    rc = bert_group_agree(t->group, run_rounds(t, &p, divisors, &b, e), e);
    double *own = board_rank(&b, t->group->rank);
    own[0] = t->stop != 0;
    for (int32_t i = 0; i < params; i++) own[1 + i] = t->slices->flowed[i];
    if (!rc) rc = board_gather(t, &b, e);
    for (int64_t j = 0; j < p.count && !rc; j++) {
        const double *x = board_batch(t, &b, j);
        s->loss += x[0];
        s->tokens += (int64_t)x[1];
        for (int32_t k = 0; k < t->task_count; k++) s->losses[k] += x[2 + k];
    }
    for (int r = 0; r < t->group->size && !rc; r++) {
        const double *x = board_rank(&b, r);
        t->all_stop |= x[0] > 0;
        for (int32_t i = 0; i < params; i++) t->slices->flowed[i] |= x[1 + i] > 0;
    }
    if (!rc) bert_slices_end(t->slices);
    free(b.at);
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
