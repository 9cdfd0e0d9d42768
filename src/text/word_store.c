#include "text/word_store.h"
#include <stdlib.h>

bool bert_store_init(bert_word_store *s) {
    enum { CACHE_LINE = 64 };
    const size_t buckets = sizeof *s->buckets << BERT_STORE_BITS,
                 records = 2 * (size_t)BERT_STORE_HALF * sizeof *s->records;
    /* calloc, because the pages that no word comes to are then never there. */
    uint8_t *memory = s->memory = calloc(1, buckets + records + CACHE_LINE);
    if (!memory) return false;
    memory += -(uintptr_t)memory % CACHE_LINE;
    s->buckets = (void *)memory;
    s->records = (void *)(memory + buckets);
    s->end = 1;
    return true;
}

void bert_store_free(bert_word_store *s) {
    free(s->memory);
}

/* The half that is full stays; the other one begins anew. */
static void turn(bert_word_store *s) {
    const bool second = s->end <= BERT_STORE_HALF;
    s->end = second ? BERT_STORE_HALF + 1 : 1;
    s->turns++;
    for (size_t i = 0; i < (size_t)1 << BERT_STORE_BITS; i++)
        for (int k = 0; k < BERT_STORE_WAYS; k++) {
            uint32_t *place = &s->buckets[i].places[k];
            if ((*place > BERT_STORE_HALF) == second) *place = 0;
        }
}

/* A place of the bucket: that of the tag, which is there no more than once, a free one, that of an
 * old record, or any. */
static int choose_way(const bert_word_store *s, const bert_store_bucket *b, uint32_t tag) {
    const bool second = s->end > BERT_STORE_HALF;
    for (int i = 0; i < BERT_STORE_WAYS; i++)
        if (b->tags[i] == tag && b->places[i]) return i;
    for (int i = 0; i < BERT_STORE_WAYS; i++)
        if (!b->places[i]) return i;
    for (int i = 0; i < BERT_STORE_WAYS; i++)
        if ((b->places[i] > BERT_STORE_HALF) != second) return i;
    return (int)(tag % BERT_STORE_WAYS);
}

/* Memory of so many units, which the bucket leads to. */
static uint64_t *take(bert_word_store *s, uint64_t hash, size_t units) {
    const uint32_t limit = s->end > BERT_STORE_HALF ? 2 * BERT_STORE_HALF : BERT_STORE_HALF;
    if (s->end + units > limit) turn(s);
    bert_store_bucket *b = bert_store_bucket_of(s, hash);
    const uint32_t tag = bert_store_tag(hash);
    const int way = choose_way(s, b, tag);
    b->tags[way] = tag;
    b->places[way] = s->end;
    s->end += (uint32_t)units;
    return s->records + b->places[way];
}

void bert_store_add(bert_word_store *s, uint64_t hash, const uint8_t *word, size_t bytes, int n,
                    const int32_t *ids, const uint32_t *ends, const uint32_t *chars,
                    uint32_t inside) {
    const size_t key = (bytes + 7) / 8;
    uint64_t *record = take(s, hash, 1 + key + (size_t)n);
    bert_stored_word *w = (void *)record;
    *w = (bert_stored_word){(uint16_t)bytes, (uint16_t)(chars[n - 1] & ~inside), (uint16_t)n,
                            (uint16_t)(1 + key)};
    record[key] = 0; /* the padding */
    memcpy(record + 1, word, bytes);
    bert_stored_piece *p = (void *)(record + w->pieces_at);
    for (int i = 0; i < n; i++) {
        const uint32_t flag = chars[i] & inside ? BERT_STORED_INSIDE : 0;
        p[i] =
            (bert_stored_piece){ids[i], (uint16_t)ends[i], (uint16_t)((chars[i] & ~inside) | flag)};
    }
}

void bert_store_keep(bert_word_store *s, uint64_t hash, const bert_stored_word *w) {
    uint64_t copy[1 + BERT_STORED_BYTES / 8 + BERT_STORED_BYTES];
    const size_t units = (size_t)w->pieces_at + w->n;
    if (units > sizeof copy / sizeof *copy) return;
    memcpy(copy, w, units * sizeof *copy);
    memcpy(take(s, hash, units), copy, units * sizeof *copy);
}
