/* Files of questions: their shapes, what of their answers is not as it should be, and that it is
 * said. */
#include "data/question.h"
#include "data/question_place.h"
#include "data_world.h"
#include "train/evaluate.h"
#include <jansson.h>

static void must_say(const bert_dataset *d, const char *what) {
    if (!notes_say(d, what)) fail_msg("nothing says \"%s\"", what);
}

/* ---- Places */

static void place_is(const char *context, const char *answer, int64_t start, bert_place place,
                     int32_t from, int32_t to) {
    const bert_text c = bert_text_of(context), a = bert_text_of(answer);
    int32_t span[2] = {-1, -1};
    const bert_place got = bert_place_answer(&c, &a, start, span);
    if (got != place || (got != BERT_PLACE_NONE && (span[0] != from || span[1] != to)))
        fail_msg("\"%s\" at %lld: %d, [%d, %d)", answer, (long long)start, got, span[0], span[1]);
}

#define GRIN "\xF0\x9F\x98\x80"
#define NBSP "\xC2\xA0"

static void answers_are_found(void **state) {
    (void)state;
    static const bert_place RIGHT = BERT_PLACE_RIGHT, FOUND = BERT_PLACE_FOUND,
                            NONE = BERT_PLACE_NONE;
    static const char text[] = "built in 1874 by Eder";
    place_is(text, "1874", 9, RIGHT, 9, 13);
    place_is(text, "87", 10, RIGHT, 10, 12); /* inside of a word, if it says so */
    place_is(text, "1874", 10, FOUND, 9, 13);
    place_is(text, "1874", 0, FOUND, 9, 13);
    place_is(text, "1874", -1, FOUND, 9, 13);
    place_is(text, "1874", 9999, FOUND, 9, 13);
    place_is(text, "1874", INT64_MAX, FOUND, 9, 13);
    place_is(text, "1874", INT64_MIN, FOUND, 9, 13);
    place_is(text, "1875", 9, NONE, 0, 0);
    place_is(text, "Eder and", 17, NONE, 0, 0);
    place_is(text, "Eder", 17, RIGHT, 17, 21);
    place_is(text, "built in 1874 by Eder", 3, FOUND, 0, 21);
    place_is("x", "x", 0, RIGHT, 0, 1);
    place_is("x", "x", 1, FOUND, 0, 1);
    place_is("x", "xy", 0, NONE, 0, 0);
    place_is("", "x", 0, NONE, 0, 0);
    /* White space: at its ends it is not the answer's, and of what kind it is does not matter. */
    place_is(text, " 1874 ", 8, RIGHT, 9, 13);
    place_is(text, " 1874", 9, FOUND, 9, 13);
    place_is("in the\r\n  year" NBSP "1874", "the year 1874", 3, RIGHT, 3, 19);
    place_is("in the year", "the\n \nyear", 2, FOUND, 3, 11);
    place_is("in theyear", "the year", 3, NONE, 0, 0);
    /* Several times: as units of UTF-16 or bytes, or in the words that the place touches. */
    place_is("a1 " GRIN GRIN " a1 a1", "a1", 8, FOUND, 6, 8);
    place_is("a1 " GRIN GRIN " a1 a1", "a1", 12, FOUND, 6, 8);
    place_is("a1 " GRIN GRIN " a1 a1", "a1", 9, RIGHT, 9, 11);
    place_is("the cat, the dog", "the", 10, FOUND, 9, 12);
    place_is("the cat, the dog", "the", 8, FOUND, 9, 12);
    place_is("the cat, the dog", "the", 5, NONE, 0, 0);
    place_is("the cat, the dog", "the", 99, NONE, 0, 0);
    place_is("the the", "the", 2, NONE, 0, 0);
    /* One that is a word goes before parts of words; without spaces there is only one kind. */
    place_is("started the art", "art", 0, FOUND, 12, 15);
    place_is("started the race", "art", 0, FOUND, 2, 5);
    place_is("\xE5\x8C\x97\xE4\xBA\xAC\xE5\xB8\x82", "\xE4\xBA\xAC", 0, FOUND, 1, 2);
}

