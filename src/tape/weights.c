/* Packed copies of linear weights. A copy belongs to the first weight of its linears. */
#include "base/error.h"
#include "tape/loops.h"
#include "tape/params.h"
#include <math.h>
#include <stdlib.h>

/* Packing takes about as long as multiplying so many rows. */
enum { ONCE_ROWS = 256 };

struct bert_weights {
    bert_weights *next;
    int count;
    const bert_param *weight[BERT_LINEARS_MAX];
    uint64_t version[BERT_LINEARS_MAX];
    bool transposed;
    bert_precision precision;
    bert_packed *packed;
};

static bool matches(const bert_weights *w, const bert_linear *ls, int count, bool transposed,
                    bert_precision precision) {
    if (w->count != count || w->transposed != transposed || w->precision != precision) return false;
    for (int i = 0; i < count; i++)
        if (w->weight[i] != ls[i].weight) return false;
    return true;
}

static bert_view operand(const bert_param *p, bool transposed) {
    return transposed ? (bert_view){p->value, 1, p->cols} : (bert_view){p->value, p->cols, 1};
}

void bert_weights_done(const bert_param *p, bool finite, bert_threads *threads) {
    const bert_param_source *source = &p->owner->source;
    if (!source->done || p->trainable || p->initialised) return;
    const size_t n = bert_param_size(p);
    if (!finite) finite = bert_all_finite(threads, p->value, n); /* or was it the other side? */
    source->done(source->context, p->value, n * sizeof *p->value, finite);
}

bool bert_weights_once(const bert_linear *ls, int count, int rows) {
    if (rows > ONCE_ROWS) return false;
    bert_params *owner = ls[0].weight->owner;
    pthread_mutex_lock(&owner->packing);
    bool once = !ls[0].weight->packed;
    for (int i = 0; i < count; i++) {
        once &= !ls[i].weight->used;
        ls[i].weight->used = true;
    }
    pthread_mutex_unlock(&owner->packing);
    return once;
}

/* The copy is up to date; the originals will hardly be read. */
static void remember(bert_weights *w, const bert_linear *ls, bert_threads *threads) {
    for (int i = 0; i < w->count; i++) {
        w->version[i] = ls[i].weight->version;
        bert_weights_done(ls[i].weight, false, threads);
    }
}

typedef struct {
    const bert_linear *ls;
    int count, rows, cols;
    const float *x;
    float *balance;
} balance_job;

enum { BALANCE_COLS = 64 };

/* most[k] = the largest of most[k] and the magnitudes in column first + k, row by row as they lie.
 */
static void raise_to_columns(float *most, const float *x, int rows, int cols, size_t first,
                             size_t n) {
    for (int i = 0; i < rows; i++)
        for (size_t k = 0; k < n; k++) {
            const float v = fabsf(x[(size_t)i * (size_t)cols + first + k]);
            most[k] = v > most[k] ? v : most[k];
        }
}

/* What a column's weights are multiplied by. Where one side is nothing, the other one must not take
 * the range of the columns that count; where both are, or one is broken, 1. */
static float share(float x, float w) {
    const float s = sqrtf(x / w), least = 1e-6f, most = 1e6f;
    return s < least ? least : s > most ? most : s >= least ? s : 1;
}

static void balance_columns(const void *context, size_t begin, size_t end, int thread) {
    const balance_job *j = context;
    (void)thread;
    for (size_t first = begin; first < end; first += BALANCE_COLS) {
        const size_t n = end - first < BALANCE_COLS ? end - first : BALANCE_COLS;
        float x[BALANCE_COLS] = {0}, w[BALANCE_COLS] = {0};
        raise_to_columns(x, j->x, j->rows, j->cols, first, n);
        for (int i = 0; i < j->count; i++) {
            const bert_param *p = j->ls[i].weight;
            raise_to_columns(w, p->value, p->rows, p->cols, first, n);
        }
        float *right = j->balance + first, *left = right + j->cols;
        for (size_t k = 0; k < n; k++) {
            const float s = share(x[k], w[k]);
            right[k] = s;
            left[k] = 1 / s;
        }
    }
}

int bert_weights_balance(const bert_linear *ls, int count, const float *x, int rows,
                         bert_threads *threads, bert_error *e) {
    bert_param *first = ls[0].weight;
    const size_t bytes = 2 * (size_t)first->cols * sizeof(float);
    float *balance = bert_arena_alloc(&first->owner->names, bytes);
    if (!balance) return bert_fail_memory(e, bytes);
    const balance_job j = {ls, count, rows, first->cols, x, balance};
    bert_loop(threads, (size_t)first->cols, BALANCE_COLS, balance_columns, &j);
    for (int i = 0; i < count; i++) ls[i].weight->balance = balance;
    return BERT_OK;
}

static bert_weights *pack(const bert_linear *ls, int count, bool transposed,
                          bert_precision precision, bert_threads *threads, bert_error *e) {
    bert_weights *w = calloc(1, sizeof *w);
    if (!w) {
        bert_fail_memory(e, sizeof *w);
        return NULL;
    }
    *w = (bert_weights){.count = count, .transposed = transposed, .precision = precision};
    bert_view views[BERT_LINEARS_MAX];
    int cols[BERT_LINEARS_MAX];
    for (int i = 0; i < count; i++) {
        const bert_param *p = w->weight[i] = ls[i].weight;
        views[i] = operand(p, transposed);
        cols[i] = transposed ? p->rows : p->cols;
    }
    int depth = transposed ? ls[0].weight->cols : ls[0].weight->rows;
    w->packed = bert_pack(threads, precision, depth, count, views, cols, ls[0].weight->balance, e);
    if (!w->packed) {
        free(w);
        return NULL;
    }
    remember(w, ls, threads);
    bert_param *first = ls[0].weight;
    w->next = first->packed;
    first->packed = w;
    first->owner->packed_bytes += bert_packed_bytes(w->packed);
    return w;
}

static void refresh(bert_weights *w, const bert_linear *ls, bert_threads *threads) {
    bool stale = false;
    bert_view views[BERT_LINEARS_MAX];
    for (int i = 0; i < w->count; i++) {
        views[i] = operand(ls[i].weight, w->transposed);
        stale |= w->version[i] != ls[i].weight->version;
    }
    if (!stale) return;
    bert_repack(threads, w->packed, views);
    remember(w, ls, threads);
}

const bert_packed *bert_weights_packed(const bert_linear *ls, int count, bool transposed,
                                       bert_precision precision, bert_threads *threads,
                                       bert_error *e) {
    bert_params *owner = ls[0].weight->owner;
    pthread_mutex_lock(&owner->packing);
    bert_weights *w = ls[0].weight->packed;
    while (w && !matches(w, ls, count, transposed, precision)) w = w->next;
    if (w)
        refresh(w, ls, threads);
    else
        w = pack(ls, count, transposed, precision, threads, e);
    pthread_mutex_unlock(&owner->packing);
    return w ? w->packed : NULL;
}

void bert_weights_free(bert_param *p) {
    for (bert_weights *w = p->packed, *next; w; w = next) {
        next = w->next;
        p->owner->packed_bytes -= bert_packed_bytes(w->packed);
        bert_packed_free(w->packed);
        free(w);
    }
    p->packed = NULL;
}

size_t bert_params_packed_bytes(const bert_params *ps) {
    bert_params *owner = (bert_params *)(uintptr_t)ps; /* only its mutex changes */
    pthread_mutex_lock(&owner->packing);
    size_t bytes = ps->packed_bytes;
    pthread_mutex_unlock(&owner->packing);
    return bytes;
}
