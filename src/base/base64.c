#include "base/base64.h"
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int64_t bert_base64_read(const char *text, size_t n, uint8_t *out) {
    int64_t made = 0;
    uint32_t bits = 0;
    int have = 0;
    while (n && text[n - 1] == '=') n--;
    for (size_t i = 0; i < n; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit) return -1;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[made++] = (uint8_t)(bits >> have);
    }
    return made;
}

size_t bert_base64_size(size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

void bert_base64_write(const uint8_t *bytes, size_t n, char *out) {
    for (size_t i = 0; i < n; i += 3) {
        const size_t k = n - i < 3 ? n - i : 3;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (k > 1) bits |= (uint32_t)bytes[i + 1] << 8;
        if (k > 2) bits |= bytes[i + 2];
        for (size_t j = 0; j < 4; j++) *out++ = j <= k ? digits[bits >> (18 - 6 * j) & 63] : '=';
    }
    *out = 0;
}
