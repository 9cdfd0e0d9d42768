/* One table of what transformers' TrainingArguments, and the scripts around them, have and we have
 * not: another name, a switch, a value. */
#include <bert_train.h>
#include <stddef.h>
#include <string.h>

/* idle: values that change nothing, beside none at all, by bars; "*": any. alias: what it is called
 * here, with the value as, or its own. also: what it says beside that. when: the only value that
 * the row is about; ",": a list. */
static const struct {
    const char *names; /* by bars */
    bool is_switch;
    const char *when, *idle, *alias, *as, *also, *instead;
} table[] = {
#define NAMED(name, alias)                                                                         \
    { name, false, NULL, "", alias, NULL, NULL, NULL }
#define HERE(name)                                                                                 \
    { name, false, NULL, "", name, NULL, NULL, NULL }
#define CUT(name, alias)                                                                           \
    { name, false, NULL, "", alias, NULL, "on_overflow=truncate", NULL }
#define TURNED(name, alias, as)                                                                    \
    { name, true, NULL, "false", alias, as, NULL, NULL }
#define SWITCHED(name, when)                                                                       \
    { name, true, when, "", name, NULL, NULL, NULL }
#define SPELT(name, when, as, instead)                                                             \
    { name, false, when, "", name, as, NULL, instead }
#define ONLY(name, when, alias, as)                                                                \
    { name, false, when, "", alias, as, NULL, NULL }
#define SWITCH(name, idle, instead)                                                                \
    { name, true, NULL, idle, NULL, NULL, NULL, instead }
#define VALUE(name, idle, instead)                                                                 \
    { name, false, NULL, idle, NULL, NULL, NULL, instead }
    /* TrainingArguments */
    VALUE("optim",
          "adamw_torch_fused|adamw_torch|adamw_hf|adamw_torch_xla|adamw_torch_npu_fused|adamw_apex_"
          "fused|adamw_bnb_8bit|adamw_8bit|paged_adamw_32bit|paged_adamw_8bit|paged_adamw",
          "the optimizer is AdamW"),
    VALUE("optim_args|optim_target_modules", "", "the optimizer is AdamW"),
    SWITCH("adafactor", "false", "the optimizer is AdamW"),
    SWITCH("bf16|fp16", "false", "precision medium computes products in bf16"),
    SWITCH("bf16_full_eval|fp16_full_eval", "*", "precision medium computes products in bf16"),
    VALUE("fp16_opt_level|fp16_backend|half_precision_backend", "*",
          "precision medium computes products in bf16"),
    SWITCH("tf32", "false", "precision high has its accuracy"),
    SWITCH("activation_checkpointing", "false", "gradient_checkpointing does that"),
    VALUE("activation_checkpointing_kwargs", "*", "gradient_checkpointing does that"),
    VALUE("gradient_checkpointing_kwargs", "*", "there is one way to do it"),
    TURNED("group_by_length", "train_sampling_strategy", "group_by_length"),
    VALUE("length_column_name", "*", "lengths are known"),
    NAMED("evaluation_strategy", "eval_strategy"),
    NAMED("per_gpu_train_batch_size|batch_size|train_batch_size", "per_device_train_batch_size"),
    NAMED("per_gpu_eval_batch_size|eval_batch_size", "per_device_eval_batch_size"),
    SWITCH("save_safetensors", "*", "weights are always safetensors"),
    SWITCH("prediction_loss_only", "*", "metrics are always computed; metrics says which"),
    VALUE("include_for_metrics", "", "metrics says which are computed"),
    SWITCH("include_inputs_for_metrics", "*", "metrics says which are computed"),
    SWITCH("auto_find_batch_size", "false",
           "gradient_accumulation_steps makes a batch of smaller ones"),
    VALUE("neftune_noise_alpha", "", "there is no noise on embeddings"),
    SWITCH("ignore_data_skip", "false", "a resumed run begins at its batch and skips nothing"),
    SWITCHED("push_to_hub", "true"),
    SWITCH("push_to_hub", "false", "nothing is uploaded"),
    SWITCHED("hub_private_repo", "true"),
    SWITCHED("hub_private_repo", "false"),
    SWITCH("hub_private_repo", "*", "its owner only sees it"),
    NAMED("hub_model_id|push_to_hub_model_id", "hub_model_id"),
    VALUE("hub_token|push_to_hub_token", "*", "HF_TOKEN, or a file, holds the token"),
    VALUE("push_to_hub_organization", "*", "hub_model_id is ORGANISATION/NAME"),
    VALUE("hub_strategy", "end|every_save", "the model is uploaded when it is trained"),
    VALUE("hub_revision", "main", "bert push --revision uploads into a branch"),
    SWITCH("hub_always_push", "*", "the model is uploaded when it is trained"),
    SWITCH("disable_tqdm", "*", "--quiet leaves the progress bar out"),
    SWITCH("do_train", "*", "bert train trains"),
    SWITCH("do_eval", "*", "it evaluates where there is a validation file"),
    SWITCH("do_predict", "*", "bert evaluate MODEL -i FILE measures, bert classify predicts"),
    SWITCH("full_determinism", "*", "a run depends on its seed alone, always"),
    SWITCH("logging_nan_inf_filter", "*", "a loss that is not finite ends the run"),
    VALUE("include_num_input_tokens_seen", "*", "it is always in trainer_state.json"),
    SWITCH("include_tokens_per_second", "*", "it is on the screen"),
    VALUE("label_names", "*", "--label-column says where the labels are"),
    SWITCH("enable_jit_checkpoint", "*", "SIGTERM always leaves a checkpoint"),
    VALUE("dataloader_num_workers|dataloader_prefetch_factor|dataloader_multiprocessing_context",
          "*", "data is tokenised once and stays in memory"),
    SWITCH("dataloader_pin_memory|dataloader_persistent_workers|dataloader_in_order", "*",
           "data is tokenised once and stays in memory"),
    SWITCH("use_cpu|no_cuda|use_mps_device|use_ipex", "*", "it runs on the CPU"),
    SWITCH("ddp_find_unused_parameters|ddp_broadcast_buffers|ddp_static_graph|average_tokens_"
           "across_devices|save_on_each_node|log_on_each_node|dispatch_batches|split_batches",
           "*", "one process computes"),
    VALUE("ddp_bucket_cap_mb|ddp_backend|ddp_timeout|fsdp|fsdp_config|fsdp_min_num_params|fsdp_"
          "transformer_layer_cls_to_wrap|deepspeed|parallelism_config|local_rank|sharded_ddp|xpu_"
          "backend|mp_parameters|_n_gpu",
          "*", "one process computes"),
    VALUE("accelerator_config", "*", "there is no accelerate below"),
    VALUE("num_processes|num_machines|nproc_per_node|nnodes|machine_rank|main_process_port|master_"
          "port|config_file",
          "*", "one process computes"),
    SWITCH("multi_gpu|standalone", "*", "one process computes"),
    VALUE("mixed_precision", "no", "precision medium computes products in bf16"),
    SWITCH(
        "torch_compile|use_liger_kernel|jit_mode_eval|tpu_metrics_debug|use_legacy_prediction_loop",
        "*", "there is no PyTorch below"),
    VALUE("torch_compile_backend|torch_compile_mode|torch_empty_cache_steps|torchdynamo|liger_"
          "kernel_config|tpu_num_cores|debug",
          "*", "there is no PyTorch below"),
    SWITCH("use_cache", "*", "BERT has no cache"),
    VALUE("past_index", "*", "BERT has no cache"),
    SWITCH("remove_unused_columns", "*", "only the columns that are named are read"),
    SWITCH("restore_callback_states_from_checkpoint", "*", "a resumed run has them"),
    VALUE("eval_accumulation_steps", "*", "evaluation keeps no logits"),
    SWITCH("eval_do_concat_batches|eval_use_gather_object|batch_eval_metrics", "*",
           "evaluation keeps no logits"),
    VALUE("log_level|log_level_replica", "*", "--quiet leaves messages out"),
    VALUE("run_name", "*", "output_dir names the run"),
    VALUE("project|trackio_space_id|trackio_bucket_id|trackio_static_space_id", "*",
          "logs are files in output_dir"),
    SWITCH("skip_memory_metrics", "*", "memory is not measured"),
    VALUE("ray_scope", "*", "there is no search of arguments"),
    /* ModelArguments of run_glue.py and its like */
    NAMED("model_name_or_path|bert_model|model|model_name|pretrained_model_name_or_path", "MODEL"),
    VALUE("model_type", "*", "MODEL's config.json says so"),
    VALUE("config_overrides", "", "MODEL's config.json says so"),
    VALUE("config_name", "", "MODEL holds its configuration"),
    VALUE("tokenizer_name", "", "MODEL holds its tokenizer"),
    VALUE("cache_dir", "*", "HF_HUB_CACHE and BERT_HOME say where models are"),
    VALUE("model_revision", "main", "a revision stands behind the name: MODEL@REVISION"),
    SWITCH("use_fast_tokenizer|use_slow_tokenizer", "*", "there is one tokenizer"),
    SWITCH("do_lower_case", "*", "MODEL's tokenizer says so"),
    VALUE("token", "*", "HF_TOKEN, or what hf auth login left, is used"),
    SWITCH("use_auth_token", "*", "HF_TOKEN, or what hf auth login left, is used"),
    SWITCH("trust_remote_code", "*", "no code of others is run"),
    SWITCH("ignore_mismatched_sizes", "*", "a head of another shape is made anew"),
    SWITCH("low_cpu_mem_usage", "*", "weights are mapped from their file"),
    VALUE("attn_implementation", "*", "there is one attention"),
    VALUE("torch_dtype|dtype", "auto|float32", "weights are float32; precision is of products"),
    /* and their DataTrainingArguments */
    NAMED("train_file|train_data_file", "train_file"),
    NAMED("validation_file|eval_data_file|predict_file|valid_file|val_file|dev_file|eval_file",
          "validation_file"),
    CUT("max_seq_length|max_seq_len|block_size|max_len", "max_length"),
    NAMED("text_column_name", "text_column"),
    NAMED("text_column_names", "text_column"),
    NAMED("label_column_name", "label_column"),
    NAMED("metric_name", "metrics"),
    TURNED("do_regression", "problem_type", "regression"),
    VALUE("text_column_delimiter", " ", "columns are not joined; --pair-column is a second text"),
    ONLY("task_name", "ner", "task", "token-classification"),
    ONLY("task_name", "pos", "task", "token-classification"),
    ONLY("task_name", "chunk", "task", "token-classification"),
    VALUE("task_name|dataset_name|dataset_config_name|data_dir|data|dataset|labels", "",
          "--train-file and --validation-file name the data, --task what is trained"),
    VALUE("train_split_name|validation_split_name|test_split_name|remove_splits", "*",
          "each split is a file"),
    VALUE("remove_columns", "*", "only the columns that are named are read"),
    NAMED("train_val_split", "validation_split"),
    VALUE("validation_split_percentage", "",
          "--validation-split PART holds rows out: 0.05 for 5 percent"),
    VALUE("max_train_samples|max_eval_samples", "",
          "a file may be cut: head -n 1001 of a .csv has 1000 rows"),
    VALUE("max_predict_samples|test_file", "*",
          "bert evaluate MODEL -i FILE measures, bert classify predicts"),
    SWITCH("pad_to_max_length", "*", "nothing is padded"),
    SWITCH("version_2_with_negative", "*", "questions without an answer are seen in the file"),
    SWITCH("return_entity_level_metrics", "*", "bert evaluate and report.html show each entity"),
    SWITCH("overwrite_cache", "*", "nothing is cached"),
    VALUE("preprocessing_num_workers", "*", "threads says how many"),
    SWITCH("shuffle_train_dataset", "*", "rows are shuffled each epoch; train_sampling_strategy"),
    VALUE("shuffle_seed", "*", "data_seed is the order's"),
    SWITCH("streaming", "*", "files may be larger than memory"),
    SWITCH("keep_linebreaks", "*", "text is read by lines"),
    /* and of scripts before and beside them */
    TURNED("mlm", "task", "masked-lm"),
    SWITCH("evaluate_during_training", "*", "it does, where there is a validation file"),
    SWITCH("eval_all_checkpoints", "*", "eval_strategy says when to evaluate"),
    SWITCH("with_tracking", "*", "report_to says where logs go"),
    NAMED("num_warmup_steps", "warmup_steps"),
    NAMED("warmup_proportion", "warmup_ratio"),
    ONLY("checkpointing_steps", "epoch", "save_strategy", "epoch"),
    NAMED("checkpointing_steps", "save_steps"),
    NAMED("epochs|num_epochs|n_epochs", "num_train_epochs"),
    NAMED("lr", "learning_rate"),
    NAMED("accumulate_grad_batches", "gradient_accumulation_steps"),
    NAMED("patience", "early_stopping_patience"),
    /* Values */
    SPELT("report_to", ",", "tensorboard", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "all", "tensorboard",
          "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "azure_ml", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "clearml", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "codecarbon", "none",
          "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "comet_ml", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "dagshub", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "dvclive", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "flyte", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "mlflow", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "neptune", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "swanlab", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "trackio", "none", "log.jsonl and event files of TensorBoard are written"),
    SPELT("report_to", "wandb", "none", "log.jsonl and event files of TensorBoard are written"),
};

/* Whether it is one of the names, by bars. */
static bool is_of(const char *names, const char *name) {
    for (const char *p = names;; p++) {
        const char *n = name;
        while (*p && *p != '|' && (*p == *n || (*p == '_' && *n == '-'))) p++, n++;
        if (!*n && (!*p || *p == '|')) return true;
        p += strcspn(p, "|");
        if (!*p) return false;
    }
}

static bool among(const char *list, const char *value) {
    const size_t n = strlen(value);
    for (const char *p = list;; p++) {
        const size_t length = strcspn(p, "|");
        if (length == n && !memcmp(p, value, n)) return true;
        p += length;
        if (!*p) return false;
    }
}

/* An option of a task, which training arguments may be beside in a file. */
static bert_foreign option_of_data(const char *name, const char *value) {
    bert_foreign f = {.kind = BERT_FOREIGN_NONE, .instead = ""};
    bert_dataset_option o;
    for (int i = 0; bert_dataset_option_at(i, &o); i++) {
        if (!is_of(o.name, name)) continue;
        f.is_switch = !strcmp(o.type, "true|false");
        f.kind =
            (value && *value) || (!value && f.is_switch) ? BERT_FOREIGN_TAKEN : BERT_FOREIGN_IDLE;
        f.name = o.name;
    }
    return f;
}

bert_foreign bert_training_foreign(const char *name, const char *value) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!is_of(table[i].names, name)) continue;
        const char *v = value ? value : table[i].is_switch ? "true" : "";
        bool truth;
        if (table[i].is_switch && bert_parse_truth(v, &truth)) v = truth ? "true" : "false";
        const char *when = table[i].when;
        if (when && (*when == ',' ? !strchr(v, ',') : strcmp(when, v))) continue;
        bert_foreign f = {.kind = BERT_FOREIGN_REFUSED,
                          .is_switch = table[i].is_switch,
                          .instead = table[i].instead ? table[i].instead : ""};
        if (!*v || *table[i].idle == '*' || among(table[i].idle, v)) {
            f.kind = BERT_FOREIGN_IDLE;
        } else if (table[i].alias) {
            f.kind = BERT_FOREIGN_TAKEN;
            f.name = table[i].alias;
            f.value = table[i].as;
            f.also = table[i].also;
        }
        return f;
    }
    return option_of_data(name, value);
}
