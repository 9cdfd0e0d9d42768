/* What a tokenizer is read from and written to: vocabularies, golden cases before and after saving,
 * bad files, directories; and decoding. */
#include "base/base64.h"
#include "small_tokenizer.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include <jansson.h>

/* ------------------------------------------------------------------- Vocabulary, decoding */

static void vocabulary_lines_are_trimmed_and_the_last_wins(void **state) {
    (void)state;
    bert_error e = {0};
    static const char vocab[] = "[UNK]\r\n[CLS]\r\n[SEP] \t\r\na\xe3\x80\x80\r\nb\na\n\nc";
    tools x = {open_text("vocab.txt", TEXT(vocab), NULL, &e), NULL};
    assert_non_null(x.t);
    x.enc = bert_tokenization_new(x.t, &e);
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

static uint64_t hash_windows(const bert_tokenization *enc, int windows) {
    uint64_t h = 0xcbf29ce484222325u;
    for (int i = 0; i < windows; i++) {
        bert_token_window w = bert_tokenization_window(enc, i);
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
    const bert_tokenize_options o = {
        value[0], (bert_truncation)value[1], value[2], value[3], true, value[4], value[5]};
    bert_error e = {0};
    int windows = bert_tokenize(x.enc, json_string_value(text), json_string_length(text),
                                json_string_value(pair), json_string_length(pair), &o, &e);
    if (json_is_null(ids)) {
        assert_int_equal(windows, BERT_EINVAL);
        return;
    }
    assert_true(windows > 0);
    bert_token_window w = bert_tokenization_window(x.enc, 0);
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

/* tokenizers, unlike transformers, numbers the texts of windows even where no model takes types. */
static void forget_input_names(const char *directory) {
    char path[4300];
    snprintf(path, sizeof path, "%s/tokenizer_config.json", directory);
    json_t *config = json_load_file(path, 0, NULL);
    assert_non_null(config);
    assert_int_equal(json_object_del(config, "model_input_names"), 0);
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
}

/* Opens tokenizer i of a golden file; saved: after saving and loading it. */
static tools open_golden(const json_t *item, size_t i, bool saved) {
    bert_error e = {0};
    char *text = json_dumps(item, i % 2 ? JSON_ENSURE_ASCII : JSON_INDENT(1));
    tools x = {open_text("tokenizer.json", text, strlen(text), NULL, &e), NULL};
    assert_string_equal(e.message, "");
    free(text);
    if (saved) {
        char *d = test_directory();
        assert_int_equal(bert_tokenizer_save(x.t, d, &e), 0);
        bert_tokenizer_close(x.t);
        forget_input_names(d);
        x.t = bert_tokenizer_open(d, NULL, &e);
        assert_string_equal(e.message, "");
        test_remove(d);
    }
    x.enc = bert_tokenization_new(x.t, &e);
    assert_non_null(x.enc);
    return x;
}

/* Where the file has one vocabulary it serves all of its tokenizers. */
static void check_golden(const char *file, size_t cases, bool saved) {
    json_error_t je;
    json_t *golden = json_load_file(file, JSON_ALLOW_NUL, &je);
    assert_non_null(golden);
    json_t *item, *vocab = json_object_get(golden, "vocab");
    tools all[MAX_TOKENIZERS] = {{NULL, NULL}};
    size_t i;
    json_array_foreach(json_object_get(golden, "tokenizers"), i, item) {
        assert_true(i < MAX_TOKENIZERS);
        if (vocab) json_object_set(json_object_get(item, "model"), "vocab", vocab);
        all[i] = open_golden(item, i, saved);
    }
    json_array_foreach(json_object_get(golden, "cases"), i, item) check_case(all, item);
    assert_int_equal(i, cases);
    for (i = 0; i < MAX_TOKENIZERS; i++) close_tools(all[i]);
    json_decref(golden);
}

#define GOLDEN BERT_SOURCE_DIR "/tests/golden/"
/* What whole-word masks go by. */
static void tokens_show_whether_they_go_on(void **state) {
    (void)state;
    static const struct {
        size_t tokenizer;
        const char *begins, *goes_on, *special;
    } rows[] = {{0, "\xc4\xa0the", "t", "<s>"}, {4, "\xe2\x96\x81the", "the", "<mask>"}};
    json_error_t je;
    json_t *golden = json_load_file(GOLDEN "tokenizers.json", JSON_ALLOW_NUL, &je);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tools x = open_golden(
            json_array_get(json_object_get(golden, "tokenizers"), rows[i].tokenizer), 0, false);
        assert_false(bert_token_continues(x.t, bert_token_id(x.t, rows[i].begins)));
        assert_true(bert_token_continues(x.t, bert_token_id(x.t, rows[i].goes_on)));
        assert_false(bert_token_continues(x.t, bert_token_id(x.t, rows[i].special)));
        assert_false(bert_token_continues(x.t, -1));
        close_tools(x);
    }
    json_decref(golden);
    tools x = open_small(NULL);
    assert_true(bert_token_continues(x.t, _A));
    assert_false(bert_token_continues(x.t, A));
    close_tools(x);
}

/* A megabyte without a space is a word like others to every model: it would take hours, were it
 * quadratic. What is cut off at its end is the same in all windows of the text. */
static void long_words_are_read(void **state) {
    (void)state;
    enum { BYTES = 1 << 20 };
    json_error_t je;
    json_t *golden = json_load_file(GOLDEN "tokenizers.json", JSON_ALLOW_NUL, &je), *item;
    char *text = malloc(BYTES);
    uint32_t seed = 1;
    for (size_t i = 0; i < BYTES; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = (char)('a' + (seed >> 16) % 26);
    }
    size_t k;
    json_array_foreach(json_object_get(golden, "tokenizers"), k, item) {
        tools x = open_golden(item, k, false);
        bert_error e = {0};
        const bert_tokenize_options o = {.byte_offsets = true};
        assert_int_equal(bert_tokenize(x.enc, text, BYTES, NULL, 0, &o, &e), 1);
        const bert_token_window w = bert_tokenization_window(x.enc, 0);
        assert_int_equal(w.offsets[w.n - 1][1], BYTES);
        assert_int_equal(w.word_ids[w.n - 1], 0);
        for (int32_t i = 1; i < w.n; i++)
            if (w.offsets[i][0] > w.offsets[i - 1][1]) fail_msg("%zu: a gap at %d", k, (int)i);
        close_tools(x);
    }
    free(text);
    json_decref(golden);
}

/* Writes a file of a directory of the golden ones; those of SentencePiece are base64. */
static void put_golden(const char *directory, const char *name, const char *text) {
    char *path = bert_path_join(directory, name);
    size_t n = strlen(text);
    uint8_t *bytes = malloc(n + 1);
    const bool binary = n && strstr(name, ".model");
    const int64_t decoded = binary ? bert_base64_read(text, n, bytes) : 0;
    write_file(path, binary ? (char *)bytes : text, binary ? (size_t)decoded : n);
    free(bytes);
    free(path);
}

static void check_text(const tools *x, const json_t *c) {
    const json_t *text = json_array_get(c, 0), *pair = json_array_get(c, 1);
    bert_error e = {0};
    char hash[20];
    assert_int_equal(bert_tokenize(x->enc, json_string_value(text), json_string_length(text),
                                   json_string_value(pair), json_string_length(pair), NULL, &e),
                     1);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)hash_windows(x->enc, 1));
    assert_string_equal(hash, json_string_value(json_array_get(c, 2)));
}

