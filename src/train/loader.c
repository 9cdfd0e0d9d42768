/* Batches in the order of an epoch. */
#include "base/error.h"
#include "base/rng.h"
#include "train/dataset.h"
#include <stdlib.h>
#include <string.h>

enum { GROUP_BATCHES = 50 }; /* rows of so many batches are sorted by length together */

struct bert_loader {
    const bert_dataset *set;
    bert_loader_options options;
    int64_t *order; /* [rows] of epoch, or NULL: the order of the file */
    int64_t epoch;
    int64_t *rows; /* the arrays of a batch */
    int32_t *start, *ids, *type_ids, *labels;
    float *targets;
    size_t tokens_capacity;
};

bert_loader *bert_loader_new(const bert_dataset *d, const bert_loader_options *options,
                             bert_error *e) {
    int32_t n = options->batch_size;
    if (n < 1 || (int64_t)n * d->max_length > INT32_MAX) {
        bert_fail(e, BERT_EINVAL, "batch size %d: at least 1, and at most %d", (int)n,
                  (int)(INT32_MAX / d->max_length));
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
    l->start = malloc((k + 1) * sizeof *l->start);
    if (d->labels) l->labels = malloc(k * sizeof *l->labels);
    if (d->targets) l->targets = malloc(k * (size_t)d->num_labels * sizeof *l->targets);
    if ((ordered && !l->order) || !l->rows || !l->start || (d->labels && !l->labels) ||
        (d->targets && !l->targets)) {
        bert_fail_memory(e, (size_t)d->rows * sizeof *l->order);
        bert_loader_free(l);
        return NULL;
    }
    return l;
}

void bert_loader_free(bert_loader *l) {
    if (!l) return;
    free(l->order);
    free(l->rows);
    free(l->start);
    free(l->ids);
    free(l->type_ids);
    free(l->labels);
    free(l->targets);
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
    const int64_t *start = l->set->start;
    for (int64_t first = 0; first < rows; first += piece) {
        int64_t n = rows - first < piece ? rows - first : piece;
        for (int64_t i = 0; i < n; i++) {
            int64_t row = l->order[first + i];
            entries[i] = (entry){start[row + 1] - start[row], i, row};
        }
        qsort(entries, (size_t)n, sizeof *entries, longest_first);
        for (int64_t i = 0; i < n; i++) l->order[first + i] = entries[i].row;
        int64_t a = l->order[first], b = l->order[longest];
        if (start[a + 1] - start[a] > start[b + 1] - start[b]) longest = first;
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

static int reserve(bert_loader *l, size_t tokens, bert_error *e) {
    if (tokens <= l->tokens_capacity) return BERT_OK;
    size_t n = tokens + tokens / 2;
    int32_t *ids = realloc(l->ids, n * sizeof *ids);
    if (ids) l->ids = ids;
    int32_t *types = ids && l->set->type_ids ? realloc(l->type_ids, n * sizeof *types) : NULL;
    if (types) l->type_ids = types;
    if (!ids || (l->set->type_ids && !types)) return bert_fail_memory(e, n * sizeof *ids);
    l->tokens_capacity = n;
    return BERT_OK;
}

int bert_loader_get(bert_loader *l, int64_t epoch, int64_t index, bert_batch *out, bert_error *e) {
    const bert_dataset *d = l->set;
    if (epoch < 0 || index < 0 || index >= bert_loader_batches(l))
        return bert_fail(e, BERT_EINVAL, "batch %lld of %lld", (long long)index,
                         (long long)bert_loader_batches(l));
    int rc = set_epoch(l, epoch, e);
    if (rc) return rc;
    int64_t first = index * l->options.batch_size;
    int32_t n = d->rows - first < l->options.batch_size ? (int32_t)(d->rows - first)
                                                        : l->options.batch_size;
    l->start[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        int64_t row = l->rows[i] = l->order ? l->order[first + i] : first + i;
        l->start[i + 1] = l->start[i] + (int32_t)(d->start[row + 1] - d->start[row]);
    }
    rc = reserve(l, (size_t)l->start[n], e);
    if (rc) return rc;
    size_t width = (size_t)d->num_labels;
    for (int32_t i = 0; i < n; i++) {
        int64_t row = l->rows[i];
        size_t bytes = (size_t)(l->start[i + 1] - l->start[i]) * sizeof *l->ids;
        memcpy(l->ids + l->start[i], d->ids + d->start[row], bytes);
        if (d->type_ids) memcpy(l->type_ids + l->start[i], d->type_ids + d->start[row], bytes);
        if (d->labels) l->labels[i] = d->labels[row];
        if (d->targets)
            memcpy(l->targets + (size_t)i * width, d->targets + (size_t)row * width,
                   width * sizeof *l->targets);
    }
    *out = (bert_batch){
        .inputs = {.n = n, .start = l->start, .ids = l->ids, .type_ids = l->type_ids},
        .labels = l->labels,
        .targets = l->targets,
        .rows = l->rows,
    };
    return BERT_OK;
}
