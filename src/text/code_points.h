/* UTF-8, one code point at a time. */
#ifndef BERT_TEXT_CODE_POINTS_H
#define BERT_TEXT_CODE_POINTS_H
#include "text/unicode.h"
#include <stdbool.h>
#include <stddef.h>

static inline bool bert_utf8_continues(uint8_t byte) {
    return (byte & 0xc0) == 0x80;
}

/* The code point at *p < end, which moves past it. What is not UTF-8 is U+FFFD, one for each
 * maximal subpart (Unicode 15, 3.9; the WHATWG decoder): the longest start of a sequence that could
 * have been valid. */
static inline uint32_t bert_utf8_next(const uint8_t **p, const uint8_t *end) {
    const uint8_t *s = *p;
    uint32_t c = *s++;
    *p = s;
    if (c < 0x80) return c;
    if (c < 0xc2 || c > 0xf4) return BERT_REPLACEMENT;
    int more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    /* Only the second byte has a range of its own: no overlong forms, no surrogates, no planes
     * past 16. */
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    c &= 0x3fu >> more;
    for (; more; more--) {
        if (s == end || *s < low || *s > high) {
            *p = s;
            return BERT_REPLACEMENT;
        }
        c = c << 6 | (*s++ & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *p = s;
    return c;
}

/* The same, faster for code points of two or three bytes. */
static inline uint32_t bert_utf8_next_quickly(const uint8_t **p, const uint8_t *end) {
    const uint8_t *s = *p;
    if (end - s >= 3 && (s[1] & 0xc0) == 0x80) {
        if (s[0] >= 0xc2 && s[0] < 0xe0) {
            *p = s + 2;
            return (s[0] & 0x1fu) << 6 | (s[1] & 0x3f);
        }
        const uint32_t c = (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3f);
        if (s[0] >> 4 == 0xe && (s[2] & 0xc0) == 0x80 && c >= 0x800 && c >> 11 != 0xd800 >> 11) {
            *p = s + 3;
            return c;
        }
    }
    return bert_utf8_next(p, end);
}

/* The code point that ends at p > begin; U+FFFD if no valid sequence does. */
static inline uint32_t bert_utf8_before(const uint8_t *begin, const uint8_t *p) {
    const uint8_t *s = p - 1;
    while (s > begin && p - s < 4 && (*s & 0xc0) == 0x80) s--;
    uint32_t c = bert_utf8_next(&s, p);
    return s == p ? c : BERT_REPLACEMENT;
}

/* Writes a code point to out (4 bytes of room), returns its length. */
static inline int bert_utf8_put(uint32_t c, uint8_t *out) {
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

static inline bool bert_utf8_valid(const uint8_t *p, size_t n) {
    for (const uint8_t *end = p + n; p < end;) {
        const uint8_t *s = p;
        /* A genuine U+FFFD takes three bytes and begins with ef; a replaced one never does both. */
        if (bert_utf8_next(&p, end) == BERT_REPLACEMENT &&
            !(p - s == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] == 0xbd))
            return false;
    }
    return true;
}
#endif
