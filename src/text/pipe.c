#include "text/pipe.h"
#include "text/code_points.h"
#include <stdlib.h>

/* ----------------------------------------------------------------------------- Tokens */

bool bert_tokens_reserve(bert_tokens *o, size_t n) {
    if (o->n + n <= o->capacity) return true;
    size_t capacity = o->capacity ? 2 * o->capacity : 256;
    while (capacity < o->n + n) capacity *= 2;
    int32_t *ids = realloc(o->ids, capacity * sizeof *ids);
    if (ids) o->ids = ids;
    int32_t *words = realloc(o->words, capacity * sizeof *words);
    if (words) o->words = words;
    bert_span *offsets = realloc(o->offsets, capacity * sizeof *offsets);
    if (offsets) o->offsets = offsets;
    if (!ids || !words || !offsets) return false;
    o->capacity = capacity;
    return true;
}

static void add_token(bert_tokenization *tok, int32_t id, bert_span place) {
    bert_tokens *o = &tok->piped;
    if (!bert_tokens_reserve(o, 1)) {
        tok->failed = true;
        return;
    }
    o->ids[o->n] = id;
    o->words[o->n] = o->word;
    o->offsets[o->n++] = place;
}

/* ------------------------------------------------------------------------------ Words */

static bool reserve_word(bert_tokenization *tok, size_t bytes) {
    if (bytes <= tok->word_capacity) return true;
    const size_t capacity = bytes + bytes / 2 + 512;
    uint8_t *word = realloc(tok->word, capacity);
    if (word) tok->word = word;
    bert_span *places = realloc(tok->places, capacity * sizeof *places);
    if (places) tok->places = places;
    if (word && places)
        tok->word_capacity = capacity;
    else
        tok->failed = true;
    return !tok->failed;
}

/* The word x[from .. to) of normalized characters. */
static void read_word(bert_tokenization *tok, const bert_chars *x, size_t from, size_t to) {
    const bert_tokenizer *t = tok->t;
    if (t->model == BERT_WORDPIECE && to - from > (size_t)t->max_chars) {
        add_token(tok, t->unk, (bert_span){x->at[from].start, x->at[to - 1].end});
        tok->piped.word++;
        return;
    }
    if (!reserve_word(tok, 4 * (to - from))) return;
    size_t bytes = 0;
    for (size_t i = from; i < to; i++)
        for (int n = bert_utf8_put(x->c[i], tok->word + bytes); n; n--)
            tok->places[bytes++] = x->at[i];
    const int n = bert_find_pieces(tok, tok->word, bytes);
    size_t start = 0;
    for (int i = 0; i < n && !tok->failed; i++) {
        const size_t end = tok->ends[i] & ~BERT_INSIDE;
        add_token(tok, tok->found[i],
                  (bert_span){tok->places[start].start, tok->places[end - 1].end});
        start = tok->ends[i] & BERT_INSIDE ? end - 1 : end;
    }
    tok->piped.word++;
}

/* text[from .. to), in which there are no more added tokens. */
static void read_piece(bert_tokenization *tok, size_t from, size_t to) {
    bert_work *w = &tok->work;
    if (from == to) return;
    bert_pre_tokenize(w, from, to);
    for (size_t i = 0, start = 0; i < w->pieces.n && !w->failed; start = w->pieces.ends[i++])
        read_word(tok, &w->now, start, w->pieces.ends[i]);
}

/* ----------------------------------------------------------------- Normalized added tokens */

/* The normalized text as bytes, and the character of each. */
static bool spell_text(bert_tokenization *tok) {
    const bert_chars *x = &tok->work.text;
    if (4 * x->n + 1 > tok->stretch_capacity) {
        const size_t capacity = 6 * x->n + 1024;
        uint8_t *stretch = realloc(tok->stretch, capacity);
        if (stretch) tok->stretch = stretch;
        bert_span *places = realloc(tok->stretch_places, capacity * sizeof *places);
        if (places) tok->stretch_places = places;
        tok->failed |= !stretch || !places;
        if (tok->failed) return false;
        tok->stretch_capacity = capacity;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < x->n; i++)
        for (int n = bert_utf8_put(x->c[i], tok->stretch + bytes); n; n--)
            tok->stretch_places[bytes++] = (bert_span){(int32_t)i, (int32_t)i + 1};
    tok->stretch_bytes = bytes;
    return true;
}

