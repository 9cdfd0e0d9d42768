/* AdamW and clipping against torch.optim.AdamW (tools/golden_ops.py), and what it must leave alone.
 */
#include "golden_ops.h"
#include "numbers.h"
#include "test.h"
#include "train/optimizer.h"

typedef struct {
    bert_params *ps;
    bert_param *w, *b;
    bert_optimizer *o;
} training;

static training start(int threads) {
    training r = {.ps = bert_params_new(1, .02f, NULL)};
    r.w = bert_param_new(r.ps, "w.weight", 6, 5, BERT_INIT_ZERO, NULL);
    r.b = bert_param_new(r.ps, "w.bias", 1, 6, BERT_INIT_ZERO, NULL);
    test_numbers(bert_param_value_mut(r.w), 3, 30, 1, 0);
    test_numbers(bert_param_value_mut(r.b), 4, 6, 1, 0);
    bert_adamw_options options = bert_adamw_default();
    options.weight_decay = .125;
    r.o = bert_optimizer_new(r.ps, &options, threads, NULL);
    assert_non_null(r.o);
    return r;
}

static void finish(training *r) {
    bert_optimizer_free(r->o);
    bert_params_free(r->ps);
}

static void set_gradients(training *r, int step) {
    float size = step % 2 ? .25f : 1;
    float *w = bert_param_grad_mut(r->w, NULL);
    if (w) test_numbers(w, 10 + step, 30, size, 0);
    test_numbers(bert_param_grad_mut(r->b, NULL), 50 + step, 6, size, 0);
}

static void step(training *r, int i, double *norm) {
    set_gradients(r, i);
    assert_int_equal(bert_optimizer_step(r->o, .01 * (20 - i) / 20, 1.5, norm, NULL), 0);
}

static void test_golden(void **state) {
    (void)state;
    training r = start(1);
    for (int i = 0; i < 20; i++) {
        double norm;
        uint64_t version = r.w->memo.version;
        step(&r, i, &norm);
        assert_true(fabs(norm / golden_adamw_norms[i] - 1) < 1e-6);
        assert_true(r.w->memo.version > version);
        for (int j = 0; j < 30; j++) assert_true(bert_param_grad(r.w)[j] == 0);
    }
    assert_true(test_relative(r.w->value, golden_adamw_weight, 30) < 1e-6);
    assert_true(test_relative(r.b->value, golden_adamw_bias, 6) < 1e-6);
    finish(&r);
}

static void test_not_finite(void **state) {
    (void)state;
    training r = start(1);
    step(&r, 0, NULL);
    float w[30], m[30];
    memcpy(w, r.w->value, sizeof w);
    memcpy(m, bert_optimizer_state(r.o, r.w, NULL)->m, sizeof m);
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        set_gradients(&r, 1);
        bert_param_grad_mut(r.b, NULL)[3] = bad[i];
        bert_error e = {0};
        assert_int_equal(bert_optimizer_step(r.o, .01, 0, NULL, &e), BERT_ENUMERIC);
        assert_non_null(strstr(e.message, "w.bias"));
        assert_memory_equal(w, r.w->value, sizeof w);
        assert_memory_equal(m, bert_optimizer_state(r.o, r.w, NULL)->m, sizeof m);
        assert_int_equal(bert_optimizer_state(r.o, r.w, NULL)->steps, 1);
    }
    finish(&r);
}

/* State that is saved and put back continues to the bit. */
static void test_restore(void **state) {
    (void)state;
    training whole = start(1), first = start(1), second = start(1);
    for (int i = 0; i < 10; i++) step(&whole, i, NULL);
    for (int i = 0; i < 4; i++) step(&first, i, NULL);
    bert_param *from[] = {first.w, first.b}, *to[] = {second.w, second.b};
    for (int i = 0; i < 2; i++) {
        size_t bytes = bert_param_size(from[i]) * sizeof(float);
        assert_true(bert_optimizer_has_state(first.o, from[i]));
        assert_false(bert_optimizer_has_state(second.o, to[i]));
        bert_adamw_state *a = bert_optimizer_state(first.o, from[i], NULL);
        bert_adamw_state *b = bert_optimizer_state(second.o, to[i], NULL);
        memcpy(bert_param_value_mut(to[i]), from[i]->value, bytes);
        memcpy(b->m, a->m, bytes);
        memcpy(b->v, a->v, bytes);
        b->steps = a->steps;
    }
    for (int i = 4; i < 10; i++) step(&second, i, NULL);
    assert_memory_equal(whole.w->value, second.w->value, 30 * sizeof(float));
    assert_memory_equal(whole.b->value, second.b->value, 6 * sizeof(float));
    bert_error e = {0};
    assert_null(bert_optimizer_state(second.o, first.w, &e));
    assert_int_equal(e.code, BERT_EINVAL);
    bert_optimizer_forget(second.o);
    assert_false(bert_optimizer_has_state(second.o, second.w));
    finish(&whole);
    finish(&first);
    finish(&second);
}

