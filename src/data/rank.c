#include "data/rank.h"
#include <math.h>
#include <stdlib.h>

typedef struct {
    double value;
    size_t item;
} entry;

static int by_value(const void *a, const void *b) {
    double x = ((const entry *)a)->value, y = ((const entry *)b)->value;
    return (x > y) - (x < y);
}

/* ranks[i]: 1 for the smallest value; equal values share the mean of their ranks. */
static int rank(const double *values, size_t n, size_t stride, double *ranks) {
    entry *sorted = malloc((n ? n : 1) * sizeof *sorted);
    if (!sorted) return BERT_ENOMEM;
    for (size_t i = 0; i < n; i++) sorted[i] = (entry){values[i * stride], i};
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && sorted[j].value <= sorted[i].value;) j++;
        for (size_t k = i; k < j; k++) ranks[sorted[k].item] = ((double)i + 1 + (double)j) / 2;
    }
    free(sorted);
    return BERT_OK;
}

int bert_rank_auc(const double *scores, const double *truth, size_t n, size_t stride, double *auc) {
    double *ranks = malloc((n ? n : 1) * sizeof *ranks);
    int rc = ranks ? rank(scores, n, stride, ranks) : BERT_ENOMEM;
    if (!rc) {
        double positive = 0, sum = 0;
        for (size_t i = 0; i < n; i++) {
            if (truth[i * stride] <= 0.5) continue;
            positive++;
            sum += ranks[i];
        }
        double negative = (double)n - positive;
        *auc = positive > 0 && negative > 0
                   ? (sum - positive * (positive + 1) / 2) / (positive * negative)
                   : (double)NAN;
    }
    free(ranks);
    return rc;
}

int bert_rank_spearman(const double *x, const double *y, size_t n, double *rho) {
    double *ranks = n > SIZE_MAX / 16 ? NULL : malloc((n ? n : 1) * 2 * sizeof *ranks);
    int rc = ranks ? rank(x, n, 1, ranks) : BERT_ENOMEM;
    if (!rc) rc = rank(y, n, 1, ranks + n);
    if (!rc) {
        bert_correlation c = {0};
        for (size_t i = 0; i < n; i++) bert_correlation_add(&c, ranks[i], ranks[n + i]);
        *rho = bert_correlation_value(&c);
    }
    free(ranks);
    return rc;
}

void bert_correlation_add(bert_correlation *c, double x, double y) {
    c->n++;
    double dx = x - c->mean_x, dy = y - c->mean_y;
    c->mean_x += dx / c->n;
    c->mean_y += dy / c->n;
    c->xx += dx * (x - c->mean_x);
    c->yy += dy * (y - c->mean_y);
    c->xy += dx * (y - c->mean_y);
}

double bert_correlation_value(const bert_correlation *c) {
    if (c->n < 2 || c->xx <= 0 || c->yy <= 0) return (double)NAN;
    double r = c->xy / sqrt(c->xx) / sqrt(c->yy);
    return r > 1 ? 1 : r < -1 ? -1 : r;
}
