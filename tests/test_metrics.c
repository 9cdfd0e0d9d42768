/* Metrics against scikit-learn and scipy (tools/golden_metrics.py), and their edges. */
#include "test.h"
#include <bert_train.h>
#include <jansson.h>
#include <math.h>

enum { MAX = 1024 };

typedef struct {
    const char *problem;
    int32_t num_labels, rows;
    float logits[MAX], targets[MAX];
    int32_t labels[MAX];
} stream;

static void read_case(const json_t *c, stream *s) {
    s->problem = json_string_value(json_object_get(c, "problem_type"));
    s->num_labels = (int32_t)json_integer_value(json_object_get(c, "num_labels"));
    const json_t *logits = json_object_get(c, "logits"), *truth = json_object_get(c, "truth");
    size_t n = json_array_size(logits);
    assert_true(n >= 1 && n <= MAX);
    s->rows = (int32_t)(n / (size_t)s->num_labels);
    for (size_t i = 0; i < n; i++)
        s->logits[i] = (float)json_number_value(json_array_get(logits, i));
    for (size_t i = 0; i < json_array_size(truth); i++) {
        s->targets[i] = (float)json_number_value(json_array_get(truth, i));
        s->labels[i] = (int32_t)s->targets[i];
    }
}

static void feed(bert_metrics *m, const stream *s, int32_t batch) {
    bert_error e = {0};
    for (int32_t i = 0; i < s->rows; i += batch) {
        int32_t n = s->rows - i < batch ? s->rows - i : batch;
        int rc = bert_metrics_update(m, s->logits + i * s->num_labels, s->labels + i,
                                     s->targets + i * s->num_labels, n, &e);
        if (rc) fail_msg("%s", e.message);
    }
    assert_int_equal(bert_metrics_compute(m, &e), 0);
}

static void same(const char *what, const char *name, double got, const json_t *want) {
    if (json_is_null(want) ? isnan(got) : fabs(got - json_number_value(want)) <= 1e-12) return;
    fail_msg("%s: %s is %.17g, not %.17g", what, name, got,
             json_is_null(want) ? (double)NAN : json_number_value(want));
}

static void values_equal_those_of_scikit_learn(void **state) {
    (void)state;
    json_t *cases = json_load_file(BERT_SOURCE_DIR "/tests/golden/metrics.json", 0, NULL);
    assert_non_null(cases);
    size_t i;
    json_t *c;
    json_array_foreach(cases, i, c) {
        stream s;
        read_case(c, &s);
        const char *what = json_string_value(json_object_get(c, "name"));
        json_t *results = json_object_get(c, "results"), *want;
        char names[1024] = "";
        const char *key;
        json_object_foreach(results, key, want) {
            strcat(names, key);
            strcat(names, ",");
        }
        bert_error e = {0};
        bert_metrics *m = bert_metrics_new(s.problem, s.num_labels, names, &e);
        if (!m) fail_msg("%s: %s", what, e.message);
        for (int32_t batch = 1; batch <= 16; batch *= 4) {
            bert_metrics_reset(m);
            feed(m, &s, batch);
            assert_int_equal(bert_metrics_count(m), (int)json_object_size(results));
            json_object_foreach(results, key, want) {
                double got;
                assert_true(bert_metrics_find(m, key, &got));
                same(what, key, got, want);
            }
        }
        json_t *of_first = json_object_get(c, "of_first");
        bert_metrics_reset(m);
        if (of_first && bert_metrics_set_positive(m, 0, &e)) fail_msg("%s", e.message);
        feed(m, &s, 7);
        json_object_foreach(of_first, key, want) {
            double got;
            assert_true(bert_metrics_of_positive(m, key));
            assert_true(bert_metrics_find(m, key, &got));
            same(what, key, got, want);
        }
        const json_t *confusion = json_object_get(c, "confusion");
        for (size_t k = 0; k < json_array_size(confusion); k++)
            assert_int_equal(
                bert_metrics_confusion(m, (int32_t)k / s.num_labels, (int32_t)k % s.num_labels),
                json_integer_value(json_array_get(confusion, k)));
        bert_metrics_free(m);
    }
    json_decref(cases);
}

