/* checkpoint-<step>/: what a run needs to go on as if it had never stopped. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "base/finite.h"
#include "files/json.h"
#include "files/pretrained.h"
#include "files/safetensors.h"
#include "tape/params.h"
#include "train/trainer.h"
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "checkpoint-"
#define MOMENT_1 "exp_avg."
#define MOMENT_2 "exp_avg_sq."
#define STEPS "step."

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

static json_t *number(double v) {
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *run_json(const bert_trainer *t) {
    json_t *run = json_object(), *order = json_object();
    for (int i = 0; i < RUN_KEYS; i++) {
        const char *at = (const char *)&t->run + run_keys[i].offset;
        json_object_set_new(run, run_keys[i].name,
                            run_keys[i].whole ? json_integer(*(const int64_t *)at)
                                              : number(*(const double *)at));
    }
    for (int i = 0; i < ORDER_KEYS; i++) {
        char text[64];
        bert_training_get(&t->args, order_keys[i], text, sizeof text);
        json_object_set_new(order, order_keys[i], json_string(text));
    }
    json_object_set_new(order, "rows", json_integer(bert_dataset_size(t->train)));
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
static bool complete(const json_t *state) {
    const json_t *run = json_object_get(json_object_get(state, CALLBACKS), RUN);
    return json_object_size(state) == 20 && json_object_size(run) == RUN_KEYS + 4 &&
           json_object_size(json_object_get(run, "order")) == ORDER_KEYS + 1;
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
    int rc = complete(state) ? save_json(state, directory, "trainer_state.json", e)
                             : bert_fail_memory(e, 1);
    json_decref(state);
    return rc ? rc : save_args(t, directory, e);
}

int bert_trainer_state_save(const bert_trainer *t, const char *directory, bert_error *e) {
    int rc = save_state(t, directory, e);
    return rc ? rc : save_results(t, directory, e);
}

/* ---- optimizer.safetensors */

static char *joined(const char *a, const char *b) {
    char *s;
    return asprintf(&s, "%s%s", a, b) < 0 ? NULL : s;
}

/* copies: of moments that lie on a device. */
static int list_moments(bert_trainer *t, bert_stored_tensor *list, int64_t *steps, int *n,
                        bert_arena *copies, bert_error *e) {
    static const char *const prefixes[] = {MOMENT_1, MOMENT_2, STEPS};
    bert_params *ps = bert_model_params(t->model);
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        if (!bert_optimizer_has_state(t->optimizer, p)) continue;
        const bert_adamw_state *s = bert_optimizer_state(t->optimizer, p, e);
        if (!s) return e->code;
        size_t size = bert_param_size(p);
        const float *first = bert_device_view(ps->device, s->m, size, copies);
        const float *second = bert_device_view(ps->device, s->v, size, copies);
        if (!first || !second) return bert_fail_memory(e, size * sizeof *first);
        if (!bert_finite(first, size) || !bert_finite(second, size))
            return bert_fail(e, BERT_ENUMERIC, "the moments of %s are not finite: not saved",
                             bert_param_name(p));
        steps[i] = (int64_t)s->steps;
        const void *const data[] = {first, second, &steps[i]};
        for (int k = 0; k < 3; k++) {
            char *name = joined(prefixes[k], bert_param_name(p));
            if (!name) return bert_fail_memory(e, 1);
            list[(*n)++] =
                (bert_stored_tensor){.name = name,
                                     .dtype = k < 2 ? BERT_F32 : BERT_I64,
                                     .dims = k < 2 ? 2 : 1,
                                     .shape = {k < 2 ? p->rows : 1, p->cols},
                                     .data = data[k],
                                     .bytes = k < 2 ? size * sizeof(float) : sizeof *steps};
        }
    }
    return BERT_OK;
}

