/* SentencePiece's precompiled map of characters: a trie of what is replaced, and the texts that come
 * instead. */
#ifndef BERT_TEXT_CHARSMAP_H
#define BERT_TEXT_CHARSMAP_H
#include "text/tokenizer.h"

typedef struct {
    uint32_t *units; /* Darts' double array */
    size_t n_units;
    const char *texts; /* each ended by a NUL */
    size_t n_texts;
    const uint8_t *blob; /* as it was read */
    size_t n_blob;
} bert_charsmap;

/* The map of a blob, in the tokenizer's arena. */
bert_charsmap *bert_charsmap_new(bert_tokenizer *t, const void *blob, size_t bytes,
                                 const char *where, bert_error *e);
/* What comes instead of the shortest beginning of the bytes that is replaced; NULL: none is. */
const char *bert_charsmap_find(const bert_charsmap *m, const uint8_t *bytes, size_t n);
#endif
