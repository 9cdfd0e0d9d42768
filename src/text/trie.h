/* A set of byte strings, each with a value: walked byte by byte for the longest match. */
#ifndef BERT_TEXT_TRIE_H
#define BERT_TEXT_TRIE_H
#include <bert.h>

enum { BERT_TRIE_ROOT = 1, BERT_TRIE_NO_NODE = 0 };

/* The edges are one hash table from (node, byte) to node: built in one pass over the strings
 * without sorting them, and a step is one probe. */
typedef struct {
    uint64_t *edges; /* key << 32 | node; 0: free */
    int32_t *values; /* by node, -1: no string ends here */
    uint32_t nodes, capacity;
    int bits; /* log2 of the size of edges */
} bert_trie;

/* nodes: about how many it will have. */
int bert_trie_init(bert_trie *t, size_t nodes, bert_error *e);
void bert_trie_free(bert_trie *t);
/* Adds a string or changes its value (>= 0). */
int bert_trie_add(bert_trie *t, const void *bytes, size_t n, int32_t value, bert_error *e);
/* The value of a string, or -1. */
int32_t bert_trie_find(const bert_trie *t, const void *bytes, size_t n);

static inline uint64_t bert_trie_slot(const bert_trie *t, uint32_t key) {
    return key * 0x9e3779b97f4a7c15u >> (64 - t->bits);
}

/* The node one byte further, or BERT_TRIE_NO_NODE. The trie must have been initialised. */
static inline uint32_t bert_trie_step(const bert_trie *t, uint32_t node, uint8_t byte) {
    uint32_t key = node << 8 | byte, mask = (1u << t->bits) - 1;
    for (uint32_t i = (uint32_t)bert_trie_slot(t, key);; i = (i + 1) & mask) {
        uint64_t edge = t->edges[i];
        if (edge >> 32 == key) return (uint32_t)edge;
        if (!edge) return BERT_TRIE_NO_NODE;
    }
}

static inline uint32_t bert_trie_walk(const bert_trie *t, uint32_t node, const void *bytes,
                                      size_t n) {
    for (const uint8_t *p = bytes; n && node; n--) node = bert_trie_step(t, node, *p++);
    return node;
}
#endif
