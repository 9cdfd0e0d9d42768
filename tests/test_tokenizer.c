/* The tokenizer: loading, every rule of BERT's normalisation, windows, decoding, saving, bad files.
 */
#include "base/file.h"
#include "test.h"
#include <bert.h>
#include <jansson.h>
#include <pthread.h>

static const char small_vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nab\n##a\n##b\ne\n##e\n"
                                  "!\n,\n.\n[\n]\nmask\ni\n##i\n\xe4\xb8\xad\n\xe2\x80\x99\ns\n"
                                  "\xe1\x84\x80\n##\xe1\x85\xa1\n##\xe1\x84\x80\n;\n";
enum {
    UNK = 1,
    CLS,
    SEP,
    MASK,
    A,
    B,
    AB,
    _A,
    _B,
    E,
    _E,
    BANG,
    COMMA,
    DOT,
    OPEN,
    CLOSE,
    MASK_WORD,
    I,
    _I,
    ZHONG,
    QUOTE,
    S,
    G,
    _AE,
    _G,
    SEMICOLON
};

/* Without the fsync of bert_write_file, which takes most of the time here. */
static void write_file(const char *path, const char *text, size_t bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

/* Writes a file in a directory of its own, opens it, and removes it. */
static bert_tokenizer *open_text(const char *name, const char *text, size_t bytes,
                                 const bert_tokenizer_options *o, bert_error *e) {
    char *d = test_directory(), *path = bert_path_join(d, name);
    write_file(path, text, bytes);
    bert_tokenizer *t = bert_tokenizer_open(path, o, e);
    free(path);
    test_remove(d);
    return t;
}

typedef struct {
    bert_tokenizer *t;
    bert_encoder *enc;
} tools;

static tools open_small(const bert_tokenizer_options *o) {
    bert_error e = {0};
    tools x = {open_text("vocab.txt", small_vocab, strlen(small_vocab), o, &e), NULL};
    assert_string_equal(e.message, "");
    assert_non_null(x.t);
    x.enc = bert_encoder_new(x.t, &e);
    assert_non_null(x.enc);
    return x;
}

static void close_tools(tools x) {
    bert_encoder_free(x.enc);
    bert_tokenizer_close(x.t);
}

static bert_encoding encode(tools x, const char *text, size_t bytes) {
    bert_encode_options o = bert_encode_default();
    o.add_special_tokens = false;
    bert_error e = {0};
    assert_int_equal(bert_encode(x.enc, text, bytes, NULL, 0, &o, &e), 1);
    bert_encoding w = bert_encoder_window(x.enc, 0);
    /* The fast path says the same. */
    int32_t *ids = malloc(((size_t)w.n + 1) * sizeof *ids);
    assert_int_equal(bert_encode_ids(x.enc, text, bytes, ids, (size_t)w.n, &e), w.n);
    assert_memory_equal(ids, w.ids, (size_t)w.n * sizeof *ids);
    free(ids);
    return w;
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)
#define NO_IDS NULL, 0
#define TEXT(s) s, sizeof s - 1

static void expect(tools x, const char *text, size_t bytes, const int32_t *ids, size_t n) {
    bert_encoding w = encode(x, text, bytes);
    assert_int_equal(w.n, n);
    if (n) assert_memory_equal(w.ids, ids, n * sizeof *ids);
}

static void expect_offsets(tools x, const char *text, size_t bytes, const int32_t *offsets,
                           size_t n) {
    bert_encoding w = encode(x, text, bytes);
    assert_int_equal(2 * w.n, n);
    assert_memory_equal(w.offsets, offsets, n * sizeof *offsets);
}

/* ------------------------------------------------------------------------------ Traps */

static void empty_and_blank_texts_have_no_tokens(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x, TEXT(""), NO_IDS);
    expect(x, TEXT(" \t\r\n  "), NO_IDS);
    expect(x, TEXT("\xe3\x80\x80\xc2\xa0\xe2\x80\xa8"), NO_IDS); /* U+3000, U+A0, U+2028 */
    bert_error e = {0};
    assert_int_equal(bert_encode(x.enc, NULL, 0, NULL, 0, NULL, &e), 1);
    assert_int_equal(bert_encoder_window(x.enc, 0).n, 2);
    assert_int_equal(bert_encode(x.enc, "", 0, "", 0, NULL, &e), 1);
    assert_int_equal(bert_encoder_window(x.enc, 0).n, 3);
    close_tools(x);
}

static void deleted_characters_join_words(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x,
           TEXT("a\xe2\x80\x8b"
                "b"),
           IDS(AB)); /* zero width space */
    expect(x,
           TEXT("a\x0b"
                "b a\x0c"
                "b a\xc2\x85"
                "b"),
           IDS(AB, AB, AB)); /* VT, FF, NEL */
    expect(x, TEXT("a\0b"), IDS(AB));
    expect(x,
           TEXT("a\xef\xbf\xbd"
                "b"),
           IDS(AB)); /* U+FFFD */
    expect_offsets(x,
                   TEXT("\xe2\x80\x8b"
                        "a\xe2\x80\x8b"
                        "b\xe2\x80\x8b"),
                   IDS(1, 4));
    close_tools(x);
}

