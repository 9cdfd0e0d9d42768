/* All ways to make a word of pieces, for Unigram's training. */
#ifndef BERT_TEXT_LATTICE_H
#define BERT_TEXT_LATTICE_H
#include "text/seed_pieces.h"
#include "text/trie.h"

/* The pieces as they are while words are read. */
typedef struct {
    const bert_learned_pieces *pieces;
    bert_trie trie;        /* values: numbers of pieces */
    double *probabilities; /* [pieces] of the scores, which are logarithms */
    double unknown;        /* the score of a character that is no piece */
    uint32_t longest;      /* bytes of a piece or a character */
} bert_learned_model;

int bert_learned_model_make(bert_learned_model *m, const bert_learned_pieces *pieces,
                            bert_error *e);
void bert_learned_model_free(bert_learned_model *m);

typedef struct {
    uint32_t end;
    int32_t piece; /* -1: a character that is none */
} bert_arc;

/* Of one thread; all zero at first. */
typedef struct {
    bert_arc *arcs;
    uint32_t *first,
        *before; /* [bytes + 1] the first arc from there; where the best way comes from */
    double *forward, *backward;
    int32_t *shift, *best; /* best: the piece that comes from there */
    size_t capacity, arcs_n, arcs_capacity;
    int64_t
        *counts; /* [pieces], in units of 1 / BERT_COUNT_UNIT: sums do not depend on their order */
    bool failed; /* out of memory */
} bert_lattice;
enum { BERT_COUNT_UNIT = 1 << 20 };
void bert_lattice_free(bert_lattice *l);

/* Adds how often each piece is expected in a word, times so many. */
void bert_lattice_expect(bert_lattice *l, const bert_learned_model *m, const char *word, size_t n,
                         int64_t times);
/* The likeliest way, but for one of a single piece `but` (-1: none is left out): its score, or
 * -INFINITY. The pieces are found from the end: for (at = n; at; at = l->before[at]) l->best[at]. */
double bert_lattice_best(bert_lattice *l, const bert_learned_model *m, const char *word, size_t n,
                         int32_t but);
#endif
