/* GGUF: llama.cpp's file as a checkpoint, with its configuration, tokenizer and pooling. */
#include "files/gguf_bert.h"
#include "files/pretrained.h"
#include "golden_family.h"
#include <sys/stat.h>

#define GOLDEN BERT_SOURCE_DIR "/tests/golden/gguf/"
enum { TEXTS = 2, MOST = 512 };

static json_t *golden(void) {
    bert_error e = {0};
    json_t *json = bert_json_load(GOLDEN "gguf.json", &e);
    if (!json) fail_msg("%s", e.message);
    return json;
}

static bert_model *open_or_fail(const char *path) {
    bert_error e = {0};
    bert_model *m = bert_model_open(path, NULL, &e);
    if (!m) fail_msg("%s: %s", path, e.message);
    return m;
}

static void embed(bert_model *m, const json_t *texts, float *out) {
    bert_error e = {0};
    bert_text list[TEXTS];
    bert_session *s = bert_session_new(m, NULL, &e);
    assert_non_null(s);
    for (size_t i = 0; i < TEXTS; i++)
        list[i] = bert_text_of(json_string_value(json_array_get(texts, i)));
    test_ok(e, bert_embed(s, list, TEXTS, NULL, out, NULL, &e));
    bert_session_free(s);
}

/* ---- Numbers */

static void every_type_is_read_to_the_bit(void **state) {
    (void)state;
    json_t *json = golden(), *values;
    const char *name;
    bert_error e = {0};
    bert_mapping map;
    bert_gguf g;
    int types = 0;
    test_ok(e, bert_map_file(GOLDEN "types.gguf", &map, &e));
    test_ok(e, bert_gguf_parse(&g, &map, "types.gguf", &e));
    json_object_foreach(json_object_get(json, "types"), name, values) {
        float out[MOST];
        const bert_gguf_tensor *t = bert_gguf_tensor_named(&g, name);
        assert_non_null(t);
        assert_string_equal(bert_dtype_name(t->dtype), name);
        const size_t n = json_array_size(values);
        const bert_stored_tensor s = {
            .name = name, .dtype = t->dtype, .data = t->data, .bytes = t->bytes};
        assert_int_equal(t->bytes / bert_dtype_size(t->dtype) * bert_dtype_block(t->dtype), n);
        test_ok(e, bert_stored_to_float(&s, out, &e));
        for (size_t i = 0; i < n; i++)
            if (out[i] != (float)json_number_value(json_array_get(values, i)))
                fail_msg("%s[%zu]: %.9g", name, i, (double)out[i]);
        types++;
    }
    assert_int_equal(types, 12);
    /* one that is known by its size alone */
    const bert_gguf_tensor *t = bert_gguf_tensor_named(&g, "IQ4_NL");
    const bert_stored_tensor s = {.name = "x", .dtype = t->dtype, .data = t->data, .bytes = 18};
    float out[32];
    assert_int_equal(bert_stored_to_float(&s, out, &e), BERT_EUNSUPPORTED);
    bert_gguf_free(&g);
    bert_unmap_file(&map);
    json_decref(json);
}

/* ---- Models */

static void vectors_are_those_of_llama_cpp(void **state) {
    (void)state;
    json_t *json = golden(), *vectors;
    const char *name;
    json_object_foreach(json_object_get(json, "vectors"), name, vectors) {
        char path[4600];
        float out[TEXTS * TEST_HIDDEN];
        snprintf(path, sizeof path, GOLDEN "%s", name);
        bert_model *m = open_or_fail(path);
        const bool cls = !strcmp(name, "cls.gguf");
        assert_int_equal(bert_model_pooling(m, NULL), cls ? BERT_POOLING_CLS : BERT_POOLING_MEAN);
        assert_int_equal(bert_tokenizer_max_length(bert_model_tokenizer(m)), TEST_POSITIONS);
        assert_non_null(strstr(bert_model_note(m, 0), "has no pooler"));
        embed(m, json_object_get(json, "texts"), out);
        for (size_t i = 0; i < TEXTS * TEST_HIDDEN; i++) {
            const double want = json_number_value(
                json_array_get(json_array_get(vectors, i / TEST_HIDDEN), i % TEST_HIDDEN));
            /* its GELU is another one, from a table, and it rounds what half precision is multiplied by */
            if (!(fabs((double)out[i] - want) <= (cls ? 4e-3 : 1e-3)))
                fail_msg("%s[%zu]: %g, not %g", name, i, (double)out[i], want);
        }
        bert_model_close(m);
    }
    json_decref(json);
}

