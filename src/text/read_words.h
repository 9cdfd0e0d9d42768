/* Readers of the tokenizers that are not BERT's: the words of a text, cut without taking it through
 * all steps, and found in the cache by their bytes. */
#ifndef BERT_TEXT_READ_WORDS_H
#define BERT_TEXT_READ_WORDS_H
#include "text/tokenization.h"

typedef void bert_read_fn(bert_tokenization *tok, const uint8_t *p, const uint8_t *end);
/* Reads a text around the added tokens of a trie (tokenize.c). */
void bert_read_around(bert_tokenization *tok, const bert_trie *trie, const uint8_t *p,
                      const uint8_t *end, bert_read_fn *read);

/* A piece of a text between added tokens that are found in the text as it is. */
void bert_read_words(bert_tokenization *tok, const uint8_t *p, const uint8_t *end);
#endif
