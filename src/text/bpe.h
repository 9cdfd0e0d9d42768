/* Byte pair encoding. */
#ifndef BERT_TEXT_BPE_H
#define BERT_TEXT_BPE_H
#include "text/tokenizer.h"

typedef struct {
    uint64_t key; /* left << 32 | right, and 1; 0: free */
    int32_t rank, id;
} bert_merge;

struct bert_bpe {
    bert_merge *merges; /* a hash table */
    int bits;
    int32_t n;
    int32_t bytes[256]; /* the symbol of a byte, or -1 */
    bool ignore_merges; /* a word of the vocabulary is taken whole */
    bool fuses_unknown, has_unknown;
    bool missing; /* a byte has no symbol */
    uint64_t joined[256 * 256 /
                    64]; /* bits: a merge joins what ends in one byte and begins with another */
    const char **left, **right; /* [n] the merges by rank, as they are written; NULL: given twice */
};

/* Room for n merges. */
int bert_bpe_init(bert_tokenizer *t, size_t n, bert_error *e);
/* The next merge, of two tokens of the vocabulary, which must have both together. */
int bert_bpe_add(bert_tokenizer *t, const char *left, size_t left_bytes, const char *right,
                 size_t right_bytes, const char *where, bert_error *e);
/* What follows from the vocabulary. */
void bert_bpe_finish(bert_tokenizer *t);
void bert_bpe_free(bert_bpe *b);

static inline bool bert_bpe_joins(const bert_bpe *b, uint8_t left, uint8_t right) {
    return b->joined[left << 2 | right >> 6] >> (right & 63) & 1;
}

/* What a part of a word became, between bytes that no merge joins: characters of most scripts are such
 * parts. */
enum { BERT_PART_BYTES = 8, BERT_PART_PIECES = 4, BERT_PART_BITS = 13 };
typedef struct {
    uint64_t key; /* padded with zeros */
    int32_t ids[BERT_PART_PIECES];
    uint8_t ends[BERT_PART_PIECES]; /* all are copied, whatever n is: no branch to be guessed */
    uint8_t n, bytes;               /* bytes 0: free */
} bert_bpe_part;

/* What a word is made of, while it is put together. */
typedef struct {
    int32_t *symbols, *ranks; /* ranks: of the merge with the next one */
    uint32_t *ends;
    int32_t *before, *after; /* of long words: the neighbours */
    struct bert_candidate *heap;
    bert_bpe_part *parts; /* a direct-mapped cache */
    size_t capacity, heap_n, heap_capacity;
} bert_bpe_work;
void bert_bpe_work_free(bert_bpe_work *w);

static inline const bert_merge *bert_bpe_find(const bert_bpe *b, int32_t left, int32_t right) {
    const uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
    const uint64_t mask = ((uint64_t)1 << b->bits) - 1;
    for (uint64_t i = key * 0x9e3779b97f4a7c15u >> (64 - b->bits);; i = (i + 1) & mask) {
        if (b->merges[i].key == key) return &b->merges[i];
        if (!b->merges[i].key) return NULL;
    }
}
#endif
