/* Half precision, as IEEE 754 has it. */
#ifndef BERT_FILES_HALF_H
#define BERT_FILES_HALF_H
#include <stdint.h>
#include <string.h>

static inline float bert_half_to_float(uint16_t h) {
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

/* One that lies anywhere. */
static inline float bert_half_at(const unsigned char *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return bert_half_to_float(h);
}
#endif
