/* Saving: the files that save_pretrained writes. */
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/layout.h"
#include "models/config_file.h"
#include "models/model.h"
#include "recipe/recipe.h"
#include <stdlib.h>
#include <string.h>

/* Files of the tokenizer, to be copied when they are of a kind we do not read. */
static const char *const tokenizer_files[] = {
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "bpe.codes",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    NULL,
};
/* What else belongs to a checkpoint. */
static const char *const other_files[] = {
    "preprocessor_config.json",
    "processor_config.json",
    BERT_RECIPE_FILE,
    "artifact.metadata", /* ColBERT's; and bge-m3's other vectors: */
    "sparse_linear.pt",
    "colbert_linear.pt",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
    NULL,
};

/* A part beside the others of the model's folder, or of the checkpoint itself. */
static int copy_named(const bert_model *m, const char *folder, const char *name,
                      const char *directory, bert_error *e) {
    char *part = bert_path_join(folder, name), *to = bert_path_join(directory, name);
    int rc = part && to ? bert_pretrained_copy(m->from, part, to, e)
                        : bert_fail_memory(e, strlen(directory));
    free(part);
    free(to);
    return rc;
}

static int copy_list(const bert_model *m, const char *folder, const char *const *names,
                     const char *directory, bert_error *e) {
    int rc = 0;
    for (; *names && !rc; names++) rc = copy_named(m, folder, *names, directory, e);
    return rc;
}

static int copy_tokenizer(const bert_model *m, const char *directory, bert_error *e) {
    return copy_list(m, bert_pretrained_folder(m->from), tokenizer_files, directory, e);
}

/* What is done to pictures before the model. */
static int copy_processor(const bert_model *m, const char *directory, bert_error *e) {
    int rc =
        copy_named(m, bert_pretrained_folder(m->from), "preprocessor_config.json", directory, e);
    return rc ? rc
              : copy_named(m, bert_pretrained_folder(m->from), "processor_config.json", directory,
                           e);
}

/* ---- sentence-transformers' files. They say how a text's vector is made of the encoder's output:
 * they go with an encoder, which one that says words still is, and those of a cross-encoder with a
 * classifier. */

static bool goes_with_head(const bert_model *m) {
    const bert_output_kind outputs = m->head.outputs;
    if (!m->head.name) return !m->sentence.list || !m->sentence.cross_encoder;
    if (!m->sentence.list) return false; /* max_seq_length alone */
    return m->sentence.cross_encoder
               ? outputs == BERT_OUTPUT_LABELS
               : outputs == BERT_OUTPUT_WORDS || outputs == BERT_OUTPUT_REPLACED;
}

/* The Transformer moves to the top, every other module stays in its folder. */
static int save_module(const bert_model *m, json_t *module, const char *directory, bert_error *e) {
    const char *path = json_string_value(json_object_get(module, "path"));
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *name = type ? bert_layout_class(type) : NULL;
    if (!path || !*path) return 0;
    if (name && !strcmp(name, "Transformer"))
        return json_object_set_new(module, "path", json_string(""))
                   ? bert_fail_memory(e, strlen(directory))
                   : 0;
    char *to = bert_path_join(directory, path);
    int rc = to ? bert_pretrained_copy_folder(m->from, path, to, e)
                : bert_fail_memory(e, strlen(directory));
    free(to);
    return rc;
}

static int save_sentence(const bert_model *m, const char *directory, bert_error *e) {
    json_t *list = json_deep_copy(m->sentence.list), *module;
    size_t i;
    int rc = m->sentence.list && !list ? bert_fail_memory(e, strlen(directory)) : 0;
    json_array_foreach(list, i, module) {
        if (!rc) rc = save_module(m, module, directory, e);
    }
    char *path = bert_path_join(directory, "modules.json");
    if (!rc && !path) rc = bert_fail_memory(e, strlen(directory));
    if (!rc && list) rc = bert_json_save(list, path, e);
    if (!rc) rc = copy_named(m, "", "config_sentence_transformers.json", directory, e);
    for (int k = 0; !rc && bert_sentence_limits[k]; k++)
        rc = copy_named(m, bert_pretrained_folder(m->from), bert_sentence_limits[k], directory, e);
    free(path);
    json_decref(list);
    return rc;
}

