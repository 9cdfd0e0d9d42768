#include "cpu/right.h"
#include "base/arena.h"
#include "base/error.h"
#include "device/device.h"
#include <stdlib.h>

typedef struct {
    const bert_packed *p;
    const bert_view *views;
    bert_read_fn *read; /* NULL: they are read where they lie */
    void *context;
} pack_job;

/* Columns from `at` of segment s on, [cols, K]. */
static void read_columns(const pack_job *j, int s, int at, int cols, float *out) {
    const bert_packed *p = j->p;
    const size_t K = (size_t)p->K;
    for (int done = 0, n; done < cols; done += n, at += n) {
        while (at >= p->cols[s]) at = 0, s++;
        n = p->cols[s] - at < cols - done ? p->cols[s] - at : cols - done;
        j->read(j->context, j->views[s].data + (size_t)at * K, out + (size_t)done * K,
                (size_t)n * K * sizeof *out);
    }
}

static void pack_panels(void *context, int begin, int end, int thread) {
    const pack_job *j = context;
    const bert_packed *p = j->p;
    const int nr = p->kernel->nr;
    for (int panel = begin; panel < end; panel++) {
        unsigned char *out = p->data + (size_t)panel * p->panel;
        int first = panel * nr, cols = p->N - first < nr ? p->N - first : nr;
        int s = 0, at = first;
        while (at >= p->cols[s]) at -= p->cols[s++];
        const bert_view *v = &j->views[s];
        float *gathered = p->gather ? p->gather + (size_t)thread * (size_t)p->K * (size_t)nr : NULL;
        if (j->read) {
            read_columns(j, s, at, cols, gathered);
            p->kernel->pack_b(out, gathered, 1, p->K, cols, p->K, p->balance);
            continue;
        }
        if (at + cols <= p->cols[s]) {
            p->kernel->pack_b(out, v->data + at * v->col, v->row, v->col, cols, p->K, p->balance);
            continue;
        }
        for (int c = 0; c < cols; c++, at++) {
            while (at >= p->cols[s]) at = 0, s++;
            v = &j->views[s];
            for (int k = 0; k < p->K; k++)
                gathered[(ptrdiff_t)k * nr + c] = v->data[k * v->row + at * v->col];
        }
        p->kernel->pack_b(out, gathered, nr, 1, cols, p->K, p->balance);
    }
}

static void pack_all(bert_threads *threads, bert_packed *p, pack_job j) {
    /* Without room for every thread to gather, one thread packs. */
    bert_threads *use =
        p->gather && bert_threads_count(threads) > p->gather_threads ? NULL : threads;
    bert_threads_run(use, bert_divide_up(p->N, p->kernel->nr), 4, pack_panels, &j);
}

void bert_repack(bert_threads *threads, bert_packed *p, const bert_view *b) {
    pack_all(threads, p, (pack_job){p, b, NULL, NULL});
}

/* Without data. *spans: a panel has columns of two segments. */
static bert_packed *shape(bert_precision precision, int K, int segments, const int *cols,
                          bert_balance balance, bool *spans, bert_error *e) {
    const bert_gemm_kernel *g = bert_gemm_kept(precision, K);
    if (!g || segments < 1 || segments > BERT_SEGMENTS_MAX) {
        bert_fail(e, BERT_EINVAL, "no %s product of %d segments on this machine",
                  bert_precision_name(precision), segments);
        return NULL;
    }
    bert_packed *p = calloc(1, sizeof *p);
    if (!p) {
        bert_fail_memory(e, sizeof *p);
        return NULL;
    }
    *p = (bert_packed){.kernel = g, .K = K, .segments = segments, .balance = balance};
    *spans = false;
    for (int s = 0; s < segments; s++) {
        p->cols[s] = cols[s];
        p->N += cols[s];
        *spans |= s + 1 < segments && p->N % g->nr;
    }
    p->panel = bert_panel_bytes(g, K);
    p->bytes = bert_right_bytes(g, p->N, K);
    return p;
}

bert_packed *bert_pack_read(bert_threads *threads, bert_precision precision, int K, int segments,
                            const bert_view *b, const int *cols, bert_balance balance,
                            bert_read_fn *read, void *context, bert_error *e) {
    bool spans;
    bert_packed *p = shape(precision, K, segments, cols, balance, &spans, e);
    if (!p) return NULL;
    p->data = bert_aligned_alloc(p->bytes, 1);
    const bool gathers = spans || read;
    if (p->data && gathers) {
        p->gather_threads = bert_threads_count(threads);
        p->gather = bert_aligned_alloc(
            (size_t)p->gather_threads * (size_t)K * (size_t)p->kernel->nr, sizeof *p->gather);
    }
    if (!p->data || (gathers && !p->gather)) {
        bert_fail_memory(e, p->bytes);
        bert_packed_free(p);
        return NULL;
    }
    pack_all(threads, p, (pack_job){p, b, read, context});
    return p;
}

bert_packed *bert_pack(bert_threads *threads, bert_precision precision, int K, int segments,
                       const bert_view *b, const int *cols, bert_balance balance, bert_error *e) {
    return bert_pack_read(threads, precision, K, segments, b, cols, balance, NULL, NULL, e);
}

bert_packed *bert_packed_over(bert_precision precision, int K, int segments, const int *cols,
                              bert_balance balance, const void *data, size_t bytes, bert_error *e) {
    bool spans;
    bert_packed *p = shape(precision, K, segments, cols, balance, &spans, e);
    if (!p) return NULL;
    p->data = (unsigned char *)(uintptr_t)data; /* never written to */
    p->borrowed = true;
    if (bytes == p->bytes && (uintptr_t)data % BERT_KEPT_ALIGN == 0) return p;
    bert_fail(e, BERT_EFORMAT, "%zu packed bytes where %zu are needed, at a multiple of %d", bytes,
              p->bytes, BERT_KEPT_ALIGN);
    bert_packed_free(p);
    return NULL;
}

void bert_packed_free(bert_packed *p) {
    if (!p) return;
    if (!p->borrowed) free(p->data);
    free(p->gather);
    free(p);
}

size_t bert_packed_bytes(const bert_packed *p) {
    return p->borrowed ? 0 : p->bytes;
}