static int save_optimizer(bert_trainer *t, const char *directory, bert_error *e) {
    size_t params = (size_t)bert_params_count(bert_model_params(t->model));
    bert_stored_tensor *list = calloc(3 * params + 1, sizeof *list);
    int64_t *steps = calloc(params + 1, sizeof *steps);
    char *path = bert_path_join(directory, "optimizer.safetensors");
    bert_arena copies = {0};
    int n = 0, rc = BERT_OK;
    if (!list || !steps || !path) rc = bert_fail_memory(e, 3 * params * sizeof *list);
    if (!rc) rc = list_moments(t, list, steps, &n, &copies, e);
    if (!rc) rc = bert_safetensors_save(path, list, n, NULL, e);
    for (int i = 0; i < n; i++) free((char *)(uintptr_t)list[i].name);
    bert_arena_free(&copies);
    free(list);
    free(steps);
    free(path);
    return rc;
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

/* Removes the oldest beyond save_total_limit: never the best, never the one just written. */
static int rotate(bert_trainer *t, bert_error *e) {
    const char *dir = t->args.output_dir;
    int64_t limit = t->args.save_total_limit, count = 0;
    for (int64_t step = -1; (step = next_step(dir, step)) >= 0;) count++;
    for (int64_t step = -1; limit && count > limit && (step = next_step(dir, step)) >= 0;) {
        char path[1200];
        path_of(path, sizeof path, dir, step);
        if (!strcmp(path, t->best_checkpoint) || !strcmp(path, t->checkpoint)) continue;
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
    if (!rc && !t->args.save_only_model) rc = save_optimizer(t, fresh, e);
    if (!rc) rc = save_state(t, fresh, e);
    if (!rc) rc = bert_directory_commit(fresh, path, e);
    if (rc && fresh) bert_directory_remove(fresh, NULL);
    free(fresh);
    return rc;
}

int bert_checkpoint_save(bert_trainer *t, bert_error *e) {
    const char *dir = t->args.output_dir;
    if (!*dir) return BERT_OK;
    char path[1200], best[1200];
    path_of(path, sizeof path, dir, t->run.global_step);
    memcpy(best, t->best_checkpoint, sizeof best);
    if (!isnan(t->run.best_metric) && t->run.best_step == t->run.global_step)
        memcpy(t->best_checkpoint, path, sizeof path);
    int rc = bert_trainer_writes(t) ? write_checkpoint(t, path, e) : BERT_OK;
    rc = bert_group_agree(t->group, rc, e);
    if (rc) {
        memcpy(t->best_checkpoint, best, sizeof best);
        return rc;
    }
    memcpy(t->checkpoint, path, sizeof path);
    rc = bert_trainer_writes(t) ? rotate(t, e) : BERT_OK;
    rc = bert_group_agree(t->group, rc, e);
    if (!rc) bert_trainer_emit(t, BERT_ON_SAVE);
    return rc;
}

static const bert_stored_tensor *find(const bert_tensors *s, const char *prefix,
                                      const bert_param *p, size_t elements, bert_dtype dtype) {
    char *name = joined(prefix, bert_param_name(p));
    const bert_stored_tensor *found = name ? bert_tensors_find(s, name) : NULL;
    free(name);
    bool fits = found && found->dtype == dtype && !found->strides &&
                found->bytes == elements * bert_dtype_size(dtype);
    return fits ? found : NULL;
}

int bert_checkpoint_load_weights(bert_trainer *t, const char *directory, bert_error *e) {
    bert_pretrained *from = bert_pretrained_open(directory, e);
    bert_tensors *s = from ? bert_pretrained_tensors(from, "", e) : NULL;
    if (from && !s && !e->code) bert_pretrained_lacks(from, "", false, e);
    int rc = s ? BERT_OK : e->code;
    bert_params *ps = bert_model_params(t->model);
    for (int i = 0; i < bert_params_count(ps) && !rc; i++) {
        bert_param *p = bert_params_at(ps, i);
        const bert_stored_tensor *w = find(s, "", p, bert_param_size(p), BERT_F32);
        rc = w ? bert_param_write(p, w->data)
               : bert_fail(e, BERT_EFORMAT, "%s: holds no %s of this model's shape",
                           bert_tensors_path(s), bert_param_name(p));
    }
    if (!rc) rc = bert_params_check_finite(ps, e);
    bert_tensors_close(s);
    bert_pretrained_close(from);
    return rc;
}

static int load_optimizer(bert_trainer *t, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "optimizer.safetensors");
    bert_tensors *f = path ? bert_tensors_open(&bert_safetensors_format, path, e) : NULL;
    int rc = f ? BERT_OK : path ? e->code : bert_fail_memory(e, strlen(directory));
    if (rc == BERT_ENOTFOUND)
        bert_error_prefix(e, "a checkpoint made with save_only_model cannot be resumed: ");
    bert_params *ps = bert_model_params(t->model);
    bert_optimizer_forget(t->optimizer);
    for (int i = 0; i < bert_params_count(ps) && !rc; i++) {
        const bert_param *p = bert_params_at(ps, i);
        size_t size = bert_param_size(p);
        const bert_stored_tensor *m = find(f, MOMENT_1, p, size, BERT_F32);
        const bert_stored_tensor *v = find(f, MOMENT_2, p, size, BERT_F32);
        const bert_stored_tensor *steps = find(f, STEPS, p, 1, BERT_I64);
        if (!m && !v && !steps) continue; /* never updated: frozen, or out of reach of the loss */
        int64_t count = 0;
        if (steps) memcpy(&count, steps->data, sizeof count);
        bert_adamw_state *s = m && v && count > 0 ? bert_optimizer_state(t->optimizer, p, e) : NULL;
        if (!s) { /* out of memory has said so already */
            bert_fail(e, BERT_EFORMAT, "%s: the state of %s is not whole", path,
                      bert_param_name(p));
            rc = e->code;
            continue;
        }
        ps->device->write(s->m, m->data, m->bytes);
        ps->device->write(s->v, v->data, v->bytes);
        s->steps = (uint64_t)count;
    }
    bert_tensors_close(f);
    free(path);
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

static int check_order(const bert_trainer *t, const json_t *order, const char *where,
                       bert_error *e) {
    for (int i = 0; i < ORDER_KEYS; i++) {
        const char *was = json_string_value(json_object_get(order, order_keys[i]));
        char now[64];
        bert_training_get(&t->args, order_keys[i], now, sizeof now);
        if (!was || strcmp(was, now))
            return bert_fail(e, BERT_EINVAL,
                             "%s: %s was %s and is %s now: the run would not be the same", where,
                             order_keys[i], was ? was : "not there", now);
    }
    json_int_t rows = json_integer_value(json_object_get(order, "rows"));
    if (rows != bert_dataset_size(t->train))
        return bert_fail(e, BERT_EINVAL,
                         "%s: the run began with %lld rows of training data, not %lld", where,
                         (long long)rows, (long long)bert_dataset_size(t->train));
    return BERT_OK;
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
    if (rc) return rc;
    const char *best = json_string_value(json_object_get(state, "best_model_checkpoint"));
    snprintf(t->best_checkpoint, sizeof t->best_checkpoint, "%s", best ? best : "");
    char here[1200]; /* output_dir may have been moved since, copied, or be spelled otherwise */
    path_of(here, sizeof here, t->args.output_dir, t->run.best_step);
    if (best && (!access(here, F_OK) || access(best, F_OK)))
        memcpy(t->best_checkpoint, here, sizeof here);
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
    if (!rc) rc = load_optimizer(t, directory, e);
    if (!rc) snprintf(t->checkpoint, sizeof t->checkpoint, "%s", directory);
    return rc;
}
