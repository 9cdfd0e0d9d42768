/* LANES floats at a time, in the compiler's vector extension; the file that includes this says how
 * many fit a register, and the few operations that the extension cannot name are given per width.
 * Everything is static, so no instruction set's copy can be linked in another's place. */
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
typedef uint32_t vu __attribute__((vector_size(LANES * 4)));
#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}
INLINE vi all_words(int32_t x) {
    return x - (vi){0};
}
INLINE vi load_words(const void *p) {
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE vf all(float x) {
    return x - (vf){0};
}

/* mul_add is a b + c, in one rounding where the machine can. larger(a, b) and smaller(a, b) are b
 * where either is a NaN; if_less(a, b, x, y) is a < b ? x : y. load_part and store_part are of the
 * first n lanes; the others are loaded as `rest`. permute: lane[i] of v in lane i. times_wide is the lower half of a m, and leaves
 * the upper one in *high. */
#if LANES == 16
#include <immintrin.h>
INLINE vf mul_add(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
INLINE vf larger(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
INLINE vf smaller(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
INLINE vf if_less(vf a, vf b, vf x, vf y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
INLINE vf permute(vf v, vi lane) {
    return _mm512_permutexvar_ps((__m512i)lane, v);
}
INLINE __mmask16 first(size_t n) {
    return (__mmask16)((1u << n) - 1);
}
INLINE vf load_part(const float *p, size_t n, float rest) {
    return _mm512_mask_loadu_ps(all(rest), first(n), p);
}
INLINE void store_part(float *p, vf v, size_t n) {
    _mm512_mask_storeu_ps(p, first(n), v);
}
INLINE vu times_wide(vu a, uint32_t m, vu *high) {
    const __m512i f = _mm512_set1_epi64(m), even = _mm512_mul_epu32((__m512i)a, f),
                  odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), f);
    *high = (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
    return a * m;
}
/* A step of Newton's from 14 bits is a third of the time of a division; within an ulp. */
INLINE vf reciprocal(vf x) {
    vf r = _mm512_rcp14_ps(x);
    return mul_add(mul_add(-x, r, all(1)), r, r);
}
#elif LANES == 8
#include <immintrin.h>
INLINE vf mul_add(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
INLINE vf larger(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
INLINE vf smaller(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
INLINE vf if_less(vf a, vf b, vf x, vf y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
INLINE vf permute(vf v, vi lane) {
    return _mm256_permutevar8x32_ps(v, (__m256i)lane);
}
INLINE __m256i first(size_t n) {
    return (__m256i)((vi){0, 1, 2, 3, 4, 5, 6, 7} < (int)n);
}
INLINE vf load_part(const float *p, size_t n, float rest) {
    return _mm256_blendv_ps(all(rest), _mm256_maskload_ps(p, first(n)), (__m256)first(n));
}
INLINE void store_part(float *p, vf v, size_t n) {
    _mm256_maskstore_ps(p, first(n), v);
}
INLINE vu times_wide(vu a, uint32_t m, vu *high) {
    const __m256i f = _mm256_set1_epi64x(m), even = _mm256_mul_epu32((__m256i)a, f),
                  odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), f);
    *high = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return a * m;
}
INLINE vf reciprocal(vf x) {
    return 1.0f / x;
}
#else
INLINE vf mul_add(vf a, vf b, vf c) {
    return a * b + c;
}
INLINE vf if_less(vf a, vf b, vf x, vf y) {
    vi mask = a < b;
    return (vf)((mask & (vi)x) | (~mask & (vi)y));
}
INLINE vf permute(vf v, vi lane) {
    vf p;
    for (int i = 0; i < LANES; i++) p[i] = v[lane[i]];
    return p;
}
INLINE vf larger(vf a, vf b) {
    return if_less(b, a, a, b);
}
INLINE vf smaller(vf a, vf b) {
    return if_less(a, b, a, b);
}
INLINE vf load_part(const float *p, size_t n, float rest) {
    float t[LANES];
    for (int i = 0; i < LANES; i++) t[i] = rest;
    memcpy(t, p, n * sizeof *t);
    return load(t);
}
INLINE void store_part(float *p, vf v, size_t n) {
    memcpy(p, &v, n * sizeof *p);
}
INLINE vu times_wide(vu a, uint32_t m, vu *high) {
    uint32_t low[LANES], up[LANES];
    for (int i = 0; i < LANES; i++) {
        const uint64_t p = (uint64_t)m * a[i];
        low[i] = (uint32_t)p;
        up[i] = (uint32_t)(p >> 32);
    }
    *high = (vu)load_words(up);
    return (vu)load_words(low);
}
INLINE vf reciprocal(vf x) {
    return 1.0f / x;
}
#endif

/* A NaN in x comes through. */
INLINE vf clamp(vf x, float low, float high) {
    return smaller(all(high), larger(all(low), x));
}
INLINE vf magnitude(vf x) {
    return (vf)((vi)x & 0x7fffffff);
}
/* |x| with the sign of y */
INLINE vf with_sign(vf x, vf y) {
    return (vf)(((vu)x & 0x7fffffffu) | ((vu)y & 0x80000000u));
}
/* Lane i + n of v in lane i, round and round. */
#define FROM_LANE(n, i) (((n) + (i)) % LANES)
#define FOUR_FROM(n, i)                                                                            \
    FROM_LANE(n, i), FROM_LANE(n, i + 1), FROM_LANE(n, i + 2), FROM_LANE(n, i + 3)
#if LANES == 16
#define TURNED(v, n)                                                                               \
    __builtin_shufflevector(v, v, FOUR_FROM(n, 0), FOUR_FROM(n, 4), FOUR_FROM(n, 8),               \
                            FOUR_FROM(n, 12))
#elif LANES == 8
#define TURNED(v, n) __builtin_shufflevector(v, v, FOUR_FROM(n, 0), FOUR_FROM(n, 4))
#else
#define TURNED(v, n) __builtin_shufflevector(v, v, FOUR_FROM(n, 0))
#endif
/* Pairwise, the upper half onto the lower and again, so that the order is always the same. */
INLINE float sum(vf v) {
#if LANES == 16
    v += TURNED(v, 8);
#endif
#if LANES >= 8
    v += TURNED(v, 4);
#endif
    v += TURNED(v, 2);
    v += TURNED(v, 1);
    return v[0];
}
INLINE float largest(vf v) {
#if LANES == 16
    v = larger(v, TURNED(v, 8));
#endif
#if LANES >= 8
    v = larger(v, TURNED(v, 4));
#endif
    v = larger(v, TURNED(v, 2));
    v = larger(v, TURNED(v, 1));
    return v[0];
}

/* Turns the LANES x LANES matrix of the rows r[] by its diagonal: each round interleaves the first
 * half with the second. */
#if LANES == 16
#define FIRST_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif LANES == 8
#define FIRST_HALVES 0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_HALVES 4, 12, 5, 13, 6, 14, 7, 15
#else
#define FIRST_HALVES 0, 4, 1, 5
#define SECOND_HALVES 2, 6, 3, 7
#endif
INLINE void transpose(vf r[LANES]) {
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
        vf t[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            t[2 * i] = __builtin_shufflevector(r[i], r[i + LANES / 2], FIRST_HALVES);
            t[2 * i + 1] = __builtin_shufflevector(r[i], r[i + LANES / 2], SECOND_HALVES);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) r[i] = t[i];
    }
}

/* Coefficients from the highest power down. */
#define POLYNOMIAL(x, ...)                                                                         \
    polynomial(x, (const float[]){__VA_ARGS__},                                                    \
               (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))
INLINE vf polynomial(vf x, const float *c, int n) {
    vf p = all(c[0]);
#pragma GCC unroll 16
    for (int i = 1; i < n; i++) p = mul_add(p, x, all(c[i]));
    return p;
}

/* The coefficients below are tools/fit_math.py's; the errors were measured against double over a
 * million arguments each. */

/* exp(x) = 2^n e^r with |r| <= ln 2 / 2, at most 1.5 ulp. Results below 2^-126 are held there. */
INLINE vf exp_v(vf x) {
    x = clamp(x, -87.3f, 88.3f);
    /* Adding 1.5 * 2^23 leaves no room for a fraction, and n in the lowest bits. */
    const vf shift = all(12582912.0f);
    vf shifted = mul_add(x, all(1.44269504f), shift), n = shifted - shift;
    vf r = mul_add(n, all(-0.693359375f), x);
    r = mul_add(n, all(2.12194440e-4f), r);
    vf p = POLYNOMIAL(r, 0.00139015343f, 0.00836373959f, 0.0416668616f, 0.166665733f, 0.5f);
    p = mul_add(p * r, r, r) + 1.0f;
    return (vf)((vu)p + ((vu)shifted << 23)); /* n more in the exponent */
}

/* 1 - Phi(u) for the normal distribution and 0 <= u <= 13: exp(-u^2/2) times half of
 * erfcx(u/sqrt 2), a polynomial in 1/(1 + 0.3 u). *density = exp(-u^2/2), with what u^2 loses in
 * rounding put back. */
INLINE vf normal_tail(vf u, vf *density) {
    vf w = reciprocal(mul_add(u, all(0.3f), all(1)));
    vf p = POLYNOMIAL(w, 0.0382709652f, -0.16864334f, 0.227577597f, -0.0752650574f, 0.141675368f,
                      0.0950512663f, 0.121825852f, 0.119501002f, 6.38283973e-06f);
    vf square = u * u, lost = mul_add(u, u, -square);
    vf e = exp_v(square * -0.5f);
    *density = mul_add(e, lost * -0.5f, e);
    return p * *density;
}
/* Outside of +-13 the tail is nothing in f32. */
INLINE vf gelu(vf x) {
    vf density, u = smaller(all(13), magnitude(x));
    return mul_add(-u, normal_tail(u, &density), larger(all(0), x));
}
/* gelu within 5e-5, a fortieth of what rounding to bf16 changes, in a third of the time: Phi(x) -
 * 1/2 as an odd polynomial, which is 1/2 at 4.4. */
INLINE vf gelu_coarse(vf x) {
    vf z = clamp(x, -4.4f, 4.4f), s = z * z;
    vf p = POLYNOMIAL(s, 3.56943086e-11f, -3.7540504e-09f, 1.74084789e-07f, -4.72486954e-06f,
                      8.42930313e-05f, -0.00105499267f, 0.00964302849f, -0.0660764277f, 0.3987616f);
    return x * mul_add(z, p, all(0.5f));
}
/* Phi(x) + x phi(x) */
INLINE vf gelu_slope(vf x) {
    x = clamp(x, -13, 13);
    vf density, tail = normal_tail(magnitude(x), &density);
    return mul_add(x * density, all(0.398942280f), if_less(x, all(0), tail, 1.0f - tail));
}

/* e = exp(-|x|) and *r = 1 / (1 + e), of which the logistic function and its slope are products:
 * nothing cancels. */
INLINE vf decay(vf x, vf *r) {
    vf e = exp_v(-magnitude(x));
    *r = reciprocal(1.0f + e);
    return e;
}
INLINE vf sigmoid(vf x) {
    vf r, e = decay(x, &r);
    return if_less(x, all(0), e * r, r);
}
INLINE vf sigmoid_slope(vf x) {
    vf r, e = decay(x, &r);
    return e * r * r;
}
INLINE vf silu(vf x) {
    return x * sigmoid(x);
}
INLINE vf silu_slope(vf x) {
    vf r, e = decay(x, &r);
    return mul_add(x, e * r * r, if_less(x, all(0), e * r, r));
}
INLINE vf tanh_v(vf x) {
    vf s = x * x, r, e = decay(x + x, &r);
    vf p =
        POLYNOMIAL(s, -0.00609009853f, 0.0209926628f, -0.0538499691f, 0.133327633f, -0.333333284f);
    return if_less(magnitude(x), all(0.625f), mul_add(p * s, x, x), with_sign((1.0f - e) * r, x));
}
INLINE vf tanh_v_slope(vf x) {
    vf r, e = decay(x + x, &r);
    return 4.0f * e * r * r;
}
/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which is x sigmoid of twice the argument of tanh
 */
INLINE vf gelu_new(vf x) {
    return x * sigmoid(x * mul_add(x * x, all(0.0713548163f), all(1.59576912f)));
}
INLINE vf gelu_new_slope(vf x) {
    vf s = x * x, r, e, t = x * mul_add(s, all(0.0713548163f), all(1.59576912f));
    e = decay(t, &r);
    return mul_add(x * mul_add(s, all(0.214064449f), all(1.59576912f)), e * r * r,
                   if_less(x, all(0), e * r, r));
}
/* x sigmoid(1.702 x) */
INLINE vf quick_gelu(vf x) {
    return x * sigmoid(x * 1.702f);
}
INLINE vf quick_gelu_slope(vf x) {
    vf r, t = x * 1.702f, e = decay(t, &r);
    return mul_add(t, e * r * r, if_less(x, all(0), e * r, r));
}
/* gelu within -10 .. 10 */
INLINE vf gelu_10(vf x) {
    return smaller(all(10), gelu(x));
}
INLINE vf gelu_10_slope(vf x) {
    return if_less(all(10), gelu(x), all(0), gelu_slope(x));
}
/* x tanh(ln(1 + e^x)) = x w / (w + 2), w = e^x (e^x + 2); beyond 20 it is x. */
INLINE vf mish(vf x) {
    vf e = exp_v(smaller(all(20), x)), w = e * (e + 2.0f);
    return x * w * reciprocal(w + 2.0f);
}
INLINE vf mish_slope(vf x) {
    vf e = exp_v(smaller(all(20), x)), w = e * (e + 2.0f), r = reciprocal(w + 2.0f);
    return mul_add(4.0f * smaller(all(20), x) * e, (e + 1.0f) * r * r, w * r);
}
INLINE vf hardswish(vf x) {
    return x * clamp(x + 3.0f, 0, 6) * (1 / 6.0f);
}
INLINE vf hardswish_slope(vf x) {
    vf middle = mul_add(x, all(1 / 3.0f), all(0.5f));
    return if_less(x, all(-3), all(0), if_less(x, all(3), middle, all(1)));
}
INLINE vf relu6(vf x) {
    return clamp(x, 0, 6);
}
INLINE vf relu6_slope(vf x) {
    return if_less(all(0), x, if_less(x, all(6), all(1), all(0)), all(0));
}
/* the square of relu */
INLINE vf relu2(vf x) {
    vf r = larger(all(0), x);
    return r * r;
}
INLINE vf relu2_slope(vf x) {
    return 2.0f * larger(all(0), x);
}
INLINE vf leaky_relu(vf x) {
    return if_less(all(0), x, x, x * 0.01f);
}
INLINE vf leaky_relu_slope(vf x) {
    return if_less(all(0), x, all(1), all(0.01f));
}
INLINE vf relu(vf x) {
    return larger(all(0), x);
}
INLINE vf relu_slope(vf x) {
    return if_less(all(0), x, all(1), all(0));
}
INLINE vf identity(vf x) {
    return x;
}
INLINE vf identity_slope(vf x) {
    (void)x;
    return all(1);
}
#endif
