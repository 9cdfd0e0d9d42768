/* What words became that are too long, or of too many pieces, for an entry of the word cache: records
 * of any size, for the readers of BPE and Unigram. */
#ifndef BERT_TEXT_WORD_STORE_H
#define BERT_TEXT_WORD_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    BERT_STORED_BYTES = 64,  /* of a word, the most */
    BERT_STORED_END = 24,    /* ids have so many bits */
    BERT_STORED_CHARS = 0x7f /* and ends these, then */
};
#define BERT_STORED_INSIDE 0x80000000u

/* A piece: its id, the code point of the word where it ends from bit END on, and INSIDE, where what
 * comes next begins in that code point. Small, because records are seldom in the processor's cache. */
typedef uint32_t bert_stored_piece;

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
    bert_store_bucket *buckets;
    uint32_t *records; /* [2 * BERT_STORE_HALF] */
    uint32_t end;      /* of the records in the half that is being filled */
    uint32_t
        turns; /* how often the halves changed places: records that were found before are gone */
    void *memory;
} bert_word_store;

bool bert_store_init(bert_word_store *s);
void bert_store_free(bert_word_store *s);
/* A word that is not there, of up to BERT_STORED_BYTES. ends: code points of it where its pieces end, or these and INSIDE. */
void bert_store_add(bert_word_store *s, uint64_t hash, const uint8_t *word, size_t bytes, int n,
                    const int32_t *ids, const uint32_t *ends);
/* One that was found in the half that is no longer filled. */
void bert_store_keep(bert_word_store *s, uint64_t hash, const bert_stored_word *w);

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
    for (int i = 0; i < BERT_STORE_WAYS; i++)
        if (b->tags[i] == tag) return (const bert_stored_word *)(s->records + b->places[i]);
    return NULL;
}

static inline bool bert_store_is_old(const bert_word_store *s, const bert_stored_word *w) {
    const size_t place = (size_t)((const uint32_t *)w - s->records);
    return (place < BERT_STORE_HALF) != (s->end <= BERT_STORE_HALF);
}
#endif
