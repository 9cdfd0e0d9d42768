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

void bert_strip_multiply(float *c, ptrdiff_t ldc, const bert_left_layout *left,
                         unsigned char *strip, int row, int rows, bert_right_side right) {
    const bert_gemm_kernel *g = left->g;
    const int depth = left->depth;
    const unsigned char *b = right.data;
    bert_left_pack(left, strip, row, rows, NULL);
    for (int j = 0; j < right.cols; j += g->nr, b += right.panel)
        for (int k = 0; k < depth; k += g->kc) {
            const bert_left at = bert_left_block(left, strip, row, k);
            g->block(c + j, ldc, &at, b + (size_t)(k / g->k_unit) * g->b_unit,
                     depth - k < g->kc ? depth - k : g->kc, rows, k > 0, NULL, 0);
        }
}

void bert_strip_into(bert_target to, const bert_gemm_kernel *g, const bert_strip_room *room,
                     bert_view a, int rows, int depth, bert_right_side b) {
    const bert_left_layout left = bert_left_lay(g, a, bert_round_up(rows, g->row_step), depth);
    if (!to.add && rows % g->row_step == 0 && b.cols % g->nr == 0) {
        bert_strip_multiply(to.data, to.stride, &left, room->strip, 0, rows, b);
        return;
    }
    const int ld = bert_round_up(b.cols, g->nr);
    bert_strip_multiply(room->tile, ld, &left, room->strip, 0, rows, b);
    for (int r = 0; r < rows; r++) {
        float *y = to.data + r * to.stride;
        const float *made = room->tile + (ptrdiff_t)r * ld;
        if (to.add)
            room->k->add(y, y, made, (size_t)b.cols);
        else
            memcpy(y, made, (size_t)b.cols * sizeof *y);
    }
}
