#include "models/sentence.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/layout.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pooling's config.json sets some of these flags, and they are joined in this order; or
 * "pooling_mode" is a name or a list of names, in an order of its own. */
static const struct {
    const char *flag;
    bert_pooling pooling;
} flags[] = {
    {"pooling_mode_cls_token", BERT_POOLING_CLS},
    {"pooling_mode_max_tokens", BERT_POOLING_MAX},
    {"pooling_mode_mean_tokens", BERT_POOLING_MEAN},
    {"pooling_mode_mean_sqrt_len_tokens", BERT_POOLING_MEAN_SQRT_LEN},
    {"pooling_mode_weightedmean_tokens", BERT_POOLING_WEIGHTED_MEAN},
    {"pooling_mode_lasttoken", BERT_POOLING_LAST},
};
enum { FLAGS = sizeof flags / sizeof *flags };

/* NULL where the part is not there; *rc is set where it cannot be read. path: where it is, freed by
 * the caller. */
static json_t *load(const bert_pretrained *from, const char *folder, const char *name, char **path,
                    int *rc, bert_error *e) {
    char *part = bert_path_join(folder, name);
    json_t *json = NULL;
    *path = part ? bert_pretrained_where(from, part) : NULL;
    if (!*path)
        bert_fail_memory(e, strlen(folder));
    else
        json = bert_pretrained_json(from, part, e);
    free(part);
    if (e->code) *rc = e->code;
    return json;
}

/* ---- Pooling */

static int add_mode(const json_t *name, const char *where, bert_sentence *s, bert_error *e) {
    if (!json_is_string(name))
        return bert_fail(e, BERT_EFORMAT, "%s: pooling_mode: must be a string or a list", where);
    for (int i = 0; i < FLAGS && s->poolings < BERT_MAX_POOLINGS; i++)
        if (!strcmp(json_string_value(name), bert_pooling_name(flags[i].pooling))) {
            s->pooling[s->poolings++] = flags[i].pooling;
            return 0;
        }
    bert_fail(&s->refused, BERT_EUNSUPPORTED,
              "%s asks for the pooling \"%.60s\"%s, which is not supported", where,
              json_string_value(name), s->poolings ? " and others" : "");
    return 0;
}

static int read_flags(const json_t *json, const char *where, bert_sentence *s, bert_error *e) {
    int rc = 0;
    for (int i = 0; i < FLAGS && !rc; i++) {
        bool on = false;
        rc = bert_json_bool(json, flags[i].flag, &on, where, e);
        if (on) s->pooling[s->poolings++] = flags[i].pooling;
    }
    return rc;
}

/* A kind of pooling that the table has not is none that can be left out. */
static void check_flags(const json_t *json, const char *where, bert_sentence *s) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        int i = 0;
        while (i < FLAGS && strcmp(flags[i].flag, key)) i++;
        if (i == FLAGS && !strncmp(key, "pooling_mode_", 13) && json_is_true(value))
            bert_fail(&s->refused, BERT_EUNSUPPORTED,
                      "%s asks for the pooling \"%.60s\", which is not supported", where, key);
    }
}

static int read_modes(const json_t *json, const char *where, bert_sentence *s, bert_error *e) {
    bool include = true;
    int rc = bert_json_bool(json, "include_prompt", &include, where, e);
    const json_t *given = json_object_get(json, "pooling_mode"), *one;
    size_t i;
    s->poolings = 0;
    s->leave_out_prompt = !include;
    check_flags(json, where, s);
    if (!rc && (!given || json_is_null(given))) {
        rc = read_flags(json, where, s, e);
    } else if (!rc && json_is_array(given)) {
        json_array_foreach((json_t *)(uintptr_t)given, i, one) {
            if (!rc) rc = add_mode(one, where, s, e);
        }
    } else if (!rc) {
        rc = add_mode(given, where, s, e);
    }
    if (!rc && !s->poolings) s->pooling[s->poolings++] = BERT_POOLING_MEAN; /* its default */
    return rc;
}

static int read_pooling(const bert_module_place *at, bert_sentence *s, bert_error *e) {
    char *path = NULL;
    int rc = 0;
    json_t *json = load(at->from, at->folder, "config.json", &path, &rc, e);
    bert_modules_free(&s->modules); /* what came before it changes nothing */
    if (json && *at->folder)
        rc = read_modes(json, path, s, e);
    else if (json)
        bert_fail(&s->refused, BERT_EFORMAT,
                  "modules.json names a Pooling without a folder of its own");
    else if (!rc)
        bert_fail(&s->refused, BERT_ENOTFOUND,
                  "modules.json names the Pooling %s, and %s is not there", at->shown, path);
    json_decref(json);
    free(path);
    return rc;
}

