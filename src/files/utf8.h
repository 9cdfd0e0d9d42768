/* UTF-8 as RFC 3629 defines it. */
#ifndef BERT_FILES_UTF8_H
#define BERT_FILES_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool bert_utf8_valid(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text, *end = p + n;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        unsigned c = *p, more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || (size_t)(end - p) <= more) return false;
        unsigned low = c == 0xe0   ? 0xa0
                       : c == 0xf0 ? 0x90
                                   : 0x80,
                 high = c == 0xed   ? 0x9f
                        : c == 0xf4 ? 0x8f
                                    : 0xbf;
        if (p[1] < low || p[1] > high) return false;
        for (unsigned i = 2; i <= more; i++)
            if ((p[i] & 0xc0) != 0x80) return false;
        p += more + 1;
    }
    return true;
}
#endif
