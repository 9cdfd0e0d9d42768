#include "text/read_words.h"
#include "text/alone.h"
#include "text/byte_level.h"
#include "text/text_tables.h"
#include "text/utf8.h"
#include "text/word_line.h"
#if defined __SSE2__ && defined __x86_64__
#include <emmintrin.h>
#endif

/* ------------------------------------------------------------------------ One word's tokens */

/* The pieces of a byte-level word, whose ends become those of characters. */
static int find_bytes(bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    const int n = bert_find_ends(tok, p, bytes);
    if (tok->failed) return n;
    /* From each byte on: where the next character begins, and how many do. */
    uint32_t *next = tok->bpe.ends, *left = (uint32_t *)tok->bpe.ranks;
    next[bytes] = (uint32_t)bytes;
    left[bytes] = 0;
    for (size_t i = bytes; i--;) {
        const bool continues = bert_utf8_continues(p[i]);
        next[i] = continues ? next[i + 1] : (uint32_t)i;
        left[i] = left[i + 1] + !continues;
    }
    for (int i = 0; i < n; i++) {
        const uint32_t end = tok->ends[i];
        tok->ends[i] = next[end];
        tok->chars[i] = (left[0] - left[end]) | (next[end] != end ? BERT_INSIDE : 0);
    }
    return n;
}

/* What bert_pipe_read() read of `lead` characters that are not the word's and a word, as pieces of
 * the word: how many, or -1, if they are not of one word, or do not follow one another. */
static int take_piped(bert_tokenization *tok, int32_t lead) {
    const bert_tokens *x = &tok->piped;
    int32_t end = lead;
    if (x->word != 1 || !x->n || tok->failed) return -1;
    for (size_t i = 0; i < x->n; i++) {
        const bert_span at = x->offsets[i];
        const bool inside = i && at.start == end - 1;
        if ((at.start != end && !inside) || at.end <= lead) return -1;
        if (inside) tok->chars[i - 1] |= BERT_INSIDE;
        tok->found[i] = x->ids[i];
        tok->ends[i] = tok->char_bytes[at.end] - tok->char_bytes[lead];
        tok->chars[i] = (uint32_t)(at.end - lead);
        end = at.end;
    }
    return (size_t)end == tok->chars_read ? (int)x->n : -1;
}

/* Pieces that were found for the word at p. */
static void put_new(bert_tokenization *tok, const uint8_t *p, size_t bytes, int n) {
    bert_tokens *o = tok->out;
    const int32_t base = (int32_t)base_of(tok, p);
    if (!tok->byte_offsets && n) tok->skew += bytes - (tok->chars[n - 1] & ~BERT_INSIDE);
    if (!tok->full) {
        for (int i = 0; i < n; i++, o->n++)
            if (o->n < o->capacity) o->ids[o->n] = tok->found[i];
        return;
    }
    if (!grow_words(tok, (size_t)n)) return;
    const uint32_t *ends = tok->byte_offsets ? tok->ends : tok->chars;
    int32_t from = base;
    for (int i = 0; i < n; i++, o->n++) {
        const int32_t to = base + (int32_t)(ends[i] & ~BERT_INSIDE);
        const bool inside = tok->chars[i] & BERT_INSIDE;
        o->ids[o->n] = tok->found[i];
        o->words[o->n] = o->word;
        o->offsets[o->n] = (bert_span){from, to};
        from = tok->byte_offsets ? byte_after(tok, to, inside) : to - inside;
    }
    o->word++;
}

static void put_and_remember(bert_tokenization *tok, const uint8_t *p, size_t bytes, int n,
                             bool again) {
    if (again) remember(tok, p, bytes, n);
    put_new(tok, p, bytes, n);
}

/* -------------------------------------------------------------------- The line of words */

/* Reads a word that is not known; false: the text cannot be read word by word. */
typedef bool read_new_fn(bert_tokenization *tok, const uint8_t *p, size_t bytes);

