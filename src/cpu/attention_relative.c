/* A score's terms are taken from one matrix of a row of relative keys for each distance, and one of
 * relative queries. Distances are key - query. Gradients of scores are turned so that a vector is of
 * one distance and of neighbouring queries: then a row's gradient is the sum of its distances', whole
 * vectors of queries, and, moved on by the distance, of keys. */
#include "cpu/attention_relative.h"
#include <limits.h>
#include <string.h>

/* The rows of distances [from, to]. */
static bert_range rows_of(const bert_attention_plan *p, int from, int to) {
    const int32_t *index = p->index + p->reach;
    bert_range r = {index[from], index[from] + 1};
    for (int d = from + 1; d <= to; d++) {
        if (index[d] < r.first) r.first = index[d];
        if (index[d] >= r.end) r.end = index[d] + 1;
    }
    return r;
}

/* Those within r, from a whole step on. */
static bert_range rows_between(const bert_attention_head *h, const bert_relative_side *r, int from,
                               int to, int step) {
    const int32_t *index = h->plan->index + h->plan->reach;
    const bert_range rows =
        r->falls ? (bert_range){index[to], index[from] + 1} : rows_of(h->plan, from, to);
    return (bert_range){(rows.first - r->rows.first) / step * step, rows.end - r->rows.first};
}
static bert_range rows_of_queries(const bert_attention_head *h, const bert_relative_side *r,
                                  bert_range of, int step) {
    return rows_between(h, r, 1 - of.end, h->length - 1 - of.first, step);
}
static bert_range rows_of_keys(const bert_attention_head *h, const bert_relative_side *r,
                               bert_range of, int step) {
    return rows_between(h, r, of.first + 1 - h->length, of.end - 1, step);
}

static bert_range distances_of(const bert_relative_side *r, bert_range rows) {
    bert_range d = r->distances[rows.first];
    for (int i = rows.first + 1; i < rows.end; i++) {
        if (r->distances[i].first < d.first) d.first = r->distances[i].first;
        if (r->distances[i].end > d.end) d.end = r->distances[i].end;
    }
    return d;
}

static bert_range meet(bert_range a, bert_range b) {
    if (b.first > a.first) a.first = b.first;
    if (b.end < a.end) a.end = b.end;
    return a;
}

/* The tokens that have some of the rows as keys, and as queries. */
static bert_range keys_with(const bert_attention_head *h, const bert_relative_side *r,
                            bert_range rows) {
    const bert_range d = distances_of(r, rows), all = {0, h->length};
    if (d.first >= d.end) return (bert_range){0, 0};
    return meet(all, (bert_range){d.first, h->length - 1 + d.end});
}
static bert_range queries_with(const bert_attention_head *h, const bert_relative_side *r,
                               bert_range rows) {
    const bert_range d = distances_of(r, rows), all = {0, h->length};
    if (d.first >= d.end) return (bert_range){0, 0};
    return meet(all, (bert_range){1 - d.end, h->length - d.first});
}

/* n floats with room for so many around them. */
static float *take_between(bert_scratch *s, size_t n, size_t around) {
    float *x = bert_scratch_take(s, sizeof(float) * (n + 2 * around));
    return x ? x + around : NULL;
}

int bert_scores_apart(const bert_attention_head *h, int keys) {
    return bert_apart(h->g, keys + (h->plan->relative ? BERT_RELATIVE_LANES : 0));
}
float *bert_scores_take(const bert_attention_head *h, bert_scratch *s, int n, int ld) {
    return take_between(s, (size_t)n * (size_t)ld, h->plan->relative ? BERT_RELATIVE_LANES : 0);
}

/* Whether rows fall, and how far the flow is moved if it takes p2c's place: past all but one of the
 * distances that share a row, and a vector's rest. */
