#include "cpu/left.h"

/* Rows whose distance is a multiple of this lie in one set of the first-level cache, which has no
 * room for a block of them. */
enum { ALIAS = 4096, LINE = 64 };

static ptrdiff_t lines(size_t bytes) {
    return (ptrdiff_t)((bytes + LINE - 1) / LINE * LINE);
}

/* A panel for each block, units of a depth side by side. */
static void lay_panels(bert_left_layout *l) {
    const bert_gemm_kernel *g = l->g;
    l->row = (ptrdiff_t)g->unit;
    l->unit = (ptrdiff_t)g->a_unit;
    l->part = l->unit / g->parts;
    l->extra = l->unit * bert_units(g, l->depth);
    l->block = lines((size_t)l->extra + (g->a_extra ? g->unit * (size_t)g->mr : 0));
}

static void lay_rows(bert_left_layout *l) {
    const bert_gemm_kernel *g = l->g;
    l->kind = BERT_LEFT_ROWS;
    if (g->panels) {
        lay_panels(l);
        return;
    }
    l->unit = (ptrdiff_t)g->unit;
    l->part = lines(g->unit * (size_t)bert_units(g, l->depth));
    l->extra = l->part * g->parts;
    l->row = l->extra + lines(g->a_extra);
    if (l->row / LINE % 2 == 0) l->row += LINE; /* rows of a block in different sets */
    l->block = l->row * l->step;
}

bert_left_layout bert_left_lay(const bert_gemm_kernel *g, bert_view view, int step, int depth) {
    bert_left_layout l = {.g = g, .view = view, .step = step, .depth = depth};
    const ptrdiff_t apart = view.row * (ptrdiff_t)sizeof(float);
    if (g->in_place && view.col == 1 && (apart % ALIAS || step == 1)) {
        l.kind = BERT_LEFT_IN_PLACE;
        l.row = apart;
        l.unit = (ptrdiff_t)g->unit;
    } else if (g->pack_across && view.row == 1 && view.col != 1) {
        l.kind = BERT_LEFT_ACROSS;
        lay_panels(&l);
    } else {
        lay_rows(&l);
    }
    return l;
}

bert_left_layout bert_left_lay_narrow(const bert_gemm_kernel *g, bert_view view, int step,
                                      int depth, int cols) {
    bert_left_layout l = bert_left_lay(g, view, step, depth);
    if (g->in_place && l.kind == BERT_LEFT_ACROSS && cols <= 2 * g->nr) {
        l.kind = BERT_LEFT_IN_PLACE;
        l.row = (ptrdiff_t)sizeof(float);
        l.unit = view.col * (ptrdiff_t)sizeof(float);
    }
    return l;
}

void bert_left_pack(const bert_left_layout *l, unsigned char *to, int row, int rows,
                    const float *factors) {
    const bert_view *v = &l->view;
    const float *from = v->data + row * v->row;
    if (l->kind == BERT_LEFT_ACROSS)
        l->g->pack_across(to, from, v->col, rows, l->depth);
    else if (l->kind == BERT_LEFT_ROWS)
        l->g->pack_rows(&(bert_left){to, l->row, l->unit, l->part, to + l->extra, NULL}, from,
                        v->row, rows, l->depth, factors);
}

bert_left bert_left_block(const bert_left_layout *l, const unsigned char *from, int row, int k) {
    if (l->kind == BERT_LEFT_IN_PLACE)
        from = (const unsigned char *)(l->view.data + row * l->view.row);
    return (bert_left){
        from + k / l->g->k_unit * l->unit, l->row, l->unit, l->part, from + l->extra, NULL};
}

size_t bert_left_bytes(const bert_gemm_kernel *g, int step, int depth) {
    bert_left_layout rows = {.g = g, .step = step, .depth = depth}, panels = rows;
    lay_rows(&rows);
    lay_panels(&panels);
    return (size_t)(rows.block > panels.block ? rows.block : panels.block);
}

bool bert_words_wanted(const bert_gemm_kernel *g, int rows, int depth) {
    const bert_view floats = {NULL, depth, 1};
    return g->parts == 1 && g->sums != BERT_SUMS_QUANTIZED &&
           bert_left_lay(g, floats, bert_block_rows(g, rows), depth).kind != BERT_LEFT_IN_PLACE;
}

bert_words bert_words_at(const bert_gemm_kernel *g, void *data, int rows, int depth) {
    bert_words w = {{.g = g, .step = bert_block_rows(g, rows), .depth = depth}, data};
    lay_rows(&w.layout);
    return w;
}

size_t bert_words_bytes(const bert_gemm_kernel *g, int rows, int depth) {
    const bert_left_layout l = bert_words_at(g, NULL, rows, depth).layout;
    return (size_t)(l.block * bert_divide_up(rows, l.step));
}
