#include "text.h"
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_free(text *t) {
    free(t->s);
    *t = (text){0};
}

/* Room for n more bytes and a final NUL, or NULL. */
static char *room(text *t, size_t n) {
    if (t->failed) return NULL;
    if (t->n + n + 1 > t->capacity) {
        size_t capacity = t->capacity ? t->capacity : 512;
        while (capacity < t->n + n + 1) capacity *= 2;
        char *s = realloc(t->s, capacity);
        if (!s) {
            t->failed = true;
            return NULL;
        }
        t->s = s;
        t->capacity = capacity;
    }
    return t->s + t->n;
}

void text_add(text *t, const char *s, size_t n) {
    char *to = room(t, n);
    if (!to) return;
    if (n) memcpy(to, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void text_put(text *t, const char *s) {
    text_add(t, s, strlen(s));
}

void text_format(text *t, const char *format, ...) {
    char line[600];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    text_add(t, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

/* Bytes of the character at s; 0: it is no UTF-8 (a message that was cut, say). */
static size_t character(const unsigned char *s, size_t n) {
    const size_t length = *s < 0x80   ? 1
                          : *s < 0xC2 ? 0
                          : *s < 0xE0 ? 2
                          : *s < 0xF0 ? 3
                          : *s < 0xF5 ? 4
                                      : 0;
    if (length > n) return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    const bool below = (*s == 0xE0 && s[1] < 0xA0) || (*s == 0xF0 && s[1] < 0x90),
               above = (*s == 0xED && s[1] > 0x9F) || (*s == 0xF4 && s[1] > 0x8F);
    return below || above ? 0 : length;
}

void text_quoted(text *t, const char *s, size_t n) {
    text_add(t, "\"", 1);
    size_t from = 0, length = 1;
    for (size_t i = 0; i < n; i += length ? length : 1) {
        const unsigned char c = (unsigned char)s[i];
        length = character((const unsigned char *)s + i, n - i);
        if (length && c >= ' ' && c != '"' && c != '\\') continue;
        text_add(t, s + from, i - from);
        if (!length)
            text_put(t, "\\ufffd");
        else if (c == '"' || c == '\\')
            text_format(t, "\\%c", c);
        else
            text_format(t, "\\u%04x", c);
        from = i + 1;
    }
    text_add(t, s + from, n - from);
    text_add(t, "\"", 1);
}

static int append(const char *s, size_t n, void *t) {
    text_add(t, s, n);
    return 0;
}

void text_json(text *t, const json_t *json) {
    if (!json || json_dump_callback(json, append, t,
                                    JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)))
        t->failed = true;
}

/* ---- Floats. Nine digits are an integer; a double carries it exactly. */

static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { DIGITS = 9, LEAST = -5, MOST = 9 }; /* exponents that are written without one */

/* The decimal exponent of x, 1e-5 <= x < 1e9. */
static int exponent_of(double x) {
    int k = LEAST;
    while (k + 1 < MOST && (k + 1 >= 0 ? x >= tens[k + 1] : x * tens[-(k + 1)] >= 1)) k++;
    return k;
}

/* x = 0.00123, say: no exponent is needed. Returns how many characters. */
static size_t put_plain(char *out, double x) {
    int k = exponent_of(x);
    uint32_t digits = (uint32_t)(x * tens[DIGITS - 1 - k] + 0.5);
    if (digits >= 1000000000u) {
        digits /= 10;
        k++;
    }
    char shown[DIGITS];
    for (int i = DIGITS - 1; i >= 0; i--, digits /= 10) shown[i] = (char)('0' + digits % 10);
    int n = DIGITS;
    while (n > 1 && n > k + 1 && shown[n - 1] == '0') n--;
    size_t used = 0;
    if (k < 0) {
        out[used++] = '0';
        out[used++] = '.';
        for (int i = -1; i > k; i--) out[used++] = '0';
    }
    for (int i = 0; i < n; i++) {
        out[used++] = shown[i];
        if (k >= 0 && i == k && i + 1 < n) out[used++] = '.';
    }
    if (k >= 0 && n == k + 1) {
        out[used++] = '.';
        out[used++] = '0';
    }
    return used;
}

void text_float(text *t, float value) {
    char out[32];
    size_t n = 0;
    double x = (double)value;
    if (!isfinite(value)) {
        text_put(t, "null");
        return;
    }
    if (x < 0) {
        out[n++] = '-';
        x = -x;
    }
    if (x == 0) {
        memcpy(out + n, "0.0", 3);
        n += 3;
    } else if (x >= 1e-5 && x < 1e8)
        n += put_plain(out + n, x);
    else
        n += (size_t)snprintf(out + n, sizeof out - n, "%.8e", x);
    text_add(t, out, n);
}

void text_floats(text *t, const float *x, size_t n) {
    room(t, n * 14 + 2);
    text_add(t, "[", 1);
    for (size_t i = 0; i < n; i++) {
        if (i) text_add(t, ",", 1);
        text_float(t, x[i]);
    }
    text_add(t, "]", 1);
}

void text_base64(text *t, const void *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = bytes;
    char *to = room(t, (n + 2) / 3 * 4);
    if (!to) return;
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const uint32_t word = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
                              (left > 2 ? b[i + 2] : 0);
        *to++ = digits[word >> 18];
        *to++ = digits[word >> 12 & 63];
        *to++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[word & 63] : '=';
    }
    *to = 0;
    t->n = (size_t)(to - t->s);
}