ALWAYS_INLINE bool put_line(bert_tokenization *tok, bool full, read_new_fn *read_new) {
    bert_waiting_word *const end = tok->words + tok->n_waiting;
    const uint32_t turns = tok->store.turns;
    tok->n_waiting = 0;
    look_up_line(tok, end);
    for (bert_waiting_word *r = tok->words; r < end && !tok->failed; r++)
        if (!put_late(tok, full, false, r, turns) && !read_new(tok, r->at, r->bytes)) return false;
    return true;
}

/* The next one, of up to BERT_ENTRY_BYTES, which are its key. */
ALWAYS_INLINE bool next_short_word(bert_tokenization *tok, bool full, const uint8_t *p,
                                   size_t bytes, const uint64_t key[2], read_new_fn *read_new) {
    bert_waiting_word *r = &tok->words[tok->n_waiting++];
    r->at = p;
    r->bytes = bytes;
    r->key[0] = key[0];
    r->key[1] = key[1];
    r->hash = mix(key[0], key[1]);
    r->kind = BERT_RUN_SHORT;
    fetch_short(tok, r->hash);
    return tok->n_waiting < BERT_MAX_WAITING || put_line(tok, full, read_new);
}

static bool next_long_word(bert_tokenization *tok, bool full, const uint8_t *p, size_t bytes,
                           read_new_fn *read_new) {
    bert_waiting_word *r = &tok->words[tok->n_waiting++];
    *r = (bert_waiting_word){.at = p, .bytes = bytes, .kind = BERT_RUN_OTHER};
    if (has_key(tok, p, bytes)) begin_long(tok, r);
    return tok->n_waiting < BERT_MAX_WAITING || put_line(tok, full, read_new);
}

/* A word up to `end`, the end of what may be read. */
ALWAYS_INLINE bool next_word(bert_tokenization *tok, bool full, const uint8_t *p, size_t bytes,
                             const uint8_t *end, read_new_fn *read_new) {
    if (bytes > BERT_ENTRY_BYTES || (tok->has_nul && memchr(p, 0, bytes)))
        return next_long_word(tok, full, p, bytes, read_new);
    uint64_t key[2];
    if (end - p < BERT_ENTRY_BYTES)
        load_short(p, bytes, key);
    else
        load_masked(p, bytes, key);
    return next_short_word(tok, full, p, bytes, key, read_new);
}

/* --------------------------------------------------------------------------- Byte-level */

static bool read_new_bytes(bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    const int n = find_bytes(tok, p, bytes);
    if (!tok->failed) put_and_remember(tok, p, bytes, n, true);
    return true;
}

/* A place from p on where a word begins whatever is before it: at a space between two others. */
static const uint8_t *next_boundary(const uint8_t *p, const uint8_t *end) {
    for (const uint8_t *s = p + 1; s + 1 < end; s++)
        if (*s == ' ' && s[-1] > ' ' && s[-1] < 0x7f && s[1] > ' ' && s[1] < 0x7f) return s;
    return end;
}

/* Letters at p, a space before them included, by 16 bytes: 0 where it takes a closer look. */
ALWAYS_INLINE size_t quick_word(const uint8_t *p, const uint8_t *end, uint64_t key[2]) {
#if defined __SSE2__ && defined __x86_64__
    static const uint8_t keep[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};
    if (end - p < 17) return 0;
    const __m128i v = _mm_loadu_si128((const __m128i *)p),
                  low = _mm_or_si128(v, _mm_set1_epi8(0x20));
    const __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
                                         _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
    unsigned mask = (unsigned)_mm_movemask_epi8(letter);
    mask |= *p == ' ' && mask & 2;
    const unsigned n = (unsigned)__builtin_ctz(~mask);
    if (n == 16 || p[n] >= 0x80) return 0;
    const __m128i k = _mm_and_si128(v, _mm_loadu_si128((const __m128i *)(keep + 16 - n)));
    key[0] = (uint64_t)_mm_cvtsi128_si64(k);
    key[1] = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(k, k));
    return n;
#else
    (void)p, (void)end, (void)key;
    return 0;
#endif
}

