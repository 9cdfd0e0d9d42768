#include "cpu/attention_product.h"
#include <string.h>

bert_right_side bert_right_pack(const bert_gemm_kernel *g, unsigned char *out, bert_view b,
                                int cols, int depth) {
    const bert_right_side all = {out, bert_panel_bytes(g, depth), cols};
    for (int j = 0; j < cols; j += g->nr, out += all.panel)
        g->pack_b(out, b.data + j * b.col, b.row, b.col, cols - j < g->nr ? cols - j : g->nr, depth,
                  NULL);
    return all;
}

/* Tokens of a unit of what is packed: a panel, or a unit of each panel's depth. */
static int tokens_of_unit(const bert_packed_tokens *p) {
    return p->deep ? p->g->k_unit : p->g->nr;
}
static size_t unit_bytes(const bert_packed_tokens *p) {
    return p->deep ? p->g->b_unit : bert_panel_bytes(p->g, p->size);
}

bert_right_side bert_packed_at(const bert_packed_tokens *p, bert_range of) {
    const size_t units = (size_t)((of.first - p->has.first) / tokens_of_unit(p));
    return (bert_right_side){p->data + units * unit_bytes(p),
                             bert_panel_bytes(p->g, p->deep ? p->room : p->size),
                             p->deep ? p->size : of.end - of.first};
}

void bert_packed_move(bert_packed_tokens *p, bert_range of) {
    if (of.first >= p->has.first && of.end <= p->has.end) return;
    const bert_gemm_kernel *g = p->g;
    const bert_range to = {of.first, p->n - of.first < p->room ? p->n : of.first + p->room};
    const int step = tokens_of_unit(p), lines = p->deep ? bert_divide_up(p->size, g->nr) : 1;
    const size_t line = p->deep ? bert_panel_bytes(g, p->room) : 0, unit = unit_bytes(p);
    const bool some = to.first >= p->has.first && to.first < p->has.end;
    const int first = some ? p->has.end : to.first; /* of those to be packed */
    const size_t from = some ? (size_t)((to.first - p->has.first) / step) * unit : 0;
    const size_t kept = (size_t)bert_divide_up(first - to.first, step) * unit;
    const float *x = p->tokens.data + first * p->tokens.row;
    for (int i = 0; i < lines && first < to.end; i++) {
        unsigned char *at = p->data + (size_t)i * line;
        memmove(at, at + from, kept);
        const int col = i * g->nr, cols = p->size - col < g->nr ? p->size - col : g->nr;
        if (p->deep)
            g->pack_b(at + kept, x + col * p->tokens.col, p->tokens.row, p->tokens.col, cols,
                      to.end - first, NULL);
        else
            bert_right_pack(g, at + kept, (bert_view){x, p->tokens.col, p->tokens.row},
                            to.end - first, p->size);
    }
    p->has = to;
}

void bert_strip_multiply(float *c, ptrdiff_t ldc, const bert_left_layout *left,
                         unsigned char *strip, int row, int rows, const bert_right_side *right,
                         bool onto) {
    const bert_gemm_kernel *g = left->g;
    const int depth = left->depth;
    bert_left_pack(left, strip, row, rows, NULL);
    for (int k = 0; k < depth; k += g->kc) {
        const bert_left at = bert_left_block(left, strip, row, k);
        const unsigned char *b = right->data + (size_t)(k / g->k_unit) * g->b_unit;
        for (int j = 0; j < right->cols; j += g->nr, b += right->panel)
            g->block(c + j, ldc, &at, b, depth - k < g->kc ? depth - k : g->kc, rows, onto || k > 0,
                     NULL, 0);
    }
}

/* Rows of gradients lie far apart, and are seldom in the first-level cache: they come while the product
 * is made, and neither what is added nor what is stored waits for them. */
static void fetch_target(const bert_target *to, int rows, int cols) {
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < cols; j += BERT_LINE_FLOATS)
            __builtin_prefetch(to->data + r * to->stride + j, 1);
}

void bert_strip_into(const bert_target *to, const bert_gemm_kernel *g, const bert_strip_room *room,
                     const bert_view *a, int rows, int depth, const bert_right_side *b) {
    const bert_left_layout left =
        bert_left_lay_narrow(g, *a, bert_round_up(rows, g->row_step), depth, b->cols);
    if ((!to->add || to->onto) && rows % g->row_step == 0 && b->cols % g->nr == 0) {
        fetch_target(to, rows, b->cols);
        bert_strip_multiply(to->data, to->stride, &left, room->strip, 0, rows, b, to->add);
        return;
    }
    const int ld = bert_round_up(b->cols, g->nr);
    bert_strip_multiply(room->tile, ld, &left, room->strip, 0, rows, b, false);
    for (int r = 0; r < rows; r++) {
        float *y = to->data + r * to->stride;
        const float *made = room->tile + (ptrdiff_t)r * ld;
        if (to->add)
            room->k->add(y, y, made, (size_t)b->cols);
        else
            memcpy(y, made, (size_t)b->cols * sizeof *y);
    }
}
