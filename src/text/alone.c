#include "text/alone.h"
#include "text/text_tables.h"

bool bert_joins_cluster(uint32_t c) {
    const uint8_t kind = bert_letter_of(c)->cluster;
    return kind == BERT_CLUSTER_EXTEND || kind == BERT_CLUSTER_ZWJ || kind == BERT_CLUSTER_SPACING;
}

/* White space and Metaspace's mark end words. */
static bool ends_words(const bert_tokenizer *t, uint32_t c) {
    return !c || bert_unicode_of(c)->flags & BERT_CHAR_SPACE ||
           c == t->splits[t->n_splits - 1].replacement;
}

static bool has_breaks(const bert_tokenizer *t, const bert_chars *x) {
    for (size_t i = 0; i < x->n; i++)
        if (ends_words(t, x->c[i])) return true;
    return false;
}

/* Takes now, a code point, through the normalizers as long as what is around it does not count;
 * whether they leave it as it is, in *same. */
static bool passes(bert_work *w, bool *same) {
    const bert_tokenizer *t = w->t;
    const uint32_t c = w->now.c[0];
    *same = true;
    for (int i = 0; i < t->n_normalizers; i++) {
        const bert_step *s = &t->normalizers[i];
        if (!s->kind->alone || has_breaks(t, &w->now)) return false;
        for (size_t k = 0; k < w->now.n; k++)
            if (!s->kind->alone(s, w->now.c[k])) return false;
        w->next.n = 0;
        s->kind->normalize(s, w);
        if (w->failed || !w->now.n) return false;
        *same &= w->now.n == 1 && w->now.c[0] == c;
        if (!*same && bert_joins_cluster(w->now.c[0])) return false;
    }
    return w->now.n == 1 && !w->now.at[0].start && w->now.at[0].end == 1 && !has_breaks(t, &w->now);
}

uint32_t bert_alone_find(bert_tokenization *tok, uint32_t c) {
    enum { THREE_BYTES = 0x800 };
    bert_work *w = &tok->work;
    const bool inside = w->inside;
    bool same = false;
    uint32_t found = BERT_ALONE_KNOWN;
    w->next.n = 0;
    bert_chars_put(w, c, (bert_span){0, 1});
    bert_work_turn(w);
    w->inside = true;
    if (!w->failed && passes(w, &same)) {
        found |= BERT_ALONE | w->now.c[0];
        if (bert_joins_cluster(c)) found |= BERT_ALONE_JOINS;
        if (same && c >= THREE_BYTES) found |= BERT_ALONE_HOSTS;
    }
    w->inside = inside;
    tok->failed |= w->failed;
    return tok->alone_chars[c] = found;
}
