#include "text/lattice.h"
#include "base/error.h"
#include "text/code_points.h"
#include <math.h>
#include <stdlib.h>

/* Probabilities of long words leave the range of numbers: where one is below 1 / BIG, it and its
 * neighbours are multiplied by BIG, and that is counted. */
static const double BIG = 0x1p256, SMALL = 0x1p-256;

/* ---- The pieces */

int bert_learned_model_make(bert_learned_model *m, const bert_learned_pieces *pieces,
                            bert_error *e) {
    enum { PENALTY = 10, LONGEST_CHARACTER = 4 };
    *m = (bert_learned_model){.pieces = pieces, .longest = LONGEST_CHARACTER};
    m->probabilities = malloc((pieces->n + 1) * sizeof *m->probabilities);
    if (!m->probabilities) return bert_fail_memory(e, pieces->n * sizeof *m->probabilities);
    int rc = bert_trie_init(&m->trie, 2 * pieces->n, e);
    double least = 0;
    for (size_t i = 0; i < pieces->n && !rc; i++) {
        const bert_learned_piece *p = &pieces->list[i];
        rc = bert_trie_add(&m->trie, p->text, p->bytes, (int32_t)i, e);
        m->probabilities[i] = exp(p->score);
        if (p->score < least) least = p->score;
        if (p->bytes > m->longest) m->longest = p->bytes;
    }
    m->unknown = least - PENALTY;
    return rc;
}

void bert_learned_model_free(bert_learned_model *m) {
    bert_trie_free(&m->trie);
    free(m->probabilities);
}

/* ---- Arcs */

static bool reserve(bert_lattice *l, size_t n) {
    if (n < l->capacity) return true;
    const size_t capacity = 2 * n + 64;
    struct {
        void **array;
        size_t size;
    } all[] = {
        {(void **)&l->first, sizeof *l->first},       {(void **)&l->before, sizeof *l->before},
        {(void **)&l->forward, sizeof *l->forward},   {(void **)&l->shift, sizeof *l->shift},
        {(void **)&l->backward, sizeof *l->backward}, {(void **)&l->best, sizeof *l->best}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        void *larger = realloc(*all[i].array, capacity * all[i].size);
        if (!larger) return false;
        *all[i].array = larger;
    }
    l->capacity = capacity;
    return true;
}

static bool add_arc(bert_lattice *l, size_t end, int32_t piece) {
    if (l->arcs_n == l->arcs_capacity) {
        const size_t capacity = 2 * l->arcs_capacity + 256;
        bert_arc *arcs = realloc(l->arcs, capacity * sizeof *arcs);
        if (!arcs) return false;
        l->arcs = arcs;
        l->arcs_capacity = capacity;
    }
    l->arcs[l->arcs_n++] = (bert_arc){(uint32_t)end, piece};
    return true;
}

/* The arcs from one character on. */
static bool add_arcs(bert_lattice *l, const bert_learned_model *m, const uint8_t *word, size_t n,
                     size_t at) {
    size_t next = at + 1;
    while (next < n && bert_utf8_continues(word[next])) next++;
    bool single = false;
    uint32_t node = BERT_TRIE_ROOT;
    for (size_t i = at; i < n && (node = bert_trie_step(&m->trie, node, word[i])); i++) {
        if (m->trie.values[node] < 0) continue;
        single |= i + 1 == next;
        if (!add_arc(l, i + 1, m->trie.values[node])) return false;
    }
    return single || add_arc(l, next, -1);
}

static bool find_arcs(bert_lattice *l, const bert_learned_model *m, const uint8_t *word, size_t n) {
    l->arcs_n = 0;
    l->failed |= !reserve(l, n);
    for (size_t at = 0; at < n && !l->failed; at++) {
        l->first[at] = (uint32_t)l->arcs_n;
        if (!bert_utf8_continues(word[at])) l->failed |= !add_arcs(l, m, word, n, at);
    }
    if (!l->failed) l->first[n] = (uint32_t)l->arcs_n;
    return !l->failed;
}

void bert_lattice_free(bert_lattice *l) {
    void *const all[] = {l->arcs,     l->first, l->before, l->forward,
                         l->backward, l->shift, l->best,   l->counts};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* ---- Expectation */

static double probability(const bert_learned_model *m, double unknown, int32_t piece) {
    return piece < 0 ? unknown : m->probabilities[piece];
}

static size_t window_end(const bert_learned_model *m, size_t at, size_t n) {
    return at + m->longest < n ? at + m->longest : n;
}

/* How likely it is to come to each place. */
static void go_forward(bert_lattice *l, const bert_learned_model *m, double unknown, size_t n) {
    int32_t shift = 0;
    for (size_t i = 0; i <= n; i++) l->forward[i] = 0;
    l->forward[0] = 1;
    for (size_t at = 0; at <= n; at++) {
        if (l->forward[at] > 0 && l->forward[at] < SMALL) {
            for (size_t i = at; i <= window_end(m, at, n); i++) l->forward[i] *= BIG;
            shift++;
        }
        l->shift[at] = shift;
        for (uint32_t k = l->first[at]; at < n && k < l->first[at + 1]; k++)
            l->forward[l->arcs[k].end] +=
                l->forward[at] * probability(m, unknown, l->arcs[k].piece);
    }
}

void bert_lattice_expect(bert_lattice *l, const bert_learned_model *m, const char *word, size_t n,
                         int64_t times) {
    if (!find_arcs(l, m, (const uint8_t *)word, n)) return;
    const double unknown = exp(m->unknown), unit = (double)times * BERT_COUNT_UNIT;
    go_forward(l, m, unknown, n);
    const double whole = unit / l->forward[n];
    int32_t shift = 0;
    for (size_t i = 0; i < n; i++) l->backward[i] = 0;
    l->backward[n] = 1;
    for (size_t at = n; at--;) {
        const int32_t apart = l->shift[n] - l->shift[at] - shift;
        double here = l->forward[at] * whole;
        for (int32_t i = apart; i > 0; i--) here *= BIG;
        for (int32_t i = apart; i < 0; i++) here *= SMALL;
        for (uint32_t k = l->first[at]; k < l->first[at + 1]; k++) {
            const bert_arc *a = &l->arcs[k];
            const double rest = probability(m, unknown, a->piece) * l->backward[a->end];
            l->backward[at] += rest;
            if (a->piece >= 0) l->counts[a->piece] += llrint(here * rest);
        }
        if (l->backward[at] > 0 && l->backward[at] < SMALL) {
            for (size_t i = at; i <= window_end(m, at, n); i++) l->backward[i] *= BIG;
            shift++;
        }
    }
}

/* ---- The best way */

double bert_lattice_best(bert_lattice *l, const bert_learned_model *m, const char *word, size_t n,
                         int32_t but) {
    if (!find_arcs(l, m, (const uint8_t *)word, n)) return -INFINITY;
    for (size_t i = 1; i <= n; i++) l->forward[i] = -INFINITY;
    l->forward[0] = 0;
    for (size_t at = 0; at < n; at++)
        for (uint32_t k = l->first[at]; k < l->first[at + 1]; k++) {
            const bert_arc *a = &l->arcs[k];
            if (a->piece == but && but >= 0 && !at && a->end == n) continue;
            const double score =
                l->forward[at] + (a->piece < 0 ? m->unknown : m->pieces->list[a->piece].score);
            if (score <= l->forward[a->end]) continue;
            l->forward[a->end] = score;
            l->before[a->end] = (uint32_t)at;
            l->best[a->end] = a->piece;
        }
    return l->forward[n];
}