ALWAYS_INLINE void read_bytes(bert_tokenization *tok, const uint8_t *p, const uint8_t *end,
                              bool full) {
    for (size_t bytes; p < end && !tok->failed; p += bytes) {
        uint64_t key[2];
        bytes = quick_word(p, end, key);
        if (bytes) {
            next_short_word(tok, full, p, bytes, key, read_new_bytes);
            continue;
        }
        bytes = (size_t)(bert_byte_level_word(p, end) - p);
        next_word(tok, full, p, bytes, end, read_new_bytes);
    }
    put_line(tok, full, read_new_bytes);
}

/* What NFC may change, or a byte that is no UTF-8, goes through all steps. */
static bool is_nfc(const uint8_t *p, const uint8_t *end) {
    uint8_t before = 0;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            before = 0;
            continue;
        }
        const uint32_t c = bert_utf8_next_quickly(&p, end);
        const uint8_t rank = bert_unicode_of(c)->rank;
        if (bert_letter_of(c)->flags & (BERT_NOT_NFC | BERT_COMPOSED) || (rank && rank < before))
            return false;
        before = rank;
    }
    return true;
}

static void read_byte_level(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    if (p == end) return;
    if (tok->t->splits[0].add_prefix_space && *p != ' ') {
        const uint8_t *stop = next_boundary(p, end);
        bert_pipe(tok, p, stop);
        p = stop;
    }
    if (tok->full)
        read_bytes(tok, p, end, true);
    else
        read_bytes(tok, p, end, false);
}

/* ------------------------------------------------------------------ Words between spaces */

/* Where the word at p ends: at a byte up to 0x20. */
ALWAYS_INLINE const uint8_t *word_end(const uint8_t *p, const uint8_t *end) {
#if defined __SSE2__ && defined __x86_64__
    for (; end - p >= 16; p += 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)p), space = _mm_set1_epi8(' ');
        const unsigned mask =
            (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, space), v));
        if (mask) return p + __builtin_ctz(mask);
    }
#endif
    while (p<end && * p> ' ') p++;
    return p;
}

/* A letter or a digit of ASCII. */
static bool is_plain(uint8_t c) {
    const uint8_t low = c | 0x20;
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
}

/* Whether the word at p is the same whatever is before it: its first character is no mark, and (for
 * words that begin a text) no step takes it away. */
static bool stands_alone(const uint8_t *p, const uint8_t *end, bool begins) {
    if (*p < 0x80) return !begins || is_plain(*p);
    if (begins) return false;
    const uint32_t c = bert_utf8_next(&p, end);
    return !bert_joins_cluster(c) && !bert_unicode_of(c)->rank;
}

/* Metaspace's mark, and what the steps make of each character of p .. stop: as many. Returns its
 * bytes, in tok->word; 0: it takes a closer look; whether it is other than the text, in *changed. */
static size_t spell_alone(bert_tokenization *tok, const uint8_t *p, const uint8_t *stop,
                          bool *changed) {
    const bert_tokenizer *t = tok->t;
    uint32_t before = 0;
    if (tok->word_capacity < 8 + (size_t)(stop - p) && !bert_grow_word(tok, (size_t)(stop - p)))
        return 0;
    size_t n = (size_t)bert_utf8_put(t->splits[t->n_splits - 1].replacement, tok->word);
    while (p < stop) {
        const uint32_t c = *p < 0x80 ? *p++ : bert_utf8_next_quickly(&p, stop),
                       is = bert_alone_of(tok, c), to = is & BERT_ALONE_CHAR;
        if (!(is & BERT_ALONE) || (is & BERT_ALONE_JOINS && !(before & BERT_ALONE_HOSTS))) return 0;
        before = is;
        *changed |= to != c;
        if (n + 4 > tok->word_capacity && !bert_grow_word(tok, 0)) return 0;
        n += (size_t)bert_utf8_put(to, tok->word + n);
    }
    return n;
}

/* Ends of pieces of mark and word become ends in the word p .. stop, of which `lead` characters the
 * mark stands for; where it stands for none, the first character has it beside its own. */
