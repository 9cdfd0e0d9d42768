/* What BERT's tokenizer knows of each code point: the table set hf-0.23, frozen because parity
 * needs exactly that mix of Unicode versions (see tools/make_unicode_tables.py). */
#ifndef BERT_TEXT_UNICODE_H
#define BERT_TEXT_UNICODE_H
#include <stdint.h>

#define BERT_UNICODE_SET "hf-0.23"
enum { BERT_UNICODE_BLOCK = 128, BERT_UNICODE_LAST = 0x10ffff, BERT_REPLACEMENT = 0xfffd };

enum {
    BERT_CHAR_REMOVED = 1,     /* clean_text deletes it */
    BERT_CHAR_SPACE = 2,       /* White_Space */
    BERT_CHAR_PUNCTUATION = 4, /* stands alone */
    BERT_CHAR_CJK = 8,         /* gets a space on both sides */
    BERT_CHAR_MARK = 16,       /* Mn: strip_accents drops it */
    BERT_CHAR_WORD = 32,       /* \w of a regular expression */
    BERT_CHAR_PLAIN = 64       /* nothing happens to it but lowercase, which changes no flag */
};

typedef struct {
    uint8_t flags;      /* BERT_CHAR_... */
    uint8_t rank;       /* of the canonical combining class; 0: a starter */
    uint8_t nfd_length; /* 0: its own decomposition (Hangul syllables: by arithmetic) */
    uint16_t nfd;       /* where in bert_unicode_nfd the full decomposition begins */
    int32_t lower;      /* to add for lowercase; U+0130 alone becomes two, i and U+0307 */
} bert_unicode;

extern const uint16_t bert_unicode_stage1[], bert_unicode_stage2[];
extern const bert_unicode bert_unicode_records[];
extern const uint32_t bert_unicode_nfd[];

/* c <= BERT_UNICODE_LAST */
static inline const bert_unicode *bert_unicode_of(uint32_t c) {
    return &bert_unicode_records[bert_unicode_stage2[bert_unicode_stage1[c / BERT_UNICODE_BLOCK] *
                                                         BERT_UNICODE_BLOCK +
                                                     c % BERT_UNICODE_BLOCK]];
}
#endif
