#include "models/packed.h"
#include "base/error.h"
#include "device/operations.h"
#include "files/json.h"
#include <string.h>

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* What to type to have it anew. */
#define ANEW "bert convert %.200s -o DIR --format packed --dtype %s"
static const char *source(const bert_packed_weights *p) {
    const char *from = text_of(p->json, "from");
    return *from ? from : "MODEL";
}
static const char *type_of(bert_precision p) {
    return p == BERT_PRECISION_INT8 ? "int8" : "bf16";
}

/* ---- What the file says */

static bool is_copy(const json_t *copy) {
    const json_t *of = json_object_get(copy, "of"), *name;
    size_t i, n = json_array_size(of);
    bool good = n >= 1 && n <= BERT_LINEARS_MAX && *text_of(copy, "data");
    json_array_foreach(of, i, name) good &= json_is_string(name);
    const json_t *balance = json_object_get(copy, "balance");
    return good && (json_is_null(balance) || json_is_string(balance));
}

int bert_packed_read(bert_packed_weights *p, const char *text, const char *path, bert_error *e) {
    json_t *copy;
    size_t i;
    p->json = bert_json_parse_exact(text, strlen(text), path, e);
    if (!p->json) return e->code;
    p->path = path;
    json_t *copies = json_object_get(p->json, "copies");
    bool good = json_is_array(copies);
    json_array_foreach(copies, i, copy) good &= is_copy(copy);
    if (!good || bert_precision_parse(text_of(p->json, "precision"), &p->precision, NULL))
        return bert_fail(e, BERT_EFORMAT,
                         "%s: what it says of its packed weights is malformed; make it "
                         "anew: " ANEW,
                         path, source(p), "int8");
    p->copies = copies;
    return 0;
}

void bert_packed_free_weights(bert_packed_weights *p) {
    json_decref(p->json);
    *p = (bert_packed_weights){0};
}

static const char *bare(const bert_arch *arch, const char *name) {
    const size_t n = strlen(arch->prefix);
    return strncmp(name, arch->prefix, n) ? name : name + n;
}

bool bert_packed_same(const bert_arch *arch, const char *a, const char *b) {
    return !strcmp(bare(arch, a), bare(arch, b));
}

bool bert_packed_has(const bert_packed_weights *p, const bert_arch *arch, const char *name) {
    const json_t *copy, *of;
    size_t i, k;
    json_array_foreach(p->copies, i, copy) {
        json_array_foreach(json_object_get(copy, "of"), k, of) {
            if (bert_packed_same(arch, json_string_value(of), name)) return true;
        }
    }
    return false;
}

bool bert_packed_part(const bert_packed_weights *p, const char *tensor) {
    const json_t *copy;
    size_t i;
    json_array_foreach(p->copies, i, copy) {
        if (!strcmp(text_of(copy, "data"), tensor) || !strcmp(text_of(copy, "balance"), tensor))
            return true;
    }
    return false;
}

int bert_packed_serves(const bert_packed_weights *p, bert_precision precision, bert_error *e) {
    if (!p->copies || precision == p->precision) return 0;
    return bert_fail(
        e, BERT_EUNSUPPORTED,
        "%s: its weights are packed for the precision %s (--precision %s), not for %s, "
        "which the model that it was made from (%.200s) has",
        p->path, bert_precision_name(p->precision), bert_precision_name(p->precision),
        bert_precision_name(precision), source(p));
}

int bert_packed_refuse(const bert_packed_weights *p, const char *done, bert_error *e) {
    if (!p->copies) return 0;
    return bert_fail(
        e, BERT_EUNSUPPORTED,
        "%s: its weights are packed for use, and cannot be %s; take the model that it was "
        "made from (%.200s)",
        p->path, done, source(p));
}

int bert_packed_misfit(const bert_packed_weights *p, const char *name, bert_error *e) {
    return bert_fail(e, BERT_EFORMAT,
                     "%s: the packed copy of %.100s is not one of this model; make it anew: " ANEW,
                     p->path, name, source(p), type_of(p->precision));
}

int bert_packed_layout(const bert_packed_weights *p, const char *here, bert_error *e) {
    const char *there = text_of(p->json, "layout");
    if (!strcmp(here, there)) return 0;
    return bert_fail(
        e, BERT_EUNSUPPORTED,
        "%s: its weights are packed as \"%.60s\", and this machine, or this version, uses "
        "\"%s\"; make it anew here: " ANEW,
        p->path, there, here, source(p), type_of(p->precision));
}
