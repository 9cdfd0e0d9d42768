/* The stock heads: what transformers puts on an encoder. They are compiled with include/ alone, as
 * a head of anybody's is. */
#ifndef BERT_HEADS_HEADS_H
#define BERT_HEADS_HEADS_H
#include <bert_train.h>

extern const bert_head bert_head_sequence_classification, bert_head_next_sentence,
    bert_head_multiple_choice, bert_head_token_classification, bert_head_question_answering,
    bert_head_masked_lm, bert_head_pretraining, bert_head_replaced_token_detection,
    bert_head_image_classification;
extern const bert_head *const bert_stock_heads[]; /* ends with NULL */

/* What a layout has in front of its output: dense, its activation, a LayerNorm, or none of them. */
typedef struct {
    bert_linear dense; /* weight NULL: none */
    bert_act act;
    bert_layer_norm norm; /* likewise */
    int32_t width;        /* of what comes out */
} bert_head_transform;
int bert_head_transform_new(const bert_head_site *site, bert_head_transform *t, bert_error *e);
bert_tensor *bert_head_transform_apply(bert_tape *tape, const bert_head_transform *t,
                                       bert_tensor *x);
#endif
