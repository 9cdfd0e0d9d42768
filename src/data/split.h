/* Which rows of a file are held out for validation. A file is read twice: first only its groups and
 * labels, by the task's own loop, which asks this about each row; then one of the two parts. */
#ifndef BERT_DATA_SPLIT_H
#define BERT_DATA_SPLIT_H
#include "data/dataset.h"

typedef struct {
    int fields, labels;
    const char *const *field, *const *label;
    int64_t line;
} bert_split_row;

/* The rows of the file of a builder begin. column: of the split's group_column in it, by name, or -1. */
int bert_split_begin(bert_dataset_builder *b, int column, bert_error *e);
/* 1: the next row is one of those that are read; 0: it is passed over; or an error. */
int bert_split_takes(bert_dataset_builder *b, const bert_split_row *row, bert_error *e);
/* Of the split that the builder reads by; NULL: none. */
const char *bert_split_group_column(const bert_dataset_builder *b);

/* Collects the rows of a file into s; dataset_file.c. */
int bert_split_read(bert_data_split *s, const char *path, const bert_model *base,
                    const bert_dataset_options *options, bert_error *e);
#endif
