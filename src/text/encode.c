#include "base/error.h"
#include "text/encoder.h"
#include "text/utf8.h"
#include <stdlib.h>
#if defined __SSE2__ && defined __x86_64__
#include <emmintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { ID_BITS = 24, ID_MASK = (1 << ID_BITS) - 1 };

/* ---------------------------------------------------------------- Words to pieces */

/* Hashes of the beginnings of word + at that a token may have, in enc->hashes; how many bytes the
 * longest of them has. A continuation's begins with the prefix, and so do the steps of the filter.
 */
static size_t hash_beginnings(const bert_encoder *enc, const uint8_t *word, size_t at,
                              size_t bytes) {
    const bert_tokenizer *t = enc->t;
    const size_t before = at ? t->prefix_bytes : 0, longest = t->vocabulary.longest;
    uint64_t hash = at ? t->continuation : BERT_VOCAB_START;
    if (longest <= before) return 0;
    size_t n = bytes - at < longest - before ? bytes - at : longest - before;
    for (size_t i = 0; i < n; i++) {
        enc->hashes[i] = hash = bert_vocab_hash(hash, word[at + i]);
        if (!((before + i + 1) % BERT_VOCAB_STEP) && !bert_vocab_may_begin(&t->vocabulary, hash))
            return i;
    }
    return n;
}

/* Longest match first; pieces go to enc->found and enc->ends. */
static int wordpiece(bert_encoder *enc, const uint8_t *word, size_t bytes) {
    const bert_tokenizer *t = enc->t;
    int n = 0;
    for (size_t at = 0; at < bytes; n++) {
        size_t length = hash_beginnings(enc, word, at, bytes);
        int32_t id = -1;
        for (; length; length--) {
            id = bert_vocab_probe(&t->vocabulary, t->tokens, enc->hashes[length - 1], t->prefix,
                                  at ? t->prefix_bytes : 0, word + at, length);
            if (id >= 0) break;
        }
        if (!length) return 0; /* one failure spoils the word */
        at += length;
        enc->found[n] = id;
        enc->ends[n] = (uint32_t)at;
    }
    return n;
}

static int wordlevel(bert_encoder *enc, const uint8_t *word, size_t bytes) {
    int32_t id = bert_vocabulary_find(enc->t, (const char *)word, bytes);
    if (id < 0) return 0;
    enc->found[0] = id;
    enc->ends[0] = (uint32_t)bytes;
    return 1;
}

typedef int split_word(bert_encoder *enc, const uint8_t *word, size_t bytes);
static split_word *const models[BERT_TOKEN_MODELS] = {
    [BERT_WORDPIECE] = wordpiece,
    [BERT_WORDLEVEL] = wordlevel,
};

static int find_pieces(bert_encoder *enc, const uint8_t *word, size_t bytes) {
    int n = models[enc->t->model](enc, word, bytes);
    if (n) return n;
    enc->found[0] = enc->t->unk;
    enc->ends[0] = (uint32_t)bytes;
    return 1;
}

ALWAYS_INLINE uint64_t mix(uint64_t a, uint64_t b) {
    return (a ^ b * 0xc2b2ae3d27d4eb4fu) * 0x9e3779b97f4a7c15u;
}

static void pack(const bert_encoder *enc, int n, uint32_t *pieces, uint32_t *count) {
    for (int i = 0; i < n; i++) pieces[i] = (uint32_t)enc->found[i] | enc->ends[i] << ID_BITS;
    *count = (uint32_t)n;
}

/* ------------------------------------------------------------------ Pieces to output */

/* Makes room for n more tokens. Ids alone go to the caller's array, which does not grow. */
static bool grow_output(bert_encoder *enc, size_t n) {
    bert_tokens *o = enc->out;
    size_t capacity = o->capacity ? 2 * o->capacity : 256;
    while (capacity < o->n + n) capacity *= 2;
    int32_t *ids = realloc(o->ids, capacity * sizeof *ids);
    if (ids) o->ids = ids;
    int32_t *words = realloc(o->words, capacity * sizeof *words);
    if (words) o->words = words;
    bert_span *offsets = realloc(o->offsets, capacity * sizeof *offsets);
    if (offsets) o->offsets = offsets;
    if (ids && words && offsets)
        o->capacity = capacity;
    else
        enc->failed = true;
    return !enc->failed;
}