static void place_pieces(bert_tokenization *tok, int n, const uint8_t *p, const uint8_t *stop,
                         uint32_t lead, uint32_t mark, bool changed) {
    const uint8_t *at = p;
    uint32_t passed = 0; /* characters up to at */
    for (int i = 0; i < n; i++) {
        uint32_t chars = tok->chars[i] - 1 + lead, end = tok->ends[i] - mark + lead;
        const bool inside = !chars;
        if (inside) {
            chars = 1;
            end = (uint32_t)(char_after(p, stop) - p);
        }
        for (; changed && passed < chars; passed++) at = char_after(at, stop);
        tok->ends[i] = changed ? (uint32_t)(at - p) : end;
        tok->chars[i] = inside ? chars | BERT_INSIDE : chars;
    }
}

/* The pieces of a word of which the steps make character by character what they always make of it:
 * how many; 0: it is not such a word. lead: its space, or none. */
static int find_alone(bert_tokenization *tok, const uint8_t *p, const uint8_t *stop,
                      uint32_t lead) {
    bool changed = false;
    const size_t bytes = spell_alone(tok, p + lead, stop, &changed);
    if (!bytes || tok->failed) return 0;
    const int n = bert_find_pieces(tok, tok->word, bytes);
    const uint8_t *after = tok->word;
    const uint32_t mark = (uint32_t)(char_after(after, tok->word + bytes) - after);
    place_pieces(tok, n, p, stop, lead, mark, changed);
    return n;
}

/* A word that is not known goes through the steps, with `lead` bytes before it for them to see.
 * False: of a text whose spaces count (BERT_READ_SPACED) it cannot be read alone. */
static bool pipe_word(bert_tokenization *tok, const uint8_t *p, size_t bytes, int lead,
                      bool again) {
    const uint8_t *stop = p + bytes;
    bert_pipe_read(tok, p - lead, stop);
    if (tok->failed) return true;
    const bert_chars *x = &tok->work.text;
    if (tok->t->reader == BERT_READ_SPACED && (tok->piped.word != 1 || x->c[x->n - 1] == ' '))
        return false;
    const int n = bytes <= BERT_STORED_BYTES ? take_piped(tok, lead) : -1;
    if (n < 0)
        bert_pipe_put(tok, p - lead, stop);
    else
        put_and_remember(tok, p, bytes, n, again);
    return true;
}

static bool read_new_bare(bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    const int n = find_alone(tok, p, p + bytes, 0);
    const bool begins = p == tok->words_begin;
    if (!n && !tok->failed)
        return pipe_word(tok, p, bytes, !begins, stands_alone(p, p + bytes, begins));
    if (!tok->failed) put_and_remember(tok, p, bytes, n, true);
    return true;
}

static bool read_new_spaced(bert_tokenization *tok, const uint8_t *p, size_t bytes) {
    const int n = find_alone(tok, p, p + bytes, *p == ' ');
    if (!n && !tok->failed) return pipe_word(tok, p, bytes, 0, true);
    if (!tok->failed) put_and_remember(tok, p, bytes, n, true);
    return true;
}

/* What begins a text and is taken away moves the places of all that follows. */
static bool begins_well(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    if (p == end || is_plain(*p)) return true;
    const uint8_t *after = p;
    const uint32_t first = bert_alone_of(tok, bert_utf8_next(&after, end));
    const bool stays = first & BERT_ALONE && !(first & BERT_ALONE_JOINS);
    if (after < end && *after >= 0x80) {
        const uint8_t *next = after;
        const uint32_t c = bert_utf8_next(&next, end), second = bert_alone_of(tok, c);
        if (stays && second & BERT_ALONE && second & BERT_ALONE_JOINS && first & BERT_ALONE_HOSTS)
            return true;
        if (bert_joins_cluster(c)) return false;
    }
    if (stays) return true;
    bert_pipe_read(tok, p, after);
    return tok->work.text.n > 0;
}

