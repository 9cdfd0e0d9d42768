#include "models/late.h"
#include "base/error.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static size_t pages_of(const bert_late *x) {
    return (x->from->bytes + PAGE - 1) / PAGE;
}

static int grow(bert_lates *l, bert_error *e) {
    if (!l->n && !l->list && pthread_mutex_init(&l->lock, NULL))
        return bert_fail(e, BERT_ENOMEM, "the system is out of mutexes");
    if (l->n < l->capacity) return 0;
    const int capacity = l->capacity ? 2 * l->capacity : 64;
    bert_late *list = realloc(l->list, (size_t)capacity * sizeof *list);
    if (!list) {
        if (!l->list) pthread_mutex_destroy(&l->lock);
        return bert_fail_memory(e, (size_t)capacity * sizeof *list);
    }
    l->list = list;
    l->capacity = capacity;
    return 0;
}

const float *bert_late_new(bert_lates *l, const bert_stored_tensor *t, bert_error *e) {
    if (grow(l, e)) return NULL;
    bert_late x = {.from = t};
    void *memory = mmap(NULL, t->bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    x.filled = memory == MAP_FAILED ? NULL : calloc(pages_of(&x), sizeof *x.filled);
    if (!x.filled) {
        if (memory != MAP_FAILED) munmap(memory, t->bytes);
        bert_fail_memory(e, t->bytes);
        return NULL;
    }
#ifdef MADV_NOHUGEPAGE
    madvise(memory, t->bytes, MADV_NOHUGEPAGE); /* a row that is looked at costs no 2 MB */
#endif
    x.value = memory;
    l->list[l->n++] = x;
    return x.value;
}

/* The one that has these bytes. */
static bert_late *holder(const bert_lates *l, const float *at, size_t bytes) {
    const uintptr_t first = (uintptr_t)at;
    for (int i = 0; i < l->n; i++) {
        const uintptr_t start = (uintptr_t)l->list[i].value;
        const size_t size = l->list[i].from->bytes;
        if (first >= start && first - start <= size && bytes <= size - (first - start))
            return &l->list[i];
    }
    return NULL;
}

const bert_stored_tensor *bert_late_find(const bert_lates *l, const float *value) {
    for (int i = 0; i < l->n; i++)
        if (l->list[i].value == value) return l->list[i].from;
    return NULL;
}

bool bert_late_read(const bert_lates *l, const float *at, float *to, size_t bytes) {
    const bert_late *x = holder(l, at, bytes);
    if (!x) return false;
    const size_t first = (size_t)((const char *)at - (const char *)x->value);
    if (bytes) memcpy(to, (const char *)x->from->data + first, bytes);
    return true;
}

static void fill_page(bert_lates *l, bert_late *x, size_t page) {
    const size_t at = page * PAGE, left = x->from->bytes - at;
    pthread_mutex_lock(&l->lock);
    if (!atomic_load_explicit(&x->filled[page], memory_order_relaxed)) {
        memcpy((char *)x->value + at, (const char *)x->from->data + at, left < PAGE ? left : PAGE);
        atomic_store_explicit(&x->filled[page], true, memory_order_release);
    }
    pthread_mutex_unlock(&l->lock);
}

void bert_late_fill(bert_lates *l, const float *at, size_t bytes) {
    bert_late *x = bytes ? holder(l, at, bytes) : NULL;
    if (!x) return;
    const size_t first = (size_t)((const char *)at - (const char *)x->value);
    for (size_t page = first / PAGE; page * PAGE < first + bytes; page++)
        if (!atomic_load_explicit(&x->filled[page], memory_order_acquire)) fill_page(l, x, page);
}

void bert_late_free(bert_lates *l) {
    for (int i = 0; i < l->n; i++) {
        munmap(l->list[i].value, l->list[i].from->bytes);
        free(l->list[i].filled);
    }
    if (l->list) pthread_mutex_destroy(&l->lock);
    free(l->list);
    *l = (bert_lates){.n = 0};
}
