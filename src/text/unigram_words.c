/* A word to its likeliest pieces. */
#include "text/code_points.h"
#include "text/tokenization.h"
#include <stdlib.h>

static bool reserve(bert_tokenization *tok, size_t bytes) {
    if (bytes < tok->best_capacity) return true;
    const size_t capacity = bytes + bytes / 2 + 64;
    bert_best *best = realloc(tok->best, capacity * sizeof *best);
    tok->failed |= !best;
    if (!best) return false;
    tok->best = best;
    tok->best_capacity = capacity;
    return true;
}

static inline void offer(bert_best *to, double score, int32_t id, size_t start) {
    if (to->start < 0 || score > to->score) *to = (bert_best){score, id, (int32_t)start};
}

/* The likeliest way to every byte where a piece may end; the earlier, shorter one of equals. */
static void find_ways(const bert_tokenizer *t, bert_best *best, const uint8_t *word, size_t bytes) {
    const bert_unigram *u = t->unigram;
    for (size_t i = 0; i <= bytes; i++) best[i].start = -1;
    best[0].score = 0;
    for (size_t s = 0, next; s < bytes; s = next) {
        for (next = s + 1; next < bytes && bert_utf8_continues(word[next]);) next++;
        const double here = best[s].score;
        bool single = false;
        uint32_t at = bert_da_root(&u->pieces);
        int32_t id;
        for (size_t i = s; i < bytes && bert_da_step(&u->pieces, &at, word[i], &id); i++) {
            if (id < 0) continue;
            single |= i + 1 == next;
            offer(&best[i + 1], u->scores[id] + here, id, s);
        }
        if (!single) offer(&best[next], u->unknown + here, t->unk, s);
    }
}

int bert_unigram_pieces(bert_tokenization *tok, const uint8_t *word, size_t bytes) {
    const bert_tokenizer *t = tok->t;
    if (!reserve(tok, bytes + 1)) return 0;
    bert_best *best = tok->best;
    find_ways(t, best, word, bytes);
    /* From the end, to the end of the arrays; neighbours that are unknown are one. */
    size_t n = 0;
    bool unknown = false;
    for (size_t end = bytes; end; end = (size_t)best[end].start) {
        const bool again = unknown;
        unknown = best[end].id == t->unk;
        if (again && unknown) continue;
        tok->found[bytes - ++n] = best[end].id;
        tok->ends[bytes - n] = (uint32_t)end;
    }
    memmove(tok->found, tok->found + bytes - n, n * sizeof *tok->found);
    memmove(tok->ends, tok->ends + bytes - n, n * sizeof *tok->ends);
    /* What is unknown piece by piece may be known as a whole. */
    for (size_t i = 0; i < n; i++) {
        if (tok->found[i] != t->unk) continue;
        const size_t start = i ? tok->ends[i - 1] : 0;
        const int32_t id =
            bert_vocabulary_find(t, (const char *)word + start, tok->ends[i] - start);
        if (id >= 0) tok->found[i] = id;
    }
    return (int)n;
}
