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

/* Ids of the pieces of an entry. */
static void put_ids(bert_tokenization *tok, size_t n, const uint32_t *pieces) {
    bert_tokens *o = tok->out;
    for (size_t i = 0; i < n; i++, o->n++)
        if (o->n < o->capacity) o->ids[o->n] = (int32_t)(pieces[i] & ID_MASK);
}

/* The pieces, where each byte of the word has a place. */
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
static void put_found(bert_tokenization *tok, size_t n, const bert_span *places) {
    bert_tokens *o = tok->out;
    if (!places) {
        for (size_t i = 0; i < n; i++, o->n++)
            if (o->n < o->capacity) o->ids[o->n] = tok->found[i];
        return;
    }
    if (o->n + n > o->capacity && !grow_output(tok, n)) return;
    for (size_t i = 0, byte = 0; i < n; byte = tok->ends[i++], o->n++) {
        o->ids[o->n] = tok->found[i];
        o->words[o->n] = o->word;
        o->offsets[o->n] = (bert_span){places[byte].start, places[tok->ends[i] - 1].end};
    }
    o->word++;
}

/* What an entry has of a word that was met: n, and its pieces. */
static void put_entry(bert_tokenization *tok, uint8_t *n, const uint32_t *pieces,
                      const bert_span *places) {
    *n |= BERT_MET_AGAIN;
    if (places)
        put_placed(tok, *n & BERT_PIECES, pieces, places);
    else
        put_ids(tok, *n & BERT_PIECES, pieces);
}

/* A normalised word of up to BERT_LONG_WORD bytes, which are its key; places: if offsets are wanted. */
static void put_word(bert_tokenization *tok, const uint64_t key[BERT_LONG_WORD / 8], size_t bytes,
                     const bert_span *places) {
    const uint64_t short_hash = mix(key[0], key[1]), long_hash = hash_long(key);
    bert_short_entry *s =
        bytes > BERT_SHORT_WORD ? NULL : find_short(tok, short_hash, key[0], key[1]);
    bert_long_entry *l = s ? NULL : find_long(tok, long_hash, key);
    if (s) {
        put_entry(tok, &s->n, s->pieces, places);
        return;
    }
    if (l) {
        put_entry(tok, &l->n, l->pieces, places);
        return;
    }
    const int n = bert_find_pieces(tok, (const uint8_t *)key, bytes);
    if (bytes <= BERT_SHORT_WORD && n <= BERT_SHORT_PIECES)
        remember_short(tok, short_hash, key, n);
    else if (n <= BERT_LONG_PIECES)
        remember_long(tok, long_hash, key, n);
    put_found(tok, (size_t)n, places);
}
#endif
