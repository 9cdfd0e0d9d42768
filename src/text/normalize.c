#include "text/normalize.h"
#include "text/code_points.h"
#include <stdlib.h>

enum {
    DOTTED_I = 0x130, /* the one code point whose lowercase is two: i and a dot above */
    DOT_ABOVE = 0x307,
    HANGUL = 0xac00,
    HANGUL_LAST = 0xd7a3,
    LEAD = 0x1100,
    VOWEL = 0x1161,
    TRAIL = 0x11a7,
    VOWELS = 21,
    TRAILS = 28
};

void bert_normalizer_free(bert_normalizer_state *s) {
    free(s->pending);
    free(s->places);
    *s = (bert_normalizer_state){0};
}

static void put_lowered(bert_normalizer_state *s, uint32_t c, const bert_unicode *u, bert_span at,
                        bert_put_fn *put, void *context) {
    if (s->flags.strip_accents && u->flags & BERT_CHAR_MARK) return;
    if (s->flags.lowercase && u->lower) {
        uint32_t low = c + (uint32_t)u->lower;
        put(context, low, bert_unicode_of(low), at);
        if (c == DOTTED_I) put(context, DOT_ABOVE, bert_unicode_of(DOT_ABOVE), at);
    } else
        put(context, c, u, at);
}

void bert_normalizer_flush(bert_normalizer_state *s, bert_put_fn *put, void *context) {
    size_t n = s->n, place = 0;
    if (s->visible)
        /* Canonical order: by class, and within a class as it was. The reference hands out the
         * places in text order to what comes out in canonical order. */
        for (int rank = 1; rank < 64; rank++)
            for (size_t i = 0; s->ranks >> rank & 1 && i < n; i++) {
                const bert_pending *p = &s->pending[i];
                if (p->rank != rank) continue;
                if (p->first) s->last = s->places[place++];
                put_lowered(s, p->c, bert_unicode_of(p->c), s->last, put, context);
            }
    else if (s->n_places)
        s->last = s->places[s->n_places - 1];
    s->n = s->n_places = 0;
    s->ranks = 0;
    s->visible = false;
}

static bool grow(bert_normalizer_state *s) {
    size_t capacity = s->capacity ? 2 * s->capacity : 64;
    bert_pending *pending = realloc(s->pending, capacity * sizeof *pending);
    if (pending) s->pending = pending;
    bert_span *places = pending ? realloc(s->places, capacity * sizeof *places) : NULL;
    if (!places) {
        s->failed = true;
        return false;
    }
    s->places = places;
    s->capacity = capacity;
    return true;
}

/* One code point of a decomposition: marks wait, a starter sends them on their way. */
static void put_decomposed(bert_normalizer_state *s, uint32_t c, bool first, bert_span at,
                           bert_put_fn *put, void *context) {
    const bert_unicode *u = bert_unicode_of(c);
    if (!u->rank) {
        if (s->n) bert_normalizer_flush(s, put, context);
        s->last = at;
        put_lowered(s, c, u, at, put, context);
        return;
    }
    if (s->n == s->capacity && !grow(s)) return;
    s->pending[s->n++] = (bert_pending){c, u->rank, first};
    if (first) s->places[s->n_places++] = at;
    s->ranks |= (uint64_t)1 << u->rank;
    s->visible |= !(u->flags & BERT_CHAR_MARK);
}

static void put_spaced(bert_normalizer_state *s, uint32_t c, const bert_unicode *u, bert_span at,
                       bert_put_fn *put, void *context) {
    if (!s->flags.strip_accents)
        put_lowered(s, c, u, at, put, context);
    else if (c >= HANGUL && c <= HANGUL_LAST) {
        uint32_t i = c - HANGUL, trail = i % TRAILS;
        put_decomposed(s, LEAD + i / (VOWELS * TRAILS), true, at, put, context);
        put_decomposed(s, VOWEL + i / TRAILS % VOWELS, false, at, put, context);
        if (trail) put_decomposed(s, TRAIL + trail, false, at, put, context);
    } else if (u->nfd_length)
        for (int i = 0; i < u->nfd_length; i++)
            put_decomposed(s, bert_unicode_nfd[u->nfd + i], i == 0, at, put, context);
    else
        put_decomposed(s, c, true, at, put, context);
}

void bert_normalizer_put_hard(bert_normalizer_state *s, uint32_t c, const bert_unicode *u,
                              bert_span at, bert_put_fn *put, void *context) {
    const bert_unicode *space = bert_unicode_of(' ');
    if (s->flags.clean_text) {
        if (u->flags & BERT_CHAR_REMOVED) return;
        if (u->flags & BERT_CHAR_SPACE) c = ' ', u = space;
    }
    bool cjk = s->flags.handle_chinese_chars && u->flags & BERT_CHAR_CJK;
    if (cjk) put_spaced(s, ' ', space, at, put, context);
    put_spaced(s, c, u, at, put, context);
    if (cjk) put_spaced(s, ' ', space, at, put, context);
}
