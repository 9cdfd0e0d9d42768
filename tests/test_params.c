/* Parameters: names, initialisation, sources, freezing, packed copies. */
#include "cpu/matmul.h"
#include "cpu/packing.h"
#include "tape/tape.h"
#include "test.h"
#include <math.h>

static bert_param *make(bert_params *ps, const char *name, int32_t rows, int32_t cols) {
    bert_param *p = bert_param_new(ps, name, rows, cols, BERT_INIT_NORMAL, NULL);
    assert_non_null(p);
    return p;
}

static void test_names(void **state) {
    (void)state;
    bert_params *ps = bert_params_new(1, .02f, NULL);
    bert_param *a = make(ps, "a.weight", 3, 4);
    make(ps, "b.weight", 2, 2);
    assert_int_equal(bert_params_count(ps), 2);
    assert_ptr_equal(bert_params_find(ps, "a.weight"), a);
    assert_null(bert_params_find(ps, "a"));
    assert_ptr_equal(bert_params_at(ps, 0), a);
    assert_null(bert_params_at(ps, 2));
    assert_null(bert_params_at(ps, -1));
    int32_t rows, cols;
    bert_param_shape(a, &rows, &cols);
    assert_int_equal(rows, 3);
    assert_int_equal(cols, 4);
    /* A name again is the same parameter (tied weights), or an error that names both shapes. */
    assert_ptr_equal(make(ps, "a.weight", 3, 4), a);
    bert_error e = {0};
    assert_null(bert_param_new(ps, "a.weight", 4, 3, BERT_INIT_ZERO, &e));
    assert_int_equal(e.code, BERT_EINVAL);
    assert_string_equal(e.message, "parameter a.weight is [3, 4] already; it cannot be used as "
                                   "[4, 3] as well");
    assert_int_equal(bert_params_count(ps), 2);
    e = (bert_error){0};
    assert_null(bert_param_new(ps, "c", 0, 3, BERT_INIT_ZERO, &e));
    assert_int_equal(e.code, BERT_EINVAL);
    assert_null(bert_param_new(ps, "huge", INT32_MAX, INT32_MAX, BERT_INIT_ZERO, NULL));
    bert_params_free(ps);
    bert_params_free(NULL);
}

static void test_initialisation(void **state) {
    (void)state;
    enum { ROWS = 200, COLS = 100, N = ROWS * COLS };
    bert_params *one = bert_params_new(7, .02f, NULL), *two = bert_params_new(7, .02f, NULL);
    bert_params *other = bert_params_new(8, .02f, NULL);
    bert_param *a = make(one, "a", ROWS, COLS), *b = make(one, "b", ROWS, COLS);
    bert_param *b2 = make(two, "b", ROWS, COLS), *a2 = make(two, "a", ROWS, COLS);
    size_t bytes = N * sizeof(float);
    assert_memory_equal(a->value, a2->value, bytes);
    assert_memory_equal(b->value, b2->value, bytes);
    assert_memory_not_equal(a->value, b->value, bytes);
    assert_memory_not_equal(a->value, make(other, "a", ROWS, COLS)->value, bytes);
    double mean = 0, square = 0;
    for (int i = 0; i < N; i++) {
        mean += (double)a->value[i] / N;
        square += (double)a->value[i] * (double)a->value[i] / N;
    }
    /* Five standard errors. */
    assert_true(fabs(mean) < 5 * .02 / sqrt(N));
    assert_true(fabs(sqrt(square) - .02) < 5 * .02 / sqrt(2. * N));
    bert_linear l;
    bert_layer_norm n;
    assert_int_equal(bert_linear_new(one, "dense", 5, 3, &l, NULL), 0);
    assert_int_equal(bert_layer_norm_new(one, "norm", 5, 1e-12f, &n, NULL), 0);
    assert_string_equal(bert_param_name(l.weight), "dense.weight");
    assert_string_equal(bert_param_name(n.bias), "norm.bias");
    assert_true(l.weight->rows == 3 && l.weight->cols == 5 && l.bias->cols == 3);
    for (int i = 0; i < 5; i++) assert_true(n.weight->value[i] == 1 && n.bias->value[i] == 0);
    for (int i = 0; i < 3; i++) assert_true(l.bias->value[i] == 0);
    bert_error e = {0};
    assert_int_equal(bert_linear_new(one, "dense", 4, 3, &l, &e), BERT_EINVAL);
    assert_int_equal(bert_linear_new(NULL, "dense", 4, 3, &l, NULL), BERT_EINVAL);
    bert_params_free(one);
    bert_params_free(two);
    bert_params_free(other);
}

