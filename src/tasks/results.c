#include "tasks/results.h"
#include "base/error.h"
#include <string.h>

bert_results bert_results_new(bert_session *s, size_t item_size) {
    bert_arena_reset(&s->results);
    return (bert_results){.arena = &s->results, .size = item_size};
}

void *bert_results_at(const bert_results *r, int i) {
    return r->items + (size_t)i * r->size;
}

void *bert_results_add(bert_results *r, bert_error *e) {
    if (r->count == r->capacity) {
        int capacity = 2 * r->capacity + 8;
        void *larger = bert_arena_alloc(r->arena, (size_t)capacity * r->size);
        if (!larger) {
            bert_fail_memory(e, (size_t)capacity * r->size);
            return NULL;
        }
        if (r->count) memcpy(larger, r->items, (size_t)r->count * r->size);
        r->items = larger;
        r->capacity = capacity;
    }
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
