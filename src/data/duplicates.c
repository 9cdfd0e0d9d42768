/* Rows that are read as the same: by the columns that their task calls its inputs. */
#include "base/error.h"
#include "data/dataset.h"
#include <stdlib.h>
#include <string.h>

static const char *const of_texts[] = {"ids", "type_ids", NULL};
enum { INPUTS_MAX = 16 };

/* A set by its inputs. One that is not there is all zeros, as the type ids of texts are. */
typedef struct {
    bert_shape shape;
    const bert_column *input[INPUTS_MAX];
    int n;
} inputs;

static inputs inputs_of(const bert_dataset *d) {
    const char *const *names = d->task->inputs ? d->task->inputs : of_texts;
    inputs all = {.shape = bert_dataset_shape(d)};
    for (; names[all.n] && all.n < INPUTS_MAX; all.n++)
        all.input[all.n] = bert_columns_find(&d->columns, names[all.n]);
    return all;
}

/* What a row has of a column, as words; *n of them. */
static const uint32_t *words_of(const inputs *s, const bert_column *c, int64_t row, int64_t *n) {
    *n = 0;
    if (!c) return NULL;
    const int64_t first = bert_column_item(c, bert_shape_unit(&s->shape, c->per, row)),
                  end = bert_column_item(c, bert_shape_unit(&s->shape, c->per, row + 1));
    *n = (end - first) * c->width;
    return (const uint32_t *)c->data + first * c->width;
}

static int64_t tokens_of(const inputs *s, int64_t row) {
    return bert_shape_unit(&s->shape, BERT_PER_TOKEN, row + 1) -
           bert_shape_unit(&s->shape, BERT_PER_TOKEN, row);
}

static uint64_t mix(uint64_t h, uint64_t x) {
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t hash_row(const inputs *s, int64_t row) {
    uint64_t h = mix(0xcbf29ce484222325u, (uint64_t)tokens_of(s, row));
    for (int k = 0; k < s->n; k++) {
        int64_t n;
        const uint32_t *x = words_of(s, s->input[k], row, &n);
        for (int64_t i = 0; i < n; i++)
            if (x[i]) h = mix(h, (uint64_t)(i * INPUTS_MAX + k) << 32 | x[i]);
    }
    return h;
}

/* Whether those of n words from `first` on are 0. */
static bool ends_in_zeros(const uint32_t *x, int64_t first, int64_t n) {
    for (int64_t i = first; i < n; i++)
        if (x[i]) return false;
    return true;
}

static bool same_row(const inputs *a, int64_t i, const inputs *b, int64_t j) {
    if (a->n != b->n || tokens_of(a, i) != tokens_of(b, j)) return false;
    for (int k = 0; k < a->n; k++) {
        int64_t n, m;
        const uint32_t *x = words_of(a, a->input[k], i, &n), *y = words_of(b, b->input[k], j, &m);
        const int64_t both = n < m ? n : m;
        if (both && memcmp(x, y, (size_t)both * sizeof *x) != 0) return false;
        if (!ends_in_zeros(x, both, n) || !ends_in_zeros(y, both, m)) return false;
    }
    return true;
}

/* The slot of a row of a with the inputs of row j of b, or the empty one where it would be. */
static size_t find_row(const int64_t *table, size_t slots, const inputs *a, const inputs *b,
                       int64_t j) {
    size_t s = (size_t)hash_row(b, j) & (slots - 1);
    while (table[s] && !same_row(a, table[s] - 1, b, j)) s = (s + 1) & (slots - 1);
    return s;
}

int64_t bert_dataset_duplicates(const bert_dataset *a, const bert_dataset *b, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(a, "dataset to compare", e) || bert_need(b, "dataset to compare with", e))
        return BERT_EINVAL;
    size_t slots = 16;
    while (slots < 2 * (size_t)a->rows) slots *= 2;
    int64_t *table = calloc(slots, sizeof *table); /* row + 1, or 0 */
    if (!table) return bert_fail_memory(e, slots * sizeof *table);
    const inputs x = inputs_of(a), y = inputs_of(b);
    int64_t found = 0;
    for (int64_t i = 0; i < a->rows; i++) {
        size_t s = find_row(table, slots, &x, &x, i);
        if (table[s] && a == b) found++;
        if (!table[s]) table[s] = i + 1;
    }
    for (int64_t j = 0; a != b && j < b->rows; j++)
        found += table[find_row(table, slots, &x, &y, j)] != 0;
    free(table);
    return found;
}
