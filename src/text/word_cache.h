/* What normalised words became, so that one seen again is not split again; for put.h alone. */
#ifndef BERT_TEXT_WORD_CACHE_H
#define BERT_TEXT_WORD_CACHE_H
#include "text/mix.h"
#include "text/tokenization.h"
#include <stddef.h>

enum { ID_BITS = 24, ID_MASK = (1 << ID_BITS) - 1 };

static uint64_t hash_long(const uint64_t key[BERT_LONG_WORD / 8]) {
    return mix(mix(key[0], key[1]) ^ key[2], key[3]);
}

ALWAYS_INLINE bert_short_entry *short_bucket(const bert_tokenization *tok, uint64_t hash,
                                             int choice) {
    return tok->short_words[hash << choice * BERT_SHORT_BITS >> (64 - BERT_SHORT_BITS)];
}

/* The second of a bucket without a branch, which would be guessed wrongly as often as not. */
ALWAYS_INLINE bert_short_entry *find_short(const bert_tokenization *tok, uint64_t hash, uint64_t k0,
                                           uint64_t k1) {
    for (int choice = 0; choice < 2; choice++) {
        bert_short_entry *s = short_bucket(tok, hash, choice);
        s += !!((s->key[0] ^ k0) | (s->key[1] ^ k1));
        if (s->key[0] == k0 && s->key[1] == k1) return s;
    }
    return NULL;
}

static void pack(const bert_tokenization *tok, int n, uint32_t *pieces, uint8_t *chars) {
    for (int i = 0; i < n; i++) {
        pieces[i] = (uint32_t)tok->found[i] | tok->ends[i] << ID_BITS;
        chars[i] = (uint8_t)tok->chars[i];
    }
}

/* One of the two tables: entries of some size, which begin with a key and have their n somewhere.
 */
typedef struct {
    uint8_t *entries;
    size_t size, key, n;
    int bits;
} word_table;

static word_table short_table(const bert_tokenization *tok) {
    return (word_table){(uint8_t *)tok->short_words, sizeof(bert_short_entry),
                        sizeof tok->short_words[0]->key, offsetof(bert_short_entry, n),
                        BERT_SHORT_BITS};
}

/* Of the 2 * BERT_WAYS places of a word. */
static uint8_t *place_in(const word_table *t, uint64_t hash, int i) {
    const uint64_t bucket = hash << i / BERT_WAYS * t->bits >> (64 - t->bits);
    return t->entries + (bucket * BERT_WAYS + (uint64_t)(i % BERT_WAYS)) * t->size;
}

static uint8_t *free_place(const word_table *t, uint64_t hash) {
    for (int i = 0; i < 2 * BERT_WAYS; i++) {
        uint8_t *place = place_in(t, hash, i);
        if (!place[t->n]) return place;
    }
    return NULL;
}

/* Free now, because the word that was there has moved to its other bucket. */
static uint8_t *freed_place(const word_table *t, uint64_t hash) {
    for (int i = 0; i < 2 * BERT_WAYS; i++) {
        uint64_t key[BERT_LONG_WORD / 8];
        uint8_t *place = place_in(t, hash, i);
        memcpy(key, place, t->key);
        uint8_t *other =
            free_place(t, t->key == BERT_SHORT_WORD ? mix(key[0], key[1]) : hash_long(key));
        if (!other) continue;
        memcpy(other, place, t->size);
        return place;
    }
    return NULL;
}

/* A free place, or one whose word has moved, or NULL. */
static void *find_room(const word_table *t, uint64_t hash) {
    uint8_t *place = free_place(t, hash);
    return place ? place : freed_place(t, hash);
}

static void fill_short(bert_tokenization *tok, bert_short_entry *s, const uint64_t *key, int n) {
    memcpy(s->key, key, sizeof s->key);
    s->n = (uint8_t)n;
    pack(tok, n, s->pieces, s->chars);
}

/* Where a new word may go: a free place, or that of one that was not met again; else NULL, and the
 * next word to ask has its choice: a stream of rare words does not push out the frequent ones. */
static void *make_room(const word_table *t, uint64_t hash) {
    uint8_t *place = find_room(t, hash);
    if (place) return place;
    for (int i = 0; i < 2 * BERT_WAYS; i++)
        if (!((place = place_in(t, hash, i))[t->n] & BERT_MET_AGAIN)) return place;
    for (int i = 0; i < 2 * BERT_WAYS; i++) place_in(t, hash, i)[t->n] &= (uint8_t)~BERT_MET_AGAIN;
    return NULL;
}

static void remember_short(bert_tokenization *tok, uint64_t hash, const uint64_t *key, int n) {
    const word_table t = short_table(tok);
    bert_short_entry *s = make_room(&t, hash);
    if (s) fill_short(tok, s, key, n);
}

/* Longer words. */
static word_table long_table(const bert_tokenization *tok) {
    return (word_table){(uint8_t *)tok->long_words, sizeof(bert_long_entry),
                        sizeof tok->long_words[0]->key, offsetof(bert_long_entry, n),
                        BERT_LONG_BITS};
}

static bert_long_entry *find_long(const bert_tokenization *tok, uint64_t hash,
                                  const uint64_t *key) {
    const word_table t = long_table(tok);
    for (int i = 0; i < 2 * BERT_WAYS; i++) {
        bert_long_entry *l = (void *)place_in(&t, hash, i);
        if (!memcmp(l->key, key, sizeof l->key)) return l;
    }
    return NULL;
}

static void remember_long(bert_tokenization *tok, uint64_t hash, const uint64_t *key, int n) {
    const word_table t = long_table(tok);
    bert_long_entry *l = make_room(&t, hash);
    if (!l) return;
    memcpy(l->key, key, sizeof l->key);
    l->n = (uint8_t)n;
    pack(tok, n, l->pieces, l->chars);
}
#endif
