/* A pass through the layers, as an architecture sees it: what its functions are given, and who
 * watches. */
#ifndef BERT_MODELS_PASS_H
#define BERT_MODELS_PASS_H
#include <bert_train.h>

/* Who wants to see what passes by. Each function may be NULL. */
typedef struct {
    /* Where the probabilities of the attention of a layer go: [heads, length, length] of each
     * sequence in turn. */
    float *(*attentions)(void *context, int layer);
    /* What leaves the embeddings (layer 0) and each layer (1, 2, ...): [T, H]. */
    int (*hidden)(void *context, int layer, const float *hidden, bert_error *e);
    /* Asked before each layer: other than 0 ends the pass, with that error. */
    int (*check)(void *context, bert_error *e);
    void *context;
    /* Only the first token's row of each sequence is wanted of the last layer: the result is [n, H]
     * and the last layer computes no more than it needs. */
    bool first_rows;
    int32_t skip_layers; /* at the top, which are not computed */
} bert_watch;

/* What a block is given of the pass it is in. */
typedef struct {
    const bert_inputs *in;
    const bert_watch *watch; /* or NULL */
    int layer;
    bool first_rows; /* of this layer */
} bert_pass;

/* [T, H] from the ids of a batch. */
typedef bert_tensor *bert_trunk_embed_fn(bert_tape *t, const void *state, const bert_inputs *in);
/* One layer: [T, H] -> [T, H], or [n, H] when pass->first_rows. */
typedef bert_tensor *bert_trunk_block_fn(bert_tape *t, const void *state, bert_tensor *x,
                                         const bert_pass *pass);
/* What is done with the last layer's result, of [T, H] or [n, H]. */
typedef bert_tensor *bert_trunk_finish_fn(bert_tape *t, const void *state, bert_tensor *x);

/* What the batch brings in the place of looked up rows [rows, cols]; NULL: another shape, the tape
 * has the error. */
bert_tensor *bert_pass_embeds(bert_tape *t, const bert_inputs *in, int32_t rows, int32_t cols);
/* [T, width]: the rows of the table that the ids name, or what the batch brings in their place. */
bert_tensor *bert_pass_words(bert_tape *t, bert_param *table, const bert_inputs *in);

/* Positions of all tokens, each sequence's own. padding >= 0: they begin with the one after it and
 * count tokens that are not this id, which stays at it itself (fairseq's); -1: 0, 1, 2, .. NULL: out
 * of memory. */
int32_t *bert_pass_positions(bert_tape *t, const bert_inputs *in, int32_t padding);

/* Tokens of the longest sequence. */
int32_t bert_inputs_longest(const bert_inputs *in);

/* bert_attention() of a layer, shown to who wants to see its probabilities. For blocks. */
bert_tensor *bert_pass_attention(bert_tape *t, const bert_pass *pass, bert_tensor *qkv,
                                 const bert_attention_spec *spec);
#endif
