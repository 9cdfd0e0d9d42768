/* Work that threads of its own do ahead of who needs it: items by number, each made once into a buffer.
 * What an item holds depends on its key alone. */
#ifndef BERT_DATA_AHEAD_H
#define BERT_DATA_AHEAD_H
#include <bert.h>

typedef struct {
    int64_t item;
    uint64_t seed;
    int64_t epoch;
} bert_ahead_key;

typedef struct bert_ahead bert_ahead;
/* Fills out [floats]; called by several threads at once. */
typedef int bert_ahead_fn(const void *context, const bert_ahead_key *key, float *out,
                          bert_error *e);
bert_ahead *bert_ahead_new(size_t floats, bert_ahead_fn *make, const void *context, bert_error *e);
void bert_ahead_free(bert_ahead *a); /* NULL-safe; ends its threads */
/* out [n, floats]: the items of these keys, of which those that are there need not be made. The error is
 * that of the first that failed. */
int bert_ahead_take(bert_ahead *a, const bert_ahead_key *keys, int32_t n, float *out,
                    bert_error *e);
/* These will be asked for next; what else was made, and not taken, is dropped. */
void bert_ahead_begin(bert_ahead *a, const bert_ahead_key *keys, int32_t n);
#endif
