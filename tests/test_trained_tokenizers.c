/* Vocabularies beside those that tokenizers and sentencepiece learn of the same text
 * (tools/golden_trained_tokenizers.py), and what holds for any text. */
#include "base/file.h"
#include "base/rng.h"
#include "test.h"
#include "text/rust_number.h"
#include "text/unigram.h"
#include <bert.h>
#include <jansson.h>
#include <math.h>

static json_t *golden;
static char *dir;

static char *in_dir(const char *name) {
    static char paths[8][4300];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const void *content, size_t n) {
    bert_error e = {0};
    if (bert_write_file(in_dir(name), content, n, &e)) fail_msg("%s", e.message);
}

static char *contents(const char *name) {
    char *text = NULL;
    size_t n = 0;
    bert_error e = {0};
    if (bert_read_file(in_dir(name), 0, &text, &n, &e)) fail_msg("%s", e.message);
    return text;
}

static const char *golden_line(size_t i) {
    return json_string_value(json_array_get(json_object_get(golden, "lines"), i));
}

static size_t golden_lines(void) {
    return json_array_size(json_object_get(golden, "lines"));
}

typedef enum { WORDPIECE, BPE, UNIGRAM, MODELS } model;

static int train_as(model m, const char *from, int32_t size, int threads, const char *to,
                    bert_error *e) {
    const char *const paths[] = {in_dir(from)};
    bert_wordpiece_options o = bert_wordpiece_default();
    o.vocab_size = size;
    o.threads = threads;
    bert_unigram_options u = bert_unigram_default();
    u.vocab_size = size;
    u.threads = threads;
    return m == UNIGRAM ? bert_train_unigram(paths, 1, &u, in_dir(to), e)
           : m == BPE   ? bert_train_bpe(paths, 1, &o, in_dir(to), e)
                        : bert_train_wordpiece(paths, 1, &o, in_dir(to), e);
}

static bert_tokenizer *trained(model m, const char *from, int32_t size, const char *to) {
    bert_error e = {0};
    if (train_as(m, from, size, 2, to, &e)) fail_msg("%s", e.message);
    bert_tokenizer *t = bert_tokenizer_open(in_dir(to), NULL, &e);
    if (!t) fail_msg("%s", e.message);
    return t;
}

static void merges_are_those_of_tokenizers(void **state) {
    (void)state;
    const json_t *want = json_object_get(golden, "merges"), *merge;
    bert_tokenizer *t = trained(
        BPE, "text.txt", (int32_t)json_integer_value(json_object_get(golden, "bpe_size")), "bpe");
    char *text = contents("bpe/merges.txt"), *p = strchr(text, '\n');
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)want, i, merge) {
        const char *x = json_string_value(merge);
        const size_t n = strcspn(p + 1, "\n");
        if (n != strlen(x) || memcmp(p + 1, x, n))
            fail_msg("merge %zu is %.*s, not %s", i, (int)n, p + 1, x);
        p += n + 1;
    }
    assert_string_equal(p, "\n");
    bert_tokenizer_close(t);
    free(text);
}

/* Of all lines, by probabilities that add up to 1; <unk> is as dear as it is while pieces are
 * chosen. */
static double bits_a_byte(bert_tokenizer *t) {
    const bert_unigram *u = t->unigram;
    double sum = 0, bits = 0, bytes = 0;
    for (int32_t i = 4; i < t->model_size - 1; i++) sum += exp(u->scores[i]);
    bert_error e = {0};
    bert_tokenization *enc = bert_tokenization_new(t, &e);
    for (size_t i = 0; i < golden_lines(); i++) {
        int32_t ids[1000];
        const char *line = golden_line(i);
        const int64_t n = bert_tokenize_ids(enc, line, strlen(line), ids, 1000, &e);
        assert_true(n > 0 && n <= 1000);
        bytes += (double)strlen(line);
        for (int64_t k = 0; k < n; k++)
            bits -= ((ids[k] == 3 ? u->unknown : u->scores[ids[k]]) - log(sum)) / log(2);
    }
    bert_tokenization_free(enc);
    return bits / bytes;
}

