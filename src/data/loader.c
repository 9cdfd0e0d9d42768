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
    int64_t *rows; /* the arrays of a batch */
    int32_t *start, *ids, *type_ids, *labels, *token_labels, *first, *last, *masked;
    float *targets;
    size_t tokens_capacity;
};

bert_loader *bert_loader_new(const bert_dataset *d, const bert_loader_options *options,
                             bert_error *e) {
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
    if (d->positions) l->first = malloc(2 * k * sizeof *l->first);
    if (l->first) l->last = l->first + k;
    if (d->labels) l->labels = malloc(k * sizeof *l->labels);
    if (d->targets) l->targets = malloc(k * (size_t)d->num_labels * sizeof *l->targets);
    if ((ordered && !l->order) || !l->rows || !l->start || (d->labels && !l->labels) ||
        (d->positions && !l->first) || (d->targets && !l->targets)) {
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
    free(l->token_labels);
    free(l->masked);
    free(l->first);
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

static bool has_token_labels(const bert_dataset *d) {
    return d->token_labels || d->task->mask;
}

static int reserve(bert_loader *l, size_t tokens, bert_error *e) {
    if (tokens <= l->tokens_capacity) return BERT_OK;
    size_t n = tokens + tokens / 2;
    int32_t *ids = realloc(l->ids, n * sizeof *ids);
    if (ids) l->ids = ids;
    int32_t *types = ids && l->set->type_ids ? realloc(l->type_ids, n * sizeof *types) : NULL;
    if (types) l->type_ids = types;
    int32_t *labels =
        ids && has_token_labels(l->set) ? realloc(l->token_labels, n * sizeof *labels) : NULL;
    if (labels) l->token_labels = labels;
    int32_t *masked = labels && l->set->task->mask ? realloc(l->masked, n * sizeof *masked) : NULL;
    if (masked) l->masked = masked;
    if (!ids || (l->set->type_ids && !types) || (l->set->task->mask && !masked) ||
        (has_token_labels(l->set) && !labels))
        return bert_fail_memory(e, n * sizeof *ids);
    l->tokens_capacity = n;
    return BERT_OK;
}

/* Row i of the batch. */
static int copy_row(bert_loader *l, int64_t epoch, int32_t i) {
    const bert_dataset *d = l->set;
    const int64_t row = l->rows[i], from = d->start[row * d->group];
    const int32_t to = l->start[i * d->group];
    const size_t bytes = (size_t)(l->start[(i + 1) * d->group] - to) * sizeof *l->ids;
    const size_t width = (size_t)d->num_labels;
    memcpy(l->ids + to, d->ids + from, bytes);
    if (d->type_ids) memcpy(l->type_ids + to, d->type_ids + from, bytes);
    if (d->token_labels) memcpy(l->token_labels + to, d->token_labels + from, bytes);
    if (d->labels) l->labels[i] = d->labels[row];
    if (d->positions) {
        l->first[i] = d->positions[row][0];
        l->last[i] = d->positions[row][1];
    }
    if (d->targets)
        memcpy(l->targets + (size_t)i * width, d->targets + (size_t)row * width,
               width * sizeof *l->targets);
    if (!d->task->mask) return BERT_OK;
    return d->task->mask(d, l->options.seed, epoch, row, l->ids + to, l->token_labels + to,
                         (int32_t)(bytes / sizeof *l->ids));
}

/* Leaves the first token of each row and those that are masked, the only ones whose words the loss
 * asks about; returns how many. */
static int32_t keep_masked(bert_loader *l, int32_t rows) {
    int32_t kept = 0;
    for (int32_t i = 0; i < rows; i++)
        for (int32_t k = l->start[i]; k < l->start[i + 1]; k++) {
            if (k > l->start[i] && l->token_labels[k] < 0) continue;
            l->masked[kept] = k;
            l->token_labels[kept++] = l->token_labels[k];
        }
    return kept;
}

int bert_loader_get(bert_loader *l, int64_t epoch, int64_t index, bert_batch *out, bert_error *e) {
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
    rc = reserve(l, (size_t)l->start[n * group], e);
    if (rc) return rc;
    for (int32_t i = 0; i < n; i++)
        if (copy_row(l, epoch, i)) return bert_fail_memory(e, (size_t)l->start[n * group]);
    const bool tokens = l->token_labels != NULL;
    int32_t label_count = tokens ? l->start[n] : n;
    if (d->task->mask) label_count = keep_masked(l, n);
    *out = (bert_batch){
        .inputs = {.n = n * group,
                   .start = l->start,
                   .ids = l->ids,
                   .type_ids = l->type_ids,
                   .logit_tokens = l->masked,
                   .logit_tokens_count = d->task->mask ? label_count : 0},
        .labels = tokens ? l->token_labels : l->labels,
        .label_count = label_count,
        .targets = l->targets,
        .rows = l->rows,
        .row_count = n,
        .choices = group > 1 ? group : 0,
        .start_positions = l->first,
        .end_positions = l->last,
        .next_sentence_label = tokens ? l->labels : NULL,
    };
    return BERT_OK;
}
