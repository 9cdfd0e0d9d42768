#include "cpu/host.h"
#include "cpu/kernels.h"

void bert_host_softmax(float *x, int rows, int cols) {
    bert_cpu()->softmax(x, cols, rows, cols, 1, NULL);
}

void bert_host_sigmoid(float *x, size_t n) {
    bert_cpu()->act[BERT_ACT_SIGMOID].forward(x, x, n);
}

void bert_host_add(float *y, const float *x, size_t n) {
    bert_cpu()->add(y, y, x, n);
}

void bert_host_axpy(float *y, float s, const float *x, size_t n) {
    bert_cpu()->axpy(y, s, x, n);
}

double bert_host_sum_squares(const float *x, size_t n) {
    return bert_cpu()->sum_squares(x, n);
}

float bert_host_dot(const float *a, const float *b, size_t n) {
    return bert_cpu()->dot(a, b, n);
}