static void bits_are_those_of_sentencepiece(void **state) {
    (void)state;
    const int32_t size = (int32_t)json_integer_value(json_object_get(golden, "unigram_size"));
    bert_tokenizer *t = trained(UNIGRAM, "text.txt", size, "unigram");
    assert_int_equal(bert_tokenizer_size(t), size);
    static const char *const names[] = {"<s>", "<pad>", "</s>", "<unk>"};
    for (int i = 0; i < 4; i++) assert_string_equal(bert_token(t, i), names[i]);
    assert_string_equal(bert_token(t, size - 1), "<mask>");
    const double mine = bits_a_byte(t),
                 theirs = json_real_value(json_object_get(golden, "bits_a_byte"));
    if (!(mine > 0.5 * theirs && mine < 1.01 * theirs))
        fail_msg("%g bits a byte, sentencepiece needs %g", mine, theirs);
    for (int32_t i = 5; i < size - 1; i++) {
        if (t->unigram->scores[i] > t->unigram->scores[i - 1]) fail_msg("piece %d", i);
        const double exact = t->unigram->scores[i] * 16384;
        assert_true(exact == floor(exact));
    }
    bert_tokenizer_close(t);
}

static void threads_change_nothing(void **state) {
    (void)state;
    static const char *const files[MODELS][2] = {{"vocab.txt", "tokenizer.json"},
                                                 {"merges.txt", "tokenizer.json"},
                                                 {"tokenizer.json", NULL}};
    for (model m = WORDPIECE; m < MODELS; m++)
        for (int threads = 1; threads <= 5; threads += 2) {
            char to[32];
            bert_error e = {0};
            snprintf(to, sizeof to, "threads%d", threads);
            if (train_as(m, "text.txt", 500, threads, to, &e)) fail_msg("%s", e.message);
            for (int k = 0; k < 2 && files[m][k] && threads > 1; k++) {
                char first[64], now[64];
                snprintf(first, sizeof first, "threads1/%s", files[m][k]);
                snprintf(now, sizeof now, "threads%d/%s", threads, files[m][k]);
                char *a = contents(first), *b = contents(now);
                assert_string_equal(a, b);
                free(a);
                free(b);
            }
        }
}

