#include "text/trie.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_NODES = 1 << 24 }; /* a key is a node and a byte in 32 bits */

int bert_trie_init(bert_trie *t, size_t nodes, bert_error *e) {
    *t = (bert_trie){.nodes = BERT_TRIE_ROOT + 1, .capacity = 64, .bits = 7};
    while (t->capacity < nodes && t->capacity < MAX_NODES) t->capacity *= 2, t->bits++;
    t->edges = calloc((size_t)1 << t->bits, sizeof *t->edges);
    t->values = malloc(t->capacity * sizeof *t->values);
    if (!t->edges || !t->values) {
        bert_trie_free(t);
        return bert_fail_memory(e, ((size_t)1 << t->bits) * sizeof *t->edges);
    }
    t->values[BERT_TRIE_ROOT] = -1;
    return BERT_OK;
}

void bert_trie_free(bert_trie *t) {
    free(t->edges);
    free(t->values);
    *t = (bert_trie){0};
}

static void put_edge(bert_trie *t, uint64_t edge) {
    uint32_t mask = (1u << t->bits) - 1, i = (uint32_t)bert_trie_slot(t, (uint32_t)(edge >> 32));
    while (t->edges[i]) i = (i + 1) & mask;
    t->edges[i] = edge;
}

static int grow(bert_trie *t, bert_error *e) {
    if (t->capacity >= MAX_NODES)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "the added tokens have more than %d distinct prefixes", MAX_NODES);
    bert_trie old = *t;
    int32_t *values = realloc(t->values, 2 * (size_t)t->capacity * sizeof *values);
    if (!values) return bert_fail_memory(e, 2 * (size_t)t->capacity * sizeof *values);
    t->values = values;
    t->edges = calloc((size_t)2 << old.bits, sizeof *t->edges);
    if (!t->edges) {
        t->edges = old.edges;
        return bert_fail_memory(e, ((size_t)2 << old.bits) * sizeof *t->edges);
    }
    t->capacity *= 2;
    t->bits++;
    for (size_t i = 0; i < (size_t)1 << old.bits; i++)
        if (old.edges[i]) put_edge(t, old.edges[i]);
    free(old.edges);
    return BERT_OK;
}

int bert_trie_add(bert_trie *t, const void *bytes, size_t n, int32_t value, bert_error *e) {
    uint32_t node = BERT_TRIE_ROOT;
    for (const uint8_t *p = bytes, *end = p + n; p < end; p++) {
        uint32_t next = bert_trie_step(t, node, *p);
        if (!next) {
            if (t->nodes == t->capacity) {
                int rc = grow(t, e);
                if (rc) return rc;
            }
            next = t->nodes++;
            t->values[next] = -1;
            put_edge(t, (uint64_t)(node << 8 | *p) << 32 | next);
        }
        node = next;
    }
    t->values[node] = value;
    return BERT_OK;
}

int32_t bert_trie_find(const bert_trie *t, const void *bytes, size_t n) {
    uint32_t node = bert_trie_walk(t, BERT_TRIE_ROOT, bytes, n);
    return node ? t->values[node] : -1;
}
