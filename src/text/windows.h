/* Windows of texts that are longer than a model takes. */
#ifndef BERT_TEXT_WINDOWS_H
#define BERT_TEXT_WINDOWS_H
#include <bert.h>

/* bert_tokenize, for what has windows to run: an error where max_length leaves no room in them, and
 * the reference gives an empty window and one of the whole text. */
int bert_tokenize_windows(bert_tokenization *tok, const bert_text *text,
                          const bert_tokenize_options *o, bert_error *e);
/* Windows over the context (the pair) that all begin with the whole question; one that leaves no
 * room for a context is an error that says so. */
int bert_tokenize_question(bert_tokenization *tok, const bert_text *both, int32_t max_length,
                           int32_t stride, bert_error *e);
#endif
