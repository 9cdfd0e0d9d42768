/* ALBERT: Lan et al. 2019, arXiv:1909.11942. BERT's layers under narrower embeddings; groups of
 * layers share their parameters, all of them one group as a rule. */
#include "models/arch.h"
#include "models/post_norm.h"
#include <stdio.h>
#include <string.h>

typedef struct {
    int32_t embedding_size, num_hidden_groups, inner_group_num;
} own_config;

static const bert_config_key keys[] = {
    BERT_INT("vocab_size", vocab_size, 30000, 1, BERT_MAX_VOCAB),
    BERT_OWN_INT("embedding_size", own_config, embedding_size, 128, 1, BERT_MAX_WIDTH),
    BERT_POST_NORM_SIZES(4096, 12, 64, 16384),
    BERT_OWN_INT("num_hidden_groups", own_config, num_hidden_groups, 1, 1, BERT_MAX_LAYERS),
    BERT_OWN_INT("inner_group_num", own_config, inner_group_num, 1, 1, BERT_MAX_LAYERS),
    BERT_INT("max_position_embeddings", max_position_embeddings, 512, 1, BERT_MAX_POSITIONS),
    BERT_INT("type_vocab_size", type_vocab_size, 2, 1, BERT_MAX_WIDTH),
    BERT_INT("pad_token_id", pad_token_id, 0, -1, BERT_MAX_VOCAB),
    BERT_STRING("hidden_act", hidden_act, "gelu_new"),
    BERT_POST_NORM_DROPOUTS(0),
    BERT_FLOAT("classifier_dropout_prob", classifier_dropout, 0.1, 0, 0.999),
    BERT_POST_NORM_REST(1e-12),
    {0},
};

static const bert_copy copies[] = {
    {.name = "predictions.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {.name = "predictions.decoder.bias", .original = "predictions.bias", .counts = true},
    {0},
};

#define PREDICTIONS                                                                                \
    .dense = "predictions.dense", .norm = "predictions.LayerNorm", .bias = "predictions.bias",     \
    .decoder = "predictions.decoder.weight"
static const bert_arch_head heads[] = {
    {"sequence-classification", "ForSequenceClassification", true, {.output = "classifier"}},
    {"token-classification", "ForTokenClassification", false, {.output = "classifier"}},
    {"question-answering", "ForQuestionAnswering", false, {.output = "qa_outputs"}},
    {"multiple-choice", "ForMultipleChoice", true, {.output = "classifier"}},
    {"masked-lm", "ForMaskedLM", false, {PREDICTIONS}},
    {"pretraining", "ForPreTraining", true, {PREDICTIONS, .next = "sop_classifier.classifier"}},
    {0},
};

static int configure(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e) {
    const own_config *o = own;
    if (strcmp(head, "question-answering")) layout->dropout = c->classifier_dropout;
    if (!layout->bias) return 0;
    layout->width = o->embedding_size;
    return bert_act_parse(c->hidden_act, &layout->act, e);
}

static int32_t max_length(const bert_config *c) {
    return c->max_position_embeddings;
}

static const bert_post_norm_names names = {
    .word = "embeddings.word_embeddings",
    .position = "embeddings.position_embeddings",
    .token_type = "embeddings.token_type_embeddings",
    .embeddings_norm = "embeddings.LayerNorm",
    .project = "encoder.embedding_hidden_mapping_in",
    .query = "attention.query",
    .key = "attention.key",
    .value = "attention.value",
    .attention_output = "attention.dense",
    .attention_norm = "attention.LayerNorm",
    .intermediate = "ffn",
    .output = "ffn_output",
    .output_norm = "full_layer_layer_norm",
};

typedef struct {
    bert_post_norm base; /* whose layers are those of the groups, one group after another */
    int layers, groups, inner;
} albert;

static int group_of(const albert *s, int layer) {
    return (int)(layer / ((double)s->layers / s->groups)); /* as transformers counts */
}

/* The parameters of a group belong to the last layer that has them. */
static int last_layer_of(const albert *s, int group) {
    int last = 0;
    for (int i = 0; i < s->layers; i++)
        if (group_of(s, i) == group) last = i;
    return last;
}

static int build_group(bert_builder *b, albert *s, int group) {
    int rc = 0;
    for (int j = 0; j < s->inner && !rc; j++) {
        char prefix[96];
        snprintf(prefix, sizeof prefix, "%sencoder.albert_layer_groups.%d.albert_layers.%d.",
                 b->prefix, group, j);
        bert_builder inside = *b;
        inside.prefix = prefix;
        rc = bert_post_norm_layer_new(&inside, &names, last_layer_of(s, group),
                                      &s->base.layers[group * s->inner + j]);
    }
    return rc;
}

static int build(bert_builder *b, void *state) {
    albert *s = state;
    const own_config *o = b->own;
    int rc = bert_post_norm_begin(b, &s->base);
    s->layers = b->config->num_hidden_layers;
    s->groups = o->num_hidden_groups;
    s->inner = o->inner_group_num;
    s->base.output_dropout = 0;
    if (!rc) rc = bert_post_norm_embeddings(b, &names, o->embedding_size, &s->base);
    if (!rc) {
        const size_t count = (size_t)s->groups * (size_t)s->inner;
        s->base.layers = bert_build_alloc(b, count * sizeof *s->base.layers);
        if (!s->base.layers) rc = BERT_ENOMEM;
    }
    for (int g = 0; g < s->groups && !rc; g++) rc = build_group(b, s, g);
    return rc;
}

static bert_tensor *block(bert_tape *t, const void *state, bert_tensor *x, const bert_pass *pass) {
    const albert *s = state;
    const bert_post_norm_layer *l = &s->base.layers[group_of(s, pass->layer) * s->inner];
    bert_pass inside = *pass;
    for (int j = 0; j < s->inner; j++) {
        inside.first_rows = pass->first_rows && j + 1 == s->inner;
        x = bert_post_norm_apply(t, &s->base, &l[j], &s->base.attention, x, &inside);
    }
    return x;
}

const bert_arch bert_arch_albert = {
    .model_type = "albert",
    .class_prefix = "Albert",
    .prefix = "albert.",
    .embeddings = "embeddings.",
    .layers = "encoder.albert_layer_groups.",
    .keys = keys,
    .fixed = bert_post_norm_fixed,
    .own_size = sizeof(own_config),
    .copies = copies,
    .heads = heads,
    .configure = configure,
    .max_length = max_length,
    .state_size = sizeof(albert),
    .build = build,
    .pooler = "pooler",
    .embed = bert_post_norm_embed,
    .block = block,
};
