/* What config.json says of rotary position embeddings. */
#ifndef BERT_MODELS_ROPE_H
#define BERT_MODELS_ROPE_H
#include "models/builder.h"
#include <jansson.h>

typedef struct {
    float theta;
    const struct bert_rope_scaling *scaling; /* NULL: none */
    float factor;                            /* how much longer texts are than those of training */
    float attention;                         /* cosines and sines are multiplied by it; 0: not */
    float low, high; /* llama3's factors of low and high frequencies; yarn's beta_slow, beta_fast */
    int32_t original; /* positions in training */
    bool whole;       /* yarn's bounds are whole numbers of column pairs */
} bert_rope;

/* Members of an object such as rope_parameters or rope_scaling, as transformers reads them; an
 * absent rope_theta leaves r->theta as it is. A type that is not known, and a part of a head being
 * turned, is BERT_EUNSUPPORTED. "dynamic" is no scaling up to max_position_embeddings, and no text
 * may be longer. object NULL or null: nothing. */
int bert_rope_read(const json_t *object, const char *where, const bert_config *c, bert_rope *r,
                   bert_error *e);
/* The same of a whole config.json whose layers turn alike: rope_theta, and rope_scaling where there
 * is one, else rope_parameters. r->theta is what holds where none of them says so. */
int bert_rope_complete(const json_t *json, const char *where, const bert_config *c, bert_rope *r,
                       bert_error *e);
/* What its scaling is called, as config.json does; NULL: there is none. */
const char *bert_rope_type(const bert_rope *r);
/* Of a file and such a name. */
#define BERT_ROPE_NO_GGUF                                                                          \
    "%s: rotary positions scaled by %s cannot be written into a GGUF file: llama.cpp would scale " \
    "them otherwise"
/* The tables of a model's heads, as many places as it has positions. */
int bert_rope_build(bert_builder *b, bert_rope rope, const bert_rotation **r);
#endif
