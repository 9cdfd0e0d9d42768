#include "data/mixture.h"
#include "base/error.h"
#include "base/grow.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "data/loader.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A unit is what the order is of: a batch of one set, or a row of a mixed batch. */
struct bert_mixture {
    int32_t n;
    const bert_dataset *set[BERT_MIXTURE_SETS];
    bert_loader *loader[BERT_MIXTURE_SETS];
    bert_mixture_options options;
    bool mixed;                       /* batches of rows of several sets */
    int64_t units[BERT_MIXTURE_SETS]; /* of a pass over each set, */
    int64_t share[BERT_MIXTURE_SETS]; /* and of an epoch */
    int64_t total;                    /* of an epoch */
    int64_t unit_batch;               /* units of a batch */
    int64_t *order;                   /* [total] whose unit it is, of epoch; NULL: of one set */
    int64_t epoch;
    int64_t place, before[BERT_MIXTURE_SETS]; /* units of each set before that place of the order */
    /* Inputs of all parts, grown. */
    int32_t *start, *ids, *type_ids;
    bert_column *columns;
    void **data;
    int32_t column_count;
};

/* ---- Shares */

static void choose_shares(bert_mixture *x) {
    double size[BERT_MIXTURE_SETS], all = 0, due[BERT_MIXTURE_SETS];
    const double t = x->options.temperature;
    int64_t given = 0;
    for (int32_t k = 0; k < x->n; k++) {
        size[k] = x->options.weights ? x->options.weights[k] : (double)x->units[k];
        if (!x->options.weights && t > 0 && t != 1) size[k] = pow(size[k], 1 / t);
        all += size[k];
    }
    for (int32_t k = 0; k < x->n; k++) {
        due[k] = (double)x->total * size[k] / all;
        x->share[k] = due[k] < 1 ? 1 : (int64_t)due[k];
        given += x->share[k];
    }
    /* What is left over goes to those that lack most; what is too much comes from those that have
     * most above their due, and more than one. */
    while (given != x->total) {
        const int sign = given < x->total ? 1 : -1;
        int32_t most = -1;
        for (int32_t k = 0; k < x->n; k++) {
            const double lacks = sign * (due[k] - (double)x->share[k]);
            if (sign < 0 && x->share[k] < 2) continue;
            if (most < 0 || lacks > sign * (due[most] - (double)x->share[most])) most = k;
        }
        x->share[most] += sign;
        given += sign;
    }
}

/* ---- Making one */

static const char *inputs_of(const bert_dataset *d) {
    return d->task->inputs ? d->task->inputs[0] : "ids";
}

static int check_alike(const bert_dataset *const *sets, int32_t n, bert_error *e) {
    for (int32_t k = 1; k < n; k++)
        if (strcmp(inputs_of(sets[k]), inputs_of(sets[0])))
            return bert_fail(e, BERT_EINVAL,
                             "%s is read by its %s, %s by its %s: tasks of one encoder read alike",
                             sets[0]->where, inputs_of(sets[0]), sets[k]->where,
                             inputs_of(sets[k]));
    return BERT_OK;
}

/* Each set has an order of its own. */
static bert_loader *open_loader(const bert_mixture *x, int32_t k, bert_error *e) {
    bert_loader_options o = x->options.loader;
    o.seed += (uint64_t)k * 0x9E3779B97F4A7C15u;
    return x->mixed ? bert_loader_new_endless(x->set[k], &o, e) : bert_loader_new(x->set[k], &o, e);
}

static int plan(bert_mixture *x, bert_error *e) {
    const bool drops = x->options.loader.drop_last;
    if (x->mixed) x->options.loader.drop_last = false;
    x->unit_batch = x->mixed ? x->options.loader.batch_size : 1;
    for (int32_t k = 0; k < x->n; k++) {
        x->loader[k] = open_loader(x, k, e);
        if (!x->loader[k]) return e->code;
        x->units[k] = x->mixed ? x->set[k]->rows : bert_loader_batches(x->loader[k]);
        x->total += x->units[k];
    }
    choose_shares(x);
    if (x->mixed && drops) x->total -= x->total % x->unit_batch;
    if (!x->total)
        return bert_fail(e, BERT_EINVAL, "the rows of all tasks do not fill one batch of %d",
                         (int)x->options.loader.batch_size);
    if (x->n < 2) return BERT_OK;
    int64_t all = 0;
    for (int32_t k = 0; k < x->n; k++) all += x->share[k];
    x->order = malloc((size_t)all * sizeof *x->order);
    return x->order ? BERT_OK : bert_fail_memory(e, (size_t)all * sizeof *x->order);
}

