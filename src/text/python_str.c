#include "text/python_str.h"
#include "text/code_points.h"

enum { CAPITAL_I_DOT = 0x130, DOT = 0x307, SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2 };

const bert_python_char *bert_python_char_of(uint32_t c) {
    int low = 0, high = bert_python_chars_count; /* the element is in [low, high) */
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        if (bert_python_chars[middle].first <= c)
            low = middle;
        else
            high = middle;
    }
    return &bert_python_chars[low];
}

/* The flags of the first code point that may not be ignored; 0 where the text ends before. */
static int next_flags(const uint8_t *p, const uint8_t *end) {
    int flags = BERT_PYTHON_IGNORABLE;
    while (p < end && flags & BERT_PYTHON_IGNORABLE)
        flags = (int)bert_python_char_of(bert_utf8_next(&p, end))->flags;
    return flags;
}

size_t bert_python_lower(const char *text, size_t n, char *out) {
    const uint8_t *p = (const uint8_t *)text, *end = p + n;
    uint8_t *to = (uint8_t *)out;
    int before = 0; /* flags of the last code point that may not be ignored */
    while (p < end) {
        const uint32_t c = bert_utf8_next(&p, end);
        const bert_python_char *k = bert_python_char_of(c);
        uint32_t low = (uint32_t)((int32_t)c + k->lower);
        if (c == SIGMA && before & BERT_PYTHON_CASED && !(next_flags(p, end) & BERT_PYTHON_CASED))
            low = FINAL_SIGMA;
        to += bert_utf8_put(low, to);
        if (c == CAPITAL_I_DOT) to += bert_utf8_put(DOT, to);
        if (!(k->flags & BERT_PYTHON_IGNORABLE)) before = (int)k->flags;
    }
    return (size_t)(to - (uint8_t *)out);
}