static void malformed_utf8_is_deleted(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x,
           TEXT("a\xed\xa0\x80"
                "b"),
           IDS(AB)); /* a surrogate: three bytes, three U+FFFD */
    expect_offsets(x,
                   TEXT("\xed\xa0\x80"
                        "a"),
                   IDS(3, 4));
    expect_offsets(x,
                   TEXT("\xc0\xaf"
                        "a"),
                   IDS(2, 3)); /* overlong: two */
    expect_offsets(x,
                   TEXT("\xf0\x9f\x98"
                        "a"),
                   IDS(1, 2)); /* cut short: one */
    expect_offsets(x,
                   TEXT("\xf4\x90\x80\x80"
                        "a"),
                   IDS(4, 5)); /* past plane 16 */
    expect(x, TEXT("a\xe4\xb8"), IDS(A));
    expect(x, TEXT("\xff\xfe\x80\xbf"), NO_IDS);
    close_tools(x);
}

static void byte_offsets_count_bytes(void **state) {
    (void)state;
    tools x = open_small(NULL);
    bert_encode_options o = bert_encode_default();
    o.byte_offsets = true;
    const char text[] = "\xc3\xa9 \xe4\xb8\xad[MASK]\xf0\x9f\x98"
                        "b";
    assert_int_equal(bert_encode(x.enc, TEXT(text), NULL, 0, &o, NULL), 1);
    bert_encoding w = bert_encoder_window(x.enc, 0);
    const int32_t want[] = {0, 0, 0, 2, 3, 6, 6, 12, 15, 16, 0, 0};
    assert_int_equal(w.n, 6);
    assert_memory_equal(w.offsets, want, sizeof want);
    close_tools(x);
}

static void words_have_a_hundred_characters_at_most(void **state) {
    (void)state;
    tools x = open_small(NULL);
    char text[3 * 101];
    for (int i = 0; i < 101; i++) memcpy(text + 3 * i, "e\xcc\x81", 3); /* e and an acute */
    bert_encoding w = encode(x, text, 300);
    assert_int_equal(w.n, 100);
    assert_int_equal(w.offsets[99][0], 198);
    expect(x, text, 303, IDS(UNK));
    expect_offsets(x, text, 303, IDS(0, 201)); /* the last mark is not covered */
    for (int i = 0; i < 101; i++) memcpy(text + 2 * i, "\xc3\xa9", 2); /* the same, composed */
    assert_int_equal(encode(x, text, 200).n, 100);
    expect(x, text, 202, IDS(UNK));
    close_tools(x);
}

static void hangul_is_taken_apart(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x, TEXT("\xea\xb0\x80"), IDS(G, _AE));
    expect_offsets(x, TEXT("\xea\xb0\x80\xea\xb0\x80"), IDS(0, 1, 0, 1, 1, 2, 1, 2));
    char text[3 * 51]; /* 51 syllables of two letters are 102 characters; 50 are 100 */
    for (int i = 0; i < 51; i++) memcpy(text + 3 * i, "\xea\xb0\x80", 3);
    assert_int_equal(encode(x, text, 150).n, 100);
    expect(x, text, 153, IDS(UNK));
    for (int i = 0; i < 34; i++) memcpy(text + 3 * i, "\xea\xb0\x81", 3); /* three letters each */
    expect(x, text, 102, IDS(UNK));
    close_tools(x);
}

static void marks_go_wherever_they_are(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect_offsets(x,
                   TEXT("\xcc\x81"
                        "ab"),
                   IDS(1, 3));                        /* at the start */
    expect_offsets(x, TEXT("ab\xcc\x81"), IDS(0, 2)); /* at the end */
    expect_offsets(x,
                   TEXT("a\xcc\x81\xcc\xa7"
                        "b"),
                   IDS(0, 4)); /* not in canonical order */
    expect(x, TEXT("\xcc\x81"), NO_IDS);
    expect(x, TEXT("a \xcc\x81 b"), IDS(A, B));
    expect(x,
           TEXT("\xe4\xb8\xad\xcc\x81"
                "a"),
           IDS(ZHONG, A));
    close_tools(x);
}

static void marks_that_are_not_mn_stay_and_move(void **state) {
    (void)state;
    /* U+302E (class 224) sorts before U+0301 (230), and takes its place in the text. */
    static const char vocab[] = "[UNK]\n[CLS]\n[SEP]\na\n##\xe3\x80\xae\n##\xf0\x9d\x85\xa5\n##b\n";
    bert_error e = {0};
    tools x = {open_text("vocab.txt", TEXT(vocab), NULL, &e), NULL};
    x.enc = bert_encoder_new(x.t, &e);
    expect(x,
           TEXT("a\xcc\x81\xe3\x80\xae"
                "b"),
           IDS(3, 4, 6));
    expect_offsets(x,
                   TEXT("a\xcc\x81\xe3\x80\xae"
                        "b"),
                   IDS(0, 1, 1, 2, 3, 4));
    expect(x, TEXT("a\xcc\x81\xf0\x9d\x85\xa5"), IDS(3, 5)); /* U+1D165, class 216 */
    expect_offsets(x, TEXT("a\xcc\x81\xf0\x9d\x85\xa5"), IDS(0, 1, 1, 2));
    close_tools(x);
}

