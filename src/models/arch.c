#include "models/arch.h"
#include "base/error.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Bounds that are far above every published model and far below what could overflow a product. */
enum { MAX_VOCAB = 1 << 24, MAX_WIDTH = 1 << 16, MAX_LAYERS = 1 << 10, MAX_POSITIONS = 1 << 20 };

#define INT(field, def, min, max)                                                                  \
    { #field, BERT_KEY_INT, offsetof(bert_config, field), min, max, def, NULL }
#define FLOAT(field, def, min, max)                                                                \
    { #field, BERT_KEY_FLOAT, offsetof(bert_config, field), min, max, def, NULL }
#define STRING(field, def)                                                                         \
    { #field, BERT_KEY_STRING, offsetof(bert_config, field), 0, 0, 0, def }
#define BOOL(field, def)                                                                           \
    { #field, BERT_KEY_BOOL, offsetof(bert_config, field), 0, 0, def, NULL }
#define PROBABILITY(field, def) FLOAT(field, def, 0, 0.999)

static const bert_config_key bert_keys[] = {
    INT(vocab_size, 30522, 1, MAX_VOCAB),
    INT(hidden_size, 768, 1, MAX_WIDTH),
    INT(num_hidden_layers, 12, 1, MAX_LAYERS),
    INT(num_attention_heads, 12, 1, MAX_WIDTH),
    INT(intermediate_size, 3072, 1, MAX_WIDTH * 4),
    INT(max_position_embeddings, 512, 1, MAX_POSITIONS),
    INT(type_vocab_size, 2, 1, MAX_WIDTH),
    INT(pad_token_id, 0, -1, MAX_VOCAB),
    STRING(hidden_act, "gelu"),
    PROBABILITY(hidden_dropout_prob, 0.1),
    PROBABILITY(attention_probs_dropout_prob, 0.1),
    FLOAT(classifier_dropout, -1, 0, 0.999),
    FLOAT(initializer_range, 0.02, 0, 1e3),
    FLOAT(layer_norm_eps, 1e-12, 0, 1),
    BOOL(tie_word_embeddings, true),
    {0},
};

/* Decoders and relative positions are other models under the same model_type. */
static const bert_config_fixed bert_fixed[] = {
    {"is_decoder", "false"},
    {"add_cross_attention", "false"},
    {"position_embedding_type", "\"absolute\""},
    {0},
};

/* The decoder of masked words is the table of word embeddings, unless it differs; its bias has a
 * second name, under which it counts, as in transformers. */
static const bert_copy bert_copies[] = {
    {.name = "cls.predictions.decoder.weight", .original = "embeddings.word_embeddings.weight"},
    {.name = "cls.predictions.decoder.bias", .original = "cls.predictions.bias", .counts = true},
    {0},
};

static int32_t position_zero(const bert_config *c) {
    (void)c;
    return 0;
}

const bert_arch bert_archs[] = {
    {
        .model_type = "bert",
        .class_prefix = "Bert",
        .prefix = "bert.",
        .keys = bert_keys,
        .fixed = bert_fixed,
        .embeddings = {"embeddings.word_embeddings", "embeddings.position_embeddings",
                       "embeddings.token_type_embeddings", "embeddings.LayerNorm"},
        .layer = {"encoder.layer.%d.attention.self.query", "encoder.layer.%d.attention.self.key",
                  "encoder.layer.%d.attention.self.value",
                  "encoder.layer.%d.attention.output.dense",
                  "encoder.layer.%d.attention.output.LayerNorm",
                  "encoder.layer.%d.intermediate.dense", "encoder.layer.%d.output.dense",
                  "encoder.layer.%d.output.LayerNorm"},
        .pooler = "pooler.dense",
        .copies = bert_copies,
        .first_position = position_zero,
        .embed = bert_embed_word_position_type,
        .block = bert_block_post_norm,
    },
    {0},
};

const bert_arch *bert_arch_find(const char *model_type, const char *where, bert_error *e) {
    char list[200] = "";
    for (const bert_arch *a = bert_archs; a->model_type; a++) {
        if (!strcmp(a->model_type, model_type)) return a;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", a->model_type);
    }
    bert_fail(e, BERT_EUNSUPPORTED, "%s: model_type \"%s\" is not supported; supported: %s", where,
              model_type, list);
    return NULL;
}

const bert_arch *bert_arch_of_class(const char *class_name) {
    for (const bert_arch *a = bert_archs; a->model_type; a++) {
        size_t n = strlen(a->class_prefix);
        if (!strncmp(class_name, a->class_prefix, n) &&
            (!strncmp(class_name + n, "For", 3) || !strcmp(class_name + n, "Model")))
            return a;
    }
    return NULL;
}
