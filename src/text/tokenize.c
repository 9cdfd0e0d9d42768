#include "base/error.h"
#include "text/code_points.h"
#include "text/pipe.h"
#include "text/put.h"
#include "text/read_words.h"
#include "text/word_line.h"
#include <stdlib.h>
#if defined __SSE2__ && defined __x86_64__
#include <emmintrin.h>
#endif

/* ------------------------------------------------------- Normalised characters to words */

static void end_word(bert_tokenization *tok) {
    size_t bytes = tok->word_bytes, chars = tok->word_chars;
    tok->word_bytes = tok->word_chars = 0;
    if (!chars || tok->failed) return; /* failed: there may be no buffer */
    if (tok->t->model == BERT_WORDPIECE && chars > (size_t)tok->t->max_chars) {
        put_token(tok, tok->t->unk, tok->word_place);
        return;
    }
    const bert_span *places = tok->full ? tok->places : NULL;
    /* A word with a NUL could be taken for a shorter one by its padded key. */
    if (bytes > BERT_LONG_WORD || memchr(tok->word, 0, bytes)) {
        put_found(tok, (size_t)bert_find_pieces(tok, tok->word, bytes), places);
        return;
    }
    uint64_t key[BERT_LONG_WORD / 8] = {0};
    memcpy(key, tok->word, bytes);
    put_word(tok, key, bytes, places);
}

