/* Bytes as characters, and the words that a byte-level tokenizer cuts a text into. */
#ifndef BERT_TEXT_BYTE_LEVEL_H
#define BERT_TEXT_BYTE_LEVEL_H
#include <stddef.h>
#include <stdint.h>

/* The character that stands for a byte, and back: -1, none. */
uint32_t bert_byte_char(uint8_t byte);
int bert_char_byte(uint32_t c);

/* Where the word that begins at p < end ends, by
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
const uint8_t *bert_byte_level_word(const uint8_t *p, const uint8_t *end);
#endif
