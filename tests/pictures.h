/* PNG files of any kind, made by hand: deflate's stored blocks need no library. */
#ifndef BERT_TEST_PICTURES_H
#define BERT_TEST_PICTURES_H
#include "test.h"
#include <stdbool.h>

typedef struct {
    uint8_t *data;
    size_t n;
} bytes;

static inline void put(bytes *b, const void *data, size_t n) {
    b->data = realloc(b->data, b->n + n + 1);
    assert_non_null(b->data);
    if (n) memcpy(b->data + b->n, data, n);
    b->n += n;
}

static inline void put_number(bytes *b, uint32_t v) {
    const uint8_t p[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    put(b, p, 4);
}

static inline uint32_t crc_of(const uint8_t *p, size_t n) {
    uint32_t c = ~0u;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

static inline void put_chunk(bytes *b, const char *name, const void *data, size_t n) {
    put_number(b, (uint32_t)n);
    const size_t from = b->n;
    put(b, name, 4);
    put(b, data, n);
    put_number(b, crc_of(b->data + from, b->n - from));
}

/* zlib's format around stored blocks. */
static inline bytes stored(const bytes *raw) {
    bytes z = {0};
    uint32_t a = 1, c = 0;
    put(&z, "\x78\x01", 2);
    for (size_t at = 0; at < raw->n || !at;) {
        const size_t left = raw->n - at, n = left < 65535 ? left : 65535;
        const uint8_t head[] = {at + n == raw->n, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n,
                                (uint8_t)(~n >> 8)};
        put(&z, head, 5);
        put(&z, raw->data + at, n);
        at += n;
        if (!n) break;
    }
    for (size_t i = 0; i < raw->n; i++) {
        a = (a + raw->data[i]) % 65521;
        c = (c + a) % 65521;
    }
    put_number(&z, c << 16 | a);
    return z;
}

/* samples [height, width, channels], each below 2^depth. extra: further chunks in front of the
 * pixels. */
typedef struct {
    int32_t width, height;
    int depth, type; /* PNG's: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA */
    const uint16_t *samples;
    bool interlaced;
    bytes extra;
} png_picture;

static inline int png_channels(int type) {
    return type == 2 ? 3 : type == 4 ? 2 : type == 6 ? 4 : 1;
}

/* A row of every dx-th pixel from x0 on. */
static inline void put_row(bytes *raw, const png_picture *p, int32_t y, int32_t x0, int32_t dx) {
    const int c = png_channels(p->type);
    uint8_t filter = 0, byte = 0;
    int bits = 0;
    put(raw, &filter, 1);
    for (int32_t x = x0; x < p->width; x += dx)
        for (int k = 0; k < c; k++) {
            const uint16_t v =
                p->samples[((size_t)y * (size_t)p->width + (size_t)x) * (size_t)c + (size_t)k];
            if (p->depth == 16) {
                const uint8_t both[] = {(uint8_t)(v >> 8), (uint8_t)v};
                put(raw, both, 2);
                continue;
            }
            byte = (uint8_t)(byte << p->depth | v);
            if ((bits += p->depth) < 8) continue;
            put(raw, &byte, 1);
            bits = byte = 0;
        }
    if (!bits) return;
    byte = (uint8_t)(byte << (8 - bits));
    put(raw, &byte, 1);
}

static inline bytes png_file(const png_picture *p) {
    static const int passes[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                     {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    static const int whole[4] = {0, 0, 1, 1};
    bytes raw = {0}, out = {0}, header = {0};
    for (int i = 0; i < (p->interlaced ? 7 : 1); i++) {
        const int *s = p->interlaced ? passes[i] : whole;
        for (int32_t y = s[1]; y < p->height && s[0] < p->width; y += s[3])
            put_row(&raw, p, y, s[0], s[2]);
    }
    put(&out, "\x89PNG\r\n\x1a\n", 8);
    put_number(&header, (uint32_t)p->width);
    put_number(&header, (uint32_t)p->height);
    const uint8_t rest[] = {(uint8_t)p->depth, (uint8_t)p->type, 0, 0, p->interlaced};
    put(&header, rest, 5);
    put_chunk(&out, "IHDR", header.data, header.n);
    put(&out, p->extra.data, p->extra.n);
    bytes z = stored(&raw);
    put_chunk(&out, "IDAT", z.data, z.n);
    put_chunk(&out, "IEND", NULL, 0);
    free(raw.data);
    free(header.data);
    free(z.data);
    return out;
}

/* Bytes that look like a picture's, the same everywhere: tools/golden_images.py has them too. */
static inline uint8_t test_sample(int32_t x, int32_t y, int32_t c, int32_t seed) {
    const uint32_t noise = ((uint32_t)x * 7919u + (uint32_t)y * 104729u + (uint32_t)c * 1299709u +
                            (uint32_t)seed * 15485863u) *
                           2654435761u;
    const int32_t wave = (x * (3 + c) + y * (5 - c) + seed * 11) % 256,
                  fold = wave < 128 ? wave : 255 - wave;
    const int32_t v = 2 * fold - 20 + (int32_t)(noise >> 27) + ((x + y) % 40 < 20 ? 30 : 0);
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static inline void write_bytes(const char *path, const void *data, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}
#endif