static void text_of_a_stripped_one(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""}, {" \t\n", ""}, {"\xE3\x80\x80 a b" NBSP, "a b"}, {"\xC3\xA9", "\xC3\xA9"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bert_text t = bert_text_of(cases[i][0]), s = bert_stripped(&t);
        assert_int_equal(s.bytes, strlen(cases[i][1]));
        assert_memory_equal(s.text, cases[i][1], s.bytes);
    }
}

/* ---- Shapes */

#define CONTEXT "\"context\": \"w1 w2 w3 w4\""
#define COLUMNS "\"answers\": {\"text\": [\"w3\"], \"answer_start\": [6]}"
#define ONE "{\"id\": \"a\", \"question\": \"w0\", " CONTEXT ", " COLUMNS "}"
#define TWO                                                                                        \
    "{\"id\": 7, \"question\": \"w5\", " CONTEXT ", \"answers\": [{\"text\": \"w4\", "             \
    "\"answer_start\": 9.0}], \"title\": null, \"more\": {\"x\": [1]}}"
#define QAS                                                                                        \
    "{" CONTEXT ", \"qas\": [{\"id\": \"a\", \"question\": \"w0\", " COLUMNS                       \
    "}, {\"id\": \"7\", \"question\": \"w5\", \"answers\": [{\"text\": \"w4\", \"answer_start\": " \
    "9}]}]}"

static void every_shape_is_the_same(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
    } files[] = {
        {"a.jsonl", ONE "\n" TWO "\n"},
        {"a.json", "[" ONE ",\n" TWO "]"},
        {"a.json", "{\"data\": [" ONE ", " TWO "]}"},
        {"a.json", "{\"version\": \"1.1\", \"data\": [{\"paragraphs\": [" QAS "]}]}"},
        {"a.json", "{\n\"data\":\n [{\"title\": \"t\",\n\"paragraphs\": [\n" QAS "\n]}]}\n"},
        {"a.jsonl", QAS "\n"},
        {"a.json", "[{\"paragraphs\": [" QAS "]}]"},
    };
    world w;
    begin_task(&w, "question-answering");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bert_dataset *d = open_or_fail(&w, files[i].name, files[i].text);
        const bert_questions *q = d->state;
        assert_int_equal(q->count, 2);
        assert_int_equal(q->contexts_count, 1);
        assert_false(q->version_2);
        assert_string_equal(q->questions[0].id.text, "a");
        assert_string_equal(q->questions[1].id.text, "7");
        assert_string_equal(q->questions[1].gold[0].text, "w4");
        assert_int_equal(bert_dataset_ints(d, "start_positions")[0], 5);
        assert_int_equal(bert_dataset_ints(d, "end_positions")[1], 6);
        must_say(d, "2 questions about 1 context; each has an answer: scored as SQuAD 1.1");
        assert_null(bert_dataset_note(d, 1));
        bert_dataset_free(d);
    }
    end_task(&w);
}

/* A row with so much of it, of one context. */
static void row(char *out, const char *id, const char *answers, const char *more) {
    sprintf(out + strlen(out), "{%s%s\"question\": \"w0\", " CONTEXT ", \"answers\": %s%s}\n", id,
            *id ? ", " : "", answers, more);
}