static void find_steps(const bert_attention_head *h, bert_relative_side *r) {
    const int32_t *index = h->plan->index + h->plan->reach;
    const int reach = h->length - 1;
    int most = 0;
    r->falls = true;
    for (int d = 1 - reach, same = 0; d <= reach; d++) {
        const int step = index[d - 1] - index[d];
        same = step ? 0 : same + 1;
        if (same > most) most = same;
        if (step != 0 && step != 1) r->falls = false;
    }
    const int shift = bert_round_up(most + BERT_RELATIVE_LANES - 1, BERT_RELATIVE_LANES);
    r->shift = r->falls && shift + BERT_RELATIVE_LANES <= BERT_RELATIVE_AROUND ? shift : 0;
}

bert_relative_side bert_relative_take(const bert_attention_head *h, bert_scratch *s) {
    const bert_attention_plan *p = h->plan;
    const bert_gemm_kernel *g = h->g;
    bert_relative_side r = {.rows = rows_of(p, 1 - h->length, h->length - 1)};
    find_steps(h, &r);
    const int n = r.rows.end - r.rows.first;
    const ptrdiff_t width = (p->relative_keys + p->relative_queries) * h->hidden;
    const float *at = p->relative + r.rows.first * width + (ptrdiff_t)h->head * p->head_size;
    r.c2p_ld = bert_apart(g, n);
    r.p2c_ld = bert_apart(g, h->length + BERT_RELATIVE_LANES + r.shift);
    r.distances = bert_scratch_take(s, (size_t)n * sizeof *r.distances);
    if (p->relative_keys) {
        r.keys = (bert_view){at, width, 1};
        r.packed_keys.data = bert_scratch_take(s, bert_right_bytes(g, n, p->head_size));
        r.c2p = take_between(s, (size_t)g->mr * (size_t)r.c2p_ld, BERT_RELATIVE_LANES);
    }
    if (p->relative_queries) {
        r.queries = (bert_view){at + (p->relative_keys ? h->hidden : 0), width, 1};
        r.p2c = take_between(s, (size_t)(n + g->mr) * (size_t)r.p2c_ld, BERT_RELATIVE_AROUND);
    }
    return r;
}

static void find_distances(const bert_attention_head *h, bert_relative_side *r) {
    const int32_t *index = h->plan->index + h->plan->reach;
    const int reach = h->length - 1;
    for (int i = 0; i < r->rows.end - r->rows.first; i++)
        r->distances[i] = (bert_range){INT_MAX, INT_MIN};
    for (int d = -reach; d <= reach; d++) {
        bert_range *of = &r->distances[index[d] - r->rows.first];
        if (d < of->first) of->first = d;
        of->end = d + 1;
    }
}

void bert_relative_begin(const bert_attention_head *h, bert_relative_side *r, bert_right_side keys,
                         unsigned char *strip) {
    const bert_gemm_kernel *g = h->g;
    const int size = h->plan->head_size, n = r->rows.end - r->rows.first;
    find_distances(h, r);
    if (r->keys.data)
        r->packed_keys = bert_right_pack(g, (unsigned char *)(uintptr_t)r->packed_keys.data,
                                         bert_transposed(r->keys), n, size);
    if (!r->queries.data) return;
    const int step = bert_block_rows(g, n);
    const bert_left_layout left = bert_left_lay(g, r->queries, step, size);
    for (int i = 0; i < n; i += step) {
        const bert_range rows = {i, n - i < step ? n : i + step};
        bert_range of = keys_with(h, r, rows);
        of.first = of.first / g->nr * g->nr;
        const bert_right_side some = bert_right_columns(g, keys, of);
        bert_strip_multiply(r->p2c + (ptrdiff_t)i * r->p2c_ld + of.first, r->p2c_ld, &left, strip,
                            i, rows.end - i, &some, false);
    }
}

static bert_relative_strip strip_of(const bert_attention_head *h, const bert_relative_side *r,
                                    int query, int rows) {
    return (bert_relative_strip){.query = query,
                                 .rows = rows,
                                 .keys = h->length,
                                 .index = h->plan->index + h->plan->reach,
                                 .first = r->rows.first,
                                 .falls = r->falls};
}

