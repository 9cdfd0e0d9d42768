/* A set of byte strings, each with a value, in one array that is walked with one look for a byte. */
#ifndef BERT_TEXT_DOUBLE_ARRAY_H
#define BERT_TEXT_DOUBLE_ARRAY_H
#include <bert.h>

typedef struct {
    uint32_t *units; /* a byte, whether a string ends here, where the next ones are; or a value */
    size_t n;
} bert_double_array;

enum { BERT_DA_END = 0x100, BERT_DA_SHIFT = 9 };
#define BERT_DA_VALUE 0x80000000u

typedef struct {
    const uint8_t *bytes;
    size_t n;
    int32_t value;  /* >= 0 */
    uint64_t first; /* its first bytes, as a number in their order: of bert_da_build() */
} bert_da_key;

/* Of n keys, which it sorts: none is empty or has a NUL; of those that are alike the largest value counts. */
int bert_da_build(bert_double_array *d, bert_da_key *keys, size_t n, bert_error *e);
void bert_da_free(bert_double_array *d);

/* Where a walk begins; 0 is nowhere. */
static inline uint32_t bert_da_root(const bert_double_array *d) {
    return d->units[0] >> BERT_DA_SHIFT;
}
/* One byte further: false, no string goes on like this. Else *at is where the next one is looked up,
 * and *value what ends here, or -1. */
static inline bool bert_da_step(const bert_double_array *d, uint32_t *at, uint8_t byte,
                                int32_t *value) {
    const uint32_t unit = d->units[*at ^ byte];
    if ((unit & (BERT_DA_VALUE | 0xff)) != byte || !byte) return false;
    *at = unit >> BERT_DA_SHIFT;
    *value = unit & BERT_DA_END ? (int32_t)(d->units[*at] & ~BERT_DA_VALUE) : -1;
    return true;
}
#endif