static void doubtful_rows_are_said(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    char text[8192] = "";
    row(text, "\"id\": \"right\"", "{\"text\": [\"w3\"], \"answer_start\": [6]}", "");
    row(text, "\"id\": \"found\"", "{\"text\": [\"w3\"], \"answer_start\": [60]}", "");
    row(text, "\"id\": \"found\"", "{\"text\": [\"w3\"], \"answer_start\": [5]}", "");
    row(text, "\"id\": \"lost\"", "[{\"text\": \"w9\", \"answer_start\": 6}]", "");
    row(text, "", "null", "");
    row(text, "\"id\": null", "[]", "");
    row(text, "\"id\": 1", "{}", ", \"is_impossible\": 1");
    row(text, "\"id\": 2", "{\"text\": [], \"answer_start\": []}", ", \"is_impossible\": null");
    row(text, "\"id\": 3", "{\"text\": [\"\"], \"answer_start\": [-1]}", "");
    row(text, "\"id\": 4", "{\"text\": \"w3\", \"answer_start\": 6}", ", \"is_impossible\": true");
    row(text, "\"id\": 8", "{\"text\": [\"w9\", \"w4\"], \"answer_start\": [6, 9]}", "");
    bert_dataset *d = open_or_fail(&w, "a.jsonl", text);
    const bert_questions *q = d->state;
    assert_int_equal(q->count, 11);
    assert_int_equal(q->unanswerable, 6);
    assert_string_equal(q->questions[4].id.text, "5");
    assert_true(q->version_2);
    must_say(d, "11 questions about 1 context; 6 without an answer: scored as SQuAD 2.0");
    must_say(d, "2 answers were not at their place and were found (the first: question found)");
    must_say(d, "1 answer is not in its context");
    must_say(d, "(question lost)");
    must_say(d, "1 question has an answer without a text");
    must_say(d, "1 question has answers and is_impossible");
    must_say(d, "2 questions have no id: it is their number (the first: question 5)");
    must_say(d, "1 question has the id of another one (question found)");
    static const int32_t want[] = {5, 5, 5, -1, 0, 0, 0, 0, 0, 0, 6};
    for (int i = 0; i < 11; i++)
        assert_int_equal(bert_dataset_ints(d, "start_positions")[i],
                         want[i] < 0 ? d->start[i + 1] - d->start[i] : want[i]);
    assert_string_equal(q->questions[3].gold[0].text, "w9"); /* what it is scored by */
    /* Only windows with a start within them count in the mean of the loss. */
    bert_loader *l = bert_loader_new(d, &(bert_loader_options){.batch_size = 11}, &w.e);
    bert_batch b;
    assert_int_equal(bert_loader_get(l, 0, 0, &b, &w.e), 0);
    bert_model *m = bert_dataset_open_model(d, &w.e);
    if (!m) fail_msg("%s", w.e.message);
    assert_float_equal(bert_head_items(m, &b), 10, 0);
    bert_model_close(m);
    bert_loader_free(l);
    bert_dataset_free(d);
    end_task(&w);
}

