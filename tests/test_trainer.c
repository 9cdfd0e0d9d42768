/* The trainer on a tiny model: PyTorch's losses, resuming, stopping, what it leaves behind. */
#include "tiny.h"
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SINGLE "single_label_classification"

typedef struct {
    char *dir, *out; /* the base checkpoint; where the trainer writes */
    tiny_rows rows, held;
    bert_model *base, *model;
    bert_dataset *train, *validation;
    bert_training_args args;
    bert_error e;
} world;

static void check(world *w, bool ok) {
    if (!ok) fail_msg("%s", w->e.message);
}

static void open_model(world *w) {
    bert_model_close(w->model);
    w->model = bert_dataset_open_model(w->train, &w->e);
    check(w, w->model);
}

static void begin_with(world *w, const char *problem, double dropout, int rows, int held) {
    memset(w, 0, sizeof *w);
    w->dir = test_directory();
    w->out = bert_path_join(w->dir, "out");
    tiny_model(w->dir, strcmp(problem, "regression") ? 3 : 1, problem, dropout);
    bert_model_options o = bert_model_default();
    w->base = bert_model_open(w->dir, &o, &w->e);
    check(w, w->base);
    tiny_fill(&w->rows, problem, 0, rows);
    tiny_fill(&w->held, problem, rows, held);
    bert_dataset_options d = bert_dataset_default();
    if (!strcmp(problem, "multi_label_classification")) d.label_separator = "|";
    w->train = bert_dataset_of(w->rows.texts, w->rows.labels, rows, w->base, &d, &w->e);
    check(w, w->train);
    assert_string_equal(bert_dataset_problem_type(w->train), problem);
    d.like = w->train;
    w->validation = bert_dataset_of(w->held.texts, w->held.labels, held, w->base, &d, &w->e);
    check(w, w->validation);
    open_model(w);
    w->args = bert_training_default();
    w->args.threads = 1;
    w->args.learning_rate = 1e-3;
}

static void begin(world *w, double dropout) {
    begin_with(w, SINGLE, dropout, TINY_ROWS, TINY_ROWS);
}

static void end(world *w) {
    bert_model_close(w->model);
    bert_model_close(w->base);
    bert_dataset_free(w->train);
    bert_dataset_free(w->validation);
    free(w->out);
    test_remove(w->dir);
}

static bert_trainer *trainer_of(world *w) {
    bert_trainer *t = bert_trainer_new(w->model, &w->args, w->train, w->validation, &w->e);
    check(w, t);
    return t;
}

static void write_to(world *w, const char *name) {
    snprintf(w->args.output_dir, sizeof w->args.output_dir, "%s/%s", w->out, name);
}

static bool there(const world *w, const char *name) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", w->args.output_dir, name);
    return access(path, F_OK) == 0;
}

/* All weights end to end. */
static float *weights_of(const world *w, size_t *n) {
    bert_params *ps = bert_model_params(w->model);
    float *all = NULL;
    *n = 0;
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        int32_t rows, cols;
        bert_param_shape(p, &rows, &cols);
        size_t k = (size_t)rows * (size_t)cols;
        all = realloc(all, (*n + k) * sizeof *all);
        memcpy(all + *n, bert_param_value(p), k * sizeof *all);
        *n += k;
    }
    return all;
}

/* ---- Callbacks */

typedef struct {
    double loss[256], norm[256];
    int steps, events[BERT_EVENT_COUNT];
    int64_t stop_at; /* 0: never */
    bert_event stop_on;
    bert_trainer *trainer;
} watcher;

static unsigned watch(void *context, bert_event event, const bert_trainer_state *s) {
    watcher *w = context;
    w->events[event]++;
    if (event == BERT_ON_STEP_END) {
        assert_in_range(w->steps, 0, 255);
        w->loss[w->steps] = s->loss;
        w->norm[w->steps++] = s->grad_norm;
        assert_true(s->seconds_left >= 0 && s->tokens_per_second > 0);
    }
    if (event == w->stop_on && w->stop_at && s->global_step == w->stop_at)
        bert_trainer_stop(w->trainer);
    return 0;
}

static bert_trainer *watched(world *w, watcher *c) {
    bert_trainer *t = trainer_of(w);
    c->trainer = t;
    assert_int_equal(bert_trainer_add_callback(t, watch, c, NULL), 0);
    return t;
}

static int train_watched(world *w, watcher *c) {
    bert_trainer *t = watched(w, c);
    int rc = bert_trainer_train(t, &w->e);
    bert_trainer_free(t);
    return rc;
}

/* ---- Tests */

static void losses_equal_those_of_pytorch(void **state) {
    (void)state;
    json_t *cases = json_load_file(BERT_SOURCE_DIR "/tests/golden/training.json", 0, NULL), *c;
    assert_non_null(cases);
    size_t i, step;
    json_array_foreach(cases, i, c) {
        world w;
        watcher seen = {0};
        begin_with(&w, json_string_value(json_object_get(c, "problem_type")), 0, TINY_ROWS, 8);
        json_t *args = json_object_get(c, "args"), *value, *losses = json_object_get(c, "loss");
        const char *name;
        json_object_foreach(args, name, value)
            check(&w, !bert_training_set(&w.args, name, json_string_value(value), &w.e));
        w.args.max_steps = (int64_t)json_array_size(losses);
        check(&w, !train_watched(&w, &seen));
        assert_int_equal(seen.steps, 100);
        double worst = 0, worst_norm = 0;
        json_array_foreach(losses, step, value) {
            double want = json_number_value(value);
            double norm = json_number_value(json_array_get(json_object_get(c, "grad_norm"), step));
            double off = fabs(seen.loss[step] - want) / want;
            double off_norm = fabs(seen.norm[step] - norm) / norm;
            if (off > worst) worst = off;
            if (off_norm > worst_norm) worst_norm = off_norm;
            if (off > 1e-4 || off_norm > 1e-3)
                fail_msg("case %zu, step %zu: loss %.9g, not %.9g; norm %.9g, not %.9g", i, step,
                         seen.loss[step], want, seen.norm[step], norm);
        }
        print_message("case %zu: loss within %.1e, gradient norm within %.1e\n", i, worst,
                      worst_norm);
        end(&w);
    }
    json_decref(cases);
}

