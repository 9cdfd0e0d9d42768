/* How a batch is cut. */
#include "base/rng.h"
#include "models/chunks.h"
#include "test.h"

enum { SEQUENCES = 40, MOST_THREADS = 5 };

static int64_t tokens_of(const int32_t *start, bert_chunk c) {
    return start[c.first + c.n] - start[c.first];
}

/* Every sequence once, in order; no chunk too large. */
static void check_cover(const bert_chunk *chunks, int32_t count, const int32_t *start, int32_t n,
                        int32_t most) {
    int seen[SEQUENCES] = {0};
    for (int32_t i = 0; i < count; i++) {
        const bert_chunk k = chunks[i];
        assert_true(k.n >= 1 && k.first >= 0 && k.first + k.n <= n);
        assert_true(k.n == 1 || tokens_of(start, k) <= most);
        if (i) assert_true(k.first > chunks[i - 1].first);
        for (int32_t j = 0; j < k.n; j++) seen[k.first + j]++;
    }
    for (int32_t i = 0; i < n; i++) assert_int_equal(seen[i], 1);
}

/* The longest lane when chunks are taken in turn, over an even share. */
static double unevenness(const bert_chunk *chunks, int32_t count, const int32_t *start,
                         int threads) {
    int64_t load[MOST_THREADS] = {0}, sum = 0, longest = 0;
    for (int32_t i = 0; i < count; i++) {
        if (chunks[i].together) continue;
        int free = 0;
        for (int t = 1; t < threads; t++)
            if (load[t] < load[free]) free = t;
        load[free] += tokens_of(start, chunks[i]);
        sum += tokens_of(start, chunks[i]);
        if (load[free] > longest) longest = load[free];
    }
    return sum ? (double)longest * threads / (double)sum : 1;
}

static void any_batch_is_covered(void **state) {
    (void)state;
    bert_rng rng = {.seed = 5};
    for (int turn = 0; turn < 2000; turn++) {
        const int32_t n = 1 + (int32_t)bert_rng_below(&rng, SEQUENCES),
                      longest = turn % 2 ? 512 : 30;
        const int threads = 1 + (int)bert_rng_below(&rng, MOST_THREADS);
        const int32_t most = 1 + (int32_t)bert_rng_below(&rng, 600);
        int32_t start[SEQUENCES + 1] = {0};
        for (int32_t i = 0; i < n; i++)
            start[i + 1] = start[i] + 1 + (int32_t)bert_rng_below(&rng, (uint32_t)longest);
        bert_chunk chunks[SEQUENCES];
        const int32_t count = bert_chunks_plan(chunks, start, n, threads, most);
        check_cover(chunks, count, start, n, most);
        for (int32_t i = 0; i < count && threads == 1; i++) assert_true(chunks[i].together);
    }
}

/* Lengths, and how many tokens are left to all threads together. */
static void threads_end_together(void **state) {
    (void)state;
    static const struct {
        int threads;
        int32_t lengths[10], n, together;
    } cases[] = {
        {2, {128, 128, 128, 128, 128, 128, 128, 128}, 8, 0},
        {2, {128, 128}, 2, 0},
        {2, {128, 128, 128}, 3, 128},
        {2, {512}, 1, 512},
        {2, {16, 16, 16}, 3, 48}, /* too few to read the weights twice for */
        {2, {512, 80, 80, 80, 80}, 5, 512},
        {3, {64, 64, 64, 64}, 4, 64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t start[11] = {0}, together = 0;
        for (int32_t j = 0; j < cases[i].n; j++) start[j + 1] = start[j] + cases[i].lengths[j];
        bert_chunk chunks[10];
        const int32_t count = bert_chunks_plan(chunks, start, cases[i].n, cases[i].threads, 256);
        check_cover(chunks, count, start, cases[i].n, 256);
        for (int32_t j = 0; j < count; j++)
            if (chunks[j].together) together += (int32_t)tokens_of(start, chunks[j]);
        if (together != cases[i].together) fail_msg("case %zu: %d tokens together", i, together);
        assert_true(unevenness(chunks, count, start, cases[i].threads) <= 1.13);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_batch_is_covered),
                                       cmocka_unit_test(threads_end_together)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
