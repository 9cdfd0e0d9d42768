/* Batches in the order of an epoch. */
#include "data/loader.h"
#include "base/error.h"
#include "base/rng.h"
#include "data/dataset.h"
#include <stdlib.h>
#include <string.h>

enum { GROUP_BATCHES = 50 }; /* rows of so many batches are sorted by length together */

/* What is kept of a column from batch to batch. */
typedef struct {
    int64_t room, units_room; /* items, and units of a start */
    int64_t items, units;     /* that the batch has already */
} gathered;

struct bert_loader {
    const bert_dataset *set;
    bert_shape shape; /* of it */
    bert_loader_options options;
    int64_t *order; /* [rows] of epoch, or NULL: the order of the file */
    int64_t epoch;
    int64_t *rows; /* of a batch, as are all of these */
    int32_t *row_start, *start;
    bert_column *columns; /* [column_count] those of the set, and those that its task draws */
    gathered *at;         /* [column_count] */
    int32_t column_count;
    int32_t *logit_tokens; /* with room for all tokens; NULL: no column is of them */
};

static int drawn_columns(const bert_column *drawn) {
    int n = 0;
    while (drawn && drawn[n].name) n++;
    return n;
}

/* False: no memory. */
static bool take_columns(bert_loader *l) {
    const bert_columns *all = &l->set->columns;
    const bert_column *drawn = l->set->drawn ? l->set->drawn : l->set->task->drawn;
    const int n = all->n + drawn_columns(drawn);
    l->columns = calloc((size_t)n + 1, sizeof *l->columns);
    l->at = calloc((size_t)n + 1, sizeof *l->at);
    if (!l->columns || !l->at) return false;
    l->column_count = n;
    for (int i = 0; i < n; i++) {
        l->columns[i] = i < all->n ? *all->at[i] : drawn[i - all->n];
        l->columns[i].data = NULL;
        l->columns[i].start = NULL;
    }
    return true;
}

/* endless: a batch may go on in the next epochs, and have more rows than there are. */
static bert_loader *new_loader(const bert_dataset *d, const bert_loader_options *options,
                               bool endless, bert_error *e) {
    if (bert_need(d, "dataset to load", e) || bert_need(options, "batch size", e)) return NULL;
    int32_t n = options->batch_size;
    if (n < 1 || (int64_t)n * d->most * d->max_length > INT32_MAX) {
        bert_fail(e, BERT_EINVAL, "batch size %d: at least 1, and at most %d", (int)n,
                  (int)(INT32_MAX / d->max_length / d->most));
        return NULL;
    }
    if (options->drop_last && d->rows < n) {
        bert_fail(e, BERT_EINVAL, "%s: %lld rows do not fill one batch of %d", d->where,
                  (long long)d->rows, (int)n);
        return NULL;
    }
    bert_loader *l = calloc(1, sizeof *l);
    if (!l) {
        bert_fail_memory(e, sizeof *l);
        return NULL;
    }
    l->set = d;
    l->shape = bert_dataset_shape(d);
    l->options = *options;
    l->epoch = -1;
    size_t k = endless || (size_t)n < (size_t)d->rows ? (size_t)n : (size_t)d->rows;
    bool ordered = options->shuffle || options->group_by_length;
    if (ordered) l->order = malloc((size_t)d->rows * sizeof *l->order);
    l->rows = malloc(k * sizeof *l->rows);
    l->row_start = malloc((k + 1) * sizeof *l->row_start);
    l->start = malloc((k * (size_t)d->most + 1) * sizeof *l->start);
    if ((!ordered || l->order) && l->rows && l->row_start && l->start && take_columns(l)) return l;
    bert_fail_memory(e, (size_t)d->rows * sizeof *l->order);
    bert_loader_free(l);
    return NULL;
}

bert_loader *bert_loader_new(const bert_dataset *d, const bert_loader_options *options,
                             bert_error *e) {
    BERT_DOOR(e);
    return new_loader(d, options, false, e);
}

bert_loader *bert_loader_new_endless(const bert_dataset *d, const bert_loader_options *options,
                                     bert_error *e) {
    return new_loader(d, options, true, e);
}

