/* Extended grapheme clusters (UAX 29). */
#ifndef BERT_TEXT_GRAPHEMES_H
#define BERT_TEXT_GRAPHEMES_H
#include "text/text_tables.h"
#include <stdbool.h>

/* What of a cluster decides whether the next code point belongs to it; begins as all zero. */
typedef struct {
    bert_cluster_kind last;
    bool any, odd_regional;  /* regional indicators so far */
    bool pictograph, joined; /* a pictograph and marks, and a joiner at its end */
    bool consonant, linked;  /* of a conjunct, and a linker since */
} bert_grapheme;

/* Takes the next code point: true if it belongs to the cluster of those before it. */
bool bert_grapheme_goes_on(bert_grapheme *g, uint32_t c);
#endif
