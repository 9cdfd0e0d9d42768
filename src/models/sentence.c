#include "models/sentence.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include <stdlib.h>
#include <string.h>

const char *const bert_sentence_files[] = {
    "modules.json",          "sentence_bert_config.json", "config_sentence_transformers.json",
    "1_Pooling/config.json", "2_Normalize/config.json",   NULL,
};

/* 1_Pooling/config.json sets one of these; several would be concatenated. */
static const struct {
    const char *flag, *name; /* the older key, and the value of the newer "pooling_mode" */
    bert_pooling pooling;    /* BERT_POOLING_DEFAULT: not supported */
} modes[] = {
    {"pooling_mode_mean_tokens", "mean", BERT_POOLING_MEAN},
    {"pooling_mode_cls_token", "cls", BERT_POOLING_CLS},
    {"pooling_mode_max_tokens", "max", BERT_POOLING_MAX},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", BERT_POOLING_DEFAULT},
    {"pooling_mode_weightedmean_tokens", "weightedmean", BERT_POOLING_DEFAULT},
    {"pooling_mode_lasttoken", "lasttoken", BERT_POOLING_DEFAULT},
};
enum { MODES = sizeof modes / sizeof *modes };

static json_t *load(const char *directory, const char *name, char **path, int *rc, bert_error *e) {
    *path = bert_path_join(directory, name);
    if (!*path) {
        *rc = bert_fail_memory(e, strlen(directory));
        return NULL;
    }
    if (!bert_file_exists(*path)) return NULL;
    bert_error local = {0};
    json_t *json = bert_json_load(*path, &local);
    if (!json) *rc = bert_fail(e, local.code, "%s", local.message);
    return json;
}

/* "pooling_mode" is a name or a list of names. */
static bool names_mode(const json_t *given, const char *name) {
    const json_t *one;
    size_t i;
    json_array_foreach(given, i, one) {
        if (names_mode(one, name)) return true;
    }
    return json_is_string(given) && !strcmp(json_string_value(given), name);
}

static int read_flags(const json_t *json, const char *where, bert_sentence *s, bert_error *e) {
    const json_t *given = json_object_get(json, "pooling_mode");
    if (json_is_null(given)) given = NULL;
    if (given && !json_is_string(given) && !json_is_array(given))
        return bert_fail(e, BERT_EFORMAT, "%s: pooling_mode: must be a string or a list", where);
    int chosen = -1, count = 0, rc = 0;
    for (int i = 0; i < MODES && !rc; i++) {
        bool on = false;
        rc = bert_json_bool(json, modes[i].flag, &on, where, e);
        if (given) on = names_mode(given, modes[i].name);
        if (on) chosen = i, count++;
    }
    if (rc) return rc;
    if (json_array_size(given) > 1) count = (int)json_array_size(given);
    if (count == 1 && modes[chosen].pooling != BERT_POOLING_DEFAULT)
        s->pooling = modes[chosen].pooling;
    else if (count > 1)
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "%s joins %d kinds of pooling; choose one yourself", where, count);
    else if (count || given)
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "%s asks for the pooling \"%.60s\"; supported are mean, cls and max", where,
                  count                   ? modes[chosen].name
                  : json_is_string(given) ? json_string_value(given)
                                          : "");
    else
        s->pooling = BERT_POOLING_MEAN; /* its default */
    return 0;
}

static int read_pooling(const char *directory, const char *module, bert_sentence *s,
                        bert_error *e) {
    char *folder = bert_path_join(directory, module), *path = NULL;
    int rc = folder ? 0 : bert_fail_memory(e, strlen(directory));
    json_t *json = folder ? load(folder, "config.json", &path, &rc, e) : NULL;
    if (json) rc = read_flags(json, path, s, e);
    json_decref(json);
    free(path);
    free(folder);
    return rc;
}

/* Inside the directory, so that a file from elsewhere cannot send us around the disk. */
static bool is_inside(const char *path) {
    return path[0] != '/' && !strstr(path, "..");
}

/* The modules in turn; type ends with the class name. */
static int read_modules(const char *directory, const json_t *list, const char *where,
                        bert_sentence *s, bert_error *e) {
    size_t i;
    json_t *module;
    if (!json_is_array(list))
        return bert_fail(e, BERT_EFORMAT, "%s must be a list of modules", where);
    json_array_foreach((json_t *)list, i, module) {
        char type[256] = "", path[256] = "";
        int rc = json_is_object(module)
                     ? 0
                     : bert_fail(e, BERT_EFORMAT, "%s: module %zu is not an object", where, i);
        if (!rc) rc = bert_json_string(module, "type", type, sizeof type, where, e);
        if (!rc) rc = bert_json_string(module, "path", path, sizeof path, where, e);
        const char *dot = strrchr(type, '.');
        const char *name = dot ? dot + 1 : type;
        if (!rc && !is_inside(path))
            rc =
                bert_fail(e, BERT_EFORMAT, "%s: the path \"%s\" leaves the directory", where, path);
        if (!rc && !strcmp(name, "Pooling")) {
            rc = read_pooling(directory, path, s, e);
        } else if (!rc && !strcmp(name, "Normalize")) {
            s->normalize = true;
        } else if (!rc && strcmp(name, "Transformer")) {
            bert_fail(&s->refused, BERT_EUNSUPPORTED,
                      "%s holds the module \"%s\", which is not supported; choose a pooling "
                      "yourself to do without it",
                      where, name);
        }
        if (rc) return rc;
    }
    return 0;
}

static int read_limits(const char *directory, const json_t *json, const char *where,
                       bert_sentence *s, bert_error *e) {
    (void)directory;
    int rc = bert_json_int(json, "max_seq_length", 1, INT32_MAX, &s->max_seq_length, where, e);
    return rc ? rc : bert_json_bool(json, "do_lower_case", &s->lowercase, where, e);
}

/* A prompt that encode() puts before every text unless told otherwise. */
static int read_prompt(const char *directory, const json_t *json, const char *where,
                       bert_sentence *s, bert_error *e) {
    (void)directory, (void)e;
    const char *name = json_string_value(json_object_get(json, "default_prompt_name"));
    const json_t *prompts = json_object_get(json, "prompts");
    const char *prompt = name ? json_string_value(json_object_get(prompts, name)) : NULL;
    if (prompt && *prompt)
        bert_fail(&s->refused, BERT_EUNSUPPORTED,
                  "%s puts \"%.100s\" before each text, which is not supported; put it there and "
                  "choose a pooling yourself",
                  where, prompt);
    return 0;
}

int bert_sentence_read(const char *directory, bert_sentence *s, bert_error *e) {
    static const struct {
        const char *name;
        int (*read)(const char *directory, const json_t *json, const char *where, bert_sentence *s,
                    bert_error *e);
    } files[] = {{"modules.json", read_modules},
                 {"sentence_bert_config.json", read_limits},
                 {"config_sentence_transformers.json", read_prompt}};
    *s = (bert_sentence){0};
    int rc = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && !rc; i++) {
        char *path;
        json_t *json = load(directory, files[i].name, &path, &rc, e);
        if (json) rc = files[i].read(directory, json, path, s, e);
        json_decref(json);
        free(path);
    }
    return rc;
}
