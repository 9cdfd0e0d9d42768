/* A checkpoint in a directory, its parts files there. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "files/foreign_weights.h"
#include "files/json.h"
#include "files/pretrained_kinds.h"
#include "files/safetensors.h"
#include "files/torch.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Files of weights that are read, in transformers' order of preference. */
static const struct {
    const char *name;
    const bert_tensor_format *format;
} weights[] = {
    {"model.safetensors", &bert_safetensors_format},
    {"model.safetensors.index.json", &bert_safetensors_format},
    {"pytorch_model.bin", &bert_torch_format},
    {"pytorch_model.bin.index.json", &bert_torch_format},
    {"packed.safetensors", &bert_safetensors_format}, /* models/packed.h */
};

/* The place is its path. "" is this directory. */

static void *open_directory(const char *path, bert_error *e) {
    char *place = strdup(path);
    if (!place) bert_fail_memory(e, strlen(path) + 1);
    return place;
}

static bool has(const void *place, const char *part) {
    char path[PATH_MAX]; /* a longer one cannot be opened either */
    const size_t n = strlen(place);
    const char *slash = n && ((const char *)place)[n - 1] != '/' ? "/" : "";
    return snprintf(path, sizeof path, "%s%s%s", (const char *)place, slash, part) <
               (int)sizeof path &&
           bert_file_exists(path);
}

static int read_part(const void *place, const char *part, size_t limit, char **text, size_t *bytes,
                     bert_error *e) {
    char *path = bert_path_join(place, part);
    int rc = path ? bert_read_file(path, limit, text, bytes, e) : bert_fail_memory(e, strlen(part));
    free(path);
    return rc;
}

bool bert_pretrained_has_weights(const char *directory, bool read) {
    bool found = !read && bert_foreign_weights(directory, true, NULL, 0);
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        found |= has(directory, weights[i].name);
    return found;
}

static bert_tensors *tensors(const void *place, const char *folder, bert_error *e) {
    bert_tensors *found = NULL;
    bool failed = false;
    for (size_t i = 0; i < sizeof weights / sizeof *weights && !found && !failed; i++) {
        char *part = bert_path_join(folder, weights[i].name);
        char *path = part ? bert_path_join(place, part) : NULL;
        if (!path)
            failed = bert_fail_memory(e, strlen(folder));
        else if (bert_file_exists(path))
            failed = !(found = bert_tensors_open(weights[i].format, path, e));
        free(path);
        free(part);
    }
    return found;
}

static int list(const void *place, const char *folder,
                int (*each)(void *context, const char *part, bert_error *e), void *context,
                bert_error *e) {
    char *path = bert_path_join(place, folder);
    DIR *d = path ? opendir(path) : NULL;
    int rc = path ? 0 : bert_fail_memory(e, strlen(folder));
    for (struct dirent *entry; d && !rc && (entry = readdir(d));) {
        char *part = bert_path_join(folder, entry->d_name);
        char *file = part ? bert_path_join(place, part) : NULL;
        struct stat st;
        if (!file) rc = bert_fail_memory(e, strlen(folder));
        if (!rc && !stat(file, &st) && S_ISREG(st.st_mode)) rc = each(context, part, e);
        free(file);
        free(part);
    }
    if (d) closedir(d);
    free(path);
    return rc;
}

/* PEFT's: what was learned on top of a model that is elsewhere. */
static int is_adapter(const char *directory, bert_error *e) {
    char *path = bert_path_join(directory, "adapter_config.json");
    json_t *json = path ? bert_json_load(path, NULL) : NULL;
    const char *base = json_string_value(json_object_get(json, "base_model_name_or_path"));
    const int rc = bert_fail(
        e, BERT_EUNSUPPORTED,
        "%.200s is an adapter (PEFT) of the model %.100s, not a model; in Python "
        "PeftModel.from_pretrained(AutoModel.from_pretrained(\"%.100s\"), \"%.100s\")"
        ".merge_and_unload().save_pretrained(DIRECTORY) makes one",
        directory, base ? base : "that it was made for", base ? base : "MODEL", directory);
    json_decref(json);
    free(path);
    return rc;
}

static int lacks_config(const char *directory, bert_error *e) {
    char hidden[4096], foreign[400];
    if (has(directory, "adapter_config.json")) return is_adapter(directory, e);
    if (bert_resolve_hidden(directory, hidden, sizeof hidden))
        return bert_fail(e, BERT_ENOTFOUND,
                         "%s, a directory here, holds no config.json, and hides the model of that "
                         "name in the cache: move it away, or give %.200s",
                         directory, hidden);
    if (bert_foreign_weights(directory, false, foreign, sizeof foreign))
        return bert_fail(e, BERT_ENOTFOUND, "%s holds no config.json, %s", directory, foreign);
    return bert_fail(e, BERT_ENOTFOUND,
                     "%s holds no config.json; a model is a directory with config.json, weights "
                     "(model.safetensors or pytorch_model.bin) and a tokenizer",
                     directory);
}

static int lacks_weights(const char *directory, bert_error *e) {
    char foreign[400];
    if (bert_foreign_weights(directory, false, foreign, sizeof foreign))
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s holds neither model.safetensors nor pytorch_model.bin, %s", directory,
                         foreign);
    return bert_fail(e, BERT_ENOTFOUND,
                     "%s holds neither model.safetensors nor pytorch_model.bin, nor weights in "
                     "another format; was all of the model downloaded?",
                     directory);
}

static int lacks(const void *place, const char *folder, bool config, bert_error *e) {
    if (config) return lacks_config(place, e);
    char *path = *folder ? bert_path_join(place, folder) : strdup(place);
    int rc = path ? lacks_weights(path, e) : bert_fail_memory(e, strlen(folder));
    free(path);
    return rc;
}

static const char *weight_file(int i) {
    return i < (int)(sizeof weights / sizeof *weights) ? weights[i].name : NULL;
}

const bert_pretrained_kind bert_pretrained_in_directory = {
    .name = "directory",
    .recognises = bert_directory_exists,
    .open = open_directory,
    .close = free,
    .has = has,
    .read = read_part,
    .tensors = tensors,
    .list = list,
    .lacks = lacks,
    .weight_file = weight_file,
};