/* ---- modules.json */

/* Only memory keeps the whole model from being opened. */
static int refuse(bert_sentence *s, int rc, const bert_error *why, bert_error *e) {
    if (rc == BERT_ENOMEM) return bert_fail(e, rc, "%s", why->message);
    if (rc) bert_fail(&s->refused, rc, "%s", why->message);
    return 0;
}

static int read_transformer(size_t i, const bert_pretrained *from, const char *path,
                            bert_sentence *s) {
    const char *directory = bert_pretrained_path(from);
    if (i)
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "%s/modules.json names a Transformer behind another module", directory);
    else if (*path && !*bert_pretrained_folder(from))
        bert_fail(&s->refused, BERT_ENOTFOUND,
                  "%s/modules.json names the Transformer %s, and %s/config.json is not there",
                  directory, path, path);
    return 0;
}

static int read_other(const char *name, const bert_module_place *at, bert_sentence *s,
                      bert_error *e) {
    bert_error why = {0};
    int rc = bert_modules_add(&s->modules, name, at, &why);
    if (!rc && !s->poolings && strcmp(name, "Normalize")) /* which passes by what is not there */
        rc = bert_fail(&why, BERT_EUNSUPPORTED, "modules.json names the %s %s before a Pooling",
                       name, at->shown);
    return refuse(s, rc, &why, e);
}

static int read_module(size_t i, const bert_pretrained *from, const json_t *module,
                       const char *where, bert_sentence *s, bert_error *e) {
    char type[256] = "", path[256] = "";
    int rc = json_is_object(module)
                 ? 0
                 : bert_fail(e, BERT_EFORMAT, "%s: module %zu is not an object", where, i);
    if (!rc) rc = bert_json_string(module, "type", type, sizeof type, where, e);
    if (!rc) rc = bert_json_string(module, "path", path, sizeof path, where, e);
    if (!rc && !bert_layout_inside(path))
        rc = bert_fail(e, BERT_EFORMAT, "%s: the path \"%s\" leaves the directory", where, path);
    if (rc) return rc;
    const char *name = bert_layout_class(type);
    if (!name) {
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "%s names a \"%s\", which is not a module of sentence-transformers", where, type);
        return 0;
    }
    if (!strcmp(name, "Transformer")) return read_transformer(i, from, path, s);
    char *shown = bert_pretrained_where(from, path);
    if (!shown) return bert_fail_memory(e, strlen(path));
    const bert_module_place place = {from, path, shown, NULL};
    rc = strcmp(name, "Pooling") ? read_other(name, &place, s, e) : read_pooling(&place, s, e);
    free(shown);
    return rc;
}

static int read_modules(const bert_pretrained *from, const char *where, bert_sentence *s,
                        bert_error *e) {
    size_t i;
    json_t *module;
    if (!json_is_array(s->list))
        return bert_fail(e, BERT_EFORMAT, "%s must be a list of modules", where);
    json_array_foreach(s->list, i, module) {
        int rc = read_module(i, from, module, where, s, e);
        if (rc) return rc;
    }
    if (!s->poolings)
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "%s names no Pooling, which a text's vector needs", where);
    s->normalize = bert_modules_normalize(&s->modules);
    return 0;
}

/* ---- sentence_bert_config.json, under one of its names */

const char *const bert_sentence_limits[] = {
    "sentence_bert_config.json",       "sentence_roberta_config.json",
    "sentence_distilbert_config.json", "sentence_camembert_config.json",
    "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",      NULL,
};

static int read_limits(const bert_pretrained *from, bert_sentence *s, bert_error *e) {
    const char *folder = bert_pretrained_folder(from);
    int rc = 0;
    bool found = false;
    for (int i = 0; bert_sentence_limits[i] && !rc && !found; i++) {
        char *path = NULL;
        json_t *json = load(from, folder, bert_sentence_limits[i], &path, &rc, e);
        found = json_object_size(json) > 0;
        if (found)
            rc = bert_json_int(json, "max_seq_length", 1, INT32_MAX, &s->max_seq_length, path, e);
        if (found && !rc) rc = bert_json_bool(json, "do_lower_case", &s->lowercase, path, e);
        json_decref(json);
        free(path);
    }
    return rc;
}

