#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct bert_arena_block {
    bert_arena_block *next;
    size_t size;
    _Alignas(BERT_ALIGN) unsigned char data[];
};

enum { FIRST_BLOCK = 1 << 16, HUGE_PAGE = 2 << 20 };

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* bytes: a multiple of BERT_ALIGN. Whole large pages, where they fit, spare most of the misses of
 * address translation. */
static void *aligned_pages(size_t bytes) {
    const bool huge = bytes >= HUGE_PAGE;
    void *p;
    if (posix_memalign(&p, huge ? HUGE_PAGE : BERT_ALIGN, bytes)) return NULL;
    if (huge) madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    return p;
}

void *bert_aligned_alloc(size_t count, size_t size) {
    if (size && count > (SIZE_MAX - BERT_ALIGN) / size) return NULL;
    size_t bytes = count * size;
    return aligned_pages(round_up(bytes ? bytes : 1, BERT_ALIGN));
}

static bert_arena_block *block_new(size_t size) {
    size_t bytes = sizeof(bert_arena_block) + size;
    bytes = round_up(bytes, bytes >= HUGE_PAGE ? HUGE_PAGE : BERT_ALIGN);
    bert_arena_block *b = aligned_pages(bytes);
    if (!b) return NULL;
    b->next = NULL;
    b->size = bytes - sizeof *b;
    return b;
}

void bert_arena_free(bert_arena *a) {
    for (bert_arena_block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (bert_arena){0};
}

void *bert_arena_alloc(bert_arena *a, size_t bytes) {
    if (bytes > SIZE_MAX / 4) return NULL;
    bytes = round_up(bytes ? bytes : 1, BERT_ALIGN);
    bert_arena_block *b = a->current;
    if (!b || b->size - a->used < bytes) {
        /* Move on to the next block that is large enough; blocks too small for this request are
         * skipped, not freed, since the next turn may ask for less. */
        size_t before = a->before + (b ? a->used : 0);
        bert_arena_block **link = b ? &b->next : &a->first;
        while (*link && (*link)->size < bytes) link = &(*link)->next;
        if (!*link) {
            size_t size = a->reserved ? a->reserved : FIRST_BLOCK;
            if (size > (size_t)256 << 20) size = (size_t)256 << 20;
            if (size < bytes) size = bytes;
            *link = block_new(size);
            if (!*link) return NULL;
            a->reserved += (*link)->size;
        }
        b = a->current = *link;
        a->before = before;
        a->used = 0;
    }
    void *p = b->data + a->used;
    a->used += bytes;
    if (a->before + a->used > a->peak) a->peak = a->before + a->used;
    return p;
}

void *bert_arena_calloc(bert_arena *a, size_t bytes) {
    void *p = bert_arena_alloc(a, bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

char *bert_arena_strdup(bert_arena *a, const char *s) {
    size_t n = strlen(s) + 1;
    char *p = bert_arena_alloc(a, n);
    return p ? memcpy(p, s, n) : NULL;
}

bert_arena_mark bert_arena_save(const bert_arena *a) {
    return (bert_arena_mark){a->current, a->used, a->before};
}

void bert_arena_rewind(bert_arena *a, bert_arena_mark m) {
    a->current = m.block ? m.block : a->first;
    a->used = m.block ? m.used : 0;
    a->before = m.block ? m.before : 0;
}

void bert_arena_reset(bert_arena *a) {
    bert_arena_rewind(a, (bert_arena_mark){0});
}