static int64_t *start_of(const bert_column *c) {
    return (int64_t *)(uintptr_t)c->start;
}

void bert_loader_free(bert_loader *l) {
    if (!l) return;
    free(l->order);
    free(l->rows);
    free(l->row_start);
    free(l->start);
    for (int32_t i = 0; i < l->column_count; i++) {
        free(bert_column_ints(&l->columns[i]));
        free(start_of(&l->columns[i]));
    }
    free(l->columns);
    free(l->at);
    free(l->logit_tokens);
    free(l);
}

int64_t bert_loader_batches(const bert_loader *l) {
    int64_t n = l->options.batch_size;
    return (l->set->rows + (l->options.drop_last ? 0 : n - 1)) / n;
}

/* ---- The order */

typedef struct {
    int64_t length, place, row;
} entry;

static int longest_first(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? 1 : -1;
    return (x->place > y->place) - (x->place < y->place);
}

static int64_t tokens_of(const bert_loader *l, int64_t row) {
    return bert_shape_unit(&l->shape, BERT_PER_TOKEN, row + 1) -
           bert_shape_unit(&l->shape, BERT_PER_TOKEN, row);
}

/* As transformers' LengthGroupedSampler: pieces of the shuffled order are sorted by length, and the
 * longest row of all comes first, so that memory that is too little shows at once. */
static int group_by_length(bert_loader *l, bert_error *e) {
    int64_t rows = l->set->rows, piece = (int64_t)l->options.batch_size * GROUP_BATCHES;
    if (piece > rows) piece = rows;
    entry *entries = malloc((size_t)piece * sizeof *entries);
    if (!entries) return bert_fail_memory(e, (size_t)piece * sizeof *entries);
    int64_t longest = 0;
    for (int64_t first = 0; first < rows; first += piece) {
        int64_t n = rows - first < piece ? rows - first : piece;
        for (int64_t i = 0; i < n; i++) {
            int64_t row = l->order[first + i];
            entries[i] = (entry){tokens_of(l, row), i, row};
        }
        qsort(entries, (size_t)n, sizeof *entries, longest_first);
        for (int64_t i = 0; i < n; i++) l->order[first + i] = entries[i].row;
        if (tokens_of(l, l->order[first]) > tokens_of(l, l->order[longest])) longest = first;
    }
    int64_t swap = l->order[0];
    l->order[0] = l->order[longest];
    l->order[longest] = swap;
    free(entries);
    return BERT_OK;
}

static int set_epoch(bert_loader *l, int64_t epoch, bert_error *e) {
    if (!l->order || l->epoch == epoch) return BERT_OK;
    for (int64_t i = 0; i < l->set->rows; i++) l->order[i] = i;
    if (l->options.shuffle) {
        bert_rng r = {.seed = l->options.seed,
                      .stream = bert_rng_stream("order of rows") + (uint64_t)epoch};
        bert_rng_shuffle(&r, l->order, l->set->rows);
    }
    int rc = l->options.group_by_length ? group_by_length(l, e) : BERT_OK;
    l->epoch = rc ? -1 : epoch;
    return rc;
}

/* ---- A batch */

/* Rows first, first + 1 .. of an epoch's order; behind the last one comes the next epoch's first. */
static int choose_rows(bert_loader *l, int64_t epoch, int64_t first, int32_t n, bert_error *e) {
    for (int32_t i = 0; i < n; i++, first++) {
        if (first == l->set->rows) {
            first = 0;
            epoch++;
        }
        int rc = i && first ? BERT_OK : set_epoch(l, epoch, e);
        if (rc) return rc;
        l->rows[i] = l->order ? l->order[first] : first;
    }
    return BERT_OK;
}

/* Where their sequences and tokens begin. */
static void place_rows(bert_loader *l, int32_t n) {
    int32_t sequence = 0;
    l->start[0] = l->row_start[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        const int64_t row = l->rows[i];
        const int64_t from = bert_shape_unit(&l->shape, BERT_PER_SEQUENCE, row),
                      to = bert_shape_unit(&l->shape, BERT_PER_SEQUENCE, row + 1);
        for (int64_t s = from; s < to; s++, sequence++)
            l->start[sequence + 1] =
                l->start[sequence] + (int32_t)(l->set->start[s + 1] - l->set->start[s]);
        l->row_start[i + 1] = sequence;
    }
}