static void read_between(bert_tokenization *tok) {
    const bert_chars *x = &tok->work.text;
    if (!spell_text(tok)) return;
    bert_matcher m = {
        .t = tok->t, .trie = &tok->t->normalized, .text = tok->stretch, .n = tok->stretch_bytes};
    size_t start, stop, done = 0;
    for (int32_t i; (i = bert_match_next(&m, &start, &stop)) >= 0;) {
        const size_t from = (size_t)tok->stretch_places[start].start,
                     to = (size_t)tok->stretch_places[stop - 1].end;
        if (done < from) read_piece(tok, done, from);
        bert_tokens_spaced(tok, &tok->piped, tok->stretch + start, stop - start);
        add_token(tok, tok->t->added[i].id, (bert_span){x->at[from].start, x->at[to - 1].end});
        tok->piped.word++;
        done = to;
    }
    read_piece(tok, done, x->n);
}

/* ------------------------------------------------------------------------------- Texts */

static bool decode(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    bert_work *w = &tok->work;
    const size_t most = (size_t)(end - p) + 1;
    w->next.n = 0;
    if (most > tok->char_bytes_capacity) {
        const size_t capacity = most + most / 2 + 256;
        uint32_t *bytes = realloc(tok->char_bytes, capacity * sizeof *bytes);
        tok->failed |= !bytes;
        if (!bytes) return false;
        tok->char_bytes = bytes;
        tok->char_bytes_capacity = capacity;
    }
    int32_t n = 0;
    for (const uint8_t *s = p; s < end; n++) {
        tok->char_bytes[n] = (uint32_t)(s - p);
        bert_chars_put(w, bert_utf8_next(&s, end), (bert_span){n, n + 1});
    }
    tok->char_bytes[n] = (uint32_t)(end - p);
    tok->chars_read = (size_t)n;
    bert_work_turn(w);
    return !w->failed;
}

void bert_pipe_read(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    bert_work *w = &tok->work;
    tok->piped.n = tok->piped.n_spaced = 0;
    tok->piped.word = 0;
    w->at_start = p == tok->text;
    if (!tok->failed && decode(tok, p, end)) {
        bert_normalize_all(w);
        if (tok->t->n_normalized)
            read_between(tok);
        else
            read_piece(tok, 0, w->text.n);
    }
    tok->failed |= w->failed;
}

/* Added tokens with spaces get their numbers among all tokens. */
static void put_spaced(bert_tokenization *tok) {
    for (size_t i = 0; i < tok->piped.n_spaced; i++) {
        const bert_spaced *s = &tok->piped.spaced[i];
        bert_tokens_keep_spaced(tok, tok->out, tok->out->n + s->token, s->spaces);
    }
}

void bert_pipe_put(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    const bert_tokens *x = &tok->piped;
    bert_tokens *o = tok->out;
    const size_t base = (size_t)(p - tok->text) - tok->skew;
    if (!tok->full) {
        for (size_t i = 0; i < x->n; i++, o->n++)
            if (o->n < o->capacity) o->ids[o->n] = x->ids[i];
        return;
    }
    put_spaced(tok);
    if (!bert_tokens_reserve(o, x->n)) {
        tok->failed = true;
        return;
    }
    for (size_t i = 0; i < x->n; i++, o->n++) {
        const bert_span at = x->offsets[i];
        o->ids[o->n] = x->ids[i];
        o->words[o->n] = o->word + x->words[i];
        o->offsets[o->n] = tok->byte_offsets
                               ? (bert_span){(int32_t)(base + tok->char_bytes[at.start]),
                                             (int32_t)(base + tok->char_bytes[at.end])}
                               : (bert_span){(int32_t)base + at.start, (int32_t)base + at.end};
    }
    o->word += x->word;
    if (!tok->byte_offsets) tok->skew += (size_t)(end - p) - tok->chars_read;
}

void bert_pipe(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    bert_pipe_read(tok, p, end);
    if (!tok->failed) bert_pipe_put(tok, p, end);
}