static void accumulation_equals_the_large_batch(void **state) {
    (void)state;
    watcher seen[2] = {0};
    for (int i = 0; i < 2; i++) {
        world w;
        begin(&w, 0);
        w.args.per_device_train_batch_size = i ? 4 : 16;
        w.args.gradient_accumulation_steps = i ? 4 : 1;
        w.args.max_steps = 12;
        check(&w, !train_watched(&w, &seen[i]));
        assert_int_equal(seen[i].events[BERT_ON_SUBSTEP_END], i ? 36 : 0);
        end(&w);
    }
    for (int i = 0; i < 12; i++) {
        assert_float_equal(seen[0].loss[i], seen[1].loss[i], 1e-5 * seen[0].loss[i]);
        assert_float_equal(seen[0].norm[i], seen[1].norm[i], 1e-4 * seen[0].norm[i]);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    float *weights[2];
    size_t n[2];
    watcher seen[2] = {0};
    for (int i = 0; i < 2; i++) {
        world w;
        begin(&w, 0.1);
        w.args.threads = i + 1;
        w.args.max_steps = 100;
        check(&w, !train_watched(&w, &seen[i]));
        weights[i] = weights_of(&w, &n[i]);
        end(&w);
    }
    assert_memory_equal(seen[0].loss, seen[1].loss, sizeof seen[0].loss);
    assert_memory_equal(weights[0], weights[1], n[0] * sizeof(float));
    free(weights[0]);
    free(weights[1]);
}

/* The log history without what a clock has measured. */
static json_t *history_of(const world *w, const char *name) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s/trainer_state.json", w->args.output_dir, name);
    json_t *state = json_load_file(path, 0, NULL), *record;
    assert_non_null(state);
    json_t *history = json_incref(json_object_get(state, "log_history"));
    size_t i;
    json_array_foreach(history, i, record) {
        json_object_del(record, "eval_runtime");
        json_object_del(record, "eval_samples_per_second");
        json_object_del(record, "eval_steps_per_second");
    }
    json_decref(state);
    return history;
}

static void set_resumable(world *w) {
    w->args.max_steps = 12;
    w->args.per_device_train_batch_size = 10; /* 7 batches, the last of 4 rows: 4 steps an epoch */
    w->args.gradient_accumulation_steps = 2;
    w->args.logging_steps = 3;
    w->args.eval_strategy = BERT_STRATEGY_STEPS;
    w->args.eval_steps = 2;
    w->args.save_steps = 5;
    w->args.early_stopping_patience = 50;
    w->args.load_best_model_at_end = true;
}

/* epochs: logs and evaluations come with the end of an epoch, after a checkpoint of its last step.
 */
static void resume_after_each_step(bool epochs) {
    world w;
    begin(&w, 0.1);
    set_resumable(&w);
    if (epochs) {
        w.args.logging_strategy = w.args.eval_strategy = BERT_STRATEGY_EPOCH;
        w.args.save_steps = 4;
        w.args.lr_scheduler_type = BERT_SCHEDULE_REDUCE_ON_PLATEAU; /* after each evaluation */
        strcpy(w.args.lr_scheduler_kwargs, "{\"patience\": 0, \"threshold\": 9, \"factor\": 0.5}");
    }
    write_to(&w, "whole");
    watcher whole = {0};
    check(&w, !train_watched(&w, &whole));
    json_t *history = history_of(&w, "checkpoint-12");
    size_t n;
    float *want = weights_of(&w, &n);
    /* Stopped at the end of a step, or in the middle of its evaluation. */
    for (int64_t stop = 1; stop < 12; stop++)
        for (int in_evaluation = 0; in_evaluation < 2; in_evaluation++) {
            if (in_evaluation && stop % (epochs ? 4 : 2)) continue;
            char name[32];
            snprintf(name, sizeof name, "%d-%d", (int)stop, in_evaluation);
            write_to(&w, name);
            watcher first = {.stop_at = stop,
                             .stop_on = in_evaluation ? BERT_ON_PREDICTION_STEP : BERT_ON_STEP_END};
            open_model(&w);
            assert_int_equal(train_watched(&w, &first), BERT_EINTERRUPTED);
            assert_non_null(strstr(w.e.message, "checkpoint-"));
            bert_error_clear(&w.e);
            assert_int_equal(first.steps, stop);
            strcpy(w.args.resume_from_checkpoint, "last");
            watcher second = {0};
            open_model(&w);
            check(&w, !train_watched(&w, &second));
            strcpy(w.args.resume_from_checkpoint, "");
            assert_int_equal(second.steps, 12 - stop);
            assert_int_equal(second.events[BERT_ON_EPOCH_BEGIN], (12 - stop + 3) / 4);
            assert_memory_equal(second.loss, whole.loss + stop, (12 - stop) * sizeof *whole.loss);
            float *got = weights_of(&w, &n);
            assert_memory_equal(got, want, n * sizeof *got);
            free(got);
            json_t *again = history_of(&w, "checkpoint-12");
            assert_true(json_equal(history, again));
            json_decref(again);
        }
    json_decref(history);
    free(want);
    end(&w);
}

