/* How keys of words are hashed. */
#ifndef BERT_TEXT_MIX_H
#define BERT_TEXT_MIX_H
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Well mixed in its upper bits. */
ALWAYS_INLINE uint64_t mix(uint64_t a, uint64_t b) {
    return (a ^ b * 0xc2b2ae3d27d4eb4fu) * 0x9e3779b97f4a7c15u;
}
#endif
