/* What a score is made of beyond query times key, for one head of one sequence. */
#ifndef BERT_CPU_ATTENTION_TERMS_H
#define BERT_CPU_ATTENTION_TERMS_H
#include "cpu/attention_plan.h"
#include "cpu/attention_product.h"

/* A head of a sequence that begins at row `first`. */
typedef struct {
    const bert_attention_plan *plan;
    const bert_kernels *k;
    const bert_gemm_kernel *g;
    int sequence, head, first, length;
    int keys;         /* tokens that are seen: the first ones */
    ptrdiff_t hidden; /* heads * head_size */
} bert_attention_head;

/* What scores are multiplied by. */
float bert_attention_scale(const bert_attention_plan *p);
/* The keys that a query sees. */
bert_range bert_attention_seen(const bert_attention_head *h, int query);

/* Turns queries or keys v [n, head_size] by their places, n from 0 on, into out; back: the other
 * way, which is the gradient's. out may be v. */
void bert_attention_turn(const bert_attention_head *h, bert_view v, int n, float *out,
                         ptrdiff_t stride, bool back);

/* Bias and ALiBi of the head, divided by the scale: of distance key - query at [distance + reach].
 * values NULL: it has neither. */
typedef struct {
    const float *values;
    int reach;
} bert_attention_line;
/* Floats of it; 0: none. */
size_t bert_attention_line_size(const bert_attention_plan *p, int length);
bert_attention_line bert_attention_line_make(const bert_attention_head *h, float *room);
#endif
