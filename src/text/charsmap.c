#include "text/charsmap.h"
#include "base/error.h"

static bool is_whole(const uint8_t *blob, size_t bytes, uint32_t *trie) {
    if (bytes < sizeof *trie + 4) return false;
    memcpy(trie, blob, sizeof *trie);
    return *trie && *trie % 4 == 0 && *trie <= bytes - sizeof *trie;
}

bert_charsmap *bert_charsmap_new(bert_tokenizer *t, const void *blob, size_t bytes,
                                 const char *where, bert_error *e) {
    uint32_t trie;
    const uint16_t probe = 1;
    if (!*(const uint8_t *)&probe) {
        bert_fail(e, BERT_EUNSUPPORTED, "%s: a charsmap is read on little-endian machines only",
                  where);
        return NULL;
    }
    if (!is_whole(blob, bytes, &trie)) {
        bert_fail(e, BERT_EFORMAT, "%s: precompiled_charsmap is not one: %zu bytes", where, bytes);
        return NULL;
    }
    bert_charsmap *m = bert_arena_calloc(&t->arena, sizeof *m);
    uint8_t *copy = m ? bert_arena_alloc(&t->arena, bytes + 1) : NULL;
    uint32_t *units = copy ? bert_arena_alloc(&t->arena, trie) : NULL;
    if (!units) {
        bert_fail_memory(e, bytes);
        return NULL;
    }
    memcpy(copy, blob, bytes);
    copy[bytes] = 0;
    memcpy(units, copy + sizeof trie, trie);
    *m = (bert_charsmap){.units = units,
                         .n_units = trie / 4,
                         .texts = (const char *)copy + sizeof trie + trie,
                         .n_texts = bytes - sizeof trie - trie,
                         .blob = copy,
                         .n_blob = bytes};
    return m;
}

/* Where a unit's children are, from its own place. */
static uint32_t offset_of(uint32_t unit) {
    return (unit >> 10) << ((unit & 0x200) >> 6);
}

const char *bert_charsmap_find(const bert_charsmap *m, const uint8_t *bytes, size_t n) {
    enum { HAS_VALUE = 0x100 };
    size_t at = offset_of(m->units[0]);
    for (size_t i = 0; i < n && bytes[i]; i++) {
        at ^= bytes[i];
        if (at >= m->n_units) return NULL;
        const uint32_t unit = m->units[at];
        if ((unit & 0x800000ffu) != bytes[i]) return NULL;
        at ^= offset_of(unit);
        if (at >= m->n_units) return NULL;
        if (unit & HAS_VALUE) {
            const uint32_t text = m->units[at] & 0x7fffffffu;
            return text < m->n_texts ? m->texts + text : NULL;
        }
    }
    return NULL;
}
