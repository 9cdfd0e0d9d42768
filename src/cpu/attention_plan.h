/* What an attention computes. */
#ifndef BERT_CPU_ATTENTION_PLAN_H
#define BERT_CPU_ATTENTION_PLAN_H
#include "cpu/kernels.h"

typedef struct {
    bert_precision precision;
    int heads, head_size; /* H = heads * head_size */
    const int32_t *start; /* [n + 1] */
    int n;
    const int32_t
        *attended; /* [n]: only the first so many tokens of a sequence are seen; NULL: all. Not
                                in backward */
    float scale;   /* of scores; 0: 1 / sqrt(head_size) */
    int window;    /* a query sees the keys that are at most so far away; 0: all of its sequence */
    /* The first `turned` columns of queries and keys are turned by position (rotary embeddings, as
     * two halves): cos and sin [longest sequence, turned / 2]. 0: none. */
    int turned;
    const float *cos, *sin;
    /* Added to a scaled score: bias [2 reach + 1, heads], row key - query + reach. NULL: none. */
    const float *bias;
    /* slopes[head] times the distance of key and query is taken from a scaled score. NULL: not. */
    const float *slopes;
    bool interleaved; /* qkv is head after head, of each its query, key and value */
    /* Query times relative key and key times relative query are added to query times key: rows of
     * `relative` [rows, one or two times H], of relative keys, queries, or both side by side; that
     * of a distance is index[key - query + reach]. relative NULL: none. Not with a window. */
    const float *relative;
    bool relative_keys, relative_queries;
    const int32_t *index;
    int reach;     /* of bias or relative */
    float dropout; /* of probabilities; 0: none */
    uint64_t seed,
        stream; /* of the dropout mask, a function of (sequence index, head, query, key) */
} bert_attention_plan;
#endif
