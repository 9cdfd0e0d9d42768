/* The beginning of a run: anew or from a checkpoint, in a directory where it destroys nothing. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "files/pretrained_kinds.h"
#include "train/fingerprint.h"
#include "train/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether path/below is the directory, however both are spelled. */
static bool is_same(const char *path, const char *below, const char *directory) {
    char *joined = bert_path_join(path, below), *outer = realpath(directory, NULL);
    char *inner = joined ? realpath(joined, NULL) : NULL;
    const bool same = inner && outer && !strcmp(inner, outer);
    free(joined);
    free(inner);
    free(outer);
    return same;
}

/* What there is to resume from: "" where nothing is, "last", or a directory. */
static const char *resumed(const bert_training_args *a) {
    bool truth;
    if (!bert_parse_truth(a->resume_from_checkpoint, &truth)) return a->resume_from_checkpoint;
    return truth ? "last" : "";
}

/* What a run of a model at that path, which does not go on from there, would destroy. latest: its
 * newest checkpoint, or NULL. */
static int check_free(const bert_training_args *a, const char *model, const char *latest,
                      bert_error *e) {
    const char *dir = a->output_dir;
    if (!latest && !bert_pretrained_has_weights(dir, false)) return BERT_OK;
    if (is_same(model, ".", dir) || (latest && is_same(model, "..", dir)))
        return bert_fail(e, BERT_EINVAL,
                         "%s holds the model that is to be trained: choose another output_dir, or "
                         "resume a run in it (resume_from_checkpoint last)",
                         dir);
    if (a->overwrite_output_dir) return BERT_OK;
    if (latest)
        return bert_fail(e, BERT_EINVAL,
                         "%s is of an earlier run: resume from it (resume_from_checkpoint last), "
                         "overwrite it (overwrite_output_dir), or choose another output_dir",
                         latest);
    return bert_fail(e, BERT_EINVAL,
                     "%s holds a trained model: choose another output_dir, or overwrite it "
                     "(overwrite_output_dir)",
                     dir);
}

static int make_free(const bert_trainer *t, const char *latest, bert_error *e) {
    const bert_training_args *a = &t->args;
    if (!bert_trainer_writes(t)) return BERT_OK;
    int rc = check_free(a, bert_model_path(t->model), latest, e);
    if (!rc && a->overwrite_output_dir &&
        (latest || bert_pretrained_has_weights(a->output_dir, false)))
        rc = bert_checkpoint_remove_all(a->output_dir, e);
    return rc;
}

static int fail_none(const bert_training_args *a, bert_error *e) {
    return bert_fail(e, BERT_ENOTFOUND, "%s: holds no checkpoint to resume from", a->output_dir);
}

int bert_training_check_output(const bert_training_args *a, const char *model, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(a, "arguments", e) || bert_need(model, "path of a model", e)) return BERT_EINVAL;
    const char *dir = a->output_dir, *from = resumed(a);
    if (!*dir) return BERT_OK;
    struct stat st;
    if (!stat(dir, &st) && !S_ISDIR(st.st_mode))
        return bert_fail(e, BERT_EIO, "%s: exists and is not a directory", dir);
    char *latest = bert_checkpoint_latest(dir);
    int rc = BERT_OK;
    if (!*from || (strcmp(from, "last") && !is_same(from, "..", dir)))
        rc = check_free(a, model, latest, e);
    else if (!strcmp(from, "last") && !latest)
        rc = fail_none(a, e);
    free(latest);
    return rc;
}

static int resume(bert_trainer *t, const char *latest, bert_error *e) {
    const bert_training_args *a = &t->args;
    const char *from = resumed(a);
    int rc = BERT_OK;
    if (!strcmp(from, "last"))
        from = latest;
    else if (!is_same(from, "..", a->output_dir))
        rc = make_free(t, latest, e);
    if (!from) return fail_none(a, e);
    if (!rc) rc = bert_checkpoint_load(t, from, e);
    if (rc || t->run.global_step < t->max_steps) return rc;
    bert_trainer_set_ending(t, BERT_END_NOTHING);
    t->is_whole = bert_pretrained_has_weights(a->output_dir, false);
    return BERT_OK;
}

static void forget(bert_trainer *t) {
    const double none = (double)NAN;
    t->ended = t->by_patience = t->best_loaded = t->is_whole = false;
    t->measured_step = -1;
    for (int32_t i = 0; i < t->task_count; i++) {
        bert_trained *k = &t->tasks[i];
        k->predicted_step = -1;
        k->best_metric = none;
        k->best_step = k->log_steps = 0;
        k->best_checkpoint[0] = 0;
        k->log_loss = 0;
    }
    t->run = (bert_run){.best_metric = none, .stopping_best = none, .plateau = {1, none, 0, 0}};
    t->checkpoint[0] = t->best_checkpoint[0] = 0;
    bert_trainer_set_ending(t, BERT_END_NONE);
    json_array_clear(t->log_history);
    bert_optimizer_forget(t->optimizer);
}

/* What the one process does that writes there. */
static int take_directory(const bert_trainer *t, int *lock, bert_error *e) {
    const bert_training_args *a = &t->args;
    int rc = bert_make_directory(a->output_dir, e);
    if (!rc) rc = bert_directory_lock(a->output_dir, lock, e);
    if (rc) return rc;
    bert_checkpoint_sweep(a->output_dir);
    if (*resumed(a)) return BERT_OK;
    char *latest = bert_checkpoint_latest(a->output_dir);
    rc = make_free(t, latest, e);
    free(latest);
    return rc;
}

int bert_trainer_start(bert_trainer *t, int *lock, bert_error *e) {
    const bert_training_args *a = &t->args;
    forget(t);
    int rc = bert_fingerprint_check(t, e);
    if (rc) return rc;
    if (!a->output_dir[0]) return bert_log_open(t, e);
    rc = bert_trainer_writes(t) ? take_directory(t, lock, e) : BERT_OK;
    rc = bert_group_agree(t->group, rc, e);
    if (!rc && *resumed(a)) {
        char *latest = bert_checkpoint_latest(a->output_dir);
        rc = bert_group_agree(t->group, resume(t, latest, e), e);
        free(latest);
    }
    return rc || t->is_whole ? rc : bert_log_open(t, e);
}