static void options_of_unigram_do_what_they_say(void **state) {
    (void)state;
    static const char text[] = "ABC abc ABC abc xyz XYZ\nabcabcabc xyz\n\xEF\xBC\xA1\xEF\xBC\xA2\n";
    put("small.txt", text, sizeof text - 1);
    char from[4300];
    snprintf(from, sizeof from, "%s", in_dir("small.txt"));
    const char *const paths[] = {from};
    bert_error e = {0};
    bert_unigram_options o = bert_unigram_default();
    o.vocab_size = 40;
    static const struct {
        const char *rule, *there, *not_there;
    } rows[] = {{"nfkc", "A", "\xEF\xBC\xA1"},
                {"nfkc_lowercase", "a", "A"},
                {"identity", "\xEF\xBC\xA1", "-"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        o.normalization = rows[i].rule;
        o.character_coverage = 1;
        if (bert_train_unigram(paths, 1, &o, in_dir("small"), &e)) fail_msg("%s", e.message);
        bert_tokenizer *t = bert_tokenizer_open(in_dir("small"), NULL, &e);
        assert_true(bert_token_id(t, rows[i].there) > 3);
        assert_int_equal(bert_token_id(t, rows[i].not_there), -1);
        bert_tokenizer_close(t);
    }
    o.normalization = "nmt_nfkc";
    assert_int_equal(bert_train_unigram(paths, 1, &o, in_dir("none"), &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "there are nfkc, nfkc_lowercase and identity"));
    o.normalization = NULL;
    o.max_piece_length = 1; /* characters alone */
    e = (bert_error){0};
    if (bert_train_unigram(paths, 1, &o, in_dir("small"), &e)) fail_msg("%s", e.message);
    bert_tokenizer *t = bert_tokenizer_open(in_dir("small"), NULL, &e);
    assert_int_equal(bert_token_id(t, "abc"), -1);
    assert_int_equal(bert_tokenizer_size(t), 5 + 13);
    bert_tokenizer_close(t);
    o.vocab_size = 12;
    assert_int_equal(bert_train_unigram(paths, 1, &o, in_dir("none"), &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "raise vocab_size or lower character_coverage"));
    o.vocab_size = 40;
    o.character_coverage = 0.5;
    e = (bert_error){0};
    if (bert_train_unigram(paths, 1, &o, in_dir("small"), &e)) fail_msg("%s", e.message);
    t = bert_tokenizer_open(in_dir("small"), NULL, &e);
    assert_int_equal(bert_token_id(t, "X"), -1);
    bert_tokenizer_close(t);
}

static void bad_options_are_refused(void **state) {
    (void)state;
    char from[4300];
    snprintf(from, sizeof from, "%s", in_dir("text.txt"));
    const char *const paths[] = {from};
    for (int i = 0; i < 8; i++) {
        bert_unigram_options o = bert_unigram_default();
        bert_error e = {0};
        if (i == 0) o.vocab_size = 5;
        if (i == 1) o.character_coverage = 0;
        if (i == 2) o.character_coverage = NAN;
        if (i == 3) o.shrinking_factor = 1;
        if (i == 4) o.max_piece_length = 0;
        if (i == 5) o.num_sub_iterations = 0;
        if (i == 6) o.seed_size = 0;
        assert_int_equal(bert_train_unigram(paths, i != 7, &o, in_dir("none"), &e), BERT_EINVAL);
        assert_true(e.message[0]);
        assert_int_equal(access(in_dir("none"), F_OK), -1);
    }
}

/* A text of anything: words of a few letters, spaces of every kind, odd and broken bytes, runs. */
static size_t odd_text(bert_rng *r, char *text, size_t room) {
    static const char *const parts[] = {" ",
                                        "\n",
                                        "a",
                                        "b",
                                        "ab",
                                        "\xC3\xA9",
                                        "e\xCC\x81",
                                        "\xE4\xB8\xAD",
                                        "\xF0\x9F\x98\x80",
                                        ".",
                                        "1",
                                        "\t",
                                        "\xFF",
                                        "\xE2\x96\x81",
                                        "##",
                                        "\xE3\x80\x80",
                                        "Z"};
    const size_t kinds = sizeof parts / sizeof *parts;
    size_t n = (size_t)sprintf(text, "x "); /* what begins oddly is told as another format */
    while (n + 600 < room && bert_rng_below(r, 400)) {
        const char *part = parts[bert_rng_below(r, (uint32_t)kinds)];
        const uint32_t times = bert_rng_below(r, 50) ? 1 : bert_rng_below(r, 100);
        for (uint32_t i = 0; i < times; i++) n += (size_t)sprintf(text + n, "%s", part);
    }
    if (!bert_rng_below(r, 4)) text[n++] = 0;
    text[n++] = 'a';
    text[n++] = '\n';
    return n;
}

/* Whatever the text is, there is a vocabulary that is no larger than asked, and that reads the text,
 * or an error that says why. */
static void any_text_gives_a_vocabulary_or_a_reason(void **state) {
    (void)state;
    static char text[1 << 14];
    bert_rng r = {.seed = 7};
    for (int i = 0; i < 150; i++) {
        const size_t n = odd_text(&r, text, sizeof text);
        const model m = (model)(i % MODELS);
        const int32_t size =
            (int32_t)(m == BPE ? 262 + bert_rng_below(&r, 60) : 6 + bert_rng_below(&r, 80));
        put("odd.txt", text, n);
        bert_error e = {0};
        if (train_as(m, "odd.txt", size, 1 + i % 3, "odd", &e)) {
            if (e.code != BERT_EINVAL && e.code != BERT_EUNSUPPORTED)
                fail_msg("text %d: %s", i, e.message);
            assert_true(strlen(e.message) > 10);
            continue;
        }
        bert_tokenizer *t = bert_tokenizer_open(in_dir("odd"), NULL, &e);
        if (!t) fail_msg("text %d: %s", i, e.message);
        if (m != WORDPIECE) assert_true(bert_tokenizer_size(t) <= size);
        bert_tokenization *enc = bert_tokenization_new(t, &e);
        if (bert_tokenize(enc, text, n, NULL, 0, NULL, &e) != 1) fail_msg("%s", e.message);
        const bert_token_window w = bert_tokenization_window(enc, 0);
        assert_true(w.n >= 3);
        for (int32_t k = 0; k < w.n; k++) assert_non_null(bert_token(t, w.ids[k]));
        bert_tokenization_free(enc);
        bert_tokenizer_close(t);
    }
}

static void numbers_are_read_as_tokenizers_reads_them(void **state) {
    (void)state;
    const json_t *rows = json_object_get(golden, "numbers"), *row;
    size_t i, other = 0;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
        const char *text = json_string_value(json_array_get(row, 0));
        const double want = strtod(json_string_value(json_array_get(row, 1)), NULL);
        if (bert_rust_number(text, strlen(text)) != want) fail_msg("%s", text);
        other += strtod(text, NULL) != want;
    }
    assert_true(other > 3); /* which is why */
}

