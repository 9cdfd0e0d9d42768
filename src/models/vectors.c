/* Vectors of texts: their length, how alike two are, and fewer bits for each number. */
#include "base/error.h"
#include "cpu/host.h"
#include <math.h>
#include <string.h>

void bert_normalize(float *rows, int32_t n, int32_t dim) {
    for (int32_t i = 0; i < n; i++) {
        float *row = rows + (size_t)i * (size_t)dim;
        double length = sqrt(bert_host_sum_squares(row, (size_t)dim));
        float divisor = (float)(length > 1e-12 ? length : 1e-12);
        for (int32_t j = 0; j < dim; j++) row[j] /= divisor;
    }
}

/* ---- Two vectors */

static double dot(const float *a, const float *b, int32_t dim) {
    double sum = 0;
    for (int32_t j = 0; j < dim; j++) sum += (double)a[j] * (double)b[j];
    return sum;
}

double bert_cosine(const float *a, const float *b, int32_t dim) {
    /* The root of x times x is x: a vector and itself have 1, not a bit more. */
    const double lengths = sqrt(dot(a, a, dim) * dot(b, b, dim));
    const double cosine = lengths > 0 ? dot(a, b, dim) / lengths : 0;
    return cosine > 1 ? 1 : cosine < -1 ? -1 : cosine;
}

static double minus_euclidean(const float *a, const float *b, int32_t dim) {
    double sum = 0;
    for (int32_t j = 0; j < dim; j++) {
        const double d = (double)a[j] - (double)b[j];
        sum += d * d;
    }
    return -sqrt(sum);
}

static double minus_manhattan(const float *a, const float *b, int32_t dim) {
    double sum = 0;
    for (int32_t j = 0; j < dim; j++) sum += fabs((double)a[j] - (double)b[j]);
    return -sum;
}

static const struct {
    const char *name;
    double (*of)(const float *a, const float *b, int32_t dim);
} similarities[BERT_SIMILARITY_COUNT] = {
    [BERT_SIMILARITY_COSINE] = {"cosine", bert_cosine},
    [BERT_SIMILARITY_DOT] = {"dot", dot},
    [BERT_SIMILARITY_EUCLIDEAN] = {"euclidean", minus_euclidean},
    [BERT_SIMILARITY_MANHATTAN] = {"manhattan", minus_manhattan},
};

const char *bert_similarity_name(bert_similarity s) {
    return (unsigned)s < BERT_SIMILARITY_COUNT ? similarities[s].name : "?";
}

int bert_similarity_parse(const char *name, bert_similarity *s, bert_error *e) {
    BERT_DOOR(e);
    for (int i = 0; i < BERT_SIMILARITY_COUNT; i++)
        if (!strcmp(name, similarities[i].name)) {
            *s = (bert_similarity)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no similarity \"%.40s\"; it is cosine, dot, euclidean or manhattan",
                     name);
}

double bert_similarity_of(bert_similarity s, const float *a, const float *b, int32_t dim) {
    return (unsigned)s < BERT_SIMILARITY_COUNT ? similarities[s].of(a, b, dim) : (double)NAN;
}

/* ---- Fewer bits. The arithmetic is that of sentence-transformers' quantize_embeddings, in float32
 * as there. */

enum { STEPS = 255 };

/* Which of 256 steps from low to high x is on. */
static float step_of(float x, float low, float high) {
    float step = (high - low) / STEPS;
    if (step == 0) step = 1;
    const float q = floorf((x - low) / step);
    return q > 0 ? q < STEPS ? q : STEPS : 0; /* what is no number: 0 */
}

static void to_steps(const float *row, int32_t dim, const float *ranges, int zero, uint8_t *out) {
    for (int32_t j = 0; j < dim; j++)
        out[j] = (uint8_t)((int)step_of(row[j], ranges[j], ranges[dim + j]) + zero);
}

static void to_uint8(const float *row, int32_t dim, const float *ranges, uint8_t *out) {
    to_steps(row, dim, ranges, 0, out);
}

static void to_int8(const float *row, int32_t dim, const float *ranges, uint8_t *out) {
    to_steps(row, dim, ranges, -128, out);
}

/* numpy.packbits: the first number is the highest bit; the last byte is filled with zeros. */
static void to_bits(const float *row, int32_t dim, const float *ranges, uint8_t *out) {
    (void)ranges;
    memset(out, 0, ((size_t)dim + 7) / 8);
    for (int32_t j = 0; j < dim; j++)
        if (row[j] > 0) out[j / 8] |= (uint8_t)(0x80 >> j % 8);
}

static void to_signed_bits(const float *row, int32_t dim, const float *ranges, uint8_t *out) {
    to_bits(row, dim, ranges, out);
    for (size_t i = 0; i < ((size_t)dim + 7) / 8; i++) out[i] ^= 0x80; /* less 128 */
}

static const struct {
    const char *name;
    bool ranges, packed;
    void (*row)(const float *row, int32_t dim, const float *ranges, uint8_t *out);
} quantizations[BERT_QUANTIZE_COUNT] = {
    [BERT_QUANTIZE_INT8] = {"int8", true, false, to_int8},
    [BERT_QUANTIZE_UINT8] = {"uint8", true, false, to_uint8},
    [BERT_QUANTIZE_BINARY] = {"binary", false, true, to_signed_bits},
    [BERT_QUANTIZE_UBINARY] = {"ubinary", false, true, to_bits},
};

int bert_quantize_parse(const char *name, bert_quantize *q, bert_error *e) {
    BERT_DOOR(e);
    for (int i = 0; i < BERT_QUANTIZE_COUNT; i++)
        if (!strcmp(name, quantizations[i].name)) {
            *q = (bert_quantize)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no quantization \"%.40s\"; it is int8, uint8, binary or ubinary",
                     name);
}

bool bert_quantize_needs_ranges(bert_quantize q) {
    return (unsigned)q < BERT_QUANTIZE_COUNT && quantizations[q].ranges;
}

int32_t bert_quantized_size(bert_quantize q, int32_t dim) {
    if ((unsigned)q >= BERT_QUANTIZE_COUNT) return 0;
    return quantizations[q].packed ? dim / 8 + (dim % 8 != 0) : dim;
}

int bert_quantize_rows(bert_quantize q, const float *rows, int64_t n, int32_t dim,
                       const float *ranges, void *out, bert_error *e) {
    BERT_DOOR(e);
    if ((unsigned)q >= BERT_QUANTIZE_COUNT || dim < 1 || n < 0)
        return bert_fail(e, BERT_EINVAL, "there is no quantization %d of %lld x %d numbers", (int)q,
                         (long long)n, (int)dim);
    if (quantizations[q].ranges && !ranges)
        return bert_fail(e, BERT_EINVAL, "%s needs the ranges of the columns",
                         quantizations[q].name);
    const size_t size = (size_t)bert_quantized_size(q, dim);
    for (int64_t i = 0; i < n; i++)
        quantizations[q].row(rows + i * dim, dim, ranges, (uint8_t *)out + (size_t)i * size);
    return 0;
}
