/* How far probabilities can be believed, and what makes them more believable. */
#ifndef BERT_DATA_CALIBRATION_H
#define BERT_DATA_CALIBRATION_H
#include <bert.h>

enum { BERT_BINS = 10 };
/* Rows by the probability of their predicted class, in bins of equal width. */
typedef struct {
    double confidence[BERT_BINS], accuracy[BERT_BINS]; /* means of the bin's rows */
    int64_t rows[BERT_BINS];
    double
        ece; /* expected calibration error: mean |accuracy - confidence|, by rows (Naeini 2015) */
    double nll; /* mean negative log likelihood */
} bert_calibration;
/* Of softmax(logits [rows, n] / temperature) and labels [rows]. */
bert_calibration bert_calibrate(const float *logits, const int32_t *labels, int64_t rows, int32_t n,
                                double temperature);
/* The temperature with the least negative log likelihood (Guo 2017), from 0.05 to 20. */
double bert_fit_temperature(const float *logits, const int32_t *labels, int64_t rows, int32_t n);
/* The threshold of sigmoid(score) that gives the best F1, and that F1: rows at or above it are
 * positive. BERT_ENOMEM or 0. */
int bert_fit_threshold(const float *scores, const float *targets, int64_t rows, int32_t stride,
                       double *threshold, double *f1);
#endif
