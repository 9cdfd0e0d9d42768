/* Tags against seqeval and scikit-learn: tools/golden_tags.py. */
#include "data/dataset.h"
#include "data/metric_entity.h"
#include "models.h"

enum { MOST = 32, WORDS = 16 };

static const char *string(const json_t *o, const char *key) {
    return json_string_value(json_object_get(o, key));
}

static int32_t number_of(const bert_dataset *d, const json_t *label) {
    for (int32_t i = 0; i < d->num_labels; i++)
        if (!strcmp(json_string_value(label), d->names[i])) return i;
    fail_msg("no label %s", json_string_value(label));
    return -1;
}

/* One sentence through the metrics, its prediction as logits. */
static void score(bert_metrics *m, const bert_dataset *d, const json_t *truth,
                  const json_t *predicted, int64_t row) {
    int32_t labels[WORDS], start[2] = {0, (int32_t)json_array_size(truth)};
    float logits[WORDS * MOST] = {0};
    for (int i = 0; i < start[1]; i++) {
        labels[i] = number_of(d, json_array_get(truth, (size_t)i));
        logits[i * d->num_labels + number_of(d, json_array_get(predicted, (size_t)i))] = 1;
    }
    const bert_batch b = {
        .inputs = {.n = 1, .start = start}, .labels = labels, .rows = &row, .row_count = 1};
    bert_error e = {0};
    test_ok(e, bert_metrics_score(m, d, &b, logits, d->num_labels, &e));
}

static void same_value(const bert_metrics *m, const char *name, double want) {
    double value;
    assert_true(bert_metrics_find(m, name, &value));
    assert_float_equal(value, want, 1e-12);
}

static void same_scores(const bert_metrics *m, const json_t *want, const char *suffix) {
    static const char *const names[] = {"precision", "recall", "f1"};
    for (size_t i = 0; i < 3; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s%s", names[i], suffix);
        same_value(m, name, json_number_value(json_array_get(want, i)));
    }
}

static void same_report(const bert_metrics *m, const json_t *want) {
    size_t lines = 0;
    const char *name;
    bert_class_report r;
    for (int i = 0; bert_metrics_type(m, i, &name, &r); i++, lines++) {
        const json_t *line = json_object_get(want, name);
        if (!line) fail_msg("%s is not in the report", name);
        const double values[] = {r.precision, r.recall, r.f1, (double)r.support};
        for (size_t k = 0; k < 4; k++)
            assert_float_equal(values[k], json_number_value(json_array_get(line, k)), 1e-12);
    }
    assert_int_equal(lines, json_object_size(want));
}

/* The scheme that the case's own truth shows need not be the one it is scored with. */
static bert_tag_scheme named(const char *name, bert_tag_scheme found) {
    for (bert_tag_scheme s = 0; name && s <= BERT_TAGS_CLASSES; s++)
        if (!strcmp(bert_tag_scheme_name(s), name)) return s;
    return found;
}

static void check(const json_t *c) {
    bert_error e = {0};
    const json_t *list = json_object_get(c, "labels"), *truth = json_object_get(c, "truth");
    char *names[MOST];
    int64_t start[MOST] = {0};
    bert_dataset d = {.names = names, .num_labels = (int32_t)json_array_size(list)};
    d.task = &bert_task_token_classification;
    d.start = start;
    for (int i = 0; i < d.num_labels; i++)
        names[i] = (char *)(uintptr_t)json_string_value(json_array_get(list, (size_t)i));
    for (; d.sequences < (int64_t)json_array_size(truth); d.sequences++)
        start[d.sequences + 1] =
            start[d.sequences] +
            (int64_t)json_array_size(json_array_get(truth, (size_t)d.sequences));
    bert_sentences all = {.tags = bert_tags_new(names, d.num_labels, &e)};
    assert_non_null(all.tags);
    d.state = &all;
    bert_tags_set(all.tags, named(string(c, "scheme"), all.tags->scheme));
    if (string(c, "scheme"))
        assert_string_equal(bert_tag_scheme_name(all.tags->scheme), string(c, "scheme"));
    bert_metrics *m = bert_metrics_for(&d, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    for (int64_t i = 0; i < d.sequences; i++)
        score(m, &d, json_array_get(truth, (size_t)i),
              json_array_get(json_object_get(c, "predicted"), (size_t)i), i);
    test_ok(e, bert_metrics_compute(m, &e));
    assert_int_equal(bert_metrics_rows(m), json_array_size(truth));
    same_value(m, "accuracy", json_number_value(json_object_get(c, "accuracy")));
    const json_t *macro = json_object_get(c, "f1_macro");
    if (macro)
        same_value(m, "f1_macro", json_number_value(macro));
    else
        same_scores(m, json_object_get(c, "default"), "");
    if (json_object_get(c, "strict")) same_scores(m, json_object_get(c, "strict"), "_strict");
    if (json_object_get(c, "report")) same_report(m, json_object_get(c, "report"));
    bert_metrics_free(m);
    bert_tags_free(all.tags);
}

static void tags_are_seqevals(void **unused) {
    (void)unused;
    json_t *golden = test_golden("tags.json"), *c;
    size_t i;
    assert_true(json_array_size(golden) > 70);
    json_array_foreach(golden, i, c) check(c);
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_seqevals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
