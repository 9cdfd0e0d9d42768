/* The vocabulary of a tokenizer.json, read without a tree: it is nearly all of the file, and a tree
 * of it would take most of the tool's start. */
#ifndef BERT_TEXT_JSON_VOCAB_H
#define BERT_TEXT_JSON_VOCAB_H
#include "text/load.h"

/* Finds model.vocab, an object or an array, in JSON text. False if there is none, or where the text is so broken
 * that a parser should say how. */
bool bert_find_json_vocab(const char *text, size_t bytes, size_t *start, size_t *stop);

/* Adds {"token": id, ...}, which text[0 .. bytes) is, to the vocabulary. */
int bert_load_json_vocab(bert_tokenizer *t, const char *text, size_t bytes, const char *where,
                         bert_error *e);
/* The same of [["piece", score], ...], as a Unigram model has it, whose scores are what the
 * `tokenizers` library reads there (rust_number.h): *scores, by id, which is the caller's to free. text has
 * something that is no number behind it. */
int bert_load_json_pieces(bert_tokenizer *t, const char *text, size_t bytes, double **scores,
                          const char *where, bert_error *e);
#endif
