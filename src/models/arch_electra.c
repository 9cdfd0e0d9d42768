/* ELECTRA: Clark et al. 2020, arXiv:2003.10555. BERT's layers under embeddings that may be narrower,
 * and no pooler. Checkpoints are the discriminator, which says of every token whether it was
 * replaced, and the generator, which replaces masked ones. */
#include "base/error.h"
#include "models/arch.h"
#include "models/post_norm.h"
#include "models/problem.h"
#include <string.h>

typedef struct {
    int32_t embedding_size;
    char summary_type[BERT_MAX_NAME], summary_activation[BERT_MAX_NAME];
    bool summary_use_proj;
    float summary_last_dropout;
} own_config;

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 30522, 1, BERT_MAX_VOCAB),
    BERT_OWN_INT("embedding_size", own_config, embedding_size, 128, 1, BERT_MAX_WIDTH),
    BERT_POST_NORM_SIZES(256, 12, 4, 1024),
    BERT_INT("max_position_embeddings", max_position_embeddings, 512, 1, BERT_MAX_POSITIONS),
    BERT_INT("type_vocab_size", type_vocab_size, 2, 1, BERT_MAX_WIDTH),
    BERT_INT("pad_token_id", pad_token_id, 0, -1, BERT_MAX_VOCAB),
    BERT_STRING("hidden_act", hidden_act, "gelu"),
    BERT_POST_NORM_DROPOUTS(0.1),
    BERT_FLOAT("classifier_dropout", classifier_dropout, -1, 0, 0.999),
    BERT_OWN_STRING("summary_type", own_config, summary_type, "first"),
    BERT_OWN_BOOL("summary_use_proj", own_config, summary_use_proj, true),
    BERT_OWN_STRING("summary_activation", own_config, summary_activation, "gelu"),
    BERT_OWN_FLOAT("summary_last_dropout", own_config, summary_last_dropout, 0.1, 0, 0.999),
    BERT_POST_NORM_REST(1e-12),
    {0},
};

static const bert_copy copies[] = {
    {.name = "generator_lm_head.weight", .original = "embeddings.word_embeddings.weight"},
    {0},
};

static const bert_arch_head heads[] = {
    {"sequence-classification",
     "ForSequenceClassification",
     false,
     {.dense = "classifier.dense", .act = BERT_ACT_GELU, .output = "classifier.out_proj"}},
    {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},
    {"question-answering", "ForQuestionAnswering", false, {.output = "qa_outputs"}},
    {"multiple-choice",
     "ForMultipleChoice",
     false,
     {.dense = "sequence_summary.summary", .output = "classifier"}},
    {"masked-lm",
     "ForMaskedLM",
     false,
     {.dense = "generator_predictions.dense",
      .act = BERT_ACT_GELU,
      .norm = "generator_predictions.LayerNorm",
      .bias = "generator_lm_head.bias",
      .decoder = "generator_lm_head.weight"}},
    {"replaced-token-detection",
     "ForPreTraining",
     false,
     {.dense = "discriminator_predictions.dense",
      .output = "discriminator_predictions.dense_prediction"}},
    {0},
};

static int configure_choice(const own_config *o, bert_head_layout *layout, bert_error *e) {
    if (strcmp(o->summary_type, "first") || !o->summary_use_proj)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "multiple choice: summary_type is \"%s\" and summary_use_proj %s; only "
                         "\"first\" and true are supported",
                         o->summary_type, o->summary_use_proj ? "true" : "false");
    layout->dropout = o->summary_last_dropout;
    return *o->summary_activation ? bert_act_parse(o->summary_activation, &layout->act, e) : 0;
}

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    const own_config *o = own;
    if (layout->bias) layout->width = o->embedding_size;
    if (!strcmp(head, "multiple-choice")) return configure_choice(o, layout, e);
    if (!strcmp(head, "replaced-token-detection"))
        return bert_act_parse(c->hidden_act, &layout->act, e);
    if (!strcmp(head, "sequence-classification") || !strcmp(head, "token-classification"))
        layout->dropout = bert_classifier_dropout(c);
    if (layout->dense && layout->output) layout->input_dropout = layout->dropout;
    return 0;
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

static int build(bert_builder *b, void *state) {
    bert_post_norm *s = state;
    const own_config *o = b->own;
    bert_post_norm_names names = bert_post_norm_bert;
    if (o->embedding_size != b->config->hidden_size) names.project = "embeddings_project";
    int rc = bert_post_norm_begin(b, s);
    if (!rc) rc = bert_post_norm_embeddings(b, &names, o->embedding_size, s);
    return rc ? rc : bert_post_norm_layers(b, &names, s);
}

const bert_arch bert_arch_electra = {
    .model_type = "electra",
    .class_prefix = "Electra",
    .prefix = "electra.",
    .embeddings = "embeddings",
    .layers = "encoder.layer.",
    .signs = {"attention.self.query.", "output.LayerNorm."},
    .keys = keys,
    .fixed = bert_post_norm_fixed,
    .own_size = sizeof(own_config),
    .copies = copies,
    .heads = heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(bert_post_norm),
    .build = build,
    .embed = bert_post_norm_embed,
    .block = bert_post_norm_block,
};
