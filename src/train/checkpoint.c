/* checkpoint-<step>/: what a run needs to go on as if it had never stopped. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/pretrained.h"
#include "tape/params.h"
#include "train/moments.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "checkpoint-"

/* ---- trainer_state.json: transformers' keys, and what else goes on where those of its callbacks
 * go, so that TrainerState reads it */

#define CALLBACKS "stateful_callbacks"
#define RUN "run"

typedef struct {
    const char *name;
    size_t offset;
    bool whole; /* an int64_t, else a double (null is NaN) */
    bool later; /* older checkpoints lack it: 0, or NaN */
} run_key;

#define KEY(name, whole)                                                                           \
    { #name, offsetof(bert_run, name), whole, false }
static const run_key run_keys[] = {
    KEY(global_step, true),
    KEY(total_loss, false),
    KEY(log_loss, false),
    KEY(log_step, true),
    KEY(evaluated_loss, false),
    KEY(evaluated_step, true),
    KEY(tokens, true),
    KEY(patience, true),
    KEY(best_metric, false),
    KEY(best_step, true),
    {"stopping_best", offsetof(bert_run, stopping_best), false, true},
    {"undefined", offsetof(bert_run, undefined), true, true},
    {"plateau_scale", offsetof(bert_run, plateau.scale), false, false},
    {"plateau_best", offsetof(bert_run, plateau.best), false, false},
    {"plateau_bad", offsetof(bert_run, plateau.bad), true, false},
    {"plateau_cooldown", offsetof(bert_run, plateau.cooldown), true, false},
};
enum { RUN_KEYS = sizeof run_keys / sizeof *run_keys };

/* Arguments that say which row comes when: a run can only go on under the same. */
static const char *const order_keys[] = {
    "per_device_train_batch_size", "gradient_accumulation_steps", "seed", "data_seed",
    "train_sampling_strategy",     "dataloader_drop_last",
};
enum { ORDER_KEYS = sizeof order_keys / sizeof *order_keys };

/* And of where tasks take turns, or share batches. */
static const char *const task_order_keys[] = {"task_temperature", "task_weights", "task_batches"};
enum { TASK_ORDER_KEYS = sizeof task_order_keys / sizeof *task_order_keys };

static json_t *number(double v) {
    return isfinite(v) ? json_real(v) : json_null();
}

/* An argument as it counts for the order: accumulation is that of all processes together, so that
 * a run may go on with another number of them. */
static void order_text(const bert_trainer *t, const char *key, char *out, size_t capacity) {
    if (strcmp(key, "gradient_accumulation_steps"))
        bert_training_get(&t->args, key, out, capacity);
    else
        snprintf(out, capacity, "%lld", (long long)t->step_batches);
}

static void put_arguments(const bert_trainer *t, json_t *order, const char *const *keys, int n) {
    for (int i = 0; i < n; i++) {
        char text[1024];
        order_text(t, keys[i], text, sizeof text);
        json_object_set_new(order, keys[i], json_string(text));
    }
}

/* Where a task is in its data, in batches or rows of it: it follows from global_step, and says so. */
static int64_t cursor_of(const bert_trainer *t, int64_t global_step, int32_t task) {
    const int64_t batch = global_step % t->steps_per_epoch * t->step_batches;
    return bert_mixture_cursor(t->mixture, global_step / t->steps_per_epoch, batch, task,
                               &(bert_error){0});
}

/* What the run is for each task, by their names. */
static json_t *tasks_json(const bert_trainer *t) {
    json_t *tasks = json_object();
    for (int32_t i = 0; i < t->task_count; i++) {
        const bert_trained *k = &t->tasks[i];
        json_t *task =
            json_pack("{s:I, s:I, s:o, s:s, s:o, s:I, s:o, s:I}", "rows",
                      (json_int_t)bert_dataset_size(k->train), "cursor",
                      (json_int_t)cursor_of(t, t->run.global_step, i), "loss_weight",
                      number(k->loss_weight), "best_name", k->best_name, "best_metric",
                      number(k->best_metric), "best_step", (json_int_t)k->best_step, "log_loss",
                      number(k->log_loss), "log_steps", (json_int_t)k->log_steps);
        if (task)
            json_object_set_new(task, "best_model_checkpoint", json_string(k->best_checkpoint));
        json_object_set_new(tasks, k->name, task);
    }
    return tasks;
}

static json_t *run_json(const bert_trainer *t) {
    json_t *run = json_object(), *order = json_object();
    for (int i = 0; i < RUN_KEYS; i++) {
        const char *at = (const char *)&t->run + run_keys[i].offset;
        json_object_set_new(run, run_keys[i].name,
                            run_keys[i].whole ? json_integer(*(const int64_t *)at)
                                              : number(*(const double *)at));
    }
    put_arguments(t, order, order_keys, ORDER_KEYS);
    if (t->named) put_arguments(t, order, task_order_keys, TASK_ORDER_KEYS);
    json_object_set_new(order, "rows", json_integer((json_int_t)bert_trainer_epoch_rows(t)));
    if (t->named) json_object_set_new(run, "tasks", tasks_json(t));
    json_object_set_new(run, "best_name", json_string(t->best_name));
    json_object_set_new(run, "stopping_name", json_string(t->stopping_name));
    json_object_set_new(run, "due", json_integer(t->run.due));
    json_object_set_new(run, "order", order);
    return run;
}

double bert_trainer_flos(const bert_trainer *t) {
    bert_params *ps = bert_model_params(t->model);
    double n = 0;
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        if (p->kind != BERT_KIND_EMBEDDING) n += (double)bert_param_size(p);
    }
    return 6 * n * (double)t->run.tokens;
}

