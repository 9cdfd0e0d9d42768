/* Linear layers in files of their own beside a model: bge-m3's sparse_linear.pt and
 * colbert_linear.pt. */
#ifndef BERT_MODELS_BESIDE_H
#define BERT_MODELS_BESIDE_H
#include "models/modules.h"

bool bert_beside_has(const bert_pretrained *from, const char *name);
/* Adds it as a module with that activation of torch's (NULL: none). What cannot be read is put into
 * refused; memory alone is an error. */
int bert_beside_linear(const bert_pretrained *from, const char *name, const char *act,
                       bert_modules *modules, bert_error *refused, bert_error *e);
/* *why is kept in refused, but that memory is short, which is an error. */
int bert_beside_refuse(bert_error *refused, const bert_error *why, bert_error *e);
#endif
