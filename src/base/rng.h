/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A draw is a function of
 * (seed, stream, counter), so it does not depend on threads or on what was drawn before. */
#ifndef BERT_BASE_RNG_H
#define BERT_BASE_RNG_H
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t v[4];
} bert_philox;
bert_philox bert_philox_at(uint64_t seed, uint64_t stream, uint64_t counter);

/* A sequential view, for shuffles and initialisation; plain data, so saving it saves the state. */
typedef struct {
    uint64_t seed, stream, counter; /* counter: 32-bit words drawn so far */
} bert_rng;
uint32_t bert_rng_u32(bert_rng *r);
uint32_t bert_rng_below(bert_rng *r, uint32_t n); /* uniform in 0 .. n-1, unbiased; n > 0 */
double bert_rng_uniform(bert_rng *r);             /* [0, 1), 53 bits */
void bert_rng_normal(bert_rng *r, float *out, size_t n, float std); /* Box-Muller */
void bert_rng_shuffle(bert_rng *r, int64_t *items, int64_t n);      /* Fisher-Yates */
/* A stream number from a name (FNV-1a), so that a parameter's initial values depend on its name,
 * not on creation order. */
uint64_t bert_rng_stream(const char *name);
#endif
