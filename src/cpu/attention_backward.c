/* Backward keeps the probabilities and score gradients of a block of queries in the thread's scratch,
 * since they are read by rows and by columns: of the whole sequence, or where there is a window of
 * few queries and of the keys that they see. So time and memory of a window grow with the length,
 * and not with its square. With relative positions blocks are few queries as well: what they make of
 * a block's gradients stays in cache. */
#include "cpu/attention_head.h"
#include "cpu/attention_relative.h"
#include <string.h>

/* Queries of a block. */
static int block_of(const bert_attention_head *h) {
    enum { LEAST = 128 };
    if (h->plan->relative) return bert_relative_queries(h);
    if (!h->plan->window) return h->length;
    const int64_t some = 2 * (int64_t)h->plan->window;
    const int64_t block = some < LEAST ? LEAST : (some + h->g->mr - 1) / h->g->mr * h->g->mr;
    return block < h->length ? (int)block : h->length;
}

typedef struct {
    bert_packed_tokens keys, values, deep_keys;
    unsigned char *right_q, *right_dout; /* of a block, which is the depth */
    unsigned char *strip;
    float *tile, *prob, *dscore, *dropped, *q, *k, *line;
    int ld; /* of a row of probabilities */
    bert_relative_side relative;
    bert_relative_flow flow;
} backward_room;

static backward_room backward_take(const bert_attention_head *h, bert_scratch *s) {
    const bert_attention_plan *p = h->plan;
    const bert_gemm_kernel *g = h->g;
    const int size = p->head_size, length = h->length, block = block_of(h);
    const int columns = bert_head_keys(h, block);
    const size_t tokens = sizeof(float) * (size_t)length * (size_t)size;
    int deepest = size > columns ? size : columns;
    backward_room r = {.ld = bert_scores_apart(h, columns)};
    const int rows = bert_round_up(block, g->mr);
    const int packed = bert_head_room(h, block);
    r.keys = bert_packed_take(s, g, size, false, packed);
    r.values = bert_packed_take(s, g, size, false, packed);
    r.deep_keys = bert_packed_take(s, g, size, true, packed);
    r.right_q = bert_scratch_take(s, bert_right_bytes(g, size, block));
    r.right_dout = bert_scratch_take(s, bert_right_bytes(g, size, block));
    r.tile =
        bert_scratch_take(s, sizeof(float) * (size_t)g->mr * (size_t)bert_round_up(size, g->nr));
    r.prob = bert_scores_take(h, s, rows, r.ld);
    r.dscore = bert_scores_take(h, s, rows, r.ld);
    r.dropped = p->dropout > 0 ? bert_scores_take(h, s, rows, r.ld) : r.prob;
    r.line = bert_scratch_take(s, sizeof(float) * bert_attention_line_size(p, length));
    if (p->turned) r.q = bert_scratch_take(s, tokens);
    if (p->turned) r.k = bert_scratch_take(s, tokens);
    if (p->relative) {
        r.relative = bert_relative_take(h, s);
        r.flow = bert_relative_flow_take(h, &r.relative, s);
        const int positions = r.relative.rows.end - r.relative.rows.first;
        if (positions > deepest) deepest = positions;
    }
    r.strip = bert_scratch_take(s, bert_left_bytes(g, g->mr, deepest));
    return r;
}

/* One head's backward: what its blocks share. */
typedef struct {
    const bert_attention_job *w;
    bert_attention_head h;
    backward_room room;
    bert_view q, k, dout;
    bert_attention_line line;
    bert_strip_room strips;
    int step, cleared;
} backward;

/* A row of probabilities ps again, from scores, and of their gradients ds, from those of the
 * probabilities; both of the keys `of`. */
static void differentiate_row(const backward *b, float *ps, float *ds, float *drop, int query,
                              bert_range of) {
    const bert_attention_head *h = &b->h;
    const bert_attention_plan *p = h->plan;
    const bert_range seen = bert_attention_seen(h, query);
    const int n = seen.end - seen.first, at = seen.first - of.first;
    const float scale = bert_attention_scale(p);
    const size_t row = (size_t)(of.end - of.first);
    /* the sum over keys of p dp, which is the same as output times its gradient */
    const ptrdiff_t place = (h->first + query) * h->hidden + (ptrdiff_t)h->head * p->head_size;
    const float d = h->k->dot(b->w->output + place, b->w->dout + place, (size_t)p->head_size);
    if (b->line.values) bert_head_add(h, b->line, ps + at, query, seen);
    h->k->exp_shifted(ps + at, (size_t)n, scale,
                      b->w->lse_in[(ptrdiff_t)h->head * p->start[p->n] + h->first + query]);
    memset(ps, 0, (size_t)at * sizeof *ps);
    memset(ps + at + n, 0, (row - (size_t)(at + n)) * sizeof *ps);
    if (p->dropout > 0) {
        bert_head_drop(h, drop, ps, query, of);
        bert_head_drop(h, ds, ds, query, of);
    }
    h->k->softmax_backward(ds, ds, ps, row, d, scale);
    if (b->w->dx && p->bias) {
        const ptrdiff_t width = 2 * (ptrdiff_t)p->reach + 1;
        float *db = b->w->dx + ((ptrdiff_t)h->sequence * p->heads + h->head) * width;
        h->k->axpy(db + (seen.first - query + p->reach), 1 / scale, ds + at, (size_t)n);
    }
}