static void test_decay(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool decay;
    } rows[] = {
        {"embeddings.word_embeddings.weight", true},
        {"encoder.layer.0.attention.output.dense.weight", true},
        {"encoder.layer.0.attention.output.dense.bias", false},
        {"encoder.layer.0.output.LayerNorm.weight", false},
        {"cls.predictions.bias", false},
    };
    bert_params *ps = bert_params_new(1, .02f, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(bert_param_decays(make(ps, rows[i].name, 1, 2)), rows[i].decay);
    bert_layer_norm n;
    assert_int_equal(bert_layer_norm_new(ps, "head.scale", 4, 1e-5f, &n, NULL), 0);
    assert_false(bert_param_decays(n.weight));
    bert_params_free(ps);
}

/* ---- a source */

static const float stored[6] = {1, 2, 3, 4, 5, 6};
static int find(void *context, const char *name, int32_t rows, int32_t cols, const float **value,
                bert_error *e) {
    ++*(int *)context;
    if (strcmp(name, "stored")) return 0;
    if (rows * cols != 6) {
        if (e) e->code = BERT_EFORMAT;
        return BERT_EFORMAT;
    }
    *value = stored;
    return 1;
}

static void test_source(void **state) {
    (void)state;
    int calls = 0;
    bert_param_source source = {.find = find, .context = &calls};
    for (int trainable = 0; trainable < 2; trainable++) {
        bert_params *ps = bert_params_new_from(&source, trainable, 1, .02f, NULL);
        bert_param *p = make(ps, "stored", 2, 3), *q = make(ps, "new", 2, 3);
        assert_memory_equal(bert_param_value(p), stored, sizeof stored);
        assert_int_equal(p->value == stored, !trainable);
        assert_false(p->initialised);
        assert_true(q->initialised);
        assert_int_equal(bert_param_trainable(p), trainable);
        assert_int_equal(bert_param_value_mut(p) != NULL, trainable);
        assert_int_equal(bert_param_grad(q) != NULL, trainable);
        bert_error e = {0};
        assert_null(bert_param_new(ps, "stored", 3, 3, BERT_INIT_ZERO, &e));
        assert_int_equal(bert_params_count(ps), 2);
        bert_params_free(ps);
        ps = bert_params_new_from(&source, trainable, 1, .02f, NULL);
        e = (bert_error){0};
        assert_null(bert_param_new(ps, "stored", 3, 3, BERT_INIT_ZERO, &e));
        assert_int_equal(e.code, BERT_EFORMAT);
        assert_int_equal(bert_params_count(ps), 0);
        bert_params_free(ps);
    }
    assert_true(calls > 0);
}

static void test_freezing(void **state) {
    (void)state;
    bert_params *ps = bert_params_new(1, .02f, NULL);
    bert_param *a = make(ps, "encoder.0", 2, 2), *b = make(ps, "encoder.1", 2, 2);
    bert_param *c = make(ps, "classifier", 2, 2);
    bert_param_grad_mut(a, NULL)[0] = 3;
    assert_int_equal(bert_params_freeze(ps, "encoder."), 2);
    assert_int_equal(bert_params_freeze(ps, "decoder."), 0);
    assert_false(bert_param_trainable(a) || bert_param_trainable(b));
    assert_true(bert_param_trainable(c));
    assert_true(bert_param_grad(a)[0] == 0); /* what it had is not used later */
    bert_param_freeze(a, false);
    assert_true(bert_param_trainable(a));
    bert_param_grad_mut(c, NULL)[1] = 2;
    bert_params_zero_grad(ps);
    assert_true(bert_param_grad(c)[1] == 0);
    bert_params_free(ps);
}

/* ---- packed copies */

static float product(bert_param *p, bool transposed, int row, int col) {
    const bert_weight l = bert_weight_of((bert_linear){p, NULL});
    const bert_packed *w =
        bert_weights_packed(&l, 1, transposed, BERT_PRECISION_HIGHEST, NULL, NULL);
    assert_non_null(w);
    int depth = transposed ? p->cols : p->rows, cols = transposed ? p->rows : p->cols;
    float x[8] = {0}, y[8];
    x[row] = 1;
    assert_int_equal(bert_matmul_packed(NULL, 1, (bert_view){x, depth, 1}, w, y, cols, NULL), 0);
    return y[col];
}

static void released(void *context, const float *value, size_t bytes, bool finite) {
    assert_true(finite);
    assert_ptr_equal(value, stored);
    assert_int_equal(bytes, sizeof stored);
    ++*(int *)context;
}

