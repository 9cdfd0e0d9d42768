/* Options of tasks whose rows or words have labels. */
#ifndef BERT_DATA_LABEL_OPTIONS_H
#define BERT_DATA_LABEL_OPTIONS_H
#include "data/options.h"

/* label_names, of rows and words; the others are of rows alone. */
extern const bert_option_row bert_label_names_option[], bert_label_options[];

/* NULL: not set. */
const char *bert_label_names_of(const bert_dataset_options *o);
const char *bert_label_separator_of(const bert_dataset_options *o);
const char *bert_missing_label_of(const bert_dataset_options *o);
const char *bert_positive_label_of(const bert_dataset_options *o);
#endif