/* The same weights in a directory give the same bits, and the vocabulary is the same again. */
static void a_file_is_the_model_it_was_made_of(void **state) {
    (void)state;
    static const char *const files[] = {"mean.gguf", "fused.gguf"};
    json_t *json = golden();
    char *d = test_directory();
    test_model(d, "BertModel", 2, "");
    float want[TEXTS * TEST_HIDDEN], got[TEXTS * TEST_HIDDEN];
    bert_model *m = open_or_fail(d);
    embed(m, json_object_get(json, "texts"), want);
    bert_model_close(m);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[4600];
        snprintf(path, sizeof path, GOLDEN "%s", files[i]);
        m = open_or_fail(path);
        embed(m, json_object_get(json, "texts"), got);
        assert_memory_equal(got, want, sizeof got);
        const bert_tokenizer *t = bert_model_tokenizer(m);
        assert_int_equal(bert_tokenizer_size(t), TEST_VOCAB);
        for (int32_t id = 0; id < TEST_VOCAB; id++)
            assert_string_equal(bert_token(t, id), test_words[id]);
        bert_model_close(m);
    }
    json_decref(json);
    test_remove(d);
}

/* llama.cpp's other architectures: every parameter has the value that its name gives. */
static void other_families_have_their_tensors(void **state) {
    (void)state;
    static const struct {
        const char *file, *class;
        int parameters;
    } cases[] = {{"nomic-bert.gguf", "NomicBertModel", 4 + 2 * 9},
                 {"jina-bert-v2.gguf", "JinaBertModel", 4 + 2 * 15},
                 {"modern-bert.gguf", "ModernBertModel", 3 + 6 + 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[4600];
        snprintf(path, sizeof path, GOLDEN "%s", cases[i].file);
        bert_model *m = open_or_fail(path);
        assert_string_equal(bert_model_config(m)->architecture, cases[i].class);
        assert_int_equal(bert_model_max_length(m), TEST_POSITIONS);
        assert_null(bert_model_unused_tensor(m, 0));
        const bert_params *ps = bert_model_params(m);
        assert_int_equal(bert_params_count(ps), cases[i].parameters);
        for (int k = 0; k < bert_params_count(ps); k++) {
            const bert_param *p = bert_params_at(ps, k);
            int32_t rows, cols;
            bert_param_shape(p, &rows, &cols);
            float *x = malloc((size_t)rows * (size_t)cols * sizeof *x);
            assert_non_null(x);
            bert_param_read(p, x);
            for (size_t j = 0; j < (size_t)rows * (size_t)cols; j++)
                if (x[j] != test_weight(bert_param_name(p), j))
                    fail_msg("%s: %s[%zu] is %g", cases[i].file, bert_param_name(p), j,
                             (double)x[j]);
            free(x);
        }
        bert_model_close(m);
    }
}

/* Files have the same tensors, to the byte, and the same configuration. */
static void same_files(const char *path, const char *other) {
    const char *const paths[] = {path, other};
    bert_pretrained *from[2];
    bert_tensors *files[2];
    json_t *config[2];
    for (int i = 0; i < 2; i++) {
        bert_error e = {0};
        if (!(from[i] = bert_pretrained_open(paths[i], &e)) ||
            !(files[i] = bert_pretrained_tensors(from[i], "", &e)) ||
            !(config[i] = bert_pretrained_json(from[i], "config.json", &e)))
            fail_msg("%s", e.message);
    }
    assert_true(json_equal(config[0], config[1]));
    assert_int_equal(bert_tensors_count(files[0]), bert_tensors_count(files[1]));
    for (int i = 0; i < bert_tensors_count(files[0]); i++) {
        const bert_stored_tensor *a = bert_tensors_at(files[0], i),
                                 *b = bert_tensors_find(files[1], a->name);
        if (!b) fail_msg("%s is not there", a->name);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    for (int i = 0; i < 2; i++) {
        json_decref(config[i]);
        bert_tensors_close(files[i]);
        bert_pretrained_close(from[i]);
    }
}

/* What llama.cpp's converter wrote is written again with the same names, sizes and numbers. */
static void files_are_written_as_llama_cpp_has_them(void **state) {
    (void)state;
    static const char *const files[] = {"nomic-bert.gguf", "jina-bert-v2.gguf", "modern-bert.gguf",
                                        "mean.gguf"};
    json_t *json = golden();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *d = test_directory(), path[4600], to[4600];
        float want[TEXTS * TEST_HIDDEN], got[TEXTS * TEST_HIDDEN];
        snprintf(path, sizeof path, GOLDEN "%s", files[i]);
        snprintf(to, sizeof to, "%s/%s", d, files[i]);
        bert_convert_options o = bert_convert_default();
        bert_error e = {0};
        o.format = "gguf";
        bert_model *m = open_or_fail(path);
        embed(m, json_object_get(json, "texts"), want);
        bert_model_close(m);
        test_ok(e, bert_convert(path, to, &o, NULL, &e));
        same_files(path, to);
        m = open_or_fail(to);
        embed(m, json_object_get(json, "texts"), got);
        assert_memory_equal(got, want, sizeof got);
        bert_model_close(m);
        test_remove(d);
    }
    json_decref(json);
}

/* What llama.cpp's architectures cannot be told is refused by name. */
static void what_llama_cpp_lacks_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *family;
        int variant;
        const char *says;
    } cases[] = {{"modernbert", 0, "norm_bias"},
                 {"modernbert", 1, "layer_types"},
                 {"modernbert", 2, "linear"},
                 {"nomic_bert", 3, "llama3"},
                 {"gte", 0, "not of gte"}};
    bert_error e = {0};
    json_t *file = bert_json_load(BERT_SOURCE_DIR "/tests/golden/families.json", &e), *family;
    assert_non_null(file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t k;
        e = (bert_error){0};
        char *d = test_directory(), to[4600];
        json_array_foreach(json_object_get(file, "families"), k, family) {
            const char *type = json_string_value(json_object_get(family, "model_type"));
            if (strcmp(type, cases[i].family)) continue;
            write_case(
                d, family,
                json_array_get(json_object_get(family, "variants"), (size_t)cases[i].variant));
        }
        snprintf(to, sizeof to, "%s/m.gguf", d);
        bert_convert_options o = bert_convert_default();
        o.format = "gguf";
        assert_int_equal(bert_convert(d, to, &o, NULL, &e), BERT_EUNSUPPORTED);
        if (!strstr(e.message, cases[i].says)) fail_msg("%s: %s", cases[i].says, e.message);
        test_remove(d);
    }
    json_decref(file);
}

