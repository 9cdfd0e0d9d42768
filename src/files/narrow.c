#include "files/narrow.h"
#include <math.h>
#include <string.h>

static const struct {
    bert_dtype dtype;
    const char *name, *torch;
} floats[] = {
    {BERT_F64, "f64", "float64"},
    {BERT_F32, "f32", "float32"},
    {BERT_F16, "f16", "float16"},
    {BERT_BF16, "bf16", "bfloat16"},
};
enum { FLOATS = sizeof floats / sizeof *floats };

bool bert_is_float_dtype(bert_dtype d) {
    return bert_dtype_torch_name(d) != NULL;
}

bool bert_float_dtype_parse(const char *name, bert_dtype *d) {
    for (int i = 0; i < FLOATS; i++)
        if (!strcmp(name, floats[i].name) || !strcmp(name, floats[i].torch)) {
            *d = floats[i].dtype;
            return true;
        }
    return false;
}

const char *bert_dtype_torch_name(bert_dtype d) {
    for (int i = 0; i < FLOATS; i++)
        if (floats[i].dtype == d) return floats[i].torch;
    return NULL;
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Without its last n bits, rounded: half of the last one that stays, less one where that is even. */
static uint32_t rounded(uint32_t bits, int n) {
    return (bits + ((1u << (n - 1)) - 1) + (bits >> n & 1)) >> n;
}

uint16_t bert_to_bfloat16(float x) {
    const uint32_t bits = bits_of(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0; /* torch's NaN */
    return (uint16_t)rounded(bits, 16);
}

uint16_t bert_to_half(float x) {
    const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 65536 and more */
    if (magnitude >= 0x38800000) /* 2^-14: the exponent's bias is 15, not 127 */
        return (uint16_t)(sign | rounded(magnitude - (112u << 23), 13));
    /* a whole number of 2^-24 */
    float value;
    memcpy(&value, &magnitude, sizeof value);
    return (uint16_t)(sign | (uint16_t)lrintf(value * 0x1p24f));
}

static void narrow_one(bert_dtype d, float x, unsigned char *out) {
    const double wide = (double)x;
    const uint16_t half = d == BERT_F16 ? bert_to_half(x) : bert_to_bfloat16(x);
    if (d == BERT_F64)
        memcpy(out, &wide, sizeof wide);
    else
        memcpy(out, &half, sizeof half);
}

void bert_narrow(bert_dtype d, const float *x, size_t n, void *out) {
    const size_t size = bert_dtype_size(d);
    if (d == BERT_F32) {
        memcpy(out, x, n * sizeof *x);
        return;
    }
    for (size_t i = 0; i < n; i++) narrow_one(d, x[i], (unsigned char *)out + i * size);
}

size_t bert_narrow_overflow(bert_dtype d, const float *x, size_t n) {
    size_t i = 0;
    /* half of the way from the largest half, 65504, to what would be the next */
    if (d == BERT_F16)
        while (i < n && !(fabsf(x[i]) >= 65520)) i++;
    else if (d == BERT_BF16)
        while (i < n && (bert_to_bfloat16(x[i]) & 0x7fff) != 0x7f80) i++;
    else
        i = n;
    return i;
}
