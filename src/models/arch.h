/* An architecture: what a family of encoders is made of. One file a family (arch_<family>.c) and a
 * row in the table of arch.c. */
#ifndef BERT_MODELS_ARCH_H
#define BERT_MODELS_ARCH_H
#include "models/builder.h"
#include "models/config.h"
#include "models/pass.h"

/* A tensor that repeats another one: it is not written unless it differs, and stands in for it
 * where a file has no other, or, where it counts, in any case. */
typedef struct {
    const char *name, *original;
    bool counts;
} bert_copy;

/* Another way to spell names of tensors: part of ours, and what stands there; all rows are applied. */
typedef struct {
    const char *ours, *theirs;
} bert_other_name;

/* Tensors that files may have in vain, by what their names begin with behind the prefix. */
typedef struct {
    const char *begins;
    bool kept;        /* saved as they were: others read them */
    const char *says; /* a note where a file has one; NULL: nothing is said */
} bert_ignored;

/* A stock head as the family has it: its class in transformers, and how its layers are called. */
typedef struct {
    const char *head;       /* "sequence-classification"; NULL ends the rows */
    const char *class_name; /* without the family's: "ForSequenceClassification" */
    bool pooler;            /* reads the pooler's output */
    bert_head_layout layout;
} bert_arch_head;

typedef struct bert_arch {
    const char *model_type; /* config.json's name */
    const char
        *class_prefix;  /* of transformers' classes: "Bert" of BertForSequenceClassification */
    const char *prefix; /* base_model_prefix with its dot, in front of the trunk's names */
    const char *other_prefix; /* that files may have in its place; NULL: none */
    /* What names of tensors begin with behind the prefix: those of the embeddings, and of a layer
     * up to its number. */
    const char *embeddings, *layers;
    /* How names of a layer's tensors go on behind its number: all of these, and no other family
     * whose layers are called so has them all. NULL: the names in front say enough. */
    const char *signs[2];
    const bert_ignored *ignored; /* a row of NULLs ends; NULL: none */
    /* Of two rows of one model_type: this one is meant where config.json has this value of this
     * key. It stands behind the plain one, whose when is NULL. */
    const char *when, *is;
    const bert_config_alias *aliases; /* other names of keys; a row of NULLs ends. NULL: none */
    const bert_config_key *keys;      /* how config.json is read; ends with a NULL name */
    const bert_config_fixed *fixed;   /* what config.json must not change; likewise */
    /* What no row of keys says: defaults that depend on others, keys within keys. NULL: nothing. */
    int (*complete)(const json_t *json, const char *where, bert_config *c, void *own,
                    bert_error *e);
    size_t own_size;         /* bytes of a configuration of its own, for keys that say own */
    const bert_copy *copies; /* a row of NULLs ends */
    const bert_other_name *other_names; /* a row of NULLs ends; NULL: none */
    const bert_arch_head *heads;
    /* What of a head's layout the configuration decides: dropouts, activation. NULL: nothing. */
    int (*configure)(const bert_config *c, const void *own, const char *head,
                     bert_head_layout *layout, bert_error *e);

    int32_t (*max_length)(const bert_config *c); /* tokens a sequence may have */
    size_t state_size; /* of what build keeps for embed, block and finish */
    /* Makes the parameters, in the order in which files have them: b->words, and what the
     * family's state points to. */
    int (*build)(bert_builder *b, void *state);
    const char *pooler; /* name of the pooler's linear, or NULL: the family has none */
    /* How wide its output is, and its activation; NULL: H, tanh. */
    int (*pooler_shape)(const bert_config *c, const void *own, int32_t *size, bert_act *act,
                        bert_error *e);
    bool first_row_pools;              /* the pooler's output is the first token as it is */
    const struct bert_gguf_form *gguf; /* as which it is written for llama.cpp; NULL: it is not */
    bert_trunk_embed_fn *embed;
    bert_trunk_block_fn *block;
    bert_trunk_finish_fn *finish; /* after the last block; NULL: nothing */
    bool finishes_apart;          /* the last of the hidden states is that before it */
} bert_arch;

extern const bert_arch *const bert_archs[]; /* ends with NULL */
/* BERT_EUNSUPPORTED names the type and the supported ones. */
const bert_arch *bert_arch_find(const char *model_type, const char *where, bert_error *e);
/* The row whose class_prefix begins an architecture name such as "BertForMaskedLM", or NULL. */
const bert_arch *bert_arch_of_class(const char *class_name);
/* The family's row of a stock head, by the head's name or by the class without the family's; NULL:
 * the family has none. */
const bert_arch_head *bert_arch_head_find(const bert_arch *a, const char *head);
const bert_arch_head *bert_arch_head_of_class(const bert_arch *a, const char *class_name);
#endif