bool bert_grow_word(bert_tokenization *tok, size_t bytes) {
    const size_t capacity = 2 * tok->word_capacity + bytes + 512;
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

static void append(bert_tokenization *tok, uint32_t c, bert_span at) {
    if (!tok->word_chars++) tok->word_place = at;
    tok->word_place.end = at.end;
    /* A word that is too long is [UNK] whatever it says. */
    if (tok->t->model == BERT_WORDPIECE && tok->word_chars > (size_t)tok->t->max_chars) return;
    if (tok->word_bytes + 4 > tok->word_capacity && !bert_grow_word(tok, 0)) return;
    int n = bert_utf8_put(c, tok->word + tok->word_bytes);
    if (tok->full)
        for (int i = 0; i < n; i++) tok->places[tok->word_bytes + (size_t)i] = at;
    tok->word_bytes += (size_t)n;
}

static void put_bert(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    bert_tokenization *tok = context;
    bool alone = u->flags & BERT_CHAR_PUNCTUATION;
    if (alone || u->flags & BERT_CHAR_SPACE) end_word(tok);
    if (u->flags & BERT_CHAR_SPACE) return;
    append(tok, c, at);
    if (alone) end_word(tok);
}

static void put_words(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    bert_tokenization *tok = context;
    int class = u->flags & (BERT_CHAR_SPACE | BERT_CHAR_WORD);
    if (class != tok->word_class) end_word(tok);
    tok->word_class = class;
    if (!(class & BERT_CHAR_SPACE)) append(tok, c, at);
}

static void put_whitespace(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    bert_tokenization *tok = context;
    if (u->flags & BERT_CHAR_SPACE)
        end_word(tok);
    else
        append(tok, c, at);
}

static bert_put_fn *const splits[BERT_SPLITS] = {
    [BERT_SPLIT_BERT] = put_bert,
    [BERT_SPLIT_WORDS] = put_words,
    [BERT_SPLIT_WHITESPACE] = put_whitespace,
};

/* ----------------------------------------------------------------- Text to characters */

/* Decodes one code point and says where it is. */
static uint32_t next_char(bert_tokenization *tok, const uint8_t **p, const uint8_t *end,
                          bert_span *at) {
    const uint8_t *start = *p;
    at->start = (int32_t)((size_t)(start - tok->text) - tok->skew);
    uint32_t c = bert_utf8_next(p, end);
    if (!tok->byte_offsets) tok->skew += (size_t)(*p - start) - 1;
    at->end = (int32_t)((size_t)(*p - tok->text) - tok->skew);
    return c;
}

/* Reads from p until nothing is left in the making, or to the end. */
ALWAYS_INLINE const uint8_t *read_chars(bert_tokenization *tok, const uint8_t *p,
                                        const uint8_t *end, bert_put_fn *put) {
    while (p < end) {
        bert_span at;
        uint32_t c = next_char(tok, &p, end, &at);
        bert_normalizer_put(&tok->normalize, c, at, put, tok);
        if (!tok->word_chars && !tok->normalize.n) return p;
    }
    bert_normalizer_flush(&tok->normalize, put, tok);
    end_word(tok);
    return p;
}

static const uint8_t *read_slowly(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    if (tok->t->quick) return read_chars(tok, p, end, put_bert);
    return read_chars(tok, p, end, splits[tok->t->split]);
}

/* ------------------------------------------------------------- Text that stays as it is */

/* Leaves behind the characters that end at p and begin a number of bytes before it. */
ALWAYS_INLINE void pass(bert_tokenization *tok, size_t bytes, size_t chars) {
    if (!tok->byte_offsets) tok->skew += bytes - chars;
}

typedef enum { CHAR_WORD, CHAR_ALONE, CHAR_SPACE, CHAR_HARD } char_kind;

/* HARD: normalisation changes it, or may change what follows; but ASCII in lower case is easy. */
ALWAYS_INLINE char_kind kind_of(const bert_tokenization *tok, uint32_t c) {
    const bert_unicode *u = bert_unicode_of(c);
    if ((u->flags & tok->still_of) == tok->still)
        return u->lower && c >= 0x80 && tok->t->normalizer.lowercase ? CHAR_HARD : CHAR_WORD;
    if (u->rank || u->nfd_length || u->lower || u->flags & tok->lost) return CHAR_HARD;
    if (u->flags & tok->alone) return CHAR_ALONE;
    return u->flags & BERT_CHAR_SPACE ? CHAR_SPACE : CHAR_HARD;
}

/* The bytes of the word at p, if it stays as it is and what follows does, too, and
 * it is not too long for the cache; else 0. */
ALWAYS_INLINE size_t still_word(const bert_tokenization *tok, const uint8_t *p,
                                const uint8_t *end) {
    const uint8_t *s = p, *stop = p;
    for (; s < end; stop = s) {
        const uint32_t c = *s < 0x80 ? *s++ : bert_utf8_next_quickly(&s, end);
        if (!c || c == BERT_REPLACEMENT) return 0;
        const char_kind kind = kind_of(tok, c);
        if (kind == CHAR_HARD) return 0;
        if (kind != CHAR_WORD) break;
        if (s - p > BERT_LONG_WORD) return 0;
    }
    return (size_t)(stop - p);
}

/* The id of a character, of so many bytes at p, that is a word. */
ALWAYS_INLINE int32_t single_id(bert_tokenization *tok, uint32_t c, const uint8_t *p,
                                size_t bytes) {
    uint32_t *known = &tok->single_chars[c];
    if (!*known) {
        const int32_t id = bert_vocabulary_find(tok->t, (const char *)p, bytes);
        *known = (uint32_t)(id < 0 ? tok->t->unk : id) + 1;
    }
    return (int32_t)(*known - 1);
}

static uint8_t lower_ascii(uint8_t c) {
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* A word of up to BERT_STORED_BYTES that stays as it is, or a run, as the store knows it. */
static bert_waiting_word waiting(const bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    bert_waiting_word r = {.at = p, .bytes = bytes, .kind = BERT_RUN_SHORT};
    if (bytes > BERT_ENTRY_BYTES) {
        begin_long(tok, &r);
        return r;
    }
    if (tok->text_end - p < BERT_ENTRY_BYTES)
        load_short(p, bytes, r.key);
    else
        load_masked(p, bytes, r.key);
    if (tok->t->normalizer.lowercase) {
        uint8_t word[BERT_ENTRY_BYTES];
        memcpy(word, r.key, sizeof word);
        for (size_t i = 0; i < sizeof word; i++) word[i] = lower_ascii(word[i]);
        memcpy(r.key, word, sizeof word);
    }
    r.hash = mix(r.key[0], r.key[1]);
    return r;
}

/* What was found of it, as pieces: in tok->chars where they end, and which begin another word. */
static void put_and_keep(bert_tokenization *tok, bool full, const bert_waiting_word *r, int n) {
    uint32_t pieces[BERT_STORED_BYTES + AT_ONCE] = {0};
    bert_store_add(&tok->store, r->hash, r->key, text_of(r), r->bytes, n, tok->found, tok->chars);
    tok->met++;
    for (int i = 0; i < n; i++) pieces[i] = bert_stored_piece_of(tok->found[i], tok->chars[i]);
    put_pieces(tok, full, true, pieces, (size_t)n, r->at, r->bytes);
}

/* A word that stays as it is (ASCII may become lower case). */
static void put_still(bert_tokenization *tok, bool full, const uint8_t *p, size_t bytes) {
    bert_waiting_word r = waiting(tok, p, bytes);
    look_up_word(tok, &r);
    if (put_known(tok, full, true, &r)) return;
    uint8_t word[BERT_STORED_BYTES];
    for (size_t i = 0; i < bytes; i++)
        word[i] = tok->t->normalizer.lowercase ? lower_ascii(p[i]) : p[i];
    put_and_keep(tok, full, &r, bert_find_pieces(tok, word, bytes));
}

/* What is at p: one character that stands alone, or a word. */
ALWAYS_INLINE const uint8_t *read_still(bert_tokenization *tok, const uint8_t *p,
                                        const uint8_t *end, bool full) {
    const uint8_t *after = p;
    const uint32_t c = *p < 0x80 ? *after++ : bert_utf8_next_quickly(&after, end);
    size_t bytes = (size_t)(after - p);
    const bool ideograph = c - BERT_IDEOGRAPH < BERT_IDEOGRAPHS && tok->alone & BERT_CHAR_CJK;
    const char_kind kind = ideograph               ? CHAR_ALONE
                           : c == BERT_REPLACEMENT ? CHAR_HARD
                                                   : kind_of(tok, c);
    if (kind == CHAR_ALONE) {
        const size_t base = base_of(tok, p), to = base + (tok->byte_offsets ? bytes : 1);
        put_one(tok, full, single_id(tok, c, p, bytes), (bert_span){(int32_t)base, (int32_t)to});
        pass(tok, bytes, 1);
        return after;
    }
    if (kind == CHAR_WORD) bytes = still_word(tok, p, end);
    if (kind == CHAR_HARD || !bytes) return read_slowly(tok, p, end);
    if (kind == CHAR_SPACE)
        pass(tok, bytes, 1);
    else
        put_still(tok, full, p, bytes);
    return p + bytes;
}

/* A run whose words are not known. */
static void read_run(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    if (tok->full)
        while (p < end) p = read_still(tok, p, end, true);
    else
        while (p < end) p = read_still(tok, p, end, false);
}

/* ---------------------------------------------------------------------- The line of runs */

/* What a run becomes, read by itself: how many pieces, in tok->found and tok->chars; 0: they do not follow one
 * another, or are too many. */
static int take_run(bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    bert_tokens *const out = tok->out, *x = &tok->piped;
    const uint8_t *const text = tok->text;
    const size_t skew = tok->skew;
    const bool full = tok->full, byte_offsets = tok->byte_offsets;
    x->n = x->n_spaced = 0;
    x->word = 0;
    tok->out = x;
    tok->text = p;
    tok->skew = 0;
    tok->full = true;
    tok->byte_offsets = false;
    read_run(tok, p, p + bytes);
    const int32_t chars = (int32_t)(bytes - tok->skew);
    tok->out = out;
    tok->text = text;
    tok->skew = skew;
    tok->full = full;
    tok->byte_offsets = byte_offsets;
    int32_t at = 0, word = 0;
    if (tok->failed || x->n > BERT_STORED_BYTES || !bert_reserve_found(tok, x->n)) return 0;
    for (size_t i = 0; i < x->n; at = x->offsets[i].end, word = x->words[i], i++) {
        if (x->offsets[i].start != at || x->offsets[i].end <= at) return 0;
        tok->found[i] = x->ids[i];
        tok->chars[i] = (uint32_t)x->offsets[i].end | (x->words[i] > word ? BERT_STORED_INSIDE : 0);
    }
    return at == chars ? (int)x->n : 0;
}

/* A run that is not known. */
static void read_new_run(bert_tokenization *tok, bool full, bert_waiting_word *r) {
    if (r->kind == BERT_RUN_SHORT && r->ascii) { /* a word */
        put_and_keep(tok, full, r, bert_find_pieces(tok, (const uint8_t *)r->key, r->bytes));
        return;
    }
    const bool known = r->kind != BERT_RUN_OTHER && bert_utf8_valid(r->at, r->bytes);
    const int n = known ? take_run(tok, r->at, r->bytes) : 0;
    look_up_word(tok, r); /* a word that is all of the run has been kept */
    if (!n)
        read_run(tok, r->at, r->at + r->bytes);
    else if (!put_known(tok, full, true, r))
        put_and_keep(tok, full, r, n);
}

ALWAYS_INLINE void put_ascii(bert_tokenization *tok, bool full, const uint8_t *p) {
    const int32_t at = (int32_t)base_of(tok, p);
    put_one(tok, full, tok->t->ascii_ids[*p], (bert_span){at, at + 1});
}

ALWAYS_INLINE void put_runs(bert_tokenization *tok, bool full) {
    bert_waiting_word *const end = tok->words + tok->n_waiting;
    const uint32_t turns = tok->store.turns;
    tok->n_waiting = 0;
    look_up_line(tok, end);
    for (bert_waiting_word *r = tok->words; r < end && !tok->failed; r++)
        if (r->kind == BERT_RUN_TOKEN)
            put_ascii(tok, full, r->at);
        else if (!put_late(tok, full, true, r, turns))
            read_new_run(tok, full, r);
}

static void put_all_runs(bert_tokenization *tok) {
    if (tok->full)
        put_runs(tok, true);
    else
        put_runs(tok, false);
}

ALWAYS_INLINE bert_waiting_word *line_up(bert_tokenization *tok) {
    if (tok->n_waiting == BERT_MAX_WAITING) put_all_runs(tok);
    return &tok->words[tok->n_waiting++];
}

/* Whether the text up to p is not mostly ASCII. */
static bool not_ascii(const bert_tokenization *tok, const uint8_t *p) {
    enum { PART = 4, AT_LEAST = 64 };
    return tok->others >= AT_LEAST && tok->others > (size_t)(p - tok->text) / PART;
}

static void count_others(bert_tokenization *tok, const uint8_t *end, size_t bytes) {
    tok->others += bytes;
    tok->line_up |= not_ascii(tok, end);
}

ALWAYS_INLINE void next_ascii(bert_tokenization *tok, bool full, const uint8_t *p) {
    if (!tok->line_up) {
        put_ascii(tok, full, p);
        return;
    }
    bert_waiting_word *r = line_up(tok);
    r->kind = BERT_RUN_TOKEN;
    r->at = p;
}

/* A run of less than 16 bytes, or the first 16 of one: see find_run(). */
typedef struct {
    uint64_t key[2];
    const bert_word_entry *entries; /* where its entry may be */
    const uint8_t *at;
    unsigned bytes;
    bool ascii;
} text_run;

/* A run of less than BERT_ENTRY_BYTES that was not found among the entries, or that waits. */
static void other_short_run(bert_tokenization *tok, bool full, const text_run *r) {
    bert_waiting_word run = {.key = {r->key[0], r->key[1]},
                             .hash = mix(r->key[0], r->key[1]),
                             .at = r->at,
                             .bytes = r->bytes,
                             .kind = BERT_RUN_SHORT,
                             .ascii = r->ascii};
    if (!r->ascii) count_others(tok, r->at + r->bytes, r->bytes);
    if (tok->line_up) {
        *line_up(tok) = run;
        fetch_short(tok, run.hash);
        return;
    }
    look_up_word(tok, &run);
    if (!put_known(tok, full, true, &run)) read_new_run(tok, full, &run);
}

ALWAYS_INLINE void next_short_run(bert_tokenization *tok, bool full, const text_run *r) {
    if (r->ascii && !tok->line_up) {
        const bert_word_entry *x = bert_store_entry(r->entries, r->key);
        if (x) {
            put_ascii_entry(tok, full, x, r->at, r->bytes);
            return;
        }
    }
    other_short_run(tok, full, r);
}

#if defined __SSE2__ && defined __x86_64__
/* Whether bytes are among the n from `first` on: those are the least, once all are moved. */
ALWAYS_INLINE __m128i some_from(char first, int n, __m128i v) {
    return _mm_cmplt_epi8(_mm_add_epi8(v, _mm_set1_epi8((char)(INT8_MIN - first))),
                          _mm_set1_epi8((char)(INT8_MIN + n)));
}
#else
static bool in_run(uint8_t c) {
    const uint8_t low = c | 0x20;
    return c >= 0x80 || (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
}
#endif

/* Length of the run at the start of 16 bytes (16: all), of which so many are left, and the run
 * itself, its ASCII in lower case if asked for, padded with zeros; whether it is ASCII. */
ALWAYS_INLINE unsigned find_run(const uint8_t *p, size_t left, bool lowercase, uint64_t key[2],
                                bool *ascii) {
    uint8_t tail[16];
    if (left < sizeof tail) {
        memset(tail, 0, sizeof tail);
        p = memcpy(tail, p, left);
    }
#if defined __SSE2__ && defined __x86_64__
    static const uint8_t keep[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};
    __m128i v = _mm_loadu_si128((const __m128i *)p);
    const __m128i letter = some_from('a', 26, _mm_or_si128(v, _mm_set1_epi8(0x20))),
                  digit = some_from('0', 10, v);
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), v));
    unsigned n = (unsigned)__builtin_ctz(~mask);
    v = _mm_or_si128(v, _mm_and_si128(letter, _mm_set1_epi8(lowercase ? 0x20 : 0)));
    v = _mm_and_si128(v, _mm_loadu_si128((const __m128i *)(keep + 16 - n)));
    *ascii = !_mm_movemask_epi8(v);
    key[0] = (uint64_t)_mm_cvtsi128_si64(v);
    key[1] = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v));
    return n;