static void special_tokens_are_found_in_text(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x, TEXT("a[MASK]b"), IDS(A, MASK, B));
    expect(x, TEXT("[UNK][mask]"), IDS(UNK, OPEN, MASK_WORD, CLOSE));
    expect(x, TEXT("[[MASK]]"), IDS(OPEN, MASK, CLOSE));
    expect(x, TEXT("[MAS"), IDS(OPEN, UNK));
    bert_encoding w = encode(x, TEXT("a [MASK]b"));
    assert_int_equal(w.word_ids[1], 1); /* it counts as a word, and is not masked as special */
    assert_int_equal(w.word_ids[2], 2);
    assert_int_equal(w.special_tokens_mask[1], 0);
    close_tools(x);
    bert_tokenizer_options o = bert_tokenizer_default();
    o.encode_special_tokens = true;
    x = open_small(&o);
    expect(x, TEXT("[MASK]"), IDS(OPEN, MASK_WORD, CLOSE));
    close_tools(x);
}

static void emoji_families_are_one_unknown_word(void **state) {
    (void)state;
    tools x = open_small(NULL);
    const char family[] =
        "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7";
    expect(x, TEXT(family), IDS(UNK));
    expect_offsets(x, TEXT(family), IDS(0, 5));
    close_tools(x);
}

static void case_follows_the_library(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x, TEXT("\xc4\xb0"), IDS(I));         /* U+0130: NFD comes first, so plain i */
    expect(x, TEXT("\xcd\xbe"), IDS(SEMICOLON)); /* U+037E becomes punctuation by NFD */
    close_tools(x);
    bert_tokenizer_options o = bert_tokenizer_default();
    o.strip_accents = 0;
    x = open_small(&o);
    expect(x, TEXT("\xc4\xb0"), IDS(UNK)); /* i and U+0307 */
    close_tools(x);
    o = bert_tokenizer_default();
    o.do_lower_case = 0;
    x = open_small(&o);
    expect(x, TEXT("A a \xc3\xa9"), IDS(UNK, A, UNK));
    close_tools(x);
}

static void chinese_is_split_if_asked(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x,
           TEXT("a\xe4\xb8\xad"
                "b"),
           IDS(A, ZHONG, B));
    expect(x,
           TEXT("\xf0\xab\xa0\xa0"
                "a"),
           IDS(UNK)); /* U+2B820: not CJK here */
    expect(x,
           TEXT("\xf0\xab\xa4\xa0"
                "a"),
           IDS(UNK, A)); /* U+2B920 is */
    close_tools(x);
    bert_tokenizer_options o = bert_tokenizer_default();
    o.tokenize_chinese_chars = 0;
    x = open_small(&o);
    expect(x,
           TEXT("a\xe4\xb8\xad"
                "b"),
           IDS(UNK));
    close_tools(x);
}

static void ten_megabytes_without_a_space(void **state) {
    (void)state;
    tools x = open_small(NULL);
    size_t n = 10 << 20;
    char *text = malloc(n);
    memset(text, 'a', n);
    expect(x, text, n, IDS(UNK));
    for (size_t i = 0; i + 1 < n; i += 2) memcpy(text + i, "\xcc\x81", 2);
    expect(x, text, n, NO_IDS);
    memset(text, '!', n);
    assert_int_equal(encode(x, text, n).n, n);
    free(text);
    close_tools(x);
}

/* ----------------------------------------------------------------------------- Windows */

static void windows_overlap_by_stride(void **state) {
    (void)state;
    tools x = open_small(NULL);
    bert_encode_options o = bert_encode_default();
    o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    o.max_length = 5;
    o.stride = 1;
    o.overflowing = true;
    assert_int_equal(bert_encode(x.enc, TEXT("a b a b i a"), NULL, 0, &o, NULL), 3);
    const int32_t want[3][5] = {{CLS, A, B, A, SEP}, {CLS, A, B, I, SEP}, {CLS, I, A, SEP}};
    for (int i = 0; i < 3; i++) {
        bert_encoding w = bert_encoder_window(x.enc, i);
        assert_int_equal(w.n, i < 2 ? 5 : 4);
        assert_memory_equal(w.ids, want[i], (size_t)w.n * sizeof *w.ids);
    }
    assert_int_equal(bert_encoder_full_length(x.enc), 8);
    assert_int_equal(bert_encoder_window(x.enc, 3).n, 0);
    o.truncate_left = true;
    o.overflowing = false;
    assert_int_equal(bert_encode(x.enc, TEXT("a b a b i a"), NULL, 0, &o, NULL), 1);
    const int32_t last[] = {CLS, B, I, A, SEP};
    assert_memory_equal(bert_encoder_window(x.enc, 0).ids, last, sizeof last);
    close_tools(x);
}

