#include <immintrin.h>
typedef struct {
    __m256i low, high;
} sums;

static inline __m256i add_8(__m256i s, const unsigned char *p, int w) {
    const __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    return _mm256_add_epi32(s, _mm256_mullo_epi32(x, _mm256_set1_epi32(w)));
}

/* Packing takes the halves of both sides in turn, which the permutation puts in order. */
static inline __m128i as_bytes(__m256i a, __m256i b, int bits) {
    const __m256i words = _mm256_permute4x64_epi64(
        _mm256_packs_epi32(_mm256_srai_epi32(a, bits), _mm256_srai_epi32(b, bits)), 0xd8);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

#define RESIZE bert_resize_avx2
#define SUMS sums
#define ZERO(s, half) s.low = s.high = _mm256_set1_epi32(half)
#define ADD(s, p, w) s.low = add_8(s.low, p, w), s.high = add_8(s.high, (p) + 8, w)
#define STORE(out, s) _mm_storeu_si128((__m128i *)(out), as_bytes(s.low, s.high, BERT_RESIZE_BITS))
#include "image/resize_body.h"
