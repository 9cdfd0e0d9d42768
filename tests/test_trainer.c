/* The trainer on a tiny model: PyTorch's losses, what is learned and when it stops, what is
 * refused. */
#include "trainer_world.h"

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

static float first_value(const bert_param *p) {
    int32_t rows, cols;
    bert_param_shape(p, &rows, &cols);
    float *all = malloc((size_t)rows * (size_t)cols * sizeof *all);
    assert_non_null(all);
    bert_param_read(p, all);
    const float first = all[0];
    free(all);
    return first;
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
    for (int i = 0; i < 5; i++) before[i] = first_value(bert_params_find(ps, want[i].name));
    watcher seen = {0};
    check(&w, !train_watched(&w, &seen));
    for (int i = 0; i < 5; i++) {
        double moved = (double)first_value(bert_params_find(ps, want[i].name)) - (double)before[i];
        assert_float_equal(fabs(moved), want[i].rate * w.args.learning_rate, 2e-6);
    }
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
        {"metric_for_best_model", "f2", "f2 is not computed; loss, accuracy"},
        {"metrics", "pearson", "accuracy"},
        {"class_weights", "1,2", "3 numbers"},
        {"class_weights", "1,2,3,4", "3 numbers"},
        {"class_weights", "1,2,x", "3 numbers"},
        {"class_weights", "1,2,1e39", "3 numbers"},
        {"class_weights", "0,0,1e-50", "no row counts"},
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

static unsigned ignore(void *context, bert_event event, const bert_trainer_state *s) {
    (void)context, (void)event, (void)s;
    return 0;
}

static void members_out_of_range_are_refused(void **state) {
    (void)state;
    world w;
    begin(&w, 0);
    for (int i = 0; i < 7; i++) {
        bert_training_args a = w.args;
        static const char *const message[] = {"gradient_accumulation_steps: 0",
                                              "logging_steps: 0",
                                              "save_steps: 0",
                                              "num_train_epochs: ",
                                              "learning_rate: ",
                                              "lr_scheduler_type: 99",
                                              "eval_strategy: -1"};
        if (i == 0) a.gradient_accumulation_steps = 0;
        if (i == 1) a.logging_steps = 0;
        if (i == 2) a.save_steps = 0;
        if (i == 3) a.num_train_epochs = (double)NAN;
        if (i == 4) a.learning_rate = -1;
        if (i == 5) a.lr_scheduler_type = (bert_schedule_type)99;
        if (i == 6) a.eval_strategy = (bert_strategy)-1;
        assert_null(bert_trainer_new(w.model, &a, w.train, w.validation, &w.e));
        assert_int_equal(w.e.code, BERT_EINVAL);
        if (!strstr(w.e.message, message[i])) fail_msg("%s", w.e.message);
        bert_error_clear(&w.e);
    }
    end(&w);
}

/* What a loop of one's own calls, with nothing there. */
static void loop_over_nothing(bert_model *model, bert_dataset *set, bert_error *e) {
    const bert_loader_options order = {.batch_size = 2};
    bert_loader *loader = bert_loader_new(set, &order, e);
    assert_null(loader);
    bert_batch batch;
    assert_int_equal(bert_loader_get(loader, 0, 0, &batch, e), BERT_EINVAL);
    bert_dataset_summary summary;
    assert_int_equal(bert_dataset_summarize(set, &summary, e), BERT_EINVAL);
    assert_int_equal(bert_dataset_duplicates(set, set, e), BERT_EINVAL);
    bert_metrics *metrics = bert_evaluate(model, set, NULL, e);
    assert_null(metrics);
    assert_int_equal(bert_metrics_update(metrics, NULL, NULL, NULL, 0, e), BERT_EINVAL);
    assert_int_equal(bert_metrics_compute(metrics, e), BERT_EINVAL);
    assert_int_equal(bert_model_save(model, "nowhere", e), BERT_EINVAL);
    bert_row row;
    assert_int_equal(bert_reader_next(NULL, &row, e), BERT_EINVAL);
    bert_tape *t = bert_tape_new(NULL, NULL);
    for (int i = 0; i < 4; i++) {
        bert_tape_reset(t);
        bert_tensor *x = bert_constant(t, (float[]){1}, 1, 1, false);
        assert_null(i == 0   ? bert_forward(t, model, &batch.inputs)
                    : i == 1 ? bert_pooler(t, model, x, &batch.inputs)
                    : i == 2 ? bert_head_forward(t, model, x, &batch)
                             : bert_head_loss(t, model, x, &batch, 0));
        assert_int_equal(bert_tape_error(t, NULL), BERT_EINVAL);
    }
    bert_tape_free(t);
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
    assert_int_equal(bert_trainer_add_callback(trainer, ignore, NULL, &e), BERT_EINVAL);
    loop_over_nothing(model, train, &e);
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
        cmocka_unit_test(it_learns_and_leaves_a_whole_model),
        cmocka_unit_test(early_stopping_counts_evaluations),
        cmocka_unit_test(a_plateau_lowers_the_learning_rate),
        cmocka_unit_test(layers_computed_again_are_the_same),
        cmocka_unit_test(rows_come_in_the_order_that_is_asked_for),
        cmocka_unit_test(what_is_not_finite_ends_the_run),
        cmocka_unit_test(a_frozen_part_stays_as_it_is),
        cmocka_unit_test(layers_learn_at_their_own_rates),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(members_out_of_range_are_refused),
        cmocka_unit_test(a_chain_of_missing_objects_keeps_the_first_error),
    };
    write_to_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
