/* Many texts at once: the same bits as one by one, and a text that fails does so alone. */
#include "models.h"

typedef struct {
    char *directory;
    bert_model *model;
    bert_session *session;
    bert_error e;
} fixture;

static void open_session(fixture *f) {
    bert_session_options o = bert_session_default();
    o.threads = 2;
    f->model = bert_model_open(f->directory, NULL, &f->e);
    f->session = bert_session_new(f->model, &o, &f->e);
    if (!f->session) fail_msg("%s", f->e.message);
}

static void start(fixture *f, const char *architecture, int labels, const char *more) {
    *f = (fixture){.directory = test_directory()};
    test_model(f->directory, architecture, labels, more);
    open_session(f);
}

static void finish(fixture *f) {
    bert_session_free(f->session);
    bert_model_close(f->model);
    test_remove(f->directory);
}

enum { TEXTS = 9 };
static bert_text texts[TEXTS];
static char very_long[4096 * 10], long_text[512];

/* very_long has thousands of windows of 20 tokens: it is read in several packs. */
static void make_texts(const char *word) {
    static const char *const short_ones[] = {"the cat", "a big dog is not red.", "it",
                                             "she and they ran", "the mat was blue"};
    static char filled[5][64];
    very_long[0] = long_text[0] = 0;
    size_t used = 0;
    for (int i = 0; i < 9500; i++)
        used += (size_t)snprintf(very_long + used, sizeof very_long - used, "%s ",
                                 test_words[5 + i * 7 % 30 % 10]);
    for (int i = 0; i < 30; i++) /* not in the vocabulary, and of more bytes than letters */
        strcat(long_text, i % 7 == 6 ? "\xc3\xa9t\xc3\xa9\xe2\x82\xac "
                          : i % 3    ? "cat "
                                     : "house ");
    for (int i = 0; i < 5; i++) {
        snprintf(filled[i], sizeof filled[i], "%s %s", short_ones[i], word);
        texts[i] = bert_text_of(filled[i]);
    }
    texts[5] = bert_text_of(long_text);
    texts[6] = texts[0];
    texts[7] = bert_text_of(very_long);
    texts[8] = texts[3];
}

/* Whether a string is the letters from start to end of a text. */
static bool is_part(const char *part, const char *text, int32_t start, int32_t end) {
    const char *edge[2] = {text, text};
    for (int32_t i = 0; i < end; i++) {
        for (text++; (*text & 0xc0) == 0x80;) text++;
        if (i + 1 <= start) edge[0] = text;
        edge[1] = text;
    }
    return strlen(part) == (size_t)(edge[1] - edge[0]) && !memcmp(part, edge[0], strlen(part));
}

static void fills_are_those_of_each_text(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForMaskedLM", 0, "");
    make_texts("[MASK] and [MASK]");
    const char *targets[] = {"dog", "red", "on"};
    for (int some = 0; some < 2; some++) {
        const bert_fill_result *r, *one;
        const int32_t *first;
        bert_text_info info[5], alone;
        int n = bert_fill_batch(f.session, texts, 5, NULL, 2, targets, some ? 3 : 0, &r, &first,
                                info, &f.e);
        if (n < 0) fail_msg("%s", f.e.message);
        assert_int_equal(n, 5 * 2 * 2);
        bert_fill_result kept[20];
        char shown[20][200];
        for (int i = 0; i < n; i++) {
            kept[i] = r[i];
            snprintf(shown[i], sizeof shown[i], "%s", r[i].text);
        }
        for (int i = 0; i <= 5; i++) assert_int_equal(first[i], 4 * i);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(
                bert_fill(f.session, &texts[i], NULL, 2, targets, some ? 3 : 0, &one, &alone, &f.e),
                4);
            assert_int_equal(info[i].tokens, alone.tokens);
            for (int k = 0; k < 4; k++) {
                assert_int_equal(one[k].mask, kept[4 * i + k].mask);
                assert_int_equal(one[k].token, kept[4 * i + k].token);
                assert_memory_equal(&one[k].score, &kept[4 * i + k].score, sizeof one[k].score);
                assert_string_equal(one[k].text, shown[4 * i + k]);
            }
        }
    }
    finish(&f);
}

