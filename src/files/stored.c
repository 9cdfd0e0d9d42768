#include "files/stored.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[BERT_DTYPE_COUNT] = {
    [BERT_F64] = {"F64", 8},         [BERT_F32] = {"F32", 4},
    [BERT_F16] = {"F16", 2},         [BERT_BF16] = {"BF16", 2},
    [BERT_I64] = {"I64", 8},         [BERT_I32] = {"I32", 4},
    [BERT_I16] = {"I16", 2},         [BERT_I8] = {"I8", 1},
    [BERT_U8] = {"U8", 1},           [BERT_BOOL] = {"BOOL", 1},
    [BERT_U64] = {"U64", 8},         [BERT_U32] = {"U32", 4},
    [BERT_U16] = {"U16", 2},         [BERT_F8_E4M3] = {"F8_E4M3", 1},
    [BERT_F8_E5M2] = {"F8_E5M2", 1}, [BERT_F8_E8M0] = {"F8_E8M0", 1},
    [BERT_C64] = {"C64", 8},
};

const char *bert_dtype_name(bert_dtype d) {
    return dtypes[d].name;
}

size_t bert_dtype_size(bert_dtype d) {
    return dtypes[d].size;
}

int bert_dtype_of(const char *name) {
    for (int d = 0; d < BERT_DTYPE_COUNT; d++)
        if (!strcmp(dtypes[d].name, name)) return d;
    return -1;
}

/* ---- Numbers, n of them one behind the other */

static float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    union {
        uint32_t bits;
        float value;
    } u;
    if (exponent == 0) { /* zero and subnormals: mantissa * 2^-24 */
        u.value = (float)mantissa * 0x1p-24f;
        u.bits |= sign;
    } else
        u.bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    return u.value;
}

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
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        out[i] = half_to_float(h);
    }
}

static void from_bf16(const unsigned char *p, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        const uint32_t bits = (uint32_t)h << 16;
        memcpy(&out[i], &bits, 4);
    }
}

typedef void convert_fn(const unsigned char *p, size_t n, float *out);
static convert_fn *const converters[BERT_DTYPE_COUNT] = {
    [BERT_F64] = from_f64, [BERT_F32] = from_f32, [BERT_F16] = from_f16, [BERT_BF16] = from_bf16};

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
        return bert_fail(e, BERT_EUNSUPPORTED, "tensor %s: has dtype %s where floats are needed",
                         t->name, dtypes[t->dtype].name);
    if (t->strides && t->bytes)
        convert_strided(t, convert, out);
    else
        convert(t->data, t->bytes / dtypes[t->dtype].size, out);
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
