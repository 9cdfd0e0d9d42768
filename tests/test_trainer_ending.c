/* How training ends: by which metric and why, which weights are the best, what a finished directory
 * is safe from. */
#include "trainer_world.h"

static bert_trainer *trained(world *w) {
    bert_trainer *t = trainer_of(w);
    check(w, !bert_trainer_train(t, &w->e));
    return t;
}

static void ends(const bert_trainer *t, bert_ending ending, const char *why) {
    const bert_trainer_state *s = bert_trainer_get_state(t);
    if (s->ending != ending || !strstr(s->why, why))
        fail_msg("%d: %s; wanted %d: %s", (int)s->ending, s->why, (int)ending, why);
}

static json_t *read_json(const world *w, const char *name) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", w->args.output_dir, name);
    json_t *json = json_load_file(path, 0, NULL);
    if (!json) fail_msg("%s: cannot be read", path);
    return json;
}

static char *read_text(world *w, const char *name) {
    char path[2048], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", w->args.output_dir, name);
    check(w, !bert_read_file(path, 0, &text, &size, &w->e));
    return text;
}

static void validate_on(world *w, const bert_text *texts, const char *const *labels, int n) {
    bert_dataset_options d = bert_dataset_default();
    d.like = w->train;
    bert_dataset_free(w->validation);
    w->validation = bert_dataset_of(texts, labels, n, w->base, &d, &w->e);
    check(w, w->validation);
}

/* A loss of the training data that falls at every evaluation, an accuracy that stays. */
static void set_slow(world *w) {
    w->args.learning_rate = 1e-5;
    w->args.lr_scheduler_type = BERT_SCHEDULE_CONSTANT;
    w->args.max_steps = 12;
    w->args.eval_strategy = BERT_STRATEGY_STEPS;
    w->args.eval_steps = 2;
    w->args.early_stopping_patience = 3;
    w->args.save_strategy = BERT_STRATEGY_NO;
}

static unsigned end_at_three(void *context, bert_event event, const bert_trainer_state *s) {
    (void)context;
    return event == BERT_ON_STEP_END && s->global_step == 3 ? BERT_DO_STOP : 0;
}

static void patience_may_have_a_metric_of_its_own(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    set_slow(&w);
    validate_on(&w, w.rows.texts, w.rows.labels, w.rows.n);
    bert_trainer *t = trained(&w);
    ends(t, BERT_END_COMPLETE, "all 12 steps are done");
    assert_int_equal(bert_trainer_get_state(t)->best_global_step, 12);
    bert_trainer_free(t);

    strcpy(w.args.early_stopping_metric, "eval_accuracy");
    open_model(&w);
    t = trained(&w);
    ends(t, BERT_END_PATIENCE, "early stopping at step 8 (epoch 1.00)");
    ends(t, BERT_END_PATIENCE, "in 3 evaluations accuracy has not improved on 0.");
    assert_int_equal(bert_trainer_get_state(t)->best_global_step, 8); /* by loss */
    bert_trainer_free(t);

    /* The other way round; greater_is_better is of metric_for_best_model alone. */
    strcpy(w.args.metric_for_best_model, "accuracy");
    strcpy(w.args.early_stopping_metric, "loss");
    w.args.greater_is_better = 1;
    open_model(&w);
    t = trained(&w);
    ends(t, BERT_END_COMPLETE, "all 12 steps");
    assert_int_equal(bert_trainer_get_state(t)->best_global_step, 2);
    assert_false(bert_trainer_get_state(t)->is_best);
    bert_trainer_free(t);

    w.args.early_stopping_threshold = 0.5;
    open_model(&w);
    t = trained(&w);
    ends(t, BERT_END_PATIENCE, "by more than 0.5");
    bert_trainer_free(t);
    strcpy(w.args.early_stopping_metric, "f2");
    assert_null(bert_trainer_new(w.model, &w.args, w.train, w.validation, &w.e));
    assert_non_null(strstr(w.e.message, "early_stopping_metric: f2 is not computed; loss"));
    end(&w);
}

static void other_endings_are_told_apart(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.num_train_epochs = 1;
    bert_trainer *t = trainer_of(&w);
    ends(t, BERT_END_NONE, "");
    check(&w, !bert_trainer_train(t, &w.e));
    ends(t, BERT_END_COMPLETE, "its one epoch");
    check(&w, !bert_trainer_add_callback(t, end_at_three, NULL, &w.e));
    check(&w, !bert_trainer_train(t, &w.e));
    ends(t, BERT_END_CALLBACK, "at step 3 of 8");
    bert_trainer_free(t);
    watcher seen = {.stop_at = 2, .stop_on = BERT_ON_STEP_END};
    t = watched(&w, &seen);
    assert_int_equal(bert_trainer_train(t, &w.e), BERT_EINTERRUPTED);
    ends(t, BERT_END_STOPPED, "stopped at step 2 of 8");
    bert_trainer_free(t);
    end(&w);
}