static void entities_are_those_of_each_text(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForTokenClassification", 3,
          ", \"id2label\": {\"0\": \"O\", \"1\": \"B-X\", \"2\": \"I-X\"}");
    make_texts(".");
    bert_text_options o = bert_text_default();
    o.overflow = BERT_OVERFLOW_WINDOW;
    o.stride = 3;
    for (bert_aggregation how = BERT_AGGREGATE_NONE; how <= BERT_AGGREGATE_MAX; how++) {
        const bert_entity *x, *one;
        const int32_t *first;
        bert_text_info info[TEXTS], alone;
        int n = bert_tag_batch(f.session, texts, TEXTS, &o, how, "", &x, &first, info, &f.e);
        if (n < 0) fail_msg("%s", f.e.message);
        assert_int_equal(first[TEXTS], n);
        bert_entity *kept = malloc((size_t)n * sizeof *kept);
        int32_t starts[TEXTS + 1];
        assert_non_null(kept);
        memcpy(kept, x, (size_t)n * sizeof *kept);
        memcpy(starts, first, sizeof starts);
        for (int i = 0; i < TEXTS; i++) {
            int m = bert_tag(f.session, &texts[i], &o, how, "", &one, &alone, &f.e);
            assert_int_equal(m, starts[i + 1] - starts[i]);
            assert_int_equal(info[i].windows, alone.windows);
            assert_int_equal(info[i].tokens, alone.tokens);
            for (int k = 0; k < m; k++) {
                const bert_entity *w = &kept[starts[i] + k];
                assert_string_equal(one[k].entity, w->entity);
                assert_memory_equal(&one[k].score, &w->score, sizeof w->score);
                assert_int_equal(one[k].start, w->start);
                assert_int_equal(one[k].end, w->end);
                assert_int_equal(one[k].index, w->index);
                if (how == BERT_AGGREGATE_NONE && strchr(one[k].word, '\xc3'))
                    assert_true(is_part(one[k].word, texts[i].text, one[k].start, one[k].end));
            }
        }
        assert_true(info[7].windows > 500);
        free(kept);
    }
    finish(&f);
}

static void answers_are_those_of_each_question(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForQuestionAnswering", 0, "");
    make_texts(".");
    bert_text pairs[TEXTS];
    for (int i = 0; i < TEXTS; i++)
        pairs[i] = (bert_text){
            .text = "who ran?", .bytes = 8, .pair = texts[i].text, .pair_bytes = texts[i].bytes};
    bert_answer_options o = bert_answer_default();
    o.top_k = 3;
    o.handle_impossible_answer = true;
    const bert_answer *x, *one;
    const int32_t *first;
    bert_text_info info[TEXTS];
    int n = bert_answer_batch(f.session, pairs, TEXTS, &o, &x, &first, info, &f.e);
    if (n < 0) fail_msg("%s", f.e.message);
    bert_answer kept[3 * TEXTS];
    char shown[3 * TEXTS][300];
    int32_t starts[TEXTS + 1];
    assert_int_equal(first[TEXTS], n);
    assert_true(n <= 3 * TEXTS && info[7].windows > 500);
    memcpy(starts, first, sizeof starts);
    for (int i = 0; i < n; i++) {
        kept[i] = x[i];
        snprintf(shown[i], sizeof shown[i], "%s", x[i].text);
    }
    for (int i = 0; i < TEXTS; i++) {
        bert_text question = bert_text_of("who ran?");
        int m = bert_answer_question(f.session, &question, &texts[i], &o, &one, &f.e);
        assert_int_equal(m, starts[i + 1] - starts[i]);
        for (int k = 0; k < m; k++) {
            const bert_answer *w = &kept[starts[i] + k];
            assert_memory_equal(&one[k].score, &w->score, sizeof w->score);
            assert_int_equal(one[k].start, w->start);
            assert_int_equal(one[k].end, w->end);
            assert_string_equal(one[k].text, shown[starts[i] + k]);
            if (*one[k].text)
                assert_true(is_part(one[k].text, texts[i].text, one[k].start, one[k].end));
        }
    }
    finish(&f);
}

