#include "cpu/packing.h"
#include "base/error.h"
#include "base/finite.h"
#include "cpu/loops.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Packing takes about as long as multiplying so many rows. */
enum { ONCE_ROWS = 256 };

typedef struct copy {
    struct copy *next;
    int count;
    bert_memo *of[BERT_LINEARS_MAX]; /* which weights */
    uint64_t version[BERT_LINEARS_MAX];
    bool transposed;
    bert_precision precision;
    bert_packed *packed;
} copy;

static bool matches(const copy *c, const bert_weight *ws, int count, bool transposed,
                    bert_precision precision) {
    if (c->count != count || c->transposed != transposed || c->precision != precision) return false;
    for (int i = 0; i < count; i++)
        if (c->of[i] != ws[i].memo) return false;
    return true;
}

static bert_view operand(const bert_weight *w, bool transposed) {
    return transposed ? (bert_view){w->value, 1, w->cols} : (bert_view){w->value, w->cols, 1};
}

/* The same values, read by parts. */
typedef struct {
    const bert_weight *w;
    atomic_bool *infinite;
} late_scan;

static void scan_late(const void *context, size_t begin, size_t end, int thread) {
    enum { PART = 2048 };
    const late_scan *s = context;
    const bert_memos *memos = s->w->memo->memos;
    float part[PART];
    (void)thread;
    for (size_t at = begin; at < end; at += PART) {
        const size_t n = end - at < PART ? end - at : PART;
        memos->read(memos->source, s->w->value + at, part, n * sizeof *part);
        if (!bert_finite(part, n)) atomic_store_explicit(s->infinite, true, memory_order_relaxed);
    }
}

static bool all_finite(const bert_weight *w, size_t n, bert_threads *threads) {
    atomic_bool infinite = false;
    if (!w->memo->late) return bert_all_finite(threads, w->value, n);
    bert_loop(threads, n, BERT_ELEMENTS, scan_late, &(late_scan){w, &infinite});
    return !infinite;
}

void bert_weights_done(const bert_weight *w, bool finite, bert_threads *threads) {
    const bert_memos *memos = w->memo->memos;
    if (!memos->done || !w->memo->mapped) return;
    const size_t n = (size_t)w->rows * (size_t)w->cols;
    if (!finite) finite = all_finite(w, n, threads); /* or was it the other side? */
    memos->done(memos->source, w->value, n * sizeof *w->value, finite);
}

bool bert_weights_once(const bert_weight *ws, int count, int rows) {
    if (rows > ONCE_ROWS) return false;
    bert_memos *memos = ws[0].memo->memos;
    pthread_mutex_lock(&memos->lock);
    bool once = !ws[0].memo->copies;
    for (int i = 0; i < count; i++) {
        once &= !ws[i].memo->used;
        ws[i].memo->used = true;
    }
    pthread_mutex_unlock(&memos->lock);
    return once;
}

/* The copy is up to date; the originals will hardly be read. */
static void remember(copy *c, const bert_weight *ws, bert_threads *threads) {
    for (int i = 0; i < c->count; i++) {
        c->version[i] = ws[i].memo->version;
        bert_weights_done(&ws[i], false, threads);
    }
}

/* Its value is to be read where it lies. */
static void look_at(const bert_weight *w) {
    const bert_memos *memos = w->memo->memos;
    if (w->memo->late)
        memos->fill(memos->source, w->value, (size_t)w->rows * (size_t)w->cols * sizeof *w->value);
}

