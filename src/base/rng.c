#include "base/rng.h"
#include <math.h>

bert_philox bert_philox_at(uint64_t seed, uint64_t stream, uint64_t counter) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (bert_philox){{c0, c1, c2, c3}};
}

uint32_t bert_rng_u32(bert_rng *r) {
    bert_philox p = bert_philox_at(r->seed, r->stream, r->counter / 4);
    return p.v[r->counter++ % 4];
}

uint32_t bert_rng_below(bert_rng *r, uint32_t n) {
    /* Lemire's multiply-and-shift with rejection of the uneven rest. */
    uint32_t threshold = (0u - n) % n;
    for (;;) {
        uint64_t m = (uint64_t)bert_rng_u32(r) * n;
        if ((uint32_t)m >= threshold) return (uint32_t)(m >> 32);
    }
}

double bert_rng_uniform(bert_rng *r) {
    uint64_t hi = bert_rng_u32(r) >> 5, lo = bert_rng_u32(r) >> 6;
    return (double)(hi << 26 | lo) * 0x1p-53;
}

void bert_rng_normal(bert_rng *r, float *out, size_t n, float std) {
    for (size_t i = 0; i < n; i += 2) {
        double radius = sqrt(-2.0 * log(1.0 - bert_rng_uniform(r)));
        double angle = 6.283185307179586476925 * bert_rng_uniform(r);
        out[i] = (float)(std * radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(std * radius * sin(angle));
    }
}

void bert_rng_shuffle(bert_rng *r, int64_t *items, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = bert_rng_below(r, (uint32_t)(i + 1));
        int64_t swap = items[i];
        items[i] = items[j];
        items[j] = swap;
    }
}

uint64_t bert_rng_stream(const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}