static json_t *state_json(const bert_trainer *t) {
    const bert_run *r = &t->run;
    bool best = !isnan(r->best_metric);
    json_t *s = json_object();
    json_object_set_new(s, "best_global_step", best ? json_integer(r->best_step) : json_null());
    json_object_set_new(s, "best_metric", number(r->best_metric));
    json_object_set_new(s, "best_model_checkpoint",
                        t->best_checkpoint[0] ? json_string(t->best_checkpoint) : json_null());
    json_object_set_new(s, "epoch", json_real(bert_trainer_epoch(t)));
    json_object_set_new(s, "global_step", json_integer(r->global_step));
    json_object_set_new(s, "max_steps", json_integer(t->max_steps));
    json_object_set_new(s, "num_train_epochs",
                        json_integer((json_int_t)ceil(t->state.num_train_epochs)));
    json_object_set_new(s, "train_batch_size", json_integer(t->args.per_device_train_batch_size));
    json_object_set_new(s, "logging_steps", json_integer(t->logging_steps));
    json_object_set_new(s, "eval_steps", json_integer(t->eval_steps));
    json_object_set_new(s, "save_steps", json_integer(t->save_steps));
    json_object_set_new(s, "num_input_tokens_seen", json_integer(r->tokens));
    json_object_set(s, "log_history", t->log_history);
    json_object_set_new(s, "total_flos", json_real(bert_trainer_flos(t)));
    json_object_set_new(s, "is_local_process_zero", json_true());
    json_object_set_new(s, "is_world_process_zero", json_true());
    json_object_set_new(s, "is_hyper_param_search", json_false());
    json_object_set_new(s, "trial_name", json_null());
    json_object_set_new(s, "trial_params", json_null());
    json_object_set_new(s, CALLBACKS, json_pack("{s:o}", RUN, run_json(t)));
    return s;
}

/* Every key is there, unless memory was out on the way. */
static bool complete(const bert_trainer *t, const json_t *state) {
    const json_t *run = json_object_get(json_object_get(state, CALLBACKS), RUN), *task;
    json_t *tasks = json_object_get(run, "tasks");
    const char *name;
    const size_t named = t->named ? 1 : 0;
    bool whole = json_object_size(tasks) == named * (size_t)t->task_count;
    json_object_foreach(tasks, name, task) whole &= json_object_size(task) == 9;
    return whole && json_object_size(state) == 20 &&
           json_object_size(run) == RUN_KEYS + 4 + named &&
           json_object_size(json_object_get(run, "order")) ==
               ORDER_KEYS + 1 + named * TASK_ORDER_KEYS;
}

static int save_json(const json_t *json, const char *directory, const char *name, bert_error *e) {
    char *path = bert_path_join(directory, name);
    int rc = path ? bert_json_save(json, path, e) : bert_fail_memory(e, strlen(directory));
    free(path);
    return rc;
}

/* all_results.json: the last value of each metric that was logged; evaluations, of the weights as
 * they are. */
