/* The readers that BPE and Unigram have of their own, with what they remember of words, make the
 * tokens that all steps make. */
#include "small_tokenizer.h"
#include "text/double_array.h"
#include "text/tokenizer.h"
#include <jansson.h>
#include <time.h>

#define GOLDEN BERT_SOURCE_DIR "/tests/golden/tokenizers.json"

typedef struct {
    tools quick, whole; /* the same; whole takes every text through all steps */
} readers;

static tools open_json(const json_t *item) {
    bert_error e = {0};
    char *text = json_dumps(item, 0);
    tools x = {open_text("tokenizer.json", text, strlen(text), NULL, &e), NULL};
    assert_string_equal(e.message, "");
    free(text);
    x.enc = bert_tokenization_new(x.t, &e);
    assert_non_null(x.enc);
    return x;
}

static readers open_readers(const json_t *item) {
    readers r = {open_json(item), open_json(item)};
    assert_int_not_equal(r.quick.t->reader, BERT_READ_PIPE);
    r.whole.t->reader = BERT_READ_PIPE;
    return r;
}

static void expect_same(readers r, const char *text, size_t bytes, bool byte_offsets) {
    const bert_tokenize_options o = {.byte_offsets = byte_offsets};
    bert_error e = {0};
    assert_int_equal(bert_tokenize(r.quick.enc, text, bytes, NULL, 0, &o, &e), 1);
    assert_int_equal(bert_tokenize(r.whole.enc, text, bytes, NULL, 0, &o, &e), 1);
    const bert_token_window a = bert_tokenization_window(r.quick.enc, 0),
                            b = bert_tokenization_window(r.whole.enc, 0);
    const size_t n = (size_t)b.n;
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.ids, b.ids, n * sizeof *a.ids);
    assert_memory_equal(a.word_ids, b.word_ids, n * sizeof *a.word_ids);
    assert_memory_equal(a.offsets, b.offsets, n * sizeof *a.offsets);
    int32_t ids[4096];
    assert_in_range(n, 0, 4096);
    const int64_t m = bert_tokenize_ids(r.quick.enc, text, bytes, ids, 4096, &e);
    assert_int_equal(m, n);
    assert_memory_equal(ids, a.ids, n * sizeof *ids);
}

static uint32_t draw(uint32_t *seed, uint32_t n) {
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)*seed * n >> 32);
}

/* Characters that normalizers change, marks that join them, and words' ends. */
static const char *const parts[] = {
    "a",
    "b",
    "the",
    " the",
    "ing",
    "e",
    "A",
    "STRASSE",
    "1",
    "12",
    ".",
    ",",
    "'s",
    "``",
    "''",
    "<",
    "!",
    " ",
    " ",
    " ",
    "  ",
    "\t",
    "\n",
    "\xc2\xa0",
    "\xe3\x80\x80", /* no-break space, ideographic space */
    "\xc3\xa9",
    "e\xcc\x81",
    "\xcc\x81",
    "\xcc\xa7",
    "\xcc\x88",
    "\xc3\x9f",
    "\xc4\xb0",
    "\xc2\xad",
    "\xc2\xa9",
    "\xef\xbc\xa1",
    "\xef\xbc\x8c",
    "\xef\xbc\x81",
    "\xef\xbd\xb6\xef\xbe\x9e", /* full width, half width */
    "\xc3\xb1\xe3\x82\x99",
    "\xef\xbc\xa1\xcc\x81",
    "\xc3\xb1",
    "\xe2\x91\xa0\xe3\x82\x99",
    "\xe3\x81\x8b\xe3\x82\x99",
    "\xe3\x82\x99",
    "\xe3\x81\x8c",
    "\xe4\xb8\xad",
    "\xe6\x96\x87",
    "\xe3\x80\x82",
    "\xea\xb0\x80",
    "\xe1\x84\x80\xe1\x85\xa1",
    "\xe1\x86\xa8",
    "\xe3\x84\xb1",
    "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\xbf",
    "\xe0\xa4\xbc",
    "\xe0\xb8\x81\xe0\xb8\xb3",
    "\xd8\x80",
    "\xd8\xa7\xd9\x93",
    "\xd9\x84\xd9\x8e\xd9\x91",
    "\xef\xb7\xba",
    "\xef\xac\x81",
    "\xe2\x80\xa6",
    "\xc2\xbd",
    "\xe2\x80\x8d",
    "\xe2\x80\x8b",
    "\xe2\x81\xa0",
    "\xef\xb8\x8f",
    "\xe2\x96\x81",
    "\xe2\x96\x81x",
    "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9",
    "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa",
    "\xf0\x9d\x94\xb8",
    "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
    "\xd0\xb9",
    "\xd0\xb8\xcc\x86",
    "\xef\xbf\xbd",
    "\xcd\x84",
};

static size_t make_text(uint32_t *seed, char *text, size_t room) {
    size_t n = 0;
    for (uint32_t left = 1 + draw(seed, 24); left; left--) {
        const char *part = parts[draw(seed, sizeof parts / sizeof *parts)];
        if (n + strlen(part) > room) break;
        memcpy(text + n, part, strlen(part));
        n += strlen(part);
        if (!draw(seed, 400)) text[n - 1] = (char)draw(seed, 256); /* NUL, no UTF-8 */
    }
    return n;
}

