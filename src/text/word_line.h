/* Words of BPE and Unigram, runs of BERT's texts (whole words, mostly): what the store has of them, and a line where
 * they wait while that is on its way from memory; for read_words.c and tokenize.c alone, since these
 * lines run for every word of every text. Of a run's pieces INSIDE says that another word begins. */
#ifndef BERT_TEXT_WORD_LINE_H
#define BERT_TEXT_WORD_LINE_H
#include "text/code_points.h"
#include "text/mix.h"
#include "text/pipe.h"
#include "text/tokenization.h"
#if defined __SSE2__ && defined __x86_64__
#include <emmintrin.h>
#endif

/* ------------------------------------------------------------------------------- Its key */

/* A word of up to BERT_ENTRY_BYTES, padded with zeros. */
static inline void load_short(const uint8_t *p, size_t n, uint64_t key[2]) {
    key[0] = key[1] = 0;
    memcpy(key, p, n);
}

/* The same, where 16 bytes may be read. */
ALWAYS_INLINE void load_masked(const uint8_t *p, size_t n, uint64_t key[2]) {
    static const uint64_t keep[4] = {~(uint64_t)0, ~(uint64_t)0};
    uint64_t mask[2];
    memcpy(key, p, BERT_ENTRY_BYTES);
    memcpy(mask, (const uint8_t *)keep + BERT_ENTRY_BYTES - n, sizeof mask);
    key[0] &= mask[0];
    key[1] &= mask[1];
}

/* Of BERT_ENTRY_BYTES bytes or more. */
static uint64_t hash_bytes(const uint8_t *p, size_t n) {
    uint64_t hash = n, eight;
    for (size_t i = 0; i + 8 < n; i += 8) {
        memcpy(&eight, p + i, sizeof eight);
        hash = mix(hash ^ hash >> 29, eight);
    }
    memcpy(&eight, p + n - sizeof eight, sizeof eight);
    return mix(hash ^ hash >> 29, eight);
}

/* Whether the store may have the word: a NUL would be taken for the padding. */
static inline bool has_key(const bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    return bytes <= BERT_STORED_BYTES && !(tok->has_nul && memchr(p, 0, bytes));
}

static inline void remember(bert_tokenization *tok, const uint8_t *p, size_t bytes, int n) {
    if (n < 1 || !has_key(tok, p, bytes)) return;
    uint64_t key[2] = {0};
    if (bytes <= BERT_ENTRY_BYTES) load_short(p, bytes, key);
    const uint64_t hash = bytes <= BERT_ENTRY_BYTES ? mix(key[0], key[1]) : hash_bytes(p, bytes);
    bert_store_add(&tok->store, hash, key, p, bytes, n, tok->found, tok->chars);
}

/* ---------------------------------------------------------------------------- Its tokens */

static size_t base_of(const bert_tokenization *tok, const uint8_t *p) {
    return (size_t)(p - tok->text) - tok->skew;
}

/* Where the character that begins at p ends. */
static const uint8_t *char_after(const uint8_t *p, const uint8_t *stop) {
    do p++;
    while (p < stop && bert_utf8_continues(*p));
    return p;
}

/* Makes room for n more tokens. Ids alone go to the caller's array, which does not grow. */
static bool grow_words(bert_tokenization *tok, size_t n) {
    tok->failed |= !bert_tokens_reserve(tok->out, n);
    return !tok->failed;
}

/* The first byte of what comes after a piece that ends at `to`, or in its last character. */
static int32_t byte_after(const bert_tokenization *tok, int32_t to, bool inside) {
    if (!inside) return to;
    do to--;
    while (to > 0 && bert_utf8_continues(tok->text[to]));
    return to;
}

/* Ids of the pieces where less may be written than four at a time. */
static void put_last_ids(bert_tokens *o, const bert_stored_piece *pieces, size_t n) {
    for (size_t i = 0; i < n && o->n + i < o->capacity; i++)
        o->ids[o->n + i] = (int32_t)(pieces[i] & BERT_STORED_ID);
}

/* Offsets in bytes of the pieces of the word at p that has other characters than ASCII. */
static void put_in_bytes(const bert_tokenization *tok, bool runs, const bert_stored_piece *pieces,
                         size_t at, size_t n, const uint8_t *p, size_t bytes) {
    bert_tokens *o = tok->out;
    const uint8_t *byte = p;
    uint32_t passed = 0; /* characters up to byte */
    int32_t from = (int32_t)(p - tok->text);
    for (size_t i = 0; i < n; i++) {
        const uint32_t chars = pieces[i] >> BERT_STORED_END & BERT_STORED_CHARS;
        for (; passed < chars; passed++) byte = char_after(byte, p + bytes);
        const int32_t to = (int32_t)(byte - tok->text);
        o->offsets[at + i] = (bert_span){from, to};
        from = byte_after(tok, to, !runs && pieces[i] & BERT_STORED_INSIDE);
    }
}

enum { AT_ONCE = 4 };

