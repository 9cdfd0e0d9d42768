/* The trunk of a model, whatever its family: embeddings, blocks, and the one forward pass through
 * them. */
#ifndef BERT_MODELS_TRUNK_H
#define BERT_MODELS_TRUNK_H
#include "base/arena.h"
#include "models/config.h"
#include <bert_train.h>

typedef struct {
    const bert_arch *arch;
    int32_t layers;
    bert_param *words;  /* the table of word embeddings, which is the decoder of masked words too */
    bert_linear pooler; /* weight NULL: there is none */
    void *state;        /* the family's own */
    bert_arena memory;  /* state, and what it points to */
} bert_trunk;

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
} bert_trunk_watch;

/* What a block is given of the pass it is in. */
typedef struct {
    const bert_inputs *in;
    const bert_trunk_watch *watch; /* or NULL */
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

/* Creates the trunk's parameters; prefix is put in front of each name; own: the family's own
 * configuration. To be freed in any case. */
int bert_trunk_new(bert_params *ps, const bert_arch *arch, const bert_config *c, const void *own,
                   const char *prefix, bert_trunk *k, bert_error *e);
int bert_trunk_add_pooler(bert_params *ps, const bert_config *c, const char *prefix, bert_trunk *k,
                          bert_error *e);
void bert_trunk_free(bert_trunk *k);

/* bert_attention() of a layer, shown to who wants to see its probabilities. For blocks. */
bert_tensor *bert_pass_attention(bert_tape *t, const bert_pass *pass, bert_tensor *qkv,
                                 const bert_attention_spec *spec);

/* The forward pass. watch may be NULL. On a tape that records nothing the memory of each layer is
 * taken back as soon as its result is there. */
bert_tensor *bert_trunk_forward(bert_tape *t, const bert_trunk *k, const bert_inputs *inputs,
                                const bert_trunk_watch *watch);
#endif
