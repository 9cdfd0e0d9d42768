/* RoBERTa: Liu et al. 2019, arXiv:1907.11692. BERT's layers; positions count from the padding id
 * on, and classifiers have a layer of their own in the place of the pooler. XLM-RoBERTa (Conneau et
 * al. 2019, arXiv:1911.02116) and CamemBERT (Martin et al. 2019, arXiv:1911.03894) are the same
 * under other names, with another vocabulary where config.json does not say which. */
#include "models/arch_roberta.h"
#include "models/arch.h"
#include "models/gguf_form.h"
#include "models/post_norm.h"
#include "models/problem.h"
#include <string.h>

static const bert_config_key keys[] = {BERT_POST_NORM_KEYS(50265, 1, 0, 3), {0}};
static const bert_config_key multilingual[] = {BERT_POST_NORM_KEYS(30522, 1, 0, 3), {0}};

const bert_copy bert_roberta_copies[] = {
    {.name = "lm_head.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {.name = "lm_head.decoder.bias", .original = "lm_head.bias", .counts = true},
    {0},
};

const bert_arch_head bert_roberta_heads[] = {
    BERT_ROBERTA_HEADS,
    {"question-answering", "ForQuestionAnswering", false, {.output = "qa_outputs"}},
    {"multiple-choice", "ForMultipleChoice", true, {.output = "classifier"}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    (void)own, (void)e;
    const float drop = bert_classifier_dropout(c);
    if (layout->dense && layout->output) layout->input_dropout = drop;
    if (!strcmp(head, "multiple-choice")) /* transformers has no classifier_dropout there */
        layout->dropout = c->hidden_dropout_prob;
    else if (strcmp(head, "question-answering"))
        layout->dropout = drop;
    return 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings - c->pad_token_id - 1;
}

static int build(bert_builder *b, void *state) {
    bert_post_norm *s = state;
    int rc = bert_post_norm_build(b, &bert_post_norm_bert, s);
    if (!rc) bert_post_norm_count_from(s, b->config->pad_token_id);
    return rc;
}

#define LIKE_ROBERTA(type, classes, its_keys)                                                      \
    {                                                                                              \
        .model_type = type, .class_prefix = classes, .prefix = "roberta.",                         \
        .embeddings = "embeddings.", .layers = "encoder.layer.",                                   \
        .signs = {"attention.self.query.", "output.LayerNorm."}, .keys = its_keys,                 \
        .fixed = bert_post_norm_fixed, .copies = bert_roberta_copies, .heads = bert_roberta_heads, \
        .configure = configure, .max_length = max_length, .state_size = sizeof(bert_post_norm),    \
        .build = build, .pooler = "pooler.dense", .gguf = &bert_gguf_form_roberta,                 \
        .embed = bert_post_norm_embed, .block = bert_post_norm_block,                              \
    }
const bert_arch bert_arch_roberta = LIKE_ROBERTA("roberta", "Roberta", keys),
                bert_arch_xlm_roberta = LIKE_ROBERTA("xlm-roberta", "XLMRoberta", multilingual),
                bert_arch_camembert = LIKE_ROBERTA("camembert", "Camembert", multilingual);
