#include "models/torch_act.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

static double identity(double x) {
    return x;
}
static double sigmoid(double x) {
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static double relu(double x) {
    return x > 0 ? x : 0;
}
static double relu6(double x) {
    return x > 0 ? x < 6 ? x : 6 : 0;
}
static double leaky_relu(double x) {
    return x > 0 ? x : 0.01 * x;
}
/* Outside training its slope is the middle of 1/8 and 1/3. */
static double rrelu(double x) {
    return x > 0 ? x : (1.0 / 8 + 1.0 / 3) / 2 * x;
}
static double elu(double x) {
    return x > 0 ? x : expm1(x);
}
static double selu(double x) {
    const double alpha = 1.6732632423543772848170429916717;
    const double scale = 1.0507009873554804934193349852946;
    return scale * (x > 0 ? x : alpha * expm1(x));
}
static double gelu(double x) {
    return x / 2 * (1 + erf(x / sqrt(2)));
}
static double silu(double x) {
    return x * sigmoid(x);
}
static double softplus(double x) {
    return x > 20 ? x : log1p(exp(x));
}
static double mish(double x) {
    return x * tanh(softplus(x));
}
static double log_sigmoid(double x) {
    return x < 0 ? x - log1p(exp(x)) : -log1p(exp(-x));
}
static double softsign(double x) {
    return x / (1 + fabs(x));
}
static double tanhshrink(double x) {
    return x - tanh(x);
}
static double hardtanh(double x) {
    return x > 1 ? 1 : x < -1 ? -1 : x;
}
static double hardsigmoid(double x) {
    return relu6(x + 3) / 6;
}
static double hardswish(double x) {
    return x * hardsigmoid(x);
}
static double hardshrink(double x) {
    return fabs(x) > 0.5 ? x : 0;
}
static double softshrink(double x) {
    return x > 0.5 ? x - 0.5 : x < -0.5 ? x + 0.5 : 0;
}

static const struct {
    const char *name;
    bert_torch_act *f;
} table[] = {
    {"Identity", identity},
    {"Tanh", tanh},
    {"Sigmoid", sigmoid},
    {"ReLU", relu},
    {"ReLU6", relu6},
    {"LeakyReLU", leaky_relu},
    {"RReLU", rrelu},
    {"ELU", elu},
    {"CELU", elu}, /* the same with their default, 1 */
    {"SELU", selu},
    {"GELU", gelu},
    {"SiLU", silu},
    {"Mish", mish},
    {"Softplus", softplus},
    {"Softsign", softsign},
    {"LogSigmoid", log_sigmoid},
    {"Tanhshrink", tanhshrink},
    {"Hardtanh", hardtanh},
    {"Hardsigmoid", hardsigmoid},
    {"Hardswish", hardswish},
    {"Hardshrink", hardshrink},
    {"Softshrink", softshrink},
};

bert_torch_act *bert_torch_act_find(const char *path) {
    const char *dot = strrchr(path, '.');
    if (strncmp(path, "torch.", 6)) return NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(dot + 1, table[i].name)) return table[i].f;
    return NULL;
}
