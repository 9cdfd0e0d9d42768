/* The Unicode script of a code point (tools/make_script_table.py). */
#ifndef BERT_TEXT_SCRIPTS_H
#define BERT_TEXT_SCRIPTS_H
#include <stddef.h>
#include <stdint.h>

enum { BERT_SCRIPT_ANY = 0 }; /* of marks, which take that of what they stand on */

/* Numbers of no meaning but that equal ones are one script; Hiragana, Katakana and Han are one. */
int bert_script_of(uint32_t c);
#endif
