/* A text through every step of a tokenizer, whatever they are: exact, and slower than the readers of
 * their own that the usual tokenizers have. */
#ifndef BERT_TEXT_PIPE_H
#define BERT_TEXT_PIPE_H
#include "text/tokenization.h"

/* Reads the text from p to end into tok->piped: offsets are code points from p on, and
 * tok->char_bytes[k] is the byte where the k-th begins. */
void bert_pipe_read(bert_tokenization *tok, const uint8_t *p, const uint8_t *end);
/* Puts what bert_pipe_read() read from p on behind the tokens there are. */
void bert_pipe_put(bert_tokenization *tok, const uint8_t *p, const uint8_t *end);
/* Both; and words that follow one another are numbered. */
void bert_pipe(bert_tokenization *tok, const uint8_t *p, const uint8_t *end);
/* Room for n more tokens. */
bool bert_tokens_reserve(bert_tokens *o, size_t n);
#endif
