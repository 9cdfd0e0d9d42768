/* BertNormalizer as a stream: code points in, normalised code points and the place they came from
 * out. Nothing depends on how the input is cut, but for combining marks, which wait until the next
 * starter because canonical order may move them. */
#ifndef BERT_TEXT_NORMALIZE_H
#define BERT_TEXT_NORMALIZE_H
#include "text/tokenizer.h"
#include "text/unicode.h"

typedef struct {
    int32_t start, end; /* in the original text */
} bert_span;

/* Receives a normalised code point; u: its properties (case aside). */
typedef void bert_put_fn(void *context, uint32_t c, const bert_unicode *u, bert_span at);

typedef struct {
    uint32_t c;
    uint8_t rank;
    bool first; /* took the place of an original; the rest of its decomposition did not */
} bert_pending;

typedef struct {
    bert_normalizer flags;
    bert_pending *pending; /* marks since the latest starter */
    bert_span *places;     /* of the `first` ones, in text order */
    size_t n, n_places, capacity;
    uint64_t ranks; /* those among them, as bits */
    bool visible;   /* one of them is not Mn: it will be seen, and so will its order */
    bool failed;    /* out of memory; what came since is lost */
    bert_span last; /* place of the latest original */
} bert_normalizer_state;

void bert_normalizer_free(bert_normalizer_state *s);
/* Passes on what waits; at the end of a text. */
void bert_normalizer_flush(bert_normalizer_state *s, bert_put_fn *put, void *context);
/* Everything that is not BERT_CHAR_PLAIN. */
void bert_normalizer_put_hard(bert_normalizer_state *s, uint32_t c, const bert_unicode *u,
                              bert_span at, bert_put_fn *put, void *context);

static inline void bert_normalizer_put(bert_normalizer_state *s, uint32_t c, bert_span at,
                                       bert_put_fn *put, void *context) {
    const bert_unicode *u = bert_unicode_of(c);
    if (!(u->flags & BERT_CHAR_PLAIN)) {
        bert_normalizer_put_hard(s, c, u, at, put, context);
        return;
    }
    if (s->n) bert_normalizer_flush(s, put, context);
    s->last = at;
    put(context, s->flags.lowercase ? c + (uint32_t)u->lower : c, u, at);
}
#endif
