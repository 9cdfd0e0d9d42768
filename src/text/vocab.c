#include "text/vocab.h"
#include "base/error.h"
#include <stdlib.h>

enum { MIN_BITS = 10, PREFIX_BITS_MORE = 3 }; /* eight times as many bits as there are slots */

int bert_vocab_init(bert_vocab *v, size_t tokens, bert_error *e) {
    *v = (bert_vocab){.bits = MIN_BITS};
    while (v->bits < BERT_VOCAB_ID_BITS && (size_t)1 << v->bits < 2 * tokens) v->bits++;
    v->prefix_bits = v->bits + PREFIX_BITS_MORE;
    v->slots = calloc((size_t)1 << v->bits, sizeof *v->slots);
    v->prefixes = calloc((size_t)1 << (v->prefix_bits - 6), sizeof *v->prefixes);
    if (v->slots && v->prefixes) return BERT_OK;
    bert_vocab_free(v);
    return bert_fail_memory(e, ((size_t)1 << MIN_BITS) * sizeof *v->slots);
}

void bert_vocab_free(bert_vocab *v) {
    free(v->slots);
    free(v->prefixes);
    *v = (bert_vocab){0};
}

void bert_vocab_drop_filter(bert_vocab *v) {
    free(v->prefixes);
    v->prefixes = NULL;
}

/* A slot holds as much of its hash as a larger table goes by. */
static int grow(bert_vocab *v, bert_error *e) {
    const size_t old = (size_t)1 << v->bits, mask = 2 * old - 1;
    uint64_t *slots = calloc(2 * old, sizeof *slots);
    if (!slots) return bert_fail_memory(e, 2 * old * sizeof *slots);
    v->bits++;
    for (size_t i = 0; i < old; i++) {
        if (!v->slots[i]) continue;
        size_t to = v->slots[i] >> (64 - v->bits);
        while (slots[to]) to = (to + 1) & mask;
        slots[to] = v->slots[i];
    }
    free(v->slots);
    v->slots = slots;
    return BERT_OK;
}

int bert_vocab_add(bert_vocab *v, const char *const *names, size_t bytes, int32_t id,
                   bert_error *e) {
    if (2 * (v->n + 1) > (size_t)1 << v->bits) {
        int rc = grow(v, e);
        if (rc) return rc;
    }
    const char *name = names[id];
    uint64_t hash = BERT_VOCAB_START;
    for (size_t i = 0; i < bytes;) {
        hash = bert_vocab_hash(hash, (uint8_t)name[i++]);
        if (i % BERT_VOCAB_STEP || !v->prefixes) continue;
        uint64_t bit = bert_vocab_tag(hash) >> (64 - v->prefix_bits);
        v->prefixes[bit / 64] |= (uint64_t)1 << bit % 64;
    }
    if (bytes > v->longest) v->longest = bytes;
    const uint64_t tag = bert_vocab_tag(hash), mask = ((uint64_t)1 << v->bits) - 1;
    uint64_t i = tag >> (64 - v->bits);
    for (; v->slots[i]; i = (i + 1) & mask) {
        const uint64_t differs = v->slots[i] ^ tag;
        if (!(differs >> BERT_VOCAB_ID_BITS) && !strcmp(names[differs], name)) break;
    }
    v->n += !v->slots[i];
    v->slots[i] = tag | (uint64_t)id;
    return BERT_OK;
}

int32_t bert_vocab_find(const bert_vocab *v, const char *const *names, const void *bytes,
                        size_t n) {
    return bert_vocab_probe(v, names, bert_vocab_hash_all(BERT_VOCAB_START, bytes, n), "", 0, bytes,
                            n);
}
