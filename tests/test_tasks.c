/* Texts in, answers out: against the session on the ids that the texts stand for. */
#include "models.h"

typedef struct {
    char *directory;
    bert_model *model;
    bert_session *session;
    bert_error e;
} fixture;

static void start(fixture *f, const char *architecture, int labels, const char *more) {
    if (!f->directory) f->directory = test_directory();
    test_model(f->directory, architecture, labels, more);
    f->model = bert_model_open(f->directory, NULL, &f->e);
    if (!f->model) fail_msg("%s", f->e.message);
    f->session = bert_session_new(f->model, NULL, &f->e);
    if (!f->session) fail_msg("%s", f->e.message);
}

static void shut(fixture *f) {
    bert_session_free(f->session);
    bert_model_close(f->model);
    f->session = NULL;
    f->model = NULL;
}

static void finish(fixture *f) {
    shut(f);
    test_remove(f->directory);
}

/* "the cat sat on the mat" and "[CLS] ... [SEP]" of it. */
static const int32_t cat_ids[] = {2, 5, 7, 9, 11, 5, 13, 3};
static const char cat_text[] = "The cat sat on the mat";
enum { CAT = 8 };

/* The vector of some ids, by the public pieces. */
static void vector_of(fixture *f, const int32_t *ids, const int32_t *types, int32_t n,
                      bert_pooling p, bool normalize, float *out) {
    const int32_t bounds[] = {0, n};
    const bert_inputs in = {.n = 1, .start = bounds, .ids = ids, .type_ids = types};
    bert_outputs o;
    test_ok(f->e, bert_session_run(f->session, &in, BERT_WANT_POOLER, &o, &f->e));
    if (p == BERT_POOLING_POOLER)
        memcpy(out, o.pooler_output, TEST_HIDDEN * sizeof *out);
    else
        test_ok(f->e, bert_pool(p, o.last_hidden_state, TEST_HIDDEN, bounds, 1, out, &f->e));
    if (normalize) bert_normalize(out, 1, TEST_HIDDEN);
}

static void test_embed(void **state) {
    (void)state;
    fixture f = {0};
    start(&f, "BertModel", 0, "");
    float wanted[TEST_HIDDEN], got[TEST_HIDDEN];
    const bert_text text = bert_text_of(cat_text);
    const bert_pooling all[] = {BERT_POOLING_DEFAULT, BERT_POOLING_MEAN, BERT_POOLING_CLS,
                                BERT_POOLING_MAX,     BERT_POOLING_SUM,  BERT_POOLING_POOLER};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int normalize = 0; normalize < 2; normalize++) {
            bert_text_options o = bert_text_default();
            o.pooling = all[i];
            o.normalize = normalize;
            bert_text_info info;
            test_ok(f.e, bert_embed(f.session, &text, 1, &o, got, &info, &f.e));
            assert_int_equal(info.tokens, CAT);
            assert_int_equal(info.dropped, 0);
            assert_int_equal(info.windows, 1);
            vector_of(&f, cat_ids, NULL, CAT, all[i] ? all[i] : BERT_POOLING_MEAN, normalize,
                      wanted);
            assert_memory_equal(got, wanted, sizeof got);
        }
    /* A pair: the second segment is type 1. */
    const int32_t pair_ids[] = {2, 5, 7, 3, 6, 8, 3}, pair_types[] = {0, 0, 0, 0, 1, 1, 1};
    const bert_text pair = {.text = "the cat", .bytes = 7, .pair = "a dog", .pair_bytes = 5};
    test_ok(f.e, bert_embed(f.session, &pair, 1, NULL, got, NULL, &f.e));
    vector_of(&f, pair_ids, pair_types, 7, BERT_POOLING_MEAN, false, wanted);
    assert_memory_equal(got, wanted, sizeof got);
    /* Nothing to read, and what is not UTF-8, are texts as well. */
    const int32_t none[] = {2, 3};
    const bert_text empty = bert_text_of(""), invalid = {.text = "\xff\xfe", .bytes = 2};
    test_ok(f.e, bert_embed(f.session, &empty, 1, NULL, got, NULL, &f.e));
    vector_of(&f, none, NULL, 2, BERT_POOLING_MEAN, false, wanted);
    assert_memory_equal(got, wanted, sizeof got);
    test_ok(f.e, bert_embed(f.session, &invalid, 1, NULL, got, NULL, &f.e));
    assert_memory_equal(got, wanted, sizeof got);
    const bert_text missing = {0};
    assert_int_equal(bert_embed(f.session, &missing, 1, NULL, got, NULL, &f.e), BERT_EINVAL);
    assert_int_equal(bert_embed(f.session, NULL, 0, NULL, got, NULL, NULL), BERT_OK);
    finish(&f);
}

