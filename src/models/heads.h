/* The table of stock heads: what transformers puts on an encoder, under its class names. */
#ifndef BERT_MODELS_HEADS_H
#define BERT_MODELS_HEADS_H
#include <bert_train.h>

typedef struct {
    const char *class_name; /* without the architecture's: "ForSequenceClassification" */
    const bert_head *head;
} bert_stock_head;

extern const bert_stock_head bert_stock_heads[]; /* ends with a NULL class_name */
/* By head.name ("sequence-classification"); NULL and an error that lists the names. */
const bert_stock_head *bert_stock_head_find(const char *name, bert_error *e);
/* By class ("ForSequenceClassification"), or NULL. */
const bert_stock_head *bert_stock_head_of_class(const char *class_name);

extern const bert_head bert_head_sequence_classification, bert_head_next_sentence,
    bert_head_multiple_choice, bert_head_token_classification, bert_head_question_answering,
    bert_head_masked_lm, bert_head_pretraining;
#endif
