/* Files of predictions: each row of the data with its line, its text, and what the model says. */
#include "tiny.h"
#include <jansson.h>
#include <math.h>

typedef struct {
    char *dir, *data, *out;
    bert_model *model;
    bert_dataset *set;
    bert_error e;
} world;

static void begin(world *w, int labels, const char *problem, const char *head, const char *text,
                  const char *name, bert_dataset_options o) {
    *w = (world){.dir = test_directory()};
    tiny_model(w->dir, labels, problem, 0);
    bert_model_options mo = bert_model_default();
    mo.head = head;
    w->model = bert_model_open(w->dir, &mo, &w->e);
    if (!w->model) fail_msg("%s", w->e.message);
    w->data = bert_path_join(w->dir, name);
    w->out = bert_path_join(w->dir, "out.jsonl");
    tiny_write(w->dir, name, text);
    o.model_labels = true;
    o.keep_texts = true;
    o.task = head;
    w->set = bert_dataset_open(w->data, w->model, &o, &w->e);
    if (!w->set) fail_msg("%s", w->e.message);
}

static void end(world *w) {
    bert_dataset_free(w->set);
    bert_model_close(w->model);
    free(w->data);
    free(w->out);
    test_remove(w->dir);
}

static void name_output(world *w, const char *name) {
    free(w->out);
    w->out = bert_path_join(w->dir, name);
}

static int evaluate(world *w, int32_t batch_size) {
    bert_evaluate_options o = bert_evaluate_default();
    o.predictions = w->out;
    o.batch_size = batch_size;
    o.threads = 1;
    bert_metrics *m = bert_evaluate(w->model, w->set, &o, &w->e);
    bert_metrics_free(m);
    return m ? 0 : w->e.code;
}

static void write_out(world *w) {
    if (evaluate(w, 2)) fail_msg("%s", w->e.message);
}

static char *content(const world *w) {
    char *text;
    size_t n;
    bert_error e = {0};
    if (bert_read_file(w->out, 0, &text, &n, &e)) fail_msg("%s", e.message);
    return text;
}

/* The lines of a .jsonl as an array. */
static json_t *records(const world *w) {
    char *text = content(w);
    json_t *all = json_array();
    for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        json_t *o = json_loads(line, 0, NULL);
        assert_non_null(o);
        json_array_append_new(all, o);
    }
    free(text);
    return all;
}

static const char *string_of(const json_t *all, size_t i, const char *key) {
    const char *s = json_string_value(json_object_get(json_array_get(all, i), key));
    assert_non_null(s);
    return s;
}

static const json_t *value_of(const json_t *all, size_t i, const char *key) {
    return json_object_get(json_array_get(all, i), key);
}

static void classes_of_pairs(void **state) {
    (void)state;
    world w;
    begin(&w, 3, "", "sequence-classification",
          "sentence1,sentence2,label\n\"w1, \"\"w2\"\"\nw3\",w4,0\n\nw5 \xff,w6,2\nw7,w8,1\n",
          "a.csv", bert_dataset_default());
    write_out(&w);
    json_t *all = records(&w);
    assert_int_equal(json_array_size(all), 3);
    static const json_int_t lines[] = {2, 5, 6};
    static const char *const gold[] = {"LABEL_0", "LABEL_2", "LABEL_1"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(json_integer_value(value_of(all, i, "line")), lines[i]);
        assert_string_equal(string_of(all, i, "gold"), gold[i]);
        const json_t *scores = value_of(all, i, "scores");
        double sum = 0, best = 0;
        const char *which = "", *name;
        json_t *v;
        json_object_foreach((json_t *)(uintptr_t)scores, name, v) {
            sum += json_real_value(v);
            if (json_real_value(v) > best) best = json_real_value(v), which = name;
        }
        assert_float_equal(sum, 1, 1e-6);
        assert_string_equal(string_of(all, i, "prediction"), which);
        assert_float_equal(json_real_value(value_of(all, i, "score")), best, 0);
    }
    assert_string_equal(string_of(all, 0, "text"), "w1, \"w2\"\nw3");
    assert_string_equal(string_of(all, 0, "text_pair"), "w4");
    assert_string_equal(string_of(all, 1, "text"), "w5 \xEF\xBF\xBD");
    json_decref(all);

    name_output(&w, "out.csv");
    write_out(&w);
    char *text = content(&w);
    static const char head[] =
        "line,text,text_pair,gold,prediction,score,scores_LABEL_0,"
        "scores_LABEL_1,scores_LABEL_2\n2,\"w1, \"\"w2\"\"\nw3\",w4,LABEL_0,";
    assert_memory_equal(text, head, sizeof head - 1);
    free(text);
    name_output(&w, "out.tsv");
    write_out(&w);
    text = content(&w);
    assert_non_null(strstr(text, "\n2\tw1, \"w2\" w3\tw4\tLABEL_0\t"));
    free(text);
    end(&w);
}

