#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mremap */
#endif
#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct bert_arena_block {
    _Alignas(BERT_ALIGN) bert_arena_block *next;
    size_t size;
    size_t filled;        /* what was used of it when the arena moved on */
    unsigned char *pages; /* [pages_count] page_state of the large pages from the block's start */
    size_t pages_count;
    unsigned char *data; /* behind the block, or a device's */
};

enum { FIRST_BLOCK = 1 << 16, HUGE_PAGE = 2 << 20 };
typedef enum { HERE, OFFERED, GONE } page_state;

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

size_t bert_whole_pages(size_t bytes) {
    return round_up(bytes, bytes >= HUGE_PAGE ? HUGE_PAGE : BERT_ALIGN);
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

/* A block whose bytes the host does not touch: its head lies elsewhere, and no pages change. */
static bert_arena_block *device_block(const bert_memory *memory, size_t size) {
    bert_arena_block *b = bert_aligned_alloc(1, sizeof *b);
    if (!b) return NULL;
    *b = (bert_arena_block){.size = round_up(size, BERT_ALIGN)};
    b->data = memory->alloc(b->size);
    if (b->data) return b;
    free(b);
    return NULL;
}

static bert_arena_block *block_new(size_t size) {
    size_t bytes = sizeof(bert_arena_block) + size;
    bytes += round_up(bytes / HUGE_PAGE + 1, BERT_ALIGN);
    bytes = bert_whole_pages(bytes);
    bert_arena_block *b = aligned_pages(bytes);
    if (!b) return NULL;
    b->next = NULL;
    b->data = (unsigned char *)(b + 1);
    b->pages_count = bytes / HUGE_PAGE;
    size_t map = round_up(b->pages_count, BERT_ALIGN);
    b->size = bytes - sizeof *b - map;
    b->pages = b->data + b->size;
    memset(b->pages, HERE, b->pages_count);
    return b;
}

static bool elsewhere(const bert_arena *a) {
    return a->memory && a->memory->alloc;
}

void bert_arena_free(bert_arena *a) {
    for (bert_arena_block *b = a->first, *next; b; b = next) {
        next = b->next;
        if (elsewhere(a)) a->memory->free(b->data);
        free(b);
    }
    *a = (bert_arena){.memory = a->memory};
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
        if (b) b->filled = a->used;
        while (*link && (*link)->size < bytes) {
            (*link)->filled = 0;
            link = &(*link)->next;
        }
        if (!*link) {
            size_t size = a->reserved ? a->reserved : FIRST_BLOCK;
            if (size > (size_t)256 << 20) size = (size_t)256 << 20;
            if (size < bytes) size = bytes;
            *link = elsewhere(a) ? device_block(a->memory, size) : block_new(size);
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

/* ---- Large pages that change arenas */

static unsigned char *page_of(bert_arena_block *b, size_t i) {
    return (unsigned char *)b + i * HUGE_PAGE;
}

/* States of the pages that lie wholly in begin .. end - 1 change; returns how many. */
static size_t change(bert_arena_block *b, const unsigned char *begin, const unsigned char *end,
                     page_state from, page_state to) {
    size_t n = 0;
    for (size_t i = 1; i < b->pages_count; i++) /* the first one holds the block's own data */
        if (b->pages[i] == from && page_of(b, i) >= begin && page_of(b, i) + HUGE_PAGE <= end) {
            b->pages[i] = (unsigned char)to;
            n++;
        }
    return n;
}

size_t bert_arena_offer(bert_arena_mark from, bert_arena_mark to, const void *keep, size_t bytes) {
    size_t n = 0;
    for (bert_arena_block *b = from.block; b; b = b == to.block ? NULL : b->next) {
        unsigned char *begin = b->data, *end = b->data + (b == to.block ? to.used : b->filled);
        if (b == from.block) begin += from.used;
        const uintptr_t kept = (uintptr_t)keep;
        if (kept >= (uintptr_t)begin && kept < (uintptr_t)end) {
            n += change(b, begin, keep, HERE, OFFERED);
            begin += kept - (uintptr_t)begin + bytes;
        }
        n += change(b, begin, end, HERE, OFFERED);
    }
    return n;
}

static void change_all(bert_arena *a, page_state from, page_state to) {
    for (bert_arena_block *b = a->first; b; b = b->next)
        change(b, b->data, b->data + b->size, from, to);
}

void bert_arena_offer_all(bert_arena *a) {
    change_all(a, HERE, OFFERED);
}

void bert_arena_withdraw(bert_arena *a) {
    change_all(a, OFFERED, HERE);
}

void bert_arena_untouched(bert_arena *a) {
    change_all(a, HERE, GONE);
}

/* An offered page of the arena, the first or the last one, goes to `to`. */
static bool take(bert_arena *a, bool last, unsigned char *to) {
    bert_arena_block *block = NULL;
    size_t page = 0;
    for (bert_arena_block *b = a ? a->first : NULL; b && (last || !block); b = b->next)
        for (size_t i = 0; i < b->pages_count && (last || b != block); i++)
            if (b->pages[i] == OFFERED) {
                block = b;
                page = i;
            }
    if (!block) return false;
#ifdef MREMAP_DONTUNMAP
    if (mremap(page_of(block, page), HUGE_PAGE, HUGE_PAGE,
               MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == to) {
        block->pages[page] = GONE;
        return true;
    }
#endif
    bert_arena_withdraw(a);
    return false;
}

void bert_arena_receive(bert_arena *a, const void *data, size_t bytes, bert_arena *from) {
    const uintptr_t begin = (uintptr_t)data, end = begin + bytes;
    for (bert_arena_block *b = a->first; b; b = b->next)
        for (size_t i = 0; i < b->pages_count; i++) {
            uintptr_t page = (uintptr_t)page_of(b, i);
            if (b->pages[i] != GONE || page >= end || page + HUGE_PAGE <= begin) continue;
            b->pages[i] = HERE;
            if (take(from, false, page_of(b, i))) memset(page_of(b, i), 0, HUGE_PAGE);
        }
}

void bert_arena_refill(bert_arena *a, bert_arena *from) {
    const unsigned char *used = NULL;
    bool beyond = !a->current;
    for (bert_arena_block *b = a->first; b; b = b->next) {
        if (b == a->current) {
            beyond = true;
            used = b->data + a->used;
        }
        for (size_t i = 0; i < b->pages_count; i++) {
            if (b->pages[i] != GONE) continue;
            b->pages[i] = HERE;
            if (beyond && (b != a->current || page_of(b, i) >= used))
                take(from, true, page_of(b, i));
        }
    }
}