bool bert_relative_put(const bert_attention_head *h, const bert_relative_side *r, float *scores,
                       ptrdiff_t ld, int query, int rows) {
    if (!r->p2c) return false;
    bert_relative_strip s = strip_of(h, r, query, rows);
    s.p = r->p2c, s.p_ld = r->p2c_ld;
    h->k->put_relative(scores, ld, &s);
    return true;
}

void bert_relative_add(const bert_attention_head *h, const bert_relative_side *r,
                       const bert_left_layout *q, unsigned char *strip, float *scores, ptrdiff_t ld,
                       int query, int rows) {
    if (!r->c2p) return;
    bert_relative_strip s = strip_of(h, r, query, rows);
    s.c = r->c2p, s.c_ld = r->c2p_ld;
    const bert_range of = rows_of_queries(h, r, (bert_range){query, query + rows}, h->g->nr);
    const bert_right_side some = bert_right_columns(h->g, r->packed_keys, of);
    bert_strip_multiply(r->c2p + of.first, r->c2p_ld, q, strip, query, rows, &some, false);
    h->k->add_relative(scores, ld, &s);
}

/* ---- And backward */

int bert_relative_queries(const bert_attention_head *h) {
    const int mr = h->g->mr, most = BERT_RELATIVE_QUERIES / mr * mr;
    const int blocks = bert_divide_up(h->length, most);
    return bert_round_up(bert_divide_up(h->length, blocks), mr);
}

bert_relative_flow bert_relative_flow_take(const bert_attention_head *h,
                                           const bert_relative_side *r, bert_scratch *s) {
    const int n = r->rows.end - r->rows.first;
    bert_relative_flow f = {.c2p_ld = bert_apart(h->g, bert_relative_queries(h)),
                            .p2c_ld = r->p2c_ld};
    if (r->keys.data) f.c2p = take_between(s, (size_t)n * (size_t)f.c2p_ld, BERT_RELATIVE_LANES);
    if (r->p2c && r->shift)
        f.p2c = r->p2c - r->shift;
    else if (r->queries.data && !r->shift)
        f.p2c = take_between(s, (size_t)n * (size_t)f.p2c_ld, BERT_RELATIVE_AROUND);
    f.right = bert_scratch_take(s, bert_right_bytes(h->g, h->plan->head_size, n));
    return f;
}

void bert_relative_flow_begin(const bert_attention_head *h, const bert_relative_side *r,
                              bert_relative_flow *f) {
    const int n = r->rows.end - r->rows.first;
    if (f->c2p) f->keys = bert_right_pack(h->g, f->right, r->keys, h->plan->head_size, n);
    if (f->p2c && !r->falls) memset(f->p2c, 0, sizeof(float) * (size_t)n * (size_t)f->p2c_ld);
}

/* The product of a strip, added to rows `at` of x. */
static void add_strip(const bert_attention_head *h, const bert_strip_room *room, bert_target x,
                      bert_range at, const bert_view *left, int depth,
                      const bert_right_side *right) {
    x.data += at.first * x.stride;
    x.add = x.onto = true;
    bert_strip_into(&x, h->g, room, left, at.end - at.first, depth, right);
}

/* Tokens' gradients: x += flow^T times the table's rows. flow [rows, ld] is of `tokens`. */
static void onto_tokens(const bert_attention_head *h, const bert_relative_side *r,
                        const bert_strip_room *room, const float *flow, ptrdiff_t ld,
                        bert_range tokens, bool queries, bert_right_side table, bert_target x) {
    const bert_gemm_kernel *g = h->g;
    const int step = bert_block_rows(g, tokens.end - tokens.first);
    for (int i = tokens.first; i < tokens.end; i += step) {
        const bert_range at = {i, tokens.end - i < step ? tokens.end : i + step};
        const bert_range of = (queries ? rows_of_queries : rows_of_keys)(h, r, at, g->k_unit);
        const bert_view left = {flow + of.first * ld + (i - tokens.first), 1, ld};
        const bert_right_side some = bert_right_from(g, table, of.first);
        add_strip(h, room, x, at, &left, of.end - of.first, &some);
    }
}