static void copy_golden(const char *name, const char *to) {
    char path[4600], *data;
    size_t size;
    bert_error e = {0};
    snprintf(path, sizeof path, GOLDEN "%s", name);
    test_ok(e, bert_read_file(path, 0, &data, &size, &e));
    test_ok(e, bert_write_file(to, data, size, &e));
    free(data);
}

static void a_directory_may_hold_one(void **state) {
    (void)state;
    char *d = test_directory(), path[4600];
    snprintf(path, sizeof path, "%s/model-f32.gguf", d);
    copy_golden("mean.gguf", path);
    test_write(d, "README.md", "x");
    bert_model *m = open_or_fail(d);
    assert_int_equal(bert_model_config(m)->hidden_size, TEST_HIDDEN);
    assert_non_null(bert_model_tokenizer(m));
    bert_model_close(m);
    /* of several one has to be named */
    bert_error e = {0};
    snprintf(path, sizeof path, "%s/model-f16.gguf", d);
    copy_golden("cls.gguf", path);
    assert_null(bert_model_open(d, NULL, &e));
    assert_non_null(strstr(e.message, "one of several"));
    bert_model_close(open_or_fail(path));
    /* transformers' formats go before */
    test_model(d, "BertForMaskedLM", 2, "");
    m = open_or_fail(d);
    assert_string_equal(bert_model_head(m), "masked-lm");
    bert_model_close(m);
    test_remove(d);
}

