/* Checkpoints of the trainer: resuming from each, what is kept, what a full disk or a kill leaves.
 */
#include "train/trainer.h"
#include "trainer_world.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

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

/* Families whose layers are not BERT's, stopped in the middle of an epoch. */
static void resume_of_family(const char *config) {
    world w;
    begin_as(&w, config, SINGLE, 0.1, TINY_ROWS, TINY_ROWS);
    set_resumable(&w);
    write_to(&w, "whole");
    watcher whole = {0}, first = {.stop_at = 6, .stop_on = BERT_ON_STEP_END}, second = {0};
    check(&w, !train_watched(&w, &whole));
    size_t n;
    float *want = weights_of(&w, &n);
    write_to(&w, "stopped");
    open_model(&w);
    assert_int_equal(train_watched(&w, &first), BERT_EINTERRUPTED);
    bert_error_clear(&w.e);
    strcpy(w.args.resume_from_checkpoint, "last");
    open_model(&w);
    check(&w, !train_watched(&w, &second));
    assert_memory_equal(second.loss, whole.loss + 6, 6 * sizeof *whole.loss);
    float *got = weights_of(&w, &n);
    assert_memory_equal(got, want, n * sizeof *got);
    free(got);
    free(want);
    end(&w);
}

#define SIZES                                                                                      \
    "\"vocab_size\": 40, \"hidden_size\": 32, \"num_hidden_layers\": 2, "                          \
    "\"num_attention_heads\": 4, \"intermediate_size\": 48, \"num_labels\": 3, "                   \
    "\"problem_type\": \"" SINGLE "\", \"pad_token_id\": 0, \"max_position_embeddings\": 22"
static void a_resumed_run_of_another_family_is_the_same_to_the_bit(void **state) {
    (void)state;
    resume_of_family("{\"model_type\": \"mpnet\", \"architectures\": "
                     "[\"MPNetForSequenceClassification\"], " SIZES "}");
    resume_of_family("{\"model_type\": \"modernbert\", \"local_attention\": 6, "
                     "\"mlp_dropout\": 0.1, \"attention_dropout\": 0.1, \"architectures\": "
                     "[\"ModernBertForSequenceClassification\"], " SIZES "}");
    resume_of_family("{\"model_type\": \"gte\", \"architectures\": "
                     "[\"GteForSequenceClassification\"], " SIZES "}");
    resume_of_family("{\"model_type\": \"deberta-v2\", \"relative_attention\": true, "
                     "\"position_buckets\": 6, \"pos_att_type\": \"p2c|c2p\", "
                     "\"share_att_key\": true, \"norm_rel_ebd\": \"layer_norm\", "
                     "\"architectures\": [\"DebertaV2ForSequenceClassification\"], " SIZES "}");
    resume_of_family("{\"model_type\": \"deberta-v2\", \"relative_attention\": true, "
                     "\"position_buckets\": 6, \"pos_att_type\": \"p2c|c2p\", "
                     "\"share_att_key\": true, \"conv_kernel_size\": 3, "
                     "\"architectures\": [\"DebertaV2ForSequenceClassification\"], " SIZES "}");
    resume_of_family("{\"model_type\": \"esm\", \"position_embedding_type\": \"rotary\", "
                     "\"token_dropout\": true, \"mask_token_id\": 4, \"architectures\": "
                     "[\"EsmForSequenceClassification\"], " SIZES "}");
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

/* By its path as the resumed run spells it, or rotation would take it for an old one. */
static void the_best_is_kept_by_a_resumed_run(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    set_worsening(&w);
    w.args.save_total_limit = 1;
    write_to(&w, "best");
    watcher first = {.stop_at = 20, .stop_on = BERT_ON_STEP_END};
    assert_int_equal(train_watched(&w, &first), BERT_EINTERRUPTED);
    bert_error_clear(&w.e);
    write_to(&w, "./best");
    strcpy(w.args.resume_from_checkpoint, "last");
    open_model(&w);
    bert_trainer *t = trainer_of(&w);
    check(&w, !bert_trainer_train(t, &w.e));
    const bert_trainer_state *s = bert_trainer_get_state(t);
    assert_true(s->best_global_step < 20);
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%d", (int)s->best_global_step);
    assert_true(there(&w, name));
    bert_trainer_free(t);
    end(&w);
}

/* The best of an evaluation's metric by the log, and its step. */
static double best_logged(const bert_trainer *t, const char *key, int64_t *step) {
    const json_t *record;
    double best = -1;
    size_t i;
    json_array_foreach(t->log_history, i, record) {
        const json_t *v = json_object_get(record, key);
        if (!json_is_number(v) || json_number_value(v) <= best) continue;
        best = json_number_value(v);
        *step = json_integer_value(json_object_get(record, "step"));
    }
    return best;
}

/* It is not the best by the metric of before. */
static void a_resumed_run_may_have_another_metric(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    set_worsening(&w);
    w.args.load_best_model_at_end = false;
    w.args.early_stopping_patience = 100;
    strcpy(w.args.metric_for_best_model, "loss");
    write_to(&w, "other");
    watcher first = {.stop_at = 20, .stop_on = BERT_ON_STEP_END};
    assert_int_equal(train_watched(&w, &first), BERT_EINTERRUPTED);
    bert_error_clear(&w.e);
    strcpy(w.args.resume_from_checkpoint, "last");
    strcpy(w.args.metric_for_best_model, "accuracy");
    open_model(&w);
    bert_trainer *t = trainer_of(&w);
    check(&w, !bert_trainer_train(t, &w.e));
    const bert_trainer_state *s = bert_trainer_get_state(t);
    int64_t step = 0;
    assert_string_equal(s->best_metric_name, "accuracy");
    assert_float_equal(s->best_metric, best_logged(t, "eval_accuracy", &step), 1e-9);
    assert_int_equal(s->best_global_step, step);
    bert_trainer_free(t);
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

/* Nor does it touch what the other run is about to finish. */
static void a_second_run_into_a_directory_is_refused(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    set_resumable(&w);
    write_to(&w, "shared");
    char path[2048];
    snprintf(path, sizeof path, "%s/.new-checkpoint-5", w.args.output_dir);
    check(&w, !bert_make_directory(path, &w.e));
    int other = open(w.args.output_dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(other, LOCK_EX), 0);
    /* a look at the directory, by who has not taken it */
    check(&w, !bert_training_check_output(&w.args, w.dir, &w.e));
    assert_true(there(&w, ".new-checkpoint-5"));
    assert_int_equal(train_watched(&w, &(watcher){0}), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, "another training"));
    assert_true(there(&w, ".new-checkpoint-5"));
    assert_false(there(&w, "log.jsonl"));
    close(other);
    bert_error_clear(&w.e);
    check(&w, !train_watched(&w, &(watcher){0}));
    assert_false(there(&w, ".new-checkpoint-5"));
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resumed_run_is_the_same_to_the_bit),
        cmocka_unit_test(a_resumed_run_of_another_family_is_the_same_to_the_bit),
        cmocka_unit_test(a_checkpoint_of_another_run_is_refused),
        cmocka_unit_test(a_checkpoint_may_hold_the_model_only),
        cmocka_unit_test(the_best_is_kept_and_loaded),
        cmocka_unit_test(the_best_is_kept_by_a_resumed_run),
        cmocka_unit_test(a_resumed_run_may_have_another_metric),
        cmocka_unit_test(a_second_run_into_a_directory_is_refused),
        cmocka_unit_test(a_full_disk_keeps_the_last_checkpoint),
        cmocka_unit_test(a_killed_run_goes_on_to_the_same_bits),
    };
    write_to_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