#else
    uint8_t bytes[16] = {0}, all = 0;
    unsigned n = 0;
    for (; n < 16 && in_run(p[n]); n++) {
        all |= p[n];
        bytes[n] = lowercase && p[n] >= 'A' && p[n] <= 'Z' ? p[n] | 0x20 : p[n];
    }
    *ascii = all < 0x80;
    memcpy(key, bytes, sizeof bytes);
    return n;
#endif
}

static bool begins_with_ideograph(const uint8_t *p) {
    return *p >= 0xe4 && *p <= 0xe9;
}

/* A run of 16 bytes or more. */
static const uint8_t *next_long_run(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    bert_waiting_word run = {.at = p, .ascii = true};
    const uint8_t *stop = p;
    for (unsigned n = BERT_SHORT_WORD; n == BERT_SHORT_WORD && stop < end; stop += n) {
        bool ascii;
        n = find_run(stop, (size_t)(end - stop), false, run.key, &ascii);
        run.ascii &= ascii;
    }
    if (stop < end && tok->t->ascii[*stop] > BERT_ASCII_PUNCTUATION) {
        put_all_runs(tok);
        return read_slowly(tok, p, end);
    }
    run.bytes = (size_t)(stop - p);
    if (!run.ascii) count_others(tok, stop, run.bytes);
    const bool ascii = run.ascii;
    if (run.bytes > BERT_STORED_BYTES || begins_with_ideograph(p))
        run.kind = BERT_RUN_OTHER;
    else
        run = waiting(tok, p, run.bytes);
    run.ascii = ascii;
    *line_up(tok) = run;
    if (!tok->line_up) put_all_runs(tok);
    return stop;
}

