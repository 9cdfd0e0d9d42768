/* NFD, NFC, NFKD and NFKC, with the places that the reference gives to what comes out: those of the
 * text in its order, whatever canonical order does. */
#include "text/steps.h"
#include "text/text_tables.h"
#include <stdlib.h>

enum {
    HANGUL = 0xac00,
    LEAD = 0x1100,
    VOWEL = 0x1161,
    TRAIL = 0x11a7,
    LEADS = 19,
    VOWELS = 21,
    TRAILS = 28,
    SYLLABLES = LEADS * VOWELS * TRAILS
};

static void decompose_one(bert_work *w, uint32_t c, bool compatible) {
    if (c - HANGUL < SYLLABLES) {
        const uint32_t i = c - HANGUL, trail = i % TRAILS;
        bert_chars_change(w, LEAD + i / (VOWELS * TRAILS), 0);
        bert_chars_change(w, VOWEL + i / TRAILS % VOWELS, 1);
        if (trail) bert_chars_change(w, TRAIL + trail, 1);
        return;
    }
    const bert_unicode *u = bert_unicode_of(c);
    const bert_letter *l = bert_letter_of(c);
    const uint32_t *to = compatible ? bert_letters_nfkd + l->nfkd : bert_unicode_nfd + u->nfd;
    const int n = compatible ? l->nfkd_length : u->nfd_length;
    if (!n) bert_chars_change(w, c, 0);
    for (int i = 0; i < n; i++) bert_chars_change(w, to[i], i > 0);
}

/* Marks next[from .. to) by class, and within a class as they were. */
static void order_marks(bert_work *w, size_t from, size_t to) {
    bert_chars *x = &w->next;
    uint64_t ranks = 0;
    bool ordered = true;
    for (size_t i = from, before = 0; i < to; i++) {
        const uint8_t rank = bert_unicode_of(x->c[i])->rank;
        ordered &= rank >= before;
        before = rank;
        ranks |= (uint64_t)1 << rank;
    }
    if (ordered) return;
    const size_t n = to - from;
    uint32_t *c = malloc(n * sizeof *c);
    bert_span *at = malloc(n * sizeof *at);
    size_t k = 0;
    w->failed |= !c || !at;
    for (int rank = 1; rank < 64 && !w->failed; rank++)
        for (size_t i = from; ranks >> rank & 1 && i < to; i++)
            if (bert_unicode_of(x->c[i])->rank == rank) {
                c[k] = x->c[i];
                at[k++] = x->at[i];
            }
    if (!w->failed) {
        memcpy(x->c + from, c, n * sizeof *c);
        memcpy(x->at + from, at, n * sizeof *at);
    }
    free(c);
    free(at);
}

static void order_all(bert_work *w) {
    const bert_chars *x = &w->next;
    for (size_t i = 0; i < x->n && !w->failed;) {
        size_t to = i;
        while (to < x->n && bert_unicode_of(x->c[to])->rank) to++;
        if (to > i + 1) order_marks(w, i, to);
        i = to > i ? to : i + 1;
    }
}

/* What a and b are together, or 0. */
static uint32_t composition(uint32_t a, uint32_t b) {
    if (a - LEAD < LEADS && b - VOWEL < VOWELS)
        return HANGUL + ((a - LEAD) * VOWELS + (b - VOWEL)) * TRAILS;
    if (a - HANGUL < SYLLABLES && (a - HANGUL) % TRAILS == 0 && b - TRAIL - 1 < TRAILS - 1)
        return a + b - TRAIL;
    int low = 0, high = bert_compositions_n;
    while (low < high) {
        const int middle = (low + high) / 2;
        const uint32_t *row = bert_compositions[middle];
        if (row[0] == a && row[1] == b) return row[2];
        if (row[0] < a || (row[0] == a && row[1] < b))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

/* Composes next in place. */
static void compose(bert_work *w) {
    bert_chars *x = &w->next;
    size_t n = 0, starter = SIZE_MAX;
    uint8_t last = 0; /* class of what stands between the starter and what comes */
    for (size_t i = 0; i < x->n; i++) {
        const uint32_t c = x->c[i];
        const bert_span change = x->at[i];
        const uint8_t rank = bert_unicode_of(c)->rank;
        const bool reaches = starter != SIZE_MAX && (!last || last < rank);
        const uint32_t both = reaches ? composition(x->c[starter], c) : 0;
        if (both) {
            x->c[starter] = both;
            x->at[starter].start += change.start - 1;
            continue;
        }
        if (!rank) {
            starter = n;
            last = 0;
        } else if (starter != SIZE_MAX)
            last = rank;
        x->c[n] = c;
        x->at[n++] = change;
    }
    x->n = n;
}

void bert_normal_form(bert_work *w, bool compatible, bool composed) {
    for (size_t i = 0; i < w->now.n; i++) decompose_one(w, w->now.c[i], compatible);
    if (w->failed) return;
    order_all(w);
    if (composed) compose(w);
    bert_chars_apply(w);
    bert_work_turn(w);
}

bool bert_normal_form_alone(uint32_t c, bool compatible, bool composed) {
    const bert_unicode *u = bert_unicode_of(c);
    const bert_letter *l = bert_letter_of(c);
    if (u->rank) return false;
    if (composed)
        return !(l->flags & (BERT_COMPOSED | BERT_NOT_NFC)) && !(compatible && l->nfkd_length);
    if (compatible) return !l->nfkd_length || !bert_unicode_of(bert_letters_nfkd[l->nfkd])->rank;
    return !u->nfd_length || !bert_unicode_of(bert_unicode_nfd[u->nfd])->rank;
}
