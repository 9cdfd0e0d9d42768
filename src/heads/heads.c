#include "heads.h"
#include <stddef.h>

const bert_head *const bert_stock_heads[] = {
    &bert_head_sequence_classification,
    &bert_head_token_classification,
    &bert_head_question_answering,
    &bert_head_multiple_choice,
    &bert_head_next_sentence,
    &bert_head_masked_lm,
    &bert_head_pretraining,
    &bert_head_replaced_token_detection,
    &bert_head_image_classification,
    NULL,
};
