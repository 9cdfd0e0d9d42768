/* Self-attention over packed sequences, forward and backward; built from the kernel table, so one
 * file serves every instruction set. Work is split by (sequence, head, block of queries). */
#ifndef BERT_CPU_ATTENTION_H
#define BERT_CPU_ATTENTION_H
#include "base/threads.h"
#include "cpu/attention_plan.h"

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
