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
 * A unit is a row, a sequence of it (choices, views) or a token: the set's shape says which are
 * whose. A column has an item for each unit, or (with a start of its own) any number. */
#ifndef BERT_DATA_COLUMNS_H
#define BERT_DATA_COLUMNS_H
#include "data/lay.h"
#include <bert_train.h>

/* Zeroed: none. A column stays where it is when others are added; its data is grown
 * (base/grow.h), and ours to write. */
typedef struct {
    bert_column **at; /* [n] */
    int n;
} bert_columns;

/* Which sequences are a row's, and which tokens a sequence's. */
typedef struct {
    int64_t rows;
    int32_t group;        /* sequences of every row; 0: row says */
    const int64_t *row;   /* [rows + 1] in sequences; NULL: group each */
    const int64_t *start; /* [sequences + 1] in tokens */
} bert_shape;

/* The first unit of a row; that of rows is how many there are. */
int64_t bert_shape_unit(const bert_shape *s, bert_column_per per, int64_t row);
/* The first item of a unit. */
int64_t bert_column_item(const bert_column *c, int64_t unit);
size_t bert_column_bytes(const bert_column *c, int64_t items);
/* NULL for NULL. */
int32_t *bert_column_ints(const bert_column *c);
float *bert_column_floats(const bert_column *c);
/* NULL: none of that name. */
bert_column *bert_columns_find(const bert_columns *c, const char *name);
/* The column of like's name, which is made where it is not there, with room for like->count items,
 * as many as it then has; those that are new are not set. NULL: no memory, or no room on disk. */
bert_column *bert_columns_grow(bert_columns *c, const bert_column *like, bert_error *e);
/* like->count further items from like->data, of a column with an item for each unit. */
int bert_columns_append(bert_columns *c, const bert_column *like, bert_error *e);
/* The same as those of the next unit, of a column that has any number for each; maybe none. */
int bert_columns_append_any(bert_columns *c, const bert_column *like, bert_error *e);
/* A new column: a copy; its start, if it has one, is of so many units. */
int bert_columns_copy(bert_columns *c, const bert_column *from, int64_t units, bert_error *e);
/* Of how many units a column is. */
int64_t bert_columns_units(const bert_column *c);
/* The items of rows that are marked leave. shape: of before. */
void bert_columns_leave_out(bert_columns *c, const bert_shape *shape, const bool *out);
void bert_columns_free(bert_columns *c);
void bert_columns_lay(bert_columns *c, bert_laid *l);
#endif