/* The pieces of one word: from an entry (pieces, room for BERT_SHORT_PIECES at least) or from
 * enc->found. A piece's place is that of its
 * bytes: places[], or for text that normalisation left in place, base and up. */
ALWAYS_INLINE void put_word(bert_encoder *enc, bool full, int n, const uint32_t *pieces,
                            const bert_span *places, size_t base) {
    bert_tokens *o = enc->out;
    if (full && o->n + (size_t)n > o->capacity && !grow_output(enc, (size_t)n)) return;
    if (!full && pieces && o->n + BERT_SHORT_PIECES <= o->capacity && n <= BERT_SHORT_PIECES) {
        for (int i = 0; i < BERT_SHORT_PIECES; i++)
            o->ids[o->n + (size_t)i] = (int32_t)(pieces[i] & ID_MASK);
        o->n += (size_t)n;
        return;
    }
    uint32_t from = 0;
    for (int i = 0; i < n; i++, o->n++) {
        int32_t id = pieces ? (int32_t)(pieces[i] & ID_MASK) : enc->found[i];
        if (!full) {
            if (o->n < o->capacity) o->ids[o->n] = id;
            continue;
        }
        uint32_t to = pieces ? pieces[i] >> ID_BITS : enc->ends[i];
        o->ids[o->n] = id;
        o->words[o->n] = o->word;
        o->offsets[o->n] = places ? (bert_span){places[from].start, places[to - 1].end}
                                  : (bert_span){(int32_t)(base + from), (int32_t)(base + to)};
        from = to;
    }
    o->word++;
}

static void put_token(bert_encoder *enc, int32_t id, bert_span place) {
    enc->found[0] = id;
    enc->ends[0] = 1;
    if (enc->full)
        put_word(enc, true, 1, NULL, &place, 0);
    else
        put_word(enc, false, 1, NULL, NULL, 0);
}

/* A word of up to BERT_LONG_WORD bytes that is not among the short entries: from the long ones, or
 * worked out and remembered. */
static void put_uncommon_word(bert_encoder *enc, const uint8_t *word, size_t bytes,
                              const bert_span *places, size_t base) {
    bert_long_entry key = {0};
    memcpy(key.key, word, bytes);
    bert_long_entry *l =
        enc->long_words[mix(mix(key.key[0], key.key[1]) ^ key.key[2], key.key[3]) >>
                        (64 - BERT_LONG_BITS)];
    for (int way = 0; way < BERT_WAYS; way++)
        if (!memcmp(l[way].key, key.key, sizeof key.key)) {
            if (enc->full)
                put_word(enc, true, (int)l[way].n, l[way].pieces, places, base);
            else
                put_word(enc, false, (int)l[way].n, l[way].pieces, NULL, 0);
            return;
        }
    int n = find_pieces(enc, word, bytes);
    if (bytes <= BERT_SHORT_WORD && n <= BERT_SHORT_PIECES) {
        bert_short_entry *s =
            enc->short_words[mix(key.key[0], key.key[1]) >> (64 - BERT_SHORT_BITS)];
        memcpy(s[1].key, key.key, sizeof s[1].key);
        pack(enc, n, s[1].pieces, &s[1].n);
    } else if (n <= BERT_LONG_PIECES) {
        l[1] = l[0];
        l[0] = key;
        pack(enc, n, l[0].pieces, &l[0].n);
    }
    if (enc->full)
        put_word(enc, true, n, NULL, places, base);
    else
        put_word(enc, false, n, NULL, NULL, 0);
}

/* New words come in second place and move to the first when they are met again, so that a stream of
 * rare words does not push out the frequent ones. */
ALWAYS_INLINE void put_short_word(bert_encoder *enc, bool full, uint64_t k0, uint64_t k1,
                                  size_t bytes, const bert_span *places, size_t base) {
    bert_short_entry *s = enc->short_words[mix(k0, k1) >> (64 - BERT_SHORT_BITS)];
    if (s[0].key[0] != k0 || s[0].key[1] != k1) {
        if (s[1].key[0] != k0 || s[1].key[1] != k1) {
            uint64_t key[2] = {k0, k1};
            put_uncommon_word(enc, (const uint8_t *)key, bytes, places, base);
            return;
        }
        bert_short_entry first = s[0];
        s[0] = s[1];
        s[1] = first;
    }
    put_word(enc, full, (int)s[0].n, s[0].pieces, places, base);
}

