/* Parameters from a file, where not all of a model is in it: adapters, a head. */
#include "base/error.h"
#include "device/device.h"
#include "files/safetensors.h"
#include "tape/params.h"
#include <stdlib.h>

/* Its parameter, where it can be set from this tensor; NULL and the reason otherwise. */
static bert_param *fitting(const bert_params *ps, const bert_stored_tensor *t, const char *path,
                           bert_error *e) {
    bert_param *p = bert_params_find(ps, t->name);
    if (!p) {
        bert_fail(e, BERT_EFORMAT, "%s: no parameter of this model is called %.100s", path,
                  t->name);
        return NULL;
    }
    const bool vector = t->dims == 1 && p->rows == 1 && t->shape[0] == p->cols;
    if (!vector && (t->dims != 2 || t->shape[0] != p->rows || t->shape[1] != p->cols)) {
        bert_fail(e, BERT_EFORMAT, "%s: tensor %.100s has not this model's shape, [%d, %d]", path,
                  t->name, p->rows, p->cols);
        return NULL;
    }
    if (p->trainable || p->initialised) return p;
    bert_fail(e, BERT_EINVAL, "%s: %.100s can be set in a model that is open for training only",
              path, t->name);
    return NULL;
}

static int set(bert_param *p, const bert_stored_tensor *t, bert_error *e) {
    const size_t size = bert_param_size(p);
    float *values = malloc(size * sizeof *values);
    if (!values) return bert_fail_memory(e, size * sizeof *values);
    int rc = bert_stored_to_float(t, values, e);
    if (!rc) {
        bert_param_touch(p);
        p->owner->device->write((float *)(uintptr_t)p->value, values, size * sizeof *values);
    }
    free(values);
    return rc;
}

int bert_params_load(bert_params *ps, const char *path, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(ps, "parameters", e) || bert_need(path, "path", e)) return BERT_EINVAL;
    bert_tensors *file = bert_tensors_open(&bert_safetensors_format, path, e);
    const int n = file ? bert_tensors_count(file) : 0;
    for (int i = 0; i < n && !e->code; i++) fitting(ps, bert_tensors_at(file, i), path, e);
    for (int i = 0; i < n && !e->code; i++) {
        const bert_stored_tensor *t = bert_tensors_at(file, i);
        set(fitting(ps, t, path, e), t, e);
    }
    bert_tensors_close(file);
    return e->code ? e->code : n;
}