/* Words without what is between them. */
ALWAYS_INLINE void read_bare(bert_tokenization *tok, const uint8_t *begin, const uint8_t *end,
                             bool full) {
    const bool *breaks = tok->t->breaks;
    tok->words_begin = begin;
    for (const uint8_t *p = begin, *stop; p < end && !tok->failed; p = stop) {
        for (; p < end && *p <= ' ' && breaks[*p];) p++;
        if (p == end) break;
        stop = word_end(p, end);
        while (stop < end && !breaks[*stop]) stop = word_end(stop + 1, end);
        next_word(tok, full, p, (size_t)(stop - p), end, read_new_bare);
    }
    put_line(tok, full, read_new_bare);
}

/* Words with the last one of the spaces before them; false: the text has others that count. */
ALWAYS_INLINE bool read_spaced(bert_tokenization *tok, const uint8_t *begin, const uint8_t *end,
                               bool full) {
    for (const uint8_t *p = begin, *stop; p < end && !tok->failed; p = stop) {
        while (p + 1 < end && *p == ' ' && p[1] == ' ') p++;
        stop = p + 1;
        do stop = word_end(stop, end);
        while (stop < end && *stop != ' ' && ++stop);
        if (!next_word(tok, full, p, (size_t)(stop - p), end, read_new_spaced)) return false;
    }
    return put_line(tok, full, read_new_spaced);
}

static bool is_space_at(const uint8_t *p, const uint8_t *end) {
    return bert_unicode_of(bert_utf8_next(&p, end))->flags & BERT_CHAR_SPACE;
}

/* The same, for a text without spaces at its ends. */
static bool read_stripped(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    while (p < end && *p == ' ') p++;
    while (p < end && end[-1] == ' ') end--;
    if (p == end) return true;
    if (is_space_at(p, end) || !begins_well(tok, p, end)) return false;
    if (bert_unicode_of(bert_utf8_before(p, end))->flags & BERT_CHAR_SPACE) return false;
    tok->work.inside = true;
    const bool read = tok->full ? read_spaced(tok, p, end, true) : read_spaced(tok, p, end, false);
    tok->work.inside = false;
    return read;
}

/* As the words, or else, from the beginning, as one. */
static void read_marked(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    bert_tokens *o = tok->out;
    const bert_tokens before = *o;
    const size_t skew = tok->skew;
    bool read = false;
    if (tok->t->reader == BERT_READ_SPACED)
        read = read_stripped(tok, p, end);
    else if ((read = (*p <= ' ' && tok->t->breaks[*p]) || begins_well(tok, p, end))) {
        if (tok->full)
            read_bare(tok, p, end, true);
        else
            read_bare(tok, p, end, false);
    }
    if (read || tok->failed) return;
    o->n = before.n;
    o->word = before.word;
    o->n_spaced = before.n_spaced;
    tok->skew = skew;
    tok->n_waiting = 0;
    bert_pipe(tok, p, end);
}

/* ------------------------------------------------------------------------------- A text */

/* Whether an added token may be found in what normalization makes of the text. */
static bool may_have_added(const bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    const bert_first_bytes *first = &tok->t->first_bytes[1];
    for (; p < end; p++)
        if (*p >= 0x80 || first->is[*p]) return true;
    return false;
}

void bert_read_words(bert_tokenization *tok, const uint8_t *p, const uint8_t *end) {
    const bert_tokenizer *t = tok->t;
    if (p == end) return;
    tok->has_nul = memchr(p, 0, (size_t)(end - p));
    tok->n_waiting = 0;
    const bool marked = t->reader == BERT_READ_BARE || t->reader == BERT_READ_SPACED;
    if (t->reader == BERT_READ_PIPE || !bert_utf8_is_whole(p, end) ||
        (marked && t->n_normalized && may_have_added(tok, p, end)) ||
        (!marked && t->n_normalizers && !is_nfc(p, end)))
        bert_pipe(tok, p, end);
    else if (marked)
        read_marked(tok, p, end);
    else if (t->n_normalized)
        bert_read_around(tok, &t->normalized, p, end, read_byte_level);
    else
        read_byte_level(tok, p, end);
}