/* ------------------------------------------------------- Normalised characters to words */

static void end_word(bert_encoder *enc) {
    size_t bytes = enc->word_bytes, chars = enc->word_chars;
    enc->word_bytes = enc->word_chars = 0;
    if (!chars) return;
    if (enc->t->model == BERT_WORDPIECE && chars > (size_t)enc->t->max_chars) {
        put_token(enc, enc->t->unk, enc->word_place);
        return;
    }
    const bert_span *places = enc->full ? enc->places : NULL;
    /* A word with a NUL could be taken for a shorter one by its padded key. */
    if (bytes <= BERT_LONG_WORD && !memchr(enc->word, 0, bytes)) {
        if (bytes <= BERT_SHORT_WORD) {
            uint64_t key[2] = {0};
            memcpy(key, enc->word, bytes);
            if (enc->full)
                put_short_word(enc, true, key[0], key[1], bytes, places, 0);
            else
                put_short_word(enc, false, key[0], key[1], bytes, NULL, 0);
        } else
            put_uncommon_word(enc, enc->word, bytes, places, 0);
        return;
    }
    int n = find_pieces(enc, enc->word, bytes);
    if (enc->full)
        put_word(enc, true, n, NULL, places, 0);
    else
        put_word(enc, false, n, NULL, NULL, 0);
}

static bool grow_word(bert_encoder *enc) {
    size_t capacity = enc->word_capacity ? 2 * enc->word_capacity : 512;
    uint8_t *word = realloc(enc->word, capacity);
    if (word) enc->word = word;
    bert_span *places = realloc(enc->places, capacity * sizeof *places);
    if (places) enc->places = places;
    if (word && places)
        enc->word_capacity = capacity;
    else
        enc->failed = true;
    return !enc->failed;
}

static void append(bert_encoder *enc, uint32_t c, bert_span at) {
    if (!enc->word_chars++) enc->word_place = at;
    enc->word_place.end = at.end;
    /* A word that is too long is [UNK] whatever it says. */
    if (enc->t->model == BERT_WORDPIECE && enc->word_chars > (size_t)enc->t->max_chars) return;
    if (enc->word_bytes + 4 > enc->word_capacity && !grow_word(enc)) return;
    int n = bert_utf8_put(c, enc->word + enc->word_bytes);
    if (enc->full)
        for (int i = 0; i < n; i++) enc->places[enc->word_bytes + (size_t)i] = at;
    enc->word_bytes += (size_t)n;
}

static void put_bert(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    bert_encoder *enc = context;
    bool alone = u->flags & BERT_CHAR_PUNCTUATION;
    if (alone || u->flags & BERT_CHAR_SPACE) end_word(enc);
    if (u->flags & BERT_CHAR_SPACE) return;
    append(enc, c, at);
    if (alone) end_word(enc);
}

static void put_words(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    bert_encoder *enc = context;
    int class = u->flags & (BERT_CHAR_SPACE | BERT_CHAR_WORD);
    if (class != enc->word_class) end_word(enc);
    enc->word_class = class;
    if (!(class & BERT_CHAR_SPACE)) append(enc, c, at);
}

static void put_whitespace(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    bert_encoder *enc = context;
    if (u->flags & BERT_CHAR_SPACE)
        end_word(enc);
    else
        append(enc, c, at);
}

static bert_put_fn *const splits[BERT_SPLITS] = {
    [BERT_SPLIT_BERT] = put_bert,
    [BERT_SPLIT_WORDS] = put_words,
    [BERT_SPLIT_WHITESPACE] = put_whitespace,
};

/* ----------------------------------------------------------------- Text to characters */

/* Unified ideographs: no case, no decomposition, no flag but BERT_CHAR_CJK. */
ALWAYS_INLINE bool is_ideograph(uint32_t c) {
    return c - 0x4e00 <= 0x9fff - 0x4e00;
}

/* Decodes one code point and says where it is. */
static uint32_t next_char(bert_encoder *enc, const uint8_t **p, const uint8_t *end, bert_span *at) {
    const uint8_t *start = *p;
    at->start = (int32_t)((size_t)(start - enc->text) - enc->skew);
    uint32_t c = bert_utf8_next(p, end);
    if (!enc->byte_offsets) enc->skew += (size_t)(*p - start) - 1;
    at->end = (int32_t)((size_t)(*p - enc->text) - enc->skew);
    return c;
}

