#include "models/config_file.h"
#include "base/error.h"
#include "base/number.h"
#include "files/json.h"
#include "models/problem.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LABELS = 1000000 };

/* architectures is a list; the first counts. */
static int read_architecture(const json_t *json, bert_config *c, const char *where, bert_error *e) {
    const json_t *list = json_object_get(json, "architectures");
    if (!list || json_is_null(list)) return 0;
    const json_t *first = json_array_get(list, 0);
    if (!json_is_array(list) || (first && !json_is_string(first)))
        return bert_fail(e, BERT_EFORMAT, "%s: architectures must be a list of class names", where);
    if (first && json_string_length(first) >= sizeof c->architecture)
        return bert_fail(e, BERT_EFORMAT, "%s: the name in architectures is longer than %zu bytes",
                         where, sizeof c->architecture - 1);
    if (first) snprintf(c->architecture, sizeof c->architecture, "%s", json_string_value(first));
    return 0;
}

/* A label's number as Python's int() reads it, from 0 below n; or -1. */
static int32_t label_number(const char *key, int32_t n) {
    char *end;
    errno = 0;
    const long long id = strtoll(key, &end, 10);
    while (isspace((unsigned char)*end)) end++;
    return end == key || *end || errno || id < 0 || id >= n ? -1 : (int32_t)id;
}

/* A label's name; a number or a truth value in its place is called as Python prints it. NULL: it is
 * none of these; room: [40]. */
static const char *label_name(const json_t *value, char *room) {
    if (json_is_string(value)) return json_string_value(value);
    if (json_is_boolean(value)) return json_is_true(value) ? "True" : "False";
    if (!json_is_number(value)) return NULL;
    if (json_is_integer(value))
        snprintf(room, 40, "%lld", (long long)json_integer_value(value));
    else
        bert_format_double(room, 32, 1, json_real_value(value));
    if (json_is_real(value) && !strpbrk(room, ".e")) strcat(room, ".0");
    return room;
}

/* Why the names of id2label cannot be used; else they are in labels, LABEL_0, LABEL_1 .. before. */
static int read_names(const json_t *map, const char *where, bert_labels *labels, bert_error *e) {
    const int32_t n = labels->n;
    const char *key;
    json_t *value;
    bool *seen = calloc((size_t)n, sizeof *seen);
    if (!seen) return bert_fail_memory(e, (size_t)n * sizeof *seen);
    int rc = 0;
    json_object_foreach((json_t *)map, key, value) {
        char room[40];
        const int32_t id = label_number(key, n);
        const char *name = label_name(value, room);
        char *copy = NULL;
        if (id < 0 || seen[id])
            rc = bert_fail(e, BERT_EFORMAT,
                           "%s: id2label has %d names and the number \"%.40s\"; the numbers must "
                           "be 0 to %d without gaps",
                           where, n, key, n - 1);
        else if (!name)
            rc = bert_fail(e, BERT_EFORMAT,
                           "%s: id2label: label %d has no name, but a list, an "
                           "object or null",
                           where, id);
        else if (!(copy = strdup(name)))
            rc = bert_fail_memory(e, strlen(name) + 1);
        if (rc) break;
        seen[id] = true;
        free(labels->name[id]);
        labels->name[id] = copy;
    }
    free(seen);
    return rc;
}

/* id2label is an object from numbers, written as strings, to names; it may be in any order, and
 * its size is num_labels. What names no class is kept in refused: an encoder needs no names. */
static int read_id2label(const json_t *map, const char *where, bert_labels *labels, bert_error *e) {
    size_t n = json_object_size(map);
    bert_error why = {0};
    if (!json_is_object(map) || n < 1 || n > MAX_LABELS)
        bert_fail(&why, BERT_EFORMAT,
                  "%s: id2label must be an object from label numbers to names (1 to %d)", where,
                  MAX_LABELS);
    int rc = bert_labels_set(labels, why.code ? 2 : (int32_t)n, NULL, e);
    if (!rc && !why.code) rc = read_names(map, where, labels, &why);
    if (rc == BERT_ENOMEM) return bert_fail(e, rc, "%s", why.message);
    labels->refused = why;
    return 0;
}

static int read_labels(const json_t *json, bert_config *c, bert_labels *labels, const char *where,
                       bert_error *e) {
    const json_t *map = json_object_get(json, "id2label");
    int rc;
    if (map && !json_is_null(map)) {
        rc = read_id2label(map, where, labels, e);
    } else {
        int32_t n = 2;
        rc = bert_json_int(json, "num_labels", 1, MAX_LABELS, &n, where, e);
        if (!rc) rc = bert_labels_set(labels, n, NULL, e);
    }
    if (!rc) c->num_labels = labels->n;
    return rc;
}

static int check_shape(const bert_config *c, const char *where, bert_error *e) {
    if (c->hidden_size % c->num_attention_heads)
        return bert_fail(e, BERT_EFORMAT,
                         "%s: hidden_size %d is not a multiple of num_attention_heads %d", where,
                         c->hidden_size, c->num_attention_heads);
    if (c->pad_token_id >= c->vocab_size)
        return bert_fail(e, BERT_EFORMAT, "%s: pad_token_id %d is not below vocab_size %d", where,
                         c->pad_token_id, c->vocab_size);
    bert_act act;
    int rc = bert_act_parse(c->hidden_act, &act, e);
    if (rc) bert_error_prefix(e, "%s: hidden_act: ", where);
    return rc;
}

