/* Lower case before a tokenizer that keeps case: the normaliser that sentence-transformers puts in
 * front of it. */
#include "text/code_points.h"
#include "text/tokenizer.h"
#include <string.h>

enum { DOTTED_I = 0x130, DOT_ABOVE = 0x307 };

static size_t lower(const uint8_t *p, const uint8_t *end, uint8_t *out) {
    size_t n = 0;
    while (p < end) {
        const uint32_t c = bert_utf8_next(&p, end);
        n += (size_t)bert_utf8_put(c + (uint32_t)bert_unicode_of(c)->lower, out + n);
        if (c == DOTTED_I) n += (size_t)bert_utf8_put(DOT_ABOVE, out + n);
    }
    return n;
}

size_t bert_tokenizer_lower(const bert_tokenizer *t, const char *text, size_t n, char *out) {
    const uint8_t *p = (const uint8_t *)text;
    uint8_t *o = (uint8_t *)out;
    bert_matcher m = {.t = t, .trie = &t->raw, .text = p, .n = n};
    size_t done = 0, start, stop, used = 0;
    while (t->n_raw && bert_match_next(&m, &start, &stop) >= 0) {
        used += lower(p + done, p + start, o + used);
        memcpy(o + used, p + start, stop - start);
        used += stop - start;
        done = stop;
    }
    return used + lower(p + done, p + n, o + used);
}