static void a_resumed_run_is_the_same_to_the_bit(void **state) {
    (void)state;
    resume_after_each_step(false);
    resume_after_each_step(true);
}

static void a_checkpoint_of_another_run_is_refused(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.max_steps = 3;
    w.args.save_steps = 1;
    write_to(&w, "a");
    watcher seen = {0};
    check(&w, !train_watched(&w, &seen));
    assert_true(there(&w, "checkpoint-1") && there(&w, "checkpoint-3"));
    /* Starting anew over it. */
    assert_int_equal(train_watched(&w, &seen), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, "checkpoint-3"));
    bert_error_clear(&w.e);
    /* Under another order of rows. */
    strcpy(w.args.resume_from_checkpoint, "last");
    w.args.per_device_train_batch_size = 4;
    assert_int_equal(train_watched(&w, &seen), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, "per_device_train_batch_size was 8"));
    bert_error_clear(&w.e);
    w.args.per_device_train_batch_size = 8;
    /* Damaged. */
    static const char *const files[] = {"trainer_state.json", "optimizer.safetensors",
                                        "model.safetensors"};
    for (int i = 0; i < 3; i++) {
        char path[2048];
        snprintf(path, sizeof path, "%s/checkpoint-3/%s", w.args.output_dir, files[i]);
        char *data;
        size_t size;
        check(&w, !bert_read_file(path, 0, &data, &size, &w.e));
        check(&w, !bert_write_file(path, data, size / 2, &w.e));
        assert_int_equal(train_watched(&w, &seen), BERT_EFORMAT);
        bert_error_clear(&w.e);
        check(&w, !bert_write_file(path, data, size, &w.e));
        free(data);
    }
    write_to(&w, "nothing");
    assert_int_equal(train_watched(&w, &seen), BERT_ENOTFOUND);
    end(&w);
}

