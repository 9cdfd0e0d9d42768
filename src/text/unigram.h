/* Unigram: the likeliest pieces of a word. */
#ifndef BERT_TEXT_UNIGRAM_H
#define BERT_TEXT_UNIGRAM_H
#include "text/double_array.h"
#include "text/tokenizer.h"

struct bert_unigram {
    bert_double_array pieces; /* the value of one is its id */
    double *scores;           /* by id */
    double unknown;           /* the score of a character that is none */
};

/* Takes the scores, by id, of the vocabulary, which is complete; they are its own from now on. */
int bert_unigram_new(bert_tokenizer *t, double *scores, bert_error *e);
void bert_unigram_free(bert_unigram *u);

/* The best way to each byte of a word. */
typedef struct {
    double score;
    int32_t id, start; /* start -1: none */
} bert_best;
#endif
