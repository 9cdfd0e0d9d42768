typedef struct {
    int at[16];
} sums;

static inline unsigned char held(int v) {
    return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

#define RESIZE bert_resize_c
#define SUMS sums
#define ZERO(s, half)                                                                              \
    for (int j = 0; j < 16; j++) s.at[j] = half
#define ADD(s, p, w)                                                                               \
    for (int j = 0; j < 16; j++) s.at[j] += (p)[j] * (w)
#define STORE(out, s)                                                                              \
    for (int j = 0; j < 16; j++) (out)[j] = held(s.at[j] >> BERT_RESIZE_BITS)
#include "image/resize_body.h"
