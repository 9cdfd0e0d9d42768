/* Relative positions as DeBERTa has them: query times relative key and key times relative query, of
 * one head of one sequence. */
#ifndef BERT_CPU_ATTENTION_RELATIVE_H
#define BERT_CPU_ATTENTION_RELATIVE_H
#include "cpu/attention_terms.h"

typedef struct {
    bert_range rows;             /* of relative keys and queries that distances have */
    bool falls;                  /* see bert_relative_strip */
    int shift;                   /* see bert_relative_flow */
    bert_range *distances;       /* of each row */
    bert_view keys, queries;     /* [rows, head_size]; data NULL: there are none */
    bert_right_side packed_keys; /* transposed: head_size deep */
    float *c2p;                  /* [mr, c2p_ld]: of a strip of queries, times relative key */
    float *p2c;                  /* [rows, p2c_ld]: relative query times key */
    int c2p_ld, p2c_ld;
} bert_relative_side;

/* The memory of it; without a base of s it is counted. */
bert_relative_side bert_relative_take(const bert_attention_head *h, bert_scratch *s);
/* Packs the rows, and multiplies the head's keys: packed, head_size deep. */
void bert_relative_begin(const bert_attention_head *h, bert_relative_side *r, bert_right_side keys,
                         unsigned char *strip);
/* The scores of the queries [query, query + rows) and all keys are relative query times key, first of
 * all; false: there are none. Rows of scores are as bert_scores_take has them. */
bool bert_relative_put(const bert_attention_head *h, const bert_relative_side *r, float *scores,
                       ptrdiff_t ld, int query, int rows);
/* Adds query times relative key, if there are any; q: all queries, laid for strips, of which these are one. */
void bert_relative_add(const bert_attention_head *h, const bert_relative_side *r,
                       const bert_left_layout *q, unsigned char *strip, float *scores, ptrdiff_t ld,
                       int query, int rows);

/* Scores of n rows, [n, ld], with room around each row where relative positions ask for it. */
int bert_scores_apart(const bert_attention_head *h, int keys);
float *bert_scores_take(const bert_attention_head *h, bert_scratch *s, int n, int ld);

/* ---- Gradients: what flows into c2p, of a block of queries, and into p2c. The latter takes p2c's place,
 * moved forward by `shift`: what a block of queries gives to a row then lies before what the blocks after
 * it read there. Where a row has too many distances for that, p2c is kept, and shift is 0. */

typedef struct {
    float *c2p, *p2c; /* [rows, c2p_ld], [rows, p2c_ld]: by row, then by query or key */
    int c2p_ld, p2c_ld;
    unsigned char *right; /* the table's rows of the head, packed: as deep as there are */
    bert_right_side keys; /* of them relative keys */
} bert_relative_flow;
/* Where gradients go: of queries and keys of the head [length, head_size], which are added to; and
 * of the table's rows, likewise, NULL: not wanted. */
typedef struct {
    bert_target dq, dk;
    float *rows;
} bert_relative_gradients;

/* Queries of a block, at most. */
int bert_relative_queries(const bert_attention_head *h);
bert_relative_flow bert_relative_flow_take(const bert_attention_head *h,
                                           const bert_relative_side *r, bert_scratch *s);
void bert_relative_flow_begin(const bert_attention_head *h, const bert_relative_side *r,
                              bert_relative_flow *f);
/* Of a block's scores ds, around whose rows are zeros, and its queries, packed: [head_size] columns,
 * as deep as the block. */
void bert_relative_backward_block(const bert_attention_head *h, const bert_relative_side *r,
                                  const bert_relative_flow *f, const bert_strip_room *room,
                                  const float *ds, ptrdiff_t ld, bert_range block,
                                  bert_right_side queries, const bert_relative_gradients *to);
/* After the last block; keys are packed likewise. */
void bert_relative_backward(const bert_attention_head *h, const bert_relative_side *r,
                            const bert_relative_flow *f, const bert_strip_room *room,
                            bert_right_side keys, const bert_relative_gradients *to);
#endif