/* How many units of a kind the n rows have. */
static int64_t units_of(const bert_loader *l, bert_column_per per, int32_t n) {
    return per == BERT_PER_ROW        ? n
           : per == BERT_PER_SEQUENCE ? l->row_start[n]
                                      : l->start[l->row_start[n]];
}

/* Items of a row of the set: from *first on, before *end. */
static void items_of(const bert_loader *l, const bert_column *c, int64_t row, int64_t *first,
                     int64_t *end) {
    *first = bert_column_item(c, bert_shape_unit(&l->shape, c->per, row));
    *end = bert_column_item(c, bert_shape_unit(&l->shape, c->per, row + 1));
}

/* Room in column k for so many items, which it then has. */
static int reserve(bert_loader *l, int32_t k, int64_t count, bert_error *e) {
    bert_column *c = &l->columns[k];
    c->count = count;
    if (count <= l->at[k].room && c->data) return BERT_OK;
    const int64_t items = count + count / 2 + 1;
    free(bert_column_ints(c));
    c->data = malloc(bert_column_bytes(c, items));
    l->at[k].room = c->data ? items : 0;
    if (!c->data) return bert_fail_memory(e, bert_column_bytes(c, items));
    if (c->per != BERT_PER_LOGIT_TOKEN) return BERT_OK;
    int32_t *tokens = realloc(l->logit_tokens, (size_t)items * sizeof *tokens);
    if (!tokens) return bert_fail_memory(e, (size_t)items * sizeof *tokens);
    l->logit_tokens = tokens;
    return BERT_OK;
}

static int reserve_start(bert_loader *l, int32_t k, int64_t units, bert_error *e) {
    bert_column *c = &l->columns[k];
    if (units > l->at[k].units_room || !c->start) {
        const size_t room = (size_t)(units + units / 2 + 1);
        free(start_of(c));
        c->start = malloc(room * sizeof *c->start);
        l->at[k].units_room = c->start ? (int64_t)room - 1 : 0;
        if (!c->start) return bert_fail_memory(e, room * sizeof *c->start);
    }
    start_of(c)[0] = 0;
    return BERT_OK;
}

static int reserve_all(bert_loader *l, int32_t n, bert_error *e) {
    int rc = BERT_OK;
    for (int32_t k = 0; k < l->column_count && !rc; k++) {
        const bert_column *c = k < l->set->columns.n ? l->set->columns.at[k] : NULL;
        const int64_t units = units_of(l, l->columns[k].per, n);
        int64_t count = c && c->start ? 0 : units, first, end;
        for (int32_t i = 0; c && c->start && i < n; i++) {
            items_of(l, c, l->rows[i], &first, &end);
            count += end - first;
        }
        l->at[k].items = l->at[k].units = 0;
        rc = reserve(l, k, count, e);
        if (!rc && c && c->start) rc = reserve_start(l, k, units, e);
    }
    return rc;
}

/* The next row of the batch: what column k of the set has of it. */
static void copy_items(bert_loader *l, int32_t k, int64_t row) {
    const bert_column *c = l->set->columns.at[k];
    bert_column *out = &l->columns[k];
    gathered *at = &l->at[k];
    int64_t first, end;
    items_of(l, c, row, &first, &end);
    if (end > first)
        memcpy((char *)bert_column_ints(out) + bert_column_bytes(c, at->items),
               (const char *)c->data + bert_column_bytes(c, first),
               bert_column_bytes(c, end - first));
    if (c->start) {
        const int64_t from = bert_shape_unit(&l->shape, c->per, row),
                      to = bert_shape_unit(&l->shape, c->per, row + 1);
        for (int64_t u = from; u < to; u++)
            start_of(out)[++at->units] = at->items + c->start[u + 1] - first;
    }
    at->items += end - first;
}