/* Zeros around a row of n numbers. */
static void surround(float *row, int n, int ld) {
    memset(row - BERT_RELATIVE_LANES, 0, BERT_RELATIVE_LANES * sizeof *row);
    memset(row + n, 0, (size_t)(ld - n) * sizeof *row);
}

/* Of a block of queries: probabilities and gradients of scores, of the keys in `of`. What is not
 * made, since none of a strip sees it, is 0. */
static void differentiate(const backward *b, bert_range block, bert_range of) {
    const bert_attention_head *h = &b->h;
    const bert_gemm_kernel *g = h->g;
    const backward_room *room = &b->room;
    const int size = h->plan->head_size;
    const bert_left_layout queries = bert_left_lay(g, b->q, b->step, size),
                           gradients = bert_left_lay(g, b->dout, b->step, size);
    const bool onto = bert_relative_put(h, &room->relative, room->prob, room->ld, block.first,
                                        block.end - block.first);
    for (int i = block.first; i < block.end; i += b->step) {
        const int rows = block.end - i < b->step ? block.end - i : b->step;
        const bert_range near = bert_head_sees(h, (bert_range){i, i + rows});
        const ptrdiff_t row = (ptrdiff_t)(i - block.first) * room->ld;
        float *ps = room->prob + row, *ds = room->dscore + row, *drop = room->dropped + row;
        const int at = near.first - of.first;
        const bert_right_side keys = bert_packed_at(&room->keys, near),
                              values = bert_packed_at(&room->values, near);
        bert_strip_multiply(ps + at, room->ld, &queries, room->strip, i, rows, &keys, onto);
        bert_strip_multiply(ds + at, room->ld, &gradients, room->strip, i, rows, &values, false);
        bert_relative_add(h, &room->relative, &queries, room->strip, ps, room->ld, i, rows);
        for (int r = 0; r < rows; r++, ps += room->ld, ds += room->ld, drop += room->ld) {
            memset(ds, 0, (size_t)at * sizeof *ds);
            memset(ds + (near.end - of.first), 0, (size_t)(of.end - near.end) * sizeof *ds);
            differentiate_row(b, ps, ds, drop, i + r, of);
            if (h->plan->relative) surround(ds, of.end - of.first, room->ld);
        }
    }
}

/* Rows [at.first, at.end) of the head's part of dqkv. */
static bert_target gradient(const backward *b, int which, int token, bool add) {
    const bert_attention_head *h = &b->h;
    return (bert_target){b->w->dqkv + (h->first + token) * 3 * h->hidden +
                             bert_head_column(h, which),
                         3 * h->hidden, add, add && h->plan->relative};
}

/* Gradients of the block's queries, from those of its scores of the keys `of`. */
static void onto_queries(const backward *b, bert_range block, bert_range of) {
    const bert_attention_head *h = &b->h;
    for (int i = block.first; i < block.end; i += b->step) {
        const int rows = block.end - i < b->step ? block.end - i : b->step;
        const bert_range near = bert_head_sees(h, (bert_range){i, i + rows});
        const float *ds = b->room.dscore + (ptrdiff_t)(i - block.first) * b->room.ld;
        const bert_right_side keys = bert_packed_at(&b->room.deep_keys, near);
        const bert_target to = gradient(b, 0, i, false);
        const bert_view a = {ds + (near.first - of.first), b->room.ld, 1};
        bert_strip_into(&to, h->g, &b->strips, &a, rows, near.end - near.first, &keys);
    }
}

/* What the block's queries give to keys (which 1) or values (2) of `of`: x^T times `right`, their
 * rows packed. A key takes those that see it, from a whole step on. */