static void scores_are_those_of_each_text(void **state) {
    (void)state;
    static const char nli[] =
        ", \"id2label\": {\"0\": \"no\", \"1\": \"neutral\", \"2\": \"entailment\"}";
    fixture f;
    start(&f, "BertForSequenceClassification", 3, nli);
    make_texts(".");
    const char *labels[] = {"cat", "dog", "red"};
    const bert_zero_shot_options o = {.hypothesis_template = "it is {}."};
    float all[5 * 3], one[3];
    bert_text_info info[5 * 3], alone[3];
    for (int several = 3; several > 0; several -= 2) { /* of one label it is a sigmoid */
        test_ok(f.e, bert_zero_shot_batch(f.session, texts, 5, labels, several, &o, NULL, all, info,
                                          &f.e));
        for (int i = 0; i < 5; i++) {
            test_ok(f.e, bert_zero_shot(f.session, &texts[i], labels, several, &o, NULL, one, alone,
                                        &f.e));
            assert_memory_equal(one, all + several * i, sizeof *one * (size_t)several);
            assert_int_equal(info[several * i].tokens, alone[0].tokens);
        }
    }
    finish(&f);
    start(&f, "BertForMultipleChoice", 0, "");
    const int32_t first[] = {0, 2, 3, 5};
    test_ok(f.e, bert_choose_batch(f.session, texts, 3, texts, first, NULL, all, info, &f.e));
    for (int i = 0; i < 3; i++) {
        const int32_t n = first[i + 1] - first[i];
        test_ok(f.e, bert_choose(f.session, &texts[i], texts + first[i], n, NULL, one, NULL, &f.e));
        assert_memory_equal(one, all + first[i], sizeof *one * (size_t)n);
    }
    const int32_t nothing[] = {0, 2, 2};
    assert_int_equal(bert_choose_batch(f.session, texts, 2, texts, nothing, NULL, all, NULL, &f.e),
                     BERT_EINVAL);
    finish(&f);
}

/* ---- Texts that fail */

/* A text that the fixture's tasks cannot do, and what is said of it. */
typedef struct {
    bert_text text;
    int code;
    const char *says;
} bad_text;

enum { BAD = 3, MIXED = BAD + 4 };

/* Good ones before, between and behind bad ones. */
static void mix(const bad_text *bad, bert_text *mixed, int *which) {
    for (int i = 0; i < MIXED; i++) {
        which[i] = i % 2 ? i / 2 : -1;
        mixed[i] = i % 2 ? bad[i / 2].text : texts[i / 2];
    }
}

static void check_infos(const bad_text *bad, const int *which, const bert_text_info *info,
                        int each) {
    for (int i = 0; i < MIXED; i++)
        for (int k = 0; k < each; k++) {
            const bert_text_info *x = &info[i * each + k];
            if (which[i] < 0) {
                assert_int_equal(x->code, 0);
                assert_null(x->message);
                assert_true(x->tokens > 2);
                continue;
            }
            char name[24];
            snprintf(name, sizeof name, "text %d", i);
            assert_int_equal(x->code, bad[which[i]].code);
            assert_non_null(strstr(x->message, bad[which[i]].says));
            assert_int_equal(strncmp(x->message, name, strlen(name)), 0);
            assert_int_equal(x->tokens, 0);
        }
}

static const bad_text null_text = {{0}, BERT_EINVAL, "is NULL"};

