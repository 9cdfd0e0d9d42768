#include <immintrin.h>
#define RESIZE bert_resize_avx512
#define SUMS __m512i
#define ZERO(s, half) s = _mm512_set1_epi32(half)
#define ADD(s, p, w)                                                                               \
    s = _mm512_add_epi32(                                                                          \
        s, _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p))),         \
                              _mm512_set1_epi32(w)))
/* The saturation of vpmovusdb is unsigned: what is negative becomes zero before. */
#define STORE(out, s)                                                                              \
    _mm_storeu_si128((__m128i *)(out),                                                             \
                     _mm512_cvtusepi32_epi8(_mm512_max_epi32(                                      \
                         _mm512_srai_epi32(s, BERT_RESIZE_BITS), _mm512_setzero_si512())))
#include "image/resize_body.h"
