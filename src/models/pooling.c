/* From the vectors of tokens to the vector of a text. */
#include "base/error.h"
#include "cpu/host.h"
#include <math.h>
#include <string.h>

static void pool_cls(float *out, const float *rows, int32_t n, size_t dim) {
    (void)n;
    memcpy(out, rows, dim * sizeof *out);
}

static void pool_sum(float *out, const float *rows, int32_t n, size_t dim) {
    memcpy(out, rows, dim * sizeof *out);
    for (int32_t i = 1; i < n; i++) bert_host_add(out, rows + (size_t)i * dim, dim);
}

static void pool_mean(float *out, const float *rows, int32_t n, size_t dim) {
    pool_sum(out, rows, n, dim);
    for (size_t j = 0; j < dim; j++) out[j] /= (float)n;
}

static void pool_max(float *out, const float *rows, int32_t n, size_t dim) {
    memcpy(out, rows, dim * sizeof *out);
    for (int32_t i = 1; i < n; i++)
        for (size_t j = 0; j < dim; j++) {
            float x = rows[(size_t)i * dim + j];
            out[j] = x > out[j] ? x : out[j];
        }
}

static const struct {
    const char *name;
    void (*pool)(float *out, const float *rows, int32_t n, size_t dim); /* NULL: not of tokens */
} poolings[] = {
    [BERT_POOLING_DEFAULT] = {"default", NULL}, [BERT_POOLING_MEAN] = {"mean", pool_mean},
    [BERT_POOLING_CLS] = {"cls", pool_cls},     [BERT_POOLING_MAX] = {"max", pool_max},
    [BERT_POOLING_SUM] = {"sum", pool_sum},     [BERT_POOLING_POOLER] = {"pooler", NULL},
};
enum { POOLINGS = sizeof poolings / sizeof *poolings };

const char *bert_pooling_name(bert_pooling p) {
    return (unsigned)p < POOLINGS ? poolings[p].name : "?";
}

int bert_pooling_parse(const char *name, bert_pooling *p, bert_error *e) {
    for (int i = 0; i < POOLINGS; i++)
        if (!strcmp(name, poolings[i].name)) {
            *p = (bert_pooling)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no pooling \"%.40s\"; it is one of default, mean, cls, max, sum, "
                     "pooler",
                     name);
}

int bert_pool(bert_pooling p, const float *hidden, int32_t dim, const int32_t *start, int32_t n,
              float *out, bert_error *e) {
    if ((unsigned)p >= POOLINGS || !poolings[p].pool)
        return bert_fail(e, BERT_EINVAL, "the pooling \"%s\" is not made of hidden states",
                         bert_pooling_name(p));
    for (int32_t i = 0; i < n; i++) {
        if (start[i + 1] <= start[i])
            return bert_fail(e, BERT_EINVAL, "pooling: sequence %d is empty", i);
        poolings[p].pool(out + (size_t)i * (size_t)dim, hidden + (size_t)start[i] * (size_t)dim,
                         start[i + 1] - start[i], (size_t)dim);
    }
    return 0;
}

void bert_normalize(float *rows, int32_t n, int32_t dim) {
    for (int32_t i = 0; i < n; i++) {
        float *row = rows + (size_t)i * (size_t)dim;
        double length = sqrt(bert_host_sum_squares(row, (size_t)dim));
        float divisor = (float)(length > 1e-12 ? length : 1e-12);
        for (int32_t j = 0; j < dim; j++) row[j] /= divisor;
    }
}

double bert_cosine(const float *a, const float *b, int32_t dim) {
    double ab = 0, aa = 0, bb = 0;
    for (int32_t j = 0; j < dim; j++) {
        ab += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
    }
    double lengths = sqrt(aa) * sqrt(bb);
    return lengths > 0 ? ab / lengths : 0;
}
