/* SQuAD's own measures: exact match and F1 of two answers, as its evaluation scripts have them in
 * Python (text/python_str.h). */
#ifndef BERT_DATA_METRIC_SQUAD_H
#define BERT_DATA_METRIC_SQUAD_H
#include <bert.h>

/* Lowercase, without punctuation and the articles a, an and the, white space as single spaces: n
 * bytes and a NUL, malloc'ed; NULL: out of memory. */
char *bert_squad_normalize(const bert_text *text, size_t *n);
/* The best over n gold answers, 0 to 1. version_2: two answers without a word are alike, and a gold
 * one without a word does not count beside others, as the script of SQuAD 2.0 has it. Negative: out
 * of memory. */
double bert_squad_exact(const bert_text *answer, const bert_text *gold, int n, bool version_2);
double bert_squad_f1(const bert_text *answer, const bert_text *gold, int n, bool version_2);
#endif
