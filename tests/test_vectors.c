/* Sparse vectors and vectors of tokens: against golden/vectors.json of tools/golden_vectors.py. */
#include "torch_file.h"

typedef struct {
    char *directory;
    bert_model *model;
    bert_session *session;
    bert_error e;
} fixture;

enum { MOST = 8 };

static void write_below(const char *directory, const char *name, const char *text) {
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    *strrchr(path, '/') = 0;
    bert_error e = {0};
    test_ok(e, bert_make_directory(path, &e));
    test_write(directory, name, text);
}

static void write_tensors(const char *directory, const char *folder, const json_t *list) {
    test_weights w = {.n = 0};
    json_t *one;
    size_t i;
    char path[4400];
    json_array_foreach((json_t *)(uintptr_t)list, i, one) {
        const char *name = json_string_value(json_array_get(one, 0));
        char formula[200];
        snprintf(formula, sizeof formula, "%s.%s", folder, name);
        test_add(&w, name, formula, json_integer_value(json_array_get(one, 1)),
                 json_integer_value(json_array_get(one, 2)));
    }
    snprintf(path, sizeof path, "%s/%s", directory, folder);
    test_write_weights(path, &w);
    test_weights_free(&w);
}

static void write_words(const char *directory, const json_t *words) {
    char text[2048];
    size_t n = 0, i;
    json_t *word;
    json_array_foreach((json_t *)(uintptr_t)words, i, word) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\n", json_string_value(word));
    }
    if (n) test_write(directory, "vocab.txt", text);
}

/* The original ColBERT keeps its projection among the encoder's weights. */
static void write_original(const char *directory, int size) {
    test_weights w = {.n = 0};
    test_tensors(&w, "BertModel", 0);
    test_add(&w, "linear.weight", "linear.weight", size, TEST_HIDDEN);
    test_write_weights(directory, &w);
    test_weights_free(&w);
    test_write_config(directory, "HF_ColBERT", "");
}

static void write_case(fixture *f, const json_t *c, const char *architecture) {
    const char *name;
    json_t *value;
    f->directory = test_directory();
    test_model(f->directory, architecture, 0, "");
    const json_int_t linear = json_integer_value(json_object_get(c, "linear"));
    if (linear) write_original(f->directory, (int)linear);
    write_words(f->directory, json_object_get(c, "words"));
    json_object_foreach(json_object_get(c, "files"), name, value) {
        char *text = json_dumps(value, JSON_COMPACT);
        write_below(f->directory, name, text);
        free(text);
    }
    json_object_foreach(json_object_get(c, "tensors"), name, value) {
        write_tensors(f->directory, name, value);
    }
}

static void open_it(fixture *f, const bert_session_options *o) {
    f->model = bert_model_open(f->directory, NULL, &f->e);
    if (!f->model) fail_msg("%s", f->e.message);
    f->session = bert_session_new(f->model, o, &f->e);
    if (!f->session) fail_msg("%s", f->e.message);
}

static void shut(fixture *f) {
    bert_session_free(f->session);
    bert_model_close(f->model);
    f->session = NULL;
    f->model = NULL;
}

static int texts_of(const json_t *golden, bert_text texts[MOST]) {
    const json_t *list = json_object_get(golden, "texts");
    for (size_t i = 0; i < json_array_size(list); i++)
        texts[i] = bert_text_of(json_string_value(json_array_get(list, i)));
    return (int)json_array_size(list);
}

static bert_text_options as(bert_side side) {
    bert_text_options o = bert_text_default();
    o.overflow = BERT_OVERFLOW_TRUNCATE;
    o.side = side;
    return o;
}

/* ---- Against the golden ones */

static void check_sparse(const char *what, const bert_sparse_vector *v, const json_t *want) {
    if (v->n != (int32_t)json_array_size(want))
        fail_msg("%s: %d weights, not %zu", what, v->n, json_array_size(want));
    for (int32_t i = 0; i < v->n; i++) {
        const json_t *one = json_array_get(want, (size_t)i);
        assert_int_equal(v->ids[i], json_integer_value(json_array_get(one, 0)));
        const double x = json_number_value(json_array_get(one, 1));
        if (fabs((double)v->weights[i] - x) > 2e-6)
            fail_msg("%s: weight %d is %g, not %g", what, i, (double)v->weights[i], x);
    }
}

static void check_multi(const char *what, const bert_multi_vector *v, int32_t size,
                        const json_t *want) {
    if (v->n != (int32_t)json_array_size(want))
        fail_msg("%s: %d vectors, not %zu", what, v->n, json_array_size(want));
    for (int32_t i = 0; i < v->n; i++)
        test_close(what, v->rows + (size_t)i * (size_t)size, (size_t)size,
                   json_array_get(want, (size_t)i), 3e-6);
}