static void distilbert_is_told_by_what_it_lacks(void **state) {
    (void)state;
    bert_model *m = open_or_fail(GOLDEN "distilbert.gguf");
    assert_string_equal(bert_model_config(m)->model_type, "distilbert");
    assert_non_null(bert_params_find(bert_model_params(m), "transformer.layer.1.ffn.lin2.weight"));
    bert_model_close(m);
}

static void classifiers_have_their_labels(void **state) {
    (void)state;
    bert_error e = {0};
    bert_model *m = open_or_fail(GOLDEN "labels.gguf");
    assert_string_equal(bert_model_head(m), "sequence-classification");
    assert_int_equal(bert_model_config(m)->num_labels, 3);
    assert_string_equal(bert_model_label(m, 1), "middle");
    assert_null(bert_model_new_parameter(m, 0));
    /* and are saved as any model: trained further, or opened elsewhere */
    char *d = test_directory(), to[4600];
    snprintf(to, sizeof to, "%s/saved", d);
    test_ok(e, bert_model_save(m, to, &e));
    bert_model *saved = open_or_fail(to);
    for (int32_t id = 0; id < TEST_VOCAB; id++)
        assert_string_equal(bert_token(bert_model_tokenizer(saved), id), test_words[id]);
    bert_model_close(saved);
    bert_model_close(m);
    test_remove(d);
}

/* RoBERTa's and XLM-RoBERTa's, whose tokenizer.json is made of the header. */
static void other_tokenizers_are_the_same(void **state) {
    (void)state;
    json_t *json = golden(), *texts, *one;
    const char *name;
    size_t i;
    json_object_foreach(json_object_get(json, "tokenizers"), name, texts) {
        char path[4600];
        bert_error e = {0};
        snprintf(path, sizeof path, GOLDEN "%s", name);
        bert_tokenizer *t = bert_tokenizer_open(path, NULL, &e);
        if (!t) fail_msg("%s: %s", name, e.message);
        assert_int_equal(bert_tokenizer_max_length(t), TEST_POSITIONS);
        json_array_foreach(texts, i, one) {
            const json_t *ids = json_object_get(one, "ids");
            const char *text = json_string_value(json_object_get(one, "text"));
            bert_tokenization *tokens = bert_tokenization_new(t, &e);
            assert_non_null(tokens);
            assert_int_equal(bert_tokenize(tokens, text, strlen(text), NULL, 0, NULL, &e), 1);
            const bert_token_window w = bert_tokenization_window(tokens, 0);
            const size_t n = json_array_size(ids);
            assert_int_equal(bert_tokenization_full_length(tokens), n);
            for (size_t k = 0; k < n; k++)
                if (w.ids[k] != json_integer_value(json_array_get(ids, k)))
                    fail_msg("%s: \"%s\": id %zu is %d", name, text, k, w.ids[k]);
            bert_tokenization_free(tokens);
        }
        bert_tokenizer_close(t);
    }
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read_to_the_bit),
        cmocka_unit_test(vectors_are_those_of_llama_cpp),
        cmocka_unit_test(a_file_is_the_model_it_was_made_of),
        cmocka_unit_test(other_families_have_their_tensors),
        cmocka_unit_test(files_are_written_as_llama_cpp_has_them),
        cmocka_unit_test(what_llama_cpp_lacks_is_refused),
        cmocka_unit_test(a_directory_may_hold_one),
        cmocka_unit_test(distilbert_is_told_by_what_it_lacks),
        cmocka_unit_test(classifiers_have_their_labels),
        cmocka_unit_test(other_tokenizers_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
