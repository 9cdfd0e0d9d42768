/* Tokenizers of other kinds than their files look like, and the side that a text is cut at. */
#include "small_tokenizer.h"

static void put_file(const char *directory, const char *name, const char *text) {
    char *path = bert_path_join(directory, name);
    write_file(path, text, strlen(text));
    free(path);
}

static const char small_json[] =
    "{\"version\": \"1.0\", \"truncation\": null, \"model\": {\"type\": \"WordPiece\", "
    "\"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", "
    "\"max_input_chars_per_word\": "
    "100, \"vocab\": {\"[UNK]\": 0, \"a\": 1, \"b\": 2, \"e\": 3}}, \"pre_tokenizer\": {\"type\": "
    "\"WhitespaceSplit\"}}";

static void classes_are_looked_at(void **state) {
    (void)state;
    static const struct {
        const char *config, *model; /* tokenizer_config.json, config.json */
        bool json;                  /* beside a tokenizer.json, else a vocab.txt */
        const char *says;           /* NULL: it is read */
    } cases[] = {
        {"{}", "{}", false, NULL},
        {"{\"tokenizer_class\": null}", "{\"tokenizer_class\": \"\"}", false, NULL},
        {"{\"tokenizer_class\": \"BertTokenizerFast\"}", NULL, false, NULL},
        {"{\"tokenizer_class\": \"ElectraTokenizer\"}", NULL, false, NULL},
        {"{\"tokenizer_class\": \"DPRReaderTokenizerFast\"}", NULL, false, NULL},
        {"{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}", NULL, false, NULL},
        {"{\"tokenizer_class\": \"BertTokenizer\"}", "{\"tokenizer_class\": \"EsmTokenizer\"}",
         false, NULL},
        {"{\"tokenizer_class\": \"BertJapaneseTokenizer\", \"word_tokenizer_type\": \"sudachi\"}",
         NULL, false, "(word_tokenizer_type \"sudachi\", subword_tokenizer_type \"wordpiece\")"},
        {"{\"word_tokenizer_type\": \"mecab\", \"subword_tokenizer_type\": \"character\"}",
         "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", false,
         "(word_tokenizer_type \"mecab\", subword_tokenizer_type \"character\")"},
        {"{\"word_tokenizer_type\": \"mecab\"}", NULL, false, "BertJapaneseTokenizer"},
        {"{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", NULL, true, "BertJapaneseTokenizer"},
        {NULL, "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", false, "BertJapaneseTokenizer"},
        {"{\"tokenizer_class\": \"RoFormerTokenizerFast\"}", NULL, true, "jieba"},
        {"{\"tokenizer_class\": \"CanineTokenizer\"}", NULL, false, "CanineTokenizer"},
        {"{\"tokenizer_class\": \"FunnelTokenizer\"}", NULL, false, "\"FunnelTokenizer\""},
        {"{\"tokenizer_class\": \"BertTokenizerOfMine\"}", NULL, false, "\"BertTokenizerOfMine\""},
        {"{\"tokenizer_class\": \"BertTokenizerOfMine\"}", NULL, true, NULL},
        {"{\"tokenizer_class\": \"MPNetTokenizerFast\"}", "{\"broken", true, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *d = test_directory();
        put_file(d, cases[i].json ? "tokenizer.json" : "vocab.txt",
                 cases[i].json ? small_json : small_vocab);
        if (cases[i].config) put_file(d, "tokenizer_config.json", cases[i].config);
        if (cases[i].model) put_file(d, "config.json", cases[i].model);
        bert_error e = {0};
        bert_tokenizer *t = bert_tokenizer_open(d, NULL, &e);
        if (!t != !!cases[i].says) fail_msg("%zu: %s", i, e.message);
        if (!t) assert_int_equal(e.code, BERT_EUNSUPPORTED);
        if (!t && !strstr(e.message, cases[i].says))
            fail_msg("'%s' does not say '%s'", e.message, cases[i].says);
        bert_tokenizer_close(t);
        test_remove(d);
    }
}

static void other_models_are_named(void **state) {
    (void)state;
    static const struct {
        const char *model, *says;
    } cases[] = {
        {"{\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, \"vocab\": "
         "[[\"<unk>\", 0]]}",
         "Unigram with byte_fallback is not supported"},
        {"{\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"dropout\": 0.1}",
         "BPE with dropout is not supported"},
        {"{\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": []}",
         "a BPE model without a ByteLevel pre-tokenizer is not supported"},
        {"{\"type\": \"Odd\", \"vocab\": {}}", "model 'Odd' is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text, "{\"version\": \"1.0\", \"model\": %s}", cases[i].model);
        bert_error e = {0};
        assert_null(open_text("tokenizer.json", text, strlen(text), NULL, &e));
        assert_int_equal(e.code, BERT_EUNSUPPORTED);
        if (!strstr(e.message, cases[i].says)) fail_msg("%s", e.message);
    }
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    static const char *const names[] = {"vocab.txt", "tokenizer.json"};
    for (int i = 0; i < 2; i++) {
        bert_error e = {0};
        assert_null(open_text(names[i], TEXT(pointer), NULL, &e));
        assert_non_null(strstr(e.message, "git lfs pull"));
    }
}

/* What tokenizers 0.23.3 says of MPNet's vocab.txt, and of the tokenizer.json that is saved of it:
 * RoBERTa's template, types 0, a mask that takes the space before it but not into its offsets. */
static void check_mpnet(bert_tokenizer *t) {
    static const char vocab_text[] = "Hello <mask>, b", pair[] = " world";
    const int32_t ids[] = {0, 5, 12, 10, 9, 2, 2, 6, 2},
                  offsets[] = {0, 0, 0, 5, 6, 12, 12, 13, 14, 15, 0, 0, 0, 0, 1, 6, 0, 0},
                  types[9] = {0};
    bert_error e = {0};
    assert_non_null(t);
    bert_tokenization *enc = bert_tokenization_new(t, &e);
    assert_int_equal(bert_tokenize(enc, TEXT(vocab_text), TEXT(pair), NULL, &e), 1);
    const bert_token_window w = bert_tokenization_window(enc, 0);
    assert_int_equal(w.n, 9);
    assert_memory_equal(w.ids, ids, sizeof ids);
    assert_memory_equal(w.offsets, offsets, sizeof offsets);
    assert_memory_equal(w.type_ids, types, sizeof types);
    bert_tokenization_free(enc);
    bert_tokenizer_close(t);
}

/* A vocabulary whose tokenizer either file names is that of check, as it is opened and as it is saved. */
static void named_by_either(const char *vocab, const char *const by[2][2],
                            void (*check)(bert_tokenizer *t)) {
    for (int i = 0; i < 2; i++) {
        char *d = test_directory(), *saved = test_directory();
        bert_error e = {0};
        put_file(d, "vocab.txt", vocab);
        put_file(d, by[i][0], by[i][1]);
        bert_tokenizer *t = bert_tokenizer_open(d, NULL, &e);
        if (!t || bert_tokenizer_save(t, saved, &e)) fail_msg("%s", e.message);
        check(t);
        check(bert_tokenizer_open(saved, NULL, &e));
        test_remove(d);
        test_remove(saved);
    }
}

static void mpnet_has_a_template_of_its_own(void **state) {
    (void)state;
    static const char vocab[] = "<s>\n<pad>\n</s>\n[UNK]\n<unk>\nhello\nworld\n##s\na\nb\n,\n.\n"
                                "<mask>\n";
    static const char *const by[2][2] = {
        {"tokenizer_config.json", "{\"tokenizer_class\": \"MPNetTokenizer\"}"},
        {"config.json", "{\"model_type\": \"mpnet\"}"},
    };
    named_by_either(vocab, by, check_mpnet);
}

/* What transformers 5.24 makes of a protein: every token of the vocabulary wherever it stands, an
 * unknown one for what lies between two of them or between spaces, types 0. */
static void check_esm(bert_tokenizer *t) {
    static const char text[] = "MK <mask>L JxM\x1c\xc2\xa0<K", pair[] = "LL";
    const int32_t ids[] = {0, 6, 5, 8, 4, 3, 6, 3, 5, 2, 4, 4, 2},
                  offsets[] = {0,  0,  0,  1,  1,  2, 3, 9, 9, 10, 11, 13, 13,
                               14, 16, 17, 17, 18, 0, 0, 0, 1, 1,  2,  0,  0},
                  types[13] = {0};
    bert_error e = {0};
    assert_non_null(t);
    bert_tokenization *enc = bert_tokenization_new(t, &e);
    assert_int_equal(bert_tokenize(enc, TEXT(text), TEXT(pair), NULL, &e), 1);
    const bert_token_window w = bert_tokenization_window(enc, 0);
    assert_int_equal(w.n, 13);
    assert_memory_equal(w.ids, ids, sizeof ids);
    assert_memory_equal(w.offsets, offsets, sizeof offsets);
    assert_memory_equal(w.type_ids, types, sizeof types);
    char out[80];
    const int64_t bytes = bert_decode(t, ids, 6, true, out, sizeof out, &e);
    assert_int_equal(bytes, 5);
    assert_memory_equal(out, "M K L", 5);
    bert_tokenization_free(enc);
    bert_tokenizer_close(t);
}

static void esm_reads_letters(void **state) {
    (void)state;
    static const char vocab[] = "<cls>\n<pad>\n<eos>\n<unk>\nL\nK\nM\n.\n<mask>";
    static const char *const by[2][2] = {
        {"tokenizer_config.json", "{\"tokenizer_class\": \"EsmTokenizer\"}"},
        {"config.json", "{\"model_type\": \"esm\"}"},
    };
    named_by_either(vocab, by, check_esm);
}

/* "a b e" and "b e" in 5 tokens, of which the template takes 3; in `side`, or both. */
static void check_side(bert_tokenizer *t, bool left) {
    bert_error e = {0};
    assert_non_null(t);
    assert_int_equal(bert_tokenizer_truncates_left(t), left);
    bert_tokenization *enc = bert_tokenization_new(t, &e);
    bert_tokenize_options o = bert_tokenize_default();
    o.truncation = BERT_TRUNCATE_LONGEST_FIRST;
    o.max_length = 4;
    assert_int_equal(bert_tokenize(enc, TEXT("a b e"), NULL, 0, &o, &e), 1);
    const int32_t *ids = bert_tokenization_window(enc, 0).ids;
    assert_int_equal(ids[1], left ? B : A);
    assert_int_equal(ids[2], left ? E : B);
    o.max_length = 5;
    assert_int_equal(bert_tokenize(enc, TEXT("a b e"), TEXT("b e"), &o, &e), 1);
    ids = bert_tokenization_window(enc, 0).ids;
    assert_int_equal(ids[1], left ? E : A);
    assert_int_equal(ids[3], left ? E : B);
    /* windows hold everything, and begin at the beginning */
    o.overflowing = true;
    o.max_length = 4;
    assert_int_equal(bert_tokenize(enc, TEXT("a b e"), NULL, 0, &o, &e), 2);
    assert_int_equal(bert_tokenization_window(enc, 0).ids[1], A);
    bert_tokenization_free(enc);
    bert_tokenizer_close(t);
}

static void the_side_of_truncation_is_the_checkpoints(void **state) {
    (void)state;
    char *d = test_directory();
    bert_error e = {0};
    put_file(d, "vocab.txt", small_vocab);
    put_file(d, "tokenizer_config.json", "{\"truncation_side\": \"left\"}");
    bert_tokenizer *t = bert_tokenizer_open(d, NULL, &e);
    assert_non_null(t);
    if (bert_tokenizer_save(t, d, &e)) fail_msg("%s", e.message);
    check_side(t, true);
    check_side(bert_tokenizer_open(d, NULL, &e), true); /* tokenizer.json now, and it was kept */
    static const struct {
        const char *config;
        bool left;
    } rows[] = {{"{\"truncation_side\": \"right\", \"padding_side\": \"left\"}", false},
                {"{\"truncation_side\": null}", true},
                {"{}", true}};
    char *path = bert_path_join(d, "tokenizer.json"), *text, *changed;
    size_t bytes;
    assert_int_equal(bert_read_file(path, 0, &text, &bytes, &e), 0);
    static const char from[] = "\"truncation\": null",
                      to[] = "\"truncation\": {\"direction\": \"Left\", \"max_length\": 3}";
    char *at = strstr(text, from);
    assert_non_null(at);
    changed = malloc(bytes + sizeof to);
    assert_non_null(changed);
    snprintf(changed, bytes + sizeof to, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    write_file(path, changed, strlen(changed));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_file(d, "tokenizer_config.json", rows[i].config);
        check_side(bert_tokenizer_open(d, NULL, &e), rows[i].left);
    }
    put_file(d, "tokenizer_config.json", "{\"truncation_side\": \"Left\"}");
    assert_null(bert_tokenizer_open(d, NULL, &e));
    assert_non_null(strstr(e.message, "truncation_side"));
    free(changed);
    free(text);
    free(path);
    test_remove(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_looked_at),
        cmocka_unit_test(other_models_are_named),
        cmocka_unit_test(mpnet_has_a_template_of_its_own),
        cmocka_unit_test(esm_reads_letters),
        cmocka_unit_test(the_side_of_truncation_is_the_checkpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
