/* A growing stack of memory: allocation is a bump, freeing is a rewind to a mark. */
#ifndef BERT_BASE_ARENA_H
#define BERT_BASE_ARENA_H
#include <stddef.h>

#define BERT_ALIGN                                                                                 \
    64 /* every allocation starts on a cache line, so that vector loads never straddle */

typedef struct bert_arena_block bert_arena_block;
typedef struct {
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

/* malloc of count * size with overflow check, aligned to BERT_ALIGN; free with free(). NULL when it
 * fails. */
void *bert_aligned_alloc(size_t count, size_t size);
#endif
