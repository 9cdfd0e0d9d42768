/* What config.json says of rotary position embeddings. */
#ifndef BERT_MODELS_ROPE_H
#define BERT_MODELS_ROPE_H
#include "models/builder.h"
#include <jansson.h>

typedef struct {
    float theta;
    float factor;  /* of NTK scaling; 1: none */
    float stretch; /* positions are divided by it; 1: not */
} bert_rope;
#define BERT_ROPE_UNSCALED(its_theta) ((bert_rope){.theta = (its_theta), .factor = 1, .stretch = 1})

/* Members of an object such as rope_parameters or rope_scaling; absent ones leave *r as it is. A
 * type that is not known is BERT_EUNSUPPORTED. "dynamic" is no scaling
 * up to max_position_embeddings, and no text may be longer. object NULL: nothing. */
int bert_rope_read(const json_t *object, const char *where, bert_rope *r, bert_error *e);
/* The tables of a model's heads, as many places as it has positions. */
int bert_rope_build(bert_builder *b, bert_rope rope, const bert_rotation **r);
#endif
