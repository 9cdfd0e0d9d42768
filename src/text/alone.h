/* What the normalizers make of a code point by itself, for words that need not go through all steps.
 */
#ifndef BERT_TEXT_ALONE_H
#define BERT_TEXT_ALONE_H
#include "text/tokenization.h"

/* Of a code point: what it becomes, and flags. An entry of 0 is not known yet. */
enum {
    BERT_ALONE_CHAR = 0x1fffff, /* the code point that takes its place */
    BERT_ALONE_KNOWN = 1 << 24,
    BERT_ALONE = 1 << 25,       /* it becomes one code point, whatever is around it, ... */
    BERT_ALONE_JOINS = 1 << 26, /* ... if one with HOSTS is before it */
    BERT_ALONE_HOSTS = 1 << 27
};

/* Whether a code point joins what is before it in a cluster. */
bool bert_joins_cluster(uint32_t c);
uint32_t bert_alone_find(bert_tokenization *tok, uint32_t c);

static inline uint32_t bert_alone_of(bert_tokenization *tok, uint32_t c) {
    const uint32_t known = tok->alone_chars[c];
    return known ? known : bert_alone_find(tok, c);
}
#endif