static void it_learns_and_leaves_a_whole_model(void **state) {
    (void)state;
    world w;
    begin_with(&w, SINGLE, 0, 4 * TINY_ROWS, TINY_ROWS);
    w.args.learning_rate = 3e-3;
    w.args.num_train_epochs = 12;
    w.args.eval_strategy = BERT_STRATEGY_EPOCH;
    w.args.logging_strategy = BERT_STRATEGY_EPOCH;
    w.args.save_strategy = BERT_STRATEGY_NO;
    write_to(&w, "model");
    bert_trainer *t = trainer_of(&w);
    check(&w, !bert_trainer_train(t, &w.e));
    const bert_metrics *m = bert_trainer_evaluate(t, NULL, &w.e);
    check(&w, m);
    double accuracy, loss, again;
    assert_true(bert_metrics_find(m, "accuracy", &accuracy));
    assert_true(bert_metrics_find(m, "loss", &loss));
    assert_true(accuracy > 0.9);
    check(&w, !bert_trainer_save(t, &w.e));
    bert_trainer_free(t);
    static const char *const files[] = {
        "config.json",        "model.safetensors", "README.md",  "trainer_state.json",
        "training_args.json", "all_results.json",  "report.html"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) assert_true(there(&w, files[i]));
    assert_false(there(&w, "checkpoint-384"));

    bert_model *back = bert_model_open(w.args.output_dir, NULL, &w.e);
    check(&w, back);
    assert_string_equal(bert_model_label(back, 2), "2");
    bert_dataset_options d = bert_dataset_default();
    d.model_labels = true;
    bert_dataset *set = bert_dataset_of(w.held.texts, w.held.labels, w.held.n, back, &d, &w.e);
    check(&w, set);
    for (int batch = 1; batch <= 64; batch *= 8) {
        bert_evaluate_options o = bert_evaluate_default();
        o.batch_size = batch;
        o.threads = 1;
        bert_metrics *r = bert_evaluate(back, set, &o, &w.e);
        check(&w, r);
        assert_true(bert_metrics_find(r, "accuracy", &again) && again == accuracy);
        assert_true(bert_metrics_find(r, "loss", &again) && fabs(again - loss) < 1e-5 * loss);
        bert_metrics_free(r);
    }
    bert_dataset_free(set);
    bert_model_close(back);
    char path[2048], *card;
    size_t size;
    snprintf(path, sizeof path, "%s/README.md", w.args.output_dir);
    check(&w, !bert_read_file(path, 0, &card, &size, &w.e));
    assert_memory_equal(card, "---\n", 4);
    assert_non_null(strstr(card, "| learning_rate | 0.003 |"));
    assert_non_null(strstr(card, "| accuracy | "));
    assert_null(strstr(card, "per_second"));
    free(card);
    char *report;
    snprintf(path, sizeof path, "%s/report.html", w.args.output_dir);
    check(&w, !bert_read_file(path, 0, &report, &size, &w.e));
    static const char *const parts[] = {">Curves<", ">Classes<",   ">Calibration<", ">Most wrong<",
                                        ">Data<",   ">Arguments<", "</html>\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(report, parts[i]));
    assert_null(strstr(report, "http")); /* nothing comes from elsewhere */
    assert_null(strstr(report, "nan"));
    free(report);
    end(&w);
}

static void early_stopping_counts_evaluations(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.learning_rate = 0; /* nothing improves after the first evaluation */
    w.args.eval_strategy = BERT_STRATEGY_STEPS;
    w.args.eval_steps = 2;
    w.args.early_stopping_patience = 3;
    watcher seen = {0};
    check(&w, !train_watched(&w, &seen));
    assert_int_equal(seen.steps, 8);
    assert_int_equal(seen.events[BERT_ON_EVALUATE], 4);
    assert_int_equal(seen.events[BERT_ON_TRAIN_END], 1);
    /* An improvement below the threshold does not count. */
    w.args.learning_rate = 1e-5;
    w.args.early_stopping_threshold = 10;
    seen = (watcher){0};
    check(&w, !train_watched(&w, &seen));
    assert_int_equal(seen.steps, 8);
    end(&w);
}

static unsigned keep_rates(void *context, bert_event event, const bert_trainer_state *s) {
    double *rates = context;
    if (event == BERT_ON_STEP_END) rates[s->global_step - 1] = s->learning_rate;
    return 0;
}

/* The first evaluation is the best, and none after it is better by the threshold. */
static void a_plateau_lowers_the_learning_rate(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.max_steps = 6;
    w.args.eval_strategy = BERT_STRATEGY_STEPS;
    w.args.eval_steps = 1;
    w.args.lr_scheduler_type = BERT_SCHEDULE_REDUCE_ON_PLATEAU;
    strcpy(w.args.lr_scheduler_kwargs, "{\"patience\": 1, \"threshold\": 9, \"factor\": 0.5}");
    static const double want[] = {1, 1, 1, .5, .5, .25};
    double rates[6] = {0};
    bert_trainer *t = trainer_of(&w);
    check(&w, !bert_trainer_add_callback(t, keep_rates, rates, &w.e));
    check(&w, !bert_trainer_train(t, &w.e));
    for (int i = 0; i < 6; i++) assert_float_equal(rates[i], want[i] * w.args.learning_rate, 1e-12);
    bert_trainer_free(t);
    end(&w);
}

/* The losses of six steps under an argument. */
static void losses_under(const char *name, const char *value, int64_t data_seed, double *loss) {
    world w;
    watcher seen = {0};
    begin(&w, 0.1);
    w.args.max_steps = 6;
    w.args.data_seed = data_seed;
    check(&w, !bert_training_set(&w.args, name, value, &w.e));
    check(&w, !train_watched(&w, &seen));
    memcpy(loss, seen.loss, 6 * sizeof *loss);
    end(&w);
}

static void layers_computed_again_are_the_same(void **state) {
    (void)state;
    double loss[2][6];
    for (int i = 0; i < 2; i++)
        losses_under("gradient_checkpointing", i ? "true" : "false", -1, loss[i]);
    assert_memory_equal(loss[0], loss[1], sizeof loss[0]);
}

static void rows_come_in_the_order_that_is_asked_for(void **state) {
    (void)state;
    double loss[3][2][6];
    static const char *const orders[] = {"random", "sequential", "group_by_length"};
    for (int o = 0; o < 3; o++)
        for (int seed = 0; seed < 2; seed++)
            losses_under("train_sampling_strategy", orders[o], seed, loss[o][seed]);
    assert_memory_not_equal(loss[0][0], loss[0][1], sizeof loss[0][0]);
    assert_memory_equal(loss[1][0], loss[1][1], sizeof loss[0][0]); /* whatever the seed */
    assert_memory_not_equal(loss[2][0], loss[2][1], sizeof loss[0][0]);
    assert_memory_not_equal(loss[0][0], loss[2][0], sizeof loss[0][0]);
}

static void a_checkpoint_may_hold_the_model_only(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.max_steps = 1;
    w.args.save_only_model = true;
    write_to(&w, "model");
    watcher seen = {0};
    check(&w, !train_watched(&w, &seen));
    assert_true(there(&w, "checkpoint-1/model.safetensors"));
    assert_false(there(&w, "checkpoint-1/optimizer.safetensors"));
    strcpy(w.args.resume_from_checkpoint, "last");
    w.args.max_steps = 2;
    assert_int_equal(train_watched(&w, &seen), BERT_ENOTFOUND);
    if (!strstr(w.e.message, "save_only_model")) fail_msg("%s", w.e.message);
    end(&w);
}

/* Training that gets worse: a rate that grows past reason after a good start. */
static void set_worsening(world *w) {
    w->args.max_steps = 24;
    w->args.warmup_steps = 24;
    w->args.learning_rate = 0.5;
    w->args.max_grad_norm = 0;
    w->args.eval_strategy = w->args.save_strategy = BERT_STRATEGY_STEPS;
    w->args.eval_steps = w->args.save_steps = 2;
    w->args.load_best_model_at_end = true;
}

static void the_best_is_kept_and_loaded(void **state) {
    (void)state;
    float *weights[2];
    size_t n;
    for (int files = 0; files < 2; files++) {
        world w;
        begin(&w, 0);
        set_worsening(&w);
        w.args.save_total_limit = 1;
        if (files) write_to(&w, "best");
        bert_trainer *t = trainer_of(&w);
        check(&w, !bert_trainer_train(t, &w.e));
        const bert_trainer_state *s = bert_trainer_get_state(t);
        assert_true(s->best_global_step < 24);
        double best = s->best_metric, loss = 0;
        const bert_metrics *m = bert_trainer_evaluate(t, NULL, &w.e);
        check(&w, m && bert_metrics_find(m, "loss", &loss));
        assert_true(loss == best);
        if (files) {
            char name[64];
            snprintf(name, sizeof name, "checkpoint-%d", (int)s->best_global_step);
            assert_true(there(&w, name) && there(&w, "checkpoint-24"));
            assert_non_null(strstr(s->best_model_checkpoint, name));
            int count = 0;
            for (int step = 2; step <= 24; step += 2) {
                snprintf(name, sizeof name, "checkpoint-%d", step);
                count += there(&w, name);
            }
            assert_int_equal(count, 2); /* the best and the last */
        }
        weights[files] = weights_of(&w, &n);
        bert_trainer_free(t);
        end(&w);
    }
    assert_memory_equal(weights[0], weights[1], n * sizeof(float));
    free(weights[0]);
    free(weights[1]);
}

static void what_is_not_finite_ends_the_run(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.learning_rate = 1e30;
    w.args.save_steps = 1;
    write_to(&w, "nan");
    watcher seen = {0};
    assert_int_equal(train_watched(&w, &seen), BERT_ENUMERIC);
    assert_non_null(strstr(w.e.message, "step "));
    bert_error_clear(&w.e);
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%d", seen.steps + 1);
    assert_false(there(&w, name));
    /* What was written before can be read back. */
    if (there(&w, "checkpoint-1")) {
        char path[2048];
        snprintf(path, sizeof path, "%s/checkpoint-1", w.args.output_dir);
        bert_model_options o = bert_dataset_model(w.train);
        bert_model *back = bert_model_open(path, &o, &w.e);
        check(&w, back);
        bert_model_close(back);
    }
    end(&w);
}

static void a_frozen_part_stays_as_it_is(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    size_t n;
    strcpy(w.args.freeze, "bert.embeddings,bert.encoder.layer.0");
    w.args.max_steps = 3;
    w.args.weight_decay = 0.5;
    float *before = weights_of(&w, &n);
    watcher seen = {0};
    check(&w, !train_watched(&w, &seen));
    float *after = weights_of(&w, &n);
    size_t at = 0, frozen = 0, changed = 0;
    bert_params *ps = bert_model_params(w.model);
    for (int i = 0; i < bert_params_count(ps); i++) {
        const bert_param *p = bert_params_at(ps, i);
        int32_t rows, cols;
        bert_param_shape(p, &rows, &cols);
        size_t size = (size_t)rows * (size_t)cols;
        bool same = !memcmp(before + at, after + at, size * sizeof(float));
        bool is_frozen = !strncmp(bert_param_name(p), "bert.embeddings", 15) ||
                         !strncmp(bert_param_name(p), "bert.encoder.layer.0", 20);
        if (is_frozen) assert_true(same);
        frozen += is_frozen;
        changed += !same;
        at += size;
    }
    assert_true(frozen > 10 && changed > 10);
    free(before);
    free(after);
    end(&w);
}

/* The first step of AdamW moves every weight by its learning rate, nearly. */
static void layers_learn_at_their_own_rates(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.layer_lr_decay = 0.5;
    w.args.max_steps = 1;
    bert_params *ps = bert_model_params(w.model);
    static const struct {
        const char *name;
        double rate;
    } want[] = {{"classifier.weight", 1},
                {"bert.pooler.dense.weight", 1},
                {"bert.encoder.layer.1.output.dense.weight", .5},
                {"bert.encoder.layer.0.output.dense.weight", .25},
                {"bert.embeddings.position_embeddings.weight", .125}};
    float before[5];
    for (int i = 0; i < 5; i++) before[i] = bert_param_value(bert_params_find(ps, want[i].name))[0];
    watcher seen = {0};
    check(&w, !train_watched(&w, &seen));
    for (int i = 0; i < 5; i++) {
        double moved =
            (double)bert_param_value(bert_params_find(ps, want[i].name))[0] - (double)before[i];
        assert_float_equal(fabs(moved), want[i].rate * w.args.learning_rate, 2e-6);
    }
    end(&w);
}

/* A full disk, by the limit on the size of a file: the write of the weights fails. */
static void a_full_disk_keeps_the_last_checkpoint(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.max_steps = 2;
    w.args.save_steps = 1;
    static const int sizes[] = {1, 300, 5000, 60000, 100000}; /* the last: of the moments */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[32];
        snprintf(name, sizeof name, "disk-%d", sizes[i]);
        write_to(&w, name);
        open_model(&w);
        w.args.max_steps = 1;
        watcher seen = {0};
        check(&w, !train_watched(&w, &seen));
        w.args.max_steps = 2;
        strcpy(w.args.resume_from_checkpoint, "last");
        struct rlimit old, small;
        getrlimit(RLIMIT_FSIZE, &old);
        small = (struct rlimit){(rlim_t)sizes[i], old.rlim_max};
        bert_trainer *t = trainer_of(&w);
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        int rc = bert_trainer_train(t, &w.e);
        setrlimit(RLIMIT_FSIZE, &old);
        signal(SIGXFSZ, handler);
        assert_int_equal(rc, BERT_EIO);
        bert_error_clear(&w.e);
        bert_trainer_free(t);
        assert_true(there(&w, "checkpoint-1/trainer_state.json"));
        assert_false(there(&w, "checkpoint-2"));
        assert_false(there(&w, ".new-checkpoint-2"));
        seen = (watcher){0};
        open_model(&w);
        check(&w, !train_watched(&w, &seen)); /* and once there is room, it goes on */
        assert_int_equal(seen.steps, 1);
        strcpy(w.args.resume_from_checkpoint, "");
    }
    end(&w);
}

