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

static void words_of_a_command_are_set(void **state) {
    (void)state;
    char rate[] = "learning-rate=1e-3", switched[] = "gradient_checkpointing",
         empty[] = "metrics=", wrong[] = "learningrate=1", never[] = "seed=7";
    char *const good[] = {rate, switched, empty, NULL}, *const bad[] = {wrong, never, NULL};
    bert_training_args a = bert_training_default();
    bert_error e = {0};
    assert_int_equal(bert_training_set_all(&a, good, &e), 0);
    assert_true(a.learning_rate == 1e-3 && a.gradient_checkpointing);
    assert_string_equal(rate, "learning-rate=1e-3");
    assert_int_equal(bert_training_set_all(&a, bad, &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "learningrate: there is no such training argument"));
    assert_int_equal(a.seed, 42);
}

static void json_files_are_checked(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"[]", "not a JSON object"},
        {"{\"learning_rate\": 1e-4, \"epoch_count\": 3}", "epoch_count"},
        {"{\"learning_rate\": 1e-4, \"seed\": {}}", "seed"},
        {"{\"seed\": \"x\"}", "seed"},
        {"{\"bf16\": true}", "precision medium"},
        {"{\"optim\": \"adafactor\"}", "AdamW"},
        {"{\"bf17\": false}", "bf17: there is no such training argument"},
        {"{\"bf17\": false, \"bf16\": true, \"dataset\": \"x\"}",
         "bf17, bf16, dataset: there are no such training arguments; precision medium"},
        {"{\"evaluation_strategy\": \"epochs\"}", "no|steps|epoch"},
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

/* What transformers 4 and 5 and its scripts take has a row here, another name, a reason to change
 * nothing or one that says what there is instead. */
static void every_argument_of_transformers_is_known(void **state) {
    (void)state;
    static const char *const names[] = {
        "output_dir",
        "per_device_train_batch_size",
        "num_train_epochs",
        "max_steps",
        "learning_rate",
        "lr_scheduler_type",
        "lr_scheduler_kwargs",
        "warmup_steps",
        "optim",
        "optim_args",
        "weight_decay",
        "adam_beta1",
        "adam_beta2",
        "adam_epsilon",
        "optim_target_modules",
        "gradient_accumulation_steps",
        "average_tokens_across_devices",
        "max_grad_norm",
        "label_smoothing_factor",
        "bf16",
        "fp16",
        "bf16_full_eval",
        "fp16_full_eval",
        "tf32",
        "activation_checkpointing",
        "activation_checkpointing_kwargs",
        "gradient_checkpointing",
        "gradient_checkpointing_kwargs",
        "torch_compile",
        "torch_compile_backend",
        "torch_compile_mode",
        "use_liger_kernel",
        "liger_kernel_config",
        "use_cache",
        "neftune_noise_alpha",
        "torch_empty_cache_steps",
        "auto_find_batch_size",
        "logging_strategy",
        "logging_steps",
        "logging_first_step",
        "log_on_each_node",
        "logging_nan_inf_filter",
        "include_num_input_tokens_seen",
        "log_level",
        "log_level_replica",
        "disable_tqdm",
        "report_to",
        "run_name",
        "project",
        "trackio_space_id",
        "trackio_bucket_id",
        "trackio_static_space_id",
        "eval_strategy",
        "eval_steps",
        "eval_delay",
        "per_device_eval_batch_size",
        "prediction_loss_only",
        "eval_on_start",
        "eval_do_concat_batches",
        "eval_use_gather_object",
        "eval_accumulation_steps",
        "include_for_metrics",
        "batch_eval_metrics",
        "save_only_model",
        "save_strategy",
        "save_steps",
        "save_on_each_node",
        "save_total_limit",
        "enable_jit_checkpoint",
        "push_to_hub",
        "hub_token",
        "hub_private_repo",
        "hub_model_id",
        "hub_strategy",
        "hub_always_push",
        "hub_revision",
        "load_best_model_at_end",
        "metric_for_best_model",
        "greater_is_better",
        "ignore_data_skip",
        "restore_callback_states_from_checkpoint",
        "full_determinism",
        "seed",
        "data_seed",
        "use_cpu",
        "accelerator_config",
        "parallelism_config",
        "dataloader_drop_last",
        "dataloader_num_workers",
        "dataloader_pin_memory",
        "dataloader_persistent_workers",
        "dataloader_prefetch_factor",
        "dataloader_multiprocessing_context",
        "dataloader_in_order",
        "remove_unused_columns",
        "label_names",
        "train_sampling_strategy",
        "length_column_name",
        "ddp_find_unused_parameters",
        "ddp_bucket_cap_mb",
        "ddp_broadcast_buffers",
        "ddp_static_graph",
        "ddp_backend",
        "ddp_timeout",
        "fsdp",
        "fsdp_config",
        "deepspeed",
        "debug",
        "skip_memory_metrics",
        "do_train",
        "do_eval",
        "do_predict",
        "resume_from_checkpoint",
        "local_rank",
        "overwrite_output_dir",
        "evaluation_strategy",
        "per_gpu_train_batch_size",
        "per_gpu_eval_batch_size",
        "warmup_ratio",
        "logging_dir",
        "save_safetensors",
        "no_cuda",
        "use_mps_device",
        "jit_mode_eval",
        "use_ipex",
        "fp16_opt_level",
        "half_precision_backend",
        "tpu_num_cores",
        "tpu_metrics_debug",
        "past_index",
        "fsdp_min_num_params",
        "fsdp_transformer_layer_cls_to_wrap",
        "adafactor",
        "group_by_length",
        "use_legacy_prediction_loop",
        "include_inputs_for_metrics",
        "fp16_backend",
        "push_to_hub_model_id",
        "push_to_hub_organization",
        "push_to_hub_token",
        "mp_parameters",
        "torchdynamo",
        "ray_scope",
        "dispatch_batches",
        "split_batches",
        "include_tokens_per_second",
        "model_name_or_path",
        "config_name",
        "tokenizer_name",
        "cache_dir",
        "use_fast_tokenizer",
        "model_revision",
        "token",
        "use_auth_token",
        "trust_remote_code",
        "ignore_mismatched_sizes",
        "model_type",
        "config_overrides",
        "torch_dtype",
        "dtype",
        "low_cpu_mem_usage",
        "task_name",
        "dataset_name",
        "dataset_config_name",
        "max_seq_length",
        "overwrite_cache",
        "pad_to_max_length",
        "max_train_samples",
        "max_eval_samples",
        "max_predict_samples",
        "train_file",
        "validation_file",
        "test_file",
        "do_regression",
        "text_column_names",
        "text_column_delimiter",
        "train_split_name",
        "validation_split_name",
        "test_split_name",
        "remove_splits",
        "remove_columns",
        "label_column_name",
        "preprocessing_num_workers",
        "shuffle_train_dataset",
        "shuffle_seed",
        "metric_name",
        "text_column_name",
        "label_all_tokens",
        "return_entity_level_metrics",
        "doc_stride",
        "version_2_with_negative",
        "null_score_diff_threshold",
        "n_best_size",
        "max_answer_length",
        "validation_split_percentage",
        "mlm_probability",
        "line_by_line",
        "streaming",
        "keep_linebreaks",
    };
    bert_training_args a = bert_training_default();
    char text[2048];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const bert_foreign f = bert_training_foreign(names[i], NULL);
        const bool is_ours = bert_training_get(&a, names[i], text, sizeof text) >= 0;
        if (!is_ours && f.kind == BERT_FOREIGN_NONE) fail_msg("%s", names[i]);
        if (f.kind == BERT_FOREIGN_TAKEN) assert_true(*f.name);
        if (f.kind == BERT_FOREIGN_IDLE || f.kind == BERT_FOREIGN_REFUSED)
            if (!is_ours && strlen(f.instead) < 8 && !bert_training_foreign(names[i], "7").name)
                fail_msg("%s: nothing is said", names[i]);
    }
}

