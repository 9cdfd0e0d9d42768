#include "models/config.h"
#include "base/error.h"
#include "files/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bert_labels_free(bert_labels *l) {
    for (int32_t i = 0; i < l->n; i++) free(l->name[i]);
    free(l->name);
    *l = (bert_labels){0};
}

int bert_labels_set(bert_labels *l, int32_t n, const char *const *names, bert_error *e) {
    bert_labels fresh = {.name = calloc((size_t)n + 1, sizeof *fresh.name)};
    if (!fresh.name) return bert_fail_memory(e, ((size_t)n + 1) * sizeof *fresh.name);
    for (int32_t i = 0; i < n; i++) {
        char number[32];
        snprintf(number, sizeof number, "LABEL_%d", i);
        const char *name = names && names[i] ? names[i] : number;
        if (!(fresh.name[i] = strdup(name))) {
            bert_labels_free(&fresh);
            return bert_fail_memory(e, strlen(name) + 1);
        }
        fresh.n = i + 1;
    }
    bert_labels_free(l);
    *l = fresh;
    return 0;
}

static int read_number(const json_t *json, const bert_config_key *key, void *field,
                       const char *where, bert_error *e) {
    if (key->type == BERT_KEY_INT) {
        int32_t *out = field;
        *out = (int32_t)key->value;
        return bert_json_int(json, key->name, (int32_t)key->min, (int32_t)key->max, out, where, e);
    }
    float *out = field;
    *out = (float)key->value;
    int rc = bert_json_float(json, key->name, out, where, e);
    const json_t *given = json_object_get(json, key->name);
    /* ends as floats: 0.999f is more than 0.999 */
    const float min = (float)key->min, max = (float)key->max;
    if (!rc && json_is_number(given) && !(*out >= min && *out <= max))
        rc = bert_fail(e, BERT_EFORMAT, "%s: %s is %g; it must be %g to %g", where, key->name,
                       (double)*out, key->min, key->max);
    return rc;
}

static int read_key(const json_t *json, const bert_config_key *key, bert_config *c, void *own,
                    const char *where, bert_error *e) {
    void *field = (char *)(key->own ? own : c) + key->offset;
    if (key->type == BERT_KEY_BOOL) {
        *(bool *)field = key->value != 0;
        return bert_json_bool(json, key->name, field, where, e);
    }
    if (key->type != BERT_KEY_STRING) return read_number(json, key, field, where, e);
    snprintf(field, BERT_MAX_NAME, "%s", key->text);
    return bert_json_string(json, key->name, field, BERT_MAX_NAME, where, e);
}

static int check_fixed(const json_t *json, const bert_config_fixed *fixed, const char *where,
                       bert_error *e) {
    const json_t *given = json_object_get(json, fixed->name);
    if (!given || json_is_null(given)) return 0;
    char *text = json_dumps(given, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text) return bert_fail_memory(e, 64);
    int rc = 0;
    if (strcmp(text, fixed->value))
        rc = bert_fail(e, BERT_EUNSUPPORTED, "%s: %s is %.100s; only %s is supported", where,
                       fixed->name, text, fixed->value);
    free(text);
    return rc;
}

int bert_config_read_keys(const json_t *json, const bert_config_key *keys,
                          const bert_config_fixed *fixed, bert_config *c, void *own,
                          const char *where, bert_error *e) {
    int rc = 0;
    for (const bert_config_fixed *f = fixed; f->name && !rc; f++)
        rc = check_fixed(json, f, where, e);
    for (const bert_config_key *k = keys; k->name && !rc; k++)
        rc = read_key(json, k, c, own, where, e);
    return rc;
}
