/* The vocabulary of a Unigram model in a tokenizer.json. */
#ifndef BERT_TEXT_SAVE_PIECES_H
#define BERT_TEXT_SAVE_PIECES_H
#include "text/tokenizer.h"

/* The document with [piece, score], .. in its empty "vocab", malloc'ed, in the place of text, which is
 * freed; scores as `tokenizers` reads them (rust_number.h). NULL: out of memory. */
char *bert_put_pieces(const bert_tokenizer *t, char *text);
#endif
