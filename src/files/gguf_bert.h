/* A BERT in a GGUF file: its tensors under transformers' names, and the files that a directory would
 * hold beside them. */
#ifndef BERT_FILES_GGUF_BERT_H
#define BERT_FILES_GGUF_BERT_H
#include "files/gguf.h"
#include "files/tensors.h"
#include <jansson.h>

extern const bert_tensor_format bert_gguf_format;

/* What is read of llama.cpp's architectures: bert (RoBERTa and XLM-R too, as which BERT is read),
 * DistilBERT, which it calls a bert, but has no token types, nomic-bert, jina-bert-v2, modern-bert. */
typedef enum {
    BERT_GGUF_BERT,
    BERT_GGUF_DISTILBERT,
    BERT_GGUF_NOMIC,
    BERT_GGUF_JINA,
    BERT_GGUF_MODERN,
    BERT_GGUF_FAMILIES
} bert_gguf_family;
/* BERT_EUNSUPPORTED where the file holds another model. */
int bert_gguf_check_bert(const bert_gguf *g, bert_error *e);
/* Of a file that was checked. */
bert_gguf_family bert_gguf_family_of(const bert_gguf *g);
/* The key of the file's architecture, as "bert.block_count" of "block_count". */
bool bert_gguf_own_integer(const bert_gguf *g, const char *key, int64_t *x);
bool bert_gguf_own_number(const bert_gguf *g, const char *key, double *x);
bool bert_gguf_own_string(const bert_gguf *g, const char *key, bert_gguf_text *x);
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
