/* The inner loop of resizing, compiled once for each instruction set as RESIZE. Each says what 16 sums
 * are: SUMS, ZERO (a half, to round), ADD (x bytes at p times w) and STORE (as bytes, held in 0 .. 255). */
#include "image/resize.h"

void RESIZE(uint8_t *out, const uint8_t *in, ptrdiff_t stride, const int32_t *w, int taps,
            int blocks) {
    for (int b = 0; b < blocks; b++, in += BERT_RESIZE_LANES, out += BERT_RESIZE_LANES) {
        const uint8_t *p = in;
        SUMS s;
        ZERO(s, 1 << (BERT_RESIZE_BITS - 1));
        for (int k = 0; k < taps; k++, p += stride) ADD(s, p, w[k]);
        STORE(out, s);
    }
}