static void set_killable(world *w) {
    w->args.max_steps = 12;
    w->args.save_steps = 1;
    w->args.save_total_limit = 2;
    w->args.threads = 1;
}

/* Killed at moments that fall anywhere, the middle of a save included. */
static void a_killed_run_goes_on_to_the_same_bits(void **state) {
    (void)state;
    world w;
    begin(&w, 0.1);
    set_killable(&w);
    write_to(&w, "whole");
    watcher seen = {0};
    check(&w, !train_watched(&w, &seen));
    size_t n;
    float *want = weights_of(&w, &n);
    for (int turn = 0; turn < 12; turn++) {
        char name[32];
        snprintf(name, sizeof name, "kill-%d", turn);
        write_to(&w, name);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            bert_error e = {0};
            bert_model_options o = bert_dataset_model(w.train);
            bert_model *m = bert_model_open(w.dir, &o, &e);
            bert_trainer *t = bert_trainer_new(m, &w.args, w.train, NULL, &e);
            bert_trainer_train(t, &e);
            _exit(0);
        }
        usleep(3000 + (useconds_t)turn * 2500);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        open_model(&w);
        strcpy(w.args.resume_from_checkpoint, "last");
        int rc = train_watched(&w, &(watcher){0});
        if (rc == BERT_ENOTFOUND) { /* killed before the first checkpoint */
            bert_error_clear(&w.e);
            strcpy(w.args.resume_from_checkpoint, "");
            open_model(&w);
            rc = train_watched(&w, &(watcher){0});
        }
        check(&w, !rc);
        strcpy(w.args.resume_from_checkpoint, "");
        float *got = weights_of(&w, &n);
        assert_memory_equal(got, want, n * sizeof *got);
        free(got);
        int litter = 0;
        for (int step = 0; step <= 12; step++) {
            snprintf(name, sizeof name, ".new-checkpoint-%d", step);
            litter += there(&w, name);
            snprintf(name, sizeof name, ".old-checkpoint-%d", step);
            litter += there(&w, name);
        }
        assert_int_equal(litter, 0);
        assert_true(there(&w, "checkpoint-12"));
    }
    free(want);
    end(&w);
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *message;
    } wrong[] = {
        {"load_best_model_at_end", "true", "eval_strategy"},
        {"early_stopping_patience", "2", "eval_strategy"},
        {"save_strategy", "best", "eval_strategy"},
        {"lr_scheduler_type", "reduce_lr_on_plateau", "eval_strategy"},
        {"lr_scheduler_kwargs", "{\"power\": 2}", "takes none"},
        {"metric_for_best_model", "f1", "f1 is not computed; loss, accuracy"},
        {"metrics", "pearson", "accuracy"},
        {"class_weights", "1,2", "3 numbers"},
        {"class_weights", "1,2,3,4", "3 numbers"},
        {"class_weights", "1,2,x", "3 numbers"},
        {"freeze", "encoder", "no parameter"},
        {"freeze", "bert,classifier", "left to train"},
        {"resume_from_checkpoint", "last", "output_dir"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        world w;
        begin(&w, 0);
        check(&w, !bert_training_set(&w.args, wrong[i].name, wrong[i].value, &w.e));
        assert_null(bert_trainer_new(w.model, &w.args, w.train, w.validation, &w.e));
        assert_int_equal(w.e.code, BERT_EINVAL);
        if (!strstr(w.e.message, wrong[i].message)) fail_msg("%s", w.e.message);
        end(&w);
    }
    world w;
    begin(&w, 0);
    w.args.eval_strategy = BERT_STRATEGY_EPOCH;
    assert_null(bert_trainer_new(w.model, &w.args, w.train, NULL, &w.e));
    bert_error_clear(&w.e);
    w.args.eval_strategy = BERT_STRATEGY_NO;
    assert_null(bert_trainer_new(w.base, &w.args, w.train, NULL, &w.e));
    assert_non_null(strstr(w.e.message, "trainable"));
    end(&w);
}

