#include "text.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hub_fail(bert_error *e, int code, const char *format, ...) {
    if (e->code) return code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    e->code = code;
    for (unsigned char *p = (unsigned char *)e->message; *p; p++)
        if (*p < 32 || *p == 127) *p = '?';
    return code;
}

int hub_fail_memory(bert_error *e) {
    return hub_fail(e, BERT_ENOMEM, "out of memory");
}

char *hub_print(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text;
    const int n = vasprintf(&text, format, args);
    va_end(args);
    return n < 0 ? NULL : text;
}

char *hub_encode(const char *text, bool keep_slashes) {
    static const char digits[] = "0123456789ABCDEF";
    char *out = malloc(3 * strlen(text) + 1), *to = out;
    if (!out) return NULL;
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if ((c < 128 && isalnum(c)) || strchr("-_.~", c) || (keep_slashes && c == '/')) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    *to = 0;
    return out;
}

char *hub_base64(const void *data, size_t bytes) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    char *out = malloc((bytes + 2) / 3 * 4 + 1), *to = out;
    if (!out) return NULL;
    for (size_t i = 0; i < bytes; i += 3) {
        const size_t left = bytes - i;
        const unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                           (left > 2 ? p[i + 2] : 0);
        *to++ = letters[v >> 18];
        *to++ = letters[v >> 12 & 63];
        *to++ = left > 1 ? letters[v >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[v & 63] : '=';
    }
    *to = 0;
    return out;
}
