/* Arithmetic on results, which lie in the host's memory wherever a model runs: what scores, pooling
 * and the tasks need of it. */
#ifndef BERT_CPU_HOST_H
#define BERT_CPU_HOST_H
#include <stddef.h>

void bert_host_softmax(float *x, int rows, int cols);             /* of each row, in place */
void bert_host_sigmoid(float *x, size_t n);                       /* in place */
void bert_host_add(float *y, const float *x, size_t n);           /* y += x */
void bert_host_axpy(float *y, float s, const float *x, size_t n); /* y += s x */
double bert_host_sum_squares(const float *x, size_t n);           /* accumulated in double */
float bert_host_dot(const float *a, const float *b, size_t n);
#endif
