/* Offsets without the spaces of their tokens. */
#ifndef BERT_TEXT_TRIM_H
#define BERT_TEXT_TRIM_H
#include "text/tokenization.h"

/* Takes the spaces of tokens off the n offsets of a window that begins with token `start`. text: where offsets
 * are bytes; the spaces are characters. */
void bert_trim_offsets(const bert_tokenizer *t, const bert_tokens *s, size_t start, size_t n,
                       const uint8_t *text, int32_t (*offsets)[2]);
#endif
