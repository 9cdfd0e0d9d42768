/* GGUF files, whole models and indices that are damaged: each is a typed error with a message, at once. */
#include "files/gguf_bert.h"
#include "malformed.h"

/* ---- GGUF */

static void put_key(test_bytes *b, const char *key, uint64_t type) {
    test_put_number(b, strlen(key), 8);
    test_put_text(b, key);
    test_put_number(b, type, 4);
}

/* One tensor of 8 floats; *header: where its data begin. */
static void small_gguf(test_bytes *b, size_t *header) {
    b->n = 0;
    test_put_text(b, "GGUF");
    test_put_number(b, 3, 4);
    test_put_number(b, 1, 8);
    test_put_number(b, 3, 8);
    put_key(b, "general.architecture", 8);
    test_put_number(b, 4, 8);
    test_put_text(b, "bert");
    put_key(b, "general.alignment", 4);
    test_put_number(b, 32, 4);
    put_key(b, "words", 9);
    test_put_number(b, 8, 4);
    test_put_number(b, 2, 8);
    for (int i = 0; i < 2; i++) {
        test_put_number(b, 1, 8);
        test_put_text(b, "a");
    }
    test_put_number(b, 4, 8);
    test_put_text(b, "some");
    test_put_number(b, 2, 4);
    test_put_number(b, 4, 8);
    test_put_number(b, 2, 8);
    test_put_number(b, 0, 4);
    test_put_number(b, 0, 8);
    while (b->n % 32) test_put(b, "", 1);
    *header = b->n;
    for (int i = 0; i < 8; i++) test_put_number(b, 0x3f800000, 4);
}

static void gguf_fields_are_checked(void **state) {
    (void)state;
    test_bytes b = {0};
    size_t header;
    small_gguf(&b, &header);
    const char *alignment = memmem(b.data, b.n, "alignment", 9),
               *some = memmem(b.data, b.n, "some", 4), *words = memmem(b.data, b.n, "words", 5);
    assert_true(alignment && some && words);
    const struct {
        const char *what;
        size_t at;
        int bytes;
        uint64_t fine[2]; /* values that do no harm */
    } fields[] = {
        {"magic", 0, 4, {0, 0}},
        {"version", 4, 4, {2, 3}},
        {"tensors", 8, 8, {1, 0}},
        {"keys", 16, 8, {3, 3}},
        {"length of a key", 24, 8, {20, 20}},
        {"type of a value", 52, 4, {8, 8}},
        {"length of a value", 56, 8, {4, 4}},
        {"alignment", (size_t)(alignment - b.data) + 13, 4, {32, 16}},
        {"type of an array", (size_t)(words - b.data) + 9, 4, {8, 8}},
        {"length of an array", (size_t)(words - b.data) + 13, 8, {2, 2}},
        {"length of a name", (size_t)(some - b.data) - 8, 8, {4, 4}},
        {"dimensions", (size_t)(some - b.data) + 4, 4, {2, 2}},
        {"columns", (size_t)(some - b.data) + 8, 8, {4, 2}},
        {"rows", (size_t)(some - b.data) + 16, 8, {2, 1}},
        {"type of a tensor", (size_t)(some - b.data) + 24, 4, {0, 1}},
        {"place of a tensor", (size_t)(some - b.data) + 28, 8, {0, 0}},
    };
    static const uint64_t values[] = {5,          31,         33,         99,        0x7fff,
                                      0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_MAX};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++, kinds++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            small_gguf(&b, &header);
            if (values[v] == fields[f].fine[0] || values[v] == fields[f].fine[1]) continue;
            for (int i = 0; i < fields[f].bytes; i++)
                b.data[fields[f].at + (size_t)i] = (char)(values[v] >> 8 * i);
            refuse(&bert_gguf_format, ".gguf", b.data, b.n, fields[f].what);
        }
    small_gguf(&b, &header);
    assert_true(damage(&bert_gguf_format, ".gguf", b.data, b.n, header) > 1000);
    free(b.data);
}