/* Most Chinese characters are a word each, as they are. */
ALWAYS_INLINE void put_ideograph(bert_encoder *enc, const uint8_t *p, size_t bytes, bert_span at) {
    uint64_t key[2] = {0};
    const bert_span places[4] = {at, at, at, at};
    memcpy(key, p, bytes);
    enc->normalize.last = at;
    if (enc->full)
        put_short_word(enc, true, key[0], key[1], bytes, places, 0);
    else
        put_short_word(enc, false, key[0], key[1], bytes, NULL, 0);
}

ALWAYS_INLINE const uint8_t *read_chars(bert_encoder *enc, const uint8_t *p, const uint8_t *end,
                                        bert_put_fn *put, bool quick) {
    while (p < end) {
        bert_span at;
        const uint8_t *start = p;
        uint32_t c = next_char(enc, &p, end, &at);
        bool clear = !enc->word_chars && !enc->normalize.n;
        if (quick && clear && enc->normalize.flags.handle_chinese_chars && is_ideograph(c))
            put_ideograph(enc, start, (size_t)(p - start), at);
        else {
            bert_normalizer_put(&enc->normalize, c, at, put, enc);
            clear = !enc->word_chars && !enc->normalize.n;
        }
        if (clear && p < end && *p < 0x80) return p;
    }
    bert_normalizer_flush(&enc->normalize, put, enc);
    end_word(enc);
    return p;
}

/* Reads from p until nothing is left in the making and ASCII follows, or to the end. */
static const uint8_t *read_slowly(bert_encoder *enc, const uint8_t *p, const uint8_t *end) {
    if (enc->t->quick) return read_chars(enc, p, end, put_bert, true);
    return read_chars(enc, p, end, splits[enc->t->split], false);
}

/* Length of the run of ASCII letters and digits at the start of 16 bytes (16: all), and the run
 * itself, in lower case if asked for, padded with zeros. */
ALWAYS_INLINE unsigned ascii_run(const uint8_t *p, bool lowercase, uint64_t key[2]) {
#if defined __SSE2__ && defined __x86_64__
    static const uint8_t keep[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};
    const __m128i bit5 = _mm_set1_epi8(0x20);
    __m128i v = _mm_loadu_si128((const __m128i *)p), low = _mm_or_si128(v, bit5);
    __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
                                   _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
    __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)),
                                  _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(letter, digit));
    unsigned n = (unsigned)__builtin_ctz(~mask);
    if (lowercase) v = _mm_or_si128(v, _mm_and_si128(letter, bit5));
    v = _mm_and_si128(v, _mm_loadu_si128((const __m128i *)(keep + 16 - n)));
    key[0] = (uint64_t)_mm_cvtsi128_si64(v);
    key[1] = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v));
    return n;
#else
    uint8_t bytes[16] = {0};
    unsigned n = 0;
    for (; n < 16; n++) {
        uint8_t c = p[n], low = c | 0x20;
        bool letter = low >= 'a' && low <= 'z';
        if (!letter && !(c >= '0' && c <= '9')) break;
        bytes[n] = letter && lowercase ? low : c;
    }
    memcpy(key, bytes, sizeof bytes);
    return n;
#endif
}

/* BertPreTokenizer's rules where they are simple: runs of ASCII that end at a space, at punctuation
 * or at the end. The rest goes to read_slowly. */
