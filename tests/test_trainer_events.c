/* What the trainer tells while it runs: its logs, and callbacks as transformers calls them. */
#include "trainer_world.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_are_written),
        cmocka_unit_test(parts_of_an_epoch_are_batches),
        cmocka_unit_test(callbacks_come_as_in_transformers),
        cmocka_unit_test(predictions_are_measured_but_not_logged),
    };
    write_to_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
