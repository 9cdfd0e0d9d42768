/* The CPU's rows for rows by number: embedding, rows. */
#include "cpu/rows.h"
#include <string.h>

typedef struct {
    float *y;
    const float *x;
    const int32_t *index;
    size_t cols;
} gather;

static void gather_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const gather *o = context;
    for (size_t i = begin; i < end; i++)
        memcpy(o->y + i * o->cols, o->x + (size_t)o->index[i] * o->cols, o->cols * sizeof *o->y);
}

static void add_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const gather *o = context;
    for (size_t i = begin; i < end; i++) {
        float *y = o->y + i * o->cols;
        bert_cpu()->add(y, y, o->x + (size_t)o->index[i] * o->cols, o->cols);
    }
}

static int run(bert_worker *w, const bert_call *c, bert_loop_fn *fn, const float *from,
               const int32_t *index) {
    const size_t cols = (size_t)c->y.cols;
    bert_loop(w->threads, (size_t)c->y.rows, bert_rows_grain(cols), fn,
              &(gather){c->y.data, from, index, cols});
    return 0;
}

static int embedding_forward(bert_worker *w, const bert_call *c) {
    const bert_embedding_with *with = c->with;
    const float *x = c->x[0].data;
    if (x && x != c->y.data) bert_loop_copy(w->threads, c->y.data, x, bert_matrix_size(&c->y));
    return run(w, c, x ? add_rows : gather_rows, with->table, with->ids);
}

/* The padding's row of the gradient is put back as it was. */
static int embedding_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_embedding_with *with = c->with;
    const size_t cols = (size_t)c->y.cols, bytes = cols * sizeof(float);
    float *row = with->padding >= 0 ? f->dp[0] + (size_t)with->padding * cols : NULL;
    float *kept = row ? bert_worker_take(w, cols) : NULL;
    if (row && !kept) return BERT_ENOMEM;
    if (row) memcpy(kept, row, bytes);
    bert_add_scattered(w->threads, f->dp[0], f->dy, with->ids, (size_t)c->y.rows, cols);
    if (row) memcpy(row, kept, bytes);
    bert_worker_give(w, kept);
    return 0;
}

static int rows_forward(bert_worker *w, const bert_call *c) {
    const bert_rows_with *with = c->with;
    return run(w, c, gather_rows, c->x[0].data, with->index);
}

static int rows_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_rows_with *with = c->with;
    float *dx = f->dx[0];
    if (!f->add[0]) memset(dx, 0, bert_matrix_size(&c->x[0]) * sizeof *dx);
    bert_add_scattered(w->threads, dx, f->dy, with->index, (size_t)c->y.rows, (size_t)c->y.cols);
    return 0;
}

const bert_op_row bert_cpu_embedding = {embedding_forward, embedding_backward};
const bert_op_row bert_cpu_rows = {rows_forward, rows_backward};
