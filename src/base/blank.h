/* White space within a line, and at its end. */
#ifndef BERT_BASE_BLANK_H
#define BERT_BASE_BLANK_H
#include <stdbool.h>

static inline bool bert_is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
#endif
