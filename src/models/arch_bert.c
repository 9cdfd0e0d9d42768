/* BERT: Devlin et al. 2018, arXiv:1810.04805. */
#include "models/arch.h"
#include "models/post_norm.h"
#include "models/problem.h"
#include <string.h>

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 30522, 1, BERT_MAX_VOCAB),
    BERT_INT("hidden_size", hidden_size, 768, 1, BERT_MAX_WIDTH),
    BERT_INT("num_hidden_layers", num_hidden_layers, 12, 1, BERT_MAX_LAYERS),
    BERT_INT("num_attention_heads", num_attention_heads, 12, 1, BERT_MAX_WIDTH),
    BERT_INT("intermediate_size", intermediate_size, 3072, 1, BERT_MAX_WIDTH * 4),
    BERT_INT("max_position_embeddings", max_position_embeddings, 512, 1, BERT_MAX_POSITIONS),
    BERT_INT("type_vocab_size", type_vocab_size, 2, 1, BERT_MAX_WIDTH),
    BERT_INT("pad_token_id", pad_token_id, 0, -1, BERT_MAX_VOCAB),
    BERT_STRING("hidden_act", hidden_act, "gelu"),
    BERT_PROBABILITY("hidden_dropout_prob", hidden_dropout_prob, 0.1),
    BERT_PROBABILITY("attention_probs_dropout_prob", attention_probs_dropout_prob, 0.1),
    BERT_FLOAT("classifier_dropout", classifier_dropout, -1, 0, 0.999),
    BERT_FLOAT("initializer_range", initializer_range, 0.02, 0, 1e3),
    BERT_FLOAT("layer_norm_eps", layer_norm_eps, 1e-12, 0, 1),
    BERT_BOOL("tie_word_embeddings", tie_word_embeddings, true),
    {0},
};

/* Decoders and relative positions are other models under the same model_type. */
static const bert_config_fixed fixed[] = {
    {"is_decoder", "false"},
    {"add_cross_attention", "false"},
    {"position_embedding_type", "\"absolute\""},
    {0},
};

/* The decoder of masked words is the table of word embeddings, unless it differs; its bias has a
 * second name, under which it counts, as in transformers. */
static const bert_copy copies[] = {
    {.name = "cls.predictions.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {.name = "cls.predictions.decoder.bias", .original = "cls.predictions.bias", .counts = true},
    {0},
};

#define PREDICTIONS                                                                                \
    .dense = "cls.predictions.transform.dense", .norm = "cls.predictions.transform.LayerNorm",     \
    .bias = "cls.predictions.bias", .decoder = "cls.predictions.decoder.weight"
static const bert_arch_head heads[] = {
    {"sequence-classification", "ForSequenceClassification", true, {.output = "classifier"}},
    {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},
    {"question-answering", "ForQuestionAnswering", false, {.output = "qa_outputs"}},
    {"multiple-choice", "ForMultipleChoice", true, {.output = "classifier"}},
    {"next-sentence", "ForNextSentencePrediction", true, {.output = "cls.seq_relationship"}},
    {"masked-lm", "ForMaskedLM", false, {PREDICTIONS}},
    {"pretraining", "ForPreTraining", true, {PREDICTIONS, .next = "cls.seq_relationship"}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    (void)own, (void)head;
    if (layout->output && !strcmp(layout->output, "classifier"))
        layout->dropout = bert_classifier_dropout(c);
    return layout->bias ? bert_act_parse(c->hidden_act, &layout->act, e) : 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

static const bert_post_norm_names names = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .token_type = "embeddings.token_type_embeddings",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = "encoder.layer.%d.attention.self.query",
    .key = "encoder.layer.%d.attention.self.key",
    .value = "encoder.layer.%d.attention.self.value",
    .attention_output = "encoder.layer.%d.attention.output.dense",
    .attention_norm = "encoder.layer.%d.attention.output.LayerNorm",
    .intermediate = "encoder.layer.%d.intermediate.dense",
    .output = "encoder.layer.%d.output.dense",
    .output_norm = "encoder.layer.%d.output.LayerNorm",
};

static int build(bert_builder *b, void *state) {
    return bert_post_norm_build(b, &names, state);
}

const bert_arch bert_arch_bert = {
    .model_type = "bert",
    .class_prefix = "Bert",
    .prefix = "bert.",
    .embeddings = "embeddings.",
    .layers = "encoder.layer.",
    .keys = keys,
    .fixed = fixed,
    .copies = copies,
    .heads = heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(bert_post_norm),
    .build = build,
    .pooler = "pooler.dense",
    .embed = bert_post_norm_embed,
    .block = bert_post_norm_block,
};