static void several_labels_and_values(void **state) {
    (void)state;
    world w;
    bert_dataset_options o = bert_dataset_default();
    set_option(&o, "label_separator", "|");
    begin(&w, 2, "multi_label_classification", "sequence-classification",
          "text\tlabel\nw1\tLABEL_1|LABEL_0\nw2\t\n", "a.tsv", o);
    write_out(&w);
    json_t *all = records(&w);
    assert_int_equal(json_array_size(value_of(all, 0, "gold")), 2);
    assert_int_equal(json_array_size(value_of(all, 1, "gold")), 0);
    size_t above = 0;
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)value_of(all, 0, "scores"), name, v) above +=
        json_real_value(v) > 0.5;
    assert_int_equal(json_array_size(value_of(all, 0, "prediction")), above);
    json_decref(all);
    name_output(&w, "out.csv");
    write_out(&w);
    char *text = content(&w);
    assert_non_null(strstr(text, "\n2,w1,LABEL_0|LABEL_1,"));
    free(text);
    end(&w);

    begin(&w, 1, "regression", "sequence-classification", "text\tlabel\nw1\t1.5\nw2\t-2\n", "a.tsv",
          bert_dataset_default());
    write_out(&w);
    all = records(&w);
    assert_float_equal(json_real_value(value_of(all, 1, "gold")), -2, 0);
    assert_true(json_is_real(value_of(all, 1, "prediction")));
    json_decref(all);
    end(&w);
}

static void choices(void **state) {
    (void)state;
    world w;
    begin(&w, 2, "", "multiple-choice",
          "prompt,ending0,ending1,label\nw1,w2,\"w3, w4\",1\nw5,w6,w7,0\n", "a.csv",
          bert_dataset_default());
    write_out(&w);
    json_t *all = records(&w);
    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(string_of(all, 0, "text"), "w1");
    assert_string_equal(json_string_value(json_array_get(value_of(all, 0, "endings"), 1)),
                        "w3, w4");
    assert_int_equal(json_integer_value(value_of(all, 0, "gold")), 1);
    const json_t *scores = value_of(all, 1, "scores");
    const json_int_t best = json_integer_value(value_of(all, 1, "prediction"));
    assert_true(json_real_value(json_array_get(scores, (size_t)best)) >= 0.5);
    json_decref(all);
    end(&w);
}

static void what_cannot_be_written_is_refused(void **state) {
    (void)state;
    world w;
    begin(&w, 2, "", "sequence-classification", "text\tlabel\nw1\tLABEL_1\nw2\t0\n", "a.tsv",
          bert_dataset_default());
    name_output(&w, "out.txt");
    assert_int_equal(evaluate(&w, 2), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, "out.txt: predictions of this task are written as .jsonl"));
    assert_int_equal(access(w.out, F_OK), -1);
    bert_error_clear(&w.e);
    name_output(&w, "no/where.csv");
    assert_int_equal(evaluate(&w, 2), BERT_ENOTFOUND);
    bert_error_clear(&w.e);
    name_output(&w, "out.csv");
    bert_dataset_free(w.set);
    bert_dataset_options o = bert_dataset_default();
    o.model_labels = true;
    w.set = bert_dataset_open(w.data, w.model, &o, &w.e);
    assert_int_equal(evaluate(&w, 2), BERT_EINVAL);
    assert_non_null(strstr(w.e.message, "without keep_texts"));
    assert_int_equal(access(w.out, F_OK), -1);
    end(&w);
}

/* Word, gold, prediction: words that were cut off have none. */
static void words_of_sentences(void **state) {
    (void)state;
    world w;
    bert_dataset_options o = bert_dataset_default();
    o.max_length = 5;
    o.overflow = BERT_OVERFLOW_TRUNCATE;
    begin(&w, 3, "single_label_classification", "token-classification",
          "w1\tLABEL_0\nw2 w3\tLABEL_1\n\x01\tLABEL_2\nw4\tLABEL_2\n\n\nw5\tLABEL_0\n", "a.conll",
          o);
    name_output(&w, "out.conll");
    write_out(&w);
    char *text = content(&w);
    static const char *const want[] = {"w1\tLABEL_0\tLABEL_", "\nw2 w3\tLABEL_1\tLABEL_",
                                       "\n\x01\tLABEL_2\t-\nw4\tLABEL_2\t-\n\nw5\tLABEL_0\tLABEL_",
                                       "\n"};
    const char *at = text;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        if (strncmp(at, want[i], strlen(want[i]))) fail_msg("%s", text);
        at += strlen(want[i]) + 1; /* and the number of the predicted label */
    }
    free(text);
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_sentences),
        cmocka_unit_test(classes_of_pairs),
        cmocka_unit_test(several_labels_and_values),
        cmocka_unit_test(choices),
        cmocka_unit_test(what_cannot_be_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
