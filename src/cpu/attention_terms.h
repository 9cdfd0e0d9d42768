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

/* ---- Relative positions as DeBERTa has them */

/* Rows of relative keys and queries that distances of a sequence have: [first, end). */
bert_range bert_relative_rows(const bert_attention_plan *p, int length);

typedef struct {
    bert_range rows;
    int ld;                  /* of the matrices of one row a query or key: c2p, p2c */
    bert_view keys, queries; /* [rows, head_size]; data NULL: there are none */
    bert_right_side packed_keys, packed_queries; /* transposed: head_size deep */
    float *p2c;                                  /* [length, ld]: key times relative query */
    float *c2p;      /* [mr, ld]: of a strip of queries, times relative key */
    int32_t *turned; /* the plan's index the other way round, from -(length - 1) on; or NULL where
                        kernels do not take it (bert_relative_strip) */
    int32_t *starts, *longest; /* of each row, likewise */
} bert_relative_side;

/* The memory of it; without a base of s it is counted. */
bert_relative_side bert_relative_take(const bert_attention_head *h, bert_scratch *s);
/* Packs the rows, and multiplies the keys k [length, head_size]. */
void bert_relative_begin(const bert_attention_head *h, bert_relative_side *r, bert_view k,
                         unsigned char *strip);
/* Adds both terms to the scores of the queries [query, query + rows) and all keys; q: all queries,
 * laid for strips. */
void bert_relative_add(const bert_attention_head *h, const bert_relative_side *r,
                       const bert_left_layout *q, unsigned char *strip, float *scores, ptrdiff_t ld,
                       int query, int rows);

/* Gradients: what flows into c2p and p2c [length, ld] from those of all scores. */
typedef struct {
    float *c2p, *p2c;
    bert_range *of_queries,
        *of_keys; /* rows that each strip of tokens has, from r->rows.first on */
} bert_relative_flow;
bert_relative_flow bert_relative_flow_take(const bert_attention_head *h,
                                           const bert_relative_side *r, bert_scratch *s);
/* ds: of the scores of the queries [query, query + rows). */
void bert_relative_scatter(const bert_attention_head *h, const bert_relative_side *r,
                           const bert_relative_flow *f, const float *ds, ptrdiff_t ld, int query,
                           int rows);
/* Where the gradients go: of queries and keys of the head [length, head_size], which are added to;
 * and of the table's rows of the head, likewise, NULL: not wanted. */
typedef struct {
    bert_target dq, dk;
    float *rows;
    const unsigned char *packed_q, *packed_k; /* [head_size] columns, `length` deep */
    unsigned char *right;                     /* room for rows [head_size], rows deep */
} bert_relative_gradients;
void bert_relative_backward(const bert_attention_head *h, const bert_relative_side *r,
                            const bert_relative_flow *f, const bert_strip_room *room,
                            const bert_relative_gradients *to);
#endif