static void impossible_truncation_is_an_error(void **state) {
    (void)state;
    tools x = open_small(NULL);
    const struct {
        bert_truncation how;
        int32_t max_length, stride;
        bool pair;
    } bad[] = {{BERT_TRUNCATE_LONGEST_FIRST, 1, 0, false},
               {BERT_TRUNCATE_LONGEST_FIRST, 4, 2, false},
               {BERT_TRUNCATE_LONGEST_FIRST, 4, 9, false},
               {BERT_TRUNCATE_LONGEST_FIRST, -1, 0, false},
               {BERT_TRUNCATE_LONGEST_FIRST, 4, -1, false},
               {BERT_TRUNCATE_ONLY_SECOND, 4, 0, false},
               {BERT_TRUNCATE_ONLY_FIRST, 5, 0, true},
               {BERT_TRUNCATE_ONLY_SECOND, 5, 0, true},
               {(bert_truncation)9, 4, 0, false}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bert_error e = {0};
        bert_encode_options o = bert_encode_default();
        o.truncation = bad[i].how;
        o.max_length = bad[i].max_length;
        o.stride = bad[i].stride;
        o.overflowing = true;
        assert_int_equal(
            bert_encode(x.enc, TEXT("a b a b"), bad[i].pair ? "a b a" : NULL, 5, &o, &e),
            BERT_EINVAL);
        assert_int_equal(e.code, BERT_EINVAL);
        assert_true(*e.message);
        assert_int_equal(bert_encoder_window(x.enc, 0).n, 0);
    }
    close_tools(x);
}

static void characters_lead_to_tokens(void **state) {
    (void)state;
    tools x = open_small(NULL);
    bert_encode(x.enc, TEXT("a  b"), "b i", 3, NULL, NULL);
    assert_int_equal(bert_encoder_char_to_token(x.enc, 0, 0, 0), 1);
    assert_int_equal(bert_encoder_char_to_token(x.enc, 0, 1, 0), -1);
    assert_int_equal(bert_encoder_char_to_token(x.enc, 0, 3, 0), 2);
    assert_int_equal(bert_encoder_char_to_token(x.enc, 0, 0, 1), 4);
    assert_int_equal(bert_encoder_char_to_token(x.enc, 0, 9, 1), -1);
    assert_int_equal(bert_encoder_char_to_token(x.enc, 1, 0, 0), -1);
    close_tools(x);
}

static void the_fast_path_writes_no_more_than_fits(void **state) {
    (void)state;
    tools x = open_small(NULL);
    for (size_t room = 0; room < 6; room++) {
        int32_t ids[8] = {-7, -7, -7, -7, -7, -7, -7, -7};
        assert_int_equal(bert_encode_ids(x.enc, TEXT("a ba , b"), ids, room, NULL), 5);
        for (size_t i = room; i < 8; i++) assert_int_equal(ids[i], -7);
    }
    bert_error e = {0};
    assert_int_equal(bert_encode_ids(x.enc, NULL, 1, NULL, 0, &e), BERT_EINVAL);
    close_tools(x);
}

static size_t random_line(uint32_t *seed, char *line, int parts) {
    static const char *const some[] = {"a",
                                       "b",
                                       "ab",
                                       "A",
                                       "7",
                                       " ",
                                       " ",
                                       ",",
                                       "\xc3\xa9",
                                       "\xd0\xb6",
                                       "\xd0\x96",
                                       "\xe4\xb8\xad",
                                       "\xcc\x81",
                                       "\xe0\xa4\x95",
                                       "\xe3\x80\x82",
                                       "\x01"};
    size_t n = 0;
    for (int i = 0; i < parts; i++) {
        *seed = *seed * 1664525 + 1013904223;
        const char *part = some[*seed >> 28];
        memcpy(line + n, part, strlen(part));
        n += strlen(part);
    }
    return n;
}

/* More words than are remembered, in texts that are ASCII and that are not. */
static void what_came_before_changes_nothing(void **state) {
    (void)state;
    for (int lower = 0; lower < 2; lower++) {
        bert_tokenizer_options o = bert_tokenizer_default();
        o.do_lower_case = lower;
        tools x = open_small(&o), fresh = x;
        uint32_t seed = 1;
        for (int i = 0; i < 15000; i++) {
            char line[400];
            const size_t n = random_line(&seed, line, 100);
            const bert_encoding w = encode(x, line, n);
            if (i % 100) continue;
            fresh.enc = bert_encoder_new(x.t, NULL);
            const bert_encoding f = encode(fresh, line, n);
            assert_int_equal(w.n, f.n);
            assert_memory_equal(w.ids, f.ids, (size_t)w.n * sizeof *w.ids);
            assert_memory_equal(w.word_ids, f.word_ids, (size_t)w.n * sizeof *w.word_ids);
            assert_memory_equal(w.offsets, f.offsets, (size_t)w.n * sizeof *w.offsets);
            bert_encoder_free(fresh.enc);
        }
        close_tools(x);
    }
}

/* ------------------------------------------------------------------- Vocabulary, decoding */

static void vocabulary_lines_are_trimmed_and_the_last_wins(void **state) {
    (void)state;
    bert_error e = {0};
    static const char vocab[] = "[UNK]\r\n[CLS]\r\n[SEP] \t\r\na\xe3\x80\x80\r\nb\na\n\nc";
    tools x = {open_text("vocab.txt", TEXT(vocab), NULL, &e), NULL};
    assert_non_null(x.t);
    x.enc = bert_encoder_new(x.t, &e);
    assert_int_equal(bert_tokenizer_size(x.t), 8);
    expect(x, TEXT("a b c"), IDS(5, 4, 7));
    assert_int_equal(bert_token_id(x.t, "a"), 5);
    assert_null(bert_token(x.t, 3)); /* line 5 took its name */
    assert_string_equal(bert_token(x.t, 5), "a");
    assert_null(bert_token(x.t, 8));
    assert_null(bert_token(x.t, -1));
    assert_int_equal(bert_tokenizer_special(x.t).mask, -1);
    assert_int_equal(bert_tokenizer_special(x.t).sep, 2);
    close_tools(x);
}

