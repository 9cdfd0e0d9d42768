#include "hub/digest.h"
#include <stdio.h>
#include <string.h>

const uint32_t bert_sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#if !defined(__x86_64__)
bool bert_sha256_shani(uint32_t state[8], const unsigned char *data, size_t blocks) {
    (void)state, (void)data, (void)blocks;
    return false;
}
#endif

static uint32_t rotate(uint32_t x, int by) {
    return x >> by | x << (32 - by);
}

static uint32_t word(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void sha256_block(uint32_t h[8], const unsigned char *p) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++) w[i] = word(p + 4 * i);
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        const uint32_t a = v[0], e = v[4];
        const uint32_t t = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                           ((e & v[5]) ^ (~e & v[6])) + bert_sha256_constants[i] + w[i];
        const uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                           ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t;
        v[0] = t + u;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

static void sha1_block(uint32_t h[8], const unsigned char *p) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) w[i] = word(p + 4 * i);
    for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 31);
    for (int i = 0; i < 80; i++) {
        const uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                           : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                           : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                    : (b ^ c ^ d) + 0xca62c1d6;
        const uint32_t t = rotate(a, 27) + f + e + w[i];
        e = d, d = c, c = rotate(b, 2), b = a, a = t;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void take_blocks(bert_digest *d, const unsigned char *p, size_t blocks) {
    if (d->kind == BERT_SHA256 && bert_sha256_shani(d->state, p, blocks)) return;
    for (; blocks; blocks--, p += 64)
        (d->kind == BERT_SHA256 ? sha256_block : sha1_block)(d->state, p);
}

void bert_digest_begin(bert_digest *d, bert_digest_kind kind) {
    static const uint32_t start[2][8] = {
        {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0, 0, 0, 0},
        {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
         0x5be0cd19}};
    *d = (bert_digest){.kind = kind};
    memcpy(d->state, start[kind], sizeof d->state);
}

void bert_digest_add(bert_digest *d, const void *data, size_t bytes) {
    const unsigned char *p = data;
    const size_t used = d->bytes % 64;
    d->bytes += bytes;
    if (used) {
        const size_t n = bytes < 64 - used ? bytes : 64 - used;
        memcpy(d->block + used, p, n);
        if (used + n < 64) return;
        take_blocks(d, d->block, 1);
        p += n, bytes -= n;
    }
    take_blocks(d, p, bytes / 64);
    memcpy(d->block, p + bytes / 64 * 64, bytes % 64);
}

void bert_digest_end(bert_digest *d, char hex[BERT_DIGEST_HEX]) {
    static const unsigned char padding[64] = {0x80};
    const uint64_t bits = d->bytes * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
    bert_digest_add(d, padding, 1 + (119 - d->bytes % 64) % 64);
    bert_digest_add(d, length, sizeof length);
    const int words = d->kind == BERT_SHA256 ? 8 : 5;
    for (int i = 0; i < words; i++) snprintf(hex + 8 * i, 9, "%08x", d->state[i]);
}
