/* What is logged: for callbacks, and in the history that trainer_state.json holds. */
#include "base/error.h"
#include "train/trainer.h"
#include <math.h>
#include <stdio.h>

void bert_log_begin(bert_trainer *t) {
    t->state.log_count = 0;
}

void bert_log_put(bert_trainer *t, const char *prefix, const char *name, double value) {
    int i = t->state.log_count;
    if (i == BERT_LOG_MAX) return;
    snprintf(t->log_names[i], BERT_LOG_NAME, "%s%s", prefix, name);
    t->log_name[i] = t->log_names[i];
    t->log_value[i] = value;
    t->state.log_count++;
}

int bert_log_end(bert_trainer *t, bert_event event, bert_error *e) {
    bert_log_put(t, "", "epoch", t->state.epoch);
    json_t *record = json_object();
    int failed = !record;
    for (int i = 0; i < t->state.log_count && !failed; i++) {
        double v = t->log_value[i];
        failed =
            json_object_set_new(record, t->log_name[i], isfinite(v) ? json_real(v) : json_null());
    }
    if (!failed) failed = json_object_set_new(record, "step", json_integer(t->run.global_step));
    if (failed || json_array_append(t->log_history, record)) {
        json_decref(record);
        return bert_fail_memory(e, 1);
    }
    json_decref(record);
    bert_trainer_emit(t, event);
    t->state.log_count = 0;
    return BERT_OK;
}
