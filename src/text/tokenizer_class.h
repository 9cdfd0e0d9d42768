/* tokenizer_class: what a checkpoint's tokenizer is, whatever its files look like. */
#ifndef BERT_TEXT_TOKENIZER_CLASS_H
#define BERT_TEXT_TOKENIZER_CLASS_H
#include <bert.h>
#include <jansson.h>

/* Whether files that look like BERT's WordPiece are meant to be read as that. config:
 * tokenizer_config.json, model: config.json, where an older checkpoint names the class; either may
 * be NULL. whole: there is a tokenizer.json, which says everything but what a class does in code.
 * BERT_EUNSUPPORTED names the class; path: the tokenizer's file, for the message. */
int bert_tokenizer_class_check(const json_t *config, const json_t *model, bool whole,
                               const char *path, bert_error *e);
#endif