ALWAYS_INLINE void read_quickly(bert_encoder *enc, const uint8_t *p, const uint8_t *end,
                                bool full) {
    const bert_tokenizer *t = enc->t;
    const bool lowercase = t->normalizer.lowercase;
    while (p < end) {
        uint8_t tail[16] = {0};
        const uint8_t *window = p;
        size_t left = (size_t)(end - p);
        if (left < sizeof tail) window = memcpy(tail, p, left);
        uint64_t key[2];
        unsigned n = ascii_run(window, lowercase, key);
        if (n) {
            uint8_t after = n < left ? p[n] : ' ';
            if (n == 16 || after >= 0x80 || t->ascii[after] > BERT_ASCII_PUNCTUATION) {
                p = read_slowly(enc, p, end);
                continue;
            }
            put_short_word(enc, full, key[0], key[1], n, NULL, (size_t)(p - enc->text) - enc->skew);
            p += n;
            if (p == end) return;
        }
        uint8_t c = *p;
        if (c < 0x80 && t->ascii[c] == BERT_ASCII_SPACE)
            p++;
        else if (c < 0x80 && t->ascii[c] == BERT_ASCII_PUNCTUATION) {
            const uint32_t piece[BERT_SHORT_PIECES] = {(uint32_t)t->ascii_ids[c] | 1u << ID_BITS};
            put_word(enc, full, 1, piece, NULL, (size_t)(p - enc->text) - enc->skew);
            p++;
        } else
            p = read_slowly(enc, p, end);
    }
}

/* --------------------------------------------------------------------- Added tokens */

static bool keep_in_stretch(bert_encoder *enc) {
    size_t capacity = enc->stretch_capacity ? 2 * enc->stretch_capacity : 1024;
    uint8_t *stretch = realloc(enc->stretch, capacity);
    if (stretch) enc->stretch = stretch;
    bert_span *places = realloc(enc->stretch_places, capacity * sizeof *places);
    if (places) enc->stretch_places = places;
    if (stretch && places)
        enc->stretch_capacity = capacity;
    else
        enc->failed = true;
    return !enc->failed;
}

static void put_stretch(void *context, uint32_t c, const bert_unicode *u, bert_span at) {
    (void)u;
    bert_encoder *enc = context;
    if (enc->stretch_bytes + 4 > enc->stretch_capacity && !keep_in_stretch(enc)) return;
    int n = bert_utf8_put(c, enc->stretch + enc->stretch_bytes);
    for (int i = 0; i < n; i++) enc->stretch_places[enc->stretch_bytes + (size_t)i] = at;
    enc->stretch_bytes += (size_t)n;
}

static void split_stretch(bert_encoder *enc, size_t from, size_t to) {
    bert_put_fn *put = splits[enc->t->split];
    const uint8_t *p = enc->stretch + from, *end = enc->stretch + to;
    while (p < end) {
        bert_span at = enc->stretch_places[p - enc->stretch];
        uint32_t c = bert_utf8_next(&p, end);
        put(enc, c, bert_unicode_of(c), at);
    }
    end_word(enc);
}

/* Some added tokens are looked for in normalised text: normalise all of it, then look, then split
 * what is between them. */
static void read_stretch(bert_encoder *enc, const uint8_t *p, const uint8_t *end) {
    enc->stretch_bytes = 0;
    while (p < end) {
        bert_span at;
        uint32_t c = next_char(enc, &p, end, &at);
        bert_normalizer_put(&enc->normalize, c, at, put_stretch, enc);
    }
    bert_normalizer_flush(&enc->normalize, put_stretch, enc);
    bert_matcher m = {
        .t = enc->t, .trie = &enc->t->normalized, .text = enc->stretch, .n = enc->stretch_bytes};
    size_t start, stop, done = 0;
    for (int32_t i; (i = bert_match_next(&m, &start, &stop)) >= 0; done = stop) {
        if (done < start) split_stretch(enc, done, start);
        put_token(enc, enc->t->added[i].id,
                  (bert_span){enc->stretch_places[start].start, enc->stretch_places[stop - 1].end});
    }
    split_stretch(enc, done, enc->stretch_bytes);
}

static void read_segment(bert_encoder *enc, const uint8_t *p, const uint8_t *end) {
    if (enc->t->n_normalized)
        read_stretch(enc, p, end);
    else if (!enc->t->quick)
        while (p < end) p = read_slowly(enc, p, end);
    else if (enc->full)
        read_quickly(enc, p, end, true);
    else
        read_quickly(enc, p, end, false);
}

/* Code points from..to, backwards if to < from. */
static size_t count_chars(const bert_encoder *enc, const uint8_t *from, const uint8_t *to) {
    size_t n = 0;
    if (enc->byte_offsets) return (size_t)(to - from);
    for (; from < to; n++) bert_utf8_next(&from, to);
    return n;
}

