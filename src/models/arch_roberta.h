/* What MPNet and ESM share with RoBERTa: its heads, and which of their parameters are the encoder's. */
#ifndef BERT_MODELS_ARCH_ROBERTA_H
#define BERT_MODELS_ARCH_ROBERTA_H
#include "models/arch.h"

extern const bert_copy bert_roberta_copies[];
/* The heads that all of them have. */
#define BERT_ROBERTA_HEADS                                                                         \
    {"sequence-classification",                                                                    \
     "ForSequenceClassification",                                                                  \
     false,                                                                                        \
     {.dense = "classifier.dense", .act = BERT_ACT_TANH, .output = "classifier.out_proj"}},        \
        {"token-classification", "ForTokenClassification", false, {.output = "classifier"}}, {     \
        "masked-lm", "ForMaskedLM", false, {                                                       \
            .dense = "lm_head.dense", .act = BERT_ACT_GELU, .norm = "lm_head.layer_norm",          \
            .bias = "lm_head.bias", .decoder = "lm_head.decoder.weight"                            \
        }                                                                                          \
    }
extern const bert_arch_head bert_roberta_heads[];
#endif
