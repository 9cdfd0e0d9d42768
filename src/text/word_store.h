/* What words became, for the readers of BPE and Unigram: short words of few pieces in entries of one
 * size, others in records of any size. */
#ifndef BERT_TEXT_WORD_STORE_H
#define BERT_TEXT_WORD_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    BERT_STORED_BYTES = 64, /* of a word, the most */
    BERT_STORED_END = 24,   /* ids have so many bits */
    BERT_STORED_ID = (1 << BERT_STORED_END) - 1,
    BERT_STORED_CHARS = 0x7f /* and ends these, then */
};
#define BERT_STORED_INSIDE 0x80000000u

/* A piece: its id, the code point of the word where it ends from bit END on, and INSIDE, where what
 * comes next begins in that code point. Small, because records are seldom in the processor's cache. */
typedef uint32_t bert_stored_piece;

static inline bert_stored_piece bert_stored_piece_of(int32_t id, uint32_t end) {
    return (uint32_t)id | (end & BERT_STORED_CHARS) << BERT_STORED_END | (end & BERT_STORED_INSIDE);
}

/* A short word, padded with zeros, and its pieces, which are never 0; all zero: free. It stays where
 * it is, and a bucket is a cache line. */
enum { BERT_ENTRY_BYTES = 16, BERT_ENTRY_PIECES = 4, BERT_ENTRY_WAYS = 2, BERT_ENTRY_BITS = 16 };
typedef struct {
    uint64_t key[BERT_ENTRY_BYTES / sizeof(uint64_t)];
    bert_stored_piece pieces[BERT_ENTRY_PIECES];
} bert_word_entry;

/* Followed by the word, padded with zeros to a multiple of 4, and its pieces. */
typedef struct {
    uint8_t bytes, chars, n, pieces_at; /* in units of 4 bytes */
} bert_stored_word;

/* A word has one bucket, a cache line: tags of hashes, and where their records are. Records fill one
 * half of the memory, then the other, whose older ones are forgotten then; one that is met in the
 * other half moves to this one, so that frequent words stay. */
enum { BERT_STORE_WAYS = 8, BERT_STORE_BITS = 15, BERT_STORE_HALF = 1 << 21 };
typedef struct {
    uint32_t tags[BERT_STORE_WAYS], places[BERT_STORE_WAYS]; /* 0, both: free */
} bert_store_bucket;
typedef struct {
    bert_word_entry (*entries)[BERT_ENTRY_WAYS];
    bert_store_bucket *buckets;
    uint32_t *records; /* [2 * BERT_STORE_HALF], and some that may be read with the last one */
    uint32_t end;      /* of the records in the half that is being filled */
    uint32_t
        turns;   /* how often the halves changed places: records that were found before are gone */
    bool strays; /* the latest words were not all among the entries */
    void *memory;
} bert_word_store;

bool bert_store_init(bert_word_store *s);
void bert_store_free(bert_word_store *s);
/* A word that is not there, of up to BERT_STORED_BYTES; key: of one of up to BERT_ENTRY_BYTES. ends: code points
 * of it where its pieces end, or these and INSIDE. */
void bert_store_add(bert_word_store *s, uint64_t hash, const uint64_t key[2], const uint8_t *word,
                    size_t bytes, int n, const int32_t *ids, const uint32_t *ends);
/* One that was found in the half that is no longer filled. */
void bert_store_keep(bert_word_store *s, uint64_t hash, const bert_stored_word *w);

static inline bert_word_entry *bert_store_entries_of(const bert_word_store *s, uint64_t hash) {
    return s->entries[hash >> (64 - BERT_ENTRY_BITS)];
}

/* The entry of a word in its bucket, or NULL; the second one without a branch, which would be guessed wrongly. */
static inline const bert_word_entry *bert_store_entry(const bert_word_entry *x,
                                                      const uint64_t key[2]) {
    x += !!((x->key[0] ^ key[0]) | (x->key[1] ^ key[1]));
    return (x->key[0] ^ key[0]) | (x->key[1] ^ key[1]) ? NULL : x;
}

static inline size_t bert_entry_pieces(const bert_word_entry *x) {
    return (size_t)1 + !!x->pieces[1] + !!x->pieces[2] + !!x->pieces[3];
}

static inline bert_store_bucket *bert_store_bucket_of(const bert_word_store *s, uint64_t hash) {
    return &s->buckets[hash >> (64 - BERT_STORE_BITS)];
}

static inline uint32_t bert_store_tag(uint64_t hash) {
    return (uint32_t)(hash >> (32 - BERT_STORE_BITS)) | 1; /* 0: free */
}

static inline const bert_stored_piece *bert_stored_pieces(const bert_stored_word *w) {
    return (const bert_stored_piece *)w + w->pieces_at;
}

static inline bool bert_store_is(const bert_stored_word *w, const uint8_t *word, size_t bytes) {
    return w->bytes == bytes && !memcmp(w + 1, word, bytes);
}

/* What may be the record of a word of this hash, or NULL: bert_store_is() says whether it is. */
static inline const bert_stored_word *bert_store_candidate(const bert_word_store *s,
                                                           uint64_t hash) {
    const bert_store_bucket *b = bert_store_bucket_of(s, hash);
    const uint32_t tag = bert_store_tag(hash);
    unsigned found = 0; /* bits: no branches, which would be guessed wrongly */
    for (int i = 0; i < BERT_STORE_WAYS; i++) found |= (unsigned)(b->tags[i] == tag) << i;
    if (!found) return NULL;
    return (const bert_stored_word *)(s->records + b->places[__builtin_ctz(found)]);
}

static inline bool bert_store_is_old(const bert_word_store *s, const bert_stored_word *w) {
    const size_t place = (size_t)((const uint32_t *)w - s->records);
    return (place < BERT_STORE_HALF) != (s->end <= BERT_STORE_HALF);
}
#endif