static int lines_of(const world *w, const char *name, char *text, size_t capacity) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", w->args.output_dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(text, 1, capacity - 1, f);
    fclose(f);
    text[n] = 0;
    int lines = 0;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    return lines;
}

/* log.jsonl has a line for each log and evaluation, and a resumed run's has each of them once. */
static void logs_are_written(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    static char text[1 << 16];
    write_to(&w, "log");
    w.args.logging_steps = 5;
    w.args.eval_strategy = w.args.save_strategy = BERT_STRATEGY_STEPS;
    w.args.eval_steps = w.args.save_steps = 6;
    w.args.max_steps = 20;
    w.args.report_to = BERT_REPORT_TENSORBOARD;
    watcher c = {.stop_at = 13, .stop_on = BERT_ON_STEP_END};
    open_model(&w);
    bert_trainer *t = watched(&w, &c);
    assert_int_equal(bert_trainer_train(t, &w.e), BERT_EINTERRUPTED);
    bert_trainer_free(t);
    assert_int_equal(lines_of(&w, "log.jsonl", text, sizeof text), 2 + 2);
    bert_error_clear(&w.e);
    strcpy(w.args.resume_from_checkpoint, "last");
    c = (watcher){0};
    open_model(&w);
    t = watched(&w, &c);
    check(&w, !bert_trainer_train(t, &w.e));
    assert_int_equal(bert_trainer_get_state(t)->eval_batches, 0);
    bert_trainer_free(t);
    /* 4 logs, 3 evaluations and that of the last step, the summary */
    assert_int_equal(lines_of(&w, "log.jsonl", text, sizeof text), 4 + 4 + 1);
    assert_non_null(strstr(text, "\"eval_loss\""));
    assert_non_null(strstr(text, "\"train_runtime\""));
    assert_non_null(strstr(text, "\"total_flos\""));
    /* The members of transformers' TrainerState, which takes no others. */
    static const char *const keys[] = {"best_global_step",
                                       "best_metric",
                                       "best_model_checkpoint",
                                       "epoch",
                                       "eval_steps",
                                       "global_step",
                                       "is_hyper_param_search",
                                       "is_local_process_zero",
                                       "is_world_process_zero",
                                       "log_history",
                                       "logging_steps",
                                       "max_steps",
                                       "num_input_tokens_seen",
                                       "save_steps",
                                       "num_train_epochs",
                                       "stateful_callbacks",
                                       "total_flos",
                                       "trial_name",
                                       "train_batch_size",
                                       "trial_params"};
    snprintf(text, sizeof text, "%s/checkpoint-20/trainer_state.json", w.args.output_dir);
    json_t *saved = json_load_file(text, 0, NULL);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_object_get(saved, keys[i])) fail_msg("trainer_state.json lacks %s", keys[i]);
    assert_int_equal(json_object_size(saved), sizeof keys / sizeof *keys);
    json_decref(saved);
    char command[2100];
    snprintf(command, sizeof command, "ls '%s'/runs/events.out.tfevents.* >/dev/null",
             w.args.output_dir);
    assert_int_equal(system(command), 0);
    end(&w);
}

