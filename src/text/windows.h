/* Windows of texts that are longer than a model takes. */
#ifndef BERT_TEXT_WINDOWS_H
#define BERT_TEXT_WINDOWS_H
#include <bert.h>

/* bert_encode, for what has windows to run: an error where max_length leaves no room in them, and
 * the reference gives an empty window and one of the whole text. */
int bert_encode_windows(bert_encoder *enc, const bert_text *text, const bert_encode_options *o,
                        bert_error *e);
/* Windows over the context (the pair) that all begin with the whole question; one that leaves no
 * room for a context is an error that says so. */
int bert_encode_question(bert_encoder *enc, const bert_text *both, int32_t max_length,
                         int32_t stride, bert_error *e);
#endif
