/* The inner layer of a block: up, an activation, or one half that gates the other, and down. */
#ifndef BERT_MODELS_INNER_LAYER_H
#define BERT_MODELS_INNER_LAYER_H
#include <bert_train.h>

typedef struct {
    bert_linear up[2], down;
    int count;      /* of up */
    bert_gate gate; /* BERT_GATE_NONE: there is none */
    bert_act act;
    float dropout; /* of what down is given, where there is a gate */
} bert_inner_layer;
/* And the residual, or NULL. */
bert_tensor *bert_inner_layer_apply(bert_tape *t, const bert_inner_layer *l, bert_tensor *x,
                                    bert_tensor *residual);
#endif
