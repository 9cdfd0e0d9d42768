/* The table of training arguments: defaults, flags, JSON. */
#include "base/file.h"
#include "test.h"
#include <bert_train.h>
#include <jansson.h>

static void defaults_are_those_of_transformers(void **state) {
    (void)state;
    bert_training_args a = bert_training_default();
    assert_float_equal(a.learning_rate, 5e-5, 0);
    assert_float_equal(a.num_train_epochs, 3, 0);
    assert_float_equal(a.max_grad_norm, 1, 0);
    assert_float_equal(a.weight_decay, 0, 0);
    assert_float_equal(a.adam_beta1, .9, 0);
    assert_float_equal(a.adam_beta2, .999, 0);
    assert_float_equal(a.adam_epsilon, 1e-8, 0);
    assert_float_equal(a.label_smoothing_factor, 0, 0);
    assert_int_equal(a.per_device_train_batch_size, 8);
    assert_int_equal(a.per_device_eval_batch_size, 8);
    assert_int_equal(a.gradient_accumulation_steps, 1);
    assert_int_equal(a.max_steps, -1);
    assert_int_equal(a.warmup_steps, 0);
    assert_int_equal(a.seed, 42);
    assert_int_equal(a.lr_scheduler_type, BERT_SCHEDULE_LINEAR);
    assert_int_equal(a.logging_strategy, BERT_STRATEGY_STEPS);
    assert_int_equal(a.logging_steps, 500);
    assert_int_equal(a.eval_strategy, BERT_STRATEGY_NO);
    assert_int_equal(a.save_strategy, BERT_STRATEGY_STEPS);
    assert_int_equal(a.save_steps, 500);
    assert_int_equal(a.greater_is_better, -1);
    assert_int_equal(a.precision, BERT_PRECISION_HIGHEST);
    assert_false(a.load_best_model_at_end);
}

/* tools/golden_training_arguments.py: all of them, with values that are our defaults, or ask for
 * what is so anyway. */
static void a_file_of_transformers_is_read(void **state) {
    (void)state;
    const bert_training_args before = bert_training_default();
    bert_training_args a = before;
    bert_error e = {0};
    if (bert_training_load(&a, BERT_SOURCE_DIR "/tests/golden/training_arguments.json", &e))
        fail_msg("%s", e.message);
    bert_training_arg arg;
    for (int i = 0; bert_training_arg_at(i, &arg); i++) {
        char was[2048], is[2048];
        bert_training_get(&before, arg.name, was, sizeof was);
        bert_training_get(&a, arg.name, is, sizeof is);
        if (strcmp(was, is)) fail_msg("%s: %s there, %s here", arg.name, is, was);
    }
}

static void every_argument_has_a_text_form(void **state) {
    (void)state;
    bert_training_args a = bert_training_default(), b = bert_training_default();
    bert_training_arg arg;
    bert_error e = {0};
    char text[2048];
    for (int i = 0; bert_training_arg_at(i, &arg); i++) {
        assert_true(bert_training_get(&a, arg.name, text, sizeof text) >= 0);
        assert_string_equal(text, arg.fallback);
        assert_true(strlen(arg.help) > 5);
        char flag[64];
        snprintf(flag, sizeof flag, "%s", arg.name);
        for (char *p = flag; *p; p++)
            if (*p == '_') *p = '-';
        /* The last of the choices, or a number that is not the default. */
        const char *bar = strrchr(arg.type, '|'), *value = bar ? bar + 1 : "1";
        if (!bar && !strcmp(value, text)) value = strstr(arg.name, "decay") ? "0.5" : "7";
        if (strstr(arg.name, "beta") || strstr(arg.name, "smoothing")) value = "0.25";
        assert_int_equal(bert_training_set(&b, flag, value, &e), 0);
        bert_training_get(&b, arg.name, text, sizeof text);
        assert_string_equal(text, value);
    }
    assert_int_equal(e.code, 0);
    assert_float_equal(b.learning_rate, 1, 0);
    assert_int_equal(b.save_strategy, BERT_STRATEGY_BEST);
    assert_int_equal(b.greater_is_better, 1);

    char *dir = test_directory(), *path = bert_path_join(dir, "args.json");
    assert_int_equal(bert_training_save(&b, path, &e), 0);
    bert_training_args c = bert_training_default();
    assert_int_equal(bert_training_load(&c, path, &e), 0);
    char again[2048];
    for (int i = 0; bert_training_arg_at(i, &arg); i++) {
        bert_training_get(&b, arg.name, text, sizeof text);
        bert_training_get(&c, arg.name, again, sizeof again);
        assert_string_equal(text, again);
    }
    /* What is not set is null, as transformers has it: "" would be the name of a metric there. */
    const bert_training_args none = bert_training_default();
    assert_int_equal(bert_training_save(&none, path, &e), 0);
    json_t *saved = json_load_file(path, 0, NULL);
    static const char *const unset[] = {"metric_for_best_model", "greater_is_better", "eval_steps",
                                        "data_seed", "resume_from_checkpoint"};
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
        assert_true(json_is_null(json_object_get(saved, unset[i])));
    json_decref(saved);
    assert_int_equal(bert_training_load(&c, path, &e), 0);
    bert_training_get(&c, "greater_is_better", text, sizeof text);
    assert_string_equal(text, "auto");
    assert_int_equal(c.data_seed, -1);
    free(path);
    test_remove(dir);
}

