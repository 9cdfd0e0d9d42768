/* The tasks against transformers' pipelines: golden/tasks.json of tools/golden_tasks.py. */
#include "models.h"
#include "pipelines/answer.h"

typedef struct {
    char *directory;
    bert_model *model;
    bert_session *session;
    json_t *golden;
    bert_error e;
} fixture;

/* names: the member of the golden file that names the labels, or NULL. */
static void start(fixture *f, const char *architecture, const char *names) {
    memset(f, 0, sizeof *f);
    f->directory = test_directory();
    f->golden = test_golden("tasks.json");
    json_t *list = names ? json_object_get(f->golden, names) : NULL;
    char more[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        n += (size_t)snprintf(more + n, sizeof more - n, "%s\"%zu\": \"%s\"",
                              i ? ", " : ", \"id2label\": {", i,
                              json_string_value(json_array_get(list, i)));
    if (n) snprintf(more + n, sizeof more - n, "}");
    test_model(f->directory, architecture, (int)json_array_size(list), more);
    f->model = bert_model_open(f->directory, NULL, &f->e);
    if (!f->model) fail_msg("%s", f->e.message);
    f->session = bert_session_new(f->model, NULL, &f->e);
    if (!f->session) fail_msg("%s", f->e.message);
}

static void finish(fixture *f) {
    bert_session_free(f->session);
    bert_model_close(f->model);
    test_remove(f->directory);
    json_decref(f->golden);
}

static const char *string(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    assert_non_null(s);
    return s;
}

static int integer(const json_t *o, const char *key, int otherwise) {
    const json_t *v = json_object_get(o, key);
    return v ? (int)json_integer_value(v) : otherwise;
}

static double real(const json_t *o, const char *key) {
    return json_number_value(json_object_get(o, key));
}

static int strings(const json_t *list, const char **out) {
    int n = (int)json_array_size(list);
    for (int i = 0; i < n; i++) out[i] = json_string_value(json_array_get(list, (size_t)i));
    return n;
}

enum { MOST = 16 };
static const double close_enough = 2e-6; /* probabilities of both, in float32 */

static void fill_is_the_pipelines(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForMaskedLM", NULL);
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(f.golden, "fill"), i, c) {
        const char *targets[MOST];
        int count = strings(json_object_get(c, "targets"), targets);
        bert_text text = bert_text_of(string(c, "text"));
        const bert_fill_result *r;
        int n = bert_fill(f.session, &text, NULL, integer(c, "top_k", 5), targets, count, &r, NULL,
                          &f.e);
        json_t *want = json_object_get(c, "results");
        if (n < 0) fail_msg("%s", f.e.message);
        assert_int_equal(n, json_array_size(want));
        for (int k = 0; k < n; k++) {
            json_t *w = json_array_get(want, (size_t)k);
            assert_int_equal(r[k].mask, integer(w, "mask", -1));
            assert_int_equal(r[k].token, integer(w, "token", -1));
            assert_float_equal(r[k].score, real(w, "score"), close_enough);
            assert_string_equal(r[k].text, string(w, "text"));
        }
    }
    bert_text none = bert_text_of("the cat");
    const bert_fill_result *r;
    const char *unknown = "zebra";
    assert_int_equal(bert_fill(f.session, &none, NULL, 1, NULL, 0, &r, NULL, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "[MASK]"));
    bert_error_clear(&f.e);
    bert_text mask = bert_text_of("[MASK]");
    assert_int_equal(bert_fill(f.session, &mask, NULL, 1, &unknown, 1, &r, NULL, &f.e),
                     BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "zebra"));
    bert_error_clear(&f.e);
    const char *pad = "[PAD]"; /* which the pipeline leaves out of the texts */
    bert_text two = bert_text_of("the [MASK] sat [MASK] [PAD].");
    assert_int_equal(bert_fill(f.session, &two, NULL, 1, &pad, 1, &r, NULL, &f.e), 2);
    assert_string_equal(r[0].text, "[CLS] the sat [MASK]. [SEP]");
    assert_string_equal(r[1].text, "[CLS] the [MASK] sat. [SEP]");
    finish(&f);
}

/* What transformers 5.24 writes with and without clean_up_tokenization_spaces; it stays so in what
 * is saved. */