/* More texts than are computed at once: each as if it were alone. */
static void test_many(void **state) {
    (void)state;
    enum { MANY = 1500 };
    fixture f = {0};
    start(&f, "BertForSequenceClassification", 3, test_labels(3));
    bert_text *texts = malloc(MANY * sizeof *texts);
    bert_text_info *info = malloc(MANY * sizeof *info);
    float *vectors = malloc(MANY * TEST_HIDDEN * sizeof *vectors);
    float *scores = malloc(MANY * 3 * sizeof *scores);
    assert_true(texts && info && vectors && scores);
    for (int i = 0; i < MANY; i++)
        texts[i] = bert_text_of(i % 3 ? cat_text : i % 2 ? "dog" : "a big dog is not a red cat.");
    test_ok(f.e, bert_embed(f.session, texts, MANY, NULL, vectors, info, &f.e));
    test_ok(f.e,
            bert_classify(f.session, texts, MANY, NULL, BERT_SCORES_DEFAULT, scores, NULL, &f.e));
    for (int i = 0; i < MANY; i += 199) {
        float vector[TEST_HIDDEN], score[3];
        test_ok(f.e, bert_embed(f.session, &texts[i], 1, NULL, vector, NULL, &f.e));
        test_ok(f.e, bert_classify(f.session, &texts[i], 1, NULL, BERT_SCORES_DEFAULT, score, NULL,
                                   &f.e));
        assert_memory_equal(vector, vectors + (size_t)i * TEST_HIDDEN, sizeof vector);
        assert_memory_equal(score, scores + (size_t)i * 3, sizeof score);
        assert_int_equal(info[i].tokens, i % 3 ? CAT : i % 2 ? 3 : 11);
    }
    free(texts);
    free(info);
    free(vectors);
    free(scores);
    finish(&f);
}

