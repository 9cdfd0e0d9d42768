/* Adapters of a whole model: they begin as nothing, are trained alone, are saved alone and loaded
 * again, and merged they give what they gave beside their weights. */
#include "models.h"

static const bert_adapter_options options = {.rank = 2, .alpha = 4};
static const int32_t start[] = {0, 5, 8}, ids[] = {2, 5, 7, 9, 3, 2, 8, 3};
static const bert_inputs inputs = {.n = 2, .start = start, .ids = ids};
enum { VALUES = 8 * TEST_HIDDEN };

static bert_model *open_adapted(const char *directory, bool trainable) {
    static const char *const names[] = {"attention.self.query", "attention.self.value",
                                        "intermediate.dense"};
    bert_error e = {0};
    bert_model *m =
        bert_model_open(directory, &(bert_model_options){.trainable = trainable, .seed = 1}, &e);
    if (!m) fail_msg("%s", e.message);
    for (int i = 0; i < TEST_LAYERS; i++)
        for (int k = 0; k < 3; k++) {
            char name[100];
            snprintf(name, sizeof name, "bert.encoder.layer.%d.%s.weight", i, names[k]);
            bert_param *w = bert_params_find(bert_model_params(m), name);
            assert_non_null(w);
            test_ok(e, bert_param_adapt(w, &options, &e));
            assert_int_equal(bert_param_adapt(w, &options, NULL), BERT_EINVAL);
        }
    return m;
}

static void hidden_of(const bert_model *m, bert_precision precision, float *out) {
    bert_error e = {0};
    bert_session_options o = bert_session_default();
    o.precision = precision;
    bert_session *s = bert_session_new(m, &o, &e);
    bert_outputs result;
    if (!s) fail_msg("%s", e.message);
    test_ok(e, bert_session_run(s, &inputs, 0, &result, &e));
    memcpy(out, result.last_hidden_state, VALUES * sizeof *out);
    bert_session_free(s);
}