static void numbers_are_spelled_so_that_they_are_read(void **state) {
    (void)state;
    bert_rng r = {.seed = 5};
    char text[BERT_NUMBER_TEXT];
    for (int i = 0; i < 20000; i++) {
        /* What comes of a text can be spelled. */
        snprintf(text, sizeof text, "%.17g", -20 * bert_rng_uniform(&r) - 1e-3);
        char *nearest = text;
        for (int digits = 15; digits < 17; digits++) {
            char shorter[BERT_NUMBER_TEXT];
            snprintf(shorter, sizeof shorter, "%.*g", digits, strtod(text, NULL));
            if (strtod(shorter, NULL) == strtod(text, NULL)) nearest = strcpy(text, shorter);
        }
        const double x = bert_rust_number(nearest, strlen(nearest));
        bert_rust_spell(x, text);
        if (bert_rust_number(text, strlen(text)) != x) fail_msg("%a is %s", x, text);
    }
    bert_rust_spell(0, text);
    assert_string_equal(text, "0.0");
    bert_rust_spell(-12, text);
    assert_string_equal(text, "-12.0");
    bert_rust_spell(-0.25, text);
    assert_true(bert_rust_number(text, strlen(text)) == -0.25);
}

static int set_up(void **state) {
    (void)state;
    dir = test_directory();
    golden = json_load_file(BERT_SOURCE_DIR "/tests/golden/trained_tokenizers.json", 0, NULL);
    if (!golden) return -1;
    FILE *f = fopen(in_dir("text.txt"), "w");
    for (size_t i = 0; f && i < golden_lines(); i++) fprintf(f, "%s\n", golden_line(i));
    return f ? fclose(f) : -1;
}

static int tear_down(void **state) {
    (void)state;
    json_decref(golden);
    test_remove(dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_of_tokenizers),
        cmocka_unit_test(bits_are_those_of_sentencepiece),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(options_of_unigram_do_what_they_say),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(any_text_gives_a_vocabulary_or_a_reason),
        cmocka_unit_test(numbers_are_read_as_tokenizers_reads_them),
        cmocka_unit_test(numbers_are_spelled_so_that_they_are_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