static void decoding_cleans_up(void **state) {
    (void)state;
    tools x = open_small(NULL);
    bert_error e = {0};
    char out[64];
    const int32_t ids[] = {CLS, A, _B, COMMA, B, BANG, SEP};
    assert_int_equal(bert_decode(x.t, ids, 7, true, out, sizeof out, &e), 6);
    assert_string_equal(out, "ab, b!");
    assert_int_equal(bert_decode(x.t, ids, 7, false, out, sizeof out, &e), 18);
    assert_string_equal(out, "[CLS] ab, b! [SEP]");
    assert_int_equal(bert_decode(x.t, ids, 7, false, out, 6, &e), 18); /* cut, and terminated */
    assert_string_equal(out, "[CLS]");
    assert_int_equal(bert_decode(x.t, ids, 0, false, out, 6, &e), 0);
    assert_string_equal(out, "");
    const int32_t bad[] = {A, 1000};
    assert_int_equal(bert_decode(x.t, bad, 2, false, out, sizeof out, &e), BERT_EINVAL);
    close_tools(x);
}

/* ------------------------------------------------------------------------------- Golden */

static uint64_t fnv(uint64_t h, const int32_t *v, size_t n) {
    for (size_t i = 0; i < n; i++) h = (h ^ (uint32_t)v[i]) * 0x100000001b3u;
    return h;
}

static uint64_t hash_windows(const bert_encoder *enc, int windows) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int i = 0; i < windows; i++) {
        bert_encoding w = bert_encoder_window(enc, i);
        size_t n = (size_t)w.n;
        h = fnv(h, &w.n, 1);
        h = fnv(h, w.ids, n);
        h = fnv(h, w.type_ids, n);
        h = fnv(h, w.word_ids, n);
        h = fnv(h, w.sequence_ids, n);
        h = fnv(h, w.offsets ? w.offsets[0] : NULL, 2 * n);
        for (size_t k = 0; k < n; k++) h = fnv(h, &(int32_t){w.special_tokens_mask[k]}, 1);
    }
    return h;
}

static void check_case(const tools *all, const json_t *c) {
    const json_t *text = json_array_get(c, 1), *pair = json_array_get(c, 2),
                 *option = json_array_get(c, 3), *ids = json_array_get(c, 4);
    int value[6];
    for (int i = 0; i < 6; i++)
        value[i] = (int)json_integer_value(json_array_get(option, (size_t)i));
    tools x = all[json_integer_value(json_array_get(c, 0))];
    const bert_encode_options o = {
        value[0], (bert_truncation)value[1], value[2], value[3], true, value[4], value[5]};
    bert_error e = {0};
    int windows = bert_encode(x.enc, json_string_value(text), json_string_length(text),
                              json_string_value(pair), json_string_length(pair), &o, &e);
    if (json_is_null(ids)) {
        assert_int_equal(windows, BERT_EINVAL);
        return;
    }
    assert_true(windows > 0);
    bert_encoding w = bert_encoder_window(x.enc, 0);
    assert_int_equal(w.n, json_array_size(ids));
    for (int i = 0; i < w.n; i++)
        assert_int_equal(w.ids[i], json_integer_value(json_array_get(ids, (size_t)i)));
    char hash[20], out[8192];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)hash_windows(x.enc, windows));
    assert_string_equal(hash, json_string_value(json_array_get(c, 5)));
    assert_true(bert_decode(x.t, w.ids, (size_t)w.n, true, out, sizeof out, &e) >= 0);
    assert_string_equal(out, json_string_value(json_array_get(c, 6)));
}

enum { MAX_TOKENIZERS = 32 };

/* Opens every tokenizer of the golden file; saved: after saving and loading it. */
static void check_golden(bool saved) {
    json_error_t je;
    json_t *golden =
        json_load_file(BERT_SOURCE_DIR "/tests/golden/tokenizer.json", JSON_ALLOW_NUL, &je);
    assert_non_null(golden);
    json_t *list = json_object_get(golden, "tokenizers"), *item;
    tools all[MAX_TOKENIZERS] = {{NULL, NULL}};
    size_t i;
    json_array_foreach(list, i, item) {
        bert_error e = {0};
        assert_true(i < MAX_TOKENIZERS);
        json_object_set(json_object_get(item, "model"), "vocab", json_object_get(golden, "vocab"));
        char *text = json_dumps(item, i % 2 ? JSON_ENSURE_ASCII : JSON_INDENT(1));
        all[i].t = open_text("tokenizer.json", text, strlen(text), NULL, &e);
        assert_string_equal(e.message, "");
        free(text);
        if (saved) {
            char *d = test_directory();
            assert_int_equal(bert_tokenizer_save(all[i].t, d, &e), 0);
            bert_tokenizer_close(all[i].t);
            all[i].t = bert_tokenizer_open(d, NULL, &e);
            assert_string_equal(e.message, "");
            test_remove(d);
        }
        all[i].enc = bert_encoder_new(all[i].t, &e);
        assert_non_null(all[i].enc);
    }
    json_array_foreach(json_object_get(golden, "cases"), i, item) check_case(all, item);
    assert_int_equal(i, 5000);
    for (i = 0; i < MAX_TOKENIZERS; i++) close_tools(all[i]);
    json_decref(golden);
}