bert_mixture *bert_mixture_new(const bert_dataset *const *sets, int32_t n,
                               const bert_mixture_options *options, bert_error *e) {
    if (n < 1 || n > BERT_MIXTURE_SETS) {
        bert_fail(e, BERT_EINVAL, "%d tasks: there may be 1 to %d", (int)n, BERT_MIXTURE_SETS);
        return NULL;
    }
    if (check_alike(sets, n, e)) return NULL;
    bert_mixture *x = calloc(1, sizeof *x);
    if (!x) {
        bert_fail_memory(e, sizeof *x);
        return NULL;
    }
    x->n = n;
    x->options = *options;
    x->mixed = options->mixed && n > 1;
    x->epoch = -1;
    memcpy(x->set, sets, (size_t)n * sizeof(bert_dataset *));
    if (!plan(x, e)) return x;
    bert_mixture_free(x);
    return NULL;
}

void bert_mixture_free(bert_mixture *x) {
    if (!x) return;
    for (int32_t k = 0; k < x->n; k++) bert_loader_free(x->loader[k]);
    for (int32_t i = 0; i < x->column_count; i++) bert_grown_free(x->data[i]);
    bert_grown_free(x->start);
    bert_grown_free(x->ids);
    bert_grown_free(x->type_ids);
    free(x->columns);
    free(x->data);
    free(x->order);
    free(x);
}

int64_t bert_mixture_batches(const bert_mixture *x) {
    return (x->total + x->unit_batch - 1) / x->unit_batch;
}

int64_t bert_mixture_share(const bert_mixture *x, int32_t set) {
    return x->share[set];
}

/* ---- The order */

/* Without chance: each set's units evenly over the epoch. */
static void spread(bert_mixture *x, int64_t all) {
    int64_t given[BERT_MIXTURE_SETS] = {0};
    for (int64_t i = 0; i < all; i++) {
        int32_t next = 0;
        double due = 2;
        for (int32_t k = 0; k < x->n; k++) {
            const double at = ((double)given[k] + 0.5) / (double)x->share[k];
            if (at < due) due = at, next = k;
        }
        x->order[i] = next;
        given[next]++;
    }
}

static void set_epoch(bert_mixture *x, int64_t epoch) {
    const bert_loader_options *o = &x->options.loader;
    if (!x->order || x->epoch == epoch) return;
    int64_t all = 0;
    for (int32_t k = 0; k < x->n; k++)
        for (int64_t i = 0; i < x->share[k]; i++) x->order[all++] = k;
    bert_rng r = {.seed = o->seed, .stream = bert_rng_stream("order of tasks") + (uint64_t)epoch};
    if (o->shuffle)
        bert_rng_shuffle(&r, x->order, all);
    else
        spread(x, all);
    x->epoch = epoch;
    x->place = 0;
    memset(x->before, 0, sizeof x->before);
}

/* before[] as it is at a place of an epoch. */
static void go_to(bert_mixture *x, int64_t epoch, int64_t place) {
    set_epoch(x, epoch);
    if (!x->order) x->before[0] = x->place = place;
    for (; x->place > place; x->place--) x->before[x->order[x->place - 1]]--;
    for (; x->place < place; x->place++) x->before[x->order[x->place]]++;
}

int64_t bert_mixture_cursor(bert_mixture *x, int64_t epoch, int64_t index, int32_t set,
                            bert_error *e) {
    if (set < 0 || set >= x->n || epoch < 0 || index < 0 || index > bert_mixture_batches(x))
        return bert_fail(e, BERT_EINVAL, "batch %lld of %lld", (long long)index,
                         (long long)bert_mixture_batches(x));
    const int64_t place = index * x->unit_batch;
    go_to(x, epoch, place < x->total ? place : x->total);
    return epoch * x->share[set] + x->before[set];
}

/* ---- Parts as one */

static int grow(int32_t **data, int64_t n, bert_error *e) {
    return bert_grow(data, (size_t)n, sizeof **data, e);
}

/* Token and type ids, and where sequences begin. */
static int join_tokens(bert_mixture *x, bert_mixed_batch *b, bert_error *e) {
    int32_t tokens = 0, sequences = 0;
    bool typed = false, ids = true;
    for (int32_t i = 0; i < b->count; i++) {
        const bert_inputs *in = &b->part[i].batch.inputs;
        b->part[i].first = tokens;
        tokens += in->start[in->n];
        sequences += in->n;
        typed |= in->type_ids != NULL;
        ids &= in->ids != NULL;
    }
    int rc = grow(&x->start, sequences + 1, e);
    if (!rc) rc = grow(&x->ids, tokens, e);
    if (!rc) rc = grow(&x->type_ids, tokens, e);
    if (rc) return rc;
    x->start[0] = 0;
    for (int32_t i = 0, s = 0; i < b->count; i++) {
        const bert_inputs *in = &b->part[i].batch.inputs;
        const int32_t first = b->part[i].first;
        const size_t bytes = (size_t)in->start[in->n] * sizeof *x->ids;
        for (int32_t k = 1; k <= in->n; k++) x->start[++s] = first + in->start[k];
        if (ids) memcpy(x->ids + first, in->ids, bytes);
        if (in->type_ids)
            memcpy(x->type_ids + first, in->type_ids, bytes);
        else
            memset(x->type_ids + first, 0, bytes);
    }
    b->inputs = (bert_inputs){.n = sequences,
                              .start = x->start,
                              .ids = ids ? x->ids : NULL,
                              .type_ids = typed ? x->type_ids : NULL};
    return BERT_OK;
}

