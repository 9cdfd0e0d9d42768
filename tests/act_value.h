/* Activations in double precision, as their papers and PyTorch write them: what kernels and operations are held to. */
#ifndef TEST_ACT_VALUE_H
#define TEST_ACT_VALUE_H
#include <bert.h>
#include <math.h>

static inline double phi(double x) {
    return 0.5 * erfc(-x / sqrt(2));
}
static inline double act_value(int act, double x) {
    switch (act) {
    case BERT_ACT_GELU:
        return x * phi(x);
    case BERT_ACT_GELU_NEW:
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case BERT_ACT_RELU:
        return x > 0 ? x : 0;
    case BERT_ACT_TANH:
        return tanh(x);
    case BERT_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case BERT_ACT_SILU:
        return x / (1 + exp(-x));
    case BERT_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case BERT_ACT_GELU_10:
        return fmin(10, x * phi(x));
    case BERT_ACT_MISH:
        return x * tanh(log1p(exp(x)));
    case BERT_ACT_HARDSWISH:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    case BERT_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    case BERT_ACT_RELU2:
        return x > 0 ? x * x : 0;
    case BERT_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.01 * x;
    default:
        return x;
    }
}
#endif
