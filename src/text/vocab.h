/* The model's vocabulary: from a token to its id, and the longest token that a word begins with. */
#ifndef BERT_TEXT_VOCAB_H
#define BERT_TEXT_VOCAB_H
#include <bert.h>
#include <string.h>

/* One hash table of whole tokens, which is built faster than a trie and takes fewer trips to
 * memory: the candidates of a word, its beginnings, do not wait for each other. Beginnings of 4, 8,
 * .. bytes of every token are remembered in a filter, so that a long word is not read to its end.
 */
typedef struct {
    uint64_t *slots;    /* a hash's upper bits, then 24 bits of id; 0: free */
    uint64_t *prefixes; /* the filter, a bit a hash; may say yes wrongly; NULL: none */
    int bits, prefix_bits;
    size_t n;
    size_t longest; /* token, in bytes */
} bert_vocab;

enum { BERT_VOCAB_ID_BITS = 24, BERT_VOCAB_STEP = 4 };

/* tokens: about how many there will be. */
int bert_vocab_init(bert_vocab *v, size_t tokens, bert_error *e);
void bert_vocab_free(bert_vocab *v);
/* An empty one goes without the filter: what is in it is not looked for at the beginnings of words. */
void bert_vocab_drop_filter(bert_vocab *v);
/* Adds token names[id], or gives it that id. */
int bert_vocab_add(bert_vocab *v, const char *const *names, size_t bytes, int32_t id,
                   bert_error *e);
/* The id of a string, or -1. names: the tokens, by id. */
int32_t bert_vocab_find(const bert_vocab *v, const char *const *names, const void *bytes, size_t n);

/* The hash of a string grows with its bytes; the empty one has this. */
#define BERT_VOCAB_START 0x243f6a8885a308d3u
static inline uint64_t bert_vocab_hash(uint64_t hash, uint8_t byte) {
    return (hash + byte + 1) * 0x9e3779b97f4a7c15u;
}
static inline uint64_t bert_vocab_hash_all(uint64_t hash, const void *bytes, size_t n) {
    for (const uint8_t *p = bytes; n; n--) hash = bert_vocab_hash(hash, *p++);
    return hash;
}

/* Well mixed in its upper bits, which is what the tables go by; never 0. */
static inline uint64_t bert_vocab_tag(uint64_t hash) {
    return ((hash ^ hash >> 32) * 0xd6e8feb86659fd93u) >> BERT_VOCAB_ID_BITS << BERT_VOCAB_ID_BITS |
           (uint64_t)1 << BERT_VOCAB_ID_BITS;
}

static inline bool bert_vocab_may_begin(const bert_vocab *v, uint64_t hash) {
    uint64_t i = bert_vocab_tag(hash) >> (64 - v->prefix_bits);
    return v->prefixes[i / 64] >> i % 64 & 1;
}

/* The id of prefix + bytes, of this hash; or -1. */
static inline int32_t bert_vocab_probe(const bert_vocab *v, const char *const *names, uint64_t hash,
                                       const char *prefix, size_t prefix_bytes, const void *bytes,
                                       size_t n) {
    const uint64_t tag = bert_vocab_tag(hash), mask = ((uint64_t)1 << v->bits) - 1;
    for (uint64_t i = tag >> (64 - v->bits);; i = (i + 1) & mask) {
        const uint64_t slot = v->slots[i];
        if (!slot) return -1;
        if ((slot ^ tag) >> BERT_VOCAB_ID_BITS) continue;
        const int32_t id = (int32_t)(slot & (((uint64_t)1 << BERT_VOCAB_ID_BITS) - 1));
        const char *name = names[id];
        if (strlen(name) == prefix_bytes + n && !memcmp(name, prefix, prefix_bytes) &&
            !memcmp(name + prefix_bytes, bytes, n))
            return id;
    }
}
#endif
