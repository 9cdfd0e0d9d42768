#include "pipelines/results.h"
#include "base/error.h"
#include <string.h>

static int grow(bert_results *r, bert_error *e) {
    const int capacity = 2 * r->capacity + 8;
    void *larger = bert_arena_alloc(r->arena, (size_t)capacity * r->size);
    if (!larger) return bert_fail_memory(e, (size_t)capacity * r->size);
    if (r->count) memcpy(larger, r->items, (size_t)r->count * r->size);
    r->items = larger;
    r->capacity = capacity;
    return 0;
}

int bert_results_new(bert_results *r, bert_session *s, size_t item_size, int32_t texts,
                     bert_error *e) {
    bert_arena_reset(&s->results);
    *r = (bert_results){.arena = &s->results, .size = item_size};
    if (texts < 0) return bert_fail(e, BERT_EINVAL, "%d texts", (int)texts);
    const size_t bytes = ((size_t)texts + 1) * sizeof *r->start;
    r->start = bert_arena_alloc(r->arena, bytes);
    if (!r->start) return bert_fail_memory(e, bytes);
    return grow(r, e); /* an address, even where there will be nothing */
}

void bert_results_begin(bert_results *r, int32_t text) {
    while (r->begun <= text) r->start[r->begun++] = r->count;
}

void *bert_results_at(const bert_results *r, int i) {
    return r->items + (size_t)i * r->size;
}

void *bert_results_add(bert_results *r, bert_error *e) {
    if (r->count == r->capacity && grow(r, e)) return NULL;
    return memset(bert_results_at(r, r->count++), 0, r->size);
}

char *bert_results_text(bert_results *r, const char *s, size_t n, bert_error *e) {
    char *copy = bert_arena_alloc(r->arena, n + 1);
    if (!copy) {
        bert_fail_memory(e, n + 1);
        return NULL;
    }
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}
