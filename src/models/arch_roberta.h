/* What MPNet shares with RoBERTa: its heads, and which of their parameters are the encoder's. */
#ifndef BERT_MODELS_ARCH_ROBERTA_H
#define BERT_MODELS_ARCH_ROBERTA_H
#include "models/arch.h"

extern const bert_copy bert_roberta_copies[];
extern const bert_arch_head bert_roberta_heads[];
#endif