/* NULL: there is none of that name. */
static const bert_column *column(const bert_loader *l, const char *name) {
    const bert_inputs in = {.columns = l->columns, .column_count = l->column_count};
    return bert_inputs_column(&in, name);
}

static int32_t *column_ints(const bert_loader *l, const char *name) {
    return bert_column_ints(column(l, name));
}

bert_column *bert_prepared_column(bert_preparation *p, const char *name) {
    for (int32_t i = 0; i < p->column_count; i++)
        if (!strcmp(p->columns[i].name, name)) return &p->columns[i];
    return NULL;
}

int64_t bert_prepared_next(const bert_preparation *p, int32_t i) {
    const bert_loader *l = p->loader;
    return l->order ? l->order[p->next_first + i] : p->next_first + i;
}

/* Rows of the batch behind the one that ends with row `end` of the order. */
static int32_t rows_behind(const bert_loader *l, int64_t end) {
    const int64_t left = l->set->rows - end, n = l->options.batch_size;
    if (left >= n) return (int32_t)n;
    return l->options.drop_last || left < 0 ? 0 : (int32_t)left;
}

/* What the task does with the batch; then the labels that all read. */
static int prepare(bert_loader *l, int64_t epoch, int64_t end, bert_batch *b, bert_error *e) {
    const bert_task *task = l->set->task;
    bert_preparation p = {.set = l->set,
                          .seed = l->options.seed,
                          .epoch = epoch,
                          .batch = b,
                          .columns = l->columns,
                          .column_count = l->column_count,
                          .logit_tokens = l->logit_tokens,
                          .logit_token_count = -1,
                          .loader = l,
                          .next_first = end,
                          .next_count = rows_behind(l, end)};
    int rc = task->prepare ? task->prepare(&p, e) : BERT_OK;
    if (rc) return rc;
    if (p.logit_token_count >= 0) {
        b->inputs.logit_tokens = l->logit_tokens;
        b->inputs.logit_tokens_count = p.logit_token_count;
    }
    const bert_column *labels = column(l, "labels");
    b->labels = bert_column_ints(labels);
    b->label_count = labels ? (int32_t)labels->count : b->row_count;
    b->targets = bert_column_floats(column(l, "targets"));
    return BERT_OK;
}

/* The batch of n rows from place `first` of an epoch's order on. */
static int gather(bert_loader *l, int64_t epoch, int64_t first, int32_t n, bert_batch *out,
                  bert_error *e) {
    const bert_dataset *d = l->set;
    int rc = choose_rows(l, epoch, first, n, e);
    if (rc) return rc;
    place_rows(l, n);
    rc = reserve_all(l, n, e);
    if (rc) return rc;
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = 0; k < d->columns.n; k++) copy_items(l, k, l->rows[i]);
    *out = (bert_batch){
        .inputs = {.n = l->row_start[n],
                   .start = l->start,
                   .ids = column_ints(l, "ids"),
                   .type_ids = column_ints(l, "type_ids"),
                   .columns = l->columns,
                   .column_count = l->column_count},
        .rows = l->rows,
        .row_count = n,
        .row_sequences = d->group > 1 ? d->group : 0,
        .row_start = l->row_start,
    };
    return prepare(l, epoch, first + n < d->rows ? first + n : d->rows, out, e);
}

int bert_loader_get(bert_loader *l, int64_t epoch, int64_t index, bert_batch *out, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(l, "loader", e)) return BERT_EINVAL;
    const bert_dataset *d = l->set;
    if (epoch < 0 || index < 0 || index >= bert_loader_batches(l))
        return bert_fail(e, BERT_EINVAL, "batch %lld of %lld", (long long)index,
                         (long long)bert_loader_batches(l));
    int64_t first = index * l->options.batch_size;
    int32_t n = d->rows - first < l->options.batch_size ? (int32_t)(d->rows - first)
                                                        : l->options.batch_size;
    return gather(l, epoch, first, n, out, e);
}

int bert_loader_take(bert_loader *l, int64_t place, int32_t n, bert_batch *out, bert_error *e) {
    return gather(l, place / l->set->rows, place % l->set->rows, n, out, e);
}