/* The run at p, if there is more; its entry is on its way while the run before it is put. */
ALWAYS_INLINE text_run run_at(const bert_tokenization *tok, bool lowercase, const uint8_t *p,
                              const uint8_t *end) {
    text_run r = {.at = p};
    if (p >= end) return r;
    r.bytes = find_run(p, (size_t)(end - p), lowercase, r.key, &r.ascii);
    r.entries = bert_store_entries_of(&tok->store, mix(r.key[0], r.key[1]));
    __builtin_prefetch(r.entries);
    return r;
}

/* BertPreTokenizer's rules: runs end at a space, at punctuation or at the end. Others of ASCII go
 * to read_slowly. */
ALWAYS_INLINE void read_quickly(bert_tokenization *tok, const uint8_t *p, const uint8_t *end,
                                bool full) {
    const bert_tokenizer *t = tok->t;
    const bool lowercase = t->normalizer.lowercase;
    text_run next = run_at(tok, lowercase, p, end);
    while (p < end) {
        const text_run run = next;
        const size_t left = (size_t)(end - p);
        if (run.bytes == BERT_ENTRY_BYTES) {
            p = next_long_run(tok, p, end);
            next = run_at(tok, lowercase, p, end);
            continue;
        }
        const uint8_t class =
            t->ascii[run.bytes < left ? p[run.bytes] : ' ']; /* others are in the run */
        if (class > BERT_ASCII_PUNCTUATION) {
            put_all_runs(tok);
            p = read_slowly(tok, p, end);
            next = run_at(tok, lowercase, p, end);
            continue;
        }
        p += run.bytes + (run.bytes < left);
        if (class != BERT_ASCII_PUNCTUATION) { /* by itself: asked three times, it takes 4 % more */
            next = run_at(tok, lowercase, p, end);
            if (run.bytes) next_short_run(tok, full, &run);
            continue;
        }
        p += p < end && *p == ' '; /* as nearly always: the next one begins with a run */
        next = run_at(tok, lowercase, p, end);
        if (run.bytes) next_short_run(tok, full, &run);
        next_ascii(tok, full, run.at + run.bytes);
    }
    put_runs(tok, full);
}