typedef struct {
    const bert_weight *ws;
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
            const bert_weight *p = &j->ws[i];
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

int bert_weights_balance(const bert_weight *ws, int count, const float *x, int rows,
                         bert_threads *threads, bert_error *e) {
    const int cols = ws[0].cols;
    const size_t bytes = 2 * (size_t)cols * sizeof(float);
    float *balance = bert_arena_alloc(&ws[0].memo->memos->memory, bytes);
    if (!balance) return bert_fail_memory(e, bytes);
    for (int i = 0; i < count; i++) look_at(&ws[i]);
    const balance_job j = {ws, count, rows, cols, x, balance};
    bert_loop(threads, (size_t)cols, BALANCE_COLS, balance_columns, &j);
    for (int i = 0; i < count; i++) ws[i].memo->balance = balance;
    return BERT_OK;
}

static copy *pack(const bert_weight *ws, int count, bool transposed, bert_precision precision,
                  bert_threads *threads, bert_error *e) {
    copy *c = calloc(1, sizeof *c);
    if (!c) {
        bert_fail_memory(e, sizeof *c);
        return NULL;
    }
    *c = (copy){.count = count, .transposed = transposed, .precision = precision};
    bert_view views[BERT_LINEARS_MAX];
    int cols[BERT_LINEARS_MAX];
    for (int i = 0; i < count; i++) {
        c->of[i] = ws[i].memo;
        views[i] = operand(&ws[i], transposed);
        cols[i] = transposed ? ws[i].rows : ws[i].cols;
    }
    int depth = transposed ? ws[0].cols : ws[0].rows;
    bert_memo *first = ws[0].memo;
    bool late = true;
    for (int i = 0; i < count; i++) late &= transposed && ws[i].memo->late;
    for (int i = 0; i < count && !late; i++) look_at(&ws[i]);
    c->packed = bert_pack_read(threads, precision, depth, count, views, cols, first->balance,
                               late ? first->memos->read : NULL, first->memos->source, e);
    if (!c->packed) {
        free(c);
        return NULL;
    }
    remember(c, ws, threads);
    c->next = first->copies;
    first->copies = c;
    first->memos->bytes += bert_packed_bytes(c->packed);
    return c;
}

static void refresh(copy *c, const bert_weight *ws, bert_threads *threads) {
    bool stale = false;
    bert_view views[BERT_LINEARS_MAX];
    for (int i = 0; i < c->count; i++) {
        views[i] = operand(&ws[i], c->transposed);
        stale |= c->version[i] != ws[i].memo->version;
    }
    if (!stale) return;
    bert_repack(threads, c->packed, views);
    remember(c, ws, threads);
}

static bool have_values(const bert_weight *ws, int count, bert_precision precision, bert_error *e) {
    for (int i = 0; i < count; i++)
        if (ws[i].memo->packed) {
            bert_fail(e, BERT_EUNSUPPORTED,
                      "these weights are packed for another use than this one, at %s",
                      bert_precision_name(precision));
            return false;
        }
    return true;
}

const bert_packed *bert_weights_packed(const bert_weight *ws, int count, bool transposed,
                                       bert_precision precision, bert_threads *threads,
                                       bert_error *e) {
    bert_memos *memos = ws[0].memo->memos;
    pthread_mutex_lock(&memos->lock);
    copy *c = ws[0].memo->copies;
    while (c && !matches(c, ws, count, transposed, precision)) c = c->next;
    if (c)
        refresh(c, ws, threads);
    else if (have_values(ws, count, precision, e))
        c = pack(ws, count, transposed, precision, threads, e);
    pthread_mutex_unlock(&memos->lock);
    return c ? c->packed : NULL;
}

void bert_weights_forget(bert_memo *memo) {
    for (copy *c = memo->copies, *next; c; c = next) {
        next = c->next;
        memo->memos->bytes -= bert_packed_bytes(c->packed);
        bert_packed_free(c->packed);
        free(c);
    }
    memo->copies = NULL;
}

/* ---- Copies in files */

int bert_weights_layout(bert_precision p, char out[BERT_KEPT_LAYOUT], bert_error *e) {
    const bert_kernels *k = bert_cpu();
    int rc = bert_precision_check(p, bert_precision_name(p), e);
    if (rc) return rc;
    if (p != BERT_PRECISION_HIGHEST && k->gemm[p] == k->gemm[BERT_PRECISION_HIGHEST])
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "this machine (%s) has no products of %s, which float32 serves: there is "
                         "nothing to pack for it",
                         k->isa, bert_precision_name(p));
    snprintf(out, BERT_KEPT_LAYOUT, "cpu %d %s", BERT_PACKED_VERSION, bert_gemm_kept(p, 1)->name);
    return 0;
}

int bert_weights_copies(const bert_memo *memo, bert_precision p, bert_kept_fn *each, void *context,
                        bert_error *e) {
    for (const copy *c = memo->copies; c; c = c->next) {
        if (c->precision != p || !c->transposed) continue;
        bert_kept_copy k = {.cols = c->packed->K,
                            .count = c->count,
                            .precision = p,
                            .data = c->packed->data,
                            .bytes = c->packed->bytes,
                            .balance = c->packed->balance};
        for (int i = 0; i < c->count; i++) {
            k.of[i] = c->of[i];
            k.rows[i] = c->packed->cols[i];
        }
        int rc = each(context, &k, e);
        if (rc) return rc;
    }
    return 0;
}

int bert_weights_adopt(const bert_kept_copy *k, bert_error *e) {
    copy *c = calloc(1, sizeof *c);
    if (!c) return bert_fail_memory(e, sizeof *c);
    *c = (copy){.count = k->count, .transposed = true, .precision = k->precision};
    int cols[BERT_LINEARS_MAX];
    for (int i = 0; i < k->count; i++) {
        c->of[i] = k->of[i];
        c->version[i] = k->of[i]->version;
        cols[i] = k->rows[i];
    }
    c->packed =
        bert_packed_over(k->precision, k->cols, k->count, cols, k->balance, k->data, k->bytes, e);
    if (!c->packed) {
        free(c);
        return e->code;
    }
    for (int i = 0; i < k->count; i++)
        k->of[i]->balance = (float *)(uintptr_t)k->balance; /* only read from now on */
    c->next = k->of[0]->copies;
    k->of[0]->copies = c;
    return 0;
}
