/* Statistics of ranks, for metrics that need every value at once. */
#ifndef BERT_DATA_RANK_H
#define BERT_DATA_RANK_H
#include <bert.h>

/* Area under the ROC curve of scores (stride apart) for items with truth[i * stride] > 0.5; ties
 * count half. NaN when only one class is there. 0 or BERT_ENOMEM. */
int bert_rank_auc(const double *scores, const double *truth, size_t n, size_t stride, double *auc);
/* Pearson correlation of ranks, ties at their mean rank (scipy.stats.spearmanr); NaN for a
 * constant. */
int bert_rank_spearman(const double *x, const double *y, size_t n, double *rho);

/* Correlation in a stream (Welford). */
typedef struct {
    double n, mean_x, mean_y, xx, yy, xy;
} bert_correlation;
void bert_correlation_add(bert_correlation *c, double x, double y);
double bert_correlation_value(const bert_correlation *c); /* NaN for a constant, or under 2 items */
#endif
