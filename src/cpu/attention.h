/* Self-attention over packed sequences, forward and backward; built from the kernel table, so one
 * file serves every instruction set. Work is split by (sequence, head, block of queries). */
#ifndef BERT_CPU_ATTENTION_H
#define BERT_CPU_ATTENTION_H
#include "base/threads.h"
#include "cpu/kernels.h"

typedef struct {
    bert_precision precision;
    int heads, head_size; /* H = heads * head_size */
    const int32_t *start; /* [n + 1] */
    int n;
    float scale; /* of scores; 0: 1 / sqrt(head_size) */
    int window;  /* a query sees the keys that are at most so far away; 0: all of its sequence */
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

/* qkv [T, 3H] -> out [T, H]. lse [heads, T] or NULL: what backward needs. probabilities or NULL:
 * for each sequence in turn [heads, len, len], before dropout. 0 or BERT_ENOMEM. */
int bert_attention_forward(bert_threads *threads, const bert_attention_plan *plan, const float *qkv,
                           float *out, float *lse, float *probabilities);
/* dqkv [T, 3H] is written (not added to). Probabilities are recomputed from qkv and lse. dx: NULL,
 * or added to: of the bias [n, heads, 2 reach + 1], a part from each head of each sequence; or of
 * relative, of its shape. */
int bert_attention_backward(bert_threads *threads, const bert_attention_plan *plan,
                            const float *qkv, const float *out, const float *dout, const float *lse,
                            float *dqkv, float *dx);
#endif
