#include "text/trim.h"
#include "text/code_points.h"
#if defined __SSE2__ && defined __x86_64__
#include <emmintrin.h>
#endif

/* The spaces of a token: of its text in the vocabulary, or as an added one was found. */
static bert_spaces spaces_of(const bert_tokenizer *t, const bert_tokens *s, size_t token,
                             const bert_spaced **added) {
    if (!s->n_spaced) return t->spaces[s->ids[token]];
    const bert_spaced *end = s->spaced + s->n_spaced;
    while (*added < end && (*added)->token < token) ++*added;
    return *added < end && (*added)->token == token ? (*added)->spaces : t->spaces[s->ids[token]];
}

/* n characters on from byte `at`, or back; not beyond `limit`. */
static int32_t step_on(const uint8_t *text, int32_t at, int32_t limit, int n) {
    for (; n && at < limit; n--) do
            at++;
        while (at < limit && bert_utf8_continues(text[at]));
    return at;
}
static int32_t step_back(const uint8_t *text, int32_t at, int32_t limit, int n) {
    for (; n && at > limit; n--) do
            at--;
        while (at > limit && bert_utf8_continues(text[at]));
    return at;
}

/* Whether n characters come before byte `end`. */
static bool has_before(const uint8_t *text, int32_t end, int n) {
    for (int32_t i = 0; i < end && n; i++) n -= !bert_utf8_continues(text[i]);
    return !n;
}

/* Four tokens at a time, none of them the first one of a window, where offsets are characters and all spaces are
 * those of the vocabulary. How many it has done. */
#if defined __SSE2__ && defined __x86_64__
static __m128i choose(__m128i which, __m128i a, __m128i b) {
    return _mm_or_si128(_mm_and_si128(which, a), _mm_andnot_si128(which, b));
}

static __m128i spaces_of_four(const bert_tokenizer *t, const int32_t *ids) {
    int32_t x[4];
    for (int i = 0; i < 4; i++) memcpy(&x[i], &t->spaces[ids[i]], sizeof *x);
    return _mm_set_epi32(x[3], x[2], x[1], x[0]);
}

static size_t trim_quickly(const bert_tokenizer *t, const int32_t *ids, size_t n,
                           int32_t (*offsets)[2]) {
    _Static_assert(sizeof(bert_spaces) == sizeof(int32_t), "start, and end in the upper half");
    const __m128i keeps = _mm_set1_epi32(t->trim_keeps_prefix ? -1 : 0), one = _mm_set1_epi32(1),
                  zero = _mm_setzero_si128();
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m128i *o = (__m128i *)(offsets + i);
        const __m128 a = _mm_castsi128_ps(_mm_loadu_si128(o)),
                     b = _mm_castsi128_ps(_mm_loadu_si128(o + 1));
        const __m128i from = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0))),
                      to = _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))),
                      spaces = spaces_of_four(t, ids + i),
                      before = _mm_and_si128(spaces, _mm_set1_epi32(UINT16_MAX)),
                      kept = _mm_and_si128(keeps, _mm_and_si128(_mm_cmpeq_epi32(before, one),
                                                                _mm_cmpeq_epi32(from, zero))),
                      begin = _mm_add_epi32(from, _mm_andnot_si128(kept, before)),
                      end = _mm_sub_epi32(to, _mm_srli_epi32(spaces, 16)),
                      first = choose(_mm_cmplt_epi32(begin, to), begin, to),
                      last = choose(_mm_cmpgt_epi32(end, first), end, first),
                      stop = choose(_mm_cmplt_epi32(end, zero), to, last);
        _mm_storeu_si128(o, _mm_unpacklo_epi32(first, stop));
        _mm_storeu_si128(o + 1, _mm_unpackhi_epi32(first, stop));
    }
    return i;
}
#else
static size_t trim_quickly(const bert_tokenizer *t, const int32_t *ids, size_t n,
                           int32_t (*offsets)[2]) {
    (void)t, (void)ids, (void)n, (void)offsets;
    return 0;
}
#endif

void bert_trim_offsets(const bert_tokenizer *t, const bert_tokens *s, size_t start, size_t n,
                       const uint8_t *text, int32_t (*offsets)[2]) {
    const bert_spaced *added = s->spaced;
    for (size_t i = 0; i < n; i++) {
        const bert_spaces x = spaces_of(t, s, start + i, &added);
        int32_t *o = offsets[i];
        /* One space at the start may have been put there; several have not. */
        const bool keeps = t->trim_keeps_prefix && x.start == 1 && (!i || !o[0]);
        if (text) {
            if (x.start && !keeps) o[0] = step_on(text, o[0], o[1], x.start);
            if (x.end && has_before(text, o[1], x.end)) o[1] = step_back(text, o[1], o[0], x.end);
            continue;
        }
        /* Without branches, which would be guessed wrongly: any token may have a space. */
        const int32_t begin = o[0] + (keeps ? 0 : x.start), end = o[1] - x.end;
        const int32_t from = begin < o[1] ? begin : o[1], to = end > from ? end : from;
        o[1] = end >= 0 ? to : o[1];
        o[0] = from;
        if (!s->n_spaced && !i) i += trim_quickly(t, s->ids + start + 1, n - 1, offsets + 1);
    }
}
