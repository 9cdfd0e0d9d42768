/* LANES floats at a time, in the compiler's vector extension; the file that includes this says how
 * many fit a register. Everything is static, so no instruction set's copy can be linked in
 * another's place. */
#ifndef BERT_CPU_VECTOR_H
#define BERT_CPU_VECTOR_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#pragma GCC diagnostic ignored "-Wpsabi"

#ifndef LANES
#error "define LANES"
#endif
typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}
/* The first n lanes; the others are `rest`. */
INLINE vf load_part(const float *p, size_t n, float rest) {
    float t[LANES];
    for (int i = 0; i < LANES; i++) t[i] = rest;
    memcpy(t, p, n * sizeof *t);
    return load(t);
}
INLINE void store_part(float *p, vf v, size_t n) {
    memcpy(p, &v, n * sizeof *p);
}
INLINE vf all(float x) {
    return x - (vf){0};
}
INLINE vf blend(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}
/* A NaN in x comes through. */
INLINE vf clamp(vf x, float low, float high) {
    x = blend(x < all(low), all(low), x);
    return blend(x > all(high), all(high), x);
}
INLINE vf magnitude(vf x) {
    return (vf)((vi)x & 0x7fffffff);
}
/* Pairwise, so that the order is the same however the compiler holds the lanes. */
INLINE float sum(vf v) {
    float t[LANES];
    store(t, v);
    for (int width = LANES / 2; width; width /= 2)
        for (int i = 0; i < width; i++) t[i] += t[i + width];
    return t[0];
}
INLINE float largest(vf v) {
    float t[LANES], m;
    store(t, v);
    m = t[0];
    for (int i = 1; i < LANES; i++) m = t[i] > m ? t[i] : m;
    return m;
}

/* exp(x) = 2^n e^r with |r| <= ln 2 / 2 and a polynomial fitted to 2e-9; at most 2 ulp. Results
 * below 2^-126 are held there. */
INLINE vf exp_v(vf x) {
    x = clamp(x, -87.3f, 88.3f);
    vf n = x * 1.44269504f + 12582912.0f; /* rounds: 1.5 * 2^23 leaves no room for a fraction */
    n -= 12582912.0f;
    vf r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    vf p = all(0.0013836834f);
    p = p * r + 0.00837482207f;
    p = p * r + 0.0416682261f;
    p = p * r + 0.166664201f;
    p = p * r + 0.499999921f;
    p = p * r + 1.00000004f;
    p = p * r + 1.0f;
    vi scale = (__builtin_convertvector(n, vi) + 127) << 23;
    return p * (vf)scale;
}

/* 1 - Phi(|x|) for the normal distribution: exp(-x^2/2) times half of erfcx(|x|/sqrt 2), the latter
 * a polynomial in 1/(1 + 0.3 |x|) fitted to 6e-8 (tools/fit_math.py). *density = exp(-x^2/2). */
INLINE vf normal_tail(vf x, vf *density) {
    vf u = magnitude(x);
    u = blend(u > all(13.0f), all(13.0f), u);
    vf w = 1.0f / (u * 0.3f + 1.0f);
    vf p = all(0.0383784031f);
    p = p * w - 0.169166634f;
    p = p * w + 0.228661094f;
    p = p * w - 0.0765075538f;
    p = p * w + 0.142536207f;
    p = p * w + 0.0946832593f;
    p = p * w + 0.121920402f;
    p = p * w + 0.119487682f;
    p = p * w + 7.1692521e-06f;
    *density = exp_v(u * u * -0.5f);
    return p * *density;
}
INLINE vf gelu(vf x) {
    vf density, tail = normal_tail(x, &density) * x;
    return blend(x > all(0), x - tail, tail);
}
/* Phi(x) + x phi(x) */
INLINE vf gelu_slope(vf x) {
    vf density, tail = normal_tail(x, &density);
    vf phi = blend(x > all(0), 1.0f - tail, tail);
    return x * density * 0.398942280f + phi;
}

INLINE vf sigmoid(vf x) {
    return 1.0f / (1.0f + exp_v(-x));
}
INLINE vf sigmoid_slope(vf x) {
    vf s = sigmoid(x);
    return s * (1.0f - s);
}
INLINE vf silu(vf x) {
    return x * sigmoid(x);
}
INLINE vf silu_slope(vf x) {
    vf s = sigmoid(x);
    return s * (x * (1.0f - s) + 1.0f);
}
INLINE vf tanh_v(vf x) {
    vf s = x * x;
    vf p = all(-0.00565998481f);
    p = p * s + 0.0205909842f;
    p = p * s - 0.0537210666f;
    p = p * s + 0.133311275f;
    p = p * s - 0.333332605f;
    p = p * s * x + x;
    vf a = magnitude(x);
    vf big = 1.0f - 2.0f / (exp_v(a + a) + 1.0f);
    big = (vf)((vi)big | ((vi)x & (int32_t)0x80000000));
    return blend(a < all(0.625f), p, big);
}
INLINE vf tanh_v_slope(vf x) {
    vf y = tanh_v(x);
    return 1.0f - y * y;
}
/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which is x sigmoid of twice the argument of tanh
 */
INLINE vf gelu_new(vf x) {
    return x * sigmoid(x * 1.59576912f * (x * x * 0.044715f + 1.0f));
}
INLINE vf gelu_new_slope(vf x) {
    vf s = sigmoid(x * 1.59576912f * (x * x * 0.044715f + 1.0f));
    return s + x * s * (1.0f - s) * 1.59576912f * (x * x * 0.134145f + 1.0f);
}
INLINE vf relu(vf x) {
    return blend(x < all(0), all(0), x);
}
INLINE vf relu_slope(vf x) {
    return blend(x > all(0), all(1), all(0));
}
INLINE vf identity(vf x) {
    return x;
}
INLINE vf identity_slope(vf x) {
    (void)x;
    return all(1);
}
#endif
