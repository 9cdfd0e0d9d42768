/* How a batch is cut: in chunks of whole sequences, each of which one thread takes through all the
 * layers by itself; and what would leave threads idle that way, which all work on together. A
 * result does not depend on the cut. */
#ifndef BERT_MODELS_CHUNKS_H
#define BERT_MODELS_CHUNKS_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int32_t first, n; /* sequences */
    bool together;    /* all threads work on it; else one */
    bool done;        /* by who runs them; false in a plan */
} bert_chunk;

/* Cuts n sequences, start [n + 1], in chunks [n at most] that follow each other; returns how many.
 * A chunk has `most` tokens at most, or one sequence. */
int32_t bert_chunks_plan(bert_chunk *chunks, const int32_t *start, int32_t n, int threads,
                         int32_t most);
#endif
