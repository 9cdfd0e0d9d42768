/* Vectors that wait in a temporary file until the range of each of their columns is known. */
#ifndef BERT_CLI_WAITING_H
#define BERT_CLI_WAITING_H
#include "cli.h"

typedef struct {
    FILE *f;
    int32_t dim;
    int64_t rows;
    float *ranges; /* [2, dim]: the least and the largest so far */
} waiting;

int waiting_open(waiting *w, int32_t dim, bert_error *e);
/* Only the front of a text is kept: what fits a line. */
int waiting_put(waiting *w, const bert_text *text, const float *v, const bert_text_info *info,
                bert_error *e);
/* Calls row() for each, in order. */
int waiting_each(waiting *w,
                 int (*row)(void *context, const bert_text *text, const float *v,
                            const bert_text_info *info, bert_error *e),
                 void *context, bert_error *e);
void waiting_close(waiting *w);
#endif