static void test_overflow(void **state) {
    (void)state;
    fixture f = {0};
    start(&f, "BertModel", 0, "");
    float wanted[TEST_HIDDEN], got[2 * TEST_HIDDEN];
    bert_text_options o = bert_text_default();
    bert_text_info info[2];
    /* 25 words are 27 tokens; the model takes 20. */
    char text[256] = "";
    int32_t ids[TEST_POSITIONS];
    for (int i = 0; i < 25; i++) strcat(text, i % 2 ? "dog " : "cat ");
    const bert_text texts[] = {bert_text_of("a dog"), bert_text_of(text)};

    assert_int_equal(bert_embed(f.session, texts, 2, &o, got, NULL, &f.e), BERT_ETOOLONG);
    assert_non_null(strstr(f.e.message, "text 1 (\"cat dog"));
    assert_non_null(strstr(f.e.message, "27 tokens, the limit is 20"));
    bert_error_clear(&f.e);

    o.overflow = BERT_OVERFLOW_TRUNCATE;
    test_ok(f.e, bert_embed(f.session, texts, 2, &o, got, info, &f.e));
    assert_int_equal(info[0].dropped, 0);
    assert_int_equal(info[1].tokens, 20);
    assert_int_equal(info[1].dropped, 7);
    assert_int_equal(info[1].windows, 1);
    for (int i = 0; i < 20; i++) ids[i] = i == 0 ? 2 : i == 19 ? 3 : i % 2 ? 7 : 8;
    vector_of(&f, ids, NULL, 20, BERT_POOLING_MEAN, false, wanted);
    assert_memory_equal(got + TEST_HIDDEN, wanted, sizeof wanted);

    /* Windows of 20 and 9 tokens, weighted 20 to 9. */
    o.overflow = BERT_OVERFLOW_WINDOW;
    test_ok(f.e, bert_embed(f.session, texts, 2, &o, got, info, &f.e));
    assert_int_equal(info[1].tokens, 27);
    assert_int_equal(info[1].dropped, 0);
    assert_int_equal(info[1].windows, 2);
    float rest[TEST_HIDDEN];
    for (int i = 0; i < 9; i++) ids[i] = i == 0 ? 2 : i == 8 ? 3 : i % 2 ? 7 : 8;
    vector_of(&f, ids, NULL, 9, BERT_POOLING_MEAN, false, rest);
    for (int i = 0; i < TEST_HIDDEN; i++) {
        double mean = (20 * (double)wanted[i] + 9 * (double)rest[i]) / 29;
        assert_true(fabs((double)got[TEST_HIDDEN + i] - mean) < 1e-6);
    }
    /* With a stride: 18 words, then from the 13th on. */
    o.stride = 6;
    test_ok(f.e, bert_embed(f.session, texts, 2, &o, got, info, &f.e));
    assert_int_equal(info[1].windows, 2);
    o.stride = 18;
    assert_int_equal(bert_embed(f.session, texts, 2, &o, got, info, &f.e), BERT_EINVAL);
    bert_error_clear(&f.e);
    o.stride = 0;

    /* A limit of one's own. */
    o.max_length = 5;
    test_ok(f.e, bert_embed(f.session, texts, 2, &o, got, info, &f.e));
    assert_int_equal(info[1].windows, 9);
    o.max_length = 2; /* [CLS] and [SEP]: no room for a window */
    assert_int_equal(bert_embed(f.session, texts, 2, &o, got, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "leaves no room"));
    bert_error_clear(&f.e);
    o.max_length = 21;
    assert_int_equal(bert_embed(f.session, texts, 2, &o, got, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "the model takes 20"));
    bert_error_clear(&f.e);
    o.max_length = -1;
    assert_int_equal(bert_embed(f.session, texts, 2, &o, got, NULL, &f.e), BERT_EINVAL);
    bert_error_clear(&f.e);
    o = bert_text_default();
    o.overflow = (bert_overflow)(BERT_OVERFLOW_WINDOW + 1);
    assert_int_equal(bert_embed(f.session, texts, 2, &o, got, NULL, &f.e), BERT_EINVAL);
    bert_error_clear(&f.e);
    assert_int_equal(bert_classify(f.session, texts, 2, NULL, BERT_SCORES_COUNT, got, NULL, &f.e),
                     BERT_EINVAL);
    bert_error_clear(&f.e);
    bert_overflow mode;
    test_ok(f.e, bert_overflow_parse("window", &mode, &f.e));
    assert_int_equal(mode, BERT_OVERFLOW_WINDOW);
    assert_int_equal(bert_overflow_parse("ignore", &mode, &f.e), BERT_EINVAL);
    finish(&f);
}

