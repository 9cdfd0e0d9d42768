/* WordPiece vocabularies from text, against PyPI tokenizers 0.23.3 (BertWordPieceTokenizer.train on
 * the same text, the same in each of four runs). */
#include "base/file.h"
#include "test.h"
#include <bert.h>
#include <unistd.h>

static const char text[] =
    "low low low low low lower lower newest newest newest newest newest newest\n"
    "widest widest widest \xC3\x89t\xC3\xA9 \xC3\x89t\xC3\xA9 \xC3\x89t\xC3\xA9 \xC3\x89t\xC3\xA9\n"
    "\xE5\x8C\x97\xE4\xBA\xAC \xE5\x8C\x97\xE4\xBA\xAC wide.\n";

static const char *const want[] = {"##d",
                                   "##e",
                                   "##es",
                                   "##est",
                                   "##i",
                                   "##o",
                                   "##r",
                                   "##s",
                                   "##t",
                                   "##w",
                                   "##west",
                                   ".",
                                   "[CLS]",
                                   "[MASK]",
                                   "[PAD]",
                                   "[SEP]",
                                   "[UNK]",
                                   "d",
                                   "e",
                                   "et",
                                   "ete",
                                   "i",
                                   "l",
                                   "lo",
                                   "low",
                                   "n",
                                   "ne",
                                   "newest",
                                   "o",
                                   "r",
                                   "s",
                                   "t",
                                   "w",
                                   "wi",
                                   "wid",
                                   "widest",
                                   "\xE4\xBA\xAC",
                                   "\xE5\x8C\x97"};
enum { SIZE = sizeof want / sizeof *want };

static char *dir;

static void put(const char *name, const char *content) {
    char path[4200];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (bert_write_file(path, content, strlen(content), &e)) fail_msg("%s", e.message);
}

static bert_tokenizer *train(const bert_wordpiece_options *o, const char *name) {
    char path[4200], out[4200];
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(out, sizeof out, "%s/out", dir);
    const char *const paths[] = {path};
    if (bert_train_wordpiece(paths, 1, o, out, &e)) fail_msg("%s", e.message);
    bert_tokenizer *t = bert_tokenizer_open(out, NULL, &e);
    if (!t) fail_msg("%s", e.message);
    return t;
}

static void vocabulary_is_the_references(void **state) {
    (void)state;
    bert_wordpiece_options o = bert_wordpiece_default();
    o.vocab_size = SIZE;
    bert_tokenizer *t = train(&o, "a.txt");
    assert_int_equal(bert_tokenizer_size(t), SIZE);
    for (int i = 0; i < SIZE; i++)
        if (bert_token_id(t, want[i]) < 0) fail_msg("%s is not there", want[i]);
    assert_string_equal(bert_token(t, 0), "[PAD]");
    assert_string_equal(bert_token(t, 4), "[MASK]");
    assert_string_equal(bert_token(t, 5), "."); /* characters by code point */
    bert_tokenizer_close(t);
    o.vocab_size = 1000; /* pairs run out first */
    o.min_frequency = 5;
    t = train(&o, "a.txt");
    assert_true(bert_token_id(t, "newest") >= 0);
    assert_true(bert_token_id(t, "ete") < 0);
    bert_tokenizer_close(t);
    o.limit_alphabet = 3; /* e, w and t are the most frequent */
    t = train(&o, "a.txt");
    assert_true(bert_token_id(t, "e") >= 0 && bert_token_id(t, "d") < 0);
    bert_tokenizer_close(t);
}

static void case_is_kept_on_request(void **state) {
    (void)state;
    bert_wordpiece_options o = bert_wordpiece_default();
    o.tokenizer.do_lower_case = o.tokenizer.strip_accents = 0;
    bert_tokenizer *t = train(&o, "a.txt");
    assert_true(bert_token_id(t, "\xC3\x89t\xC3\xA9") >= 0);
    bert_tokenizer_close(t);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    bert_error e = {0};
    put("empty.txt", " \n\n");
    char path[4200], out[4200];
    snprintf(path, sizeof path, "%s/empty.txt", dir);
    snprintf(out, sizeof out, "%s/none", dir);
    const char *paths[] = {path};
    assert_int_equal(bert_train_wordpiece(paths, 1, NULL, out, &e), BERT_EINVAL);
    bert_error_clear(&e);
    paths[0] = "/nowhere/at/all.txt";
    assert_int_equal(bert_train_wordpiece(paths, 1, NULL, out, &e), BERT_ENOTFOUND);
    assert_int_equal(access(out, F_OK), -1);
    bert_error_clear(&e);
    assert_int_equal(bert_train_wordpiece(paths, 0, NULL, out, &e), BERT_EINVAL);
}

static int set_up(void **state) {
    (void)state;
    dir = test_directory();
    put("a.txt", text);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_remove(dir);
    return 0;
}

/* BpeTrainer's merges of the same text, with all bytes as its alphabet. */
static void merges_are_the_references(void **state) {
    (void)state;
    static const char merges[] =
        "#version: 0.2\ne s\nes t\nl o\nlo w\ne w\nn ew\n\xC4\xA0 low\n\xC4\xA0 new\n\xC4\xA0new "
        "est\n"
        "i d\nt \xC3\x83\nw id\n\xC3\x83 \xC4\xAB\n\xC4\xA0 \xC3\x83\xC4\xAB\nt\xC3\x83 \xC2\xA9\n"
        "\xC4\xA0\xC3\x83\xC4\xAB t\xC3\x83\xC2\xA9\n\xC4\xA0 wid\ne r\n\xC2\xBA \xC2\xAC\n"
        "\xC3\xA4 \xC2\xBA\xC2\xAC\n\xC3\xA5 \xC4\xAE\n\xC4\xB9 "
        "\xC3\xA4\xC2\xBA\xC2\xAC\n\xC4\xA0low er\n"
        "\xC4\xA0wid est\n\xC3\xA5\xC4\xAE \xC4\xB9\xC3\xA4\xC2\xBA\xC2\xAC\n";
    char path[4200], out[4200], made[4300], *read = NULL;
    size_t n = 0;
    bert_error e = {0};
    bert_wordpiece_options o = bert_wordpiece_default();
    o.vocab_size = 300;
    snprintf(path, sizeof path, "%s/a.txt", dir);
    snprintf(out, sizeof out, "%s/bytes", dir);
    snprintf(made, sizeof made, "%s/merges.txt", out);
    const char *const paths[] = {path};
    if (bert_train_bpe(paths, 1, &o, out, &e)) fail_msg("%s", e.message);
    assert_int_equal(bert_read_file(made, 0, &read, &n, &e), 0);
    assert_string_equal(read, merges);
    free(read);
    bert_tokenizer *t = bert_tokenizer_open(out, NULL, &e);
    assert_int_equal(bert_tokenizer_size(t), 286);
    assert_int_equal(bert_token_id(t, "<mask>"), 4);
    assert_int_equal(bert_token_id(t, "\xC4\xA0newest"), 269);
    bert_tokenizer_close(t);
    o.vocab_size = 261;
    assert_int_equal(bert_train_bpe(paths, 1, &o, out, &e), BERT_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocabulary_is_the_references),
        cmocka_unit_test(merges_are_the_references),
        cmocka_unit_test(case_is_kept_on_request),
        cmocka_unit_test(bad_input_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