/* ---- config_sentence_transformers.json */

const char *bert_sentence_prompt(const bert_sentence *s, const char *name, const char *where,
                                 bert_error *e) {
    const bool own = !name;
    if (own) name = s->prompt;
    if (!name) return "";
    const json_t *prompt = json_object_get(s->prompts, name);
    if (prompt) return json_is_string(prompt) ? json_string_value(prompt) : "";
    if (!s->cross_encoder && (!strcmp(name, "query") || !strcmp(name, "document"))) return "";
    char known[200] = "";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)s->prompts, key, value) {
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s\"%s\"", n ? ", " : "", key);
    }
    bert_fail(e, BERT_EINVAL, "%s has no prompt \"%.60s\"%s; it has %s", where, name,
              own ? ", which its default_prompt_name asks for (--prompt '' does without)" : "",
              *known ? known : "none");
    return NULL;
}

static int read_prompts(const char *where, bert_sentence *s, bert_error *e) {
    s->prompts = json_object_get(s->options, "prompts");
    if (json_is_null(s->prompts)) s->prompts = NULL;
    const char *key;
    json_t *value;
    if (s->prompts && !json_is_object(s->prompts))
        return bert_fail(e, BERT_EFORMAT, "%s: prompts: must be an object", where);
    json_object_foreach(s->prompts, key, value) {
        if (!json_is_string(value) && !json_is_null(value))
            return bert_fail(e, BERT_EFORMAT, "%s: prompts: \"%.60s\" must be a string", where,
                             key);
    }
    s->prompt = json_string_value(json_object_get(s->options, "default_prompt_name"));
    return 0;
}

/* What to ask for instead. */
static const char *other_vectors(const char *type) {
    if (!strcmp(type, "SparseEncoder")) return ": ask for sparse vectors (--vectors sparse)";
    if (!strcmp(type, "MultiVectorEncoder") || !strcmp(type, "ColBERT"))
        return ": ask for vectors of its tokens (--vectors multi)";
    return "";
}

/* Only beside modules.json: where that is missing sentence-transformers does not look here. */
static int read_options(const char *where, bert_sentence *s, bert_error *e) {
    char type[64] = "SentenceTransformer", similarity[64] = "";
    int rc = bert_json_string(s->options, "model_type", type, sizeof type, where, e);
    s->cross_encoder = !strcmp(type, "CrossEncoder");
    if (!rc && strcmp(type, "SentenceTransformer"))
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "%s says that it is of a %s, which makes no vector of a text%s", where, type,
                  other_vectors(type));
    if (!rc) rc = read_prompts(where, s, e);
    if (!rc)
        rc = bert_json_int(s->options, "truncate_dim", 1, INT32_MAX, &s->truncate_dim, where, e);
    if (!rc)
        rc = bert_json_string(s->options, "similarity_fn_name", similarity, sizeof similarity,
                              where, e);
    /* Others, of models of other types, are read as none. */
    if (!rc) bert_similarity_parse(similarity, &s->similarity, NULL);
    return rc;
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

const char *bert_sentence_activation(const bert_sentence *s, const json_t *config) {
    const char *name = s->cross_encoder ? text_of(s->options, "activation_fn") : NULL;
    if (!name) name = text_of(json_object_get(config, "sentence_transformers"), "activation_fn");
    return name ? name : text_of(config, "sbert_ce_default_activation_function");
}

/* ---- All of them */

int bert_sentence_read(const bert_pretrained *from, bert_sentence *s, bert_error *e) {
    *s = (bert_sentence){0};
    char *list = NULL, *options = NULL;
    int rc = read_limits(from, s, e);
    if (!rc) s->list = load(from, "", "modules.json", &list, &rc, e);
    if (s->list) s->options = load(from, "", "config_sentence_transformers.json", &options, &rc, e);
    if (!rc && s->options) rc = read_options(options, s, e);
    if (!rc && s->list) rc = read_modules(from, list, s, e);
    if (!rc) rc = bert_sparse_read(from, s->list, s->options, &s->sparse, e);
    if (!rc) rc = bert_multi_read(from, s->list, s->options, &s->multi, e);
    free(list);
    free(options);
    return rc;
}

void bert_sentence_free(bert_sentence *s) {
    bert_modules_free(&s->modules);
    bert_sparse_free(&s->sparse);
    bert_multi_free(&s->multi);
    json_decref(s->list);
    json_decref(s->options);
    *s = (bert_sentence){0};
}