static void golden_cases(void **state) {
    (void)state;
    check_golden(false);
}

static void golden_cases_after_saving(void **state) {
    (void)state;
    check_golden(true);
}

/* ---------------------------------------------------------------------------- Bad files */

static const char good_json[] =
    "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 1, \"content\": \"[CLS]\", \"special\": "
    "true, \"normalized\": false, \"lstrip\": false, \"rstrip\": false, \"single_word\": false}], "
    "\"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "
    "\"handle_chinese_chars\": "
    "true, \"strip_accents\": null, \"lowercase\": true}, \"pre_tokenizer\": {\"type\": "
    "\"BertPreTokenizer\"}, \"post_processor\": {\"type\": \"BertProcessing\", \"sep\": "
    "[\"[SEP]\", "
    "2], \"cls\": [\"[CLS]\", 1]}, \"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", "
    "\"cleanup\": true}, \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
    "\"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": "
    "{\"[UNK]\": 0, \"[CLS]\": 1, \"[SEP]\": 2, \"a\\\"\\u00e9\\ud83d\\ude00\": 3}}}";

static void a_cut_file_is_an_error_wherever_it_is_cut(void **state) {
    (void)state;
    char *d = test_directory(), *path = bert_path_join(d, "tokenizer.json");
    for (size_t n = 0; n <= strlen(good_json); n++) {
        bert_error e = {0};
        write_file(path, good_json, n);
        bert_tokenizer *t = bert_tokenizer_open(path, NULL, &e);
        if (n < strlen(good_json)) {
            assert_null(t);
            assert_int_equal(e.code, BERT_EFORMAT);
        } else {
            assert_non_null(t);
            assert_int_equal(bert_token_id(t, "a\"\xc3\xa9\xf0\x9f\x98\x80"), 3);
        }
        bert_tokenizer_close(t);
    }
    free(path);
    test_remove(d);
}

/* good_json with the first `from` replaced. */
static void expect_refused(const char *from, const char *to, int code, const char *says) {
    char text[4096];
    const char *at = strstr(good_json, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good_json), good_json, to,
             at + strlen(from));
    bert_error e = {0};
    bert_tokenizer *t = open_text("tokenizer.json", text, strlen(text), NULL, &e);
    assert_null(t);
    if (!strstr(e.message, says)) fail_msg("'%s' does not say '%s'", e.message, says);
    assert_int_equal(e.code, code);
}

static void bad_tokenizer_files_are_named(void **state) {
    (void)state;
    expect_refused("\"[CLS]\": 1,", "\"[CLS]\": 0,", BERT_EFORMAT, "two tokens");
    expect_refused("\"[CLS]\": 1,", "\"[CLS]\": 99999999999999999999,", BERT_EFORMAT, "integer");
    expect_refused("\"[CLS]\": 1,", "\"[CLS]\": -1,", BERT_EFORMAT, "[CLS]");
    expect_refused("\"[CLS]\": 1,", "\"[CLS]\": 1.5,", BERT_EFORMAT, "not valid JSON");
    expect_refused("\"[CLS]\": 1,", "\"[CLS]\": \"1\",", BERT_EFORMAT, "[CLS]");
    expect_refused("\\ud83d\\ude00", "\\ud83d", BERT_EFORMAT, "not valid JSON");
    expect_refused("\\ud83d\\ude00", "\xff", BERT_EFORMAT, "not valid JSON");
    expect_refused("\"unk_token\": \"[UNK]\"", "\"unk_token\": \"<unk>\"", BERT_EFORMAT, "<unk>");
    expect_refused("\"unk_token\": \"[UNK]\"", "\"unk_token\": 7", BERT_EFORMAT, "unk_token");
    expect_refused("\"type\": \"WordPiece\", \"unk", "\"type\": \"BPE\", \"unk", BERT_EUNSUPPORTED,
                   "BPE");
    expect_refused("BertPreTokenizer", "Split", BERT_EUNSUPPORTED, "Split");
    expect_refused("BertNormalizer", "Sequence", BERT_EUNSUPPORTED, "Sequence");
    expect_refused("BertProcessing", "ByteLevel", BERT_EUNSUPPORTED, "ByteLevel");
    expect_refused("\"type\": \"WordPiece\", \"prefix\"", "\"type\": \"Fuse\", \"prefix\"",
                   BERT_EUNSUPPORTED, "Fuse");
    expect_refused("\"1.0\"", "\"2.0\"", BERT_EUNSUPPORTED, "version");
    expect_refused("{\"id\": 1, ", "{\"id\": 9, ", BERT_EFORMAT, "[CLS]");
    expect_refused("{\"id\": 1, \"content\"", "{\"id\": 1, \"text\"", BERT_EFORMAT, "content");
    expect_refused("\"lstrip\": false", "\"lstrip\": 3", BERT_EFORMAT, "lstrip");
    expect_refused("\"clean_text\": true", "\"clean_text\": 1", BERT_EFORMAT, "clean_text");
    expect_refused("[\"[SEP]\", 2]", "[\"[SEP]\", 2000]", BERT_EFORMAT, "[SEP]");
    expect_refused("[\"[SEP]\", 2]", "\"[SEP]\"", BERT_EFORMAT, "post_processor");
    expect_refused("\"max_input_chars_per_word\": 100", "\"max_input_chars_per_word\": 1e99",
                   BERT_EFORMAT, "max_input_chars_per_word");
    expect_refused("\"vocab\": {", "\"vocab\": [", BERT_EFORMAT, "");
    expect_refused("{\"version\"", "[{\"version\"", BERT_EFORMAT, "");
}

