/* The columns of a dataset: what rows carry, under names. A task says which it has by adding them
 * while it reads; growing, spilling to disk, leaving rows out and gathering a batch are loops over
 * them, so a column that a new task brings is known to nobody else.
 *
 *   name         of            numbers  per
 *   ids          all           int32    token
 *   type_ids     pairs         int32    token
 *   labels       classes       int32    row, or token (-100: none)
 *   targets      values, multi float32  row [num_labels]
 *   start_positions, end_positions, next_sentence_label ..: of their tasks
 *   pixels ..    inputs that are no token ids are columns as these are
 *
 * An item is a row, a sequence of it (choices, views) or a token; `start` of the set says which
 * tokens are a sequence's, and sequences of a row are `group`. Every column has all items. */
#ifndef BERT_DATA_COLUMNS_H
#define BERT_DATA_COLUMNS_H
#include <bert_train.h>

/* Zeroed: none. A column stays where it is when others are added; its data is grown
 * (base/grow.h), and ours to write. */
typedef struct {
    bert_column **at; /* [n] */
    int n;
} bert_columns;

size_t bert_column_bytes(const bert_column *c, int64_t items);
/* NULL for NULL. */
int32_t *bert_column_ints(const bert_column *c);
float *bert_column_floats(const bert_column *c);
/* NULL: none of that name. */
bert_column *bert_columns_find(const bert_columns *c, const char *name);
/* The column of like's name, which is made where it is not there, with room for like->count items,
 * as many as it then has; those that are new are not set. NULL: no memory, or no room on disk. */
bert_column *bert_columns_grow(bert_columns *c, const bert_column *like, bert_error *e);
/* The items of rows that are marked leave. Rows are sequences; start is that of before. */
void bert_columns_leave_out(bert_columns *c, const int64_t *start, int64_t rows, const bool *out);
void bert_columns_free(bert_columns *c);
#endif