static int save_config(const bert_model *m, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "config.json");
    if (!path) return bert_fail_memory(e, strlen(directory));
    json_t *json = bert_config_write(m->json, &m->config, &m->labels, e);
    int rc = json ? 0 : BERT_ENOMEM;
    if (!rc && m->head.name && !m->stock) {
        if (json_object_set_new(json, BERT_HEAD_KEY, json_string(m->head.name)))
            rc = bert_fail_memory(e, strlen(m->head.name));
    } else if (!rc) {
        json_object_del(json, BERT_HEAD_KEY);
    }
    bool bad = false;
    json_t *tasks = rc ? NULL : bert_tasks_json(m, &bad);
    if (json) json_object_del(json, BERT_TASKS_KEY);
    if (bad || (tasks && json_object_set_new(json, BERT_TASKS_KEY, tasks)))
        rc = bert_fail_memory(e, strlen(directory));
    if (!rc) rc = bert_json_save(json, path, e);
    json_decref(json);
    free(path);
    return rc;
}

/* The text of the recipe that a head is made of, or NULL: of a task that is saved with others, that
 * of all. */
static const char *recipe_text(const bert_model *m, bool alone) {
    const bert_recipe *r = m->recipe;
    if (!r || m->head.context != r) return NULL;
    return alone && r->alone ? r->alone : r->text;
}

static int save_recipe(const bert_model *m, const char *directory, bert_error *e) {
    const char *text = recipe_text(m, true);
    for (int i = 0; i < m->task_count && !text; i++) text = recipe_text(m->tasks[i], false);
    if (!text) return 0;
    char *path = bert_path_join(directory, BERT_RECIPE_FILE);
    int rc = path ? bert_write_file(path, text, strlen(text), e)
                  : bert_fail_memory(e, strlen(directory));
    free(path);
    return rc;
}

int bert_model_copy_files(const bert_model *m, const char *directory, bert_error *e) {
    int rc = copy_tokenizer(m, directory, e);
    if (!rc) rc = copy_list(m, "", other_files, directory, e);
    if (!rc && m->task) rc = save_recipe(m, directory, e);
    return rc ? rc : save_sentence(m, directory, e);
}

static int save_weights(const bert_model *m, const char *directory, bert_param_filter *keep,
                        void *context, bert_error *e) {
    char *path = bert_path_join(directory, "model.safetensors");
    if (!path) return bert_fail_memory(e, strlen(directory));
    int rc = bert_params_check_finite(m->params, e);
    if (!rc) rc = bert_params_save(m->params, &m->weights, path, keep, context, e);
    free(path);
    return rc;
}

int bert_model_save_filtered(const bert_model *m, const char *directory, bert_param_filter *keep,
                             void *context, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "model to save", e) || bert_need(directory, "directory", e))
        return BERT_EINVAL;
    m = bert_model_root(m);
    int rc = bert_packed_refuse(&m->weights.packed, "saved", e);
    if (!rc) rc = bert_make_directory(directory, e);
    if (!rc) rc = save_weights(m, directory, keep, context, e);
    if (!rc) rc = save_config(m, directory, e);
    if (!rc) rc = save_recipe(m, directory, e);
    if (!rc && m->config.num_channels) rc = copy_processor(m, directory, e);
    if (!rc && m->tokenizer) rc = bert_tokenizer_save(m->tokenizer, directory, e);
    if (!rc && !m->tokenizer) rc = copy_tokenizer(m, directory, e);
    if (!rc && goes_with_head(m)) rc = save_sentence(m, directory, e);
    return rc;
}

int bert_model_save(const bert_model *m, const char *directory, bert_error *e) {
    BERT_DOOR(e);
    return bert_model_save_filtered(m, directory, NULL, NULL, e);
}
