/* Things as one run of bytes, which other processes of the same build map and use where it lies: one
 * function says what a thing consists of, and the same calls in the same order count its bytes, lay it
 * down, and take it up. What is taken up is as it was, and is freed in the same way; grown arrays stay
 * where they lie (bert_lend()). */
#ifndef BERT_DATA_LAY_H
#define BERT_DATA_LAY_H
#include <bert.h>

typedef struct bert_laid {
    char *at;               /* aligned to 64; NULL: bytes are counted */
    size_t used;            /* so far */
    bool taken;             /* up, from at */
    const bert_model *base; /* that it is taken up for */
    bert_error *e;          /* of taking up: there is no memory; what it was for is NULL then */
} bert_laid;

#define BERT_LAY(l, x) bert_lay(l, &(x), sizeof(x))
void bert_lay(bert_laid *l, void *value, size_t bytes);
/* *(T **)slot, malloc'ed or NULL. */
void bert_lay_block(bert_laid *l, void *slot, size_t bytes);
void bert_lay_string(bert_laid *l, char **text);
/* n of them, malloc'ed as their list is; n is laid already, and 0 where there is no memory. */
void bert_lay_list(bert_laid *l, char ***list, int *n);
/* *(T **)slot, grown or NULL. */
void bert_lay_grown(bert_laid *l, void *slot, size_t bytes);
/* What a text points to; taken up, where that lies. */
void bert_lay_text(bert_laid *l, bert_text *t);
#endif