static void wrong_values_are_refused(void **state) {
    (void)state;
    static const char *const wrong[][3] = {
        {"learning_rate", "fast", "number"},
        {"learning_rate", "-1", "number"},
        {"learning_rate", "nan", "number"},
        {"logging_steps", "0", "a part of all steps"},
        {"save_steps", "1.5", "a part of all steps"},
        {"per-device-train-batch-size", "0", "whole number"},
        {"per-device-train-batch-size", "1.5", "whole number"},
        {"eval_strategy", "epochs", "no|steps|epoch"},
        {"eval_strategy", "best", "no|steps|epoch"},
        {"load_best_model_at_end", "maybe", "true|false"},
        {"fp16", "true", "no such training argument; precision medium"},
        {"do-train", "true", "no such training argument; bert train"},
        {"learningrate", "1", "no such training argument"},
        {"learning_rat", "1", "no such training argument"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bert_training_args a = bert_training_default();
        bert_error e = {0};
        assert_int_equal(bert_training_set(&a, wrong[i][0], wrong[i][1], &e), BERT_EINVAL);
        if (!strstr(e.message, wrong[i][2])) fail_msg("%s", e.message);
    }
}

static void json_files_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"[]", "not a JSON object"},
        {"{\"learning_rate\": 1e-4, \"epochs\": 3}", "epochs"},
        {"{\"learning_rate\": 1e-4, \"seed\": {}}", "seed"},
        {"{\"seed\": \"x\"}", "seed"},
        {"{\"bf16\": true}", "precision medium"},
        {"{\"optim\": \"adafactor\"}", "AdamW"},
        {"{\"bf17\": false}", "no such training argument"},
    };
    char *dir = test_directory(), *path = bert_path_join(dir, "args.json");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bert_training_args a = bert_training_default();
        bert_error e = {0};
        assert_int_equal(bert_write_file(path, bad[i].text, strlen(bad[i].text), &e), 0);
        assert_true(bert_training_load(&a, path, &e) < 0);
        if (!strstr(e.message, bad[i].message)) fail_msg("%s", e.message);
        assert_float_equal(a.learning_rate, 5e-5, 0); /* all or nothing */
    }
    const char *good = "{\"learning_rate\": 1e-4, \"class_weights\": [1, 2.5], \"seed\": null, "
                       "\"load_best_model_at_end\": true, \"eval_strategy\": \"epoch\", "
                       "\"lr_scheduler_kwargs\": {\"num_cycles\": 2}}";
    bert_training_args a = bert_training_default();
    bert_error e = {0};
    a.seed = 1;
    assert_int_equal(bert_write_file(path, good, strlen(good), &e), 0);
    assert_int_equal(bert_training_load(&a, path, &e), 0);
    assert_float_equal(a.learning_rate, 1e-4, 0);
    assert_string_equal(a.class_weights, "1,2.5");
    assert_string_equal(a.lr_scheduler_kwargs, "{\"num_cycles\":2}");
    assert_int_equal(a.seed, 42);
    assert_true(a.load_best_model_at_end);
    assert_int_equal(a.eval_strategy, BERT_STRATEGY_EPOCH);
    free(path);
    test_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_transformers),
        cmocka_unit_test(a_file_of_transformers_is_read),
        cmocka_unit_test(every_argument_has_a_text_form),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(json_files_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
