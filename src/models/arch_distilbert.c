/* DistilBERT: Sanh et al. 2019, arXiv:1910.01108. BERT's layers without token types and pooler,
 * under names and configuration keys of its own; its attention's output has no dropout. */
#include "models/arch.h"
#include "models/gguf_form.h"
#include "models/post_norm.h"
#include <string.h>

typedef struct {
    float qa_dropout, seq_classif_dropout;
} own_config;

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 30522, 1, BERT_MAX_VOCAB),
    BERT_INT("dim", hidden_size, 768, 1, BERT_MAX_WIDTH),
    BERT_INT("n_layers", num_hidden_layers, 6, 1, BERT_MAX_LAYERS),
    BERT_INT("n_heads", num_attention_heads, 12, 1, BERT_MAX_WIDTH),
    BERT_INT("hidden_dim", intermediate_size, 3072, 1, BERT_MAX_WIDTH * 4),
    BERT_INT("max_position_embeddings", max_position_embeddings, 512, 1, BERT_MAX_POSITIONS),
    BERT_INT("pad_token_id", pad_token_id, 0, -1, BERT_MAX_VOCAB),
    BERT_STRING("activation", hidden_act, "gelu"),
    BERT_PROBABILITY("dropout", hidden_dropout_prob, 0.1),
    BERT_PROBABILITY("attention_dropout", attention_probs_dropout_prob, 0.1),
    BERT_FLOAT("initializer_range", initializer_range, 0.02, 0, 1e3),
    BERT_OWN_FLOAT("qa_dropout", own_config, qa_dropout, 0.1, 0, 0.999),
    BERT_OWN_FLOAT("seq_classif_dropout", own_config, seq_classif_dropout, 0.2, 0, 0.999),
    BERT_BOOL("tie_word_embeddings", tie_word_embeddings, true),
    {0},
};

static const bert_config_fixed fixed[] = {
    {0},
};

static const bert_copy copies[] = {
    {.name = "vocab_projector.weight", .original = "embeddings.word_embeddings.weight"},
    {0},
};

#define CLASSIFIER .dense = "pre_classifier", .act = BERT_ACT_RELU, .output = "classifier"
static const bert_arch_head heads[] = {
    {"sequence-classification", "ForSequenceClassification", false, {CLASSIFIER}},
    {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},
    {"question-answering", "ForQuestionAnswering", false, {.output = "qa_outputs"}},
    {"multiple-choice", "ForMultipleChoice", false, {CLASSIFIER}},
    {"masked-lm",
     "ForMaskedLM",
     false,
     {.dense = "vocab_transform",
      .norm = "vocab_layer_norm",
      .bias = "vocab_projector.bias",
      .decoder = "vocab_projector.weight"}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    const own_config *o = own;
    layout->dropout = layout->dense                         ? o->seq_classif_dropout
                      : !strcmp(head, "question-answering") ? o->qa_dropout
                                                            : c->hidden_dropout_prob;
    return layout->bias ? bert_act_parse(c->hidden_act, &layout->act, e) : 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

static const bert_post_norm_names names = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .embeddings_norm = "embeddings.LayerNorm",
    .query = "transformer.layer.%d.attention.q_lin",
    .key = "transformer.layer.%d.attention.k_lin",
    .value = "transformer.layer.%d.attention.v_lin",
    .attention_output = "transformer.layer.%d.attention.out_lin",
    .attention_norm = "transformer.layer.%d.sa_layer_norm",
    .intermediate = "transformer.layer.%d.ffn.lin1",
    .output = "transformer.layer.%d.ffn.lin2",
    .output_norm = "transformer.layer.%d.output_layer_norm",
};

static int build(bert_builder *b, void *state) {
    bert_post_norm *s = state;
    int rc = bert_post_norm_build(b, &names, s);
    s->attention_output_dropout = 0;
    return rc;
}

/* What the configuration has no key for. */
static int complete(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e) {
    (void)json, (void)where, (void)own, (void)e;
    c->layer_norm_eps = 1e-12f;
    c->classifier_dropout = -1;
    return 0;
}

static const bert_gguf_form gguf = {"bert", BERT_GGUF_DISTILBERT, false, true,
                                    "gelu", "roberta-bpe",        NULL};

const bert_arch bert_arch_distilbert = {
    .model_type = "distilbert",
    .class_prefix = "DistilBert",
    .prefix = "distilbert.",
    .embeddings = "embeddings.",
    .layers = "transformer.layer.",
    .keys = keys,
    .complete = complete,
    .fixed = fixed,
    .own_size = sizeof(own_config),
    .copies = copies,
    .heads = heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(bert_post_norm),
    .build = build,
    .gguf = &gguf,
    .embed = bert_post_norm_embed,
    .block = bert_post_norm_block,
};
