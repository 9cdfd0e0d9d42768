/* What of a repository a model needs, from its listing: nothing is asked for that is not there. */
#include "base/error.h"
#include "files/json.h"
#include "files/layout.h"
#include "hub/listing.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Small files */

typedef enum {
    CONFIGURATION,
    TOKENIZER,
    PIECES
} part; /* PIECES: where there is no tokenizer.json */

static const struct {
    const char *name;
    part part;
} small_files[] = {
    {"config.json", CONFIGURATION},
    {"modules.json", CONFIGURATION},
    {"sentence_*_config.json", CONFIGURATION},
    {"config_sentence_transformers.json", CONFIGURATION},
    {"artifact.metadata", CONFIGURATION}, /* the original ColBERT's */
    {"preprocessor_config.json", CONFIGURATION},
    {"processor_config.json", CONFIGURATION},
    {"recipe.json", CONFIGURATION},
    {"tokenizer.json", TOKENIZER},
    {"tokenizer_config.json", CONFIGURATION},
    {"special_tokens_map.json", CONFIGURATION},
    {"added_tokens.json", CONFIGURATION},
    {"vocab.txt", TOKENIZER},
    {"vocab.json", TOKENIZER},
    {"merges.txt", CONFIGURATION},
    {"spm.model", PIECES},
    {"spiece.model", PIECES},
    {"sentencepiece.bpe.model", PIECES},
};
enum { SMALL = sizeof small_files / sizeof *small_files };

/* ---- Weights: forms that are read, best first, and those that stand beside any */

static const struct {
    const char *name, *shards; /* shards: where the name is an index of them */
} forms[] = {
    {"model.safetensors", NULL},  {"model.safetensors.index.json", "model-*-of-*.safetensors"},
    {"pytorch_model.bin", NULL},  {"pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"},
    {"packed.safetensors", NULL},
};
enum { FORMS = sizeof forms / sizeof *forms };

static const char *const beside[] = {"sparse_linear.pt", "colbert_linear.pt"}; /* bge-m3's */

/* ---- Folders */

/* The name of a file that lies in the folder ("": none), not deeper; else NULL. */
static const char *name_in(const char *path, const char *folder) {
    const size_t n = strlen(folder);
    if (n && (strncmp(path, folder, n) || path[n] != '/')) return NULL;
    const char *name = path + (n ? n + 1 : 0);
    return strchr(name, '/') ? NULL : name;
}

static bool has(const bert_hub_listing *l, const char *folder, const char *wanted) {
    for (int i = 0; i < l->n; i++) {
        const char *name = name_in(l->list[i].path, folder);
        if (name && !strcmp(name, wanted)) return true;
    }
    return false;
}

static bool is_small(const bert_hub_listing *l, const char *folder, const char *name) {
    for (int i = 0; i < SMALL; i++)
        if (!fnmatch(small_files[i].name, name, 0))
            return small_files[i].part != PIECES || !has(l, folder, "tokenizer.json");
    return false;
}

static bool is_weight(int form, const char *name) {
    if (form < FORMS && !strcmp(name, forms[form].name)) return true;
    if (form < FORMS && forms[form].shards && !fnmatch(forms[form].shards, name, 0)) return true;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (!strcmp(name, beside[i])) return true;
    return false;
}

static void plan_folder(bert_hub_listing *l, const char *folder, bool without_weights) {
    int form = 0;
    while (form < FORMS && !has(l, folder, forms[form].name)) form++;
    for (int i = 0; i < l->n; i++) {
        const char *name = name_in(l->list[i].path, folder);
        if (!name) continue;
        if (is_small(l, folder, name) || (!without_weights && is_weight(form, name)))
            l->list[i].wanted = true;
    }
}

int bert_hub_plan(bert_hub_listing *l, const char *modules, bool without_weights, bert_error *e) {
    json_t *json = modules ? bert_json_parse(modules, strlen(modules), "modules.json", e) : NULL;
    if (modules && !json) return e->code;
    for (int i = 0; i < l->n; i++) l->list[i].wanted = false;
    plan_folder(l, "", without_weights);
    size_t i;
    json_t *module;
    json_array_foreach(json, i, module) {
        const char *path = json_string_value(json_object_get(module, "path"));
        if (path && *path && bert_layout_inside(path)) plan_folder(l, path, without_weights);
    }
    json_decref(json);
    return 0;
}

/* ---- What is missing */

static const char *last(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool any_wanted(const bert_hub_listing *l, const char *name) {
    for (int i = 0; i < l->n; i++)
        if (l->list[i].wanted && !fnmatch(name, last(l->list[i].path), 0)) return true;
    return false;
}

bool bert_hub_has_tokenizer(const bert_hub_listing *l) {
    if (any_wanted(l, "preprocessor_config.json")) return true;
    for (int i = 0; i < SMALL; i++)
        if (small_files[i].part != CONFIGURATION && any_wanted(l, small_files[i].name)) return true;
    return false;
}

/* A shard of an index that is there: "model-00002-of-00003.safetensors" says how many there are. */
static bool all_shards(const bert_hub_listing *l, const char *pattern) {
    int found = 0, count = 0, number;
    for (int i = 0; i < l->n; i++) {
        const char *name = last(l->list[i].path), *of = strstr(name, "-of-");
        if (!l->list[i].wanted || !of || fnmatch(pattern, name, 0)) continue;
        if (sscanf(of, "-of-%5d", &number) == 1) count = number;
        found++;
    }
    return found && found >= count;
}

const char *bert_hub_lacks(const bert_hub_listing *l, bool without_weights) {
    if (!any_wanted(l, "config.json")) return "config.json";
    if (without_weights) return NULL;
    for (int i = 0; i < FORMS; i++) {
        if (!any_wanted(l, forms[i].name)) continue;
        return forms[i].shards && !all_shards(l, forms[i].shards) ? forms[i].shards : NULL;
    }
    return forms[0].name;
}
