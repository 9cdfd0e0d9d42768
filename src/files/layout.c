#include "files/layout.h"
#include "base/file.h"
#include <stdlib.h>
#include <string.h>

bool bert_layout_inside(const char *path) {
    return path[0] != '/' && !strstr(path, "..");
}

/* What Transformer was before sentence-transformers 0.3: a class for each family. */
static const char *const transformers[] = {"BERT",   "RoBERTa",   "DistilBERT",
                                           "ALBERT", "CamemBERT", "XLMRoBERTa"};

const char *bert_layout_class(const char *type) {
    static const char own[] = "sentence_transformers.";
    if (strncmp(type, own, sizeof own - 1)) return NULL;
    const char *name = strrchr(type, '.') + 1;
    for (size_t i = 0; i < sizeof transformers / sizeof *transformers; i++)
        if (!strcmp(name, transformers[i])) return "Transformer";
    return name;
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

char *bert_layout_folder(const bert_pretrained *p) {
    bert_error local = {0}; /* of a malformed file, which whoever reads the modules tells */
    json_t *modules = bert_pretrained_json(p, "modules.json", &local);
    if (local.code == BERT_ENOMEM) return NULL;
    const char *path = transformer_path(modules);
    char *config = bert_path_join(path, "config.json");
    const bool own = *path && bert_layout_inside(path) && config && bert_pretrained_has(p, config);
    char *folder = config ? strdup(own ? path : "") : NULL;
    free(config);
    json_decref(modules);
    return folder;
}
