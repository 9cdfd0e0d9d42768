/* Words to tokens: from the cache of words that were met, or found in the vocabulary and
 * remembered; for encode.c alone, since these lines run for every word of every text. */
#ifndef BERT_TEXT_PUT_H
#define BERT_TEXT_PUT_H
#include "text/code_points.h"
#include "text/pipe.h"
#include "text/tokenization.h"
#include "text/word_cache.h"
#include <stdlib.h>

/* Makes room for n more tokens. Ids alone go to the caller's array, which does not grow. */
static bool grow_output(bert_tokenization *tok, size_t n) {
    tok->failed |= !bert_tokens_reserve(tok->out, n);
    return !tok->failed;
}

ALWAYS_INLINE void put_one(bert_tokenization *tok, bool full, int32_t id, bert_span place) {
    bert_tokens *o = tok->out;
    if (full) {
        if (o->n == o->capacity && !grow_output(tok, 1)) return;
        o->words[o->n] = o->word++;
        o->offsets[o->n] = place;
    }
    if (o->n < o->capacity) o->ids[o->n] = id;
    o->n++;
}

static inline void put_token(bert_tokenization *tok, int32_t id, bert_span place) {
    if (tok->full)
        put_one(tok, true, id, place);
    else
        put_one(tok, false, id, place);
}

/* The pieces of an entry that has room for so many. What is written past the n of them is written
 * over later: a loop of a fixed length is faster. */
ALWAYS_INLINE void put_entry(bert_tokenization *tok, bool full, size_t room, size_t n,
                             const uint32_t *pieces, const uint8_t *chars, size_t base) {
    bert_tokens *o = tok->out;
    const size_t at = o->n;
    if (at + room > o->capacity) {
        if (!full) {
            for (size_t i = 0; i < n; i++)
                if (at + i < o->capacity) o->ids[at + i] = (int32_t)(pieces[i] & ID_MASK);
            o->n += n;
            return;
        }
        if (!grow_output(tok, room)) return;
    }
    if (full && n == 1) {
        const uint32_t to = tok->byte_offsets ? pieces[0] >> ID_BITS : chars[0];
        put_one(tok, true, (int32_t)(pieces[0] & ID_MASK),
                (bert_span){(int32_t)base, (int32_t)(base + to)});
        return;
    }
    const bool in_bytes = tok->byte_offsets;
    for (size_t i = 0; i < room; i++) o->ids[at + i] = (int32_t)(pieces[i] & ID_MASK);
    int32_t from = (int32_t)base;
    for (size_t i = 0; full && i < room; i++) {
        const int32_t to = (int32_t)(base + (in_bytes ? pieces[i] >> ID_BITS : chars[i]));
        o->words[at + i] = o->word;
        o->offsets[at + i] = (bert_span){from, to};
        from = to;
    }
    o->n = at + n;
    o->word++;
}

/* The same for a word that normalisation changed: each of its bytes has a place. */
static void put_placed(bert_tokenization *tok, size_t n, const uint32_t *pieces,
                       const bert_span *places) {
    bert_tokens *o = tok->out;
    if (o->n + n > o->capacity && !grow_output(tok, n)) return;
    uint32_t from = 0;
    for (size_t i = 0; i < n; i++, o->n++) {
        const uint32_t to = pieces[i] >> ID_BITS;
        o->ids[o->n] = (int32_t)(pieces[i] & ID_MASK);
        o->words[o->n] = o->word;
        o->offsets[o->n] = (bert_span){places[from].start, places[to - 1].end};
        from = to;
    }
    o->word++;
}

/* The same for what bert_find_pieces() found. */
static void put_found(bert_tokenization *tok, size_t n, const bert_span *places, size_t base) {
    bert_tokens *o = tok->out;
    if (!tok->full) {
        for (size_t i = 0; i < n; i++, o->n++)
            if (o->n < o->capacity) o->ids[o->n] = tok->found[i];
        return;
    }
    if (o->n + n > o->capacity && !grow_output(tok, n)) return;
    const uint32_t *ends = tok->byte_offsets ? tok->ends : tok->chars;
    size_t byte = 0;
    int32_t from = (int32_t)base;
    for (size_t i = 0; i < n; byte = tok->ends[i++], o->n++) {
        const int32_t to = (int32_t)(base + ends[i]);
        o->ids[o->n] = tok->found[i];
        o->words[o->n] = o->word;
        o->offsets[o->n] = places ? (bert_span){places[byte].start, places[tok->ends[i] - 1].end}
                                  : (bert_span){from, to};
        from = to;
    }
    o->word++;
}

/* What an entry has of a word that was met, and its pieces. */
ALWAYS_INLINE size_t meet(uint8_t *n, uint8_t still) {
    const uint8_t flags = BERT_MET_AGAIN | still;
    if ((*n & flags) != flags) *n |= flags;
    return *n & BERT_PIECES;
}

ALWAYS_INLINE void put_short(bert_tokenization *tok, bool full, bert_short_entry *s, uint8_t still,
                             const bert_span *places, size_t base) {
    const size_t n = meet(&s->n, still);
    if (full && places)
        put_placed(tok, n, s->pieces, places);
    else
        put_entry(tok, full, BERT_SHORT_PIECES, n, s->pieces, s->chars, base);
}

static void put_long(bert_tokenization *tok, bert_long_entry *l, uint8_t still,
                     const bert_span *places, size_t base) {
    const size_t n = meet(&l->n, still);
    if (tok->full && places)
        put_placed(tok, n, l->pieces, places);
    else if (tok->full)
        put_entry(tok, true, BERT_LONG_PIECES, n, l->pieces, l->chars, base);
    else
        put_entry(tok, false, BERT_LONG_PIECES, n, l->pieces, l->chars, base);
}

/* A word that is not among the short entries: it is longer, or has more pieces, or is new. */
static inline void put_uncommon_word(bert_tokenization *tok, const uint64_t key[BERT_LONG_WORD / 8],
                                     size_t bytes, uint8_t still, const bert_span *places,
                                     size_t base) {
    const uint64_t hash = hash_long(key);
    bert_long_entry *l = find_long(tok, hash, key);
    if (l) {
        put_long(tok, l, still, places, base);
        return;
    }
    const int n = bert_find_pieces(tok, (const uint8_t *)key, bytes);
    if (bytes <= BERT_SHORT_WORD && n <= BERT_SHORT_PIECES)
        remember_short(tok, mix(key[0], key[1]), key, n, still);
    else if (n <= BERT_LONG_PIECES)
        remember_long(tok, hash, key, n, still);
    put_found(tok, (size_t)n, places, base);
}

/* A word of up to BERT_LONG_WORD bytes. */
static inline void put_word(bert_tokenization *tok, const uint64_t key[BERT_LONG_WORD / 8],
                            size_t bytes, uint8_t still, const bert_span *places, size_t base) {
    bert_short_entry *s =
        bytes > BERT_SHORT_WORD ? NULL : find_short(tok, mix(key[0], key[1]), key[0], key[1]);
    if (!s)
        put_uncommon_word(tok, key, bytes, still, places, base);
    else if (tok->full)
        put_short(tok, true, s, still, places, base);
    else
        put_short(tok, false, s, still, NULL, 0);
}
#endif