static int save_results(const bert_trainer *t, const char *directory, bert_error *e) {
    json_t *all = json_object(), *record, *value;
    size_t i;
    const char *key;
    const json_t *evaluation = bert_log_evaluation(t);
    json_array_foreach(t->log_history, i, record) json_object_foreach(record, key, value) {
        const bool result = strncmp(key, "eval_", 5)
                                ? !strncmp(key, "train_", 6) || !strcmp(key, "epoch")
                                : record == evaluation;
        if (result) json_object_set(all, key, value);
    }
    int rc = all ? save_json(all, directory, "all_results.json", e) : bert_fail_memory(e, 1);
    json_decref(all);
    return rc;
}

/* A run that had nothing left to do was not under the arguments that said so. */
static int save_args(const bert_trainer *t, const char *directory, bert_error *e) {
    static const char name[] = "training_args.json";
    char *path = bert_path_join(directory, name), *data = NULL;
    char *old = t->state.ending == BERT_END_NOTHING ? bert_path_join(t->checkpoint, name) : NULL;
    size_t size = 0;
    int rc = path ? BERT_OK : bert_fail_memory(e, strlen(directory));
    if (!rc && old) rc = bert_read_file(old, 0, &data, &size, e);
    if (!rc)
        rc = old ? bert_write_file(path, data, size, e) : bert_training_save(&t->args, path, e);
    free(data);
    free(old);
    free(path);
    return rc;
}

static int save_state(const bert_trainer *t, const char *directory, bert_error *e) {
    json_t *state = state_json(t);
    int rc = complete(t, state) ? save_json(state, directory, "trainer_state.json", e)
                                : bert_fail_memory(e, 1);
    json_decref(state);
    return rc ? rc : save_args(t, directory, e);
}

int bert_trainer_state_save(const bert_trainer *t, const char *directory, bert_error *e) {
    int rc = save_state(t, directory, e);
    return rc ? rc : save_results(t, directory, e);
}

/* ---- Which checkpoints there are */

static int64_t step_of(const char *name) {
    size_t n = strlen(PREFIX);
    if (strncmp(name, PREFIX, n)) return -1;
    size_t digits = strspn(name + n, "0123456789");
    return digits > 0 && digits < 18 && !name[n + digits] ? strtoll(name + n, NULL, 10) : -1;
}

/* The directory's checkpoint with the smallest step above `above`, or -1. */
static int64_t next_step(const char *output_dir, int64_t above) {
    DIR *d = opendir(output_dir);
    int64_t found = -1;
    for (struct dirent *f; d && (f = readdir(d));) {
        int64_t step = step_of(f->d_name);
        if (step > above && (found < 0 || step < found)) found = step;
    }
    if (d) closedir(d);
    return found;
}

static void path_of(char *out, size_t capacity, const char *output_dir, int64_t step) {
    snprintf(out, capacity, "%s/" PREFIX "%lld", output_dir, (long long)step);
}

void bert_checkpoint_sweep(const char *output_dir) {
    for (bool again = true; again;) {
        DIR *d = opendir(output_dir);
        char *path = NULL;
        again = false;
        for (struct dirent *f; d && !path && (f = readdir(d));)
            if (!strncmp(f->d_name, ".new-" PREFIX, 5 + strlen(PREFIX)) ||
                !strncmp(f->d_name, ".old-" PREFIX, 5 + strlen(PREFIX)))
                path = bert_path_join(output_dir, f->d_name);
        if (d) closedir(d);
        if (path) again = bert_directory_remove(path, NULL) == BERT_OK;
        free(path);
    }
}

int bert_checkpoint_remove_all(const char *output_dir, bert_error *e) {
    int rc = BERT_OK;
    for (int64_t step = -1; !rc && (step = next_step(output_dir, step)) >= 0;) {
        char path[1200];
        path_of(path, sizeof path, output_dir, step);
        rc = bert_directory_remove(path, e);
    }
    return rc;
}

char *bert_checkpoint_latest(const char *output_dir) {
    int64_t latest = -1;
    for (int64_t step = -1; (step = next_step(output_dir, step)) >= 0;) latest = step;
    char *path = latest < 0 ? NULL : malloc(strlen(output_dir) + 64);
    if (path) path_of(path, strlen(output_dir) + 64, output_dir, latest);
    return path;
}

/* The best weights of all, or of a task. */
static bool is_best(const bert_trainer *t, const char *path) {
    bool best = !strcmp(path, t->best_checkpoint);
    for (int32_t i = 0; i < t->task_count && t->named; i++)
        best |= !strcmp(path, t->tasks[i].best_checkpoint);
    return best;
}

