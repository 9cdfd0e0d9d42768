/* What is logged: for callbacks, and in the history that trainer_state.json holds. */
#include "base/error.h"
#include "base/file.h"
#include "train/trainer.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- Files */

static int write_line(bert_trainer *t, const json_t *record, bert_error *e) {
    int failed = json_dumpf(record, t->log_file, JSON_COMPACT | JSON_REAL_PRECISION(9));
    failed |= putc('\n', t->log_file) == EOF;
    if (!failed) return BERT_OK;
    return bert_fail(e, BERT_EIO, "%s/log.jsonl: cannot write: %s", t->args.output_dir,
                     strerror(errno));
}

static int flush_lines(bert_trainer *t, bert_error *e) {
    if (!fflush(t->log_file)) return BERT_OK;
    return bert_fail(e, BERT_EIO, "%s/log.jsonl: cannot write: %s", t->args.output_dir,
                     strerror(errno));
}

/* A resumed run begins with the lines of the checkpoint's history: what came after it comes again.
 */
static int open_lines(bert_trainer *t, bert_error *e) {
    char *path = bert_path_join(t->args.output_dir, "log.jsonl");
    if (!path) return bert_fail_memory(e, sizeof t->args.output_dir);
    t->log_file = fopen(path, "we");
    int rc = t->log_file ? BERT_OK
                         : bert_fail(e, BERT_EIO, "%s: cannot open: %s", path, strerror(errno));
    free(path);
    size_t i;
    const json_t *record;
    json_array_foreach(t->log_history, i, record) {
        if (!rc) rc = write_line(t, record, e);
    }
    return rc ? rc : flush_lines(t, e);
}

static int open_events(bert_trainer *t, bert_error *e) {
    const bert_training_args *a = &t->args;
    if (a->report_to != BERT_REPORT_TENSORBOARD) return BERT_OK;
    if (!*a->logging_dir && !*a->output_dir)
        return bert_fail(e, BERT_EINVAL,
                         "report_to tensorboard: logging_dir or output_dir is needed");
    char *path = *a->logging_dir ? strdup(a->logging_dir) : bert_path_join(a->output_dir, "runs");
    t->events = path ? bert_event_file_open(path, e) : NULL;
    if (!path) bert_fail_memory(e, sizeof a->logging_dir);
    free(path);
    return t->events ? BERT_OK : e->code;
}

int bert_log_open(bert_trainer *t, bert_error *e) {
    int rc = bert_log_close(t, e);
    if (!rc && bert_trainer_writes(t)) rc = open_lines(t, e);
    return rc || t->group->rank ? rc : open_events(t, e);
}

int bert_log_close(bert_trainer *t, bert_error *e) {
    int rc = bert_event_file_close(t->events, e);
    t->events = NULL;
    if (t->log_file && fclose(t->log_file) && !rc)
        rc = bert_fail(e, BERT_EIO, "%s/log.jsonl: cannot write: %s", t->args.output_dir,
                       strerror(errno));
    t->log_file = NULL;
    return rc;
}

/* transformers' names: "eval_loss" is the curve eval/loss, "loss" train/loss. */
static int write_events(bert_trainer *t, bert_error *e) {
    int rc = BERT_OK;
    for (int i = 0; t->events && i < t->state.log_count && !rc; i++) {
        char tag[BERT_LOG_NAME + 8];
        const bool eval = !strncmp(t->log_name[i], "eval_", 5);
        snprintf(tag, sizeof tag, "%s/%s", eval ? "eval" : "train",
                 t->log_name[i] + (eval ? 5 : 0));
        rc = bert_event_file_scalar(t->events, tag, t->log_value[i], t->run.global_step, e);
    }
    return rc;
}

int bert_log_end(bert_trainer *t, bert_error *e) {
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
    int rc = t->log_file ? write_line(t, record, e) : BERT_OK;
    if (!rc && t->log_file) rc = flush_lines(t, e);
    json_decref(record);
    if (!rc) rc = write_events(t, e);
    bert_trainer_emit(t, BERT_ON_LOG);
    return rc;
}

/* ---- What is in the history */

const json_t *bert_log_evaluation(const bert_trainer *t) {
    const json_t *found = NULL, *record;
    size_t i;
    json_array_foreach(t->log_history, i, record) {
        if (!json_object_get(record, "eval_loss")) continue;
        found = record;
        if (t->best_loaded &&
            json_integer_value(json_object_get(record, "step")) == t->run.best_step)
            break;
    }
    return found;
}

bool bert_log_is_metric(const char *key) {
    static const char speed[] = "_per_second";
    const size_t n = strlen(key), k = sizeof speed - 1;
    const bool is_speed = !strcmp(key, "eval_runtime") || (n > k && !strcmp(key + n - k, speed));
    return !strncmp(key, "eval_", 5) && !is_speed;
}
