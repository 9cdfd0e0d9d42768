#include "train/events.h"
#include "base/error.h"

int bert_trainer_add_callback(bert_trainer *t, bert_callback *fn, void *context, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(t, "trainer", e)) return BERT_EINVAL;
    if (t->callbacks_count == BERT_CALLBACKS_MAX)
        return bert_fail(e, BERT_EINVAL, "a trainer takes %d callbacks", BERT_CALLBACKS_MAX);
    t->callbacks[t->callbacks_count].fn = fn;
    t->callbacks[t->callbacks_count++].context = context;
    fn(context, BERT_ON_INIT_END, &t->state);
    return BERT_OK;
}

void bert_trainer_stop(bert_trainer *t) {
    t->stop = 1;
}

const bert_trainer_state *bert_trainer_get_state(const bert_trainer *t) {
    return &t->state;
}

double bert_trainer_epoch(const bert_trainer *t) {
    const int64_t step = t->run.global_step, whole = step / t->steps_per_epoch;
    const int64_t batches = step % t->steps_per_epoch * t->step_batches;
    return (double)whole + (double)batches / (double)t->batches_per_epoch;
}

void bert_trainer_emit(bert_trainer *t, bert_event event) {
    bert_trainer_state *s = &t->state;
    s->global_step = t->run.global_step;
    s->epoch = bert_trainer_epoch(t);
    s->tokens = t->run.tokens;
    s->best_metric = t->run.best_metric;
    s->best_global_step = t->run.best_step;
    s->undefined = t->run.undefined;
    for (int32_t i = 0; i < t->task_count; i++) {
        const bert_trained *k = &t->tasks[i];
        t->task_states[i] = (bert_trainer_task_state){.name = k->name,
                                                      .metrics = s->metrics ? k->metrics : NULL,
                                                      .best_metric_name = k->best_name,
                                                      .best_metric = k->best_metric,
                                                      .best_global_step = k->best_step,
                                                      .best_model_checkpoint = k->best_checkpoint};
    }
    for (int i = 0; i < t->callbacks_count; i++) {
        unsigned wish = t->callbacks[i].fn(t->callbacks[i].context, event, s);
        if (wish & BERT_DO_STOP) t->ended = true;
        t->run.due |= wish & (BERT_DO_LOG | BERT_DO_EVALUATE | BERT_DO_SAVE);
    }
}
