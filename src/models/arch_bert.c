/* BERT: Devlin et al. 2018, arXiv:1810.04805. */
#include "models/arch_bert.h"
#include "models/gguf_form.h"
#include "models/post_norm.h"
#include "models/problem.h"
#include <string.h>

static const bert_config_key keys[] = {BERT_POST_NORM_KEYS(30522, 0, -1, 1), {0}};

/* The decoder of masked words is the table of word embeddings, unless it differs; its bias has a
 * second name, under which it counts, as in transformers. */
const bert_copy bert_copies_bert[] = {
    {.name = "cls.predictions.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {.name = "cls.predictions.decoder.bias", .original = "cls.predictions.bias", .counts = true},
    {0},
};

#define PREDICTIONS                                                                                \
    .dense = "cls.predictions.transform.dense", .norm = "cls.predictions.transform.LayerNorm",     \
    .bias = "cls.predictions.bias", .decoder = "cls.predictions.decoder.weight"
const bert_arch_head bert_heads_bert[] = {
    {"sequence-classification", "ForSequenceClassification", true, {.output = "classifier"}},
    {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},
    {"question-answering", "ForQuestionAnswering", false, {.output = "qa_outputs"}},
    {"multiple-choice", "ForMultipleChoice", true, {.output = "classifier"}},
    {"next-sentence", "ForNextSentencePrediction", true, {.output = "cls.seq_relationship"}},
    {"masked-lm", "ForMaskedLM", false, {PREDICTIONS}},
    {"pretraining", "ForPreTraining", true, {PREDICTIONS, .next = "cls.seq_relationship"}},
    {0},
};

int bert_configure_bert(const bert_config *c, const void *own, const char *head,
                        bert_head_layout *layout, bert_error *e) {
    (void)own, (void)head;
    if (layout->output && !strcmp(layout->output, "classifier"))
        layout->dropout = bert_classifier_dropout(c);
    return layout->bias ? bert_act_parse(c->hidden_act, &layout->act, e) : 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

static int build(bert_builder *b, void *state) {
    return bert_post_norm_build(b, &bert_post_norm_bert, state);
}

const bert_arch bert_arch_bert = {
    .model_type = "bert",
    .class_prefix = "Bert",
    .prefix = "bert.",
    .embeddings = "embeddings.",
    .layers = "encoder.layer.",
    .signs = {"attention.self.query.", "output.LayerNorm."},
    .keys = keys,
    .fixed = bert_post_norm_fixed,
    .copies = bert_copies_bert,
    .heads = bert_heads_bert,
    .configure = bert_configure_bert,
    .max_length = max_length,
    .state_size = sizeof(bert_post_norm),
    .build = build,
    .pooler = "pooler.dense",
    .gguf = &bert_gguf_form_bert,
    .embed = bert_post_norm_embed,
    .block = bert_post_norm_block,
};
