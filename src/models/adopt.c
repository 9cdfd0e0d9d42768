/* A model takes the copies of its weights that a checkpoint holds. */
#include "base/error.h"
#include "models/model.h"
#include <stdio.h>
#include <string.h>

static const char *member(const json_t *copy, const char *key) {
    const char *text = json_string_value(json_object_get(copy, key));
    return text ? text : "";
}

static bert_param *find_bare(const bert_model *m, const char *name) {
    for (int i = 0; i < bert_params_count(m->params); i++) {
        bert_param *p = bert_params_at(m->params, i);
        if (p->memo.packed && bert_packed_same(m->arch, p->name, name)) return p;
    }
    return NULL;
}

/* The copy with the weights that it is of; count 0: none of them is of this model. */
static int read_copy(const bert_model *m, const json_t *copy, bert_kept_copy *k, bert_error *e) {
    const bert_packed_weights *packed = &m->weights.packed;
    const char *balance = member(copy, "balance"), *first = NULL;
    const json_t *of;
    size_t i, n = json_array_size(json_object_get(copy, "of"));
    *k = (bert_kept_copy){.precision = packed->precision};
    json_array_foreach(json_object_get(copy, "of"), i, of) {
        bert_param *p = find_bare(m, first = json_string_value(of));
        if (!p) continue;
        if (k->count && k->cols != p->cols) return bert_packed_misfit(packed, first, e);
        k->cols = p->cols;
        k->rows[k->count] = p->rows;
        k->of[k->count++] = &p->memo;
    }
    if (!k->count) return 0;
    const bert_stored_tensor *data = bert_tensors_find(m->weights.file, member(copy, "data")),
                             *b = *balance ? bert_tensors_find(m->weights.file, balance) : NULL;
    const size_t shares = 2 * (size_t)k->cols * sizeof(float);
    if (k->count != (int)n || !data || data->dtype != BERT_U8 || (*balance && !b) ||
        (b && (b->dtype != BERT_F32 || b->bytes != shares || (uintptr_t)b->data % _Alignof(float))))
        return bert_packed_misfit(packed, first, e);
    k->data = data->data;
    k->bytes = data->bytes;
    k->balance = b ? b->data : NULL;
    return 0;
}

static int check_layout(const bert_model *m, bert_error *e) {
    const bert_packed_weights *p = &m->weights.packed;
    const bert_device *d = m->params->device;
    char here[BERT_KEPT_LAYOUT];
    bert_error none = {0};
    if (!d->adopt || d->layout(p->precision, here, &none))
        snprintf(here, sizeof here, "nothing packed");
    return bert_packed_layout(p, here, e);
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
