/* Tables of embeddings in a group: a micro-batch touches few of their rows, and only those travel. */
#include "base/error.h"
#include "base/grow.h"
#include "train/slices.h"
#include <stdlib.h>
#include <string.h>

/* Touched rows that follow each other, as far as they are of one slice. */
typedef struct {
    size_t first, n; /* elements of the parameter */
    size_t packed;   /* where they are in the stretch */
} run;

/* What one process sends of a slice: a stretch. */
typedef struct {
    const bert_param_slice *slice;
    int sender;
    int first, count; /* of the runs */
    size_t floats;
} part;

typedef struct bert_slice_rows {
    bert_slices *all;
    uint8_t *bits; /* [size][bytes]: touched rows of every process, parameter by parameter */
    size_t bytes;
    part *parts;             /* [parts_count]: bert_grow */
    bert_stretch *stretches; /* of each: bert_grow */
    run *runs;               /* [runs_count]: bert_grow */
    float *packed;           /* [room] what this process sends, where it is not one run */
    size_t room;
    int parts_count, runs_count;
} rows;

int bert_slice_rows_choose(bert_slices *s, bert_error *e) {
    const bert_params *ps = s->ps;
    const size_t size = (size_t)s->group->size;
    size_t bytes = 0;
    s->by_rows = calloc((size_t)s->params + 1, sizeof *s->by_rows);
    rows *x = s->rows = calloc(1, sizeof *x);
    if (!s->by_rows || !x) return bert_fail_memory(e, (size_t)s->params);
    x->all = s;
    for (int i = 0; i < s->params && ps->device->host; i++) {
        bert_param *p = ps->items[i];
        s->by_rows[i] = bert_param_trainable(p) && p->kind == BERT_KIND_EMBEDDING;
        if (!s->by_rows[i] || size < 2) continue;
        bytes += bert_param_touched_bytes(p);
        if (bert_param_keep_touched(p, e)) return e->code;
    }
    x->bytes = bytes;
    x->bits = calloc(size * bytes + 1, 1);
    return x->bits ? BERT_OK : bert_fail_memory(e, size * bytes);
}

void bert_slice_rows_free(rows *x) {
    if (!x) return;
    free(x->bits);
    bert_grown_free(x->parts);
    bert_grown_free(x->stretches);
    bert_grown_free(x->runs);
    free(x->packed);
    free(x);
}

/* ---- Which rows */

static int gather_bits(rows *x, bert_error *e) {
    const bert_slices *s = x->all;
    uint8_t *own = x->bits + (size_t)s->group->rank * x->bytes;
    for (int i = 0; i < s->params; i++) {
        const bert_param *p = s->ps->items[i];
        if (!s->by_rows[i]) continue;
        const size_t n = bert_param_touched_bytes(p);
        if (!p->flowed || s->group->rank >= s->senders)
            memset(own, 0, n);
        else if (p->all_touched)
            memset(own, 0xff, n);
        else
            memcpy(own, p->touched, n);
        own += n;
    }
    return bert_group_gather_equal(s->group, x->bits, x->bytes, e);
}

