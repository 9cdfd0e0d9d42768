#include "models/multi.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/layout.h"
#include "models/beside.h"
#include <stdlib.h>
#include <string.h>

enum { QUERY, DOCUMENT, MOST = 1 << 20 };

static json_t *member(const json_t *object, const char *key) {
    json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

static int copy_string(const char *text, char **out, bert_error *e) {
    free(*out);
    *out = text ? strdup(text) : NULL;
    return text && !*out ? bert_fail_memory(e, strlen(text)) : 0;
}

/* ---- What is done with queries, documents and their tokens */

/* {"strategy": "fixed" or "min", "length": n, "attend": bool, "token": ".."} */
static int read_expansion(const json_t *x, bert_multi *m, bert_error *e) {
    static const char where[] = "query_expansion";
    char strategy[20] = "";
    m->expanded = 0;
    if (!x || json_is_null(x)) return 0;
    int rc = json_is_object(x) ? 0 : bert_fail(e, BERT_EFORMAT, "%s is not an object", where);
    if (!rc) rc = bert_json_string(x, "strategy", strategy, sizeof strategy, where, e);
    if (!rc) rc = bert_json_int(x, "length", 1, MOST, &m->expanded, where, e);
    if (!rc) rc = bert_json_bool(x, "attend", &m->attend, where, e);
    if (!rc) rc = copy_string(json_string_value(member(x, "token")), &m->expansion, e);
    m->cut = !strcmp(strategy, "fixed");
    if (!rc && ((!m->cut && strcmp(strategy, "min")) || !m->expanded))
        bert_fail(
            &m->refused, BERT_EUNSUPPORTED,
            "the query_expansion has the strategy \"%s\" and the length %d; it needs \"fixed\" "
            "or \"min\", and a length",
            strategy, m->expanded);
    return rc;
}

static int read_lengths(const json_t *config, bert_multi *m, const char *where, bert_error *e) {
    int rc = bert_json_int(config, "query_length", 1, MOST, &m->length[QUERY], where, e);
    return rc ? rc
              : bert_json_int(config, "document_length", 1, MOST, &m->length[DOCUMENT], where, e);
}

static int take_list(const json_t *config, const char *key, json_t **out, bert_error *e) {
    json_t *list = member(config, key);
    if (list && !json_is_array(list)) return bert_fail(e, BERT_EFORMAT, "%s is not a list", key);
    json_decref(*out);
    *out = json_array_size(list) ? json_incref(list) : NULL;
    return 0;
}

/* The usual words of a skiplist: Python's string.punctuation. */
static int skip_punctuation(bert_multi *m, bert_error *e) {
    static const char all[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    json_decref(m->skipped);
    m->skipped = json_array();
    for (size_t i = 0; m->skipped && i + 1 < sizeof all; i++)
        if (json_array_append_new(m->skipped, json_stringn(all + i, 1)))
            return bert_fail_memory(e, sizeof all);
    return m->skipped ? 0 : bert_fail_memory(e, sizeof all);
}

static bool names_side(const json_t *tasks, const char *side) {
    size_t i;
    json_t *one;
    if (json_is_string(tasks)) return !strcmp(json_string_value(tasks), side);
    json_array_foreach((json_t *)(uintptr_t)tasks, i, one) {
        if (json_is_string(one) && !strcmp(json_string_value(one), side)) return true;
    }
    return false;
}

static int read_mask(const json_t *config, bert_multi *m, bert_error *e) {
    const json_t *tasks = member(config, "skiplist_tasks");
    m->skips[QUERY] = tasks && names_side(tasks, "query");
    m->skips[DOCUMENT] = !tasks || names_side(tasks, "document");
    int rc = take_list(config, "skiplist_words", &m->skipped, e);
    return rc ? rc : take_list(config, "keep_only_token_ids", &m->kept, e);
}

/* ---- modules.json */

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int read_module(const bert_pretrained *from, const char *name, const char *folder,
                       bert_multi *m, bert_error *e) {
    char *part = bert_path_join(folder, "config.json"),
         *shown = bert_pretrained_where(from, folder);
    json_t *config = part ? bert_pretrained_json(from, part, e) : NULL;
    int rc = !part || !shown ? bert_fail_memory(e, strlen(folder)) : e->code;
    bert_error why = {0};
    const bert_module_place at = {from, folder, shown, "token_embeddings"};
    const bool of_texts = strcmp(text_of(config, "module_input_name"), "token_embeddings") != 0;
    if (!rc && !strcmp(name, "MultiVectorMask")) rc = read_mask(config, m, e);
    /* A Normalize of a text's vector passes by where there is none. */
    else if (!rc && !(of_texts && !strcmp(name, "Normalize")))
        rc = bert_modules_add(&m->modules, name, &at, &why);
    if (why.code == BERT_ENOMEM) bert_fail(e, rc, "%s", why.message);
    if (why.code && why.code != BERT_ENOMEM) {
        bert_fail(&m->refused, rc, "%s", why.message);
        rc = 0;
    }
    json_decref(config);
    free(shown);
    free(part);
    return rc;
}

static int read_modules(const bert_pretrained *from, const json_t *list, bert_multi *m,
                        bert_error *e) {
    size_t i;
    json_t *module;
    json_array_foreach((json_t *)(uintptr_t)list, i, module) {
        const char *name = bert_layout_class(text_of(module, "type"));
        const char *path = text_of(module, "path");
        if (!name) {
            bert_fail(&m->refused, BERT_EUNSUPPORTED,
                      "modules.json names a \"%.100s\", which is not a module of "
                      "sentence-transformers",
                      text_of(module, "type"));
            return 0;
        }
        if (!strcmp(name, "Transformer") || !strcmp(name, "Pooling")) continue;
        int rc = bert_layout_inside(path) ? read_module(from, name, path, m, e) : 0;
        if (rc) return rc;
    }
    return 0;
}

/* ---- PyLate: what it says lies in config_sentence_transformers.json */

static bool has_any(const json_t *options, const char *const *keys) {
    for (; *keys; keys++)
        if (json_object_get(options, *keys)) return true;
    return false;
}

static int pylate_expansion(const json_t *o, bert_multi *m, bert_error *e) {
    static const char *const marks[] = {"query_length",
                                        "document_length",
                                        "query_expansion",
                                        "do_query_expansion",
                                        "attend_to_expansion_tokens",
                                        "attend_to_mask_tokens",
                                        "query_prefix",
                                        "document_prefix",
                                        "skiplist_words",
                                        NULL};
    if (json_object_get(o, "query_expansion"))
        return read_expansion(json_object_get(o, "query_expansion"), m, e);
    if (!has_any(o, marks) || json_is_false(json_object_get(o, "do_query_expansion"))) return 0;
    m->expanded = m->length[QUERY] ? m->length[QUERY] : 32; /* ColBERT's own length */
    m->cut = true;
    const json_t *attend = json_object_get(o, "attend_to_expansion_tokens");
    m->attend = json_is_true(attend ? attend : json_object_get(o, "attend_to_mask_tokens"));
    return 0;
}

static int read_pylate(const json_t *o, bert_multi *m, bert_error *e) {
    int rc = read_lengths(o, m, "config_sentence_transformers.json", e);
    if (!rc) rc = pylate_expansion(o, m, e);
    if (!rc) rc = copy_string(json_string_value(member(o, "query_prefix")), &m->marker[QUERY], e);
    if (!rc)
        rc = copy_string(json_string_value(member(o, "document_prefix")), &m->marker[DOCUMENT], e);
    return rc;
}

/* It names [Transformer, Dense] alone, and means more. */
static int finish_pylate(const json_t *o, bert_multi *m, bert_error *e) {
    m->skips[DOCUMENT] = true;
    int rc = member(o, "skiplist_words") ? take_list(o, "skiplist_words", &m->skipped, e)
                                         : skip_punctuation(m, e);
    return rc ? rc : bert_modules_add_normalize(&m->modules, e);
}

/* ---- The original ColBERT: artifact.metadata, and linear.weight among the encoder's */

static int read_original(const bert_pretrained *from, bert_multi *m, bert_error *e) {
    static const char where[] = "artifact.metadata";
    char query[64] = "[unused0]", document[64] = "[unused1]", marker[80];
    bool punctuation = true;
    json_t *o = bert_pretrained_json(from, where, e);
    int rc = e->code;
    m->expanded = 32;
    m->cut = true;
    if (!rc) rc = bert_json_string(o, "query_token_id", query, sizeof query, where, e);
    if (!rc) rc = bert_json_string(o, "doc_token_id", document, sizeof document, where, e);
    if (!rc) rc = bert_json_int(o, "doc_maxlen", 1, MOST, &m->length[DOCUMENT], where, e);
    if (!rc) rc = bert_json_int(o, "query_maxlen", 1, MOST, &m->expanded, where, e);
    if (!rc) rc = bert_json_bool(o, "attend_to_mask_tokens", &m->attend, where, e);
    if (!rc) rc = bert_json_bool(o, "mask_punctuation", &punctuation, where, e);
    for (int side = 0; side < 2 && !rc; side++) {
        snprintf(marker, sizeof marker, "%s ", side ? document : query);
        rc = copy_string(marker, &m->marker[side], e);
    }
    m->skips[DOCUMENT] = punctuation;
    if (!rc && punctuation) rc = skip_punctuation(m, e);
    bert_tensors *file = rc ? NULL : bert_pretrained_tensors(from, bert_pretrained_folder(from), e);
    if (!rc) rc = e->code;
    bert_error why = {0};
    if (!rc && file &&
        bert_modules_add_linear(&m->modules, file, "linear.weight", NULL, NULL, &why))
        rc = bert_beside_refuse(&m->refused, &why, e);
    if (!rc) rc = bert_modules_add_normalize(&m->modules, e);
    bert_tensors_close(file);
    json_decref(o);
    return rc;
}

static bool is_original(const bert_pretrained *from) {
    bert_error quiet = {0};
    char *part = bert_path_join(bert_pretrained_folder(from), "config.json");
    json_t *config = part ? bert_pretrained_json(from, part, &quiet) : NULL;
    const json_t *first = json_array_get(json_object_get(config, "architectures"), 0);
    const bool it_is = json_is_string(first) && !strcmp(json_string_value(first), "HF_ColBERT");
    json_decref(config);
    free(part);
    return it_is;
}

/* ---- bge-m3 */

static int read_beside(const bert_pretrained *from, bert_multi *m, bert_error *e) {
    m->without_first = m->mean = true;
    int rc = bert_beside_linear(from, "colbert_linear.pt", NULL, &m->modules, &m->refused, e);
    return rc ? rc : bert_modules_add_normalize(&m->modules, e);
}

/* ---- Which of them it is */

/* The Transformer's own file goes before config_sentence_transformers.json. */
static int read_transformer(const bert_pretrained *from, bert_multi *m, bert_error *e) {
    static const char name[] = "sentence_bert_config.json";
    char *part = bert_path_join(bert_pretrained_folder(from), name);
    if (!part) return bert_fail_memory(e, sizeof name);
    json_t *config = bert_pretrained_json(from, part, e);
    int rc = e->code ? e->code : read_lengths(config, m, name, e);
    if (!rc && json_object_get(config, "query_expansion"))
        rc = read_expansion(json_object_get(config, "query_expansion"), m, e);
    json_decref(config);
    free(part);
    return rc;
}

static int read_named(const bert_pretrained *from, const json_t *list, const json_t *options,
                      bool pylate, bert_multi *m, bert_error *e) {
    m->mean = !strcmp(text_of(options, "similarity_fn_name"), "meanmaxsim");
    int rc = read_pylate(options, m, e);
    if (!rc) rc = read_transformer(from, m, e);
    if (!rc) rc = read_modules(from, list, m, e);
    if (!rc && pylate) rc = finish_pylate(options, m, e);
    return rc;
}

int bert_multi_read(const bert_pretrained *from, const json_t *list, const json_t *options,
                    bert_multi *m, bert_error *e) {
    *m = (bert_multi){0};
    const char *type = text_of(options, "model_type");
    const bool pylate = !strcmp(type, "ColBERT") || json_object_get(options, "query_prefix") ||
                        json_object_get(options, "document_prefix");
    m->there = true;
    if (pylate || !strcmp(type, "MultiVectorEncoder"))
        return read_named(from, list, options, pylate && strcmp(type, "MultiVectorEncoder"), m, e);
    if (bert_beside_has(from, "colbert_linear.pt")) return read_beside(from, m, e);
    if (!list && is_original(from)) return read_original(from, m, e);
    m->there = false;
    return 0;
}

void bert_multi_free(bert_multi *m) {
    bert_modules_free(&m->modules);
    json_decref(m->skipped);
    json_decref(m->kept);
    for (int i = 0; i < 2; i++) free(m->marker[i]);
    free(m->expansion);
    *m = (bert_multi){0};
}
