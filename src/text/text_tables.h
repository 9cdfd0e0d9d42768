/* What the tokenizers of BERT's relatives know of each code point beside text/unicode.h: classes of
 * the byte-level expression (Unicode 16), grapheme clusters, NFKD, what NFC composes (see
 * tools/make_text_tables.py). */
#ifndef BERT_TEXT_TEXT_TABLES_H
#define BERT_TEXT_TEXT_TABLES_H
#include "text/unicode.h"

enum {
    BERT_LETTER = 1,
    BERT_NUMBER = 2,
    BERT_SPACE = 4,      /* White_Space */
    BERT_MARK = 8,       /* StripAccents drops it: Mn, Mc, Me */
    BERT_CONSONANT = 16, /* of conjuncts: Indic_Conjunct_Break */
    BERT_LINKER = 32,
    BERT_COMPOSED = 64, /* NFC may compose it with what is before it */
    BERT_NOT_NFC = 128  /* NFC changes it alone */
};

/* Grapheme_Cluster_Break, and pictographs, which a joiner binds. */
typedef enum {
    BERT_CLUSTER_OTHER,
    BERT_CLUSTER_CR,
    BERT_CLUSTER_LF,
    BERT_CLUSTER_CONTROL,
    BERT_CLUSTER_EXTEND,
    BERT_CLUSTER_ZWJ,
    BERT_CLUSTER_REGIONAL,
    BERT_CLUSTER_PREPEND,
    BERT_CLUSTER_SPACING,
    BERT_CLUSTER_L,
    BERT_CLUSTER_V,
    BERT_CLUSTER_T,
    BERT_CLUSTER_LV,
    BERT_CLUSTER_LVT,
    BERT_CLUSTER_PICTOGRAPH
} bert_cluster_kind;

typedef struct {
    uint8_t flags, cluster, nfkd_length;
    uint16_t nfkd;
} bert_letter;

/* What the byte-level expression tells apart: letters (1), numbers (2), white space (3), others. */
typedef enum { BERT_KIND_OTHER, BERT_KIND_LETTER, BERT_KIND_NUMBER, BERT_KIND_SPACE } bert_kind;
/* By 64 code points: a page of bits, the lower ones of their kinds and the upper ones. */
enum { BERT_KINDS_PAGE = 64 };
extern const uint16_t bert_kinds_pages[];
extern const uint64_t bert_kinds[][2];

extern const uint16_t bert_letters_stage1[], bert_letters_stage2[];
extern const bert_letter bert_letters[];
extern const uint32_t bert_letters_nfkd[], bert_compositions[][3];
extern const int bert_compositions_n;

/* c <= BERT_UNICODE_LAST */
static inline const bert_letter *bert_letter_of(uint32_t c) {
    return &bert_letters[bert_letters_stage2[bert_letters_stage1[c / BERT_UNICODE_BLOCK] *
                                                 BERT_UNICODE_BLOCK +
                                             c % BERT_UNICODE_BLOCK]];
}

/* c <= BERT_UNICODE_LAST */
static inline bert_kind bert_kind_of(uint32_t c) {
    const uint64_t *page = bert_kinds[bert_kinds_pages[c / BERT_KINDS_PAGE]];
    const unsigned bit = c % BERT_KINDS_PAGE;
    return (bert_kind)((page[0] >> bit & 1) | (page[1] >> bit & 1) << 1);
}
#endif
