#include "data/columns.h"
#include "base/error.h"
#include "base/grow.h"
#include <stdlib.h>
#include <string.h>

/* Both types are of 32 bits. */
enum { NUMBER = 4 };
_Static_assert(sizeof(int32_t) == NUMBER && sizeof(float) == NUMBER, "widths of columns");

static size_t item_bytes(const bert_column *c) {
    return (size_t)c->width * NUMBER;
}

size_t bert_column_bytes(const bert_column *c, int64_t items) {
    return (size_t)items * item_bytes(c);
}

static void *data_of(const bert_column *c) {
    return c ? (void *)(uintptr_t)c->data : NULL;
}

int32_t *bert_column_ints(const bert_column *c) {
    return data_of(c);
}

float *bert_column_floats(const bert_column *c) {
    return data_of(c);
}

bert_column *bert_columns_find(const bert_columns *c, const char *name) {
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->at[i]->name, name)) return c->at[i];
    return NULL;
}

/* What a column is, with how many units its start is of. */
typedef struct {
    bert_column column; /* which stands for it */
    int64_t units;
} stored;

static int64_t *start_of(const bert_column *c) {
    return (int64_t *)(uintptr_t)c->start;
}

static void free_column(bert_column *c) {
    if (!c) return;
    free((void *)(uintptr_t)c->name);
    bert_grown_free(data_of(c));
    bert_grown_free(start_of(c));
    free(c);
}

static bert_column *add(bert_columns *c, const bert_column *like, bert_error *e) {
    bert_column **at = realloc(c->at, ((size_t)c->n + 1) * sizeof *at);
    if (at) c->at = at;
    stored *made = at ? calloc(1, sizeof *made) : NULL;
    if (made)
        made->column = (bert_column){
            .name = strdup(like->name), .type = like->type, .per = like->per, .width = like->width};
    if (made && made->column.name) return c->at[c->n++] = &made->column;
    if (made) free_column(&made->column);
    bert_fail_memory(e, sizeof *made);
    return NULL;
}

bert_column *bert_columns_grow(bert_columns *c, const bert_column *like, bert_error *e) {
    bert_column *one = bert_columns_find(c, like->name);
    if (!one) one = add(c, like, e);
    if (!one || bert_grow(&one->data, (size_t)like->count, item_bytes(one), e)) return NULL;
    one->count = like->count;
    return one;
}

int bert_columns_append(bert_columns *c, const bert_column *like, bert_error *e) {
    const bert_column *there = bert_columns_find(c, like->name);
    const int64_t before = there ? there->count : 0;
    bert_column more = *like;
    more.count += before;
    const bert_column *one = bert_columns_grow(c, &more, e);
    if (!one) return e->code;
    if (like->count)
        memcpy((char *)data_of(one) + bert_column_bytes(one, before), like->data,
               bert_column_bytes(one, like->count));
    return BERT_OK;
}

/* Room in the start of a column for that of so many units. */
static int grow_start(bert_column *c, int64_t units, bert_error *e) {
    const bool first = !c->start;
    int rc = bert_grow(&c->start, (size_t)units + 1, sizeof *c->start, e);
    if (!rc && first) start_of(c)[0] = 0;
    return rc;
}

int bert_columns_append_any(bert_columns *c, const bert_column *like, bert_error *e) {
    int rc = bert_columns_append(c, like, e);
    if (rc) return rc;
    stored *one = (stored *)bert_columns_find(c, like->name);
    rc = grow_start(&one->column, one->units + 1, e);
    if (!rc) start_of(&one->column)[++one->units] = one->column.count;
    return rc;
}

int bert_columns_copy(bert_columns *c, const bert_column *from, int64_t units, bert_error *e) {
    int rc = bert_columns_append(c, from, e);
    if (rc || !from->start) return rc;
    stored *one = (stored *)bert_columns_find(c, from->name);
    if ((rc = grow_start(&one->column, units, e))) return rc;
    memcpy(start_of(&one->column), from->start, ((size_t)units + 1) * sizeof *from->start);
    one->units = units;
    return BERT_OK;
}

