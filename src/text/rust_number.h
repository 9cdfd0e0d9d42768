/* Numbers as the `tokenizers` library reads them from JSON: its parser (serde_json without
 * float_roundtrip) takes the digits as one integer and divides once, which in a quarter of the scores
 * of a Unigram model is the neighbour of the nearest number. Ties between pieces hang on that. */
#ifndef BERT_TEXT_RUST_NUMBER_H
#define BERT_TEXT_RUST_NUMBER_H
#include <stddef.h>

/* Of a number as JSON spells them. */
double bert_rust_number(const char *text, size_t n);
/* The shortest text that is read there as x, which is finite; as C spells it where there is none. A
 * whole number has a point, too. */
enum { BERT_NUMBER_TEXT = 40 };
void bert_rust_spell(double x, char text[BERT_NUMBER_TEXT]);
#endif