static void class_table_and_loss(void **state) {
    (void)state;
    static const float logits[] = {1, 0, 0, 1, 1, 0, 0, 1};
    static const int32_t labels[] = {0, 1, 1, -100};
    bert_metrics *m = bert_metrics_new("single_label_classification", 2, NULL, NULL);
    assert_int_equal(bert_metrics_update(m, logits, labels, NULL, 4, NULL), 0);
    bert_metrics_add_loss(m, 2, 3);
    bert_metrics_add_loss(m, 4, 1);
    assert_int_equal(bert_metrics_compute(m, NULL), 0);
    assert_int_equal(bert_metrics_rows(m), 3); /* -100 does not count */
    assert_string_equal(bert_metrics_name(m, 0), "loss");
    assert_float_equal(bert_metrics_value(m, 0), 2.5, 0);
    assert_null(bert_metrics_name(m, bert_metrics_count(m)));
    bert_class_report r = bert_metrics_class(m, 1);
    assert_float_equal(r.precision, 1, 0);
    assert_float_equal(r.recall, 0.5, 0);
    assert_float_equal(r.f1, 2.0 / 3, 1e-15);
    assert_int_equal(r.support, 2);
    bert_metrics_free(m);
}

static void an_empty_stream_has_no_accuracy(void **state) {
    (void)state;
    bert_metrics *m = bert_metrics_new("", 3, "accuracy,roc_auc_ovr", NULL);
    double v;
    assert_int_equal(bert_metrics_compute(m, NULL), 0);
    assert_true(bert_metrics_find(m, "accuracy", &v) && isnan(v));
    assert_true(bert_metrics_find(m, "roc_auc_ovr", &v) && isnan(v));
    bert_metrics_free(m);
}

static void bad_input_is_refused(void **state) {
    (void)state;
    bert_error e = {0};
    assert_null(bert_metrics_new("", 3, "f1", &e)); /* of two classes only */
    assert_int_equal(e.code, BERT_EINVAL);
    assert_non_null(strstr(e.message, "f1_macro"));
    bert_error_clear(&e);
    assert_null(bert_metrics_new("regression", 1, "accuracy", &e));
    bert_error_clear(&e);
    assert_null(bert_metrics_new("anything", 1, NULL, &e));
    bert_error_clear(&e);
    bert_metrics *m = bert_metrics_new("", 2, NULL, &e);
    float logits[] = {0, 1};
    int32_t label = 2;
    assert_int_equal(bert_metrics_update(m, logits, &label, NULL, 1, &e), BERT_EINVAL);
    bert_error_clear(&e);
    assert_int_equal(bert_metrics_update(m, logits, NULL, NULL, 1, &e), BERT_EINVAL);
    bert_error_clear(&e);
    label = 0;
    logits[1] = NAN;
    assert_int_equal(bert_metrics_update(m, logits, &label, NULL, 1, &e), BERT_ENUMERIC);
    assert_int_equal(bert_metrics_rows(m), 0);
    bert_metrics_free(m);
}

static void direction_of_metrics(void **state) {
    (void)state;
    assert_true(bert_metric_greater_is_better("eval_accuracy"));
    assert_true(bert_metric_greater_is_better("f1"));
    assert_false(bert_metric_greater_is_better("loss"));
    assert_false(bert_metric_greater_is_better("eval_loss"));
    assert_false(bert_metric_greater_is_better("mse"));
    assert_false(bert_metric_greater_is_better("eval_perplexity"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_equal_those_of_scikit_learn),
        cmocka_unit_test(class_table_and_loss),
        cmocka_unit_test(an_empty_stream_has_no_accuracy),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(direction_of_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
