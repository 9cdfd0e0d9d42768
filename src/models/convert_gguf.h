/* Saving as GGUF, as llama.cpp reads encoders. */
#ifndef BERT_MODELS_CONVERT_GGUF_H
#define BERT_MODELS_CONVERT_GGUF_H
#include "models/convert.h"
#include "models/gguf_form.h"

/* The tokenizer's keys; an error where the model has none that llama.cpp could use. */
int bert_gguf_put_tokenizer(bert_gguf_keys *k, const bert_model *m, bert_error *e);
#endif
