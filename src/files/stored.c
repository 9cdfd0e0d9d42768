#include "files/stored.h"
#include "base/error.h"
#include "files/blocks.h"
#include "files/half.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;  /* bytes of a block */
    size_t block; /* numbers of one; 0: it is a number */
} dtypes[BERT_DTYPE_COUNT] = {
    [BERT_F64] = {"F64", 8, 0},         [BERT_F32] = {"F32", 4, 0},
    [BERT_F16] = {"F16", 2, 0},         [BERT_BF16] = {"BF16", 2, 0},
    [BERT_I64] = {"I64", 8, 0},         [BERT_I32] = {"I32", 4, 0},
    [BERT_I16] = {"I16", 2, 0},         [BERT_I8] = {"I8", 1, 0},
    [BERT_U8] = {"U8", 1, 0},           [BERT_BOOL] = {"BOOL", 1, 0},
    [BERT_U64] = {"U64", 8, 0},         [BERT_U32] = {"U32", 4, 0},
    [BERT_U16] = {"U16", 2, 0},         [BERT_F8_E4M3] = {"F8_E4M3", 1, 0},
    [BERT_F8_E5M2] = {"F8_E5M2", 1, 0}, [BERT_F8_E8M0] = {"F8_E8M0", 1, 0},
    [BERT_C64] = {"C64", 8, 0},         [BERT_Q8_0] = {"Q8_0", 34, 32},
    [BERT_Q4_0] = {"Q4_0", 18, 32},     [BERT_Q4_1] = {"Q4_1", 20, 32},
    [BERT_Q5_0] = {"Q5_0", 22, 32},     [BERT_Q5_1] = {"Q5_1", 24, 32},
    [BERT_Q2_K] = {"Q2_K", 84, 256},    [BERT_Q3_K] = {"Q3_K", 110, 256},
    [BERT_Q4_K] = {"Q4_K", 144, 256},   [BERT_Q5_K] = {"Q5_K", 176, 256},
    [BERT_Q6_K] = {"Q6_K", 210, 256},   [BERT_OTHER] = {"of a kind that is not read", 1, 0},
};

const char *bert_dtype_name(bert_dtype d) {
    return dtypes[d].name;
}

size_t bert_dtype_size(bert_dtype d) {
    return dtypes[d].size;
}

size_t bert_dtype_block(bert_dtype d) {
    return dtypes[d].block ? dtypes[d].block : 1;
}

int bert_dtype_of(const char *name) {
    for (int d = 0; d < BERT_OTHER; d++)
        if (!dtypes[d].block && !strcmp(dtypes[d].name, name)) return d;
    return -1;
}

/* ---- Numbers, n of them one behind the other */

static void from_f64(const unsigned char *p, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, p + 8 * i, 8);
        out[i] = (float)x;
    }
}

static void from_f32(const unsigned char *p, size_t n, float *out) {
    if (n) memcpy(out, p, n * sizeof *out);
}

static void from_f16(const unsigned char *p, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = bert_half_at(p + 2 * i);
}

static void from_bf16(const unsigned char *p, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        const uint32_t bits = (uint32_t)h << 16;
        memcpy(&out[i], &bits, 4);
    }
}

typedef bert_block_fn convert_fn;
static convert_fn *const converters[BERT_DTYPE_COUNT] = {
    [BERT_F64] = from_f64,        [BERT_F32] = from_f32,        [BERT_F16] = from_f16,
    [BERT_BF16] = from_bf16,      [BERT_Q8_0] = bert_from_q8_0, [BERT_Q4_0] = bert_from_q4_0,
    [BERT_Q4_1] = bert_from_q4_1, [BERT_Q5_0] = bert_from_q5_0, [BERT_Q5_1] = bert_from_q5_1,
    [BERT_Q2_K] = bert_from_q2_k, [BERT_Q3_K] = bert_from_q3_k, [BERT_Q4_K] = bert_from_q4_k,
    [BERT_Q5_K] = bert_from_q5_k, [BERT_Q6_K] = bert_from_q6_k,
};

bool bert_dtype_has_floats(bert_dtype d) {
    return converters[d] != NULL;
}

/* ---- Tensors */

/* The elements before the last dimension, one at a time: *at is that of index, in elements; false
 * behind the last one. */
static bool next_row(const bert_stored_tensor *t, int64_t *index, int64_t *at) {
    for (int d = t->dims - 2; d >= 0; d--) {
        *at += t->strides[d];
        if (++index[d] < t->shape[d]) return true;
        *at -= index[d] * t->strides[d];
        index[d] = 0;
    }
    return false;
}

static void convert_strided(const bert_stored_tensor *t, convert_fn *convert, float *out) {
    const size_t size = dtypes[t->dtype].size;
    const int64_t cols = t->dims ? t->shape[t->dims - 1] : 1;
    const int64_t stride = t->dims ? t->strides[t->dims - 1] : 1;
    int64_t index[BERT_MAX_DIMS] = {0}, at = 0;
    do {
        const unsigned char *row = (const unsigned char *)t->data + (size_t)at * size;
        if (stride == 1)
            convert(row, (size_t)cols, out);
        else
            for (int64_t i = 0; i < cols; i++)
                convert(row + (size_t)(i * stride) * size, 1, out + i);
        out += cols;
    } while (next_row(t, index, &at));
}

int bert_stored_to_float(const bert_stored_tensor *t, float *out, bert_error *e) {
    convert_fn *convert = converters[t->dtype];
    if (!convert)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "tensor %s: has dtype %s; weights are F32, F16, BF16 or F64: save it as one of "
            "these",
            t->name, dtypes[t->dtype].name);
    if (t->strides && t->bytes)
        convert_strided(t, convert, out);
    else
        convert(t->data, t->bytes / dtypes[t->dtype].size * bert_dtype_block(t->dtype), out);
    return 0;
}

/* Where element i lies, counted row after row. */
static const unsigned char *element(const bert_stored_tensor *t, size_t i) {
    const size_t size = dtypes[t->dtype].size;
    if (!t->strides) return (const unsigned char *)t->data + i * size;
    int64_t rest = (int64_t)i, at = 0;
    for (int d = t->dims - 1; d >= 0; rest /= t->shape[d--])
        at += rest % t->shape[d] * t->strides[d];
    return (const unsigned char *)t->data + (size_t)at * size;
}

void bert_stored_copy(const bert_stored_tensor *t, void *out) {
    const size_t size = dtypes[t->dtype].size;
    if (!t->strides && t->bytes) memcpy(out, t->data, t->bytes);
    for (size_t i = 0; t->strides && i < t->bytes / size; i++)
        memcpy((unsigned char *)out + i * size, element(t, i), size);
}

bool bert_stored_equal(const bert_stored_tensor *a, const bert_stored_tensor *b) {
    if (a->dtype != b->dtype || a->bytes != b->bytes) return false;
    const size_t size = dtypes[a->dtype].size;
    if (!a->strides && !b->strides)
        return a->data == b->data || !a->bytes || !memcmp(a->data, b->data, a->bytes);
    for (size_t i = 0; i < a->bytes / size; i++)
        if (memcmp(element(a, i), element(b, i), size)) return false;
    return true;
}