/* Directories without a tokenizer.json, and what is saved of them. */
static void golden_directories(void **state) {
    (void)state;
    json_error_t je;
    json_t *golden = json_load_file(GOLDEN "tokenizer_files.json", JSON_ALLOW_NUL, &je), *item,
           *value, *c;
    size_t i, k, checked = 0;
    const char *name;
    json_array_foreach(golden, i, item) {
        for (int saved = 0; saved < 2; saved++) {
            char *d = test_directory(), *copy = test_directory();
            bert_error e = {0};
            json_object_foreach(json_object_get(item, "files"), name, value) {
                put_golden(d, name, json_string_value(value));
            }
            tools x = {bert_tokenizer_open(d, NULL, &e), NULL};
            assert_string_equal(e.message, "");
            if (saved) {
                assert_int_equal(bert_tokenizer_save(x.t, copy, &e), 0);
                bert_tokenizer_close(x.t);
                x.t = bert_tokenizer_open(copy, NULL, &e);
                assert_string_equal(e.message, "");
            }
            x.enc = bert_tokenization_new(x.t, &e);
            json_array_foreach(json_object_get(item, "cases"), k, c) {
                check_text(&x, c);
                checked++;
            }
            close_tools(x);
            test_remove(d);
            test_remove(copy);
        }
    }
    assert_int_equal(checked, 2 * 8 * 120);
    json_decref(golden);
}

