/* Batches in the order of an epoch. */
#include "base/error.h"
#include "base/rng.h"
#include "data/dataset.h"
#include <stdlib.h>
#include <string.h>

enum { GROUP_BATCHES = 50 }; /* rows of so many batches are sorted by length together */

struct bert_loader {
    const bert_dataset *set;
    bert_loader_options options;
    int64_t *order; /* [rows] of epoch, or NULL: the order of the file */
    int64_t epoch;
    int64_t *rows; /* of a batch, as are all of these */
    int32_t *start;
    bert_column *columns; /* [column_count] those of the set, and the labels that its task draws */
    int64_t *room;        /* [column_count] items */
    int32_t column_count;
    int32_t *masked; /* tokens; with room for those of the labels */
};

/* False: no memory. */
static bool take_columns(bert_loader *l) {
    static const bert_column drawn = {
        .name = "labels", .type = BERT_COLUMN_INT32, .per = BERT_PER_LOGIT_TOKEN, .width = 1};
    const bert_columns *all = &l->set->columns;
    const int n = all->n + (l->set->task->mask != NULL);
    l->columns = calloc((size_t)n + 1, sizeof *l->columns);
    l->room = calloc((size_t)n + 1, sizeof *l->room);
    if (!l->columns || !l->room) return false;
    l->column_count = n;
    for (int i = 0; i < n; i++) {
        l->columns[i] = i < all->n ? *all->at[i] : drawn;
        l->columns[i].data = NULL;
    }
    return true;
}

bert_loader *bert_loader_new(const bert_dataset *d, const bert_loader_options *options,
                             bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(d, "dataset to load", e) || bert_need(options, "batch size", e)) return NULL;
    int32_t n = options->batch_size;
    if (n < 1 || (int64_t)n * d->group * d->max_length > INT32_MAX) {
        bert_fail(e, BERT_EINVAL, "batch size %d: at least 1, and at most %d", (int)n,
                  (int)(INT32_MAX / d->max_length / d->group));
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
    l->options = *options;
    l->epoch = -1;
    size_t k = (size_t)n < (size_t)d->rows ? (size_t)n : (size_t)d->rows;
    bool ordered = options->shuffle || options->group_by_length;
    if (ordered) l->order = malloc((size_t)d->rows * sizeof *l->order);
    l->rows = malloc(k * sizeof *l->rows);
    l->start = malloc((k * (size_t)d->group + 1) * sizeof *l->start);
    if ((!ordered || l->order) && l->rows && l->start && take_columns(l)) return l;
    bert_fail_memory(e, (size_t)d->rows * sizeof *l->order);
    bert_loader_free(l);
    return NULL;
}

