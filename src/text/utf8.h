/* Texts that are UTF-8. */
#ifndef BERT_TEXT_UTF8_H
#define BERT_TEXT_UTF8_H
#include <stdbool.h>
#include <stdint.h>

/* Whether p .. end is UTF-8: no code point is cut, too long, a surrogate or past U+10FFFF. */
bool bert_utf8_is_whole(const uint8_t *p, const uint8_t *end);
#endif
