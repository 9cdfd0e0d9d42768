/* A BERT in a GGUF file: its tensors under transformers' names, and the files that a directory would
 * hold beside them. */
#ifndef BERT_FILES_GGUF_BERT_H
#define BERT_FILES_GGUF_BERT_H
#include "files/gguf.h"
#include "files/tensors.h"
#include <jansson.h>

extern const bert_tensor_format bert_gguf_format;

/* BERT_EUNSUPPORTED where the file holds another model than a BERT. */
int bert_gguf_check_bert(const bert_gguf *g, bert_error *e);
/* llama.cpp calls DistilBERT a bert, too; it has no token types. */
bool bert_gguf_is_distilbert(const bert_gguf *g);
/* A classifier that can be computed: with the layer in front of it. */
bool bert_gguf_has_classifier(const bert_gguf *g);

/* Parts, malloc'ed text; NULL and an error. */
char *bert_gguf_config(const bert_gguf *g, bert_error *e);
char *bert_gguf_tokenizer_config(const bert_gguf *g, bert_error *e);
char *bert_gguf_vocabulary(const bert_gguf *g, bert_error *e);
/* tokenizer.json, of those that are no WordPiece, and the configuration beside it. */
char *bert_gguf_tokenizer(const bert_gguf *g, bert_error *e);
char *bert_gguf_tokenizer_json_config(const bert_gguf *g, bert_error *e);
char *bert_gguf_modules(const bert_gguf *g, bert_error *e);
char *bert_gguf_pooling(const bert_gguf *g, bert_error *e);
bool bert_gguf_has_pooling(const bert_gguf *g);
bool bert_gguf_has_vocabulary(const bert_gguf *g); /* one of WordPiece */
#endif