static int find_arch(const json_t *json, bert_config *c, const char *where, const bert_arch **arch,
                     bert_error *e) {
    int rc = bert_json_string(json, "model_type", c->model_type, sizeof c->model_type, where, e);
    if (rc) return rc;
    if (!c->model_type[0]) {
        /* Checkpoints older than the key still name their class. */
        *arch = bert_arch_of_class(c->architecture);
        if (!*arch)
            return bert_fail(e, BERT_EFORMAT,
                             "%s: model_type is missing; add \"model_type\": \"bert\" if it is one",
                             where);
        snprintf(c->model_type, sizeof c->model_type, "%s", (*arch)->model_type);
        return 0;
    }
    *arch = bert_arch_find(c->model_type, where, e);
    return *arch ? 0 : BERT_EUNSUPPORTED;
}

/* The row of that model_type that the other keys choose. */
static const bert_arch *variant_of(const bert_arch *plain, const json_t *json) {
    for (const bert_arch *const *a = bert_archs; *a; a++) {
        if (!(*a)->when || strcmp((*a)->model_type, plain->model_type)) continue;
        const char *value = json_string_value(json_object_get(json, (*a)->when));
        if (value && !strcmp(value, (*a)->is)) return *a;
    }
    return plain;
}

/* config.json with its keys under the names that the table has: a new reference. */
static json_t *renamed_keys(const json_t *json, const bert_config_alias *aliases, bert_error *e) {
    json_t *out = json_copy((json_t *)json);
    int bad = !out;
    for (const bert_config_alias *a = aliases; a && a->name && !bad; a++) {
        json_t *value = json_object_get(json, a->name);
        if (value && !json_object_get(json, a->key)) bad = json_object_set(out, a->key, value);
    }
    if (!bad) return out;
    json_decref(out);
    bert_fail_memory(e, 64);
    return NULL;
}

static int read_arch(const json_t *json, const char *where, const bert_arch *arch, bert_config *c,
                     void *own, bert_error *e) {
    json_t *keys = renamed_keys(json, arch->aliases, e);
    int rc =
        keys ? bert_config_read_keys(keys, arch->keys, arch->fixed, c, own, where, e) : BERT_ENOMEM;
    if (!rc && arch->complete) rc = arch->complete(keys, where, c, own, e);
    json_decref(keys);
    return rc ? rc : check_shape(c, where, e);
}

int bert_config_read(const json_t *json, const char *where, bert_config *c, bert_labels *labels,
                     const bert_arch **arch, void **own, bert_error *e) {
    *c = (bert_config){0};
    *own = NULL;
    if (!json_is_object(json))
        return bert_fail(e, BERT_EFORMAT, "%s: a configuration is a JSON object", where);
    int rc = read_architecture(json, c, where, e);
    if (!rc) rc = find_arch(json, c, where, arch, e);
    if (rc) return rc;
    *arch = variant_of(*arch, json);
    if ((*arch)->own_size && !(*own = calloc(1, (*arch)->own_size)))
        return bert_fail_memory(e, (*arch)->own_size);
    rc = read_arch(json, where, *arch, c, *own, e);
    if (!rc) rc = read_labels(json, c, labels, where, e);
    if (!rc)
        rc = bert_json_string(json, "problem_type", c->problem_type, sizeof c->problem_type, where,
                              e);
    return rc ? rc : bert_problem_check(c->problem_type, c->num_labels, where, e);
}

/* The _new functions of jansson take NULL for "the value could not be made" and then fail. */
static int write_labels(json_t *out, const bert_labels *labels) {
    json_t *id2label = json_object(), *label2id = json_object();
    int bad = !id2label || !label2id;
    for (int32_t i = 0; i < labels->n && !bad; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        bad = json_object_set_new(id2label, number, json_string(labels->name[i])) ||
              json_object_set_new(label2id, labels->name[i], json_integer(i));
    }
    bad |= json_object_set_new(out, "id2label", id2label);
    bad |= json_object_set_new(out, "label2id", label2id);
    return bad;
}

json_t *bert_config_write(const json_t *original, const bert_config *c, const bert_labels *labels,
                          bert_error *e) {
    json_t *out = json_deep_copy(original);
    int bad = !out || json_object_set_new(out, "model_type", json_string(c->model_type)) ||
              json_object_set_new(out, "architectures", json_pack("[s]", c->architecture)) ||
              json_object_set_new(out, "problem_type",
                                  c->problem_type[0] ? json_string(c->problem_type) : json_null());
    bad = bad || write_labels(out, labels);
    /* Two names of one key: before and since transformers 4.56. */
    static const char *const dtype_keys[] = {"torch_dtype", "dtype"};
    for (int i = 0; i < 2 && !bad; i++)
        if (json_object_get(out, dtype_keys[i]))
            bad = json_object_set_new(out, dtype_keys[i], json_string("float32"));
    if (bad) {
        json_decref(out);
        bert_fail_memory(e, sizeof *c);
        return NULL;
    }
    json_object_del(out, "num_labels"); /* the size of id2label says it */
    return out;
}
