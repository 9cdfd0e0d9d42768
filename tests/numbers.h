/* Inputs that the tests and the scripts in tools/ both make: exact in float32, so none is stored.
 */
#ifndef BERT_NUMBERS_H
#define BERT_NUMBERS_H
#include <math.h>

/* -1 .. 1 in steps of 1/64; number() of tools/golden_ops.py. */
static inline float test_number(int stream, int i) {
    long n = i;
    return (float)((n * 37 + stream * 101 + n * n % 61 * 7) % 129 - 64) / 64;
}

static inline void test_numbers(float *out, int stream, int n, float scale, float shift) {
    for (int i = 0; i < n; i++) out[i] = test_number(stream, i) * scale + shift;
}

/* ||x - expected|| / ||expected|| */
static inline double test_relative(const float *x, const double *expected, int n) {
    double d = 0, s = 0;
    for (int i = 0; i < n; i++) {
        d += ((double)x[i] - expected[i]) * ((double)x[i] - expected[i]);
        s += expected[i] * expected[i];
    }
    return sqrt(d / s);
}
#endif