static void test_sentence_files(void **state) {
    (void)state;
    fixture f = {.directory = test_directory()};
    char path[4200];
    snprintf(path, sizeof path, "%s/1_Pooling", f.directory);
    test_ok(f.e, bert_make_directory(path, &f.e));
    test_write(f.directory, "modules.json",
               "[{\"type\": \"sentence_transformers.models.Transformer\", \"path\": \"\"},"
               "{\"type\": \"sentence_transformers.models.Pooling\", \"path\": \"1_Pooling\"},"
               "{\"type\": \"sentence_transformers.models.Normalize\", \"path\": \"2_N\"}]");
    test_write(f.directory, "sentence_bert_config.json",
               "{\"max_seq_length\": 6, \"do_lower_case\": false}");
    static const struct {
        const char *json;
        bert_pooling pooling; /* BERT_POOLING_DEFAULT: refused */
        int joined;           /* how many, of which it is the first */
    } rows[] = {
        {"{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}",
         BERT_POOLING_CLS, 1},
        {"{\"word_embedding_dimension\": 24, \"pooling_mode_mean_tokens\": true}",
         BERT_POOLING_MEAN, 1},
        {"{\"pooling_mode_max_tokens\": true}", BERT_POOLING_MAX, 1},
        {"{\"pooling_mode\": \"cls\"}", BERT_POOLING_CLS, 1},
        {"{\"pooling_mode_mean_sqrt_len_tokens\": true}", BERT_POOLING_MEAN_SQRT_LEN, 1},
        {"{\"pooling_mode_max_tokens\": true, \"pooling_mode_cls_token\": true}", BERT_POOLING_CLS,
         2},
        {"{}", BERT_POOLING_MEAN, 1},
        {"{\"pooling_mode_mean_tokens\": false}", BERT_POOLING_MEAN, 1},
        {"{\"pooling_mode\": [\"max\"], \"pooling_mode_mean_tokens\": true}", BERT_POOLING_MAX, 1},
        {"{\"pooling_mode\": [\"mean\", \"cls\"]}", BERT_POOLING_MEAN, 2},
        {"{\"pooling_mode\": [\"other\"]}", BERT_POOLING_DEFAULT, 1},
        {"{\"pooling_mode\": \"other\"}", BERT_POOLING_DEFAULT, 1},
    };
    const bert_text text = bert_text_of("the cat sat"), longer = bert_text_of(cat_text);
    float got[2 * TEST_HIDDEN], wanted[TEST_HIDDEN];
    const int32_t ids[] = {2, 5, 7, 9, 3};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        test_write(path, "config.json", rows[i].json);
        start(&f, "BertModel", 0, "");
        bool normalize;
        bert_pooling p = bert_model_pooling(f.model, &normalize);
        assert_true(normalize);
        int rc = bert_embed(f.session, &text, 1, NULL, got, NULL, &f.e);
        if (rows[i].pooling == BERT_POOLING_DEFAULT) {
            assert_int_equal(rc, BERT_EUNSUPPORTED);
            bert_error_clear(&f.e);
            bert_text_options o = bert_text_default();
            o.pooling = BERT_POOLING_MEAN; /* one's own word is enough */
            test_ok(f.e, bert_embed(f.session, &text, 1, &o, got, NULL, &f.e));
        } else {
            assert_int_equal(rc, BERT_OK);
            assert_int_equal(p, rows[i].pooling);
            assert_int_equal(bert_model_embedding_size(f.model, NULL),
                             rows[i].joined * TEST_HIDDEN);
            vector_of(&f, ids, NULL, 5, p, rows[i].joined == 1, wanted);
            if (rows[i].joined == 1) assert_memory_equal(got, wanted, sizeof wanted);
        }
        assert_int_equal(bert_embed(f.session, &longer, 1, NULL, got, NULL, &f.e),
                         rows[i].pooling ? BERT_ETOOLONG : BERT_EUNSUPPORTED);
        bert_error_clear(&f.e);
        shut(&f);
    }
    finish(&f);
}

/* What sentence-transformers does to a text before it is tokenized: lower case, but for special
 * tokens. */
