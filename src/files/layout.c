#include "files/layout.h"
#include <string.h>

bool bert_layout_inside(const char *path) {
    return path[0] != '/' && !strstr(path, "..");
}

/* What Transformer was before sentence-transformers 0.3, a class for each family, and before 5.4
 * for sparse vectors. */
static const char *const transformers[] = {"BERT",      "RoBERTa",    "DistilBERT",    "ALBERT",
                                           "CamemBERT", "XLMRoBERTa", "MLMTransformer"};

const char *bert_layout_class(const char *type) {
    static const char own[] = "sentence_transformers.", pylate[] = "pylate.models.";
    if (strncmp(type, own, sizeof own - 1) && strncmp(type, pylate, sizeof pylate - 1)) return NULL;
    const char *name = strrchr(type, '.') + 1;
    for (size_t i = 0; i < sizeof transformers / sizeof *transformers; i++)
        if (!strcmp(name, transformers[i])) return "Transformer";
    return name;
}

const char *bert_layout_transformer(const json_t *modules) {
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
