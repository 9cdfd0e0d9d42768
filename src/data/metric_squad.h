/* SQuAD's own measures: exact match and F1 of two answers, as its evaluation scripts have them. */
#ifndef BERT_DATA_METRIC_SQUAD_H
#define BERT_DATA_METRIC_SQUAD_H
#include <stdbool.h>
#include <stddef.h>

/* Lowercase, without punctuation and the articles a, an and the, white space as single spaces. out
 * holds 8 * strlen(text) + 8 bytes; returns the length. */
size_t bert_squad_normalize(const char *text, char *out);
/* The best over n gold answers, 0 to 1. version_2: two answers without a word are alike, and a gold
 * one without a word does not count beside others, as the script of SQuAD 2.0 has it. Negative: out
 * of memory. */
double bert_squad_exact(const char *answer, const char *const *gold, int n, bool version_2);
double bert_squad_f1(const char *answer, const char *const *gold, int n, bool version_2);
#endif