static void check_scores(fixture *f, const json_t *golden, const json_t *c, unsigned kind) {
    bert_text texts[MOST];
    float scores[MOST];
    const int n = texts_of(golden, texts);
    const bert_text_options o = as(BERT_SIDE_NONE);
    test_ok(f->e,
            bert_rerank_vectors(f->session, &texts[1], texts, n, &o, kind, scores, NULL, &f->e));
    test_close(json_string_value(json_object_get(c, "name")), scores, (size_t)n,
               json_object_get(c, "scores"), 2e-5);
}

static void sparse_vectors_are_sentence_transformers(void **state) {
    (void)state;
    static const char *const calls[] = {"encode", "query", "document"};
    json_t *golden = test_golden("vectors.json"), *c;
    bert_text texts[MOST];
    const int n = texts_of(golden, texts);
    size_t i;
    json_array_foreach(json_object_get(golden, "sparse"), i, c) {
        fixture f = {0};
        write_case(&f, c, "BertForMaskedLM");
        open_it(&f, NULL);
        for (int side = 0; side < BERT_SIDE_COUNT; side++) {
            const bert_text_options o = as((bert_side)side);
            bert_vectors v = {0};
            test_ok(f.e, bert_embed_vectors(f.session, texts, n, &o, BERT_VECTORS_SPARSE, &v, NULL,
                                            &f.e));
            assert_int_equal(v.sparse_size, TEST_VOCAB);
            for (int k = 0; k < n; k++)
                check_sparse(json_string_value(json_object_get(c, "name")), &v.sparse[k],
                             json_array_get(json_object_get(c, calls[side]), (size_t)k));
        }
        check_scores(&f, golden, c, BERT_VECTORS_SPARSE);
        shut(&f);
        test_remove(f.directory);
    }
    json_decref(golden);
}

static void vectors_of_tokens_are_sentence_transformers(void **state) {
    (void)state;
    static const char *const calls[] = {"document", "query", "document"};
    json_t *golden = test_golden("vectors.json"), *c;
    bert_text texts[MOST];
    const int n = texts_of(golden, texts);
    size_t i;
    json_array_foreach(json_object_get(golden, "multi"), i, c) {
        fixture f = {0};
        write_case(&f, c, "BertModel");
        open_it(&f, NULL);
        for (int side = 0; side < BERT_SIDE_COUNT; side++) {
            const bert_text_options o = as((bert_side)side);
            bert_vectors v = {0};
            test_ok(f.e, bert_embed_vectors(f.session, texts, n, &o, BERT_VECTORS_MULTI, &v, NULL,
                                            &f.e));
            for (int k = 0; k < n; k++)
                check_multi(json_string_value(json_object_get(c, "name")), &v.multi[k],
                            v.multi_size,
                            json_array_get(json_object_get(c, calls[side]), (size_t)k));
        }
        check_scores(&f, golden, c, BERT_VECTORS_MULTI);
        shut(&f);
        test_remove(f.directory);
    }
    json_decref(golden);
}

/* ---- bge-m3: three kinds of one pass */

static void write_bge(fixture *f) {
    f->directory = test_directory();
    test_model(f->directory, "BertModel", 0, "");
    test_weights w = {.n = 0};
    test_add(&w, "weight", "sparse_linear.weight", 1, TEST_HIDDEN);
    test_add(&w, "bias", "sparse_linear.bias", 1, 0);
    test_write_torch(f->directory, "sparse_linear.pt", &w);
    test_weights_free(&w);
    w = (test_weights){.n = 0};
    test_add(&w, "weight", "colbert_linear.weight", TEST_HIDDEN, TEST_HIDDEN);
    test_add(&w, "bias", "colbert_linear.bias", TEST_HIDDEN, 0);
    test_write_torch(f->directory, "colbert_linear.pt", &w);
    test_weights_free(&w);
    write_below(f->directory, "modules.json",
                "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", \"type\": "
                "\"sentence_transformers.models.Transformer\"}, {\"idx\": 1, \"name\": \"1\", "
                "\"path\": \"1_Pooling\", \"type\": \"sentence_transformers.models.Pooling\"}, "
                "{\"idx\": 2, \"name\": \"2\", \"path\": \"2_Normalize\", \"type\": "
                "\"sentence_transformers.models.Normalize\"}]");
    write_below(f->directory, "1_Pooling/config.json", "{\"pooling_mode_cls_token\": true}");
}

