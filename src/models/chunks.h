/* How a batch is cut: in chunks of whole sequences, each of which one thread takes through all the
 * layers by itself; and what would leave threads idle that way, which all work on together. A
 * result does not depend on the cut. */
#ifndef BERT_MODELS_CHUNKS_H
#define BERT_MODELS_CHUNKS_H
#include <stdint.h>

typedef struct {
    int32_t first, n; /* sequences */
} bert_chunk;

typedef struct {
    bert_chunk *chunks; /* those of one thread, then the others, both in order; room for every
                           sequence */
    int32_t apart, together;
} bert_chunks;

/* start [n + 1]. A chunk has `most` tokens at most, or one sequence. */
void bert_chunks_plan(bert_chunks *c, const int32_t *start, int32_t n, int threads, int32_t most);
#endif
