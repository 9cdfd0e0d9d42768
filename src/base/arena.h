/* A growing stack of memory: allocation is a bump, freeing is a rewind to a mark. */
#ifndef BERT_BASE_ARENA_H
#define BERT_BASE_ARENA_H
#include <stddef.h>
#include <stdint.h>

#define BERT_ALIGN                                                                                 \
    64 /* every allocation starts on a cache line, so that vector loads never straddle */

/* Where an arena's blocks come from, if not from the host's memory: addresses that only a device
 * can read. */
typedef struct {
    void *(*alloc)(size_t bytes); /* aligned to BERT_ALIGN; NULL: out of memory */
    void (*free)(void *p);
} bert_memory;

typedef struct bert_arena_block bert_arena_block;
typedef struct {
    const bert_memory *memory; /* NULL, or without functions: the host's */
    bert_arena_block *first, *current;
    size_t used;     /* bytes used in current */
    size_t peak;     /* most bytes in use so far, over all blocks */
    size_t reserved; /* bytes held from the system */
    size_t before;   /* bytes in blocks before current */
} bert_arena;
typedef struct {
    bert_arena_block *block;
    size_t used, before;
} bert_arena_mark;

/* Zero-initialised bert_arena is an empty arena. */
void bert_arena_free(bert_arena *a);
/* bytes of uninitialised memory aligned to BERT_ALIGN, or NULL (out of memory). Blocks are kept on
 * rewind, so a loop that rewinds stops calling malloc after its first turn. */
void *bert_arena_alloc(bert_arena *a, size_t bytes);
void *bert_arena_calloc(bert_arena *a, size_t bytes);
char *bert_arena_strdup(bert_arena *a, const char *s);
bert_arena_mark bert_arena_save(const bert_arena *a);
void bert_arena_rewind(bert_arena *a, bert_arena_mark m);
void bert_arena_reset(bert_arena *a);

/* Large pages change arenas, so that what is dead in one is memory for another, and the system need
 * not clear pages that it was given back. Addresses stay: where a page has gone, zeros are read,
 * and memory comes when something is written. Does nothing where the system cannot do it.
 *
 * bert_arena_offer: other arenas may have the large pages that lie wholly between the marks (from
 * after an allocation) and not in the bytes at keep; returns how many. bert_arena_offer_all: those
 * of every block, allocated or not. bert_arena_withdraw: what nobody took stays. */
size_t bert_arena_offer(bert_arena_mark from, bert_arena_mark to, const void *keep, size_t bytes);
void bert_arena_offer_all(bert_arena *a);
void bert_arena_withdraw(bert_arena *a);
/* The pages of the bytes at data that have gone come back, zero, from what `from` (or NULL) offers,
 * else from the system: before these bytes are written to. */
void bert_arena_receive(bert_arena *a, const void *data, size_t bytes, bert_arena *from);
/* The same for all that is not allocated, but not made zero, and taking what is offered last. */
void bert_arena_refill(bert_arena *a, bert_arena *from);
/* Of an arena that was just reserved: none of its large pages has been touched. */
void bert_arena_untouched(bert_arena *a);

/* rows * cols * size, or what no allocation has where an address is too short for it. */
static inline size_t bert_matrix_bytes(int32_t rows, int32_t cols, size_t size) {
    size_t bytes;
    return __builtin_mul_overflow((uint64_t)rows * (uint64_t)cols, size, &bytes) ? SIZE_MAX : bytes;
}

/* malloc of count * size with overflow check, aligned to BERT_ALIGN; free with free(). NULL when it
 * fails. */
void *bert_aligned_alloc(size_t count, size_t size);
/* As many or more: whole large pages where there is one at least, since what lies behind the last one would
 * be in small ones. */
size_t bert_whole_pages(size_t bytes);
#endif