/* Each text twice, the second time from what is remembered of its words. */
static void texts_are_read_as_by_all_steps(void **state) {
    (void)state;
    json_error_t je;
    json_t *golden = json_load_file(GOLDEN, JSON_ALLOW_NUL, &je), *item;
    assert_non_null(golden);
    size_t i, read = 0;
    json_array_foreach(json_object_get(golden, "tokenizers"), i, item) {
        tools x = open_json(item);
        const bool piped = x.t->reader == BERT_READ_PIPE;
        close_tools(x);
        if (piped) continue;
        readers r = open_readers(item);
        uint32_t seed = (uint32_t)i;
        for (int k = 0; k < 3000; k++) {
            char text[512];
            const size_t n = make_text(&seed, text, sizeof text);
            expect_same(r, text, n, k & 1);
            expect_same(r, text, n, !(k & 1));
        }
        read++;
        close_tools(r.quick);
        close_tools(r.whole);
    }
    assert_int_equal(read, 7);
    json_decref(golden);
}

/* More words than are remembered. */
static void forgotten_words_are_read_again(void **state) {
    (void)state;
    json_error_t je;
    json_t *golden = json_load_file(GOLDEN, JSON_ALLOW_NUL, &je);
    assert_non_null(golden);
    readers r = open_readers(json_array_get(json_object_get(golden, "tokenizers"), 4));
    uint32_t seed = 7;
    for (int i = 0; i < 6000; i++) {
        char text[640] = "stays ";
        size_t n = 6;
        for (int words = 0; words < 12; words++) {
            const size_t letters = 20 + draw(&seed, 25);
            for (size_t k = 0; k < letters; k++) text[n++] = (char)('a' + draw(&seed, 26));
            text[n++] = ' ';
        }
        if (i % 16) {
            int32_t ids[1024];
            assert_true(bert_tokenize_ids(r.quick.enc, text, n, ids, 1024, NULL) > 12);
        } else
            expect_same(r, text, n, false);
    }
    close_tools(r.quick);
    close_tools(r.whole);
    json_decref(golden);
}

static void the_last_of_like_pieces_counts(void **state) {
    (void)state;
    static const char *const text[] = {"b", "ab", "b", "abcdefghij", "abcdefgh", "abcdefghij"};
    enum { KEYS = sizeof text / sizeof *text };
    static const int32_t values[KEYS] = {2, 1, 2, 5, 4, 5};
    bert_da_key keys[KEYS];
    for (int32_t i = 0; i < KEYS; i++)
        keys[i] =
            (bert_da_key){.bytes = (const uint8_t *)text[i], .n = strlen(text[i]), .value = i};
    bert_double_array d = {0};
    bert_error e = {0};
    assert_int_equal(bert_da_build(&d, keys, KEYS, &e), 0);
    for (int i = 0; i < KEYS; i++) {
        uint32_t at = bert_da_root(&d);
        int32_t value = -1;
        for (const char *p = text[i]; *p; p++)
            assert_true(bert_da_step(&d, &at, (uint8_t)*p, &value));
        assert_int_equal(value, values[i]);
    }
    bert_da_free(&d);
}

/* Pieces as many languages have them: building took time in proportion to their square. */
static void many_pieces_are_found(void **state) {
    (void)state;
    enum { PIECES = 150000, LETTERS = 40, SECONDS = 4 };
    static char text[PIECES][12];
    bert_da_key *keys = malloc(PIECES * sizeof *keys);
    assert_non_null(keys);
    uint32_t seed = 3;
    for (int i = 0; i < PIECES; i++) {
        /* The number in letters makes each another one. */
        int n = 0;
        for (int left = 2 + (int)draw(&seed, 4); left; left--)
            text[i][n++] = (char)(0x80 + draw(&seed, LETTERS));
        for (int x = i; x; x /= LETTERS) text[i][n++] = (char)('A' + x % LETTERS);
        keys[i] = (bert_da_key){.bytes = (const uint8_t *)text[i], .n = (size_t)n, .value = i};
    }
    bert_double_array d = {0};
    bert_error e = {0};
    const clock_t begin = clock();
    assert_int_equal(bert_da_build(&d, keys, PIECES, &e), 0);
    assert_true(clock() - begin < (clock_t)SECONDS * CLOCKS_PER_SEC);
    for (int i = 0; i < PIECES; i++) {
        uint32_t at = bert_da_root(&d);
        int32_t value = -1;
        for (const char *p = text[i]; *p; p++)
            assert_true(bert_da_step(&d, &at, (uint8_t)*p, &value));
        assert_int_equal(value, i);
    }
    bert_da_free(&d);
    free(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_as_by_all_steps),
        cmocka_unit_test(forgotten_words_are_read_again),
        cmocka_unit_test(many_pieces_are_found),
        cmocka_unit_test(the_last_of_like_pieces_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