/* --------------------------------------------------------------------- Added tokens */

void bert_tokens_keep_spaced(bert_tokenization *tok, bert_tokens *o, size_t token,
                             bert_spaces spaces) {
    if (o->n_spaced == o->spaced_capacity) {
        const size_t capacity = 2 * o->spaced_capacity + 16;
        bert_spaced *spaced = realloc(o->spaced, capacity * sizeof *spaced);
        tok->failed |= !spaced;
        if (!spaced) return;
        o->spaced = spaced;
        o->spaced_capacity = capacity;
    }
    o->spaced[o->n_spaced++] = (bert_spaced){token, spaces};
}

void bert_tokens_spaced(bert_tokenization *tok, bert_tokens *o, const uint8_t *text, size_t n) {
    if (tok->t->trims && tok->full)
        bert_tokens_keep_spaced(tok, o, o->n, bert_spaces_of((const char *)text, n));
}

/* text[0 .. n): where the token was found, with the spaces that it took. */
static void put_added(bert_tokenization *tok, int32_t i, const uint8_t *text, size_t n,
                      bert_span place) {
    bert_tokens_spaced(tok, tok->out, text, n);
    put_token(tok, tok->t->added[i].id, place);
}

static bool keep_in_stretch(bert_tokenization *tok) {
    size_t capacity = tok->stretch_capacity ? 2 * tok->stretch_capacity : 1024;
    uint8_t *stretch = realloc(tok->stretch, capacity);
    if (stretch) tok->stretch = stretch;
    bert_span *places = realloc(tok->stretch_places, capacity * sizeof *places);
    if (places) tok->stretch_places = places;
    if (stretch && places)
        tok->stretch_capacity = capacity;
    else
        tok->failed = true;
    return !tok->failed;
}

