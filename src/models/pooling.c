/* From the vectors of tokens to the vector of a text. */
#include "models/pooling.h"
#include "base/error.h"
#include "cpu/host.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- The kinds, each of the tokens from `from` to n. Where none is left they give what
 * sentence-transformers gives: zeros, the least number there is, the first token. */

static void pool_cls(float *out, const float *rows, int32_t from, int32_t n, size_t dim) {
    memcpy(out, rows + (from < n ? (size_t)from * dim : 0), dim * sizeof *out);
}

static void pool_last(float *out, const float *rows, int32_t from, int32_t n, size_t dim) {
    if (from < n)
        memcpy(out, rows + (size_t)(n - 1) * dim, dim * sizeof *out);
    else
        memset(out, 0, dim * sizeof *out);
}

static void pool_sum(float *out, const float *rows, int32_t from, int32_t n, size_t dim) {
    pool_last(out, rows, from, from < n ? from + 1 : n, dim); /* the first of them */
    for (int32_t i = from + 1; i < n; i++) bert_host_add(out, rows + (size_t)i * dim, dim);
}

static void pool_mean(float *out, const float *rows, int32_t from, int32_t n, size_t dim) {
    pool_sum(out, rows, from, n, dim);
    for (size_t j = 0; j < dim && from < n; j++) out[j] /= (float)(n - from);
}

static void pool_mean_sqrt(float *out, const float *rows, int32_t from, int32_t n, size_t dim) {
    pool_sum(out, rows, from, n, dim);
    for (size_t j = 0; j < dim && from < n; j++) out[j] /= sqrtf((float)(n - from));
}

/* Weights are 1, 2, 3 .., by the place in the whole sequence. */
static void pool_weighted(float *out, const float *rows, int32_t from, int32_t n, size_t dim) {
    float weights = 0;
    memset(out, 0, dim * sizeof *out);
    for (int32_t i = from; i < n; i++) {
        weights += (float)(i + 1);
        bert_host_axpy(out, (float)(i + 1), rows + (size_t)i * dim, dim);
    }
    for (size_t j = 0; j < dim && weights > 0; j++) out[j] /= weights;
}

static void pool_max(float *out, const float *rows, int32_t from, int32_t n, size_t dim) {
    pool_last(out, rows, from, from < n ? from + 1 : n, dim); /* the first of them */
    for (size_t j = 0; j < dim && from >= n; j++) out[j] = (float)-INFINITY;
    for (int32_t i = from + 1; i < n; i++)
        for (size_t j = 0; j < dim; j++) {
            float x = rows[(size_t)i * dim + j];
            out[j] = x > out[j] ? x : out[j];
        }
}

static const struct {
    const char *name;
    /* NULL: not of tokens */
    void (*pool)(float *out, const float *rows, int32_t from, int32_t n, size_t dim);
} poolings[BERT_POOLING_COUNT] = {
    [BERT_POOLING_DEFAULT] = {"default", NULL},
    [BERT_POOLING_MEAN] = {"mean", pool_mean},
    [BERT_POOLING_CLS] = {"cls", pool_cls},
    [BERT_POOLING_MAX] = {"max", pool_max},
    [BERT_POOLING_SUM] = {"sum", pool_sum},
    [BERT_POOLING_POOLER] = {"pooler", NULL},
    [BERT_POOLING_MEAN_SQRT_LEN] = {"mean_sqrt_len_tokens", pool_mean_sqrt},
    [BERT_POOLING_WEIGHTED_MEAN] = {"weightedmean", pool_weighted},
    [BERT_POOLING_LAST] = {"lasttoken", pool_last},
};

/* ---- Names */

const char *bert_pooling_name(bert_pooling p) {
    return (unsigned)p < BERT_POOLING_COUNT ? poolings[p].name : "?";
}

static int parse(const char *name, size_t length, bert_pooling *p, bert_error *e) {
    char known[256] = "";
    for (int i = 0; i < BERT_POOLING_COUNT; i++) {
        if (strlen(poolings[i].name) == length && !memcmp(name, poolings[i].name, length)) {
            *p = (bert_pooling)i;
            return 0;
        }
        size_t n = strlen(known);
        snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", poolings[i].name);
    }
    return bert_fail(e, BERT_EINVAL, "there is no pooling \"%.*s\"; it is one of %s",
                     length < 40 ? (int)length : 40, name, known);
}

int bert_pooling_parse(const char *name, bert_pooling *p, bert_error *e) {
    BERT_DOOR(e);
    return parse(name, strlen(name), p, e);
}

int bert_poolings_parse(const char *names, bert_pooling list[BERT_MAX_POOLINGS], bert_error *e) {
    BERT_DOOR(e);
    int n = 0;
    for (const char *at = names;; at++) {
        if (n == BERT_MAX_POOLINGS)
            return bert_fail(e, BERT_EINVAL, "at most %d kinds of pooling are joined",
                             BERT_MAX_POOLINGS);
        const size_t length = strcspn(at, ",");
        int rc = parse(at, length, &list[n++], e);
        if (rc) return rc;
        at += length;
        if (!*at) break;
    }
    for (int i = 0; i < n && n > 1; i++)
        if (!poolings[list[i]].pool)
            return bert_fail(e, BERT_EINVAL, "the pooling \"%s\" stands alone",
                             poolings[list[i]].name);
    return n;
}

/* ---- Pooling */

int bert_pool_joined(const bert_pooling *list, int count, const float *hidden, int32_t dim,
                     const int32_t *start, const int32_t *skip, int32_t n, float *out,
                     bert_error *e) {
    for (int k = 0; k < count; k++)
        if ((unsigned)list[k] >= BERT_POOLING_COUNT || !poolings[list[k]].pool)
            return bert_fail(e, BERT_EINVAL, "the pooling \"%s\" is not made of hidden states",
                             bert_pooling_name(list[k]));
    for (int32_t i = 0; i < n; i++) {
        if (start[i + 1] <= start[i])
            return bert_fail(e, BERT_EINVAL, "pooling: sequence %d is empty", i);
        for (int k = 0; k < count; k++, out += dim)
            poolings[list[k]].pool(out, hidden + (size_t)start[i] * (size_t)dim, skip ? skip[i] : 0,
                                   start[i + 1] - start[i], (size_t)dim);
    }
    return 0;
}

int bert_pool(bert_pooling p, const float *hidden, int32_t dim, const int32_t *start, int32_t n,
              float *out, bert_error *e) {
    BERT_DOOR(e);
    return bert_pool_joined(&p, 1, hidden, dim, start, NULL, n, out, e);
}
