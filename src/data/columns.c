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

static void free_column(bert_column *c) {
    if (!c) return;
    free((void *)(uintptr_t)c->name);
    bert_grown_free(data_of(c));
    free(c);
}

static bert_column *add(bert_columns *c, const bert_column *like, bert_error *e) {
    bert_column **at = realloc(c->at, ((size_t)c->n + 1) * sizeof *at);
    if (at) c->at = at;
    bert_column *made = at ? calloc(1, sizeof *made) : NULL;
    if (made)
        *made = (bert_column){
            .name = strdup(like->name), .type = like->type, .per = like->per, .width = like->width};
    if (made && made->name) return c->at[c->n++] = made;
    free_column(made);
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

/* Items [from, to) come to lie behind those that stay, at `used`. */
static void keep(bert_column *c, int64_t *used, int64_t from, int64_t to) {
    char *data = data_of(c);
    memmove(data + bert_column_bytes(c, *used), data + bert_column_bytes(c, from),
            bert_column_bytes(c, to - from));
    *used += to - from;
}

void bert_columns_leave_out(bert_columns *c, const int64_t *start, int64_t rows, const bool *out) {
    for (int i = 0; i < c->n; i++) {
        bert_column *one = c->at[i];
        int64_t used = 0;
        for (int64_t row = 0; row < rows; row++) {
            if (out[row]) continue;
            const bool tokens = one->per == BERT_PER_TOKEN;
            keep(one, &used, tokens ? start[row] : row, tokens ? start[row + 1] : row + 1);
        }
        one->count = used;
    }
}

void bert_columns_free(bert_columns *c) {
    for (int i = 0; i < c->n; i++) free_column(c->at[i]);
    free(c->at);
    *c = (bert_columns){0};
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
