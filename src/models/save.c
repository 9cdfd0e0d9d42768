/* Saving: the files that save_pretrained writes. */
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "models/model.h"
#include <stdlib.h>
#include <string.h>

/* Files of the tokenizer, to be copied when they are of a kind we do not read. */
static const char *const tokenizer_files[] = {
    "tokenizer.json",          "vocab.txt",         "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", NULL,
};

static int copy_file(const char *from, const char *to, bert_error *e) {
    if (!bert_file_exists(from)) return 0;
    char *data, *parent = strdup(to), *slash = parent ? strrchr(parent, '/') : NULL;
    size_t size;
    if (!parent) return bert_fail_memory(e, strlen(to));
    if (slash) *slash = 0;
    int rc = bert_make_directory(parent, e);
    free(parent);
    if (!rc) rc = bert_read_file(from, 0, &data, &size, e);
    if (rc) return rc;
    rc = bert_write_file(to, data, size, e);
    free(data);
    return rc;
}

static int copy_files(const bert_model *m, const char *const *names, const char *directory,
                      bert_error *e) {
    int rc = 0;
    for (; *names && !rc; names++) {
        char *from = bert_path_join(m->path, *names), *to = bert_path_join(directory, *names);
        rc = from && to ? copy_file(from, to, e) : bert_fail_memory(e, strlen(directory));
        free(from);
        free(to);
    }
    return rc;
}

static int save_config(const bert_model *m, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "config.json");
    if (!path) return bert_fail_memory(e, strlen(directory));
    json_t *json = bert_config_write(m->json, &m->config, &m->labels, e);
    int rc = json ? bert_json_save(json, path, e) : BERT_ENOMEM;
    json_decref(json);
    free(path);
    return rc;
}

static int save_weights(const bert_model *m, const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "model.safetensors");
    if (!path) return bert_fail_memory(e, strlen(directory));
    int rc = bert_params_check_finite(m->params, e);
    if (!rc) rc = bert_params_save(m->params, path, e);
    free(path);
    return rc;
}

int bert_model_save(const bert_model *m, const char *directory, bert_error *e) {
    if (bert_need(m, "model to save", e) || bert_need(directory, "directory", e))
        return BERT_EINVAL;
    int rc = bert_make_directory(directory, e);
    if (!rc) rc = save_weights(m, directory, e);
    if (!rc) rc = save_config(m, directory, e);
    if (!rc && m->tokenizer) rc = bert_tokenizer_save(m->tokenizer, directory, e);
    if (!rc && !m->tokenizer) rc = copy_files(m, tokenizer_files, directory, e);
    if (!rc && !m->head.name) rc = copy_files(m, bert_sentence_files, directory, e);
    return rc;
}
