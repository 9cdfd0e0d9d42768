#include "models/chunks.h"

/* With fewer tokens a thread, weights are read too often for what is computed with them; with more
 * than this part of what all threads take together, activations outgrow the cache of one. */
enum { LEAST_TOKENS = 64, APART = 2, MAX_LANES = 64 };

static int32_t smaller(int32_t a, int32_t b) {
    return a < b ? a : b;
}

/* Whole sequences from `first` on: one at least, and no more than `most` tokens if there are more.
 */
static bert_chunk take(const int32_t *start, int32_t first, int32_t n, int32_t most) {
    int32_t end = first + 1;
    while (end < n && start[end + 1] - start[first] <= most) end++;
    return (bert_chunk){.first = first, .n = end - first};
}

/* Threads take chunks in turn, which is simulated: a chunk goes to the lane that is free first,
 * unless that would make it longer than all would be if the rest were shared evenly. */
int32_t bert_chunks_plan(bert_chunk *chunks, const int32_t *start, int32_t n, int threads,
                         int32_t most) {
    const int lanes = threads < MAX_LANES ? threads : MAX_LANES;
    const int32_t apart = (most + APART - 1) / APART, least = smaller(LEAST_TOKENS, apart);
    int64_t load[MAX_LANES] = {0}, alone = start[n];
    int32_t count = 0;
    for (int32_t first = 0; first < n; first += chunks[count++].n) {
        int free = 0;
        for (int i = 1; i < lanes; i++)
            if (load[i] < load[free]) free = i;
        /* Chunks become shorter towards the end, so that the lanes end together. */
        int32_t tokens = (start[n] - start[first]) / (2 * lanes);
        tokens = tokens < least ? least : smaller(tokens, apart);
        bert_chunk next = take(start, first, n, tokens);
        const int64_t size = start[first + next.n] - start[first], even = alone / lanes;
        if (lanes > 1 && start[n] >= lanes * least && load[free] + size <= even + even / 8) {
            load[free] += size;
        } else {
            next = take(start, first, n, most);
            next.together = true;
            alone -= start[first + next.n] - start[first];
        }
        chunks[count] = next;
    }
    return count;
}