int64_t bert_columns_units(const bert_column *c) {
    return c->start ? ((const stored *)c)->units : c->count;
}

/* ---- Units and items */

int64_t bert_shape_unit(const bert_shape *s, bert_column_per per, int64_t row) {
    if (per == BERT_PER_ROW) return row;
    const int64_t sequence = s->row ? s->row[row] : row * s->group;
    if (per == BERT_PER_SEQUENCE) return sequence;
    return s->start ? s->start[sequence] : 0;
}

int64_t bert_column_item(const bert_column *c, int64_t unit) {
    return c->start ? c->start[unit] : unit;
}

/* Units [from, to) and their items come to lie behind those that stay. */
static void keep(stored *s, int64_t *units, int64_t from, int64_t to) {
    bert_column *c = &s->column;
    const int64_t first = bert_column_item(c, from), end = bert_column_item(c, to);
    char *data = data_of(c);
    if (end > first)
        memmove(data + bert_column_bytes(c, c->count), data + bert_column_bytes(c, first),
                bert_column_bytes(c, end - first));
    for (int64_t u = from; c->start && u < to; u++)
        start_of(c)[*units + u - from + 1] = c->count + c->start[u + 1] - first;
    c->count += end - first;
    *units += to - from;
}

void bert_columns_leave_out(bert_columns *c, const bert_shape *shape, const bool *out) {
    for (int i = 0; i < c->n; i++) {
        stored *one = (stored *)c->at[i];
        int64_t units = 0;
        one->column.count = 0;
        for (int64_t row = 0; row < shape->rows; row++)
            if (!out[row])
                keep(one, &units, bert_shape_unit(shape, one->column.per, row),
                     bert_shape_unit(shape, one->column.per, row + 1));
        if (one->column.start) one->units = units;
    }
}

void bert_columns_free(bert_columns *c) {
    for (int i = 0; i < c->n; i++) free_column(c->at[i]);
    free(c->at);
    *c = (bert_columns){0};
}

void bert_columns_lay(bert_columns *c, bert_laid *l) {
    int n = c->n;
    BERT_LAY(l, n);
    if (l->taken) *c = (bert_columns){.at = calloc((size_t)n + 1, sizeof *c->at)};
    for (int i = 0; i < n; i++) {
        stored none = {0}, *made = l->taken && c->at ? calloc(1, sizeof *made) : NULL;
        stored *one = made ? made : l->taken ? &none : (stored *)c->at[i];
        char *name = (char *)(uintptr_t)one->column.name;
        BERT_LAY(l, *one);
        bert_lay_string(l, &name);
        one->column.name = name;
        bert_lay_grown(l, &one->column.data, bert_column_bytes(&one->column, one->column.count));
        bert_lay_grown(l, &one->column.start, (size_t)(one->units + 1) * sizeof *one->column.start);
        if (!l->taken) continue;
        if (made && name) {
            c->at[c->n++] = &made->column;
            continue;
        }
        bert_fail_memory(l->e, sizeof *made);
        free(name);
        free(made);
    }
}

/* ---- Of a batch */

const bert_column *bert_inputs_column(const bert_inputs *in, const char *name) {
    for (int32_t i = 0; i < in->column_count; i++)
        if (!strcmp(in->columns[i].name, name)) return &in->columns[i];
    return NULL;
}

static const void *of_type(const bert_batch *b, const char *name, bert_column_type type) {
    const bert_column *c = bert_inputs_column(&b->inputs, name);
    return c && c->type == type ? c->data : NULL;
}

const int32_t *bert_batch_ints(const bert_batch *b, const char *name) {
    return of_type(b, name, BERT_COLUMN_INT32);
}

const float *bert_batch_floats(const bert_batch *b, const char *name) {
    return of_type(b, name, BERT_COLUMN_FLOAT32);
}
