/* The CPU's rows for columns put side by side or taken out. */
#include "cpu/rows.h"
#include <string.h>

typedef struct {
    float *y;
    const float *x;
    size_t y_cols, x_cols, cols; /* row lengths, and columns that are copied */
} block;

static void copy_rows(const void *context, size_t begin, size_t end, int thread) {
    (void)thread;
    const block *o = context;
    for (size_t r = begin; r < end; r++)
        memcpy(o->y + r * o->y_cols, o->x + r * o->x_cols, o->cols * sizeof *o->y);
}

static void copy_block(bert_worker *w, int32_t rows, block o) {
    bert_loop(w->threads, (size_t)rows, bert_rows_grain(o.cols), copy_rows, &o);
}

static int concat_forward(bert_worker *w, const bert_call *c) {
    const size_t total = (size_t)c->y.cols;
    float *y = c->y.data;
    for (int i = 0; i < 2; i++) {
        const size_t cols = (size_t)c->x[i].cols;
        copy_block(w, c->y.rows, (block){y, c->x[i].data, total, cols, cols});
        y += cols;
    }
    return 0;
}

static int concat_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const size_t total = (size_t)c->y.cols;
    const float *dy = f->dy;
    for (int i = 0; i < 2; i++) {
        const size_t cols = (size_t)c->x[i].cols;
        if (f->dx[i]) copy_block(w, c->y.rows, (block){f->dx[i], dy, cols, total, cols});
        dy += cols;
    }
    return 0;
}

static int slice_forward(bert_worker *w, const bert_call *c) {
    const bert_slice_with *with = c->with;
    const size_t cols = (size_t)c->y.cols;
    copy_block(w, c->y.rows,
               (block){c->y.data, c->x[0].data + with->col, cols, (size_t)c->x[0].cols, cols});
    return 0;
}

static int slice_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    const bert_slice_with *with = c->with;
    const size_t cols = (size_t)c->y.cols;
    memset(f->dx[0], 0, bert_matrix_size(&c->x[0]) * sizeof *f->dx[0]);
    copy_block(w, c->y.rows,
               (block){f->dx[0] + with->col, f->dy, (size_t)c->x[0].cols, cols, cols});
    return 0;
}

const bert_op_row bert_cpu_concat = {concat_forward, concat_backward};
const bert_op_row bert_cpu_slice = {slice_forward, slice_backward};