static void rows_that_say_nothing_are_errors(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    refused_with(&w, "a.jsonl", ONE "\n{\"id\": \"b\", " CONTEXT ", " COLUMNS "}\n", BERT_EFORMAT,
                 "a.jsonl:2: no \"question\"");
    refused_with(&w, "a.jsonl", "{\"id\": \"b\", \"question\": null, " CONTEXT ", " COLUMNS "}\n",
                 BERT_EFORMAT, "a.jsonl:1: question b has no text \"question\"");
    refused_with(&w, "a.jsonl",
                 ONE "\n\n{\"question\": \"w1\", \"passage\": \"w1\", " COLUMNS "}\n", BERT_EFORMAT,
                 "a.jsonl:3: a question has no \"context\" (pair_column");
    refused_with(&w, "a.jsonl", "{\"question\": \"w1\", \"context\": [\"w1\"], " COLUMNS "}\n",
                 BERT_EFORMAT, "a list as \"context\"");
    refused_with(&w, "a.jsonl", "{\"id\": 3, \"question\": \"w1\", " CONTEXT "}\n", BERT_EFORMAT,
                 "a.jsonl:1: question 3: needs an array \"answers\"");
    refused_with(&w, "a.jsonl", "{\"question\": \"w1\", " CONTEXT ", \"answers\": \"w1\"}\n",
                 BERT_EFORMAT, "here it is a text");
    refused_with(&w, "a.jsonl",
                 "{\"question\": \"w1\", " CONTEXT
                 ", \"answers\": {\"text\": [\"w1\"], \"answer_start\": []}}\n",
                 BERT_EFORMAT, "the same length");
    refused_with(&w, "a.jsonl",
                 "{\"question\": \"w1\", " CONTEXT
                 ", \"answers\": [{\"text\": [\"w1\"], \"answer_start\": 0}]}\n",
                 BERT_EFORMAT, "a text and a whole number");
    refused_with(&w, "a.jsonl",
                 "{\"question\": \"w1\", " CONTEXT
                 ", \"answers\": [{\"text\": \"w1\", \"answer_start\": \"0\"}]}\n",
                 BERT_EFORMAT, "a whole number");
    refused_with(&w, "a.jsonl", "{\"question\": \"w1\", " CONTEXT ", \"is_impossible\": \"no\"}\n",
                 BERT_EFORMAT, "is_impossible");
    refused_with(&w, "a.json", "{\"data\": [1]}", BERT_EFORMAT, "here are none");
    refused_with(&w, "a.csv", "question,context,answers\n", BERT_EUNSUPPORTED, "a csv file");
    refused_with(&w, "a.jsonl", "{\"header\": {\"dataset\": \"x\"}}\n", BERT_EUNSUPPORTED, "MRQA");
    refused_with(&w, "a.jsonl",
                 "{" CONTEXT ", \"qas\": [{\"question\": \"w1\", \"answers\": [\"w1\"], "
                 "\"detected_answers\": []}]}\n",
                 BERT_EUNSUPPORTED, "MRQA");
    refused_with(&w, "a.json", "{\"data\": [{\"storyId\": \"x\", \"text\": \"w1\"}]}",
                 BERT_EUNSUPPORTED, "NewsQA");
    end_task(&w);
}

static void members_may_have_other_names(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    w.options.text_column = "q";
    w.options.pair_column = "passage";
    w.options.label_column = "gold";
    bert_dataset *d =
        open_or_fail(&w, "a.jsonl",
                     "{\"q\": \"w0\", \"passage\": \"w1 w2\", \"gold\": [{\"text\": \"w2\", "
                     "\"answer_start\": 3}], \"question\": 3, \"answers\": \"?\"}\n");
    assert_int_equal(bert_dataset_ints(d, "start_positions")[0], 4);
    bert_dataset_free(d);
    end_task(&w);
}

static void answers_that_are_nowhere_are_not_trained_on(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    char text[2048] = "";
    row(text, "\"id\": 1", "{\"text\": [\"w8\"], \"answer_start\": [6]}", "");
    row(text, "\"id\": 2", "{\"text\": [\"w9\"], \"answer_start\": [6]}", "");
    for (int lost = 1; lost >= 0; lost--) {
        if (!lost) row(text, "\"id\": 3", "null", "");
        bert_dataset *d = open_or_fail(&w, "a.jsonl", text);
        bert_model *m = bert_dataset_open_model(d, &w.e);
        if (!m) fail_msg("%s", w.e.message);
        bert_training_args a = bert_training_default();
        a.save_strategy = BERT_STRATEGY_NO;
        bert_trainer *t = bert_trainer_new(m, &a, d, NULL, &w.e);
        if (lost) {
            assert_null(t);
            if (!strstr(w.e.message, "a.jsonl: no answer is in its context"))
                fail_msg("%s", w.e.message);
            bert_error_clear(&w.e);
        } else if (!t) {
            fail_msg("%s", w.e.message);
        }
        bert_trainer_free(t);
        bert_model_close(m);
        bert_dataset_free(d);
    }
    end_task(&w);
}

/* ---- Which script */

static void version_of(world *w, const char *version, const char *more, bool two,
                       const char *metrics) {
    char text[1024];
    snprintf(text, sizeof text,
             "{%s%s \"data\": [{\"paragraphs\": [{" CONTEXT
             ", \"qas\": [{\"question\": \"w0\", \"id\": \"a\", " COLUMNS "%s}]}]}]}",
             version, *version ? "," : "", more);
    bert_dataset *d = open_or_fail(w, "v.json", text);
    const bert_questions *q = d->state;
    assert_int_equal(q->version_2, two);
    assert_int_equal(q->unanswerable, 0);
    must_say(d, two ? "each has an answer, in a file that allows for none: scored as SQuAD 2.0"
                    : "each has an answer: scored as SQuAD 1.1");
    assert_string_equal(d->task->usual(d), metrics);
    bert_dataset_free(d);
}