static size_t at_least(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Appends the runs of a slice; how many floats they are. */
static int list_runs(rows *x, const uint8_t *bits, const bert_param_slice *slice, size_t *floats,
                     bert_error *e) {
    const bert_param *p = x->all->ps->items[slice->param];
    const size_t cols = (size_t)p->cols, end = slice->first + slice->n;
    const size_t rows_end = (end + cols - 1) / cols;
    *floats = 0;
    for (size_t r = slice->first / cols; r < rows_end; r++) {
        if (!bert_row_is_touched(bits, r)) continue;
        const size_t first = at_least(r * cols, slice->first);
        while (r < rows_end && bert_row_is_touched(bits, r)) r++;
        const size_t n = (r * cols < end ? r * cols : end) - first;
        if (bert_grow(&x->runs, (size_t)x->runs_count + 1, sizeof *x->runs, e)) return e->code;
        x->runs[x->runs_count++] = (run){first, n, *floats};
        *floats += n;
    }
    return BERT_OK;
}

/* A stretch of each sender and slice, those of a slice in the order of ranks. */
static int list_parts(rows *x, bert_error *e) {
    const bert_slices *s = x->all;
    int rc = BERT_OK, latest = -1;
    size_t before = 0, bits = 0; /* of the parameters in front of this one, and of it */
    x->parts_count = x->runs_count = 0;
    for (int i = 0; i < s->count && !rc; i++) {
        const bert_param_slice *slice = &s->at[i];
        if (!s->by_rows[slice->param]) continue;
        if (slice->param != latest) {
            before += bits;
            bits = bert_param_touched_bytes(s->ps->items[slice->param]);
            latest = slice->param;
        }
        for (int r = 0; r < s->senders && !rc; r++) {
            const size_t n = (size_t)x->parts_count + 1;
            rc = bert_grow(&x->parts, n, sizeof *x->parts, e);
            if (!rc) rc = bert_grow(&x->stretches, n, sizeof *x->stretches, e);
            if (rc) break;
            part *q = &x->parts[x->parts_count];
            *q = (part){.slice = slice, .sender = r, .first = x->runs_count};
            size_t floats = 0;
            rc = list_runs(x, x->bits + (size_t)r * x->bytes + before, slice, &floats, e);
            q->count = x->runs_count - q->first;
            x->stretches[x->parts_count++] = (bert_stretch){
                .owner = slice->owner, .n = bert_wire_floats(s, floats), .only = r + 1};
            q->floats = floats;
        }
    }
    return rc;
}

/* ---- Their elements */

static int reserve(rows *x, size_t floats, bert_error *e) {
    if (floats <= x->room) return BERT_OK;
    free(x->packed);
    x->room = floats + floats / 4;
    x->packed = malloc(x->room * sizeof *x->packed);
    if (x->packed) return BERT_OK;
    x->room = 0;
    return bert_fail_memory(e, floats * sizeof *x->packed);
}

/* What this process sends: where it lies, if that is one run, else a copy. */
static int pack(rows *x, bert_error *e) {
    const bert_slices *s = x->all;
    size_t all = 0, at = 0;
    for (int i = 0; i < x->parts_count; i++)
        if (x->parts[i].sender == s->group->rank && x->parts[i].count > 1)
            all += x->parts[i].floats;
    if (reserve(x, all, e)) return e->code;
    for (int i = 0; i < x->parts_count; i++) {
        const part *q = &x->parts[i];
        if (q->sender != s->group->rank || !q->count) continue;
        float *grad = s->ps->items[q->slice->param]->grad;
        const run *u = x->runs + q->first;
        x->stretches[i].data = q->count > 1 ? x->packed + at : grad + u->first;
        for (const run *end = u + q->count; u < end && q->count > 1; u++) {
            memcpy(x->packed + at, grad + u->first, u->n * sizeof *grad);
            at += u->n;
        }
        if (s->narrow) bert_wire_narrow(x->stretches[i].data, q->floats);
    }
    return BERT_OK;
}

static void add(void *context, int stretch, int rank, size_t first, const float *from, size_t n) {
    (void)rank;
    rows *x = context;
    bert_slices *s = x->all;
    const part *q = &x->parts[stretch];
    const run *u = x->runs + q->first;
    float *wide = bert_wire_read(s, &from, &first, &n, q->floats);
    for (int low = 0, high = q->count; high - low > 1;) { /* the last that begins before it */
        const int middle = (low + high) / 2;
        const bool before = x->runs[q->first + middle].packed <= first;
        *(before ? &low : &high) = middle;
        u = x->runs + q->first + low;
    }
    for (; n; u++) {
        const size_t skip = first - u->packed, m = u->n - skip < n ? u->n - skip : n;
        s->ps->device->add(&s->worker, q->slice->sum + (u->first - q->slice->first) + skip, from,
                           m);
        first += m;
        from += m;
        n -= m;
    }
    free(wide);
}

/* Sums that begin. */
static void clear(const bert_slices *s) {
    for (int i = 0; i < s->count; i++)
        if (s->by_rows[s->at[i].param] && s->at[i].sum)
            s->ps->device->zero(s->at[i].sum, s->at[i].n * sizeof *s->at[i].sum);
}

int bert_slice_rows_add(bert_slices *s, bert_error *e) {
    rows *x = s->rows;
    if (!x->bytes) return BERT_OK;
    if (s->is_first) clear(s);
    int rc = gather_bits(x, e);
    if (!rc) rc = bert_group_agree(s->group, list_parts(x, e) ? e->code : pack(x, e), e);
    if (rc) return rc;
    return bert_group_reduce(s->group, x->stretches, x->parts_count, s->senders, add, x, e);
}
