#include "train/foreign_args.h"
#include <stddef.h>
#include <string.h>

/* name: with * at its end, a beginning. harmless: values that change nothing, beside none at all,
 * by bars; "*": any. */
static const struct {
    const char *name, *harmless, *instead;
} table[] = {
    {"optim", "adamw_torch_fused|adamw_torch|adamw_hf", "the optimizer is AdamW"},
    {"optim_*", "", "the optimizer is AdamW"},
    {"bf16", "false", "precision medium computes products in bf16"},
    {"bf16_*", "*", "precision medium computes products in bf16"},
    {"fp16", "false", "precision medium computes products in bf16"},
    {"fp16_*", "*", "precision medium computes products in bf16"},
    {"half_precision_backend", "*", "precision medium computes products in bf16"},
    {"tf32", "false", "precision high has its accuracy"},
    {"activation_checkpointing*", "false", "gradient_checkpointing does that"},
    {"gradient_checkpointing_kwargs", "*", "there is one way to do it"},
    {"group_by_length", "false", "its name is train_sampling_strategy group_by_length now"},
    {"length_column_name", "*", "lengths are known"},
    {"evaluation_strategy", "", "its name is eval_strategy now"},
    {"per_gpu_*", "", "per_device_train_batch_size and per_device_eval_batch_size are their names"},
    {"save_safetensors", "true", "weights are always safetensors"},
    {"prediction_loss_only", "false", "metrics are always computed; metrics says which"},
    {"include_for_metrics", "", "metrics says which are computed"},
    {"include_inputs_for_metrics", "false", "metrics says which are computed"},
    {"auto_find_batch_size", "false", "gradient_accumulation_steps makes a batch of smaller ones"},
    {"neftune_noise_alpha", "", "there is no noise on embeddings"},
    {"ignore_data_skip", "false", "a resumed run begins at its batch and skips nothing"},
    {"push_to_hub*", "false", "nothing is uploaded; output_dir is what a hub takes"},
    {"hub_*", "*", "nothing is uploaded; output_dir is what a hub takes"},
    {"disable_tqdm", "false", "--quiet leaves the progress bar out"},
    {"do_*", "*", "bert train trains, and evaluates where it has a validation file"},
    {"full_determinism", "*", "a run depends on its seed alone, always"},
    {"logging_nan_inf_filter", "*", "a loss that is not finite ends the run"},
    {"include_num_input_tokens_seen", "*", "it is always in trainer_state.json"},
    {"include_tokens_per_second", "*", "it is on the screen"},
    {"label_names", "*", "--label-column says where the labels are"},
    {"enable_jit_checkpoint", "*", "SIGTERM always leaves a checkpoint"},
    {"dataloader_*", "*", "data is tokenised once and stays in memory"},
    {"use_cpu", "*", "it runs on the CPU"},
    {"no_cuda", "*", "it runs on the CPU"},
    {"ddp_*", "*", "one process computes"},
    {"fsdp*", "", "one process computes"},
    {"deepspeed", "", "one process computes"},
    {"parallelism_config", "", "one process computes"},
    {"local_rank", "*", "one process computes"},
    {"accelerator_config", "*", "there is no accelerate below"},
    {"average_tokens_across_devices", "*", "one process computes"},
    {"torch_*", "*", "there is no PyTorch below"},
    {"use_liger_kernel", "*", "there is no PyTorch below"},
    {"liger_kernel_config", "*", "there is no PyTorch below"},
    {"jit_mode_eval", "*", "there is no PyTorch below"},
    {"tpu_*", "*", "there is no PyTorch below"},
    {"use_cache", "*", "BERT has no cache"},
    {"past_index", "*", "BERT has no cache"},
    {"remove_unused_columns", "*", "only the columns that are named are read"},
    {"restore_callback_states_from_checkpoint", "*", "a resumed run has them"},
    {"eval_accumulation_steps", "*", "evaluation keeps no logits"},
    {"eval_do_concat_batches", "*", "evaluation keeps no logits"},
    {"eval_use_gather_object", "*", "evaluation keeps no logits"},
    {"batch_eval_metrics", "*", "evaluation keeps no logits"},
    {"log_*", "*", "--quiet leaves messages out"},
    {"save_on_each_node", "*", "one process computes"},
    {"run_name", "*", "output_dir names the run"},
    {"project", "*", "logs are files in output_dir"},
    {"trackio_*", "*", "logs are files in output_dir"},
    {"debug", "", "there is no PyTorch below"},
    {"skip_memory_metrics", "*", "memory is not measured"},
    {"ray_scope", "*", "there is no search of arguments"},
    /* Of run_glue.py and its like. */
    {"model_name_or_path", "", "MODEL is the first operand"},
    {"max_seq_length", "", "--max-length is its name"},
    {"pad_to_max_length", "", "nothing is padded"},
    {"task_name", "", "--task says what is trained, --train-file on what"},
    {"dataset_name", "", "--train-file and --validation-file name the data"},
    {"test_file", "", "bert evaluate MODEL -i FILE measures, bert classify predicts"},
    {"version_2_with_negative", "", "questions without an answer are seen in the file"},
};

static bool is_of(const char *row, const char *name) {
    while (*row && (*row == *name || (*row == '_' && *name == '-'))) row++, name++;
    return *row == '*' || (!*row && !*name);
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

const char *bert_foreign_arg(const char *name, const char *value, bool *harmless) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!is_of(table[i].name, name)) continue;
        if (harmless)
            *harmless = !*value || *table[i].harmless == '*' || among(table[i].harmless, value);
        return table[i].instead;
    }
    return NULL;
}