static void put_stretch(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    (void)u;
    bert_tokenization *tok = context;
    if (tok->stretch_bytes + 4 > tok->stretch_capacity && !keep_in_stretch(tok)) return;
    int n = bert_utf8_put(c, tok->stretch + tok->stretch_bytes);
    for (int i = 0; i < n; i++) tok->stretch_places[tok->stretch_bytes + (size_t)i] = at;
    tok->stretch_bytes += (size_t)n;
}

static void split_stretch(bert_tokenization *tok, size_t from, size_t to) {
    bert_put_fn *put = splits[tok->t->split];
    const uint8_t *p = tok->stretch + from, *end = tok->stretch + to;
    while (p < end) {
        bert_span at = tok->stretch_places[p - tok->stretch];
        uint32_t c = bert_utf8_next(&p, end);
        put(tok, c, bert_unicode_of(c), at);
    }
    end_word(tok);
}

/* Some added tokens are looked for in normalised text: normalise all of it, then look, then split
 * what is between them. */
static void read_stretch(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    tok->stretch_bytes = 0;
    while (p < end) {
        bert_span at;
        uint32_t c = next_char(tok, &p, end, &at);
        bert_normalizer_put(&tok->normalize, c, at, put_stretch, tok);
    }
    bert_normalizer_flush(&tok->normalize, put_stretch, tok);
    bert_matcher m = {
        .t = tok->t, .trie = &tok->t->normalized, .text = tok->stretch, .n = tok->stretch_bytes};
    size_t start, stop, done = 0;
    for (int32_t i; (i = bert_match_next(&m, &start, &stop)) >= 0; done = stop) {
        if (done < start) split_stretch(tok, done, start);
        put_added(tok, i, tok->stretch + start, stop - start,
                  (bert_span){tok->stretch_places[start].start, tok->stretch_places[stop - 1].end});
    }
    /* Before the first character that is kept there is no buffer. */
    if (done < tok->stretch_bytes) split_stretch(tok, done, tok->stretch_bytes);
}

