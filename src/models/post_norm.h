/* Layers as BERT has them, a LayerNorm after each residual, and embeddings as it has them: of
 * words and (where the family has them) positions and types. BERT, RoBERTa, DistilBERT and others
 * differ in names, in what counts as a position, in the width of the embeddings, and in what is
 * added to the scores of attention. */
#ifndef BERT_MODELS_POST_NORM_H
#define BERT_MODELS_POST_NORM_H
#include "models/builder.h"
#include "models/config.h"
#include "models/inner_layer.h"
#include "models/pass.h"

typedef struct {
    /* Without prefix and without ".weight" or ".bias"; NULL: there are no positions, no types. */
    const char *word, *position, *token_type, *embeddings_norm;
    /* From the embeddings' width to the hidden size; NULL: they are one. It stands behind the
     * LayerNorm and has a bias, or in front of it and has none. */
    const char *project;
    bool project_first;
    /* "%d" is the layer. key NULL: query is all three, one below another. */
    const char *query, *key, *value, *attention_output, *attention_norm;
    const char *intermediate, *output, *output_norm;
    /* A gated inner layer: which half is activated, and the second half, NULL: intermediate is
     * both. */
    bert_gate gate;
    const char *second_half;
    /* Products without a bias: queries, keys and values; theirs and attention's output; and so on. */
    bool unbiased_qkv, unbiased_attention, unbiased_inner, unbiased_output;
} bert_post_norm_names;

typedef struct {
    bert_linear qkv[3], attention_output;
    bert_layer_norm attention_norm;
    bert_inner_layer inner;
    bert_layer_norm output_norm;
} bert_post_norm_layer;

typedef struct {
    bert_param *word, *position, *token_type; /* NULL: none */
    bert_layer_norm embeddings_norm;
    bert_linear project; /* weight NULL: none */
    bool project_first;
    bert_post_norm_layer *layers;
    int qkv; /* linears that are queries, keys and values: 3, or one for all */
    bert_attention_spec attention;
    float embeddings_dropout;
    float attention_output_dropout, output_dropout; /* of a layer's halves */
    int32_t padding;                                /* of bert_pass_positions() */
} bert_post_norm;

/* Rows of config.json's keys under BERT's names, with what families differ in: defaults of
 * vocabulary and padding id, the least padding id and number of positions. */
#define BERT_POST_NORM_KEYS(vocab, pad, least_pad, least_positions)                                \
    BERT_INT("vocab_size", vocab_size, vocab, 1, BERT_MAX_VOCAB),                                  \
        BERT_POST_NORM_SIZES(768, 12, 12, 3072),                                                   \
        BERT_INT("max_position_embeddings", max_position_embeddings, 512, least_positions,         \
                 BERT_MAX_POSITIONS),                                                              \
        BERT_INT("type_vocab_size", type_vocab_size, 2, 1, BERT_MAX_WIDTH),                        \
        BERT_INT("pad_token_id", pad_token_id, pad, least_pad, BERT_MAX_VOCAB),                    \
        BERT_STRING("hidden_act", hidden_act, "gelu"), BERT_POST_NORM_DROPOUTS(0.1),               \
        BERT_FLOAT("classifier_dropout", classifier_dropout, -1, 0, 0.999),                        \
        BERT_POST_NORM_REST(1e-12)
/* Parts of them, for families with other defaults. */
#define BERT_POST_NORM_SIZES(hidden, layers, heads, inner)                                         \
    BERT_INT("hidden_size", hidden_size, hidden, 1, BERT_MAX_WIDTH),                               \
        BERT_INT("num_hidden_layers", num_hidden_layers, layers, 1, BERT_MAX_LAYERS),              \
        BERT_INT("num_attention_heads", num_attention_heads, heads, 1, BERT_MAX_WIDTH),            \
        BERT_INT("intermediate_size", intermediate_size, inner, 1, BERT_MAX_WIDTH * 4)
#define BERT_POST_NORM_DROPOUTS(p)                                                                 \
    BERT_PROBABILITY("hidden_dropout_prob", hidden_dropout_prob, p),                               \
        BERT_PROBABILITY("attention_probs_dropout_prob", attention_probs_dropout_prob, p)
#define BERT_POST_NORM_REST(eps)                                                                   \
    BERT_FLOAT("initializer_range", initializer_range, 0.02, 0, 1e3),                              \
        BERT_FLOAT("layer_norm_eps", layer_norm_eps, eps, 0, 1),                                   \
        BERT_BOOL("tie_word_embeddings", tie_word_embeddings, true)
/* Decoders and relative positions are other models under the same model_type. */
extern const bert_config_fixed bert_post_norm_fixed[];
/* BERT's names, which others have too. */
extern const bert_post_norm_names bert_post_norm_bert;

/* Fills *s with padding -1: bert_post_norm_begin(), embeddings of the hidden size, layers. */
int bert_post_norm_build(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s);
/* Its parts. begin makes no parameters; layers are s->layers[0 .. num_hidden_layers - 1]. */
int bert_post_norm_begin(bert_builder *b, bert_post_norm *s);
int bert_post_norm_embeddings(bert_builder *b, const bert_post_norm_names *names, int32_t width,
                              bert_post_norm *s);
int bert_post_norm_layer_new(bert_builder *b, const bert_post_norm_names *names, int layer,
                             bert_post_norm_layer *l);
int bert_post_norm_layers(bert_builder *b, const bert_post_norm_names *names, bert_post_norm *s);
/* Positions as RoBERTa has them, of words whose padding is this id. */
void bert_post_norm_count_from(bert_post_norm *s, int32_t padding);

bert_trunk_embed_fn bert_post_norm_embed; /* LayerNorm(word + type + position), dropout */
bert_trunk_block_fn bert_post_norm_block;
/* A layer whose attention is spec; and of its queries, keys and values. */
bert_tensor *bert_post_norm_apply(bert_tape *t, const bert_post_norm *s,
                                  const bert_post_norm_layer *l, const bert_attention_spec *spec,
                                  bert_tensor *x, const bert_pass *pass);
bert_tensor *bert_post_norm_attend(bert_tape *t, const bert_post_norm *s,
                                   const bert_post_norm_layer *l, const bert_attention_spec *spec,
                                   bert_tensor *qkv, bert_tensor *x, const bert_pass *pass);
#endif
