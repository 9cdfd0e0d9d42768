/* The training loop: what transformers' Trainer does, in its order. */
#include "train/trainer.h"
#include "base/clock.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- What is due after a step, and then after an epoch: transformers' DefaultFlowCallback */

static unsigned due_after_step(const bert_trainer *t) {
    const bert_training_args *a = &t->args;
    const int64_t step = t->run.global_step;
    const bool last = step >= t->max_steps;
    unsigned due = 0;
    if ((a->logging_strategy == BERT_STRATEGY_STEPS && step % t->logging_steps == 0) ||
        (a->logging_first_step && step == 1))
        due |= BERT_DO_LOG;
    if (a->eval_strategy == BERT_STRATEGY_STEPS && (double)step >= a->eval_delay &&
        (step % t->eval_steps == 0 || last))
        due |= BERT_DO_EVALUATE;
    if (a->save_strategy == BERT_STRATEGY_STEPS && (step % t->save_steps == 0 || last))
        due |= BERT_DO_SAVE;
    return due;
}

static unsigned due_after_epoch(const bert_trainer *t) {
    const bert_training_args *a = &t->args;
    const bool evaluates =
        a->eval_strategy == BERT_STRATEGY_EPOCH && bert_trainer_epoch(t) >= a->eval_delay;
    return (a->logging_strategy == BERT_STRATEGY_EPOCH ? BERT_DO_LOG : 0u) |
           (evaluates ? BERT_DO_EVALUATE : 0u) |
           (a->save_strategy == BERT_STRATEGY_EPOCH ? BERT_DO_SAVE : 0u);
}

static int log_training(bert_trainer *t, bert_error *e) {
    bert_run *r = &t->run;
    int64_t steps = r->global_step - r->log_step;
    if (steps < 1) return BERT_OK;
    bert_log_begin(t);
    bert_log_put(t, "", "loss", r->log_loss / (double)steps);
    for (int32_t i = 0; i < t->task_count && t->named; i++) {
        bert_trained *k = &t->tasks[i];
        char prefix[BERT_LOG_NAME];
        snprintf(prefix, sizeof prefix, "%s_", k->name);
        if (k->log_steps) bert_log_put(t, prefix, "loss", k->log_loss / (double)k->log_steps);
        k->log_loss = 0;
        k->log_steps = 0;
    }
    bert_log_put(t, "", "grad_norm", t->state.grad_norm);
    bert_log_put(t, "", "learning_rate", t->state.learning_rate);
    r->log_loss = 0;
    r->log_step = r->global_step;
    return bert_log_end(t, e);
}

/* Each thing is marked as done only when it is, so that a checkpoint of an interrupted run knows
 * what is left. */
static int do_what_is_due(bert_trainer *t, bert_error *e) {
    bert_run *r = &t->run;
    int rc = BERT_OK;
    if (r->due & BERT_DO_LOG) {
        r->due &= ~(unsigned)BERT_DO_LOG;
        rc = log_training(t, e);
    }
    if (!rc && r->due & BERT_DO_EVALUATE) {
        rc = bert_trainer_run_evaluation(t, e);
    }
    if (!rc && r->due & BERT_DO_SAVE) {
        r->due &= ~(unsigned)BERT_DO_SAVE;
        rc = bert_checkpoint_save(t, e);
    }
    return rc;
}

/* ---- The loop */

/* Leaves a checkpoint of the finished step behind. */
static int interrupted(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    bert_trainer_set_ending(t, BERT_END_STOPPED);
    bool saves = a->output_dir[0] && a->save_strategy != BERT_STRATEGY_NO && t->run.global_step > 0;
    int rc = saves ? bert_checkpoint_save(t, e) : BERT_OK;
    if (rc) return rc;
    return bert_fail(e, BERT_EINTERRUPTED, "stopped at step %lld of %lld%s%s",
                     (long long)t->run.global_step, (long long)t->max_steps,
                     !saves               ? ""
                     : a->save_only_model ? "; saved in "
                                          : "; resume from ",
                     saves ? t->checkpoint : "");
}

/* What a callback of one process wishes, is done by all of a group. */
static int share_wishes(bert_trainer *t, bert_error *e) {
    const bert_group *g = t->group;
    if (g->size < 2) return BERT_OK;
    unsigned *all = calloc((size_t)g->size * 2, sizeof *all);
    int rc = all ? BERT_OK : bert_fail_memory(e, (size_t)g->size * 2 * sizeof *all);
    if (rc) return rc;
    all[2 * g->rank] = t->run.due;
    all[2 * g->rank + 1] = t->ended;
    rc = bert_group_gather_equal(g, all, 2 * sizeof *all, e);
    for (int r = 0; r < g->size && !rc; r++) {
        t->run.due |= all[2 * r];
        t->ended |= all[2 * r + 1] != 0;
    }
    free(all);
    return rc;
}