static void a_filled_text_is_cleaned_up_where_the_tokenizer_asks(void **state) {
    (void)state;
    static const struct {
        const char *config, *text;
    } cases[] = {{"{}", "it ' s the dog, not red."},
                 {"{\"clean_up_tokenization_spaces\": true}", "it's the dog, not red."}};
    for (int i = 0; i < 2; i++) {
        char *directory = test_directory(), *saved = test_directory(), vocabulary[2048] = "";
        test_model(directory, "BertForMaskedLM", 0, "");
        for (int w = 0; w < TEST_VOCAB; w++) {
            const char *word = w == TEST_VOCAB - 2   ? "'"
                               : w == TEST_VOCAB - 1 ? "s"
                                                     : test_words[w];
            strcat(strcat(vocabulary, word), "\n");
        }
        test_write(directory, "vocab.txt", vocabulary);
        test_write(directory, "tokenizer_config.json", cases[i].config);
        bert_error e = {0};
        bert_model *first = bert_model_open(directory, NULL, &e);
        test_ok(e, !first || bert_model_save(first, saved, &e));
        for (int again = 0; again < 2; again++) {
            bert_model *m = bert_model_open(again ? saved : directory, NULL, &e);
            bert_session *s = bert_session_new(m, NULL, &e);
            bert_text text = bert_text_of("it's the [MASK], not red.");
            const char *target = "dog";
            const bert_fill_result *r;
            int n = bert_fill(s, &text, NULL, 1, &target, 1, &r, NULL, &e);
            if (n != 1) fail_msg("%s", e.message);
            assert_string_equal(r->text, cases[i].text);
            bert_session_free(s);
            bert_model_close(m);
        }
        bert_model_close(first);
        test_remove(saved);
        test_remove(directory);
    }
}

static void tags_are_the_pipelines(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForTokenClassification", "labels");
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(f.golden, "tag"), i, c) {
        bert_aggregation how;
        test_ok(f.e, bert_aggregation_parse(string(c, "aggregation"), &how, &f.e));
        bert_text_options o = bert_text_default();
        o.max_length = integer(c, "max_length", 0);
        o.stride = integer(c, "stride", 0);
        if (o.max_length) o.overflow = BERT_OVERFLOW_WINDOW;
        bert_text text = bert_text_of(string(c, "text"));
        const bert_entity *x;
        bert_text_info info;
        int n = bert_tag(f.session, &text, &o, how, NULL, &x, &info, &f.e);
        if (n < 0) fail_msg("%s", f.e.message);
        json_t *want = json_object_get(c, "entities");
        assert_int_equal(n, json_array_size(want));
        for (int k = 0; k < n; k++) {
            json_t *w = json_array_get(want, (size_t)k);
            assert_string_equal(x[k].entity, string(w, "entity"));
            assert_string_equal(x[k].word, string(w, "word"));
            assert_int_equal(x[k].start, integer(w, "start", -1));
            assert_int_equal(x[k].end, integer(w, "end", -1));
            assert_int_equal(x[k].index, integer(w, "index", -1));
            assert_float_equal(x[k].score, real(w, "score"), close_enough);
        }
    }
    bert_aggregation how;
    assert_int_equal(bert_aggregation_parse("best", &how, &f.e), BERT_EINVAL);
    finish(&f);
}

static void answers_are_the_pipelines(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForQuestionAnswering", NULL);
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(f.golden, "answer"), i, c) {
        const json_t *given = json_object_get(c, "options");
        bert_answer_options o = bert_answer_default();
        o.top_k = integer(given, "top_k", 1);
        o.max_answer_length = integer(given, "max_answer_len", 15);
        o.doc_stride = integer(given, "doc_stride", -1);
        o.max_length = integer(given, "max_seq_len", 0);
        o.handle_impossible_answer =
            json_is_true(json_object_get(given, "handle_impossible_answer"));
        o.align_to_words = !json_is_false(json_object_get(given, "align_to_words"));
        bert_text question = bert_text_of(string(c, "question")),
                  context = bert_text_of(string(c, "context"));
        const bert_answer *a;
        int n = bert_answer_question(f.session, &question, &context, &o, &a, &f.e);
        if (n < 0) fail_msg("%s", f.e.message);
        json_t *want = json_object_get(c, "answers");
        assert_int_equal(n, json_array_size(want));
        for (int k = 0; k < n; k++) {
            json_t *w = json_array_get(want, (size_t)k);
            assert_float_equal(a[k].score, real(w, "score"), close_enough);
            assert_string_equal(a[k].text, string(w, "answer"));
            assert_int_equal(a[k].start, integer(w, "start", -1));
            assert_int_equal(a[k].end, integer(w, "end", -1));
        }
    }
    bert_text empty = bert_text_of(""), text = bert_text_of("the");
    const bert_answer *a;
    assert_int_equal(bert_answer_question(f.session, &text, &empty, NULL, &a, &f.e), BERT_EINVAL);
    bert_error_clear(&f.e);
    bert_answer_options o = bert_answer_default(); /* of three tokens all are special */
    o.max_length = 3;
    o.doc_stride = 0;
    assert_int_equal(bert_answer_question(f.session, &text, &text, &o, &a, &f.e), BERT_EINVAL);
    assert_non_null(strstr(f.e.message, "leaves no room"));
    finish(&f);
}

