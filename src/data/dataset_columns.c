/* Columns of a dataset by name. */
#include "base/error.h"
#include "data/dataset.h"
#include <string.h>

bert_shape bert_dataset_shape(const bert_dataset *d) {
    return (bert_shape){d->rows, d->group, d->row, d->start};
}

int64_t bert_dataset_units(const bert_dataset *d, bert_column_per per) {
    return per == BERT_PER_ROW        ? d->rows
           : per == BERT_PER_SEQUENCE ? d->sequences
           : d->sequences             ? d->start[d->sequences]
                                      : 0;
}

const char *bert_unit_name(bert_column_per per) {
    return per == BERT_PER_ROW ? "rows" : per == BERT_PER_SEQUENCE ? "sequences" : "tokens";
}

int32_t *bert_dataset_ints(const bert_dataset *d, const char *name) {
    return bert_column_ints(bert_columns_find(&d->columns, name));
}

float *bert_dataset_floats(const bert_dataset *d, const char *name) {
    return bert_column_floats(bert_columns_find(&d->columns, name));
}

int32_t *bert_dataset_row_labels(const bert_dataset *d) {
    const bert_column *c = bert_columns_find(&d->columns, "labels");
    return c && c->per == BERT_PER_ROW ? bert_column_ints(c) : NULL;
}

bool bert_dataset_is_labelled(const bert_dataset *d) {
    return bert_columns_find(&d->columns, "labels") || bert_columns_find(&d->columns, "targets");
}

int32_t *bert_dataset_grow_ints(bert_dataset *d, const char *name, bert_column_per per,
                                int64_t count, bert_error *e) {
    const bert_column like = {
        .name = name, .type = BERT_COLUMN_INT32, .per = per, .width = 1, .count = count};
    return bert_column_ints(bert_columns_grow(&d->columns, &like, e));
}

float *bert_dataset_grow_floats(bert_dataset *d, const char *name, int32_t width, int64_t rows,
                                bert_error *e) {
    const bert_column like = {
        .name = name, .type = BERT_COLUMN_FLOAT32, .width = width, .count = rows};
    return bert_column_floats(bert_columns_grow(&d->columns, &like, e));
}

/* ---- For everybody */

bool bert_dataset_column_at(const bert_dataset *d, int i, bert_column *out) {
    if (!d || i < 0 || i >= d->columns.n) return false;
    *out = *d->columns.at[i];
    return true;
}

/* Names that a set gives itself, or may. */
static bool is_ours(const char *name) {
    static const char *const names[] = {"ids", "type_ids", "labels", "targets"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

/* A start is from 0 to the number of items, never back. */
static bool is_start(const bert_column *c, int64_t units) {
    bool rises = c->start[0] == 0 && c->start[units] == c->count;
    for (int64_t i = 0; i < units && rises; i++) rises = c->start[i] <= c->start[i + 1];
    return rises;
}

int bert_dataset_add_column(bert_dataset *d, const bert_column *column, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(d, "dataset to add a column to", e) || bert_need(column, "column to add", e))
        return BERT_EINVAL;
    const char *name = column->name;
    if (!name || !*name || !column->data || column->width < 1 || column->per > BERT_PER_TOKEN ||
        column->type > BERT_COLUMN_FLOAT32)
        return bert_fail(e, BERT_EINVAL,
                         "a column needs a name, data, a width, and to be of rows, sequences or "
                         "tokens");
    if (bert_columns_find(&d->columns, name) || is_ours(name))
        return bert_fail(e, BERT_EINVAL, "%s: the set has a column \"%.60s\" of its own", d->where,
                         name);
    const int64_t units = bert_dataset_units(d, column->per);
    if (!column->start && column->count != units)
        return bert_fail(e, BERT_EINVAL, "%s: the column \"%.60s\" is of %lld %s; there are %lld",
                         d->where, name, (long long)column->count, bert_unit_name(column->per),
                         (long long)units);
    if (column->start && !is_start(column, units))
        return bert_fail(e, BERT_EINVAL,
                         "%s: the start of the column \"%.60s\" does not rise from 0 to its %lld "
                         "items over %lld %s",
                         d->where, name, (long long)column->count, (long long)units,
                         bert_unit_name(column->per));
    return bert_columns_copy(&d->columns, column, units, e);
}