/* Four pieces of a word (or of runs) that begins at `base`, as tokens from `at` on. before: where the last of the
 * four before these ended (in the last place), or in which character. word: the number of the last word before these. */
#if defined __SSE2__ && defined __x86_64__
ALWAYS_INLINE __m128i put_four(bert_tokens *o, bool full, bool runs, size_t at, __m128i base,
                               __m128i before, int32_t word, const bert_stored_piece *pieces) {
    const __m128i x = _mm_loadu_si128((const __m128i *)pieces);
    _mm_storeu_si128((__m128i *)(o->ids + at), _mm_and_si128(x, _mm_set1_epi32(BERT_STORED_ID)));
    if (!full) return before;
    const __m128i bits = _mm_srli_epi32(x, 31),
                  chars = _mm_and_si128(_mm_srli_epi32(x, BERT_STORED_END),
                                        _mm_set1_epi32(BERT_STORED_CHARS)),
                  to = _mm_add_epi32(base, chars), after = runs ? to : _mm_sub_epi32(to, bits),
                  from = _mm_or_si128(_mm_slli_si128(after, 4), _mm_srli_si128(before, 12));
    __m128i words = _mm_set1_epi32(word);
    if (runs) {
        const __m128i two = _mm_add_epi32(bits, _mm_slli_si128(bits, 4));
        words = _mm_add_epi32(words, _mm_add_epi32(two, _mm_slli_si128(two, 8)));
    }
    _mm_storeu_si128((__m128i *)(o->words + at), words);
    _mm_storeu_si128((__m128i *)(o->offsets + at), _mm_unpacklo_epi32(from, to));
    _mm_storeu_si128((__m128i *)(o->offsets + at + 2), _mm_unpackhi_epi32(from, to));
    return after;
}
#define FOUR __m128i
#define ALL_FOUR(x) _mm_set1_epi32(x)
#else
ALWAYS_INLINE int32_t put_four(bert_tokens *o, bool full, bool runs, size_t at, int32_t base,
                               int32_t before, int32_t word, const bert_stored_piece *pieces) {
    for (int i = 0; i < AT_ONCE; i++) {
        o->ids[at + (size_t)i] = (int32_t)(pieces[i] & BERT_STORED_ID);
        if (!full) continue;
        const int32_t to = base + (int32_t)(pieces[i] >> BERT_STORED_END & BERT_STORED_CHARS),
                      bit = (int32_t)(pieces[i] >> 31);
        o->words[at + (size_t)i] = word += runs ? bit : 0;
        o->offsets[at + (size_t)i] = (bert_span){before, to};
        before = runs ? to : to - bit;
    }
    return before;
}
#define FOUR int32_t
#define ALL_FOUR(x) (x)
#endif

/* How many of the first n pieces, up to four, begin another word: without a branch. */
ALWAYS_INLINE int32_t more_words(const bert_stored_piece *pieces, size_t n) {
#if defined __SSE2__ && defined __x86_64__
    const unsigned mask =
        (unsigned)_mm_movemask_ps(_mm_loadu_ps((const float *)pieces)) & ((1u << n) - 1);
    return (int32_t)(0x4332322132212110u >> mask * 4 & 7);
#else
    int32_t more = 0;
    for (size_t i = 0; i < n; i++) more += (int32_t)(pieces[i] >> 31);
    return more;
#endif
}

/* The pieces of the word at p: four at a time, and what is written past the last one is written over
 * later, because how many there are cannot be guessed. */
ALWAYS_INLINE void put_pieces(bert_tokenization *tok, bool full, bool runs,
                              const bert_stored_piece *pieces, size_t n, const uint8_t *p,
                              size_t bytes) {
    bert_tokens *o = tok->out;
    const size_t at = o->n, chars = pieces[n - 1] >> BERT_STORED_END & BERT_STORED_CHARS;
    const int32_t base = (int32_t)base_of(tok, p);
    if (!tok->byte_offsets) tok->skew += bytes - chars;
    if (at + n + AT_ONCE > o->capacity) {
        if (!full) {
            put_last_ids(o, pieces, n);
            o->n += n;
            return;
        }
        if (!grow_words(tok, n + AT_ONCE)) return;
    }
    const FOUR all = ALL_FOUR(base);
    const int32_t word = o->word;
    FOUR before = put_four(o, full, runs, at, all, all, word, pieces);
    o->n = at + n;
    if (full && n > AT_ONCE) {
        for (size_t i = AT_ONCE; i < n; i += AT_ONCE)
            before = put_four(o, full, runs, at + i, all, before,
                              runs ? o->words[at + i - 1] : word, pieces + i);
        o->word = o->words[at + n - 1] + 1;
    } else if (n > AT_ONCE)
        for (size_t i = AT_ONCE; i < n; i += AT_ONCE)
            before = put_four(o, full, runs, at + i, all, before, word, pieces + i);
    else
        o->word = word + 1 + (full && runs ? more_words(pieces, n) : 0);
    if (full && tok->byte_offsets && bytes != chars)
        put_in_bytes(tok, runs, pieces, at, n, p, bytes);
}