/* Validation data of one class has no area under a curve. */
static void a_metric_without_a_value_is_no_best(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    bert_text texts[TINY_ROWS];
    const char *labels[TINY_ROWS];
    int n = 0;
    for (int i = 0; i < w.held.n; i++)
        if (!strcmp(w.held.labels[i], "1")) {
            texts[n] = w.held.texts[i];
            labels[n++] = w.held.labels[i];
        }
    set_slow(&w);
    validate_on(&w, texts, labels, n);
    strcpy(w.args.metrics, "accuracy,roc_auc_ovr");
    strcpy(w.args.metric_for_best_model, "roc_auc_ovr");
    w.args.early_stopping_patience = 2;
    w.args.load_best_model_at_end = true;
    write_to(&w, "nan");
    bert_trainer *t = trained(&w);
    const bert_trainer_state *s = bert_trainer_get_state(t);
    ends(t, BERT_END_COMPLETE, "all 12 steps");
    assert_int_equal(s->undefined, 6);
    assert_int_equal(s->best_global_step, 0);
    assert_true(isnan(s->best_metric));
    bert_trainer_free(t);
    end(&w);
}

static void names_of_scripts_are_known(void **state) {
    (void)state;
    static const struct {
        const char *problem, *name, *is;
    } cases[] = {
        {SINGLE, "f1", "f1_macro"},
        {SINGLE, "eval_overall_f1", "f1_macro"},
        {SINGLE, "roc_auc", "roc_auc_ovr"}, /* which is not among the usual ones */
        {SINGLE, "f1_weighted", "f1_weighted"},
        {SINGLE, "eval_accuracy", "accuracy"},
        {SINGLE, "", "loss"},
        {"multi_label_classification", "f1", "f1_micro"},
        {"multi_label_classification", "roc_auc", "roc_auc"},
        {"regression", "eval_spearmanr", "spearmanr"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        world w;
        begin_with(&w, cases[i].problem, 0, TINY_ROWS, 8);
        strcpy(w.args.metric_for_best_model, cases[i].name);
        bert_trainer *t = trainer_of(&w);
        const bert_trainer_state *s = bert_trainer_get_state(t);
        assert_string_equal(s->best_metric_name, cases[i].is);
        assert_string_equal(s->stopping_metric_name, cases[i].is);
        const bert_metrics *m = bert_trainer_evaluate(t, NULL, &w.e);
        double value, accuracy;
        check(&w, m && bert_metrics_find(m, cases[i].is, &value));
        assert_int_equal(bert_metrics_find(m, "accuracy", &accuracy), i < 8); /* beside it */
        bert_trainer_free(t);
        end(&w);
    }
}

static void set_worsening(world *w) {
    w->args.max_steps = 12;
    w->args.warmup_steps = 12;
    w->args.learning_rate = 0.5;
    w->args.max_grad_norm = 0;
    w->args.eval_strategy = BERT_STRATEGY_STEPS;
    w->args.eval_steps = 2;
    w->args.load_best_model_at_end = true;
    w->args.report_to = BERT_REPORT_TENSORBOARD;
}

/* What evaluates the best weights after training is no point of the curve at the last step. */
static void the_best_is_not_logged_again(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    set_worsening(&w);
    write_to(&w, "best");
    bert_trainer *t = trained(&w);
    char *before = read_text(&w, "log.jsonl");
    const bert_metrics *m = bert_trainer_evaluate(t, NULL, &w.e);
    check(&w, m);
    double loss = 0;
    assert_true(bert_metrics_find(m, "loss", &loss));
    check(&w, !bert_trainer_save(t, &w.e));
    const bert_trainer_state *s = bert_trainer_get_state(t);
    assert_true(s->best_global_step < 12 && s->best_metric == loss);
    char *after = read_text(&w, "log.jsonl");
    assert_string_equal(before, after);
    json_t *saved = read_json(&w, "trainer_state.json"), *record;
    size_t i;
    json_int_t last = 0;
    json_array_foreach(json_object_get(saved, "log_history"), i, record) {
        if (!json_object_get(record, "eval_loss")) continue;
        const json_int_t step = json_integer_value(json_object_get(record, "step"));
        assert_true(step > last);
        last = step;
    }
    assert_int_equal(last, 12);
    /* The results are those of the model that is saved. */
    json_t *results = read_json(&w, "all_results.json");
    assert_float_equal(json_number_value(json_object_get(results, "eval_loss")), loss, 1e-7);
    json_decref(results);
    json_decref(saved);
    free(before);
    free(after);
    bert_trainer_free(t);
    end(&w);
}

/* Resumes a run of eight steps under arguments that end after four. */
static bert_trainer *resume_past_the_end(world *w) {
    strcpy(w->args.resume_from_checkpoint, "last");
    w->args.max_steps = 4;
    open_model(w);
    bert_trainer *t = trained(w);
    ends(t, BERT_END_NOTHING, "step 8 of 4: nothing is left to train");
    check(w, !bert_trainer_save(t, &w->e));
    return t;
}

static void a_run_without_steps_changes_nothing(void **state) {
    (void)state;
    static const char *const files[] = {"training_args.json", "trainer_state.json", "log.jsonl",
                                        "all_results.json"};
    for (int whole = 0; whole < 2; whole++) {
        world w;
        begin(&w, 0);
        w.args.max_steps = 8;
        w.args.save_steps = 4;
        write_to(&w, "done");
        bert_trainer *t = trained(&w);
        size_t n;
        float *want = weights_of(&w, &n);
        if (whole) check(&w, !bert_trainer_save(t, &w.e));
        bert_trainer_free(t);
        char *before[4] = {NULL};
        for (int i = 0; i < 4 && whole; i++) before[i] = read_text(&w, files[i]);
        t = resume_past_the_end(&w);
        float *got = weights_of(&w, &n);
        assert_memory_equal(got, want, n * sizeof *got);
        for (int i = 0; i < 4 && whole; i++) {
            char *after = read_text(&w, files[i]);
            assert_string_equal(before[i], after);
            free(after);
            free(before[i]);
        }
        /* A run that was killed before it saved the model: this one does, under its arguments. */
        json_t *args = read_json(&w, "training_args.json"),
               *results = read_json(&w, "all_results.json");
        assert_int_equal(json_integer_value(json_object_get(args, "max_steps")), 8);
        assert_int_equal(!json_object_get(results, "train_runtime"), !whole);
        assert_true(there(&w, "model.safetensors"));
        json_decref(args);
        json_decref(results);
        bert_trainer_free(t);
        free(want);
        free(got);
        end(&w);
    }
}

static void a_trained_model_is_not_overwritten_unasked(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    w.args.max_steps = 2;
    w.args.save_strategy = BERT_STRATEGY_NO;
    write_to(&w, "model");
    bert_trainer *t = trained(&w);
    check(&w, !bert_trainer_save(t, &w.e));
    bert_trainer_free(t);
    t = trainer_of(&w);
    assert_int_equal(bert_trainer_train(t, &w.e), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, "holds a trained model"));
    assert_non_null(strstr(w.e.message, "overwrite_output_dir"));
    bert_trainer_free(t);
    bert_error_clear(&w.e);
    w.args.overwrite_output_dir = true;
    w.args.save_strategy = BERT_STRATEGY_STEPS;
    w.args.save_steps = 1;
    bert_trainer_free(trained(&w));
    assert_true(there(&w, "checkpoint-2"));
    /* A shorter run, whose checkpoints are all there are then. */
    w.args.max_steps = 1;
    bert_trainer_free(trained(&w));
    assert_true(there(&w, "checkpoint-1"));
    assert_false(there(&w, "checkpoint-2"));
    /* Nor is the model that is trained, however its directory is spelled. */
    snprintf(w.args.output_dir, sizeof w.args.output_dir, "%s/../%s", w.dir,
             strrchr(w.dir, '/') + 1);
    t = trainer_of(&w);
    assert_int_equal(bert_trainer_train(t, &w.e), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, "holds the model that is to be trained"));
    bert_trainer_free(t);
    bert_error_clear(&w.e);
    /* A checkpoint from elsewhere does not make it the run of this directory. */
    snprintf(w.args.resume_from_checkpoint, sizeof w.args.resume_from_checkpoint,
             "%s/model/checkpoint-1", w.out);
    t = trainer_of(&w);
    assert_int_equal(bert_trainer_train(t, &w.e), BERT_EINVAL);
    bert_trainer_free(t);
    bert_error_clear(&w.e);
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patience_may_have_a_metric_of_its_own),
        cmocka_unit_test(other_endings_are_told_apart),
        cmocka_unit_test(a_metric_without_a_value_is_no_best),
        cmocka_unit_test(names_of_scripts_are_known),
        cmocka_unit_test(the_best_is_not_logged_again),
        cmocka_unit_test(a_run_without_steps_changes_nothing),
        cmocka_unit_test(a_trained_model_is_not_overwritten_unasked),
    };
    write_to_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