static void read_segment(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    if (tok->t->reader != BERT_READ_CLASSIC)
        bert_read_words(tok, p, end);
    else if (tok->t->n_normalized)
        read_stretch(tok, p, end);
    else if (!tok->t->quick)
        while (p < end) p = read_slowly(tok, p, end);
    else if (tok->full)
        read_quickly(tok, p, end, true);
    else
        read_quickly(tok, p, end, false);
}

/* Code points from..to, backwards if to < from. */
static size_t count_chars(const bert_tokenization *tok, const uint8_t *from, const uint8_t *to) {
    size_t n = 0;
    if (tok->byte_offsets) return (size_t)(to - from);
    for (; from < to; n++) bert_utf8_next(&from, to);
    return n;
}

void bert_read_around(bert_tokenization *tok, const bert_trie *trie, const uint8_t *p,
                      const uint8_t *end, bert_read_fn *read) {
    bert_matcher m = {.t = tok->t, .trie = trie, .text = p, .n = (size_t)(end - p)};
    const uint8_t *done = p;
    size_t start, stop;
    for (int32_t i; (i = bert_match_next(&m, &start, &stop)) >= 0; done = p + stop) {
        const uint8_t *a = p + start, *b = p + stop;
        if (done < a) read(tok, done, a);
        /* A token that took the spaces after it may overlap one that begins with them. */
        size_t at = (size_t)(done - tok->text) - tok->skew;
        at = a < done ? at - count_chars(tok, a, done) : (size_t)(a - tok->text) - tok->skew;
        size_t to = at + count_chars(tok, a, b);
        put_added(tok, i, a, stop - start, (bert_span){(int32_t)at, (int32_t)to});
        tok->skew = (size_t)(b - tok->text) - to;
    }
    if (done < end) read(tok, done, end);
}

int bert_read_text(bert_tokenization *tok, const char *text, size_t bytes, bert_tokens *out,
                   bool full, bert_error *e) {
    enum { MANY_WORDS = 1 << 16 };
    const bert_tokenizer *t = tok->t;
    tok->text = (const uint8_t *)text;
    tok->text_end = tok->text + bytes;
    tok->skew = 0;
    tok->others = 0;
    tok->full = full;
    tok->failed = false;
    tok->out = out;
    tok->normalize.failed = tok->work.failed = false;
    out->n = 0;
    out->word = 0;
    out->n_spaced = 0;
    out->text = tok->text;
    if (t->n_raw)
        bert_read_around(tok, &t->raw, tok->text, tok->text_end, read_segment);
    else if (bytes)
        read_segment(tok, tok->text, tok->text_end);
    /* So will be the next one. */
    tok->line_up = tok->met > MANY_WORDS || not_ascii(tok, tok->text_end);
    if (tok->failed || tok->normalize.failed)
        return bert_fail(e, BERT_ENOMEM, "out of memory while tokenizing %zu bytes of text", bytes);
    return BERT_OK;
}

int64_t bert_tokenize_ids(bert_tokenization *tok, const char *text, size_t text_bytes, int32_t *ids,
                          size_t capacity, bert_error *e) {
    BERT_DOOR(e);
    if (!tok || (!text && text_bytes) || (!ids && capacity))
        return bert_fail(e, BERT_EINVAL, "bert_tokenize_ids: an argument is NULL");
    bert_tokens out = {.ids = ids, .capacity = capacity};
    tok->byte_offsets = true;
    int rc = bert_read_text(tok, text ? text : "", text_bytes, &out, false, e);
    return rc ? rc : (int64_t)out.n;
}
