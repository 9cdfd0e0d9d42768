/* The trunk of a model, whatever its family: embeddings, blocks, and the one forward pass through
 * them. */
#ifndef BERT_MODELS_TRUNK_H
#define BERT_MODELS_TRUNK_H
#include "models/arch.h"

typedef struct {
    const bert_arch *arch;
    int32_t layers;
    bert_param *words;  /* the table of word embeddings, which is the decoder of masked words too */
    bert_linear pooler; /* weight NULL: there is none */
    bert_act pooler_act;
    void *state;       /* the family's own */
    bert_arena memory; /* state, and what it points to */
} bert_trunk;

/* Creates the trunk's parameters; prefix is put in front of each name; own: the family's own
 * configuration. To be freed in any case. */
int bert_trunk_new(bert_params *ps, const bert_arch *arch, const bert_config *c, const void *own,
                   const char *prefix, bert_trunk *k, bert_error *e);
int bert_trunk_add_pooler(bert_params *ps, const bert_config *c, const void *own,
                          const char *prefix, bert_trunk *k, bert_error *e);
static inline bool bert_trunk_pools(const bert_trunk *k) {
    return k->pooler.weight || k->arch->first_row_pools;
}
void bert_trunk_free(bert_trunk *k);

/* The forward pass. watch may be NULL. On a tape that records nothing the memory of each layer is
 * taken back as soon as its result is there. */
bert_tensor *bert_trunk_forward(bert_tape *t, const bert_trunk *k, const bert_inputs *inputs,
                                const bert_watch *watch);

/* The same a layer at a time. */
typedef struct {
    const bert_trunk *trunk;
    bert_inputs in;
    const bert_watch *watch;
    int32_t layer, layers; /* the next one, and how many there are */
    bert_arena_mark mark;
    bert_tensor *x; /* so far; NULL: the tape has failed */
} bert_trunk_walk;
/* Computes the embeddings. inputs' arrays and *watch must stay where they are. */
void bert_trunk_begin(bert_tape *t, const bert_trunk *k, const bert_inputs *inputs,
                      const bert_watch *watch, bert_trunk_walk *w);
/* Computes a layer; whether there is another one. */
bool bert_trunk_step(bert_tape *t, bert_trunk_walk *w);
#endif