static void spans_are_the_best_of_all(void **state) {
    (void)state;
    float start[9], end[9];
    for (int i = 0; i < 9; i++) {
        start[i] = test_weight("start", (size_t)i) + 1;
        end[i] = test_weight("end", (size_t)i) + 1;
    }
    bert_span out[60];
    int all = bert_best_spans(start, end, 2, 8, 3, 60, out), few;
    assert_int_equal(all, 7 + 6 + 5);
    for (int i = 1; i < all; i++) assert_true(out[i - 1].score >= out[i].score);
    bert_span best[4];
    few = bert_best_spans(start, end, 2, 8, 3, 4, best);
    assert_int_equal(few, 4);
    assert_memory_equal(best, out, sizeof best);
}

static void zero_shot_is_the_pipelines(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForSequenceClassification", "nli");
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(f.golden, "zero_shot"), i, c) {
        const char *labels[MOST];
        int n = strings(json_object_get(c, "labels"), labels);
        bert_zero_shot_options o = {string(c, "template"),
                                    json_is_true(json_object_get(c, "multi_label"))};
        bert_text text = bert_text_of(string(c, "text"));
        float scores[MOST];
        test_ok(f.e, bert_zero_shot(f.session, &text, labels, n, &o, NULL, scores, NULL, &f.e));
        for (int k = 0; k < n; k++)
            assert_float_equal(
                scores[k],
                json_number_value(json_array_get(json_object_get(c, "scores"), (size_t)k)),
                close_enough);
    }
    const char *label = "red";
    bert_text text = bert_text_of("it");
    float score;
    bert_zero_shot_options o = {.hypothesis_template = "no gap"};
    assert_int_equal(bert_zero_shot(f.session, &text, &label, 1, &o, NULL, &score, NULL, &f.e),
                     BERT_EINVAL);
    finish(&f);
}

static void choices_are_the_softmax_of_transformers(void **state) {
    (void)state;
    fixture f;
    start(&f, "BertForMultipleChoice", NULL);
    size_t i;
    json_t *c;
    json_array_foreach(json_object_get(f.golden, "choose"), i, c) {
        const char *names[MOST];
        bert_text endings[MOST], prompt = bert_text_of(string(c, "prompt"));
        int n = strings(json_object_get(c, "endings"), names);
        for (int k = 0; k < n; k++) endings[k] = bert_text_of(names[k]);
        float scores[MOST];
        test_ok(f.e, bert_choose(f.session, &prompt, endings, n, NULL, scores, NULL, &f.e));
        for (int k = 0; k < n; k++)
            assert_float_equal(
                scores[k],
                json_number_value(json_array_get(json_object_get(c, "scores"), (size_t)k)),
                close_enough);
    }
    /* Another task's function says what this model is. */
    bert_text text = bert_text_of("[MASK]");
    const bert_fill_result *r;
    assert_int_equal(bert_fill(f.session, &text, NULL, 1, NULL, 0, &r, NULL, &f.e),
                     BERT_EUNSUPPORTED);
    assert_non_null(strstr(f.e.message, "multiple-choice"));
    finish(&f);
}

/* transformers' class scores "is next" and "is not" whatever num_labels says, and so does this. */
static void scores_of_a_next_sentence_are_two(void **state) {
    (void)state;
    static const char *const says[] = {"", ", \"num_labels\": 5", ", \"num_labels\": 1"};
    float want[2] = {0};
    for (int i = 0; i < 3; i++) {
        char *d = test_directory();
        test_model(d, "BertForNextSentencePrediction", 0, says[i]);
        bert_error e = {0};
        bert_model *m = bert_model_open(d, NULL, &e);
        if (!m) fail_msg("%s", e.message);
        assert_int_equal(bert_model_config(m)->num_labels, 2);
        bert_session *s = bert_session_new(m, NULL, &e);
        const bert_text text = bert_text_of("the cat sat");
        float got[2];
        test_ok(e, bert_classify(s, &text, 1, NULL, BERT_SCORES_NONE, got, NULL, &e));
        if (i) assert_memory_equal(got, want, sizeof got);
        memcpy(want, got, sizeof got);
        bert_session_free(s);
        bert_model_close(m);
        test_remove(d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_of_a_next_sentence_are_two),
        cmocka_unit_test(fill_is_the_pipelines),
        cmocka_unit_test(a_filled_text_is_cleaned_up_where_the_tokenizer_asks),
        cmocka_unit_test(tags_are_the_pipelines),
        cmocka_unit_test(answers_are_the_pipelines),
        cmocka_unit_test(spans_are_the_best_of_all),
        cmocka_unit_test(zero_shot_is_the_pipelines),
        cmocka_unit_test(choices_are_the_softmax_of_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
