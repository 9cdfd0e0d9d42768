/* What others have of BERT as it is: its heads and their names. */
#ifndef BERT_MODELS_ARCH_BERT_H
#define BERT_MODELS_ARCH_BERT_H
#include "models/arch.h"

extern const bert_copy bert_copies_bert[];
extern const bert_arch_head bert_heads_bert[];
int bert_configure_bert(const bert_config *c, const void *own, const char *head,
                        bert_head_layout *layout, bert_error *e);
#endif
