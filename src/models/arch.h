/* The table of architectures: everything that differs between the members of the encoder family.
 * Adding one adds a row (and a function where it computes something no other member does). */
#ifndef BERT_MODELS_ARCH_H
#define BERT_MODELS_ARCH_H
#include "models/config.h"
#include "models/trunk.h"

/* A tensor that repeats another one: it is not written unless it differs, and stands in for it
 * where a file has no other, or, where it counts, in any case. */
typedef struct {
    const char *name, *original;
    bool counts;
} bert_copy;

struct bert_arch {
    const char *model_type; /* config.json's name */
    const char
        *class_prefix;  /* of transformers' classes: "Bert" of BertForSequenceClassification */
    const char *prefix; /* base_model_prefix with its dot, in front of the trunk's names */
    const bert_config_key *keys;    /* how config.json is read; ends with a NULL name */
    const bert_config_fixed *fixed; /* what config.json must not change; likewise */

    /* Parameter names without prefix and without ".weight" or ".bias"; %d is the layer. */
    struct {
        const char *word, *position, *token_type, *norm;
    } embeddings;
    struct {
        const char *query, *key, *value, *attention_output, *attention_norm;
        const char *intermediate, *output, *output_norm;
    } layer;
    const char *pooler;
    const bert_copy *copies; /* a row of NULLs ends */

    /* The position of a sequence's first token; the rows of the position table before it are not
     * usable, so that the sequence limit is max_position_embeddings less this. */
    int32_t (*first_position)(const bert_config *c);
    bert_trunk_embed_fn *embed;
    bert_trunk_block_fn *block;
};

extern const bert_arch bert_archs[]; /* ends with a NULL model_type */
/* BERT_EUNSUPPORTED names the type and the supported ones. */
const bert_arch *bert_arch_find(const char *model_type, const char *where, bert_error *e);
/* The row whose class_prefix begins an architecture name such as "BertForMaskedLM", or NULL. */
const bert_arch *bert_arch_of_class(const char *class_name);
#endif