/* A whole model whose keys are damaged: config.json and the tokenizer are made of them. */
static void damaged_models_are_survived(void **state) {
    (void)state;
    char *data, *copy;
    size_t n;
    bert_error e = {0};
    test_ok(e, bert_read_file(BERT_SOURCE_DIR "/tests/golden/gguf/labels.gguf", 0, &data, &n, &e));
    const size_t header = n - 43136; /* what is not numbers */
    int refused = 0;
    snprintf(path, sizeof path, "%s/model.gguf", directory);
    assert_non_null(copy = malloc(n));
    for (size_t at = 0; at < header; at += 7) {
        memcpy(copy, data, n);
        copy[at] = (char)(copy[at] ^ (at % 2 ? 0xff : 1 << at % 8));
        test_write_bytes(path, copy, n);
        bert_error why = {0};
        const double start = now();
        bert_model *m = bert_model_open(path, NULL, &why);
        assert_int_equal(m == NULL, why.code < 0);
        if (now() - start > 1) fail_msg("byte %zu: %g s", at, now() - start);
        refused += !m;
        bert_model_close(m);
        files++;
    }
    assert_true(refused > 120);
    free(copy);
    free(data);
}

/* ---- Indices */

static void indices_are_checked(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        "{\"weight_map\": null}",
        "{\"weight_map\": {}}",
        "{\"weight_map\": []}",
        "{\"weight_map\": \"x.bin\"}",
        "{\"weight_map\": {\"w\": 1}}",
        "{\"weight_map\": {\"w\": null}}",
        "{\"weight_map\": {\"w\": \"\"}}",
        "{\"weight_map\": {\"w\": \".\"}}",
        "{\"weight_map\": {\"w\": \"..\"}}",
        "{\"weight_map\": {\"w\": \".bin\"}}",
        "{\"weight_map\": {\"w\": \"/etc/passwd\"}}",
        "{\"weight_map\": {\"w\": \"../x.bin\"}}",
        "{\"weight_map\": {\"w\": \"a/x.bin\"}}",
        "{\"weight_map\": {\"w\": \"./x.bin\"}}",
        "{\"weight_map\": {\"w\": \"x.bin/\"}}",
        "{\"weight_map\": {\"w\": \"missing.bin\"}}",
        "{\"weight_map\": {\"w\": \"x.safetensors\"}}",
        "{\"weight_map\": {\"w\": \"x.index.json\"}}",
        "{\"weight_map\": {\"w\": \"x.bin\\u0000\"}}",
        "{\"weight_map\": {\"w\": \"x.bin\", \"v\": \"y.bin\"}}",
        "{\"weight_map\": {\"w\": \"x.bin\", \"other\": \"x.bin\"}}",
        "{\"weight_map\": {\"w\": [\"x.bin\"]}}",
        "{\"weight_map\": {\"w\": {\"x.bin\": 1}}}",
        "{\"weight_map\": {\"w\": \"x.bin\"}",
        "\xff\xfe{}",
        "<html>",
    };
    bert_error e;
    test_bytes b = {0};
    zip_of(good_pickle.text, good_pickle.n, &b);
    snprintf(path, sizeof path, "%s/x.bin", directory);
    test_write_bytes(path, b.data, b.n);
    free(b.data);
    static const char fine[] = "{\"weight_map\": {\"w\": \"x.bin\"}}";
    assert_int_equal(open_as(&bert_torch_format, ".json", fine, strlen(fine), &e), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++, kinds++)
        refuse(&bert_torch_format, ".json", texts[i], strlen(texts[i]), texts[i]);
    /* tens of thousands of files that are not there end at the first one */
    b = (test_bytes){0};
    test_put_text(&b, "{\"weight_map\": {");
    for (int i = 0; i < 20000; i++) {
        char entry[64];
        snprintf(entry, sizeof entry, "%s\"t%d\": \"%d.bin\"", i ? ", " : "", i, i);
        test_put_text(&b, entry);
    }
    test_put_text(&b, "}}");
    refuse(&bert_torch_format, ".json", b.data, b.n, "20,000 files");
    free(b.data);
}

static void nothing_is_left(void **state) {
    (void)state;
    check_nothing_is_left(2000, 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_fields_are_checked),
        cmocka_unit_test(damaged_models_are_survived),
        cmocka_unit_test(indices_are_checked),
        cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
