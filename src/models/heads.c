#include "models/heads.h"
#include "base/error.h"
#include "models/model.h"
#include "tape/tape.h"
#include <stdio.h>
#include <string.h>

const bert_stock_head bert_stock_heads[] = {
    {"ForSequenceClassification", &bert_head_sequence_classification},
    {"ForTokenClassification", &bert_head_token_classification},
    {"ForQuestionAnswering", &bert_head_question_answering},
    {"ForMultipleChoice", &bert_head_multiple_choice},
    {"ForNextSentencePrediction", &bert_head_next_sentence},
    {"ForMaskedLM", &bert_head_masked_lm},
    {"ForPreTraining", &bert_head_pretraining},
    {0},
};

const bert_stock_head *bert_stock_head_find(const char *name, bert_error *e) {
    char list[400] = "";
    for (const bert_stock_head *h = bert_stock_heads; h->class_name; h++) {
        if (!strcmp(h->head->name, name)) return h;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, ", %s", h->head->name);
    }
    bert_fail(e, BERT_EUNSUPPORTED, "there is no head \"%.80s\"; the heads are none%s", name, list);
    return NULL;
}

const bert_stock_head *bert_stock_head_of_class(const char *class_name) {
    for (const bert_stock_head *h = bert_stock_heads; h->class_name; h++)
        if (!strcmp(h->class_name, class_name)) return h;
    return NULL;
}

bert_tensor *bert_head_forward(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                               const bert_inputs *inputs) {
    if (!bert_tape_ready(t, hidden)) return NULL;
    if (!m) return bert_tape_fail(t, NULL, BERT_EINVAL, "there is no model");
    if (!m->head.forward)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "the model was opened without a head");
    return m->head.forward(m->head_state, t, m, hidden, inputs);
}

bert_tensor *bert_head_loss(bert_tape *t, const bert_model *m, bert_tensor *logits,
                            const bert_batch *b, double divisor) {
    if (!bert_tape_ready(t, logits)) return NULL;
    if (!m) return bert_tape_fail(t, NULL, BERT_EINVAL, "there is no model");
    if (!m->head.loss)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "the head of the model (%s) has no loss",
                              bert_model_head(m));
    return m->head.loss(m->head_state, t, logits, b, divisor);
}