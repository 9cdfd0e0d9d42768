/* The CPU as a device: its memory is the host's. */
#include "cpu/matmul.h"
#include "cpu/packing.h"
#include "cpu/rows.h"
#include <string.h>

static int check(bert_precision p, bert_error *e) {
    return bert_precision_check(p, bert_precision_name(p), e);
}

static int tokens(bert_precision p) {
    return bert_cpu()->gemm[p]->tokens;
}

static void copy_bytes(void *to, const void *from, size_t bytes) {
    memcpy(to, from, bytes);
}

static void zero(void *to, size_t bytes) {
    memset(to, 0, bytes);
}

static void copy(bert_worker *w, float *y, const float *x, size_t n) {
    if ((uintptr_t)x - (uintptr_t)y < n * sizeof *y)
        memmove(y, x, n * sizeof *y);
    else
        bert_loop_copy(w->threads, y, x, n);
}

static void add(bert_worker *w, float *y, const float *x, size_t n) {
    bert_loop_add(w->threads, y, x, n);
}

static void fill(bert_worker *w, float *y, float value, size_t n) {
    bert_loop_fill(w->threads, y, value, n);
}

/* ---- The optimizer's step: what a thread takes at a time is a stretch of one parameter */

enum { PIECE = BERT_NORM_PIECE };
typedef struct {
    const bert_adamw_item *item;
    size_t first, n;
} piece;
typedef struct {
    const bert_adamw_step *step;
    const piece *pieces;
    double *sums; /* [pieces] of squares */
} piece_loop;

/* All items cut, in order; NULL: out of memory. To be given back. */
static piece *cut(bert_worker *w, const bert_adamw_item *items, int count, size_t *n) {
    *n = 0;
    for (int i = 0; i < count; i++) *n += (items[i].n + PIECE - 1) / PIECE;
    piece *pieces = (piece *)bert_worker_take(w, *n * sizeof *pieces / sizeof(float)), *p = pieces;
    for (int i = 0; i < count && pieces; i++)
        for (size_t first = 0; first < items[i].n; first += PIECE)
            *p++ =
                (piece){&items[i], first, items[i].n - first < PIECE ? items[i].n - first : PIECE};
    return pieces;
}

static void square_pieces(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const piece_loop *l = context;
    for (size_t i = begin; i < end; i++) {
        const piece *p = &l->pieces[i];
        l->sums[i] = bert_cpu()->sum_squares(p->item->grad + p->first, p->n);
    }
}

static int norm(bert_worker *w, const bert_adamw_item *items, int count, double *sums) {
    size_t n;
    piece *pieces = cut(w, items, count, &n);
    if (!pieces) return BERT_ENOMEM;
    bert_loop(w->threads, n, 1, square_pieces, &(piece_loop){.pieces = pieces, .sums = sums});
    bert_worker_give(w, (float *)pieces);
    return 0;
}

static void update_pieces(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const piece_loop *l = context;
    const bert_adamw_step *s = l->step;
    for (size_t i = begin; i < end; i++) {
        const size_t first = l->pieces[i].first, n = l->pieces[i].n;
        const bert_adamw_item *p = l->pieces[i].item;
        bert_cpu()->adamw(p->value + first, p->grad + first, p->m + first, p->v + first, n,
                          s->grad_scale, p->lr, s->beta1, s->beta2, s->eps, p->weight_decay,
                          p->correction1, p->correction2);
        memset(p->grad + first, 0, n * sizeof *p->grad);
    }
}

static int step(bert_worker *w, const bert_adamw_step *s, const bert_adamw_item *items, int count) {
    size_t n;
    piece *pieces = cut(w, items, count, &n);
    if (!pieces) return BERT_ENOMEM;
    bert_loop(w->threads, n, 1, update_pieces, &(piece_loop){.step = s, .pieces = pieces});
    bert_worker_give(w, (float *)pieces);
    return 0;
}

#define ROW(name) [BERT_OP_##name] = &bert_cpu_##name,
const bert_device bert_device_cpu = {
    .name = "cpu",
    .host = true,
    .check = check,
    .tokens = tokens,
    .write = copy_bytes,
    .read = copy_bytes,
    .zero = zero,
    .copy = copy,
    .add = add,
    .fill = fill,
    .norm = norm,
    .step = step,
    .forget = bert_weights_forget,
    .layout = bert_weights_layout,
    .copies = bert_weights_copies,
    .adopt = bert_weights_adopt,
    .ops = {BERT_COMPUTED_OPS(ROW)},
};