/* Frozen parameters, those that no loss reached, and those that are registered later. */
static void test_left_alone(void **state) {
    (void)state;
    training r = start(1);
    float w[30];
    memcpy(w, r.w->value, sizeof w);
    bert_param_freeze(r.w, true);
    step(&r, 0, NULL);
    assert_memory_equal(w, r.w->value, sizeof w);
    assert_false(bert_optimizer_has_state(r.o, r.w));
    bert_param_freeze(r.w, false);
    assert_non_null(bert_param_grad(r.w)); /* looking at it is not a gradient */
    assert_int_equal(bert_optimizer_step(r.o, .01, 0, NULL, NULL), 0);
    assert_memory_equal(w, r.w->value, sizeof w);
    assert_int_equal(bert_optimizer_state(r.o, r.b, NULL)->steps, 1);
    bert_param *late = bert_param_new(r.ps, "late", 1, 2, BERT_INIT_ONE, NULL);
    bert_param_grad_mut(late, NULL)[0] = 1;
    double norm;
    assert_int_equal(bert_optimizer_step(r.o, .01, 0, &norm, NULL), 0);
    assert_true(norm == 1 && late->value[0] < 1 && bert_optimizer_has_state(r.o, late));
    finish(&r);
}

static void test_threads(void **state) {
    (void)state;
    enum { N = 70001 };
    float *values[3];
    double norms[3];
    for (int k = 0; k < 3; k++) {
        bert_params *ps = bert_params_new(1, .02f, NULL);
        bert_param *p = bert_param_new(ps, "p", 1, N, BERT_INIT_NORMAL, NULL);
        bert_optimizer *o = bert_optimizer_new(ps, NULL, k + 1, NULL);
        for (int i = 0; i < 3; i++) {
            test_numbers(bert_param_grad_mut(p, NULL), i, N, .01f, 0);
            assert_int_equal(bert_optimizer_step(o, .01, 1, &norms[k], NULL), 0);
        }
        values[k] = malloc(N * sizeof(float));
        assert_non_null(values[k]);
        memcpy(values[k], p->value, N * sizeof(float));
        assert_memory_equal(values[0], values[k], N * sizeof(float));
        assert_true(norms[0] == norms[k]);
        bert_optimizer_free(o);
        bert_params_free(ps);
    }
    for (int k = 0; k < 3; k++) free(values[k]);
}

static void test_bad_arguments(void **state) {
    (void)state;
    training r = start(1);
    bert_error e = {0};
    assert_int_equal(bert_optimizer_step(r.o, NAN, 1, NULL, &e), BERT_EINVAL);
    assert_int_equal(bert_optimizer_step(r.o, .1, -1, NULL, NULL), BERT_EINVAL);
    assert_int_equal(bert_optimizer_step(NULL, .1, 1, NULL, NULL), BERT_EINVAL);
    bert_adamw_options bad = bert_adamw_default();
    bad.beta2 = 1;
    assert_null(bert_optimizer_new(r.ps, &bad, 1, NULL));
    bert_params *fixed = bert_params_new_from(NULL, false, 1, .02f, NULL);
    e = (bert_error){0};
    assert_null(bert_optimizer_new(fixed, NULL, 1, &e));
    assert_int_equal(e.code, BERT_EINVAL);
    bert_params_free(fixed);
    bert_optimizer_free(NULL);
    finish(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_restore), cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
