#include "pipelines/alike.h"
#include "base/error.h"
#include "base/grow.h"
#include "text/python_str.h"
#include "text/vocab.h"
#include <stdlib.h>

struct bert_lowered {
    const char *text;
    size_t bytes;
    uint64_t hash;
};

void bert_alike_clear(bert_alike *a) {
    if (a->n) memset(a->slots, 0, a->slot_count * sizeof *a->slots);
    a->n = 0;
    bert_arena_reset(&a->texts);
}

void bert_alike_free(bert_alike *a) {
    bert_arena_free(&a->texts);
    bert_grown_free(a->items);
    free(a->slots);
}

/* The slot of a text, or the free one where it would be. */
static size_t slot_of(const bert_alike *a, const struct bert_lowered *x) {
    size_t s = (size_t)x->hash & (a->slot_count - 1);
    for (; a->slots[s]; s = (s + 1) & (a->slot_count - 1)) {
        const struct bert_lowered *y = &a->items[a->slots[s] - 1];
        if (y->hash == x->hash && y->bytes == x->bytes && !memcmp(y->text, x->text, x->bytes))
            break;
    }
    return s;
}

/* Half of the slots are free. */
static int make_room(bert_alike *a, bert_error *e) {
    enum { LEAST = 64 };
    if (2 * ((size_t)a->n + 1) <= a->slot_count) return BERT_OK;
    const size_t count = a->slot_count ? 2 * a->slot_count : LEAST;
    int32_t *slots = calloc(count, sizeof *slots);
    if (!slots) return bert_fail_memory(e, count * sizeof *slots);
    free(a->slots);
    a->slots = slots;
    a->slot_count = count;
    for (int32_t i = 0; i < a->n; i++) slots[slot_of(a, &a->items[i])] = i + 1;
    return BERT_OK;
}

int32_t bert_alike_find(bert_alike *a, const char *text, size_t bytes, bert_error *e) {
    const bert_arena_mark mark = bert_arena_save(&a->texts);
    char *low = bert_arena_alloc(&a->texts, 3 * bytes + 1);
    if (!low) return bert_fail_memory(e, 3 * bytes + 1);
    int rc = make_room(a, e);
    if (!rc) rc = bert_grow(&a->items, (size_t)a->n + 1, sizeof *a->items, e);
    if (rc) return rc;
    struct bert_lowered x = {.text = low, .bytes = bert_python_lower(text, bytes, low)};
    x.hash =
        bert_vocab_tag(bert_vocab_hash_all(BERT_VOCAB_START, low, x.bytes)) >> BERT_VOCAB_ID_BITS;
    int32_t *slot = &a->slots[slot_of(a, &x)];
    if (*slot) {
        bert_arena_rewind(&a->texts, mark);
        return *slot - 1;
    }
    a->items[a->n++] = x;
    *slot = a->n;
    return a->n - 1;
}