static void test_sentence_texts(void **state) {
    (void)state;
    static const struct {
        const char *file, *json;
        bool lowers;
    } rows[] = {
        {"tokenizer_config.json", "{\"do_lower_case\": false}", false},
        {"sentence_bert_config.json", "{\"do_lower_case\": true}", true},
    };
    fixture f = {.directory = test_directory()};
    const bert_text texts[] = {bert_text_of("the cat sat [MASK]"),
                               bert_text_of("THE Cat sat [MASK]")};
    float got[2][TEST_HIDDEN];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start(&f, "BertModel", 0, "");
        shut(&f);
        test_write(f.directory, rows[i].file, rows[i].json);
        f.model = bert_model_open(f.directory, NULL, &f.e);
        f.session = bert_session_new(f.model, NULL, &f.e);
        test_ok(f.e, f.e.code);
        test_ok(f.e, bert_embed(f.session, texts, 2, NULL, got[0], NULL, &f.e));
        assert_int_equal(!memcmp(got[0], got[1], sizeof got[0]), rows[i].lowers);
        shut(&f);
    }
    finish(&f);
}

static void test_classify(void **state) {
    (void)state;
    static const struct {
        int labels;
        const char *problem;
    } rows[] = {{3, ""},
                {3, ", \"problem_type\": \"single_label_classification\""},
                {3, ", \"problem_type\": \"multi_label_classification\""},
                {3, ", \"problem_type\": \"regression\""},
                {1, ""}};
    const bert_text text = bert_text_of(cat_text);
    fixture f = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char more[512];
        snprintf(more, sizeof more, "%s%s", test_labels(rows[i].labels), rows[i].problem);
        start(&f, "BertForSequenceClassification", rows[i].labels, more);
        const int32_t bounds[] = {0, CAT};
        const bert_inputs in = {.n = 1, .start = bounds, .ids = cat_ids};
        float raw[3], scores[3];
        bert_text_info info;
        test_ok(f.e, bert_classify(f.session, &text, 1, NULL, BERT_SCORES_NONE, raw, &info, &f.e));
        test_ok(f.e,
                bert_classify(f.session, &text, 1, NULL, BERT_SCORES_DEFAULT, scores, NULL, &f.e));
        assert_int_equal(info.tokens, CAT);
        bert_outputs o;
        test_ok(f.e, bert_session_run(f.session, &in, BERT_WANT_LOGITS, &o, &f.e));
        assert_memory_equal(raw, o.logits, sizeof *raw * (size_t)rows[i].labels);
        float asked[2][3];
        for (int k = 0; k < 2; k++) {
            bert_scores function;
            test_ok(f.e, bert_scores_parse(k ? "softmax" : "sigmoid", &function, &f.e));
            test_ok(f.e, bert_classify(f.session, &text, 1, NULL, function, asked[k], NULL, &f.e));
        }
        double sum = 0;
        for (int j = 0; j < rows[i].labels; j++) sum += exp((double)raw[j]);
        for (int j = 0; j < rows[i].labels; j++) {
            double x = (double)raw[j];
            double sigmoid = 1 / (1 + exp(-x)), softmax = exp(x) / sum;
            double wanted = i < 2 ? softmax : i == 3 ? x : sigmoid;
            assert_true(fabs((double)scores[j] - wanted) < 1e-6);
            assert_true(fabs((double)asked[0][j] - sigmoid) < 1e-6);
            assert_true(fabs((double)asked[1][j] - softmax) < 1e-6);
        }
        shut(&f);
    }
    /* Windows: the mean of their logits, by tokens. */
    start(&f, "BertForSequenceClassification", 3, test_labels(3));
    bert_text_options o = bert_text_default();
    o.overflow = BERT_OVERFLOW_WINDOW;
    o.max_length = 5;
    bert_text_info info;
    float raw[3], parts[2][3];
    test_ok(f.e, bert_classify(f.session, &text, 1, &o, BERT_SCORES_NONE, raw, &info, &f.e));
    assert_int_equal(info.windows, 2);
    const bert_text halves[] = {bert_text_of("the cat sat"), bert_text_of("on the mat")};
    test_ok(f.e, bert_classify(f.session, halves, 2, NULL, BERT_SCORES_NONE, parts[0], NULL, &f.e));
    for (int j = 0; j < 3; j++)
        assert_true(fabs((double)raw[j] - ((double)parts[0][j] + (double)parts[1][j]) / 2) < 1e-6);
    shut(&f);
    /* A head that does not classify texts, and none. */
    start(&f, "BertForTokenClassification", 3, test_labels(3));
    assert_int_equal(bert_classify(f.session, &text, 1, NULL, BERT_SCORES_NONE, raw, NULL, &f.e),
                     BERT_EUNSUPPORTED);
    assert_non_null(strstr(f.e.message, "token-classification"));
    bert_error_clear(&f.e);
    shut(&f);
    start(&f, "BertModel", 0, "");
    assert_int_equal(bert_classify(f.session, &text, 1, NULL, BERT_SCORES_NONE, raw, NULL, &f.e),
                     BERT_EUNSUPPORTED);
    finish(&f);
}

