/* The stock heads: what transformers puts on an encoder. They are compiled with include/ alone, as
 * a head of anybody's is. */
#ifndef BERT_HEADS_HEADS_H
#define BERT_HEADS_HEADS_H
#include <bert_train.h>

extern const bert_head bert_head_sequence_classification, bert_head_next_sentence,
    bert_head_multiple_choice, bert_head_token_classification, bert_head_question_answering,
    bert_head_masked_lm, bert_head_pretraining;
extern const bert_head *const bert_stock_heads[]; /* ends with NULL */
#endif
