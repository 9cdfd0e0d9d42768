/* A head of a sequence: what forward and backward share. */
#ifndef BERT_CPU_ATTENTION_HEAD_H
#define BERT_CPU_ATTENTION_HEAD_H
#include "cpu/attention_terms.h"

typedef struct {
    const bert_attention_plan *plan;
    const bert_kernels *k;
    const bert_gemm_kernel *g;
    const float *qkv;
    float *out, *lse, *probabilities;    /* forward */
    const float *output, *dout, *lse_in; /* backward */
    float *dqkv, *dx;                    /* dx: of the bias, or of relative positions */
    bert_threads *threads;
} bert_attention_job;

bert_attention_head bert_head_of(const bert_attention_job *w, int sequence, int head);
/* Where the head's queries (which 0), keys (1) or values (2) begin in a row of them all. */
ptrdiff_t bert_head_column(const bert_attention_head *h, int which);
/* Queries (which 0), keys and values of a head; and the same as scores are made of them, turned
 * into `room`. */
bert_view bert_head_part(const bert_attention_job *w, const bert_attention_head *h, int which);
bert_view bert_head_turned(const bert_attention_job *w, const bert_attention_head *h, int which,
                           float *room);
/* The mask of a row of probabilities depends on where it is in the batch and on nothing else. */
void bert_head_drop(const bert_attention_head *h, float *y, const float *x, int query,
                    bert_range keys);
/* Keys are taken from whole panels, whole units of depth and whole steps of the dropout mask on. */
int bert_key_step(const bert_gemm_kernel *g);
/* Keys that some of the queries [at.first, at.end) see, from a whole step on. */
bert_range bert_head_sees(const bert_attention_head *h, bert_range at);
/* Keys that so many neighbouring queries see, at most; and the whole steps that hold them. */
int bert_head_keys(const bert_attention_head *h, int queries);
int bert_head_room(const bert_attention_head *h, int queries);
/* Adds the line's values to a row of scores of keys [at.first, at.end). */
void bert_head_add(const bert_attention_head *h, bert_attention_line l, float *scores, int query,
                   bert_range at);

/* Each computes one head. The memory that it needs is that of the longest sequence. */
size_t bert_attention_forward_bytes(const bert_attention_head *h);
size_t bert_attention_backward_bytes(const bert_attention_head *h);
void bert_attention_forward_head(const bert_attention_job *w, const bert_attention_head *h,
                                 unsigned char *memory);
void bert_attention_backward_head(const bert_attention_job *w, const bert_attention_head *h,
                                  unsigned char *memory);
#endif
