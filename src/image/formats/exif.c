/* Which way up a picture is. */
#include "formats.h"
#include <string.h>

static uint32_t number(const unsigned char *p, int bytes, bool little) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | p[little ? bytes - 1 - i : i];
    return v;
}

/* The first directory of a TIFF file holds entries of 12 bytes: tag, type, count, value. */
int bert_exif_orientation(const unsigned char *bytes, size_t n) {
    enum { HEADER = 8, ENTRY = 12, ORIENTATION = 0x0112, BYTE = 1, SHORT = 3, LONG = 4 };
    if (n >= 6 && !memcmp(bytes, "Exif\0\0", 6)) bytes += 6, n -= 6;
    if (n < HEADER || (memcmp(bytes, "II", 2) && memcmp(bytes, "MM", 2))) return 0;
    const bool little = *bytes == 'I';
    const size_t at = number(bytes + 4, 4, little);
    if (at > n || n - at < 2) return 0;
    const uint32_t entries = number(bytes + at, 2, little);
    for (uint32_t i = 0; i < entries; i++) {
        const size_t entry = at + 2 + (size_t)i * ENTRY;
        if (n < ENTRY || entry > n - ENTRY) return 0;
        const unsigned char *p = bytes + entry;
        if (number(p, 2, little) != ORIENTATION) continue;
        const uint32_t type = number(p + 2, 2, little);
        const int width = type == BYTE ? 1 : type == SHORT ? 2 : type == LONG ? 4 : 0;
        const uint32_t value = width ? number(p + 8, width, little) : 0;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 0;
}

/* tiff:Orientation="6", or >6 */
int bert_xmp_orientation(const char *text, size_t n) {
    static const char name[] = "tiff:Orientation";
    const size_t length = sizeof name - 1;
    for (size_t i = 0; i + length + 2 <= n; i++) {
        if (memcmp(text + i, name, length)) continue;
        size_t at = i + length;
        if (text[at] == '=' && text[at + 1] == '"')
            at += 2;
        else if (text[at] == '>')
            at++;
        else
            continue;
        if (at < n && text[at] >= '0' && text[at] <= '9')
            return text[at] >= '1' && text[at] <= '8' ? text[at] - '0' : 1;
    }
    return 0;
}