static void onto_keys(const backward *b, bert_range block, bert_range of, const float *x,
                      bert_right_side right, int which) {
    const bert_attention_head *h = &b->h;
    const int unit = bert_key_step(h->g);
    const bool add = b->cleared || block.first > 0;
    for (int j = of.first; j < of.end; j += b->step) {
        const int rows = of.end - j < b->step ? of.end - j : b->step;
        /* as far as a key sees queries, so far they see it */
        int first = bert_attention_seen(h, j).first - block.first;
        int end = bert_attention_seen(h, j + rows - 1).end - block.first;
        first = first < 0 ? 0 : first / unit * unit;
        if (end > block.end - block.first) end = block.end - block.first;
        if (end <= first) continue;
        const bert_view a = {x + (ptrdiff_t)first * b->room.ld + (j - of.first), 1, b->room.ld};
        const bert_right_side some = bert_right_from(h->g, right, first);
        const bert_target to = gradient(b, which, j, add);
        bert_strip_into(&to, h->g, &b->strips, &a, rows, end - first, &some);
    }
}

static bert_view rows_from(bert_view v, int row) {
    return (bert_view){v.data + row * v.row, v.row, v.col};
}

static bert_relative_gradients relative_gradients(const backward *b) {
    return (bert_relative_gradients){gradient(b, 0, 0, true), gradient(b, 1, 0, true), b->w->dx};
}

/* Where there is a window, gradients of keys and values up to `end` are 0 before they are added to, not
 * long before; else the first block writes all of them. */
static void clear(backward *b, int end) {
    const size_t bytes = (size_t)b->h.plan->head_size * sizeof(float);
    for (; b->cleared < end; b->cleared++)
        for (int which = 1; which < 3; which++)
            memset(gradient(b, which, b->cleared, true).data, 0, bytes);
}

static void backward_block(backward *b, bert_range block) {
    const bert_gemm_kernel *g = b->h.g;
    const int size = b->h.plan->head_size, queries = block.end - block.first;
    const bert_range of = bert_head_sees(&b->h, block);
    bert_packed_move(&b->room.keys, of);
    bert_packed_move(&b->room.values, of);
    bert_packed_move(&b->room.deep_keys, of);
    if (b->h.plan->window && block_of(&b->h) < b->h.length) clear(b, of.end);
    differentiate(b, block, of);
    onto_queries(b, block, of);
    const bert_right_side q =
        bert_right_pack(g, b->room.right_q, rows_from(b->q, block.first), size, queries);
    onto_keys(b, block, of, b->room.dscore, q, 1);
    if (b->h.plan->relative) {
        const bert_relative_gradients to = relative_gradients(b);
        bert_relative_backward_block(&b->h, &b->room.relative, &b->room.flow, &b->strips,
                                     b->room.dscore, b->room.ld, block, q, &to);
    }
    const bert_right_side dout =
        bert_right_pack(g, b->room.right_dout, rows_from(b->dout, block.first), size, queries);
    onto_keys(b, block, of, b->room.dropped, dout, 2);
}

void bert_attention_backward_head(const bert_attention_job *w, const bert_attention_head *head,
                                  unsigned char *memory) {
    const bert_gemm_kernel *g = head->g;
    const bert_attention_plan *p = head->plan;
    const int length = head->length, size = p->head_size, block = block_of(head);
    bert_scratch s = {memory, 0};
    backward b = {.w = w, .h = *head, .room = backward_take(head, &s)};
    const backward_room *room = &b.room;
    b.step = bert_block_rows(g, block);
    b.q = bert_head_turned(w, head, 0, room->q);
    b.k = bert_head_turned(w, head, 1, room->k);
    b.dout = (bert_view){w->dout + head->first * head->hidden + (ptrdiff_t)head->head * size,
                         head->hidden, 1};
    b.line = bert_attention_line_make(head, room->line);
    b.strips = (bert_strip_room){head->k, room->strip, room->tile};
    b.room.keys.tokens = b.room.deep_keys.tokens = b.k;
    b.room.values.tokens = bert_head_part(w, head, 2);
    b.room.keys.n = b.room.deep_keys.n = b.room.values.n = length;
    if (p->relative) {
        const bert_range all = {0, length};
        bert_packed_move(&b.room.keys, all);
        bert_relative_begin(head, &b.room.relative, bert_packed_at(&room->keys, all), room->strip);
        bert_relative_flow_begin(head, &b.room.relative, &b.room.flow);
    }
    for (int i = 0; i < length; i += block)
        backward_block(&b, (bert_range){i, length - i < block ? length : i + block});
    if (p->relative) {
        const bert_relative_gradients to = relative_gradients(&b);
        bert_relative_backward(head, &b.room.relative, &b.room.flow, &b.strips,
                               bert_packed_at(&room->deep_keys, (bert_range){0, length}), &to);
    }
    for (int i = 0; i < 2 && p->turned; i++) {
        const bert_target d = gradient(&b, i, 0, true);
        bert_attention_turn(head, (bert_view){d.data, d.stride, 1}, length, d.data, d.stride, true);
    }
}

size_t bert_attention_backward_bytes(const bert_attention_head *h) {
    bert_scratch s = {0};
    backward_take(h, &s);
    return s.used;
}
