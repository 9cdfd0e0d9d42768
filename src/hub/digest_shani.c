/* SHA-256 with the processor's own instructions, four rounds a step; this file alone is compiled for
 * them. */
#include "hub/digest.h"
#include <cpuid.h>
#include <immintrin.h>

/* Leaf 7: SHA is EBX 29; leaf 1: SSE4.1 is ECX 19. */
static bool has_sha(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 19 & 1)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

/* State as the instructions want it: a b e f and c d g h. */
typedef struct {
    __m128i abef, cdgh;
} halves;

/* Rounds 4i to 4i + 3, whose words are in w[0]. */
static inline __attribute__((always_inline)) void rounds(halves *s, int i, const __m128i *w) {
    const __m128i *k = (const __m128i *)(const void *)bert_sha256_constants;
    __m128i m = _mm_add_epi32(*w, _mm_loadu_si128(k + i));
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, m);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(m, 0x0e));
}

/* The four words that follow a b c d, into a. */
static inline __attribute__((always_inline)) void next(__m128i *a, __m128i b, __m128i c,
                                                       __m128i d) {
    __m128i m = _mm_add_epi32(_mm_sha256msg1_epu32(*a, b), _mm_alignr_epi8(d, c, 4));
    *a = _mm_sha256msg2_epu32(m, d);
}

static inline __attribute__((always_inline)) void block(halves *s, const unsigned char *p) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const halves before = *s;
    __m128i w[4];
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p + i), swap);
    for (int i = 0; i < 12; i += 4) {
        rounds(s, i, &w[0]), next(&w[0], w[1], w[2], w[3]);
        rounds(s, i + 1, &w[1]), next(&w[1], w[2], w[3], w[0]);
        rounds(s, i + 2, &w[2]), next(&w[2], w[3], w[0], w[1]);
        rounds(s, i + 3, &w[3]), next(&w[3], w[0], w[1], w[2]);
    }
    for (int i = 0; i < 4; i++) rounds(s, 12 + i, &w[i]);
    s->abef = _mm_add_epi32(s->abef, before.abef);
    s->cdgh = _mm_add_epi32(s->cdgh, before.cdgh);
}

static void blocks_of(uint32_t state[8], const unsigned char *p, size_t blocks) {
    __m128i *at = (__m128i *)(void *)state;
    const __m128i dcba = _mm_shuffle_epi32(_mm_loadu_si128(at), 0xb1);
    const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(at + 1), 0x1b);
    halves s = {_mm_alignr_epi8(dcba, hgfe, 8), _mm_blend_epi16(hgfe, dcba, 0xf0)};
    for (; blocks; blocks--, p += 64) block(&s, p);
    const __m128i feba = _mm_shuffle_epi32(s.abef, 0x1b), dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);
    _mm_storeu_si128(at, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(at + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool bert_sha256_shani(uint32_t state[8], const unsigned char *data, size_t blocks) {
    static _Atomic int known; /* 0: not asked yet, 1: no, 2: yes */
    if (!known) known = has_sha() ? 2 : 1;
    if (known == 1) return false;
    blocks_of(state, data, blocks);
    return true;
}
