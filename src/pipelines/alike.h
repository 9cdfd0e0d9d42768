/* Texts that are the same in lower case, as Python's str.lower() has it, each by a number. */
#ifndef BERT_PIPELINES_ALIKE_H
#define BERT_PIPELINES_ALIKE_H
#include "base/arena.h"
#include <bert.h>

typedef struct {
    struct bert_lowered *items; /* [n] in lower case */
    int32_t *slots;             /* [slot_count] a hash table: of items, from 1 on; 0: free */
    size_t slot_count;
    int32_t n;
    bert_arena texts;
} bert_alike;

/* Zero-initialised it has none. */
void bert_alike_clear(bert_alike *a);
void bert_alike_free(bert_alike *a);
/* The number of a text's like: 0, 1, .. as they come; it was a->n if it is the first one. Negative:
 * out of memory. */
int32_t bert_alike_find(bert_alike *a, const char *text, size_t bytes, bert_error *e);
#endif