static int take_columns(bert_mixture *x, int32_t n, bert_error *e) {
    if (x->columns) return BERT_OK;
    x->columns = calloc((size_t)n + 1, sizeof *x->columns);
    x->data = calloc((size_t)n + 1, sizeof *x->data);
    if (!x->columns || !x->data) return bert_fail_memory(e, (size_t)n * sizeof *x->columns);
    x->column_count = n;
    return BERT_OK;
}

/* A column that rows are read by, such as pixels. */
static int join_column(bert_mixture *x, const bert_mixed_batch *b, int32_t to, const char *name,
                       bert_error *e) {
    bert_column all = {0};
    unsigned char *data = x->data[to];
    for (int32_t i = 0; i < b->count; i++) {
        const bert_column *c = bert_inputs_column(&b->part[i].batch.inputs, name);
        if (!c || c->start || (i && (c->width != all.width || c->type != all.type)))
            return bert_fail(e, BERT_EINVAL,
                             "%s: its %s cannot stand in one batch with those of other tasks",
                             x->set[b->part[i].set]->where, name);
        const int64_t before = all.count;
        all = *c;
        all.count += before;
        int rc = bert_grow(&data, bert_column_bytes(&all, all.count), 1, e);
        x->data[to] = data;
        if (rc) return rc;
        memcpy(data + bert_column_bytes(&all, before), c->data, bert_column_bytes(c, c->count));
    }
    all.data = data;
    x->columns[to] = all;
    return BERT_OK;
}

static int join(bert_mixture *x, bert_mixed_batch *b, bert_error *e) {
    const char *const *names = x->set[0]->task->inputs;
    int32_t n = 0;
    if (b->count == 1) {
        b->part[0].first = 0;
        b->inputs = b->part[0].batch.inputs;
        return BERT_OK;
    }
    int rc = join_tokens(x, b, e);
    while (names && names[n]) n++;
    if (!rc && n) rc = take_columns(x, n, e);
    for (int32_t i = 0; i < n && !rc; i++) rc = join_column(x, b, i, names[i], e);
    b->inputs.columns = x->columns;
    b->inputs.column_count = n;
    return rc;
}

/* ---- A batch */

/* Of one set. */
static int get_whole(bert_mixture *x, int64_t epoch, int64_t index, bert_mixed_batch *b,
                     bert_error *e) {
    const int32_t k = x->order ? (int32_t)x->order[index] : 0;
    const int64_t place = epoch * x->share[k] + x->before[k];
    b->count = 1;
    b->part[0].set = k;
    return bert_loader_get(x->loader[k], place / x->units[k], place % x->units[k],
                           &b->part[0].batch, e);
}

static int get_mixed(bert_mixture *x, int64_t epoch, int64_t index, bert_mixed_batch *b,
                     bert_error *e) {
    int64_t from[BERT_MIXTURE_SETS], end = (index + 1) * x->unit_batch;
    int rc = BERT_OK;
    memcpy(from, x->before, sizeof from);
    go_to(x, epoch, end < x->total ? end : x->total);
    for (int32_t k = 0; k < x->n && !rc; k++) {
        const int32_t rows = (int32_t)(x->before[k] - from[k]);
        if (!rows) continue;
        bert_mixture_part *part = &b->part[b->count++];
        part->set = k;
        rc = bert_loader_take(x->loader[k], epoch * x->share[k] + from[k], rows, &part->batch, e);
    }
    return rc;
}

int bert_mixture_get(bert_mixture *x, int64_t epoch, int64_t index, bert_mixed_batch *out,
                     bert_error *e) {
    out->count = 0;
    if (epoch < 0 || index < 0 || index >= bert_mixture_batches(x))
        return bert_fail(e, BERT_EINVAL, "batch %lld of %lld", (long long)index,
                         (long long)bert_mixture_batches(x));
    go_to(x, epoch, index * x->unit_batch);
    int rc = (x->mixed ? get_mixed : get_whole)(x, epoch, index, out, e);
    return rc ? rc : join(x, out, e);
}
