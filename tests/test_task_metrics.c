/* Entities against seqeval: tools/golden_task_metrics.py. */
#include "data/dataset.h"
#include "data/metric_entity.h"
#include "models.h"

enum { MOST = 16 };

/* One sentence through the scorer, its prediction as logits. */
static void score(void *state, const bert_dataset *d, const json_t *truth,
                  const json_t *predicted) {
    int32_t labels[MOST], start[2] = {0, (int32_t)json_array_size(truth)};
    float logits[MOST * MOST] = {0};
    for (int i = 0; i < start[1]; i++)
        for (int k = 0; k < d->num_labels; k++) {
            if (!strcmp(json_string_value(json_array_get(truth, (size_t)i)), d->names[k]))
                labels[i] = k;
            if (!strcmp(json_string_value(json_array_get(predicted, (size_t)i)), d->names[k]))
                logits[i * d->num_labels + k] = 1;
        }
    const bert_batch b = {.inputs = {.n = 1, .start = start}, .labels = labels};
    bert_error e = {0};
    test_ok(e, bert_entity_scorer.update(state, d, &b, logits, d->num_labels, &e));
}

static void entities_are_seqevals(void **unused) {
    (void)unused;
    json_t *golden = test_golden("task_metrics.json"), *c;
    json_t *list = json_object_get(golden, "labels");
    char *names[MOST];
    bert_dataset d = {.names = names, .num_labels = (int32_t)json_array_size(list)};
    for (int i = 0; i < d.num_labels; i++)
        names[i] = (char *)(uintptr_t)json_string_value(json_array_get(list, (size_t)i));
    size_t i;
    json_array_foreach(json_object_get(golden, "entities"), i, c) {
        json_t *truth = json_object_get(c, "truth"), *predicted = json_object_get(c, "predicted");
        void *state = calloc(1, bert_entity_scorer.size);
        assert_non_null(state);
        for (size_t k = 0; k < json_array_size(truth); k++)
            score(state, &d, json_array_get(truth, k), json_array_get(predicted, k));
        double values[8];
        int64_t rows;
        bert_error e = {0};
        test_ok(e, bert_entity_scorer.compute(state, values, &rows, &e));
        assert_int_equal(rows, json_array_size(truth));
        for (size_t k = 0; bert_entity_scorer.names[k]; k++)
            assert_float_equal(values[k],
                               json_number_value(json_array_get(json_object_get(c, "scores"), k)),
                               1e-12);
        bert_entity_scorer.clear(state);
        free(state);
    }
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entities_are_seqevals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
