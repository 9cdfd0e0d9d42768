#include "text/code_points.h"
#include "text/tokenizer.h"

static bool is_char(uint32_t c, int flag) {
    return bert_unicode_of(c)->flags & flag;
}

/* Where the spaces that end at text + at begin. */
static size_t space_before(const uint8_t *text, size_t at) {
    while (at) {
        uint32_t c = bert_utf8_before(text, text + at);
        if (!is_char(c, BERT_CHAR_SPACE)) break;
        at -= c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
    }
    return at;
}

static size_t space_after(const uint8_t *text, size_t at, size_t n) {
    for (const uint8_t *p = text + at; at < n; at = (size_t)(p - text))
        if (!is_char(bert_utf8_next(&p, text + n), BERT_CHAR_SPACE)) break;
    return at;
}

static bool inside_word(const bert_matcher *m, size_t start, size_t stop) {
    const uint8_t *after = m->text + stop;
    return (start && is_char(bert_utf8_before(m->text, m->text + start), BERT_CHAR_WORD)) ||
           (stop < m->n && is_char(bert_utf8_next(&after, m->text + m->n), BERT_CHAR_WORD));
}

/* The longest string of the trie at text + at: its value and end, or -1. */
static int32_t longest(const bert_matcher *m, size_t at, size_t *stop) {
    int32_t found = -1;
    uint32_t node = BERT_TRIE_ROOT;
    while (at < m->n && (node = bert_trie_step(m->trie, node, m->text[at++])))
        if (m->trie->values[node] >= 0) {
            found = m->trie->values[node];
            *stop = at;
        }
    return found;
}

/* Moves to where a token could begin. Most vocabularies have one such byte, '['. */
static void skip_to_candidate(bert_matcher *m) {
    const bert_first_bytes *first = &m->t->first_bytes[m->trie == &m->t->normalized];
    if (first->n == 1) {
        const uint8_t *p = memchr(m->text + m->pos, first->last, m->n - m->pos);
        m->pos = p ? (size_t)(p - m->text) : m->n;
    } else
        while (m->pos < m->n && !first->is[m->text[m->pos]]) m->pos++;
}

int32_t bert_match_next(bert_matcher *m, size_t *start, size_t *stop) {
    while (m->pos < m->n) {
        skip_to_candidate(m);
        if (m->pos == m->n) break;
        int32_t i = longest(m, m->pos, stop);
        if (i < 0) {
            m->pos++;
            continue;
        }
        *start = m->pos;
        m->pos = *stop;
        const bert_added_token *a = &m->t->added[i];
        if (m->t->encode_special_tokens && a->special) continue;
        if (a->single_word && inside_word(m, *start, *stop)) continue;
        if (a->lstrip) {
            *start = space_before(m->text, *start);
            if (*start < m->covered) *start = m->covered;
        }
        if (a->rstrip) *stop = space_after(m->text, *stop, m->n);
        if (*start >= *stop) continue; /* an earlier match took it with its spaces */
        m->covered = *stop;
        return i;
    }
    return -1;
}
