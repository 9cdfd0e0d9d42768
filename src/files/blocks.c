#include "files/blocks.h"
#include "files/half.h"

/* Numbers of a small block, and of a super-block. */
enum { SMALL = 32, SUPER = 256 };

/* ---- Small blocks: a scale, and in some a least value, in half precision */

void bert_from_q8_0(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SMALL, p += 34) {
        const float d = bert_half_at(p);
        for (int i = 0; i < SMALL; i++) *out++ = (float)(signed char)p[2 + i] * d;
    }
}

/* The i-th of 32 numbers of 4 bits: the low halves of 16 bytes, then the high ones. */
static int nibble(const unsigned char *q, int i) {
    return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

/* The same with a fifth bit. */
static int five_bits(const unsigned char *high, const unsigned char *q, int i) {
    return nibble(q, i) | (high[i / 8] >> i % 8 & 1) << 4;
}

void bert_from_q4_0(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SMALL, p += 18) {
        const float d = bert_half_at(p);
        for (int i = 0; i < SMALL; i++) *out++ = d * (float)(nibble(p + 2, i) - 8);
    }
}

void bert_from_q4_1(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SMALL, p += 20) {
        const float d = bert_half_at(p), m = bert_half_at(p + 2);
        for (int i = 0; i < SMALL; i++) *out++ = d * (float)nibble(p + 4, i) + m;
    }
}

void bert_from_q5_0(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SMALL, p += 22) {
        const float d = bert_half_at(p);
        for (int i = 0; i < SMALL; i++) *out++ = d * (float)(five_bits(p + 2, p + 6, i) - 16);
    }
}

void bert_from_q5_1(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SMALL, p += 24) {
        const float d = bert_half_at(p), m = bert_half_at(p + 2);
        for (int i = 0; i < SMALL; i++) *out++ = d * (float)five_bits(p + 4, p + 8, i) + m;
    }
}

/* ---- Super-blocks: small blocks whose scales are whole numbers of 4 or 6 bits */

void bert_from_q2_k(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SUPER, p += 84) {
        const unsigned char *q = p + 16;
        const float d = bert_half_at(p + 80), m = bert_half_at(p + 82);
        for (int i = 0; i < SUPER; i++) {
            const int group = i / 16, bits = q[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
            *out++ = d * (float)(p[group] & 15) * (float)bits - m * (float)(p[group] >> 4);
        }
    }
}

/* The i-th of 16 scales of 6 bits. */
static int scale_of_q3(const unsigned char *s, int i) {
    const int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
    return (low | (s[8 + i % 4] >> i / 4 * 2 & 3) << 4) - 32;
}

void bert_from_q3_k(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SUPER, p += 110) {
        const unsigned char *high = p, *q = p + 32, *scales = p + 96;
        const float d = bert_half_at(p + 108);
        for (int i = 0; i < SUPER; i++) {
            const int low = q[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
            const int less = high[i % 32] >> i / 32 & 1 ? 0 : 4;
            *out++ = d * (float)scale_of_q3(scales, i / 16) * (float)(low - less);
        }
    }
}

/* Scale and least value of the i-th of 8 small blocks, 6 bits each. */
static void scale_of_q4(const unsigned char *s, int i, float *scale, float *least) {
    if (i < 4) {
        *scale = (float)(s[i] & 63);
        *least = (float)(s[4 + i] & 63);
    } else {
        *scale = (float)((s[4 + i] & 15) | (s[i - 4] >> 2 & 48));
        *least = (float)((s[4 + i] >> 4) | (s[i] >> 2 & 48));
    }
}

void bert_from_q4_k(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SUPER, p += 144) {
        const float d = bert_half_at(p), m = bert_half_at(p + 2);
        for (int b = 0; b < 8; b++) {
            const unsigned char *q = p + 16 + b / 2 * 32;
            float scale, least;
            scale_of_q4(p + 4, b, &scale, &least);
            for (int i = 0; i < SMALL; i++)
                *out++ = d * scale * (float)(q[i] >> b % 2 * 4 & 15) - m * least;
        }
    }
}

void bert_from_q5_k(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SUPER, p += 176) {
        const unsigned char *high = p + 16;
        const float d = bert_half_at(p), m = bert_half_at(p + 2);
        for (int b = 0; b < 8; b++) {
            const unsigned char *q = p + 48 + b / 2 * 32;
            float scale, least;
            scale_of_q4(p + 4, b, &scale, &least);
            for (int i = 0; i < SMALL; i++) {
                const int x = (q[i] >> b % 2 * 4 & 15) | (high[i] >> b & 1) << 4;
                *out++ = d * scale * (float)x - m * least;
            }
        }
    }
}

void bert_from_q6_k(const unsigned char *p, size_t n, float *out) {
    for (; n; n -= SUPER, p += 210) {
        const unsigned char *low = p, *high = p + 128, *scales = p + 192;
        const float d = bert_half_at(p + 208);
        for (int i = 0; i < SUPER; i++) {
            const int half = i / 128, part = i / 32 % 4; /* of 128, and of 4 in it */
            const int x = (low[half * 64 + part % 2 * 32 + i % 32] >> part / 2 * 4 & 15) |
                          (high[half * 32 + i % 32] >> part * 2 & 3) << 4;
            *out++ = d * (float)(signed char)scales[i / 16] * (float)(x - 32);
        }
    }
}