/* Gradients of the table's rows `of`: x += flow times tokens, packed. */
static void onto_rows(const bert_attention_head *h, const bert_relative_side *r,
                      const bert_strip_room *room, const float *flow, ptrdiff_t ld, bert_range of,
                      bert_range tokens, bool queries, bert_right_side packed, bert_target x) {
    const bert_gemm_kernel *g = h->g;
    const int step = bert_block_rows(g, of.end - of.first);
    for (int i = of.first; i < of.end; i += step) {
        const bert_range at = {i, of.end - i < step ? of.end : i + step};
        const bert_range with = meet((queries ? queries_with : keys_with)(h, r, at), tokens);
        if (with.first >= with.end) continue;
        const int first = (with.first - tokens.first) / g->k_unit * g->k_unit;
        const bert_right_side some = bert_right_from(g, packed, first);
        const bert_view left = {flow + i * ld + first, ld, 1};
        add_strip(h, room, x, at, &left, with.end - tokens.first - first, &some);
    }
}

/* Where the head's part of the gradients of relative keys or queries begins. */
static bert_target gradient_of_rows(const bert_attention_head *h, const bert_relative_side *r,
                                    float *rows, bool queries) {
    const ptrdiff_t width = r->keys.data ? r->keys.row : r->queries.row;
    rows += r->rows.first * width + (ptrdiff_t)h->head * h->plan->head_size;
    return (bert_target){rows + (queries && r->keys.data ? h->hidden : 0), width, true, true};
}

void bert_relative_backward_block(const bert_attention_head *h, const bert_relative_side *r,
                                  const bert_relative_flow *f, const bert_strip_room *room,
                                  const float *ds, ptrdiff_t ld, bert_range block,
                                  bert_right_side queries, const bert_relative_gradients *to) {
    const bert_range of = rows_of_queries(h, r, block, h->g->k_unit);
    const bert_range own = rows_of_queries(h, r, block, 1);
    const int cleared = r->falls ? own.first : own.end; /* others are as they are met */
    if (f->c2p)
        memset(f->c2p + (ptrdiff_t)of.first * f->c2p_ld, 0,
               sizeof(float) * (size_t)(cleared - of.first) * (size_t)f->c2p_ld);
    bert_relative_strip s = strip_of(h, r, block.first, block.end - block.first);
    s.c = f->c2p, s.c_ld = f->c2p_ld;
    s.p = f->p2c, s.p_ld = f->p2c_ld;
    h->k->scatter_relative(ds, ld, &s);
    if (!f->c2p) return;
    onto_tokens(h, r, room, f->c2p, f->c2p_ld, block, true, f->keys, to->dq);
    if (to->rows)
        onto_rows(h, r, room, f->c2p, f->c2p_ld, of, block, true, queries,
                  gradient_of_rows(h, r, to->rows, false));
}

void bert_relative_backward(const bert_attention_head *h, const bert_relative_side *r,
                            const bert_relative_flow *f, const bert_strip_room *room,
                            bert_right_side keys, const bert_relative_gradients *to) {
    if (!f->p2c) return;
    const int n = r->rows.end - r->rows.first;
    const bert_range tokens = {0, h->length};
    const bert_right_side table =
        bert_right_pack(h->g, f->right, r->queries, h->plan->head_size, n);
    onto_tokens(h, r, room, f->p2c, f->p2c_ld, tokens, false, table, to->dk);
    if (to->rows)
        onto_rows(h, r, room, f->p2c, f->p2c_ld, (bert_range){0, n}, tokens, false, keys,
                  gradient_of_rows(h, r, to->rows, true));
}