static void one_bad_text_fails_alone(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForSequenceClassification", 3,
          ", \"id2label\": {\"0\": \"no\", \"1\": \"neutral\", \"2\": \"entailment\"}");
    make_texts("");
    const bad_text bad[BAD] = {
        {bert_text_of(long_text), BERT_ETOOLONG, "the limit is 20"},
        null_text,
        {bert_text_of(very_long), BERT_ETOOLONG, "the limit is 20"},
    };
    bert_text mixed[MIXED];
    int which[MIXED];
    mix(bad, mixed, which);
    bert_text_options o = bert_text_default();
    o.keep_going = true;
    bert_text_info info[3 * MIXED];
    float vectors[MIXED * TEST_HIDDEN], scores[MIXED * 3], one[TEST_HIDDEN];
    static const float zeros[TEST_HIDDEN];
    memset(vectors, 1, sizeof vectors);
    memset(scores, 1, sizeof scores);
    test_ok(f.e, bert_embed(f.session, mixed, MIXED, &o, vectors, info, &f.e));
    check_infos(bad, which, info, 1);
    test_ok(f.e,
            bert_classify(f.session, mixed, MIXED, &o, BERT_SCORES_DEFAULT, scores, info, &f.e));
    check_infos(bad, which, info, 1);
    for (int i = 0; i < MIXED; i++) {
        const float *wanted = zeros;
        if (which[i] < 0) {
            test_ok(f.e, bert_embed(f.session, &mixed[i], 1, NULL, one, NULL, &f.e));
            wanted = one;
        }
        assert_memory_equal(vectors + i * TEST_HIDDEN, wanted, sizeof one);
        if (which[i] < 0)
            test_ok(f.e, bert_classify(f.session, &mixed[i], 1, NULL, BERT_SCORES_DEFAULT, one,
                                       NULL, &f.e));
        assert_memory_equal(scores + i * 3, wanted, 3 * sizeof *one);
    }
    const char *labels[] = {"cat", "dog", "red"};
    test_ok(f.e,
            bert_zero_shot_batch(f.session, mixed, MIXED, labels, 3, NULL, &o, scores, info, &f.e));
    check_infos(bad, which, info, 3);
    assert_memory_equal(scores + 3, zeros, 3 * sizeof *scores);
    /* Without it the first one fails the call, as it does without anyone to tell. */
    o.keep_going = false;
    assert_int_equal(bert_embed(f.session, mixed, MIXED, &o, vectors, info, &f.e), BERT_ETOOLONG);
    assert_non_null(strstr(f.e.message, "text 1 "));
    bert_error_clear(&f.e);
    o.keep_going = true;
    assert_int_equal(bert_embed(f.session, mixed, MIXED, &o, vectors, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "info"));
    bert_error_clear(&f.e);
    /* What is no text's fault fails the call. */
    const bert_entity *x;
    assert_int_equal(bert_tag_batch(f.session, mixed, MIXED, &o, BERT_AGGREGATE_NONE, NULL, &x,
                                    NULL, info, &f.e),
                     BERT_EUNSUPPORTED);
    finish(&f);
}

