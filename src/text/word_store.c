#include "text/word_store.h"
#include <stdlib.h>

bool bert_store_init(bert_word_store *s) {
    enum { CACHE_LINE = 64 };
    const size_t entries = sizeof *s->entries << BERT_ENTRY_BITS,
                 buckets = sizeof *s->buckets << BERT_STORE_BITS,
                 records = 2 * (size_t)BERT_STORE_HALF * sizeof *s->records;
    /* calloc, because the pages that no word comes to are then never there. */
    uint8_t *memory = s->memory = calloc(1, entries + buckets + records + 2 * CACHE_LINE);
    if (!memory) return false;
    memory += -(uintptr_t)memory % CACHE_LINE;
    s->entries = (void *)memory;
    s->buckets = (void *)(memory + entries);
    s->records = (void *)(memory + entries + buckets);
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
            bert_store_bucket *b = &s->buckets[i];
            if ((b->places[k] > BERT_STORE_HALF) == second) b->tags[k] = b->places[k] = 0;
        }
}

/* A place of the bucket: that of the tag, which is there no more than once, a free one, that of an
 * old record, or any. */
static int choose_way(const bert_word_store *s, const bert_store_bucket *b, uint32_t tag) {
    const bool second = s->end > BERT_STORE_HALF;
    for (int i = 0; i < BERT_STORE_WAYS; i++)
        if (b->tags[i] == tag) return i;
    for (int i = 0; i < BERT_STORE_WAYS; i++)
        if (!b->tags[i]) return i;
    for (int i = 0; i < BERT_STORE_WAYS; i++)
        if ((b->places[i] > BERT_STORE_HALF) != second) return i;
    return (int)(tag / 2 % BERT_STORE_WAYS);
}

/* Memory of so many units, which the bucket leads to. */
static uint32_t *take(bert_word_store *s, uint64_t hash, size_t units) {
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

static void add_record(bert_word_store *s, uint64_t hash, const uint8_t *word, size_t bytes, int n,
                       const int32_t *ids, const uint32_t *ends) {
    const size_t key = (bytes + sizeof *s->records - 1) / sizeof *s->records;
    if (n > UINT8_MAX) return;
    uint32_t *record = take(s, hash, 1 + key + (size_t)n);
    const bert_stored_word w = {(uint8_t)bytes, (uint8_t)(ends[n - 1] & BERT_STORED_CHARS),
                                (uint8_t)n, (uint8_t)(1 + key)};
    memcpy(record, &w, sizeof w);
    record[key] = 0; /* the padding */
    memcpy(record + 1, word, bytes);
    for (int i = 0; i < n; i++) record[1 + key + (size_t)i] = bert_stored_piece_of(ids[i], ends[i]);
}

/* A free entry, or NULL: those who came first stay. */
static bert_word_entry *free_entry(const bert_word_store *s, uint64_t hash) {
    bert_word_entry *x = bert_store_entries_of(s, hash);
    for (int i = 0; i < BERT_ENTRY_WAYS; i++)
        if (!x[i].pieces[0]) return &x[i];
    return NULL;
}

void bert_store_add(bert_word_store *s, uint64_t hash, const uint64_t key[2], const uint8_t *word,
                    size_t bytes, int n, const int32_t *ids, const uint32_t *ends) {
    bert_word_entry *x =
        bytes <= BERT_ENTRY_BYTES && n <= BERT_ENTRY_PIECES ? free_entry(s, hash) : NULL;
    if (x) {
        memcpy(x->key, key, sizeof x->key);
        for (int i = 0; i < n; i++) x->pieces[i] = bert_stored_piece_of(ids[i], ends[i]);
    } else
        add_record(s, hash, word, bytes, n, ids, ends);
}

void bert_store_keep(bert_word_store *s, uint64_t hash, const bert_stored_word *w) {
    uint32_t copy[1 + BERT_STORED_BYTES / sizeof(uint32_t) + UINT8_MAX];
    const size_t units = (size_t)w->pieces_at + w->n;
    memcpy(copy, w, units * sizeof *copy);
    memcpy(take(s, hash, units), copy, units * sizeof *copy);
}
