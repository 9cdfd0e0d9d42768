#include "models/integration.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

/* Legendre's polynomial of degree n at x, and its derivative. */
static double legendre(int32_t n, double x, double *slope) {
    double before = 1, p = x;
    for (int32_t k = 2; k <= n; k++) {
        const double next = ((2 * k - 1) * x * p - (k - 1) * before) / k;
        before = p;
        p = next;
    }
    *slope = n * (x * p - before) / (x * x - 1);
    return p;
}

/* The roots of that polynomial, by Newton's method, moved from -1 .. 1 to 0 .. 1. */
static void gauss_legendre(int32_t n, double *at, double *weight) {
    for (int32_t i = 0; i < n; i++) {
        double x = -cos(acos(-1.0) * (i + 0.75) / (n + 0.5)), slope = 1, step = 1;
        for (int turns = 0; turns < 100 && fabs(step) > 1e-16; turns++) {
            const double p = n == 1 ? (slope = 1, x) : legendre(n, x, &slope);
            x -= step = p / slope;
        }
        if (n > 1) legendre(n, x, &slope);
        at[i] = 0.5 * x + 0.5;
        weight[i] = 1 / ((1 - x * x) * slope * slope);
    }
}

static void equal(int32_t n, double first, double step, double *at, double *weight) {
    for (int32_t i = 0; i < n; i++) {
        at[i] = first + i * step;
        weight[i] = 1.0 / n;
    }
}

static void trapezoid(int32_t n, double *at, double *weight) {
    equal(n, 0, n > 1 ? 1.0 / (n - 1) : 0, at, weight);
    weight[0] /= 2;
    if (n > 1) weight[n - 1] /= 2;
}

static void left(int32_t n, double *at, double *weight) {
    equal(n, 0, 1.0 / n, at, weight);
}

static void middle(int32_t n, double *at, double *weight) {
    equal(n, 0.5 / n, 1.0 / n, at, weight);
}

static void right(int32_t n, double *at, double *weight) {
    equal(n, 1.0 / n, 1.0 / n, at, weight);
}

static const struct {
    const char *name;
    void (*fill)(int32_t n, double *at, double *weight);
} rules[] = {{"gausslegendre", gauss_legendre},
             {"riemann_trapezoid", trapezoid},
             {"riemann_left", left},
             {"riemann_middle", middle},
             {"riemann_right", right}};

int bert_integration(const char *rule, int32_t n, double *at, double *weight, bert_error *e) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!rule || !strcmp(rule, rules[i].name)) {
            rules[i].fill(n, at, weight);
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no rule \"%.40s\" of integration; it is gausslegendre, "
                     "riemann_trapezoid, riemann_left, riemann_middle or riemann_right",
                     rule);
}
