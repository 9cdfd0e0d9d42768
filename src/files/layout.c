#include "files/layout.h"
#include "base/file.h"
#include "files/json.h"
#include <stdlib.h>
#include <string.h>

bool bert_layout_inside(const char *path) {
    return path[0] != '/' && !strstr(path, "..");
}

const char *bert_layout_class(const char *type) {
    static const char own[] = "sentence_transformers.";
    return strncmp(type, own, sizeof own - 1) ? NULL : strrchr(type, '.') + 1;
}

/* The path of the first Transformer; "" where none has one of its own. */
static const char *transformer_path(const json_t *modules) {
    size_t i;
    json_t *module;
    json_array_foreach((json_t *)modules, i, module) {
        const char *type = json_string_value(json_object_get(module, "type"));
        const char *path = json_string_value(json_object_get(module, "path"));
        const char *name = type ? bert_layout_class(type) : NULL;
        if (name && path && !strcmp(name, "Transformer")) return path;
    }
    return "";
}

/* "directory/path" where it holds a config.json, else the directory. */
static char *folder_of(const char *directory, const char *path) {
    char *folder = bert_path_join(directory, path);
    char *config = folder ? bert_path_join(folder, "config.json") : NULL;
    if (!config) {
        free(folder);
        return NULL;
    }
    const bool there = bert_file_exists(config);
    free(config);
    if (there) return folder;
    free(folder);
    return strdup(directory);
}

char *bert_layout_folder(const char *directory) {
    bert_error local = {0}; /* of a malformed file, which whoever reads the modules tells */
    char *file = bert_path_join(directory, "modules.json");
    if (!file) return NULL;
    json_t *modules = bert_file_exists(file) ? bert_json_load(file, &local) : NULL;
    free(file);
    if (local.code == BERT_ENOMEM) return NULL;
    const char *path = transformer_path(modules);
    char *folder =
        *path && bert_layout_inside(path) ? folder_of(directory, path) : strdup(directory);
    json_decref(modules);
    return folder;
}
