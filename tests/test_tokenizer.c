/* The tokenizer's encoding: every rule of BERT's normalisation, windows, threads and batches. */
#include "small_tokenizer.h"
#include <pthread.h>

/* ------------------------------------------------------------------------------ Traps */

static void empty_and_blank_texts_have_no_tokens(void **state) {
    (void)state;
    tools x = open_small(NULL);
    expect(x, TEXT(""), NO_IDS);
    expect(x, TEXT(" \t\r\n  "), NO_IDS);
    expect(x, TEXT("\xe3\x80\x80\xc2\xa0\xe2\x80\xa8"), NO_IDS); /* U+3000, U+A0, U+2028 */
    bert_error e = {0};
    assert_int_equal(bert_tokenize(x.enc, NULL, 0, NULL, 0, NULL, &e), 1);
    assert_int_equal(bert_tokenization_window(x.enc, 0).n, 2);
    assert_int_equal(bert_tokenize(x.enc, "", 0, "", 0, NULL, &e), 1);
    assert_int_equal(bert_tokenization_window(x.enc, 0).n, 3);
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
    bert_tokenize_options o = bert_tokenize_default();
    o.byte_offsets = true;
    const char text[] = "\xc3\xa9 \xe4\xb8\xad[MASK]\xf0\x9f\x98"
                        "b";
    assert_int_equal(bert_tokenize(x.enc, TEXT(text), NULL, 0, &o, NULL), 1);
    bert_token_window w = bert_tokenization_window(x.enc, 0);
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
    bert_token_window w = encode(x, text, 300);
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
    x.enc = bert_tokenization_new(x.t, &e);
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
    bert_token_window w = encode(x, TEXT("a [MASK]b"));
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
    bert_tokenize_options o = bert_tokenize_default();
    o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    o.max_length = 5;
    o.stride = 1;
    o.overflowing = true;
    assert_int_equal(bert_tokenize(x.enc, TEXT("a b a b i a"), NULL, 0, &o, NULL), 3);
    const int32_t want[3][5] = {{CLS, A, B, A, SEP}, {CLS, A, B, I, SEP}, {CLS, I, A, SEP}};
    for (int i = 0; i < 3; i++) {
        bert_token_window w = bert_tokenization_window(x.enc, i);
        assert_int_equal(w.n, i < 2 ? 5 : 4);
        assert_memory_equal(w.ids, want[i], (size_t)w.n * sizeof *w.ids);
    }
    assert_int_equal(bert_tokenization_full_length(x.enc), 8);
    assert_int_equal(bert_tokenization_window(x.enc, 3).n, 0);
    o.truncate_left = true;
    o.overflowing = false;
    assert_int_equal(bert_tokenize(x.enc, TEXT("a b a b i a"), NULL, 0, &o, NULL), 1);
    const int32_t last[] = {CLS, B, I, A, SEP};
    assert_memory_equal(bert_tokenization_window(x.enc, 0).ids, last, sizeof last);
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
        bert_tokenize_options o = bert_tokenize_default();
        o.truncation = bad[i].how;
        o.max_length = bad[i].max_length;
        o.stride = bad[i].stride;
        o.overflowing = true;
        assert_int_equal(
            bert_tokenize(x.enc, TEXT("a b a b"), bad[i].pair ? "a b a" : NULL, 5, &o, &e),
            BERT_EINVAL);
        assert_int_equal(e.code, BERT_EINVAL);
        assert_true(*e.message);
        assert_int_equal(bert_tokenization_window(x.enc, 0).n, 0);
    }
    close_tools(x);
}

static void characters_lead_to_tokens(void **state) {
    (void)state;
    tools x = open_small(NULL);
    bert_tokenize(x.enc, TEXT("a  b"), "b i", 3, NULL, NULL);
    assert_int_equal(bert_tokenization_char_to_token(x.enc, 0, 0, 0), 1);
    assert_int_equal(bert_tokenization_char_to_token(x.enc, 0, 1, 0), -1);
    assert_int_equal(bert_tokenization_char_to_token(x.enc, 0, 3, 0), 2);
    assert_int_equal(bert_tokenization_char_to_token(x.enc, 0, 0, 1), 4);
    assert_int_equal(bert_tokenization_char_to_token(x.enc, 0, 9, 1), -1);
    assert_int_equal(bert_tokenization_char_to_token(x.enc, 1, 0, 0), -1);
    close_tools(x);
}