static double distance(const float *a, const float *b) {
    double most = 0;
    for (int i = 0; i < VALUES; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static bool is_adapter(const bert_param *p, void *context) {
    (void)context;
    return bert_param_part(p) == BERT_PART_ADAPTER;
}

/* One step of SGD against the sum of the squares of what comes out. */
static void train(bert_model *m) {
    bert_params *ps = bert_model_params(m);
    bert_error e = {0};
    bert_tape *t = bert_tape_new(NULL, &e);
    for (int i = 0; i < bert_params_count(ps); i++)
        bert_param_freeze(bert_params_at(ps, i), !is_adapter(bert_params_at(ps, i), NULL));
    for (int step = 0; step < 2; step++) {
        bert_tensor *x = bert_forward(t, m, &inputs);
        test_ok(e, bert_tape_backward(t, bert_sum(t, bert_mul(t, x, x)), 1, &e));
        for (int i = 0; i < bert_params_count(ps); i++) {
            bert_param *p = bert_params_at(ps, i);
            int32_t rows, cols;
            if (!bert_param_trainable(p)) continue;
            bert_param_shape(p, &rows, &cols);
            const float *g = bert_param_grad(p);
            float *v = bert_param_value_mut(p);
            for (int k = 0; k < rows * cols; k++) v[k] -= .02f * g[k];
        }
        bert_params_zero_grad(ps);
        bert_tape_reset(t);
    }
    bert_tape_free(t);
}

static void they_are_trained_saved_loaded_and_merged(void **state) {
    (void)state;
    char *d = test_directory(), saved[4200], file[4300], whole[4200];
    float before[VALUES], fresh[VALUES], after[VALUES], loaded[VALUES], merged[VALUES];
    bert_error e = {0};
    snprintf(saved, sizeof saved, "%s/adapters", d);
    snprintf(whole, sizeof whole, "%s/merged", d);
    snprintf(file, sizeof file, "%s/model.safetensors", saved);
    test_model(d, "BertForSequenceClassification", 2, "");
    bert_model *plain = bert_model_open(d, NULL, &e);
    assert_non_null(plain);
    hidden_of(plain, BERT_PRECISION_HIGHEST, before);
    bert_model *m = open_adapted(d, true);
    hidden_of(m, BERT_PRECISION_HIGHEST, fresh);
    assert_true(distance(before, fresh) < 1e-5); /* B is zero */
    train(m);
    hidden_of(m, BERT_PRECISION_HIGHEST, after);
    assert_true(distance(before, after) > 1e-2);

    test_ok(e, bert_model_save_filtered(m, saved, is_adapter, NULL, &e));
    bert_tensors *f = bert_tensors_open(&bert_safetensors_format, file, &e);
    assert_non_null(f);
    assert_int_equal(bert_tensors_count(f), 2 * 3 * TEST_LAYERS);
    assert_non_null(
        bert_tensors_find(f, "bert.encoder.layer.1.attention.self.query.lora_A.weight"));
    bert_tensors_close(f);
    bert_model *other = open_adapted(d, false);
    assert_int_equal(bert_params_load(bert_model_params(other), file, &e), 2 * 3 * TEST_LAYERS);
    hidden_of(other, BERT_PRECISION_HIGHEST, loaded);
    assert_memory_equal(loaded, after, sizeof after);
    assert_int_equal(bert_params_load(bert_model_params(plain), file, &e), BERT_EFORMAT);
    assert_non_null(strstr(e.message, "no parameter of this model is called"));

    e = (bert_error){0};
    assert_int_equal(bert_params_merge_adapters(bert_model_params(other), NULL), BERT_EINVAL);
    assert_int_equal(bert_params_merge_adapters(bert_model_params(m), &e), 3 * TEST_LAYERS);
    hidden_of(m, BERT_PRECISION_HIGHEST, merged);
    assert_true(distance(merged, after) < 2e-5);
    test_ok(e, bert_model_save(m, whole, &e));
    bert_model_close(m);
    m = bert_model_open(whole, NULL, &e);
    if (!m) fail_msg("%s", e.message);
    assert_null(bert_model_unused_tensor(m, 0)); /* no trace of them */
    hidden_of(m, BERT_PRECISION_HIGHEST, loaded);
    assert_memory_equal(loaded, merged, sizeof merged);
    bert_model_close(m);
    bert_model_close(other);
    bert_model_close(plain);
    test_remove(d);
}

/* A checkpoint that holds them beside their weights: they are found when they are made again. */
static void they_are_found_in_a_checkpoint(void **state) {
    (void)state;
    char *d = test_directory(), saved[4200];
    float trained[VALUES], found[VALUES];
    bert_error e = {0};
    snprintf(saved, sizeof saved, "%s/whole", d);
    test_model(d, "BertForSequenceClassification", 2, "");
    bert_model *m = open_adapted(d, true);
    train(m);
    hidden_of(m, BERT_PRECISION_HIGHEST, trained);
    test_ok(e, bert_model_save(m, saved, &e));
    bert_model_close(m);
    for (int trainable = 0; trainable < 2; trainable++) {
        m = open_adapted(saved, trainable);
        hidden_of(m, BERT_PRECISION_HIGHEST, found);
        assert_memory_equal(found, trained, sizeof found);
        bert_model_close(m);
    }
    test_remove(d);
}

/* The products of bytes and of bf16 see what they do. */
static void lower_precisions_honour_them(void **state) {
    (void)state;
    static const bert_precision precisions[] = {BERT_PRECISION_HIGH, BERT_PRECISION_MEDIUM,
                                                BERT_PRECISION_INT8};
    char *d = test_directory();
    float before[VALUES], exact[VALUES], x[VALUES];
    test_model(d, "BertForSequenceClassification", 2, "");
    bert_model *m = open_adapted(d, true);
    hidden_of(m, BERT_PRECISION_HIGHEST, before);
    train(m);
    hidden_of(m, BERT_PRECISION_HIGHEST, exact);
    const double far = distance(before, exact);
    for (int i = 0; i < 3; i++) {
        hidden_of(m, precisions[i], x);
        if (!(distance(x, exact) < far / 4))
            fail_msg("precision %d: %g of %g", (int)precisions[i], distance(x, exact), far);
    }
    bert_model_close(m);
    test_remove(d);
}

static void what_cannot_have_one_is_refused(void **state) {
    (void)state;
    char *d = test_directory();
    bert_error e = {0};
    test_model(d, "BertForSequenceClassification", 2, "");
    bert_model *m = bert_model_open(d, NULL, &e);
    assert_non_null(m);
    bert_params *ps = bert_model_params(m);
    const char *const wrong[] = {"bert.embeddings.LayerNorm.weight", "classifier.bias"};
    for (int i = 0; i < 2; i++)
        assert_int_equal(bert_param_adapt(bert_params_find(ps, wrong[i]), &options, NULL),
                         BERT_EINVAL);
    bert_param *w = bert_params_find(ps, "classifier.weight");
    const bert_adapter_options bad[] = {{0, 1, 0}, {2, 0, 0}, {2, 1, 1}};
    for (int i = 0; i < 3; i++) assert_int_equal(bert_param_adapt(w, &bad[i], NULL), BERT_EINVAL);
    assert_int_equal(bert_param_adapt(NULL, &options, NULL), BERT_EINVAL);
    assert_int_equal(bert_param_part(w), BERT_PART_HEAD);
    assert_int_equal(bert_param_kind(w), BERT_KIND_WEIGHT);
    assert_int_equal(
        bert_param_layer(bert_params_find(ps, "bert.encoder.layer.1.output.dense.weight")), 1);
    bert_model_close(m);
    test_remove(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_trained_saved_loaded_and_merged),
        cmocka_unit_test(they_are_found_in_a_checkpoint),
        cmocka_unit_test(lower_precisions_honour_them),
        cmocka_unit_test(what_cannot_have_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