/* Removes the oldest beyond save_total_limit: never the best, never the one just written. */
static int rotate(bert_trainer *t, bert_error *e) {
    const char *dir = t->args.output_dir;
    int64_t limit = t->args.save_total_limit, count = 0;
    for (int64_t step = -1; (step = next_step(dir, step)) >= 0;) count++;
    for (int64_t step = -1; limit && count > limit && (step = next_step(dir, step)) >= 0;) {
        char path[1200];
        path_of(path, sizeof path, dir, step);
        if (is_best(t, path) || !strcmp(path, t->checkpoint)) continue;
        int rc = bert_directory_remove(path, e);
        if (rc) return rc;
        count--;
    }
    return BERT_OK;
}

/* ---- Saving and loading */

static int write_checkpoint(bert_trainer *t, const char *path, bert_error *e) {
    char *fresh = bert_directory_aside(path, "new");
    int rc = fresh ? bert_directory_remove(fresh, e) : bert_fail_memory(e, strlen(path));
    if (!rc) rc = bert_model_save(t->model, fresh, e);
    if (!t->args.save_only_model && (!rc || t->group->size > 1)) { /* the others serve now */
        bert_error own = {0};
        const int saved = bert_moments_save(t, rc ? NULL : fresh, &own);
        if (!rc && saved) rc = bert_fail(e, saved, "%s", own.message);
    }
    if (!rc) rc = save_state(t, fresh, e);
    if (!rc) rc = bert_directory_commit(fresh, path, e);
    if (rc && fresh) bert_directory_remove(fresh, NULL);
    free(fresh);
    return rc;
}

/* Notes the checkpoint of this step as that of the best weights of whom they are; "": it failed. */
static void note_best(bert_trainer *t, const char *path) {
    if (!isnan(t->run.best_metric) && t->run.best_step == t->run.global_step)
        snprintf(t->best_checkpoint, sizeof t->best_checkpoint, "%s", path);
    for (int32_t i = 0; i < t->task_count; i++) {
        bert_trained *k = &t->tasks[i];
        if (!isnan(k->best_metric) && k->best_step == t->run.global_step)
            snprintf(k->best_checkpoint, sizeof k->best_checkpoint, "%s", path);
    }
}

int bert_checkpoint_save(bert_trainer *t, bert_error *e) {
    const char *dir = t->args.output_dir;
    if (!*dir) return BERT_OK;
    char path[1200], best[1200];
    path_of(path, sizeof path, dir, t->run.global_step);
    memcpy(best, t->best_checkpoint, sizeof best);
    note_best(t, path);
    int rc = bert_trainer_writes(t)     ? write_checkpoint(t, path, e)
             : !t->args.save_only_model ? bert_moments_serve(t, e)
                                        : BERT_OK;
    rc = bert_group_agree(t->group, rc, e);
    if (rc) {
        note_best(t, "");
        memcpy(t->best_checkpoint, best, sizeof best);
        return rc;
    }
    memcpy(t->checkpoint, path, sizeof path);
    rc = bert_trainer_writes(t) ? rotate(t, e) : BERT_OK;
    rc = bert_group_agree(t->group, rc, e);
    if (!rc) bert_trainer_emit(t, BERT_ON_SAVE);
    return rc;
}

int bert_checkpoint_load_weights(bert_trainer *t, const char *directory, bert_error *e) {
    bert_pretrained *from = bert_pretrained_open(directory, e);
    bert_tensors *s = from ? bert_pretrained_tensors(from, "", e) : NULL;
    if (from && !s && !e->code) bert_pretrained_lacks(from, "", false, e);
    int rc = s ? BERT_OK : e->code;
    bert_params *ps = bert_model_params(t->model);
    for (int i = 0; i < bert_params_count(ps) && !rc; i++) {
        bert_param *p = bert_params_at(ps, i);
        const bert_stored_tensor *w = bert_stored_of(s, "", p, bert_param_size(p), BERT_F32);
        rc = w ? bert_param_write(p, w->data)
               : bert_fail(e, BERT_EFORMAT, "%s: holds no %s of this model's shape",
                           bert_tensors_path(s), bert_param_name(p));
    }
    if (!rc) rc = bert_params_check_finite(ps, e);
    bert_tensors_close(s);
    bert_pretrained_close(from);
    return rc;
}

