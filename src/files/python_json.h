/* JSON as Python's json module writes and reads it, beyond RFC 8259. */
#ifndef BERT_FILES_PYTHON_JSON_H
#define BERT_FILES_PYTHON_JSON_H
#include <bert.h>

/* A copy of the text with what the standard does not know in its terms: NaN is null; Infinity, and
 * a number that no double holds, 1e308 with its sign; an integer that no 64 bits hold a real; half
 * of a surrogate pair, \ud83d, \ufffd. Lines and columns stay, but for a column more behind each
 * NaN. malloc'ed; NULL where there is nothing of the kind, or no memory (which is in e). */
char *bert_python_json(const char *text, size_t bytes, size_t *out_bytes, bert_error *e);
/* How many columns an error at byte `position` of that copy lies too far to the right. */
int bert_python_json_shift(const char *text, size_t bytes, size_t position);
#endif
