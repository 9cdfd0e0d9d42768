/* The tokenizer: loading, every rule of BERT's normalisation, windows, decoding, bad files. */
#include "base/file.h"
#include "test.h"
#include <bert.h>

static bert_tokenizer *open_text(const char *name, const char *content, bert_error *e) {
    char *d = test_directory(), *path = bert_path_join(d, name);
    assert_int_equal(bert_write_file(path, content, strlen(content), NULL), 0);
    bert_tokenizer *t = bert_tokenizer_open(path, NULL, e);
    free(path);
    test_remove(d);
    return t;
}

static void encodes_from_a_vocabulary(void **state) {
    (void)state;
    bert_error e = {0};
    bert_tokenizer *t =
        open_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nwor\n##ld\n,\n", &e);
    assert_non_null(t);
    bert_encoder *enc = bert_encoder_new(t, &e);
    const char *text = "Hello, world [MASK] xyz";
    assert_int_equal(bert_encode(enc, text, strlen(text), NULL, 0, NULL, &e), 1);
    bert_encoding w = bert_encoder_window(enc, 0);
    const int32_t want[] = {2, 5, 8, 6, 7, 4, 1, 3};
    assert_int_equal(w.n, 8);
    assert_memory_equal(w.ids, want, sizeof want);
    char out[100];
    assert_true(bert_decode(t, w.ids, (size_t)w.n, true, out, sizeof out, &e) > 0);
    assert_string_equal(out, "hello, world");
    bert_encoder_free(enc);
    bert_tokenizer_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(encodes_from_a_vocabulary)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
