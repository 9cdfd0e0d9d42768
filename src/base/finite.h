/* Whether numbers are finite, at the speed at which they can be read. */
#ifndef BERT_BASE_FINITE_H
#define BERT_BASE_FINITE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* An exponent of all ones, and no other, carries into the sign when one is added to it. */
static inline bool bert_finite(const float *x, size_t n) {
    uint32_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        carry |= (bits & 0x7fffffff) + 0x00800000;
    }
    return !(carry >> 31);
}
#endif