static int read_run(bert_trainer *t, const json_t *run, const char *where, bert_error *e) {
    bert_run r = {0};
    for (int i = 0; i < RUN_KEYS; i++) {
        const json_t *v = json_object_get(run, run_keys[i].name);
        char *at = (char *)&r + run_keys[i].offset;
        const bool lacks = !v && run_keys[i].later;
        bool fits = run_keys[i].whole ? json_is_integer(v) && json_integer_value(v) >= 0
                                      : json_is_number(v) || json_is_null(v);
        if (!fits && !lacks)
            return bert_fail(e, BERT_EFORMAT, "%s: run.%s: is missing or not a number", where,
                             run_keys[i].name);
        if (run_keys[i].whole)
            *(int64_t *)at = json_integer_value(v);
        else
            *(double *)at = json_is_number(v) ? json_number_value(v) : (double)NAN;
    }
    r.due = (unsigned)json_integer_value(json_object_get(run, "due")) &
            (BERT_DO_LOG | BERT_DO_EVALUATE | BERT_DO_SAVE | BERT_DUE_EPOCH_END);
    if (r.log_step > r.global_step || r.evaluated_step > r.global_step ||
        r.best_step > r.global_step)
        return bert_fail(e, BERT_EFORMAT, "%s: run: steps that are yet to come", where);
    t->run = r;
    return BERT_OK;
}

static int check_arguments(const bert_trainer *t, const json_t *order, const char *const *keys,
                           int n, const char *where, bert_error *e) {
    for (int i = 0; i < n; i++) {
        const char *was = json_string_value(json_object_get(order, keys[i]));
        char now[1024];
        order_text(t, keys[i], now, sizeof now);
        if (!was || strcmp(was, now))
            return bert_fail(e, BERT_EINVAL,
                             "%s: %s%s was %s and is %s now: the run would not be the same", where,
                             keys[i], t->group->size > 1 ? " (of all processes)" : "",
                             was ? was : "not there", now);
    }
    return BERT_OK;
}

static int check_order(const bert_trainer *t, const json_t *order, const char *where,
                       bert_error *e) {
    int rc = check_arguments(t, order, order_keys, ORDER_KEYS, where, e);
    if (!rc && t->named) rc = check_arguments(t, order, task_order_keys, TASK_ORDER_KEYS, where, e);
    if (rc) return rc;
    json_int_t rows = json_integer_value(json_object_get(order, "rows"));
    const json_int_t now = (json_int_t)bert_trainer_epoch_rows(t);
    if (rows != now)
        return bert_fail(e, BERT_EINVAL,
                         "%s: the run began with %lld rows of training data, not %lld", where,
                         (long long)rows, (long long)now);
    return BERT_OK;
}

/* The best weights of a task, in output_dir wherever that is now. */
static void find_best(const bert_trainer *t, int64_t step, const char *was, char out[1200]) {
    char here[1200]; /* output_dir may have been moved since, copied, or be spelled otherwise */
    path_of(here, sizeof here, t->args.output_dir, step);
    snprintf(out, 1200, "%s", was ? was : "");
    if (was && *was && (!access(here, F_OK) || access(was, F_OK))) memcpy(out, here, sizeof here);
}

static int read_task(bert_trainer *t, int32_t i, const json_t *task, const char *where,
                     bert_error *e) {
    bert_trained *k = &t->tasks[i];
    double weight, best, loss;
    json_int_t rows, cursor, step, steps;
    const char *name, *checkpoint;
    const json_t *metric = json_object_get(task, "best_metric");
    if (!task || json_unpack((json_t *)(uintptr_t)task, "{s:I, s:I, s:F, s:s, s:I, s:F, s:I, s:s}",
                             "rows", &rows, "cursor", &cursor, "loss_weight", &weight, "best_name",
                             &name, "best_step", &step, "log_loss", &loss, "log_steps", &steps,
                             "best_model_checkpoint", &checkpoint))
        return bert_fail(e, BERT_EFORMAT, "%s: run.tasks: there is no task %s, or it is not whole",
                         where, k->name);
    best = json_is_number(metric) ? json_number_value(metric) : (double)NAN;
    if (rows != bert_dataset_size(k->train) || cursor != cursor_of(t, t->run.global_step, i))
        return bert_fail(e, BERT_EINVAL,
                         "%s: the run began with %lld rows of task %s, not %lld, or took them in "
                         "another order",
                         where, (long long)rows, k->name, (long long)bert_dataset_size(k->train));
    k->log_loss = loss;
    k->log_steps = steps;
    if (strcmp(name, k->best_name)) return BERT_OK; /* by another metric: it begins anew */
    k->best_metric = best;
    k->best_step = step;
    find_best(t, step, checkpoint, k->best_checkpoint);
    return BERT_OK;
}