static void files_of_version_2(void **state) {
    (void)state;
    static const char one[] = "exact_match,f1", two[] = "exact_match,f1,HasAns_exact,HasAns_f1";
    world w;
    begin_task(&w, "question-answering");
    version_of(&w, "", "", false, one);
    version_of(&w, "\"version\": \"1.1\"", "", false, one);
    version_of(&w, "\"version\": \"v1.0\"", "", false, one);
    version_of(&w, "\"version\": \"20\"", "", false, one);
    version_of(&w, "\"version\": \"v2.0\"", "", true, two);
    version_of(&w, "\"version\": \"2.0\"", "", true, two);
    version_of(&w, "\"version\": 2.0", "", true, two);
    version_of(&w, "\"version\": \"1.1\"", ", \"is_impossible\": false", true, two);
    bert_dataset *d = open_or_fail(
        &w, "a.jsonl", "{\"question\": \"w0\", " CONTEXT ", \"answers\": null}\n" ONE "\n");
    assert_null(d->task->usual(d));
    bert_dataset_free(d);
    d = open_or_fail(&w, "a.jsonl", "{\"question\": \"w0\", " CONTEXT ", \"answers\": null}\n");
    assert_string_equal(d->task->usual(d), "exact_match,f1,NoAns_exact,NoAns_f1");
    bert_dataset_free(d);
    end_task(&w);
}

/* ---- From tokens to text */

/* exact_match where tokens first .. last of the first window are chosen. */
static double exact_of(world *w, const bert_dataset *d, int32_t first, int32_t last) {
    float logits[2 * 64] = {0};
    const int32_t start[] = {0, (int32_t)d->start[1]};
    const int64_t rows = 0;
    logits[2 * first] = logits[2 * last + 1] = 9;
    bert_batch b = {.inputs = {.n = 1, .start = start}, .rows = &rows};
    void *state = calloc(1, bert_question_scorer.size);
    double values[8];
    int64_t n;
    if (bert_question_scorer.update(state, d, &b, logits, 2, &w->e) ||
        bert_question_scorer.compute(state, values, &n, &w->e))
        fail_msg("%s", w->e.message);
    free(state);
    return values[0];
}

static void odd_contexts(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    /* A zero byte, which the tokenizer drops, is a character to Python; CRLF and an emoji. */
    bert_dataset *d =
        open_or_fail(&w, "a.jsonl",
                     "{\"question\": \"w0\", \"context\": \"w1 w\\u00002 \\ud83d\\ude00\\r\\n"
                     "w4\", \"answers\": [{\"text\": \"w\\u00002\", \"answer_start\": 3}]}");
    const bert_questions *q = d->state;
    assert_int_equal(q->questions[0].context.bytes, 15);
    assert_int_equal(q->questions[0].gold[0].bytes, 3);
    assert_false(notes_say(d, "place"));
    assert_int_equal(bert_dataset_ints(d, "ids")[bert_dataset_ints(d, "start_positions")[0]],
                     5 + 2);
    assert_float_equal(exact_of(&w, d, bert_dataset_ints(d, "start_positions")[0],
                                bert_dataset_ints(d, "end_positions")[0]),
                       100, 0);
    assert_float_equal(exact_of(&w, d, bert_dataset_ints(d, "start_positions")[0],
                                bert_dataset_ints(d, "end_positions")[0] + 1),
                       0, 0);
    bert_dataset_free(d);
    d = open_or_fail(&w, "a.jsonl",
                     "{\"question\": \"w0\", \"context\": \"x\", \"answers\": [{\"text\": \"x\", "
                     "\"answer_start\": 0}]}");
    assert_float_equal(exact_of(&w, d, 3, 3), 100, 0);
    bert_dataset_free(d);
    d = open_or_fail(&w, "a.jsonl", "{\"question\": \" \", \"context\": \"\", \"answers\": null}");
    must_say(d, "1 question is blank");
    assert_float_equal(exact_of(&w, d, 1, 1), 100, 0); /* nothing to choose from */
    bert_dataset_free(d);
    refused_with(
        &w, "a.jsonl",
        "{\"id\": \"long\", \"question\": \"w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 "
        "w1 w1 w1 w1\", \"context\": \"x\", \"answers\": null}",
        BERT_EINVAL, "a.jsonl:1: question long: the question has 20 tokens, which leaves no room");
    end_task(&w);
}

