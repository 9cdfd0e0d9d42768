/* Gradients as bf16: on the wire, and rounded so where they need not travel. */
#include "base/error.h"
#include "train/slices.h"
#include <stdlib.h>
#include <string.h>

/* To the nearest, ties to even; a NaN stays one. */
static uint16_t narrow(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 64);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static float widen(uint16_t h) {
    const uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

void bert_wire_narrow(float *x, size_t n) {
    char *out = (char *)x; /* which never overtakes what is read */
    for (size_t i = 0; i < n; i++) {
        const uint16_t h = narrow(x[i]);
        memcpy(out + i * sizeof h, &h, sizeof h);
    }
}

static void widen_all(const float *wire, float *out, size_t n) {
    const char *from = (const char *)wire;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, from + i * sizeof h, sizeof h);
        out[i] = widen(h);
    }
}

float *bert_wire_read(bert_slices *s, const float **wire, size_t *first, size_t *n, size_t all) {
    if (!s->narrow) return NULL;
    float *out = malloc(2 * *n * sizeof *out + 1);
    *first *= 2;
    *n = !out ? 0 : all - *first < 2 * *n ? all - *first : 2 * *n;
    if (!out) {
        bert_fail_memory(&s->worker_error, *n);
        return NULL;
    }
    widen_all(*wire, out, *n);
    *wire = out;
    return out;
}

int bert_wire_round_all(bert_slices *s, bert_error *e) {
    const bert_device *d = s->ps->device;
    for (int i = 0; i < s->params; i++) {
        const bert_param *p = s->ps->items[i];
        const size_t n = bert_param_size(p);
        if (!p->grad || !p->flowed) continue;
        float *x = d->host ? p->grad : malloc(n * sizeof *x);
        if (!x) return bert_fail_memory(e, n * sizeof *x);
        if (x != p->grad) d->read(x, p->grad, n * sizeof *x);
        for (size_t k = 0; k < n; k++) x[k] = widen(narrow(x[k]));
        if (x == p->grad) continue;
        d->write(p->grad, x, n * sizeof *x);
        free(x);
    }
    return BERT_OK;
}