void bert_loader_free(bert_loader *l) {
    if (!l) return;
    free(l->order);
    free(l->rows);
    free(l->start);
    for (int32_t i = 0; i < l->column_count; i++) free(bert_column_ints(&l->columns[i]));
    free(l->columns);
    free(l->room);
    free(l->masked);
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

/* As transformers' LengthGroupedSampler: pieces of the shuffled order are sorted by length, and the
 * longest row of all comes first, so that memory that is too little shows at once. */
static int group_by_length(bert_loader *l, bert_error *e) {
    int64_t rows = l->set->rows, piece = (int64_t)l->options.batch_size * GROUP_BATCHES;
    if (piece > rows) piece = rows;
    entry *entries = malloc((size_t)piece * sizeof *entries);
    if (!entries) return bert_fail_memory(e, (size_t)piece * sizeof *entries);
    int64_t longest = 0;
    const int64_t *start = l->set->start, group = l->set->group;
    for (int64_t first = 0; first < rows; first += piece) {
        int64_t n = rows - first < piece ? rows - first : piece;
        for (int64_t i = 0; i < n; i++) {
            int64_t row = l->order[first + i];
            entries[i] = (entry){start[(row + 1) * group] - start[row * group], i, row};
        }
        qsort(entries, (size_t)n, sizeof *entries, longest_first);
        for (int64_t i = 0; i < n; i++) l->order[first + i] = entries[i].row;
        int64_t a = l->order[first], b = l->order[longest];
        if (start[(a + 1) * group] - start[a * group] > start[(b + 1) * group] - start[b * group])
            longest = first;
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

/* The first item of row i, whose tokens begin at `start`. */
static int64_t first_item(const bert_column *c, int64_t i, int32_t group, int64_t start) {
    return c->per == BERT_PER_ROW ? i : c->per == BERT_PER_SEQUENCE ? i * group : start;
}

/* Room in every column for a batch of n rows, whose items it then has. */
static int reserve(bert_loader *l, int32_t n, bert_error *e) {
    const int32_t group = l->set->group;
    for (int32_t i = 0; i < l->column_count; i++) {
        bert_column *c = &l->columns[i];
        c->count = first_item(c, n, group, l->start[n * group]);
        if (c->count <= l->room[i]) continue;
        const int64_t items = c->count + c->count / 2;
        free(bert_column_ints(c));
        c->data = malloc(bert_column_bytes(c, items));
        l->room[i] = c->data ? items : 0;
        if (!c->data) return bert_fail_memory(e, bert_column_bytes(c, items));
        if (c->per != BERT_PER_LOGIT_TOKEN) continue;
        int32_t *masked = realloc(l->masked, (size_t)items * sizeof *masked);
        if (!masked) return bert_fail_memory(e, (size_t)items * sizeof *masked);
        l->masked = masked;
    }
    return BERT_OK;
}

/* NULL: there is none of that name. */
static const bert_column *column(const bert_loader *l, const char *name) {
    const bert_inputs in = {.columns = l->columns, .column_count = l->column_count};
    return bert_inputs_column(&in, name);
}

static int32_t *column_ints(const bert_loader *l, const char *name) {
    return bert_column_ints(column(l, name));
}

/* The labels that the task draws; the last column. */
static int32_t *drawn_labels(const bert_loader *l) {
    return bert_column_ints(&l->columns[l->column_count - 1]);
}

/* Row i of the batch. */
static int copy_row(bert_loader *l, int64_t epoch, int32_t i) {
    const bert_dataset *d = l->set;
    const int32_t group = d->group, start = l->start[i * group], end = l->start[(i + 1) * group];
    const int64_t row = l->rows[i], from = d->start[row * group];
    for (int32_t k = 0; k < d->columns.n; k++) {
        const bert_column *c = d->columns.at[k], *out = &l->columns[k];
        const int64_t first = first_item(c, row, group, from),
                      items = first_item(c, row + 1, group, from + end - start) - first,
                      to = first_item(c, i, group, start);
        memcpy((char *)bert_column_ints(out) + bert_column_bytes(c, to),
               (const char *)c->data + bert_column_bytes(c, first), bert_column_bytes(c, items));
    }
    if (!d->task->mask) return BERT_OK;
    return d->task->mask(d, l->options.seed, epoch, row, column_ints(l, "ids") + start,
                         drawn_labels(l) + start, end - start);
}

/* Leaves the first token of each row and those that are masked, the only ones whose words the loss
 * asks about. */
static void keep_masked(bert_loader *l, int32_t rows) {
    int32_t kept = 0, *labels = drawn_labels(l);
    for (int32_t i = 0; i < rows; i++)
        for (int32_t k = l->start[i]; k < l->start[i + 1]; k++) {
            if (k > l->start[i] && labels[k] < 0) continue;
            l->masked[kept] = k;
            labels[kept++] = labels[k];
        }
    l->columns[l->column_count - 1].count = kept;
}

int bert_loader_get(bert_loader *l, int64_t epoch, int64_t index, bert_batch *out, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(l, "loader", e)) return BERT_EINVAL;
    const bert_dataset *d = l->set;
    if (epoch < 0 || index < 0 || index >= bert_loader_batches(l))
        return bert_fail(e, BERT_EINVAL, "batch %lld of %lld", (long long)index,
                         (long long)bert_loader_batches(l));
    int rc = set_epoch(l, epoch, e);
    if (rc) return rc;
    int64_t first = index * l->options.batch_size;
    int32_t n = d->rows - first < l->options.batch_size ? (int32_t)(d->rows - first)
                                                        : l->options.batch_size;
    const int32_t group = d->group;
    l->start[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        int64_t row = l->rows[i] = l->order ? l->order[first + i] : first + i;
        for (int32_t g = 0; g < group; g++) {
            const int64_t *from = &d->start[row * group + g];
            int32_t *to = &l->start[i * group + g];
            to[1] = to[0] + (int32_t)(from[1] - from[0]);
        }
    }
    rc = reserve(l, n, e);
    if (rc) return rc;
    for (int32_t i = 0; i < n; i++)
        if (copy_row(l, epoch, i)) return bert_fail_memory(e, (size_t)l->start[n * group]);
    if (d->task->mask) keep_masked(l, n);
    const bert_column *labels = column(l, "labels");
    const int32_t label_count = labels ? (int32_t)labels->count : n;
    *out = (bert_batch){
        .inputs = {.n = n * group,
                   .start = l->start,
                   .ids = column_ints(l, "ids"),
                   .type_ids = column_ints(l, "type_ids"),
                   .logit_tokens = l->masked,
                   .logit_tokens_count = d->task->mask ? label_count : 0,
                   .columns = l->columns,
                   .column_count = l->column_count},
        .labels = bert_column_ints(labels),
        .label_count = label_count,
        .targets = bert_column_floats(column(l, "targets")),
        .rows = l->rows,
        .row_count = n,
        .row_sequences = group > 1 ? group : 0,
    };
    return BERT_OK;
}