/* ---- Predictions */

static char *predicted(world *w, const bert_model *m, const bert_dataset *d, const char *name) {
    char *path = bert_path_join(w->dir, name), *text = NULL;
    size_t n;
    bert_evaluate_options o = bert_evaluate_default();
    o.predictions = path;
    o.batch_size = 2;
    o.threads = 1;
    bert_metrics *metrics = bert_evaluate(m, d, &o, &w->e);
    if (!metrics || bert_read_file(path, 0, &text, &n, &w->e)) fail_msg("%s", w->e.message);
    bert_metrics_free(metrics);
    free(path);
    return text;
}

static void predictions_are_squads(void **state) {
    (void)state;
    world w;
    begin_task(&w, "question-answering");
    bert_model_options mo = bert_model_default();
    mo.head = "question-answering";
    bert_model *m = bert_model_open(w.dir, &mo, &w.e);
    if (!m) fail_msg("%s", w.e.message);
    w.options.keep_texts = true;
    w.options.max_length = 8; /* several windows */
    set_option(&w.options, "doc_stride", "1");
    set_option(&w.options, "null_score_diff_threshold", "-100"); /* "" it is */
    static const char none[] = "{\"question\": \"w5\", \"id\": 7, " CONTEXT ", \"answers\": null}";
    char text[2048];
    snprintf(text, sizeof text, ONE "\n%s\n" ONE "\n", none);
    bert_dataset *d = open_or_fail(&w, "a.jsonl", text);
    char *got = predicted(&w, m, d, "p.json");
    assert_string_equal(got, "{\n    \"a\": \"\",\n    \"7\": \"\"\n}\n");
    free(got);
    got = predicted(&w, m, d, "p.tsv");
    assert_non_null(strstr(got, "\n2\t7\tw5\t\t\t"));
    assert_non_null(strstr(got, "\t100.0\t100.0\n3\ta\tw0\tw3\t\t"));
    free(got);
    bert_dataset_free(d);
    /* Of SQuAD 1.1 there is always an answer, and it is a part of the context. */
    d = open_or_fail(&w, "a.json", "{\"data\": [" ONE "]}");
    got = predicted(&w, m, d, "p.jsonl");
    json_t *record = json_loads(got, 0, NULL);
    const char *answer = json_string_value(json_object_get(record, "prediction"));
    assert_true(answer && *answer && strstr("w1 w2 w3 w4", answer));
    assert_true(json_is_null(json_object_get(record, "line")));
    const double score = json_real_value(json_object_get(record, "score"));
    assert_true(score > 0 && score <= 1);
    json_decref(record);
    free(got);
    bert_dataset_free(d);
    bert_model_close(m);
    end_task(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_found),
        cmocka_unit_test(text_of_a_stripped_one),
        cmocka_unit_test(every_shape_is_the_same),
        cmocka_unit_test(doubtful_rows_are_said),
        cmocka_unit_test(rows_that_say_nothing_are_errors),
        cmocka_unit_test(members_may_have_other_names),
        cmocka_unit_test(answers_that_are_nowhere_are_not_trained_on),
        cmocka_unit_test(files_of_version_2),
        cmocka_unit_test(odd_contexts),
        cmocka_unit_test(predictions_are_squads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
