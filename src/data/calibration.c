#include "data/calibration.h"
#include <math.h>
#include <stdlib.h>

/* -log of the label's probability; *best: the predicted class, *confidence: its probability. */
static double look(const float *x, int32_t n, int32_t label, double temperature, int32_t *best,
                   double *confidence) {
    *best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[*best]) *best = i;
    double sum = 0;
    for (int32_t i = 0; i < n; i++) sum += exp((double)(x[i] - x[*best]) / temperature);
    *confidence = 1 / sum;
    return log(sum) - (double)(x[label] - x[*best]) / temperature;
}

bert_calibration bert_calibrate(const float *logits, const int32_t *labels, int64_t rows, int32_t n,
                                double temperature) {
    bert_calibration c = {.ece = 0};
    for (int64_t r = 0; r < rows; r++) {
        int32_t best;
        double p;
        c.nll += look(logits + r * n, n, labels[r], temperature, &best, &p);
        int bin = (int)(p * BERT_BINS);
        if (bin == BERT_BINS) bin--;
        c.rows[bin]++;
        c.confidence[bin] += p;
        c.accuracy[bin] += best == labels[r];
    }
    for (int i = 0; i < BERT_BINS; i++) {
        if (!c.rows[i]) continue;
        c.ece += fabs(c.accuracy[i] - c.confidence[i]) / (double)rows;
        c.confidence[i] /= (double)c.rows[i];
        c.accuracy[i] /= (double)c.rows[i];
    }
    c.nll /= (double)(rows ? rows : 1);
    return c;
}

/* The likelihood has one minimum in 1 / temperature: golden section in its logarithm. */
double bert_fit_temperature(const float *logits, const int32_t *labels, int64_t rows, int32_t n) {
    const double ratio = 0.6180339887498949;
    double low = log(0.05), high = log(20), a = high - ratio * (high - low),
           b = low + ratio * (high - low);
    double at_a = bert_calibrate(logits, labels, rows, n, exp(a)).nll,
           at_b = bert_calibrate(logits, labels, rows, n, exp(b)).nll;
    for (int i = 0; i < 40; i++) {
        if (at_a < at_b) {
            high = b, b = a, at_b = at_a, a = high - ratio * (high - low);
            at_a = bert_calibrate(logits, labels, rows, n, exp(a)).nll;
        } else {
            low = a, a = b, at_a = at_b, b = low + ratio * (high - low);
            at_b = bert_calibrate(logits, labels, rows, n, exp(b)).nll;
        }
    }
    return exp((low + high) / 2);
}

typedef struct {
    float score;
    bool truth;
} scored;

static int highest_first(const void *a, const void *b) {
    float x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return x < y ? 1 : x > y ? -1 : 0;
}

int bert_fit_threshold(const float *scores, const float *targets, int64_t rows, int32_t stride,
                       double *threshold, double *f1) {
    scored *list = malloc(((size_t)rows + 1) * sizeof *list);
    if (!list) return BERT_ENOMEM;
    int64_t positives = 0, hit = 0;
    for (int64_t i = 0; i < rows; i++) {
        list[i] = (scored){scores[i * stride], targets[i * stride] > 0.5f};
        positives += list[i].truth;
    }
    qsort(list, (size_t)rows, sizeof *list, highest_first);
    *threshold = 0.5;
    *f1 = 0;
    for (int64_t i = 0; i < rows; i++) {
        hit += list[i].truth;
        if (i + 1 < rows && list[i + 1].score == list[i].score) continue; /* one cannot be parted */
        double f = 2 * (double)hit / (double)(i + 1 + positives);
        if (f <= *f1) continue;
        *f1 = f;
        double at = 1 / (1 + exp(-(double)list[i].score));
        double below = i + 1 < rows ? 1 / (1 + exp(-(double)list[i + 1].score)) : 0;
        *threshold = i + 1 < rows ? (at + below) / 2 : at;
    }
    free(list);
    return 0;
}