static void bad_vocabularies_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        const char *says;
    } bad[] = {{TEXT(""), "lacks"},
               {TEXT("[CLS]\n[SEP]\na\n"), "[UNK]"},
               {TEXT("[UNK]\n[SEP]\na\n"), "[CLS]"},
               {TEXT("[UNK]\n[CLS]\na\n"), "[SEP]"},
               {TEXT("[UNK]\n[CLS]\n[SEP]\na\xff\n"), ":4:"},
               {TEXT("[UNK]\n[CLS]\n[SEP]\na\0b\n"), ":4:"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bert_error e = {0};
        assert_null(open_text("vocab.txt", bad[i].text, bad[i].bytes, NULL, &e));
        if (!strstr(e.message, bad[i].says)) fail_msg("%s", e.message);
        assert_int_equal(e.code, BERT_EFORMAT);
    }
    bert_error e = {0};
    assert_null(bert_tokenizer_open("/nowhere/vocab.txt", NULL, &e));
    assert_int_equal(e.code, BERT_ENOTFOUND);
    char *d = test_directory();
    bert_error_clear(&e);
    assert_null(bert_tokenizer_open(d, NULL, &e));
    assert_int_equal(e.code, BERT_ENOTFOUND);
    assert_null(bert_tokenizer_open(NULL, NULL, NULL));
    test_remove(d);
}

/* ---------------------------------------------------------------------------- Directories */

static void put_file(const char *directory, const char *name, const char *text) {
    char *path = bert_path_join(directory, name);
    write_file(path, text, strlen(text));
    free(path);
}

static void directories_are_read_as_transformers_does(void **state) {
    (void)state;
    char *d = test_directory();
    put_file(d, "vocab.txt", small_vocab);
    put_file(
        d, "tokenizer_config.json",
        "{\"do_lower_case\": false, \"model_max_length\": 77, \"added_tokens_decoder\": "
        "{\"28\": {\"content\": \"<two>\"}, \"27\": {\"content\": \"<one>\", \"special\": true}, "
        "\"4\": {\"content\": \"[MASK]\", \"lstrip\": true}}}");
    put_file(d, "special_tokens_map.json", "{\"mask_token\": {\"content\": \"mask\"}}");
    bert_error e = {0};
    tools x = {bert_tokenizer_open(d, NULL, &e), NULL};
    assert_string_equal(e.message, "");
    x.enc = bert_encoder_new(x.t, &e);
    assert_int_equal(bert_tokenizer_size(x.t), 29);
    assert_int_equal(bert_tokenizer_max_length(x.t), 77);
    assert_int_equal(bert_tokenizer_special(x.t).mask, MASK_WORD);
    expect(x, TEXT("<two>A<one>a"), IDS(28, UNK, 27, A));
    expect_offsets(x, TEXT("a [MASK]"), IDS(0, 1, 1, 8)); /* lstrip takes the space */
    close_tools(x);
    /* No limit is written as a number that no integer holds. */
    put_file(d, "tokenizer_config.json",
             "{\"model_max_length\": 1000000000000000019884624838656, \"do_lower_case\": true}");
    x.t = bert_tokenizer_open(d, NULL, &e);
    assert_string_equal(e.message, "");
    assert_int_equal(bert_tokenizer_max_length(x.t), 0);
    bert_tokenizer_close(x.t);
    put_file(d, "tokenizer_config.json", "{\"do_lower_case\": \"no\"}");
    assert_null(bert_tokenizer_open(d, NULL, &e));
    assert_int_equal(e.code, BERT_EFORMAT);
    test_remove(d);
}

typedef struct {
    const bert_tokenizer *t;
    int32_t ids[64];
    int64_t n;
} job;

static void *run_job(void *p) {
    job *j = p;
    bert_encoder *enc = bert_encoder_new(j->t, NULL);
    for (int i = 0; i < 200; i++)
        j->n = bert_encode_ids(enc, TEXT("a b ab ! \xe4\xb8\xad \xc3\xa9 [MASK] aab"), j->ids, 64,
                               NULL);
    bert_encoder_free(enc);
    return NULL;
}

static void threads_share_a_tokenizer(void **state) {
    (void)state;
    tools x = open_small(NULL);
    job jobs[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (job){.t = x.t};
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 1; i < 4; i++) assert_memory_equal(jobs[i].ids, jobs[0].ids, sizeof jobs[0].ids);
    assert_int_equal(jobs[0].n, 10);
    close_tools(x);
}

/* ------------------------------------------------------------------ Public vocabularies */