static void one_bad_text_has_an_empty_list(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForMaskedLM", 0, "");
    make_texts("[MASK]");
    const bad_text bad[BAD] = {{bert_text_of("the cat"), BERT_EINVAL, "no [MASK] to fill"},
                               null_text,
                               {bert_text_of(long_text), BERT_ETOOLONG, "32 tokens"}};
    bert_text mixed[MIXED];
    int which[MIXED];
    mix(bad, mixed, which);
    bert_text_options o = bert_text_default();
    o.keep_going = true;
    bert_text_info info[MIXED];
    const bert_fill_result *r, *one;
    const int32_t *first;
    int n = bert_fill_batch(f.session, mixed, MIXED, &o, 3, NULL, 0, &r, &first, info, &f.e);
    assert_int_equal(n, 3 * (MIXED - BAD));
    check_infos(bad, which, info, 1);
    for (int i = 0; i < MIXED; i++) assert_int_equal(first[i + 1] - first[i], i % 2 ? 0 : 3);
    const bert_fill_result last = r[n - 1];
    assert_int_equal(bert_fill(f.session, &mixed[MIXED - 1], NULL, 3, NULL, 0, &one, NULL, &f.e),
                     3);
    assert_int_equal(one[2].token, last.token);
    assert_memory_equal(&one[2].score, &last.score, sizeof last.score);
    finish(&f);

    start(&f, "BertForQuestionAnswering", 0, "");
    bert_text pairs[] = {
        {.text = "who ran?", .bytes = 8, .pair = "the cat", .pair_bytes = 7},
        {.text = "who ran?", .bytes = 8, .pair = "", .pair_bytes = 0},
        {.text = long_text, .bytes = strlen(long_text), .pair = "it", .pair_bytes = 2},
        {.text = "who sat?", .bytes = 8, .pair = "a dog", .pair_bytes = 5}};
    bert_answer_options a = bert_answer_default();
    a.keep_going = true;
    const bert_answer *x;
    assert_int_equal(bert_answer_batch(f.session, pairs, 4, &a, &x, &first, info, &f.e), 2);
    assert_int_equal(first[1], 1);
    assert_int_equal(first[3], 1);
    assert_string_equal(info[1].message, "text 1: the context is empty");
    assert_non_null(strstr(info[2].message, "text 2: the question has 30 tokens"));
    a.keep_going = false;
    assert_int_equal(bert_answer_batch(f.session, pairs, 4, &a, &x, &first, info, &f.e),
                     BERT_EINVAL);
    finish(&f);
}

/* Weights that make no number of one word, and a word that the model does not have: only texts
 * with them fail, though all go through the model together. */
static void what_the_model_cannot_do_fails_alone(void **state) {
    (void)state;
    fixture f = {.directory = test_directory()};
    test_model(f.directory, "BertForTokenClassification", 3, test_labels(3));
    test_weights w = {.n = 0};
    test_tensors(&w, "BertForTokenClassification", 3);
    float *words = (float *)(uintptr_t)w.tensors[0].data;
    for (int i = 0; i < TEST_HIDDEN; i++) words[8 * TEST_HIDDEN + i] = i % 2 ? 3e38f : -3e38f;
    test_write_weights(f.directory, &w);
    test_weights_free(&w);
    open_session(&f);
    const bert_text mixed[] = {bert_text_of("the cat"), bert_text_of("a dog ran"),
                               bert_text_of("it sat on the mat")};
    make_texts(".");
    assert_non_null(strstr(very_long, "dog"));
    bert_text_options o = bert_text_default();
    o.keep_going = true;
    o.overflow = BERT_OVERFLOW_WINDOW;
    bert_text_info info[4];
    float vectors[4 * TEST_HIDDEN], one[TEST_HIDDEN];
    test_ok(f.e, bert_embed(f.session, mixed, 3, &o, vectors, info, &f.e));
    const bert_entity *x;
    const int32_t *first;
    for (int i = 0; i < 3; i++) assert_int_equal(info[i].code, i == 1 ? BERT_ENUMERIC : 0);
    test_ok(f.e, bert_embed(f.session, &mixed[2], 1, &o, one, info, &f.e));
    assert_memory_equal(one, vectors + 2 * TEST_HIDDEN, sizeof one);
    const bert_text behind[] = {mixed[0], bert_text_of(very_long), mixed[1], mixed[2]};
    int n =
        bert_tag_batch(f.session, behind, 4, &o, BERT_AGGREGATE_NONE, "", &x, &first, info, &f.e);
    assert_int_equal(n, 2 + 5);
    for (int i = 0; i < 4; i++) assert_int_equal(info[i].code, i % 3 ? BERT_ENUMERIC : 0);
    assert_int_equal(first[1], 2);
    assert_int_equal(first[3], 2);
    finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_are_those_of_each_text),
        cmocka_unit_test(entities_are_those_of_each_text),
        cmocka_unit_test(answers_are_those_of_each_question),
        cmocka_unit_test(scores_are_those_of_each_text),
        cmocka_unit_test(one_bad_text_fails_alone),
        cmocka_unit_test(one_bad_text_has_an_empty_list),
        cmocka_unit_test(what_the_model_cannot_do_fails_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