int bert_read_text(bert_encoder *enc, const char *text, size_t bytes, bert_tokens *out, bool full,
                   bert_error *e) {
    const bert_tokenizer *t = enc->t;
    enc->text = (const uint8_t *)text;
    enc->text_end = enc->text + bytes;
    enc->skew = 0;
    enc->full = full;
    enc->failed = false;
    enc->out = out;
    enc->normalize.failed = false;
    out->n = 0;
    out->word = 0;
    bert_matcher m = {.t = t, .trie = &t->raw, .text = enc->text, .n = bytes};
    size_t start, stop, done = 0;
    for (int32_t i; t->n_raw && (i = bert_match_next(&m, &start, &stop)) >= 0; done = stop) {
        if (done < start) read_segment(enc, enc->text + done, enc->text + start);
        const uint8_t *a = enc->text + start, *b = enc->text + stop, *d = enc->text + done;
        /* A token that took the spaces after it may overlap one that begins with them. */
        size_t at = (size_t)(d - enc->text) - enc->skew;
        at = start < done ? at - count_chars(enc, a, d) : (size_t)(a - enc->text) - enc->skew;
        size_t to = at + count_chars(enc, a, b);
        put_token(enc, t->added[i].id, (bert_span){(int32_t)at, (int32_t)to});
        enc->skew = stop - to;
    }
    if (done < bytes) read_segment(enc, enc->text + done, enc->text_end);
    if (enc->failed || enc->normalize.failed)
        return bert_fail(e, BERT_ENOMEM, "out of memory while tokenizing %zu bytes of text", bytes);
    return BERT_OK;
}

int64_t bert_encode_ids(bert_encoder *enc, const char *text, size_t text_bytes, int32_t *ids,
                        size_t capacity, bert_error *e) {
    if (!enc || (!text && text_bytes) || (!ids && capacity))
        return bert_fail(e, BERT_EINVAL, "bert_encode_ids: an argument is NULL");
    bert_tokens out = {.ids = ids, .capacity = capacity};
    enc->byte_offsets = true;
    int rc = bert_read_text(enc, text ? text : "", text_bytes, &out, false, e);
    return rc ? rc : (int64_t)out.n;
}

/* ---------------------------------------------------------------------- The encoder */

/* In bytes; at least 1. */
static size_t longest_piece(const bert_tokenizer *t) {
    const size_t word = 4 * (size_t)t->max_chars, longest = t->vocabulary.longest;
    return (longest < word ? longest : word) + 1;
}

bert_encoder *bert_encoder_new(const bert_tokenizer *t, bert_error *e) {
    if (!t) {
        bert_fail(e, BERT_EINVAL, "bert_encoder_new: the tokenizer is NULL");
        return NULL;
    }
    bert_encoder *enc = calloc(1, sizeof *enc);
    if (enc) {
        enc->t = t;
        enc->normalize.flags = t->normalizer;
        enc->short_words = calloc((size_t)1 << BERT_SHORT_BITS, sizeof *enc->short_words);
        enc->long_words = calloc((size_t)1 << BERT_LONG_BITS, sizeof *enc->long_words);
        enc->found = malloc(((size_t)t->max_chars + 1) * sizeof *enc->found);
        enc->ends = malloc(((size_t)t->max_chars + 1) * sizeof *enc->ends);
        enc->hashes = malloc(longest_piece(t) * sizeof *enc->hashes);
        enc->starts = calloc(2, sizeof *enc->starts);
        enc->starts_capacity = 2;
    }
    if (!enc || !enc->short_words || !enc->long_words || !enc->found || !enc->ends ||
        !enc->hashes || !enc->starts) {
        bert_encoder_free(enc);
        bert_fail_memory(e, sizeof *enc->short_words << BERT_SHORT_BITS);
        return NULL;
    }
    return enc;
}

void bert_encoder_free(bert_encoder *enc) {
    if (!enc) return;
    bert_normalizer_free(&enc->normalize);
    for (int i = 0; i < 2; i++) {
        free(enc->sequences[i].ids);
        free(enc->sequences[i].words);
        free(enc->sequences[i].offsets);
    }
    void *const blocks[] = {enc->short_words,    enc->long_words, enc->word,     enc->places,
                            enc->found,          enc->ends,       enc->hashes,   enc->stretch,
                            enc->stretch_places, enc->ids,        enc->type_ids, enc->word_ids,
                            enc->sequence_ids,   enc->offsets,    enc->special,  enc->starts};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
    free(enc);
}
