/* Text as Python's str has it, for what evaluation scripts do to text: the tokenizer's Unicode
 * (unicode.h) is of another version and has other classes. */
#ifndef BERT_TEXT_PYTHON_STR_H
#define BERT_TEXT_PYTHON_STR_H
#include <stddef.h>
#include <stdint.h>

enum {
    BERT_PYTHON_WORD = 1,     /* \w of re: str.isalnum(), or _ */
    BERT_PYTHON_SPACE = 2,    /* what str.split() splits at */
    BERT_PYTHON_CASED = 4,    /* after one, a sigma may be final */
    BERT_PYTHON_IGNORABLE = 8 /* may stand between the two */
};

/* Of the code points from `first` to that of the next element. */
typedef struct {
    uint32_t first : 24, flags : 8;
    int32_t lower; /* to add for lowercase; U+0130 alone becomes two, i and U+0307 */
} bert_python_char;

extern const bert_python_char bert_python_chars[]; /* python_tables.c */
extern const int bert_python_chars_count;

const bert_python_char *bert_python_char_of(uint32_t c);
/* str.lower() of UTF-8: writes at most 3 * n bytes to out, which is not text; returns how many. */
size_t bert_python_lower(const char *text, size_t n, char *out);
#endif
