/* What is computed of texts: a row for each, over the library's tasks. */
#ifndef BERT_SERVER_OPERATIONS_H
#define BERT_SERVER_OPERATIONS_H
#include "exchange.h"

/* What its answers are made of. */
typedef enum { ANSWERS_LABELS, ANSWERS_VECTORS, ANSWERS_TOKENS, ANSWERS_WORDS } answer_kind;

struct operation {
    const char *name;
    const char *heads;   /* of the model, by spaces; NULL: any */
    int32_t most_labels; /* of the head; 0: any number */
    bool merges;         /* texts of several requests, under the same key */
    bool pictures;       /* its items are pictures, or may be */
    bool sparse;         /* of a model that weighs words */
    answer_kind answers;
    /* Computes n items under what x asks for; their values or json. */
    int (*run)(bert_session *s, const exchange *x, item *const *items, int32_t n, bert_error *e);
};
extern const operation op_embed, op_embed_all, op_embed_sparse, op_classify, op_rerank, op_tag,
    op_fill, op_answer, op_zero_shot, op_choose, op_next_sentence;

/* Its client has closed the connection. */
bool exchange_left(const exchange *x);
#endif
