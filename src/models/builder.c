#include "models/builder.h"
#include "base/error.h"
#include "tape/params.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_PARAMETER_NAME = 128 };

/* The formats are rows of the architectures' tables, never input. */
static void name_of(const bert_builder *b, const char *format, int layer, const char *suffix,
                    char out[MAX_PARAMETER_NAME]) {
    const char *number = strstr(format, "%d");
    if (number)
        snprintf(out, MAX_PARAMETER_NAME, "%s%.*s%d%s%s", b->prefix, (int)(number - format), format,
                 layer, number + 2, suffix);
    else
        snprintf(out, MAX_PARAMETER_NAME, "%s%s%s", b->prefix, format, suffix);
}

int bert_build_linear_biased(bert_builder *b, const char *name, int layer, int32_t in, int32_t out,
                             bool biased, bert_linear *l) {
    char full[MAX_PARAMETER_NAME];
    name_of(b, name, layer, "", full);
    b->params->layer = layer;
    return biased ? bert_linear_new(b->params, full, in, out, l, b->e)
                  : bert_linear_new_unbiased(b->params, full, in, out, l, b->e);
}

int bert_build_linear(bert_builder *b, const char *name, int layer, int32_t in, int32_t out,
                      bert_linear *l) {
    return bert_build_linear_biased(b, name, layer, in, out, true, l);
}

int bert_build_norm_biased(bert_builder *b, const char *name, int layer, int32_t size, float eps,
                           bool biased, bert_layer_norm *n) {
    char full[MAX_PARAMETER_NAME];
    name_of(b, name, layer, "", full);
    b->params->layer = layer;
    return biased ? bert_layer_norm_new(b->params, full, size, eps, n, b->e)
                  : bert_layer_norm_new_unbiased(b->params, full, size, eps, n, b->e);
}

int bert_build_norm(bert_builder *b, const char *name, int layer, int32_t size, float eps,
                    bert_layer_norm *n) {
    return bert_build_norm_biased(b, name, layer, size, eps, true, n);
}

int bert_build_bias(bert_builder *b, const char *name, int layer, int32_t size, bert_param **p) {
    char full[MAX_PARAMETER_NAME];
    name_of(b, name, layer, "", full);
    b->params->layer = layer;
    *p = bert_param_new(b->params, full, 1, size, BERT_INIT_ZERO, b->e);
    if (!*p) return b->e->code;
    (*p)->kind = BERT_KIND_BIAS;
    return BERT_OK;
}

int bert_build_table(bert_builder *b, const char *name, int32_t rows, int32_t cols,
                     bert_param **p) {
    char full[MAX_PARAMETER_NAME];
    name_of(b, name, BERT_BELOW, ".weight", full);
    b->params->layer = BERT_BELOW;
    *p = bert_param_new(b->params, full, rows, cols, BERT_INIT_NORMAL, b->e);
    if (!*p) return b->e->code;
    (*p)->kind = BERT_KIND_EMBEDDING;
    return BERT_OK;
}

void bert_build_shape(bert_param *p, int dims, const int32_t *shape) {
    p->dims = dims;
    for (int i = 0; i < dims; i++) p->shape[i] = shape[i];
}

int bert_build_param(bert_builder *b, const char *name, int layer, int dims, const int32_t *shape,
                     bert_init init, bert_param **p) {
    char full[MAX_PARAMETER_NAME];
    name_of(b, name, layer, "", full);
    b->params->layer = layer;
    int first = 0;
    while (dims - first > 2 && shape[first] == 1) first++;
    const int32_t rows = dims == 1 ? 1 : shape[first];
    int32_t cols = 1;
    for (int i = dims == 1 ? 0 : first + 1; i < dims; i++) cols *= shape[i];
    *p = bert_param_new(b->params, full, rows, cols, init, b->e);
    if (!*p) return b->e->code;
    (*p)->kind = BERT_KIND_EMBEDDING;
    bert_build_shape(*p, dims, shape);
    return BERT_OK;
}

void *bert_build_alloc(bert_builder *b, size_t bytes) {
    void *p = bert_arena_calloc(b->memory, bytes);
    if (!p) bert_fail_memory(b->e, bytes);
    return p;
}

int bert_build_rotation(bert_builder *b, int32_t size, int32_t positions, const float *frequencies,
                        float scale, const bert_rotation **r) {
    const size_t half = (size_t)size / 2, n = (size_t)positions * half;
    bert_rotation *made = bert_build_alloc(b, sizeof *made);
    float *turns = bert_build_alloc(b, 2 * n * sizeof *turns);
    if (!made || !turns) return BERT_ENOMEM;
    for (size_t i = 0; i < half; i++) {
        for (size_t p = 0; p < (size_t)positions; p++) {
            turns[p * half + i] = scale * cosf((float)p * frequencies[i]);
            turns[n + p * half + i] = scale * sinf((float)p * frequencies[i]);
        }
    }
    *made = (bert_rotation){size, positions, turns, turns + n};
    *r = made;
    return BERT_OK;
}