static void public_vocabularies(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int32_t size, ids[8];
    } rows[] = {{"vocab/bert-base-uncased", 30522, {101, 7592, 2088, 999, 102}},
                {"vocab/bert-base-cased", 28996, {101, 8667, 1362, 106, 102}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bert_error e = {0};
        const char *d = test_shared(rows[i].name);
        char *vocab = bert_path_join(d, "vocab.txt");
        tools x = {bert_tokenizer_open(d, NULL, &e), NULL};
        assert_string_equal(e.message, "");
        x.enc = bert_encoder_new(x.t, &e);
        assert_int_equal(bert_tokenizer_size(x.t), rows[i].size);
        assert_int_equal(bert_encode(x.enc, TEXT("Hello world!"), NULL, 0, NULL, &e), 1);
        bert_encoding w = bert_encoder_window(x.enc, 0);
        assert_int_equal(w.n, 5);
        assert_memory_equal(w.ids, rows[i].ids, 5 * sizeof *w.ids);
        close_tools(x);
        bert_tokenizer *t = bert_tokenizer_open(vocab, NULL, &e);
        assert_int_equal(bert_tokenizer_size(t), rows[i].size);
        bert_tokenizer_close(t);
        free(vocab);
    }
}

/* ---- batches */

typedef struct {
    int32_t counts[500];
    int32_t refused; /* the text that the callback refuses; -1: none */
} batch_results;

static int note_count(void *context, int32_t i, const bert_encoder *enc, bert_error *e) {
    (void)e;
    batch_results *r = context;
    r->counts[i] = bert_encoder_window(enc, 0).n;
    return i == r->refused ? BERT_EINVAL : 0;
}

static void test_batch(void **state) {
    (void)state;
    enum { N = 500 };
    bert_error e = {0};
    bert_tokenizer *t = open_text("vocab.txt", TEXT(small_vocab), NULL, &e);
    assert_non_null(t);
    char words[N * 2 + 1];
    for (int i = 0; i < N; i++) memcpy(words + 2 * i, "a ", 2);
    bert_text texts[N];
    for (int i = 0; i < N; i++) texts[i] = (bert_text){.text = words, .bytes = 2 * (size_t)i};
    for (int threads = 1; threads <= 3; threads++) {
        bert_encoder_pool *pool = bert_encoder_pool_new(t, threads, &e);
        assert_non_null(pool);
        batch_results r = {.refused = -1};
        assert_int_equal(bert_encode_batch(pool, texts, N, NULL, note_count, &r, &e), 0);
        for (int i = 0; i < N; i++) assert_int_equal(r.counts[i], i + 2);
        assert_int_equal(bert_encode_batch(pool, NULL, 0, NULL, note_count, &r, &e), 0);
        /* Of two errors, the first text's. */
        r = (batch_results){.refused = 407};
        assert_int_equal(bert_encode_batch(pool, texts, N, NULL, note_count, &r, &e), BERT_EINVAL);
        assert_non_null(strstr(e.message, "text 407: "));
        e = (bert_error){0};
        texts[133].text = NULL;
        assert_int_equal(bert_encode_batch(pool, texts, N, NULL, note_count, &r, &e), BERT_EINVAL);
        assert_non_null(strstr(e.message, "text 133: "));
        texts[133].text = words;
        e = (bert_error){0};
        for (int i = 0; i < 133; i++) assert_int_equal(r.counts[i], i + 2);
        bert_encoder_pool_free(pool);
    }
    assert_int_equal(bert_encode_batch(NULL, texts, N, NULL, note_count, NULL, &e), BERT_EINVAL);
    e = (bert_error){0};
    assert_null(bert_encoder_pool_new(NULL, 1, &e));
    assert_int_equal(e.code, BERT_EINVAL);
    bert_encoder_pool_free(NULL);
    bert_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_blank_texts_have_no_tokens),
        cmocka_unit_test(deleted_characters_join_words),
        cmocka_unit_test(malformed_utf8_is_deleted),
        cmocka_unit_test(byte_offsets_count_bytes),
        cmocka_unit_test(words_have_a_hundred_characters_at_most),
        cmocka_unit_test(hangul_is_taken_apart),
        cmocka_unit_test(marks_go_wherever_they_are),
        cmocka_unit_test(marks_that_are_not_mn_stay_and_move),
        cmocka_unit_test(special_tokens_are_found_in_text),
        cmocka_unit_test(emoji_families_are_one_unknown_word),
        cmocka_unit_test(case_follows_the_library),
        cmocka_unit_test(chinese_is_split_if_asked),
        cmocka_unit_test(ten_megabytes_without_a_space),
        cmocka_unit_test(windows_overlap_by_stride),
        cmocka_unit_test(impossible_truncation_is_an_error),
        cmocka_unit_test(characters_lead_to_tokens),
        cmocka_unit_test(the_fast_path_writes_no_more_than_fits),
        cmocka_unit_test(what_came_before_changes_nothing),
        cmocka_unit_test(vocabulary_lines_are_trimmed_and_the_last_wins),
        cmocka_unit_test(decoding_cleans_up),
        cmocka_unit_test(golden_cases),
        cmocka_unit_test(golden_cases_after_saving),
        cmocka_unit_test(a_cut_file_is_an_error_wherever_it_is_cut),
        cmocka_unit_test(bad_tokenizer_files_are_named),
        cmocka_unit_test(bad_vocabularies_are_named),
        cmocka_unit_test(directories_are_read_as_transformers_does),
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(public_vocabularies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
