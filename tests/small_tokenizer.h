/* A tokenizer of a small vocabulary that is written here, and what its tests ask of it. */
#ifndef BERT_TEST_SMALL_TOKENIZER_H
#define BERT_TEST_SMALL_TOKENIZER_H
#include "base/file.h"
#include "test.h"
#include <bert.h>

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
static inline void write_file(const char *path, const char *text, size_t bytes) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

/* Writes a file in a directory of its own, opens it, and removes it. */
static inline bert_tokenizer *open_text(const char *name, const char *text, size_t bytes,
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
    bert_tokenization *enc;
} tools;

static inline tools open_small(const bert_tokenizer_options *o) {
    bert_error e = {0};
    tools x = {open_text("vocab.txt", small_vocab, strlen(small_vocab), o, &e), NULL};
    assert_string_equal(e.message, "");
    assert_non_null(x.t);
    x.enc = bert_tokenization_new(x.t, &e);
    assert_non_null(x.enc);
    return x;
}

static inline void close_tools(tools x) {
    bert_tokenization_free(x.enc);
    bert_tokenizer_close(x.t);
}

static inline bert_token_window encode(tools x, const char *text, size_t bytes) {
    bert_tokenize_options o = bert_tokenize_default();
    o.add_special_tokens = false;
    bert_error e = {0};
    assert_int_equal(bert_tokenize(x.enc, text, bytes, NULL, 0, &o, &e), 1);
    bert_token_window w = bert_tokenization_window(x.enc, 0);
    /* The fast path says the same. */
    int32_t *ids = malloc(((size_t)w.n + 1) * sizeof *ids);
    assert_int_equal(bert_tokenize_ids(x.enc, text, bytes, ids, (size_t)w.n, &e), w.n);
    assert_memory_equal(ids, w.ids, (size_t)w.n * sizeof *ids);
    free(ids);
    return w;
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)
#define NO_IDS NULL, 0
#define TEXT(s) s, sizeof s - 1

static inline void expect(tools x, const char *text, size_t bytes, const int32_t *ids, size_t n) {
    bert_token_window w = encode(x, text, bytes);
    assert_int_equal(w.n, n);
    if (n) assert_memory_equal(w.ids, ids, n * sizeof *ids);
}

static inline void expect_offsets(tools x, const char *text, size_t bytes, const int32_t *offsets,
                                  size_t n) {
    bert_token_window w = encode(x, text, bytes);
    assert_int_equal(2 * w.n, n);
    assert_memory_equal(w.offsets, offsets, n * sizeof *offsets);
}
#endif
