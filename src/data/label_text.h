/* What the text of a label looks like, and the steps from such texts to labels. */
#ifndef BERT_DATA_LABEL_TEXT_H
#define BERT_DATA_LABEL_TEXT_H
#include "data/dataset.h"

bool bert_label_is_integer(const char *s); /* of at most nine digits, with or without a sign */
bool bert_label_number(const char *s, double *value);  /* any finite number */
bool bert_label_yes_no(const bert_text *f, bool *yes); /* 0, 1, 0.0, 1., true, False, .. */
/* Whether every distinct label is one; false where there are none. */
bool bert_labels_all(const bert_raw_labels *r, bool (*is)(const char *));
bool bert_label_is_number(const char *s);

/* The names that are known before the file is read: those of options->like, of the model with
 * options->model_labels, or label_names; n 0: none are. */
bert_labels bert_labels_known(const bert_dataset_builder *b);
/* What a label is called: itself, or the name that was given for its number; NULL where names were
 * given and it has none. */
const char *bert_label_called(const bert_labels *given, const char *text);
/* Its number among names: by name, or as the number itself where the names are words; -1: none. */
int32_t bert_label_number_of(char *const *names, int32_t n, const char *text);

/* label_fields.c: the labels of a row from its fields. */
int bert_labels_add(bert_dataset_builder *b, const bert_text *fields, int64_t line, bert_error *e);
/* How many rows have each distinct label, malloc'ed; NULL: out of memory. */
int64_t *bert_labels_count(const bert_dataset_builder *b, bert_error *e);
/* label_missing.c: leaves out rows whose label says that there is none, and says so; in doubt an
 * error that names the option. */
int bert_labels_leave_out(bert_dataset_builder *b, bert_error *e);
/* label_check.c: an error for one word among numbers, one point among whole numbers, and decimal
 * commas; a line for names that differ in case or blanks only. */
int bert_labels_check_numbers(const bert_dataset_builder *b, bert_error *e);
int bert_labels_check_names(bert_dataset_builder *b, bert_error *e);
/* label_lists.c: what lists mean: *hot where their elements are 0 and 1 at the places of the
 * labels. */
int bert_labels_of_lists(bert_dataset_builder *b, bool *hot, bert_error *e);
#endif
