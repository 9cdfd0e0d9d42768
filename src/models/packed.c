#include "models/packed.h"
#include "base/error.h"
#include "files/json.h"
#include "models/model.h"
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

/* Names with and without the family's prefix are of one weight. */
static const char *bare(const bert_arch *arch, const char *name) {
    const size_t n = strlen(arch->prefix);
    return strncmp(name, arch->prefix, n) ? name : name + n;
}

bool bert_packed_has(const bert_packed_weights *p, const bert_arch *arch, const char *name) {
    const json_t *copy, *of;
    size_t i, k;
    json_array_foreach(p->copies, i, copy) {
        json_array_foreach(json_object_get(copy, "of"), k, of) {
            if (!strcmp(bare(arch, json_string_value(of)), bare(arch, name))) return true;
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

/* ---- Adopting */

static bert_param *find_bare(const bert_model *m, const char *name) {
    for (int i = 0; i < bert_params_count(m->params); i++) {
        bert_param *p = bert_params_at(m->params, i);
        if (p->memo.packed && !strcmp(bare(m->arch, p->name), bare(m->arch, name))) return p;
    }
    return NULL;
}

static int misfit(const bert_packed_weights *p, const char *name, bert_error *e) {
    return bert_fail(e, BERT_EFORMAT,
                     "%s: the packed copy of %.100s is not one of this model; make it anew: " ANEW,
                     p->path, name, source(p), type_of(p->precision));
}

/* The copy with the weights that it is of; count 0: none of them is of this model. */
static int read_copy(const bert_model *m, const json_t *copy, bert_kept_copy *k, bert_error *e) {
    const bert_packed_weights *packed = &m->weights.packed;
    const char *balance = text_of(copy, "balance"), *first = NULL;
    const json_t *of;
    size_t i, n = json_array_size(json_object_get(copy, "of"));
    *k = (bert_kept_copy){.precision = packed->precision};
    json_array_foreach(json_object_get(copy, "of"), i, of) {
        bert_param *p = find_bare(m, first = json_string_value(of));
        if (!p) continue;
        if (k->count && k->cols != p->cols) return misfit(packed, first, e);
        k->cols = p->cols;
        k->rows[k->count] = p->rows;
        k->of[k->count++] = &p->memo;
    }
    if (!k->count) return 0;
    const bert_stored_tensor *data = bert_tensors_find(m->weights.file, text_of(copy, "data")),
                             *b = *balance ? bert_tensors_find(m->weights.file, balance) : NULL;
    const size_t shares = 2 * (size_t)k->cols * sizeof(float);
    if (k->count != (int)n || !data || data->dtype != BERT_U8 || (*balance && !b) ||
        (b && (b->dtype != BERT_F32 || b->bytes != shares || (uintptr_t)b->data % _Alignof(float))))
        return misfit(packed, first, e);
    k->data = data->data;
    k->bytes = data->bytes;
    k->balance = b ? b->data : NULL;
    return 0;
}

static int check_layout(const bert_model *m, bert_error *e) {
    const bert_packed_weights *p = &m->weights.packed;
    const bert_device *d = m->params->device;
    char here[BERT_KEPT_LAYOUT] = "nothing packed";
    const char *there = text_of(p->json, "layout");
    bert_error none = {0};
    if (d->adopt && !d->layout(p->precision, here, &none) && !strcmp(here, there)) return 0;
    return bert_fail(
        e, BERT_EUNSUPPORTED,
        "%s: its weights are packed as \"%.60s\", and this machine, or this version, uses "
        "\"%s\"; make it anew here: " ANEW,
        p->path, there, here, source(p), type_of(p->precision));
}

int bert_model_adopt(bert_model *m, bert_error *e) {
    const json_t *copy;
    size_t i;
    bert_kept_copy k;
    int rc = check_layout(m, e);
    json_array_foreach(m->weights.packed.copies, i, copy) {
        if (!rc) rc = read_copy(m, copy, &k, e);
        if (!rc && k.count && (rc = m->params->device->adopt(&k, e)))
            bert_error_prefix(e, "%s: ", m->weights.path);
    }
    m->params->balanced = true; /* as they were packed */
    return rc;
}