/* The same for a word of ASCII with an entry: as many bytes as characters, and one word. */
ALWAYS_INLINE void put_ascii_entry(bert_tokenization *tok, bool full, const bert_word_entry *x,
                                   const uint8_t *p, size_t bytes) {
#if defined __SSE2__ && defined __x86_64__
    bert_tokens *o = tok->out;
    const size_t at = o->n;
    if (at + AT_ONCE <= o->capacity) {
        const __m128i pieces = _mm_loadu_si128((const __m128i *)x->pieces);
        const unsigned none = (unsigned)_mm_movemask_ps(
            _mm_castsi128_ps(_mm_cmpeq_epi32(pieces, _mm_setzero_si128())));
        _mm_storeu_si128((__m128i *)(o->ids + at),
                         _mm_and_si128(pieces, _mm_set1_epi32(BERT_STORED_ID)));
        o->n = at + (size_t)__builtin_ctz(none | 1u << AT_ONCE);
        if (!full) return;
        const int base = (int)base_of(tok, p);
        const __m128i to = _mm_add_epi32(_mm_set1_epi32(base),
                                         _mm_srli_epi32(pieces, BERT_STORED_END)),
                      from = _mm_or_si128(_mm_slli_si128(to, 4), _mm_cvtsi32_si128(base));
        _mm_storeu_si128((__m128i *)(o->words + at), _mm_set1_epi32(o->word++));
        _mm_storeu_si128((__m128i *)(o->offsets + at), _mm_unpacklo_epi32(from, to));
        _mm_storeu_si128((__m128i *)(o->offsets + at + 2), _mm_unpackhi_epi32(from, to));
        return;
    }
#endif
    put_pieces(tok, full, true, x->pieces, bert_entry_pieces(x), p, bytes);
}

/* ------------------------------------------------------------------------------ Its turn */

ALWAYS_INLINE void look_up_word(const bert_tokenization *tok, bert_waiting_word *r) {
    r->entry = r->kind == BERT_RUN_SHORT
                   ? bert_store_entry(bert_store_entries_of(&tok->store, r->hash), r->key)
                   : NULL;
    r->stored =
        r->entry || r->kind >= BERT_RUN_OTHER ? NULL : bert_store_candidate(&tok->store, r->hash);
}

/* What it is known by. */
ALWAYS_INLINE const uint8_t *text_of(const bert_waiting_word *r) {
    return r->kind == BERT_RUN_SHORT ? (const uint8_t *)r->key : r->at;
}

/* Puts what the store has of the word. */
ALWAYS_INLINE bool put_known(bert_tokenization *tok, bool full, bool runs,
                             const bert_waiting_word *r) {
    const bert_stored_word *w = r->stored;
    if (r->entry)
        put_pieces(tok, full, runs, r->entry->pieces, bert_entry_pieces(r->entry), r->at, r->bytes);
    else if (!w || !bert_store_is(w, text_of(r), r->bytes))
        return false;
    else {
        put_pieces(tok, full, runs, bert_stored_pieces(w), w->n, r->at, r->bytes);
        if (bert_store_is_old(&tok->store, w)) bert_store_keep(&tok->store, r->hash, w);
    }
    return true;
}

/* What the store has of the words that wait is found, and their records are on their way. */
ALWAYS_INLINE void look_up_line(bert_tokenization *tok, bert_waiting_word *end) {
    bool strays = false;
    for (bert_waiting_word *r = tok->words; r < end; r++) {
        look_up_word(tok, r);
        strays |= r->kind == BERT_RUN_SHORT && !r->entry;
        if (!r->stored) continue;
        __builtin_prefetch(r->stored);
        __builtin_prefetch((const char *)r->stored + 64);
    }
    tok->store.strays = strays;
}

/* A word that waited: what was found of it, or what has come since. turns: of the store when it was looked up. */
ALWAYS_INLINE bool put_late(bert_tokenization *tok, bool full, bool runs, bert_waiting_word *r,
                            uint32_t turns) {
    if (tok->store.turns != turns) r->stored = NULL; /* records have gone */
    if (put_known(tok, full, runs, r)) return true;
    look_up_word(tok, r);
    return put_known(tok, full, runs, r);
}

ALWAYS_INLINE void fetch_short(const bert_tokenization *tok, uint64_t hash) {
    __builtin_prefetch(bert_store_entries_of(&tok->store, hash));
    if (tok->store.strays) __builtin_prefetch(bert_store_bucket_of(&tok->store, hash));
}

/* A word or run that may have a record, of more than BERT_ENTRY_BYTES. */
static void begin_long(const bert_tokenization *tok, bert_waiting_word *r) {
    r->kind = BERT_RUN_LONG;
    r->hash = hash_bytes(r->at, r->bytes);
    __builtin_prefetch(bert_store_bucket_of(&tok->store, r->hash));
}
#endif
