/* Distinct texts, numbered in the order they came. */
#ifndef BERT_DATA_NUMBERED_H
#define BERT_DATA_NUMBERED_H
#include <bert.h>

typedef struct {
    char **text; /* [n] */
    int32_t n;
    int32_t *table; /* open addressing: number + 1, or 0 */
    size_t slots;   /* a power of 2, twice as many as there may be texts */
} bert_numbered;

/* The number of text, which is copied where it is new; or a negative error. */
int32_t bert_number_of(bert_numbered *x, const char *text, size_t bytes, bert_error *e);
void bert_numbered_free(bert_numbered *x);
#endif