static void bge_m3_makes_three_kinds_in_one_pass(void **state) {
    (void)state;
    json_t *golden = test_golden("vectors.json"), *c = json_object_get(golden, "bge");
    bert_text texts[MOST];
    const int n = texts_of(golden, texts);
    fixture f = {0};
    write_bge(&f);
    for (int threads = 1; threads < 4; threads += 2) {
        bert_session_options so = bert_session_default();
        so.threads = threads;
        so.batch_tokens = threads == 1 ? 8 : 0;
        open_it(&f, &so);
        float dense[MOST * TEST_HIDDEN];
        bert_vectors v = {.dense = dense};
        const bert_text_options o = as(BERT_SIDE_NONE);
        test_ok(f.e, bert_embed_vectors(f.session, texts, n, &o, 7, &v, NULL, &f.e));
        assert_int_equal(v.multi_size, TEST_HIDDEN);
        for (int i = 0; i < n; i++) {
            check_sparse("bge", &v.sparse[i],
                         json_array_get(json_object_get(c, "sparse"), (size_t)i));
            check_multi("bge", &v.multi[i], v.multi_size,
                        json_array_get(json_object_get(c, "multi"), (size_t)i));
            test_close("bge", dense + i * TEST_HIDDEN, TEST_HIDDEN,
                       json_array_get(json_object_get(c, "dense"), (size_t)i), 3e-6);
        }
        float alone[MOST * TEST_HIDDEN];
        test_ok(f.e, bert_embed(f.session, texts, n, &o, alone, NULL, &f.e));
        assert_memory_equal(alone, dense, (size_t)(n * TEST_HIDDEN) * sizeof *dense);
        check_scores(&f, golden, c, BERT_VECTORS_MULTI);
        shut(&f);
    }
    test_remove(f.directory);
    json_decref(golden);
}

/* ---- Windows, what fails, and what is refused */

static void windows_have_the_largest_weights_and_all_vectors(void **state) {
    (void)state;
    static const char text[] =
        "the cat sat on the mat and the dog ran under the big red tree house .";
    fixture f = {0};
    write_bge(&f);
    open_it(&f, NULL);
    const bert_text t = bert_text_of(text);
    bert_text_options o = as(BERT_SIDE_NONE);
    o.max_length = 9;
    o.overflow = BERT_OVERFLOW_WINDOW;
    bert_vectors v = {0};
    bert_text_info info;
    test_ok(f.e, bert_embed_vectors(f.session, &t, 1, &o, 6, &v, &info, &f.e));
    assert_int_equal(info.windows, 3);
    assert_int_equal(v.multi[0].n, 17 + 3); /* its tokens, and a [SEP] in each window */
    for (int32_t i = 1; i < v.sparse[0].n; i++)
        assert_true(v.sparse[0].ids[i - 1] < v.sparse[0].ids[i] && v.sparse[0].weights[i] > 0);
    assert_true(v.sparse[0].n > 2);
    float largest = 0, second = 0;
    for (int32_t i = 0; i < v.sparse[0].n; i++) {
        const float x = v.sparse[0].weights[i];
        second = x > largest ? largest : x > second ? x : second;
        largest = x > largest ? x : largest;
    }
    o.max_active = 2;
    test_ok(f.e, bert_embed_vectors(f.session, &t, 1, &o, BERT_VECTORS_SPARSE, &v, &info, &f.e));
    assert_int_equal(v.sparse[0].n, 2);
    const float *two = v.sparse[0].weights;
    assert_true((two[0] == largest && two[1] == second) || (two[1] == largest && two[0] == second));
    shut(&f);
    test_remove(f.directory);
}

static void a_text_that_fails_has_none(void **state) {
    (void)state;
    fixture f = {0};
    write_bge(&f);
    open_it(&f, NULL);
    const bert_text texts[] = {bert_text_of("the cat"), {0}, bert_text_of("a dog")};
    bert_text_options o = bert_text_default();
    bert_vectors v = {0};
    bert_text_info info[3];
    o.keep_going = true;
    test_ok(f.e, bert_embed_vectors(f.session, texts, 3, &o, 6, &v, info, &f.e));
    assert_int_equal(info[1].code, BERT_EINVAL);
    assert_true(v.sparse[0].n > 0 && v.multi[2].n == 3);
    assert_true(v.sparse[1].n == 0 && v.multi[1].n == 0);
    o.keep_going = false;
    assert_int_equal(bert_embed_vectors(f.session, texts, 3, &o, 6, &v, info, &f.e), BERT_EINVAL);
    assert_null(v.sparse);
    shut(&f);
    test_remove(f.directory);
}

