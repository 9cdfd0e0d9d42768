/* Text of files in messages: nothing in it moves a terminal's cursor or changes its colours. */
#ifndef BERT_BASE_PRINTABLE_H
#define BERT_BASE_PRINTABLE_H
#include <stddef.h>

/* Copies text with control characters as \n, \x1b and the like, and '?' for what is not UTF-8; cut
 * off where out is full, between characters. */
void bert_printable(char *out, size_t capacity, const char *text);
#endif
