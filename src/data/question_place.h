/* Where in a context an answer is, if not where its row says. */
#ifndef BERT_DATA_QUESTION_PLACE_H
#define BERT_DATA_QUESTION_PLACE_H
#include <bert.h>

typedef enum {
    BERT_PLACE_RIGHT, /* where it is said to be */
    BERT_PLACE_FOUND, /* elsewhere */
    BERT_PLACE_NONE   /* not in the context, or more than once */
} bert_place;

/* text without white space at its ends, as str.strip() of Python has it: a part of text. */
bert_text bert_stripped(const bert_text *text);

/* span: first and last + 1 code point of the answer, which is not blank; white space at its ends
 * is not part of it, and white space of any kind and length is alike. start: the code point where
 * the row says that it begins, of any value. It is the answer's place if the text is there; else
 * if it is, counted in UTF-16 units or in bytes. Else the text is looked for: it is found where it
 * is once as whole words, or once at all, or once in the words that [start, end) touches, which is
 * where run_squad.py looks. */
bert_place bert_place_answer(const bert_text *context, const bert_text *answer, int64_t start,
                             int32_t span[2]);
#endif