static void bad_pieces_are_named(void **state) {
    (void)state;
    static const char whole[] = "\n\016\n\005<unk>\025\0\0\0\0\030\002\n\010\n\001a\025\0\0\200\277"
                                "\n\010\n\001b\025\0\0\200\277\n\010\n\001c\025\0\0\200\277";
    bert_error e = {0};
    bert_tokenizer *t = open_text("spm.model", whole, sizeof whole - 1, NULL, &e);
    assert_string_equal(e.message, "");
    assert_int_equal(bert_token_id(t, "c"), 3);
    bert_tokenizer_close(t);
    static const struct {
        const char *name, *text;
        size_t bytes;
        int code;
        const char *says;
    } rows[] = {
        {"spm.model", whole, sizeof whole - 3, BERT_EFORMAT, "not a SentencePiece model"},
        {"spm.model", "", 0, BERT_EFORMAT, "is empty"},
        {"spm.model", "\022\002\030\002\n\003\n\001a", 9, BERT_EUNSUPPORTED, "type 2"},
        {"sentencepiece.bpe.model", "\n\003\n\001a", 5, BERT_EFORMAT, "has 1 pieces"},
        {"vocab.json", "{\"a\": 0}", 8, BERT_ENOTFOUND, "needs a merges.txt"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        e = (bert_error){0};
        assert_null(open_text(rows[i].name, rows[i].text, rows[i].bytes, NULL, &e));
        if (!strstr(e.message, rows[i].says)) fail_msg("%s", e.message);
        assert_int_equal(e.code, rows[i].code);
    }
}

static void golden_cases(void **state) {
    (void)state;
    check_golden(GOLDEN "tokenizer.json", 5000, false);
    check_golden(GOLDEN "tokenizers.json", 4000, false);
}

static void golden_cases_after_saving(void **state) {
    (void)state;
    check_golden(GOLDEN "tokenizer.json", 5000, true);
    check_golden(GOLDEN "tokenizers.json", 4000, true);
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

static bert_tokenizer *open_unigram(const char *vocab, bert_error *e) {
    char text[1024];
    const int n = snprintf(
        text, sizeof text,
        "{\"version\": \"1.0\", \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": %s}}",
        vocab);
    return open_text("tokenizer.json", text, (size_t)n, NULL, e);
}

