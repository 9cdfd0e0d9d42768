/* The line of words of BPE and Unigram: what the store has of them is on its way from memory while others
 * are read; for read_words.c alone, since these lines run for every word of every text. */
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
static void load_short(const uint8_t *p, size_t n, uint64_t key[2]) {
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
static bool has_key(const bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    return bytes <= BERT_STORED_BYTES && !(tok->has_nul && memchr(p, 0, bytes));
}

static void remember(bert_tokenization *tok, const uint8_t *p, size_t bytes, int n) {
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
static void put_in_bytes(const bert_tokenization *tok, const bert_stored_piece *pieces, size_t n,
                         const uint8_t *p, size_t bytes) {
    bert_tokens *o = tok->out;
    const uint8_t *byte = p;
    uint32_t passed = 0; /* characters up to byte */
    int32_t from = (int32_t)(p - tok->text);
    for (size_t i = 0; i < n; i++) {
        const uint32_t chars = pieces[i] >> BERT_STORED_END & BERT_STORED_CHARS;
        for (; passed < chars; passed++) byte = char_after(byte, p + bytes);
        const int32_t to = (int32_t)(byte - tok->text);
        o->offsets[o->n + i] = (bert_span){from, to};
        from = byte_after(tok, to, pieces[i] & BERT_STORED_INSIDE);
    }
}

enum { AT_ONCE = 4 };

/* Four pieces of a word that begins at `base`, as tokens from `at` on. before: where the last of the four before
 * these ended (in the last place), or in which character. */
#if defined __SSE2__ && defined __x86_64__
ALWAYS_INLINE __m128i put_four(bert_tokens *o, bool full, size_t at, __m128i base, __m128i before,
                               const bert_stored_piece *pieces) {
    const __m128i x = _mm_loadu_si128((const __m128i *)pieces);
    _mm_storeu_si128((__m128i *)(o->ids + at), _mm_and_si128(x, _mm_set1_epi32(BERT_STORED_ID)));
    if (!full) return before;
    const __m128i chars = _mm_and_si128(_mm_srli_epi32(x, BERT_STORED_END),
                                        _mm_set1_epi32(BERT_STORED_CHARS)),
                  to = _mm_add_epi32(base, chars), after = _mm_sub_epi32(to, _mm_srli_epi32(x, 31)),
                  from = _mm_or_si128(_mm_slli_si128(after, 4), _mm_srli_si128(before, 12));
    _mm_storeu_si128((__m128i *)(o->words + at), _mm_set1_epi32(o->word));
    _mm_storeu_si128((__m128i *)(o->offsets + at), _mm_unpacklo_epi32(from, to));
    _mm_storeu_si128((__m128i *)(o->offsets + at + 2), _mm_unpackhi_epi32(from, to));
    return after;
}
#define FOUR __m128i
#define ALL_FOUR(x) _mm_set1_epi32(x)
#else
ALWAYS_INLINE int32_t put_four(bert_tokens *o, bool full, size_t at, int32_t base, int32_t before,
                               const bert_stored_piece *pieces) {
    for (int i = 0; i < AT_ONCE; i++) {
        o->ids[at + i] = (int32_t)(pieces[i] & BERT_STORED_ID);
        if (!full) continue;
        const int32_t to = base + (int32_t)(pieces[i] >> BERT_STORED_END & BERT_STORED_CHARS);
        o->words[at + i] = o->word;
        o->offsets[at + i] = (bert_span){before, to};
        before = to - (int32_t)(pieces[i] >> 31);
    }
    return before;
}
#define FOUR int32_t
#define ALL_FOUR(x) (x)
#endif

/* The pieces of the word at p: four at a time, and what is written past the last one is written over
 * later, because how many there are cannot be guessed. */
ALWAYS_INLINE void put_pieces(bert_tokenization *tok, bool full, const bert_stored_piece *pieces,
                              size_t n, const uint8_t *p, size_t bytes) {
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
    FOUR before = put_four(o, full, at, all, all, pieces);
    for (size_t i = AT_ONCE; i < n; i += AT_ONCE)
        before = put_four(o, full, at + i, all, before, pieces + i);
    if (full && tok->byte_offsets && bytes != chars) put_in_bytes(tok, pieces, n, p, bytes);
    o->n = at + n;
    o->word++;
}

/* Pieces that were found for the word at p. */
static void put_new(bert_tokenization *tok, const uint8_t *p, size_t bytes, int n) {
    bert_tokens *o = tok->out;
    const int32_t base = (int32_t)base_of(tok, p);
    if (!tok->byte_offsets && n) tok->skew += bytes - (tok->chars[n - 1] & ~BERT_INSIDE);
    if (!tok->full) {
        for (int i = 0; i < n; i++, o->n++)
            if (o->n < o->capacity) o->ids[o->n] = tok->found[i];
        return;
    }
    if (!grow_words(tok, (size_t)n)) return;
    const uint32_t *ends = tok->byte_offsets ? tok->ends : tok->chars;
    int32_t from = base;
    for (int i = 0; i < n; i++, o->n++) {
        const int32_t to = base + (int32_t)(ends[i] & ~BERT_INSIDE);
        const bool inside = tok->chars[i] & BERT_INSIDE;
        o->ids[o->n] = tok->found[i];
        o->words[o->n] = o->word;
        o->offsets[o->n] = (bert_span){from, to};
        from = tok->byte_offsets ? byte_after(tok, to, inside) : to - inside;
    }
    o->word++;
}

static void put_and_remember(bert_tokenization *tok, const uint8_t *p, size_t bytes, int n,
                             bool again) {
    if (again) remember(tok, p, bytes, n);
    put_new(tok, p, bytes, n);
}

/* ------------------------------------------------------------------------------ Its turn */

/* Reads a word that is not known; false: the text cannot be read word by word. */
typedef bool read_new_fn(bert_tokenization *tok, const uint8_t *p, size_t bytes);

ALWAYS_INLINE void look_up_word(const bert_tokenization *tok, bert_waiting_word *r) {
    r->entry = r->kind == BERT_RUN_SHORT ? bert_store_entry(&tok->store, r->hash, r->key) : NULL;
    r->stored =
        r->entry || r->kind == BERT_RUN_OTHER ? NULL : bert_store_candidate(&tok->store, r->hash);
}

/* Puts what the store has of the word. */
ALWAYS_INLINE bool put_known(bert_tokenization *tok, bool full, const bert_waiting_word *r) {
    const bert_stored_word *w = r->stored;
    if (r->entry)
        put_pieces(tok, full, r->entry->pieces, bert_entry_pieces(r->entry), r->at, r->bytes);
    else if (!w || !bert_store_is(w, r->at, r->bytes))
        return false;
    else {
        put_pieces(tok, full, bert_stored_pieces(w), w->n, r->at, r->bytes);
        if (bert_store_is_old(&tok->store, w)) bert_store_keep(&tok->store, r->hash, w);
    }
    return true;
}

/* The same, of what has come since it was looked up. */
static bool put_late(bert_tokenization *tok, bool full, bert_waiting_word *r) {
    look_up_word(tok, r);
    return put_known(tok, full, r);
}

/* Puts the words that wait; first it is seen which of them have a record, which then is on its way. */
ALWAYS_INLINE bool put_line(bert_tokenization *tok, bool full, read_new_fn *read_new) {
    bert_waiting_word *const end = tok->words + tok->n_waiting;
    const uint32_t turns = tok->store.turns;
    bool strays = false;
    tok->n_waiting = 0;
    for (bert_waiting_word *r = tok->words; r < end; r++) {
        look_up_word(tok, r);
        strays |= !r->entry;
        if (!r->stored) continue;
        __builtin_prefetch(r->stored);
        __builtin_prefetch((const char *)r->stored + 64);
    }
    tok->store.strays = strays;
    for (bert_waiting_word *r = tok->words; r < end && !tok->failed; r++) {
        if (tok->store.turns != turns) r->stored = NULL; /* records have gone */
        if (!put_known(tok, full, r) && !put_late(tok, full, r) && !read_new(tok, r->at, r->bytes))
            return false;
    }
    return true;
}

/* The next one, of up to BERT_ENTRY_BYTES, which are its key. */
ALWAYS_INLINE bool next_short_word(bert_tokenization *tok, bool full, const uint8_t *p,
                                   size_t bytes, const uint64_t key[2], read_new_fn *read_new) {
    const uint64_t hash = mix(key[0], key[1]);
    bert_waiting_word *r = &tok->words[tok->n_waiting++];
    r->at = p;
    r->bytes = bytes;
    r->key[0] = key[0];
    r->key[1] = key[1];
    r->hash = hash;
    r->kind = BERT_RUN_SHORT;
    __builtin_prefetch(bert_store_entries_of(&tok->store, hash));
    if (tok->store.strays) __builtin_prefetch(bert_store_bucket_of(&tok->store, hash));
    return tok->n_waiting < BERT_MAX_WAITING || put_line(tok, full, read_new);
}

static bool next_long_word(bert_tokenization *tok, bool full, const uint8_t *p, size_t bytes,
                           read_new_fn *read_new) {
    const bool known = has_key(tok, p, bytes);
    bert_waiting_word *r = &tok->words[tok->n_waiting++];
    *r = (bert_waiting_word){.at = p, .bytes = bytes, .kind = BERT_RUN_OTHER};
    if (known) {
        r->kind = BERT_RUN_LONG;
        r->hash = hash_bytes(p, bytes);
        __builtin_prefetch(bert_store_bucket_of(&tok->store, r->hash));
    }
    return tok->n_waiting < BERT_MAX_WAITING || put_line(tok, full, read_new);
}

/* A word up to `end`, the end of what may be read. */
ALWAYS_INLINE bool next_word(bert_tokenization *tok, bool full, const uint8_t *p, size_t bytes,
                             const uint8_t *end, read_new_fn *read_new) {
    if (bytes > BERT_ENTRY_BYTES || (tok->has_nul && memchr(p, 0, bytes)))
        return next_long_word(tok, full, p, bytes, read_new);
    uint64_t key[2];
    if (end - p < BERT_ENTRY_BYTES)
        load_short(p, bytes, key);
    else
        load_masked(p, bytes, key);
    return next_short_word(tok, full, p, bytes, key, read_new);
}
#endif
