#include "files/utf16.h"

enum { REPLACEMENT = 0xFFFD };

static size_t put(uint32_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[more] | c >> 6 * more);
    for (int i = 1; i <= more; i++) out[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3F));
    return (size_t)more + 1;
}

size_t bert_utf16_end(bert_utf16 *s, char *out) {
    const bool half = s->high;
    s->high = 0;
    return half ? put(REPLACEMENT, out) : 0;
}

static size_t put_unit(bert_utf16 *s, uint16_t u, char *out) {
    const bool low = (u & 0xFC00) == 0xDC00;
    if (s->high && low) {
        const uint32_t c = 0x10000 + ((uint32_t)(s->high & 0x3FF) << 10) + (u & 0x3FF);
        s->high = 0;
        return put(c, out);
    }
    size_t n = bert_utf16_end(s, out);
    if ((u & 0xFC00) == 0xD800) {
        s->high = u;
        return n;
    }
    return n + put(low ? REPLACEMENT : u, out + n);
}

size_t bert_utf16_to_utf8(bert_utf16 *s, const unsigned char *in, size_t n, size_t *used,
                          char *out) {
    size_t written = 0;
    *used = n & ~(size_t)1;
    for (size_t i = 0; i < *used; i += 2) {
        const unsigned first = in[i], second = in[i + 1];
        written +=
            put_unit(s, (uint16_t)(s->big_endian ? first << 8 | second : second << 8 | first),
                     out + written);
    }
    return written;
}