static int read_tasks(bert_trainer *t, const json_t *run, const char *where, bert_error *e) {
    const json_t *tasks = json_object_get(run, "tasks");
    if ((tasks != NULL) != t->named ||
        (t->named && json_object_size(tasks) != (size_t)t->task_count))
        return bert_fail(e, BERT_EINVAL, "%s: the run was one of %d tasks, not %d", where,
                         tasks ? (int)json_object_size(tasks) : 1, (int)t->task_count);
    int rc = BERT_OK;
    for (int32_t i = 0; i < t->task_count && t->named && !rc; i++)
        rc = read_task(t, i, json_object_get(tasks, t->tasks[i].name), where, e);
    return rc;
}

/* Whether a metric of the run is the one that it was; of older checkpoints, yes. */
static bool is_same(const json_t *run, const char *key, const char *now) {
    const char *was = json_string_value(json_object_get(run, key));
    return !was || !strcmp(was, now);
}

/* Whether the weights of a step can still be taken. */
static bool is_kept(const bert_trainer *t, int64_t step) {
    char path[1200];
    path_of(path, sizeof path, t->args.output_dir, step);
    return step == t->run.global_step || !access(path, F_OK);
}

/* Under another metric_for_best_model the best is looked for anew among the evaluations so far, of
 * those whose weights are there where they would be needed. */
static void choose_best_anew(bert_trainer *t) {
    const bool needed =
        t->args.load_best_model_at_end || t->args.save_strategy == BERT_STRATEGY_BEST;
    char key[BERT_MAX_NAME + 8];
    const json_t *record;
    size_t i;
    snprintf(key, sizeof key, "eval_%s", t->best_name);
    t->run.best_metric = t->run.plateau.best = (double)NAN;
    t->run.best_step = 0;
    t->best_checkpoint[0] = 0;
    json_array_foreach(t->log_history, i, record) {
        const json_t *v = json_object_get(record, key);
        const int64_t step = json_integer_value(json_object_get(record, "step"));
        if (!json_is_number(v) || !step || (needed && !is_kept(t, step))) continue;
        const double value = json_number_value(v), best = t->run.best_metric;
        const bool more = t->args.greater_is_better < 0
                              ? bert_metric_greater_is_better(t->best_name)
                              : t->args.greater_is_better > 0;
        if (!isnan(best) && (more ? value <= best : value >= best)) continue;
        t->run.best_metric = value;
        t->run.best_step = step;
        path_of(t->best_checkpoint, sizeof t->best_checkpoint, t->args.output_dir, step);
        if (access(t->best_checkpoint, F_OK)) t->best_checkpoint[0] = 0;
    }
}

static int read_state(bert_trainer *t, const json_t *state, const char *where, bert_error *e) {
    const json_t *run = json_object_get(json_object_get(state, CALLBACKS), RUN);
    json_t *history = json_object_get(state, "log_history");
    if (!json_is_object(run) || !json_is_array(history))
        return bert_fail(e, BERT_EFORMAT, "%s: is not of a run of this trainer", where);
    int rc = check_order(t, json_object_get(run, "order"), where, e);
    if (!rc) rc = read_run(t, run, where, e);
    if (!rc) rc = read_tasks(t, run, where, e);
    if (rc) return rc;
    find_best(t, t->run.best_step,
              json_string_value(json_object_get(state, "best_model_checkpoint")),
              t->best_checkpoint);
    json_array_clear(t->log_history);
    if (json_array_extend(t->log_history, history)) return bert_fail_memory(e, 1);
    if (!is_same(run, "best_name", t->best_name)) choose_best_anew(t);
    if (!is_same(run, "stopping_name", t->stopping_name)) {
        t->run.stopping_best = (double)NAN;
        t->run.patience = 0;
    }
    return BERT_OK;
}

int bert_checkpoint_load(bert_trainer *t, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "trainer_state.json");
    if (!path) return bert_fail_memory(e, strlen(directory));
    json_t *state = bert_json_load(path, e);
    int rc = state ? read_state(t, state, path, e) : e->code;
    json_decref(state);
    free(path);
    if (!rc) rc = bert_checkpoint_load_weights(t, directory, e);
    if (!rc) rc = bert_moments_load(t, directory, e);
    if (!rc) snprintf(t->checkpoint, sizeof t->checkpoint, "%s", directory);
    return rc;
}
