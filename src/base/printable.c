#include "base/printable.h"
#include <stdio.h>
#include <string.h>

/* The bytes of the character at p, or 0 where there is none that may be shown. */
static size_t shown(const unsigned char *p) {
    const size_t n = *p < 0x80   ? 1
                     : *p < 0xC2 ? 0
                     : *p < 0xE0 ? 2
                     : *p < 0xF0 ? 3
                     : *p < 0xF5 ? 4
                                 : 0;
    if (n == 1) return *p >= 0x20 && *p != 0x7F;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return n == 2 && *p == 0xC2 && p[1] < 0xA0 ? 0 : n; /* U+0080 to U+009F control as well */
}

void bert_printable(char *out, size_t capacity, const char *text) {
    size_t used = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        char escape[8];
        const char *piece = (const char *)p;
        size_t n = shown(p), step = n;
        if (!n) {
            static const char plain[] = "\n\r\t", letter[] = "nrt";
            const char *known = strchr(plain, *p);
            if (known)
                snprintf(escape, sizeof escape, "\\%c", letter[known - plain]);
            else if (*p < 0x80)
                snprintf(escape, sizeof escape, "\\x%02x", *p);
            else
                strcpy(escape, "?");
            piece = escape;
            n = strlen(escape);
            step = 1;
        }
        if (used + n >= capacity) break;
        memcpy(out + used, piece, n);
        used += n;
        p += step;
    }
    if (capacity) out[used] = 0;
}
