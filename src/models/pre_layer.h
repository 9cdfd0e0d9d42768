/* A layer of words with a LayerNorm in front of attention and of the inner layer, which ModernBERT and
 * ESM have in common. */
#ifndef BERT_MODELS_PRE_LAYER_H
#define BERT_MODELS_PRE_LAYER_H
#include "models/inner_layer.h"
#include "models/pass.h"

typedef struct {
    bert_layer_norm attention_norm; /* weight NULL: none */
    bert_linear qkv[3];
    int qkv_count; /* linears that are queries, keys and values: 3, or one for all */
    bert_linear attention_output;
    bert_layer_norm inner_norm;
    bert_inner_layer inner;
    const bert_attention_spec *attention;
    float attention_dropout, inner_dropout; /* of what each half adds */
} bert_pre_layer;
bert_tensor *bert_pre_layer_apply(bert_tape *t, const bert_pre_layer *l, bert_tensor *x,
                                  const bert_pass *pass);
#endif