static int do_what_all_wish(bert_trainer *t, bert_error *e) {
    int rc = share_wishes(t, e);
    if (!rc) rc = do_what_is_due(t, e);
    return rc ? rc : share_wishes(t, e);
}

/* What comes between a step and the next; a resumed run may begin with a part of it. */
static int after_step(bert_trainer *t, bert_error *e) {
    bert_run *r = &t->run;
    int rc = do_what_all_wish(t, e);
    if (t->ended && r->global_step) r->due |= BERT_DUE_EPOCH_END;
    if (rc || !(r->due & BERT_DUE_EPOCH_END)) return rc;
    r->due = (r->due & ~(unsigned)BERT_DUE_EPOCH_END) | due_after_epoch(t);
    bert_trainer_emit(t, BERT_ON_EPOCH_END);
    return do_what_all_wish(t, e);
}

/* Of a group, all end with the same step. */
static bool stops(const bert_trainer *t) {
    return t->group->size > 1 ? t->all_stop : t->stop != 0;
}

static int run_steps(bert_trainer *t, bert_error *e) {
    int rc = after_step(t, e);
    while (!rc && !stops(t) && !t->ended && t->run.global_step < t->max_steps) {
        bert_run *r = &t->run;
        if (r->global_step % t->steps_per_epoch == 0 || r->global_step == t->started_step)
            bert_trainer_emit(t, BERT_ON_EPOCH_BEGIN);
        bert_trainer_emit(t, BERT_ON_STEP_BEGIN);
        rc = bert_trainer_step(t, e);
        if (rc) break;
        r->due |= due_after_step(t);
        if (r->global_step % t->steps_per_epoch == 0 || r->global_step >= t->max_steps)
            r->due |= BERT_DUE_EPOCH_END;
        bert_trainer_emit(t, BERT_ON_STEP_END);
        rc = after_step(t, e);
    }
    return rc;
}

static int load_best(bert_trainer *t, bert_error *e) {
    int rc = BERT_OK;
    if (!t->args.load_best_model_at_end || isnan(t->run.best_metric)) return BERT_OK;
    if (t->best_weights)
        bert_trainer_restore_best(t);
    else if (t->best_checkpoint[0])
        rc = bert_checkpoint_load_weights(t, t->best_checkpoint, e);
    t->best_loaded = t->best_weights || t->best_checkpoint[0];
    return rc;
}

/* Speeds are of a run that has done something. */
static int log_summary(bert_trainer *t, bert_error *e) {
    const double seconds = bert_seconds() - t->started;
    const int64_t steps = t->run.global_step - t->started_step;
    bert_log_begin(t);
    if (steps > 0) {
        bert_log_put(t, "train_", "runtime", seconds);
        bert_log_put(t, "train_", "samples_per_second",
                     (double)steps / (double)t->steps_per_epoch * bert_trainer_epoch_rows(t) /
                         seconds);
        bert_log_put(t, "train_", "steps_per_second", (double)steps / seconds);
    }
    bert_log_put(t, "", "total_flos", bert_trainer_flos(t));
    bert_log_put(t, "train_", "loss",
                 t->run.total_loss / (double)(t->run.global_step ? t->run.global_step : 1));
    return bert_log_end(t, e);
}

static bert_ending ending_of(const bert_trainer *t) {
    if (t->state.ending == BERT_END_NOTHING) return BERT_END_NOTHING;
    if (t->run.global_step >= t->max_steps) return BERT_END_COMPLETE;
    return t->by_patience ? BERT_END_PATIENCE : BERT_END_CALLBACK;
}

static int finish(bert_trainer *t, bert_error *e) {
    bert_trainer_set_ending(t, ending_of(t));
    int rc = load_best(t, e);
    if (!rc && !t->is_whole) rc = log_summary(t, e);
    if (!rc) bert_trainer_emit(t, BERT_ON_TRAIN_END);
    return rc;
}

int bert_trainer_train(bert_trainer *t, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "trainer", e)) return BERT_EINVAL;
    int lock = -1, rc = bert_trainer_start(t, &lock, e);
    if (!rc) {
        t->started = t->rate_time = bert_seconds();
        t->started_step = t->run.global_step;
        t->rate_tokens = t->run.tokens;
        t->state.tokens_per_second = 0;
        bert_trainer_emit(t, BERT_ON_TRAIN_BEGIN);
        if (t->args.eval_on_start && !t->run.global_step) t->run.due |= BERT_DO_EVALUATE;
        if (!t->is_whole) rc = run_steps(t, e);
        if (rc == BERT_EINTERRUPTED) bert_error_clear(e);
        bool cut = rc == BERT_EINTERRUPTED ||
                   (!rc && stops(t) && !t->ended && t->run.global_step < t->max_steps);
        if (cut)
            rc = interrupted(t, e);
        else if (!rc)
            rc = finish(t, e);
    }
    t->stop = 0;
    t->all_stop = false;
    if (lock >= 0) close(lock);
    return rc;
}
