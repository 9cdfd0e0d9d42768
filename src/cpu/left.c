#include "cpu/left.h"

/* Rows whose distance is a multiple of this lie in one set of the first-level cache, which has no
 * room for a block of them. */
enum { ALIAS = 4096, LINE = 64 };

static ptrdiff_t lines(size_t bytes) {
    return (ptrdiff_t)((bytes + LINE - 1) / LINE * LINE);
}

bert_left bert_left_rows(const bert_gemm_kernel *g, const void *memory, int depth) {
    const int parts = g->parts ? g->parts : 1;
    bert_left l = {.data = memory,
                   .unit = (ptrdiff_t)g->unit,
                   .part = lines(g->unit * (size_t)bert_units(g, depth))};
    l.row = l.part * parts + lines(g->a_extra);
    if (l.row / LINE % 2 == 0) l.row += LINE; /* rows of a block in different sets */
    return l;
}

size_t bert_left_bytes(const bert_gemm_kernel *g, int rows, int depth) {
    const int whole = (rows + g->mr - 1) / g->mr * g->mr;
    return (size_t)(bert_left_rows(g, NULL, depth).row * whole);
}

bert_left_layout bert_left_lay(const bert_gemm_kernel *g, bert_view view, int step, int depth) {
    const int parts = g->parts ? g->parts : 1;
    bert_left_layout l = {.g = g, .view = view, .step = step, .depth = depth};
    const ptrdiff_t apart = view.row * (ptrdiff_t)sizeof(float);
    if (g->in_place && view.col == 1 && (apart % ALIAS || step == 1)) {
        l.kind = BERT_LEFT_IN_PLACE;
        l.base = (const unsigned char *)view.data;
        l.row = apart;
        l.unit = (ptrdiff_t)g->unit;
    } else if (g->pack_across && view.row == 1 && view.col != 1) {
        l.kind = BERT_LEFT_PANELS;
        l.row = (ptrdiff_t)g->unit;
        l.unit = (ptrdiff_t)g->a_unit;
        l.part = l.unit / parts;
        l.block = lines(g->a_unit * (size_t)bert_units(g, depth));
    } else {
        const bert_left rows = bert_left_rows(g, NULL, depth);
        l.kind = BERT_LEFT_ROWS;
        l.unit = rows.unit;
        l.part = rows.part;
        l.extra = l.part * parts;
        l.row = rows.row;
        l.block = l.row * step;
    }
    return l;
}

bert_left_layout bert_left_made(const bert_gemm_kernel *g, const bert_left *made, int step,
                                int depth) {
    return (bert_left_layout){.g = g,
                              .step = step,
                              .depth = depth,
                              .kind = BERT_LEFT_IN_PLACE,
                              .base = made->data,
                              .row = made->row,
                              .unit = made->unit,
                              .part = made->part};
}

void bert_left_pack(const bert_left_layout *l, unsigned char *to, int row, int rows,
                    const float *factors) {
    const bert_view *v = &l->view;
    const float *from = v->data + row * v->row;
    if (l->kind == BERT_LEFT_PANELS)
        l->g->pack_across(to, from, v->col, rows, l->depth);
    else if (l->kind == BERT_LEFT_ROWS)
        l->g->pack_rows(&(bert_left){to, l->row, l->unit, l->part, to + l->extra}, from, v->row,
                        v->col, rows, l->depth, factors);
}

bert_left bert_left_block(const bert_left_layout *l, const unsigned char *from, int row, int k) {
    if (l->kind == BERT_LEFT_IN_PLACE) from = l->base + row * l->row;
    return (bert_left){from + k / l->g->k_unit * l->unit, l->row, l->unit, l->part,
                       from + l->extra};
}