static void the_fast_path_writes_no_more_than_fits(void **state) {
    (void)state;
    tools x = open_small(NULL);
    for (size_t room = 0; room < 6; room++) {
        int32_t ids[8] = {-7, -7, -7, -7, -7, -7, -7, -7};
        assert_int_equal(bert_tokenize_ids(x.enc, TEXT("a ba , b"), ids, room, NULL), 5);
        for (size_t i = room; i < 8; i++) assert_int_equal(ids[i], -7);
    }
    bert_error e = {0};
    assert_int_equal(bert_tokenize_ids(x.enc, NULL, 1, NULL, 0, &e), BERT_EINVAL);
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
            const bert_token_window w = encode(x, line, n);
            if (i % 100) continue;
            fresh.enc = bert_tokenization_new(x.t, NULL);
            const bert_token_window f = encode(fresh, line, n);
            assert_int_equal(w.n, f.n);
            assert_memory_equal(w.ids, f.ids, (size_t)w.n * sizeof *w.ids);
            assert_memory_equal(w.word_ids, f.word_ids, (size_t)w.n * sizeof *w.word_ids);
            assert_memory_equal(w.offsets, f.offsets, (size_t)w.n * sizeof *w.offsets);
            bert_tokenization_free(fresh.enc);
        }
        close_tools(x);
    }
}

/* ---------------------------------------------------------------- Threads, batches */

typedef struct {
    const bert_tokenizer *t;
    int32_t ids[64];
    int64_t n;
} job;

static void *run_job(void *p) {
    job *j = p;
    bert_tokenization *enc = bert_tokenization_new(j->t, NULL);
    for (int i = 0; i < 200; i++)
        j->n = bert_tokenize_ids(enc, TEXT("a b ab ! \xe4\xb8\xad \xc3\xa9 [MASK] aab"), j->ids, 64,
                                 NULL);
    bert_tokenization_free(enc);
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

typedef struct {
    int32_t counts[500];
    int32_t refused; /* the text that the callback refuses; -1: none */
} batch_results;

static int note_count(void *context, int32_t i, const bert_tokenization *enc, bert_error *e) {
    (void)e;
    batch_results *r = context;
    r->counts[i] = bert_tokenization_window(enc, 0).n;
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
        bert_tokenization_pool *pool = bert_tokenization_pool_new(t, threads, &e);
        assert_non_null(pool);
        batch_results r = {.refused = -1};
        assert_int_equal(bert_tokenize_batch(pool, texts, N, NULL, note_count, &r, &e), 0);
        for (int i = 0; i < N; i++) assert_int_equal(r.counts[i], i + 2);
        assert_int_equal(bert_tokenize_batch(pool, NULL, 0, NULL, note_count, &r, &e), 0);
        /* Of two errors, the first text's. */
        r = (batch_results){.refused = 407};
        assert_int_equal(bert_tokenize_batch(pool, texts, N, NULL, note_count, &r, &e),
                         BERT_EINVAL);
        assert_non_null(strstr(e.message, "text 407: "));
        e = (bert_error){0};
        texts[133].text = NULL;
        assert_int_equal(bert_tokenize_batch(pool, texts, N, NULL, note_count, &r, &e),
                         BERT_EINVAL);
        assert_non_null(strstr(e.message, "text 133: "));
        texts[133].text = words;
        e = (bert_error){0};
        for (int i = 0; i < 133; i++) assert_int_equal(r.counts[i], i + 2);
        bert_tokenization_pool_free(pool);
    }
    assert_int_equal(bert_tokenize_batch(NULL, texts, N, NULL, note_count, NULL, &e), BERT_EINVAL);
    e = (bert_error){0};
    assert_null(bert_tokenization_pool_new(NULL, 1, &e));
    assert_int_equal(e.code, BERT_EINVAL);
    bert_tokenization_pool_free(NULL);
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
        cmocka_unit_test(threads_share_a_tokenizer),
        cmocka_unit_test(test_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
