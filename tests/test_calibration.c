/* Temperature, calibration error and thresholds, against what made the data and against all cases.
 */
#include "base/rng.h"
#include "data/calibration.h"
#include "test.h"
#include <math.h>

enum { ROWS = 20000, CLASSES = 3 };

/* Labels drawn from softmax(logits): a model that is right about itself. */
static void draw(float *logits, int32_t *labels) {
    bert_rng r = {.seed = 7};
    bert_rng_normal(&r, logits, (size_t)ROWS * CLASSES, 1.5f);
    for (int i = 0; i < ROWS; i++) {
        const float *x = logits + i * CLASSES;
        double sum = 0, u = bert_rng_uniform(&r);
        for (int k = 0; k < CLASSES; k++) sum += exp((double)x[k]);
        labels[i] = CLASSES - 1;
        for (int k = 0; k < CLASSES - 1; k++)
            if ((u -= exp((double)x[k]) / sum) < 0) {
                labels[i] = k;
                break;
            }
    }
}

static void temperature_undoes_a_scale(void **state) {
    (void)state;
    static float logits[ROWS * CLASSES], hot[ROWS * CLASSES];
    static int32_t labels[ROWS];
    draw(logits, labels);
    assert_float_equal(bert_fit_temperature(logits, labels, ROWS, CLASSES), 1, 0.03);
    assert_true(bert_calibrate(logits, labels, ROWS, CLASSES, 1).ece < 0.012);
    for (int i = 0; i < ROWS * CLASSES; i++) hot[i] = 3 * logits[i];
    double t = bert_fit_temperature(hot, labels, ROWS, CLASSES);
    assert_float_equal(t, 3, 0.1);
    bert_calibration before = bert_calibrate(hot, labels, ROWS, CLASSES, 1),
                     after = bert_calibrate(hot, labels, ROWS, CLASSES, t);
    assert_true(before.ece > 0.1 && after.ece < 0.012 && after.nll < before.nll);
    /* It is the least: a little more or less is worse. */
    assert_true(bert_calibrate(hot, labels, ROWS, CLASSES, t * 1.01).nll >= after.nll);
    assert_true(bert_calibrate(hot, labels, ROWS, CLASSES, t / 1.01).nll >= after.nll);
}

static void error_of_a_few_rows(void **state) {
    (void)state;
    const float third = logf(3), logits[] = {third, 0, third, 0, third, 0, third, 0};
    const int32_t labels[] = {0, 0, 1, 1}; /* 0.75 sure, half right */
    bert_calibration c = bert_calibrate(logits, labels, 4, 2, 1);
    assert_float_equal(c.ece, 0.25, 1e-6);
    assert_int_equal(c.rows[7], 4);
    assert_float_equal(c.accuracy[7], 0.5, 1e-9);
    assert_float_equal(c.nll, -(log(0.75) + log(0.25)) / 2, 1e-6);
}

static double f1_at(const float *x, const float *y, int n, double threshold) {
    double hit = 0, predicted = 0, truth = 0;
    for (int i = 0; i < n; i++) {
        bool p = 1 / (1 + exp(-(double)x[i])) >= threshold;
        hit += p && y[i] > 0.5f;
        predicted += p;
        truth += y[i] > 0.5f;
    }
    return predicted + truth > 0 ? 2 * hit / (predicted + truth) : 0;
}

static void threshold_is_the_best(void **state) {
    (void)state;
    float x[200], y[200];
    bert_rng r = {.seed = 9};
    for (int round = 0; round < 20; round++) {
        bert_rng_normal(&r, x, 200, 1);
        for (int i = 0; i < 200; i++) {
            y[i] = (double)x[i] + bert_rng_uniform(&r) * 3 > 2;
            x[i] = roundf(x[i] * 8) / 8; /* some are alike */
        }
        double threshold, f1, best = 0;
        assert_int_equal(bert_fit_threshold(x, y, 200, 1, &threshold, &f1), 0);
        for (int i = 0; i < 200; i++) {
            double f = f1_at(x, y, 200, 1 / (1 + exp(-(double)x[i])));
            if (f > best) best = f;
        }
        assert_float_equal(f1, best, 1e-12);
        assert_float_equal(f1_at(x, y, 200, threshold), best, 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temperature_undoes_a_scale),
        cmocka_unit_test(error_of_a_few_rows),
        cmocka_unit_test(threshold_is_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