/* A foreign checkpoint: logits as its owner computed them. */
static void test_foreign(void **state) {
    (void)state;
    char path[4200];
    snprintf(path, sizeof path, "%s/model", test_shared("bert-ticket-96"));
    bert_error e = {0};
    bert_model *m = bert_model_open(path, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    assert_string_equal(bert_model_label(m, 2), "incident_report");
    bert_session *s = bert_session_new(m, NULL, &e);
    json_t *expected = bert_json_load(test_shared("bert-ticket-96/expected_logits.json"), &e);
    assert_non_null(expected);
    const char *split;
    json_t *list, *row;
    size_t i, rows = 0;
    json_object_foreach(expected, split, list) {
        if (!json_is_array(list)) continue;
        json_array_foreach(list, i, row) {
            int32_t *ids = test_ints(json_object_get(row, "ids"));
            const int32_t bounds[] = {0, (int32_t)json_array_size(json_object_get(row, "ids"))};
            const bert_inputs in = {.n = 1, .start = bounds, .ids = ids};
            bert_outputs o;
            test_ok(e, bert_session_run(s, &in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, &e));
            test_close("logits", o.logits, 6, json_object_get(row, "logits"), 2e-5);
            free(ids);
            rows++;
        }
    }
    assert_true(rows >= 10);
    json_decref(expected);
    bert_session_free(s);
    bert_model_close(m);
}

/* Hidden states that are finite, and a sum of them that is not. */
static void test_sum_not_finite(void **state) {
    (void)state;
    fixture f = {.directory = test_directory()};
    test_model(f.directory, "BertModel", 0, "");
    test_weights w = {.n = 0};
    test_tensors(&w, "BertModel", 0);
    float *last = NULL;
    for (int i = 0; i < w.n; i++)
        if (strstr(w.names[i], "output.LayerNorm.bias"))
            last = (float *)(uintptr_t)w.tensors[i].data;
    assert_non_null(last);
    last[1] = 3e38f;
    test_write_weights(f.directory, &w);
    test_weights_free(&w);
    f.model = bert_model_open(f.directory, NULL, &f.e);
    f.session = bert_session_new(f.model, NULL, &f.e);
    const bert_text text = bert_text_of(cat_text);
    bert_text_options o = bert_text_default();
    float got[TEST_HIDDEN];
    o.pooling = BERT_POOLING_CLS;
    test_ok(f.e, bert_embed(f.session, &text, 1, &o, got, NULL, &f.e));
    assert_true(got[1] > 2e38f);
    o.pooling = BERT_POOLING_MEAN;
    assert_int_equal(bert_embed(f.session, &text, 1, &o, got, NULL, &f.e), BERT_ENUMERIC);
    finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embed),          cmocka_unit_test(test_many),
        cmocka_unit_test(test_overflow),       cmocka_unit_test(test_sentence_files),
        cmocka_unit_test(test_sentence_texts), cmocka_unit_test(test_classify),
        cmocka_unit_test(test_foreign),        cmocka_unit_test(test_sum_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