static void pieces_and_scores_are_read_or_named(void **state) {
    (void)state;
    bert_error e = {0};
    bert_tokenizer *t = open_unigram(
        " [ [\"<unk>\" , 0],[\"[a\\\"\\u00e9]\",-1.25E+0 ], [\"b\", -2], [\"c\", -0.5e-1]]", &e);
    assert_string_equal(e.message, "");
    assert_int_equal(bert_token_id(t, "[a\"\xc3\xa9]"), 1);
    assert_int_equal(bert_token_id(t, "c"), 3);
    assert_true(t->unigram->scores[1] == -1.25 && t->unigram->scores[2] == -2);
    assert_true(t->unigram->unknown == -12);
    bert_tokenizer_close(t);
    static const struct {
        const char *vocab, *says;
    } bad[] = {
        {"{\"a\": 0}", "model.vocab: must be an array of [piece, score]"},
        {"[]", "model.vocab: must be an array of [piece, score]"},
        {"[[\"a\"]]", "number 0 must be [piece, score]"},
        {"[[\"a\", 1, 2]]", "number 0 must be"},
        {"[[\"a\", 01]]", "number 0 must be"},
        {"[[\"a\", 1.]]", "number 0 must be"},
        {"[[\"a\", -]]", "number 0 must be"},
        {"[[\"a\", 1e]]", "number 0 must be"},
        {"[[\"a\", 1e999]]", "number 0 must be"},
        {"[[\"a\", NaN]]", "number 0 must be"},
        {"[[\"a\", \"1\"]]", "number 0 must be"},
        {"[[\"a\", 0], [\"\\u0000\", 0]]", "number 1 must be"},
        {"[[\"a\", 0], [\"\xff\", 0]]", "number 1 must be"},
        {"[[\"a\", 0], 7]", "number 1 must be"},
        {"[[\"a\", 0],]", "number 1 must be"},
        {"[[\"a\", 0] [\"b\", 0]]", "number 1 must be"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e = (bert_error){0};
        assert_null(open_unigram(bad[i].vocab, &e));
        assert_int_equal(e.code, BERT_EFORMAT);
        if (!strstr(e.message, bad[i].says))
            fail_msg("%s: '%s' does not say '%s'", bad[i].vocab, e.message, bad[i].says);
    }
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
    expect_refused("\"type\": \"WordPiece\", \"unk", "\"type\": \"BPE\", \"unk", BERT_EFORMAT,
                   "model.merges: must be an array");
    expect_refused("\"type\": \"WordPiece\", \"unk", "\"type\": \"Odd\", \"unk", BERT_EUNSUPPORTED,
                   "BPE and Unigram are");
    expect_refused("BertPreTokenizer", "Split", BERT_EUNSUPPORTED, "Split");
    expect_refused("BertNormalizer", "Sequence", BERT_EFORMAT, "normalizers: must be an array");
    expect_refused("BertNormalizer", "Nmt", BERT_EUNSUPPORTED, "StripAccents, Strip, Replace");
    expect_refused("BertProcessing", "Odd", BERT_EUNSUPPORTED, "RobertaProcessing");
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
    } bad[] = {{TEXT(""), "is empty"},
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
    /* Not read where the configuration lists the tokens. */
    put_file(d, "special_tokens_map.json", "{\"mask_token\": {\"content\": \"mask\"}}");
    bert_error e = {0};
    tools x = {bert_tokenizer_open(d, NULL, &e), NULL};
    assert_string_equal(e.message, "");
    x.enc = bert_tokenization_new(x.t, &e);
    assert_int_equal(bert_tokenizer_size(x.t), 29);
    assert_int_equal(bert_tokenizer_max_length(x.t), 77);
    assert_int_equal(bert_tokenizer_special(x.t).mask, MASK);
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

static void older_files_say_which_tokens_are_special_and_how(void **state) {
    (void)state;
    char *d = test_directory(), out[64];
    bert_error e = {0};
    put_file(d, "vocab.txt", small_vocab);
    put_file(d, "tokenizer_config.json",
             "{\"mask_token\": {\"content\": \"a\"}, \"additional_special_tokens\": "
             "[\"<Two>\", {\"content\": \"<three>\", \"rstrip\": true}]}");
    put_file(d, "special_tokens_map.json",
             "{\"mask_token\": {\"content\": \"[MASK]\", \"lstrip\": true}}");
    put_file(d, "added_tokens.json", "{\"<One>\": 27, \"<Two>\": 28}");
    tools x = {bert_tokenizer_open(d, NULL, &e), NULL};
    assert_string_equal(e.message, "");
    x.enc = bert_tokenization_new(x.t, &e);
    assert_int_equal(bert_tokenizer_special(x.t).mask, MASK);
    expect(x, TEXT("\xe2\x80\x8b"), NO_IDS); /* nothing is kept of the first text */
    expect_offsets(x, TEXT("a [MASK]"), IDS(0, 1, 1, 8));
    expect(x, TEXT("<one>a<Two><three> <two>"), IDS(27, A, 28, 29, UNK, UNK, UNK));
    assert_int_equal(bert_decode(x.t, IDS(A, 28, 29), true, out, sizeof out, &e), 1);
    close_tools(x);
    test_remove(d);
}

static void a_generic_class_leaves_the_normalizer_to_tokenizer_json(void **state) {
    (void)state;
    static const struct {
        const char *config;
        int32_t id; /* of "B" in good_json, which makes it lower case */
    } rows[] = {{"{\"do_lower_case\": false}", 0},
                {"{\"do_lower_case\": false, \"tokenizer_class\": \"BertTokenizer\"}", 0},
                {"{\"do_lower_case\": false, \"tokenizer_class\": \"PreTrainedTokenizerFast\"}", 3},
                {"{\"do_lower_case\": false, \"tokenizer_class\": \"TokenizersBackend\"}", 3}};
    char *d = test_directory(), text[4096];
    const char *at = strstr(good_json, "a\\\"\\u00e9");
    snprintf(text, sizeof text, "%.*sb\": 3}}}", (int)(at - good_json), good_json);
    put_file(d, "tokenizer.json", text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_file(d, "tokenizer_config.json", rows[i].config);
        bert_error e = {0};
        tools x = {bert_tokenizer_open(d, NULL, &e), NULL};
        assert_string_equal(e.message, "");
        x.enc = bert_tokenization_new(x.t, &e);
        expect(x, TEXT("B"), &rows[i].id, 1);
        close_tools(x);
    }
    test_remove(d);
}

static void type_ids_are_0_where_a_model_does_not_take_them(void **state) {
    (void)state;
    static const struct {
        const char *config;
        int32_t second; /* the type of a second text */
    } rows[] = {{"{}", 1},
                {"{\"model_input_names\": null}", 1},
                {"{\"model_input_names\": [\"input_ids\", \"token_type_ids\"]}", 1},
                {"{\"model_input_names\": [\"input_ids\", \"attention_mask\"]}", 0},
                {"{\"tokenizer_class\": \"DistilBertTokenizer\"}", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *d = test_directory(), *saved = test_directory();
        put_file(d, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n");
        put_file(d, "tokenizer_config.json", rows[i].config);
        for (int again = 0; again < 2; again++) {
            bert_error e = {0};
            tools x = {bert_tokenizer_open(again ? saved : d, NULL, &e), NULL};
            assert_string_equal(e.message, "");
            x.enc = bert_tokenization_new(x.t, &e);
            assert_int_equal(bert_tokenize(x.enc, TEXT("a"), TEXT("b"), NULL, &e), 1);
            const bert_token_window w = bert_tokenization_window(x.enc, 0);
            assert_int_equal(w.n, 5);
            assert_int_equal(w.type_ids[1], 0);
            assert_int_equal(w.type_ids[3], rows[i].second);
            assert_int_equal(w.type_ids[4], rows[i].second);
            if (!again) assert_int_equal(bert_tokenizer_save(x.t, saved, &e), 0);
            close_tools(x);
        }
        test_remove(saved);
        test_remove(d);
    }
}

/* The class that a saved tokenizer names, after `from` in its tokenizer.json has become `to`. */
static void expect_class(const char *directory, const char *from, const char *to,
                         const char *wanted) {
    bert_error e = {0};
    char *saved = test_directory(), *path = bert_path_join(directory, "tokenizer.json"), *text;
    size_t n;
    assert_int_equal(bert_read_file(path, 1 << 20, &text, &n, &e), 0);
    const char *at = strstr(text, from);
    assert_non_null(at);
    char *changed = malloc(n + strlen(to) + 1);
    assert_non_null(changed);
    sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    bert_tokenizer *t = open_text("tokenizer.json", changed, strlen(changed), NULL, &e);
    assert_string_equal(e.message, "");
    assert_int_equal(bert_tokenizer_save(t, saved, &e), 0);
    bert_tokenizer_close(t);
    char *config = bert_path_join(saved, "tokenizer_config.json");
    json_t *o = json_load_file(config, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "tokenizer_class")), wanted);
    json_decref(o);
    free(config);
    free(changed);
    free(text);
    free(path);
    test_remove(saved);
}

/* BertTokenizer of transformers makes all but the vocabulary and the added tokens anew. */
static void only_what_bert_tokenizer_would_make_is_saved_as_one(void **state) {
    (void)state;
    static const char bert[] = "BertTokenizer", any[] = "PreTrainedTokenizerFast";
    bert_error e = {0};
    char *d = test_directory();
    bert_tokenizer *t = open_text("vocab.txt", small_vocab, strlen(small_vocab), NULL, &e);
    assert_int_equal(bert_tokenizer_save(t, d, &e), 0);
    bert_tokenizer_close(t);
    expect_class(d, "\"lowercase\": true", "\"lowercase\": false", bert);
    expect_class(d, "\"clean_text\": true", "\"clean_text\": false", any);
    expect_class(d, "\"max_input_chars_per_word\": 100", "\"max_input_chars_per_word\": 50", any);
    expect_class(d, "\"continuing_subword_prefix\": \"##\"",
                 "\"continuing_subword_prefix\": \"@@\"", any);
    expect_class(d, "\"cleanup\": true", "\"cleanup\": false", any);
    expect_class(d, "\"type_id\": 1", "\"type_id\": 0", any);
    test_remove(d);
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
        x.enc = bert_tokenization_new(x.t, &e);
        assert_int_equal(bert_tokenizer_size(x.t), rows[i].size);
        assert_int_equal(bert_tokenize(x.enc, TEXT("Hello world!"), NULL, 0, NULL, &e), 1);
        bert_token_window w = bert_tokenization_window(x.enc, 0);
        assert_int_equal(w.n, 5);
        assert_memory_equal(w.ids, rows[i].ids, 5 * sizeof *w.ids);
        close_tools(x);
        bert_tokenizer *t = bert_tokenizer_open(vocab, NULL, &e);
        assert_int_equal(bert_tokenizer_size(t), rows[i].size);
        bert_tokenizer_close(t);
        free(vocab);
    }
}

/* As transformers has it: the classes of RoBERTa's family, whose types are all 0, name none. */
static void type_ids_are_named_where_one_is_not_0(void **state) {
    (void)state;
    static const struct {
        const char *pair, *config;
        int names;
    } rows[] = {{"{\"type\":\"RobertaProcessing\",\"sep\":[\"b\",2],\"cls\":[\"a\",1],"
                 "\"trim_offsets\":true,\"add_prefix_space\":false}",
                 "{}", 2},
                {"{\"type\":\"BertProcessing\",\"sep\":[\"b\",2],\"cls\":[\"a\",1]}", "{}", 3},
                {"{\"type\":\"RobertaProcessing\",\"sep\":[\"b\",2],\"cls\":[\"a\",1],"
                 "\"trim_offsets\":true,\"add_prefix_space\":false}",
                 "{\"model_input_names\":[\"input_ids\",\"token_type_ids\"]}", 3},
                {"null", "{}", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *d = test_directory(), text[1000], path[4300];
        bert_error e = {0};
        snprintf(text, sizeof text,
                 "{\"added_tokens\":[],\"normalizer\":null,\"pre_tokenizer\":{\"type\":"
                 "\"WhitespaceSplit\"},\"decoder\":null,\"post_processor\":%s,\"model\":{\"type\":"
                 "\"WordLevel\",\"vocab\":{\"u\":0,\"a\":1,\"b\":2},\"unk_token\":\"u\"}}",
                 rows[i].pair);
        put_file(d, "tokenizer.json", text);
        put_file(d, "tokenizer_config.json", rows[i].config);
        bert_tokenizer *t = bert_tokenizer_open(d, NULL, &e);
        assert_string_equal(e.message, "");
        assert_int_equal(bert_tokenizer_save(t, d, &e), 0);
        bert_tokenizer_close(t);
        snprintf(path, sizeof path, "%s/tokenizer_config.json", d);
        json_t *config = json_load_file(path, 0, NULL);
        assert_int_equal(json_array_size(json_object_get(config, "model_input_names")),
                         rows[i].names);
        json_decref(config);
        test_remove(d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(type_ids_are_named_where_one_is_not_0),
        cmocka_unit_test(vocabulary_lines_are_trimmed_and_the_last_wins),
        cmocka_unit_test(decoding_cleans_up),
        cmocka_unit_test(golden_cases),
        cmocka_unit_test(golden_cases_after_saving),
        cmocka_unit_test(tokens_show_whether_they_go_on),
        cmocka_unit_test(long_words_are_read),
        cmocka_unit_test(golden_directories),
        cmocka_unit_test(bad_pieces_are_named),
        cmocka_unit_test(a_cut_file_is_an_error_wherever_it_is_cut),
        cmocka_unit_test(pieces_and_scores_are_read_or_named),
        cmocka_unit_test(bad_tokenizer_files_are_named),
        cmocka_unit_test(bad_vocabularies_are_named),
        cmocka_unit_test(directories_are_read_as_transformers_does),
        cmocka_unit_test(older_files_say_which_tokens_are_special_and_how),
        cmocka_unit_test(a_generic_class_leaves_the_normalizer_to_tokenizer_json),
        cmocka_unit_test(type_ids_are_0_where_a_model_does_not_take_them),
        cmocka_unit_test(only_what_bert_tokenizer_would_make_is_saved_as_one),
        cmocka_unit_test(public_vocabularies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