/* ---- Callbacks as transformers' Trainer calls them (tools/golden_trainer_events.py) */

static const char *const event_names[BERT_EVENT_COUNT] = {
    [BERT_ON_INIT_END] = "init_end",
    [BERT_ON_TRAIN_BEGIN] = "train_begin",
    [BERT_ON_EPOCH_BEGIN] = "epoch_begin",
    [BERT_ON_STEP_BEGIN] = "step_begin",
    [BERT_ON_SUBSTEP_END] = "substep_end",
    [BERT_ON_PRE_OPTIMIZER_STEP] = "pre_optimizer_step",
    [BERT_ON_OPTIMIZER_STEP] = "optimizer_step",
    [BERT_ON_STEP_END] = "step_end",
    [BERT_ON_LOG] = "log",
    [BERT_ON_PREDICTION_STEP] = "prediction_step",
    [BERT_ON_EVALUATE] = "evaluate",
    [BERT_ON_PREDICT] = "predict",
    [BERT_ON_SAVE] = "save",
    [BERT_ON_EPOCH_END] = "epoch_end",
    [BERT_ON_TRAIN_END] = "train_end",
};

/* A step that is not an epoch's last has read gradient_accumulation_steps batches. */
static unsigned check_epoch(void *context, bert_event event, const bert_trainer_state *s) {
    static const double want[] = {0, 3 / 7., 6 / 7., 1, 1 + 3 / 7., 1 + 6 / 7., 2};
    (void)context;
    if (event == BERT_ON_STEP_END) assert_float_equal(s->epoch, want[s->global_step], 1e-12);
    return 0;
}

static void parts_of_an_epoch_are_batches(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.num_train_epochs = 2;
    w.args.per_device_train_batch_size = 10; /* 7 batches */
    w.args.gradient_accumulation_steps = 3;
    bert_trainer *t = trainer_of(&w);
    check(&w, !bert_trainer_add_callback(t, check_epoch, NULL, &w.e));
    check(&w, !bert_trainer_train(t, &w.e));
    assert_int_equal(bert_trainer_get_state(t)->global_step, 6);
    bert_trainer_free(t);
    end(&w);
}

typedef struct {
    json_t *seen;
    int64_t stop_at;
} recorder;

static unsigned record(void *context, bert_event event, const bert_trainer_state *s) {
    recorder *r = context;
    json_array_append_new(r->seen,
                          json_pack("[s,I]", event_names[event], (json_int_t)s->global_step));
    return event == BERT_ON_STEP_END && s->global_step == r->stop_at ? BERT_DO_STOP : 0;
}

static void callbacks_come_as_in_transformers(void **state) {
    (void)state;
    json_t *golden = json_load_file(BERT_SOURCE_DIR "/tests/golden/trainer_events.json", 0, NULL);
    assert_non_null(golden);
    size_t i;
    json_t *c, *value;
    const char *name;
    json_array_foreach(json_object_get(golden, "cases"), i, c) {
        world w;
        begin_with(&w, SINGLE, 0, (int)json_integer_value(json_object_get(golden, "rows")),
                   (int)json_integer_value(json_object_get(golden, "held")));
        w.args.per_device_train_batch_size = w.args.per_device_eval_batch_size = 5;
        json_object_foreach(json_object_get(c, "arguments"), name, value)
            check(&w, !bert_training_set(&w.args, name, json_string_value(value), &w.e));
        write_to(&w, "events");
        recorder r = {json_array(), json_integer_value(json_object_get(c, "stop_at"))};
        bert_trainer *t = trainer_of(&w);
        check(&w, !bert_trainer_add_callback(t, record, &r, &w.e));
        check(&w, !bert_trainer_train(t, &w.e));
        json_t *want = json_object_get(c, "events");
        for (size_t k = 0; k < json_array_size(want) || k < json_array_size(r.seen); k++) {
            json_t *a = json_array_get(r.seen, k), *b = json_array_get(want, k);
            if (a && b && json_equal(a, b)) continue;
            fail_msg("case %zu, event %zu: %s at %d, not %s at %d", i, k,
                     json_string_value(json_array_get(a, 0)),
                     (int)json_integer_value(json_array_get(a, 1)),
                     json_string_value(json_array_get(b, 0)),
                     (int)json_integer_value(json_array_get(b, 1)));
        }
        bert_trainer_free(t);
        json_decref(r.seen);
        end(&w);
    }
    json_decref(golden);
}