static void test_packed(void **state) {
    (void)state;
    bert_params *ps = bert_params_new(1, .02f, NULL);
    bert_param *p = make(ps, "w", 3, 5), *q = make(ps, "v", 2, 5);
    assert_true(product(p, true, 4, 2) == p->value[2 * 5 + 4]);
    assert_true(product(p, false, 2, 4) == p->value[2 * 5 + 4]);
    size_t bytes = bert_params_packed_bytes(ps);
    assert_true(bytes >= 2 * 15 * sizeof(float));
    const bert_weight ls[2] = {bert_weight_of((bert_linear){p, NULL}),
                               bert_weight_of((bert_linear){q, NULL})};
    const bert_packed *both = bert_weights_packed(ls, 2, true, BERT_PRECISION_HIGHEST, NULL, NULL);
    assert_ptr_equal(both, bert_weights_packed(ls, 2, true, BERT_PRECISION_HIGHEST, NULL, NULL));
    assert_true(bert_params_packed_bytes(ps) > bytes);
    /* A changed value is packed again, into the same memory. */
    bytes = bert_params_packed_bytes(ps);
    bert_param_value_mut(p)[2 * 5 + 4] = 9;
    assert_true(product(p, true, 4, 2) == 9);
    bert_param_value_mut(q)[5] = -4;
    assert_ptr_equal(both, bert_weights_packed(ls, 2, true, BERT_PRECISION_HIGHEST, NULL, NULL));
    float x[5] = {1}, y[5];
    assert_int_equal(bert_matmul_packed(NULL, 1, (bert_view){x, 5, 1}, both, y, 5, NULL), 0);
    assert_true(y[0] == p->value[0] && y[4] == -4);
    assert_int_equal(bert_params_packed_bytes(ps), bytes);
    bert_params_free(ps);
    /* The source hears of a value that has been packed, not of its own ones. */
    int calls = 0;
    bert_param_source source = {.find = find, .context = &calls, .done = released};
    ps = bert_params_new_from(&source, false, 1, .02f, NULL);
    p = make(ps, "stored", 2, 3);
    q = make(ps, "new", 2, 3);
    calls = 0;
    assert_true(product(p, true, 0, 1) == 4 && product(q, true, 0, 1) == q->value[3]);
    assert_int_equal(calls, 1);
    bert_params_free(ps);
}

/* The first product of few rows takes the weights as they lie, the next ones a packed copy. */
static void test_once(void **state) {
    (void)state;
    bert_params *ps = bert_params_new(1, .02f, NULL);
    bert_param *p = make(ps, "w", 3, 5), *q = make(ps, "v", 3, 5);
    const bert_weight l = bert_weight_of((bert_linear){p, NULL}),
                      both[2] = {l, bert_weight_of((bert_linear){q, NULL})};
    assert_true(bert_weights_once(&l, 1, 16));
    assert_false(bert_weights_once(&l, 1, 16));
    assert_false(bert_weights_once(both, 2, 16));
    bert_params_free(ps);
    ps = bert_params_new(1, .02f, NULL);
    const bert_weight many = bert_weight_of((bert_linear){make(ps, "w", 3, 5), NULL});
    assert_false(bert_weights_once(&many, 1, 100000));
    bert_params_free(ps);
}

/* A column that one side does not use takes none of the other's range. */
static void test_balance(void **state) {
    (void)state;
    enum { ROWS = 2, COLS = 5 };
    bert_params *ps = bert_params_new(1, .02f, NULL);
    bert_param *w = make(ps, "w", ROWS, COLS);
    const float x[2][COLS] = {{4, 50, 0, 0, NAN}, {-1, -2, 0, 0, 1}},
                weights[ROWS][COLS] = {{.5f, 0, 3, 0, 1}, {1, 0, -4, 0, NAN}};
    memcpy(bert_param_value_mut(w), weights, sizeof weights);
    const bert_weight l = bert_weight_of((bert_linear){w, NULL});
    bert_error e = {0};
    assert_int_equal(bert_weights_balance(&l, 1, x[0], 2, NULL, &e), 0);
    const float *right = w->memo.balance, *left = right + COLS;
    for (int k = 0; k < COLS; k++) assert_true(fabsf(right[k] * left[k] - 1) < 1e-6f);
    assert_true(right[0] == 2);
    assert_true(left[1] * 50 < 1e-3f);
    assert_true(right[2] * 4 < 1e-3f);
    assert_true(right[3] == 1 && right[4] == 1);
    bert_params_free(ps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_initialisation),
        cmocka_unit_test(test_decay),    cmocka_unit_test(test_source),
        cmocka_unit_test(test_freezing), cmocka_unit_test(test_packed),
        cmocka_unit_test(test_once),     cmocka_unit_test(test_balance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