static void other_names_are_taken(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *ours, *is; /* ours NULL: it is idle; "": refused */
    } cases[] = {
        {"evaluation_strategy", "epoch", "eval_strategy", "epoch"},
        {"evaluation-strategy", "steps", "eval_strategy", "steps"},
        {"per_gpu_train_batch_size", "4", "per_device_train_batch_size", "4"},
        {"epochs", "2", "num_train_epochs", "2"},
        {"lr", "0.5", "learning_rate", "0.5"},
        {"group_by_length", "True", "train_sampling_strategy", "group_by_length"},
        {"group_by_length", "False", NULL, NULL},
        {"report_to", "wandb", "report_to", "none"},
        {"report_to", "all", "report_to", "tensorboard"},
        {"report_to", "tensorboard,wandb", "report_to", "tensorboard"},
        {"report_to", "tensorboard", "report_to", "tensorboard"},
        {"load_best_model_at_end", "True", "load_best_model_at_end", "true"},
        {"eval_on_start", "yes", "eval_on_start", "true"},
        {"greater_is_better", "False", "greater_is_better", "false"},
        {"push_to_hub", "False", NULL, NULL},
        {"push_to_hub", "0", NULL, NULL},
        {"do_train", "True", NULL, NULL},
        {"disable_tqdm", "True", NULL, NULL},
        {"num_processes", "2", NULL, NULL},
        {"checkpointing_steps", "epoch", "save_strategy", "epoch"},
        {"checkpointing_steps", "7", "save_steps", "7"},
        {"optim", "adamw_torch", NULL, NULL},
        {"optim", "sgd", "", "AdamW"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bert_foreign f = bert_training_foreign(cases[i].name, cases[i].value);
        if (!cases[i].ours) {
            if (f.kind != BERT_FOREIGN_IDLE) fail_msg("%s %s", cases[i].name, cases[i].value);
            continue;
        }
        bert_training_args a = bert_training_default();
        bert_error e = {0};
        char text[2048];
        const int rc = bert_training_set(&a, cases[i].name, cases[i].value, &e);
        if (!*cases[i].ours) {
            assert_int_equal(rc, BERT_EINVAL);
            if (!strstr(e.message, cases[i].is)) fail_msg("%s", e.message);
            continue;
        }
        if (rc) fail_msg("%s", e.message);
        bert_training_get(&a, cases[i].ours, text, sizeof text);
        assert_string_equal(text, cases[i].is);
    }
    bool truth;
    assert_false(bert_parse_truth("maybe", &truth));
    assert_false(bert_parse_truth("", &truth));
    assert_false(bert_parse_truth("truely", &truth));
    assert_true(bert_parse_truth("TRUE", &truth) && truth);
    assert_true(bert_parse_truth("n", &truth) && !truth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_transformers),
        cmocka_unit_test(a_file_of_transformers_is_read),
        cmocka_unit_test(every_argument_has_a_text_form),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(words_of_a_command_are_set),
        cmocka_unit_test(json_files_are_checked),
        cmocka_unit_test(every_argument_of_transformers_is_known),
        cmocka_unit_test(other_names_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
