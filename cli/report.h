/* Metrics for people and for programs. */
#ifndef BERT_CLI_REPORT_H
#define BERT_CLI_REPORT_H
#include "cli.h"
#include <bert_train.h>

/* Adds every result under prefix + its name, and the class that some are of as "positive_label". */
int report_json(json_t *object, const char *prefix, const bert_metrics *m, const bert_dataset *d);
/* " (of 'hate')" for a metric of one class, else "". */
const char *report_of(const bert_metrics *m, const bert_dataset *d, int i);
/* Results in columns, and for classes: the line per class, the confusion matrix and what always
 * answering the most frequent class would reach. */
void report_columns(const bert_metrics *m, const bert_dataset *d);
/* Of tags: types, confusions, the sentences with most mistakes; of other tasks nothing. */
int report_tags(const bert_metrics *m, bert_error *e);
/* The part of the rows that the most frequent class has, and that class; -1 where there are no
 * classes. */
double report_majority(const bert_dataset *d, int32_t *label);
#endif
