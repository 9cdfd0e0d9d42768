/* A place in a text, found by counting code points: quickly where what is asked next is not before
 * what was asked last. */
#ifndef BERT_TEXT_CODE_PLACE_H
#define BERT_TEXT_CODE_PLACE_H
#include "text/code_points.h"

typedef struct {
    const uint8_t *begin, *end, *at;
    int32_t point; /* that `at` is the begin of */
} bert_code_place;

static inline bert_code_place bert_code_place_of(const char *text, size_t bytes) {
    const uint8_t *p = (const uint8_t *)text;
    return (bert_code_place){p, bytes ? p + bytes : p, p, 0};
}

/* Moves to a code point, or the text's end: bytes in front of it. */
static inline size_t bert_code_place_to(bert_code_place *p, int32_t point) {
    if (point < p->point) *p = (bert_code_place){p->begin, p->end, p->begin, 0};
    for (; p->point < point && p->at < p->end; p->point++) bert_utf8_next(&p->at, p->end);
    return (size_t)(p->at - p->begin);
}
#endif