static void refused(const char *directory, unsigned kind, int code, const char *says) {
    fixture f = {.directory = (char *)(uintptr_t)directory};
    open_it(&f, NULL);
    const bert_text t = bert_text_of("a dog");
    const bert_text_options o = as(BERT_SIDE_QUERY);
    float dense[TEST_HIDDEN];
    bert_vectors v = {.dense = dense};
    assert_int_equal(bert_embed_vectors(f.session, &t, 1, &o, kind, &v, NULL, &f.e), code);
    if (!strstr(f.e.message, says)) fail_msg("%s", f.e.message);
    shut(&f);
}

static void what_a_checkpoint_lacks_is_said(void **state) {
    (void)state;
    char *d = test_directory();
    test_model(d, "BertModel", 0, "");
    refused(d, BERT_VECTORS_SPARSE, BERT_EUNSUPPORTED, "head of masked words");
    refused(d, BERT_VECTORS_MULTI, BERT_EUNSUPPORTED, "colbert_linear.pt");
    refused(d, 0, BERT_EINVAL, "no kinds");
    write_below(d, "sparse_linear.pt", "PK");
    refused(d, BERT_VECTORS_SPARSE, BERT_EFORMAT, "sparse_linear.pt");
    write_original(d, 5);
    refused(d, BERT_VECTORS_MULTI, BERT_EUNSUPPORTED, "expanded to 32 tokens");
    write_below(d, "modules.json",
                "[{\"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"}, "
                "{\"path\": \"1_Dense\", \"type\": \"sentence_transformers.models.Dense\"}]");
    write_below(d, "config_sentence_transformers.json", "{\"model_type\": \"MultiVectorEncoder\"}");
    refused(d, BERT_VECTORS_MULTI, BERT_ENOTFOUND, "1_Dense");
    refused(d, BERT_VECTORS_DENSE, BERT_EUNSUPPORTED, "--vectors multi");
    test_remove(d);
}

static void names_are_parsed(void **state) {
    (void)state;
    bert_error e = {0};
    bert_side side = BERT_SIDE_NONE;
    assert_int_equal(bert_vectors_parse("dense", &e), 1);
    assert_int_equal(bert_vectors_parse("multi,sparse", &e), 6);
    assert_int_equal(bert_vectors_parse("", &e), BERT_EINVAL);
    e.code = 0;
    assert_int_equal(bert_vectors_parse("dense,,multi", &e), BERT_EINVAL);
    e.code = 0;
    assert_int_equal(bert_side_parse("query", &side, &e), 0);
    assert_int_equal(side, BERT_SIDE_QUERY);
    assert_int_equal(bert_side_parse("answer", &side, &e), BERT_EINVAL);
    assert_string_equal(bert_vectors_name(BERT_VECTORS_MULTI), "multi");
    assert_string_equal(bert_vectors_name(3), "");
}

/* Tokens that are not seen change nothing for the others. */
static void unseen_tokens_are_not_seen(void **state) {
    (void)state;
    fixture f = {.directory = test_directory()};
    test_model(f.directory, "BertModel", 0, "");
    open_it(&f, NULL);
    const int32_t ids[] = {2, 5, 7, 9, 3, 4, 4, 4, 2, 6, 8, 3}, start[] = {0, 8, 12};
    const int32_t attended[] = {5, 4}, few[] = {0, 5}, wrong[] = {9, 4};
    bert_inputs in = {.n = 2, .start = start, .ids = ids, .attended = attended};
    bert_outputs out;
    test_ok(f.e, bert_session_run(f.session, &in, 0, &out, &f.e));
    float seen[12 * TEST_HIDDEN];
    memcpy(seen, out.last_hidden_state, sizeof seen);
    in = (bert_inputs){.n = 1, .start = few, .ids = ids};
    test_ok(f.e, bert_session_run(f.session, &in, 0, &out, &f.e));
    for (int i = 0; i < 5 * TEST_HIDDEN; i++)
        assert_true(fabsf(seen[i] - out.last_hidden_state[i]) < 2e-6f);
    in = (bert_inputs){.n = 2, .start = start, .ids = ids, .attended = wrong};
    assert_int_equal(bert_session_run(f.session, &in, 0, &out, &f.e), BERT_EINVAL);
    shut(&f);
    test_remove(f.directory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_parsed),
        cmocka_unit_test(unseen_tokens_are_not_seen),
        cmocka_unit_test(sparse_vectors_are_sentence_transformers),
        cmocka_unit_test(vectors_of_tokens_are_sentence_transformers),
        cmocka_unit_test(bge_m3_makes_three_kinds_in_one_pass),
        cmocka_unit_test(windows_have_the_largest_weights_and_all_vectors),
        cmocka_unit_test(a_text_that_fails_has_none),
        cmocka_unit_test(what_a_checkpoint_lacks_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
