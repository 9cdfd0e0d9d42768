/* For tests of kernels: random matrices, closeness, every level that the machine has. */
#ifndef BERT_TEST_FLOATS_H
#define BERT_TEST_FLOATS_H
#include "base/arena.h"
#include "base/rng.h"
#include "levels.h"
#include <math.h>

static bert_rng rng = {.seed = 7};

static inline float *randoms(size_t n, float std) {
    float *p = bert_aligned_alloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    bert_rng_normal(&rng, p, n, std);
    return p;
}

static inline float *zeros(size_t n) {
    float *p = bert_aligned_alloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    memset(p, 0, n * sizeof *p);
    return p;
}

static inline void close_to(double got, double want, double relative, double absolute,
                            const char *what) {
    if (!(fabs(got - want) <= relative * fabs(want) + absolute))
        fail_msg("%s: %.9g where %.9g is right", what, got, want);
}

#define FOR_LEVELS(k)                                                                              \
    for (const bert_isa_level *level = bert_isa_levels; level->name; level++)                      \
        for (const bert_kernels *k = bert_cpu_at(level->name); k; k = NULL)

/* Relative to the root mean square of the sums: f32 order of accuracy, 3 products of two bf16
 * parts, bf16, int8 of normally distributed numbers. */
static const double product_tolerance[BERT_PRECISION_COUNT] = {1e-5, 1e-4, 3e-2, 6e-2};
#endif