static int count_row(void *context, int64_t row, const float *logits, int32_t n) {
    int64_t *rows = context;
    assert_int_equal(row, (*rows)++);
    assert_int_equal(n, 3);
    return isfinite(logits[n - 1]) ? 0 : -1;
}

static void predictions_are_measured_but_not_logged(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    bert_trainer *t = trainer_of(&w);
    recorder r = {.seen = json_array()};
    check(&w, !bert_trainer_add_callback(t, record, &r, &w.e));
    int64_t rows = 0;
    double predicted = 0, evaluated = 1;
    const bert_metrics *m = bert_trainer_predict(t, w.validation, count_row, &rows, &w.e);
    check(&w, m && bert_metrics_find(m, "loss", &predicted));
    const bert_trainer_state *s = bert_trainer_get_state(t);
    assert_string_equal(s->log_name[0], "test_loss");
    assert_true(s->log_value[0] == predicted);
    assert_int_equal(rows, TINY_ROWS);
    json_t *last = json_array_get(r.seen, json_array_size(r.seen) - 1);
    assert_string_equal(json_string_value(json_array_get(last, 0)), "predict");
    size_t k;
    json_array_foreach(r.seen, k, last)
        assert_string_not_equal(json_string_value(json_array_get(last, 0)), "log");
    m = bert_trainer_evaluate(t, NULL, &w.e);
    check(&w, m && bert_metrics_find(m, "loss", &evaluated));
    assert_true(predicted == evaluated);
    assert_null(bert_trainer_predict(t, NULL, NULL, NULL, &w.e));
    json_decref(r.seen);
    bert_trainer_free(t);
    end(&w);
}

static void a_chain_of_missing_objects_keeps_the_first_error(void **state) {
    (void)state;
    bert_error e = {0};
    const bert_training_args args = bert_training_default();
    bert_model *base = bert_model_open("/nowhere/at/all", NULL, &e);
    bert_dataset *train = bert_dataset_open("train.csv", base, NULL, &e);
    bert_model *model = bert_dataset_open_model(train, &e);
    bert_trainer *trainer = bert_trainer_new(model, &args, train, NULL, &e);
    assert_int_equal(bert_trainer_train(trainer, &e), BERT_EINVAL);
    assert_int_equal(bert_trainer_save(trainer, &e), BERT_EINVAL);
    assert_null(bert_trainer_evaluate(trainer, NULL, &e));
    bert_session *session = bert_session_new(model, NULL, &e);
    bert_text text = bert_text_of("a");
    float out;
    bert_outputs outputs;
    assert_int_equal(bert_classify(session, &text, 1, NULL, BERT_SCORES_DEFAULT, &out, NULL, &e),
                     BERT_EINVAL);
    assert_int_equal(bert_embed(session, &text, 1, NULL, &out, NULL, &e), BERT_EINVAL);
    assert_int_equal(bert_session_run(session, NULL, 0, &outputs, &e), BERT_EINVAL);
    assert_int_equal(e.code, BERT_ENOTFOUND);
    assert_non_null(strstr(e.message, "/nowhere/at/all"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_equal_those_of_pytorch),
        cmocka_unit_test(accumulation_equals_the_large_batch),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(a_resumed_run_is_the_same_to_the_bit),
        cmocka_unit_test(a_checkpoint_of_another_run_is_refused),
        cmocka_unit_test(it_learns_and_leaves_a_whole_model),
        cmocka_unit_test(early_stopping_counts_evaluations),
        cmocka_unit_test(layers_computed_again_are_the_same),
        cmocka_unit_test(rows_come_in_the_order_that_is_asked_for),
        cmocka_unit_test(a_checkpoint_may_hold_the_model_only),
        cmocka_unit_test(a_plateau_lowers_the_learning_rate),
        cmocka_unit_test(the_best_is_kept_and_loaded),
        cmocka_unit_test(what_is_not_finite_ends_the_run),
        cmocka_unit_test(a_frozen_part_stays_as_it_is),
        cmocka_unit_test(layers_learn_at_their_own_rates),
        cmocka_unit_test(a_full_disk_keeps_the_last_checkpoint),
        cmocka_unit_test(a_killed_run_goes_on_to_the_same_bits),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(logs_are_written),
        cmocka_unit_test(parts_of_an_epoch_are_batches),
        cmocka_unit_test(callbacks_come_as_in_transformers),
        cmocka_unit_test(predictions_are_measured_but_not_logged),
        cmocka_unit_test(a_chain_of_missing_objects_keeps_the_first_error),
    };
    /* Checkpoints are synced to disk, some hundred times here. */
    if (!access("/dev/shm", W_OK)) setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
