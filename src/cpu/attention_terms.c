#include "cpu/attention_terms.h"
#include <math.h>
#include <string.h>

float bert_attention_scale(const bert_attention_plan *p) {
    return p->scale != 0 ? p->scale : 1.0f / sqrtf((float)p->head_size);
}

bert_range bert_attention_seen(const bert_attention_head *h, int query) {
    const int w = h->plan->window, keys = h->keys;
    if (!w) return (bert_range){0, keys};
    const int first = query > w ? query - w : 0, end = keys - query > w ? query + w + 1 : keys;
    return (bert_range){first < end ? first : end, end};
}

void bert_attention_turn(const bert_attention_head *h, bert_view v, int n, float *out,
                         ptrdiff_t stride, bool back) {
    const bert_attention_plan *p = h->plan;
    const size_t half = (size_t)p->turned / 2, rest = (size_t)(p->head_size - p->turned);
    for (int i = 0; i < n; i++, out += stride) {
        const float *x = v.data + i * v.row;
        h->k->rotate(out, x, p->cos + (size_t)i * half, p->sin + (size_t)i * half, half, back);
        if (x != out && rest) memcpy(out + p->turned, x + p->turned, rest * sizeof *out);
    }
}

/* ---- Bias and ALiBi */

/* The furthest distance between a query and a key that it sees. */
static int furthest(const bert_attention_plan *p, int length) {
    return p->window && p->window < length - 1 ? p->window : length - 1;
}

size_t bert_attention_line_size(const bert_attention_plan *p, int length) {
    return p->bias || p->slopes ? 2 * (size_t)furthest(p, length) + 1 : 0;
}

bert_attention_line bert_attention_line_make(const bert_attention_head *h, float *room) {
    const bert_attention_plan *p = h->plan;
    if (!p->bias && !p->slopes) return (bert_attention_line){0};
    const int reach = furthest(p, h->length);
    const float scale = bert_attention_scale(p);
    for (int d = -reach; d <= reach; d++) {
        float x = p->bias ? p->bias[(ptrdiff_t)(d + p->reach) * p->heads + h->head] : 0;
        if (p->slopes) x -= p->slopes[h->head] * (float)(d < 0 ? -d : d);
        room[d + reach] = x / scale;
    }
    return (bert_attention_line){room, reach};
}

/* ---- Relative positions. Distances are key - query. */

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

bert_range bert_relative_rows(const bert_attention_plan *p, int length) {
    return rows_of(p, 1 - length, length - 1);
}

/* Those of a strip of queries, and of a strip of keys, within r, from a whole step on. */
static bert_range within(const bert_relative_side *r, bert_range rows, int step) {
    const int first = (rows.first - r->rows.first) / step * step;
    return (bert_range){first, rows.end - r->rows.first};
}
static bert_range rows_of_queries(const bert_attention_head *h, const bert_relative_side *r,
                                  int query, int rows, int step) {
    return within(r, rows_of(h->plan, 1 - query - rows, h->length - 1 - query), step);
}
static bert_range rows_of_keys(const bert_attention_head *h, const bert_relative_side *r, int key,
                               int rows, int step) {
    return within(r, rows_of(h->plan, key + 1 - h->length, key + rows - 1), step);
}

/* Keys that are taken at once: rows of p2c of a strip of queries stay in the first cache. */
enum { NEAR = 64 };

bert_relative_side bert_relative_take(const bert_attention_head *h, bert_scratch *s) {
    const bert_attention_plan *p = h->plan;
    const bert_gemm_kernel *g = h->g;
    const int size = p->head_size;
    bert_relative_side r = {.rows = bert_relative_rows(p, h->length)};
    const int n = r.rows.end - r.rows.first;
    const ptrdiff_t width = (p->relative_keys + p->relative_queries) * h->hidden;
    const float *at = p->relative + r.rows.first * width + (ptrdiff_t)h->head * size;
    r.ld = bert_apart(g, n);
    const size_t beyond = sizeof(float) * BERT_RELATIVE_LANES;
    const size_t strip = sizeof(float) * (size_t)r.ld * (size_t)g->mr + beyond;
    const size_t distances = 2 * (size_t)h->length - 1 + 2 * BERT_RELATIVE_LANES;
    r.turned = bert_scratch_take(s, distances * sizeof *r.turned);
    r.starts = bert_scratch_take(s, ((size_t)n + 1 + BERT_RELATIVE_LANES) * sizeof *r.starts);
    r.longest = bert_scratch_take(s, (size_t)n * sizeof *r.longest);
    if (p->relative_keys) {
        r.keys = (bert_view){at, width, 1};
        r.packed_keys.data = bert_scratch_take(s, bert_right_bytes(g, n, size));
        r.c2p = bert_scratch_take(s, strip);
    }
    if (p->relative_queries) {
        r.queries = (bert_view){at + (p->relative_keys ? h->hidden : 0), width, 1};
        r.packed_queries.data = bert_scratch_take(s, bert_right_bytes(g, n, size));
        r.p2c = bert_scratch_take(s, sizeof(float) * (size_t)r.ld * (size_t)h->length + strip);
    }
    return r;
}

/* Where rows begin in the index that was turned, and how many places they have. */
static void find_starts(const bert_attention_head *h, const bert_relative_side *r) {
    enum { LANES = BERT_RELATIVE_LANES };
    const int n = r->rows.end - r->rows.first, places = 2 * (h->length - 1) + 1 + 2 * LANES;
    for (int at = places - 1; at >= 0; at--) r->starts[r->turned[at] - r->rows.first] = at;
    for (int row = n; row <= n + LANES; row++) r->starts[row] = places;
    for (int row = 0; row < n; row++) {
        int most = 1;
        for (int i = row; i < n && i < row + 2 * LANES; i++) {
            const int has = r->starts[i + 1] - r->starts[i];
            if (has > most) most = has;
        }
        r->longest[row] = most < LANES ? most : LANES;
    }
}

/* Whether kernels may take it so: then it is filled. */
static bool turn_index(const bert_attention_head *h, int32_t *turned) {
    enum { LANES = BERT_RELATIVE_LANES };
    const int32_t *index = h->plan->index + h->plan->reach;
    const int reach = h->length - 1;
    for (int d = -reach; d < reach; d++)
        if (index[d] - index[d + 1] < 0 || index[d] - index[d + 1] > 1) return false;
    for (int d = -reach - LANES; d <= reach + LANES; d++)
        turned[d + reach + LANES] = index[d < -reach ? reach : d > reach ? -reach : -d];
    return true;
}

static bert_relative_strip strip_of(const bert_attention_head *h, const bert_relative_side *r,
                                    int query, int rows, int key) {
    enum { LANES = BERT_RELATIVE_LANES };
    const bert_attention_plan *p = h->plan;
    return (bert_relative_strip){
        .ld = r->ld,
        .rows = rows,
        .n = (size_t)(h->length - key < NEAR ? h->length - key : NEAR),
        .index = p->index + p->reach + (key - query),
        .turned = r->turned ? r->turned + (h->length - 1 + LANES) + (query - key) : NULL,
        .starts = r->starts,
        .longest = r->longest,
        .place = h->length - 1 + LANES + query - key,
        .first = r->rows.first};
}

void bert_relative_begin(const bert_attention_head *h, bert_relative_side *r, bert_view k,
                         unsigned char *strip) {
    const bert_gemm_kernel *g = h->g;
    const int size = h->plan->head_size, n = r->rows.end - r->rows.first;
    if (turn_index(h, r->turned))
        find_starts(h, r);
    else
        r->turned = NULL;
    if (r->keys.data)
        r->packed_keys = bert_right_pack(g, (unsigned char *)(uintptr_t)r->packed_keys.data,
                                         bert_transposed(r->keys), n, size);
    if (!r->queries.data) return;
    r->packed_queries = bert_right_pack(g, (unsigned char *)(uintptr_t)r->packed_queries.data,
                                        bert_transposed(r->queries), n, size);
    const int step = bert_block_rows(g, h->length);
    const bert_left_layout keys = bert_left_lay(g, k, step, size);
    for (int j = 0; j < h->length; j += step) {
        const int rows = h->length - j < step ? h->length - j : step;
        const bert_range of = rows_of_keys(h, r, j, rows, g->nr);
        bert_strip_multiply(r->p2c + (ptrdiff_t)j * r->ld + of.first, r->ld, &keys, strip, j, rows,
                            bert_right_columns(g, r->packed_queries, of));
    }
}

void bert_relative_add(const bert_attention_head *h, const bert_relative_side *r,
                       const bert_left_layout *q, unsigned char *strip, float *scores, ptrdiff_t ld,
                       int query, int rows) {
    if (r->keys.data) {
        const bert_range of = rows_of_queries(h, r, query, rows, h->g->nr);
        bert_strip_multiply(r->c2p + of.first, r->ld, q, strip, query, rows,
                            bert_right_columns(h->g, r->packed_keys, of));
    }
    for (int j = 0; j < h->length; j += NEAR) {
        bert_relative_strip strip_at = strip_of(h, r, query, rows, j);
        strip_at.c = r->keys.data ? r->c2p : NULL;
        strip_at.p = r->queries.data ? r->p2c + (ptrdiff_t)j * r->ld : NULL;
        h->k->add_relative(scores + j, ld, &strip_at);
    }
}

/* ---- And backward */

bert_relative_flow bert_relative_flow_take(const bert_attention_head *h,
                                           const bert_relative_side *r, bert_scratch *s) {
    const int step = bert_block_rows(h->g, h->length), n = bert_divide_up(h->length, step);
    const size_t bytes = sizeof(float) * ((size_t)r->ld * (size_t)h->length + BERT_RELATIVE_LANES);
    bert_relative_flow f = {0};
    f.of_queries = bert_scratch_take(s, (size_t)n * sizeof *f.of_queries);
    f.of_keys = bert_scratch_take(s, (size_t)n * sizeof *f.of_keys);
    if (r->keys.data) f.c2p = bert_scratch_take(s, bytes);
    if (r->queries.data) f.p2c = bert_scratch_take(s, bytes);
    for (int i = 0; i < n && s->base; i++) {
        const int at = i * step, rows = h->length - at < step ? h->length - at : step;
        f.of_queries[i] = rows_of_queries(h, r, at, rows, h->g->k_unit);
        f.of_keys[i] = rows_of_keys(h, r, at, rows, h->g->k_unit);
    }
    if (f.c2p) memset(f.c2p, 0, bytes);
    if (f.p2c) memset(f.p2c, 0, bytes);
    return f;
}

void bert_relative_scatter(const bert_attention_head *h, const bert_relative_side *r,
                           const bert_relative_flow *f, const float *ds, ptrdiff_t ld, int query,
                           int rows) {
    for (int j = 0; j < h->length; j += NEAR) {
        bert_relative_strip strip = strip_of(h, r, query, rows, j);
        strip.c = f->c2p ? f->c2p + (ptrdiff_t)query * r->ld : NULL;
        strip.p = f->p2c ? f->p2c + (ptrdiff_t)j * r->ld : NULL;
        h->k->scatter_relative(ds + j, ld, &strip);
    }
}

/* x [length, head_size] += f [length, rows] times the table's rows of the head, packed to right;
 * `of` says which of them a strip has. */
static void onto_tokens(const bert_attention_head *h, const bert_relative_side *r, const float *f,
                        const bert_range *of, bert_view table, bert_target x,
                        const bert_strip_room *room, unsigned char *right) {
    const bert_gemm_kernel *g = h->g;
    const int step = bert_block_rows(g, h->length), n = r->rows.end - r->rows.first;
    const bert_right_side b = bert_right_pack(g, right, table, h->plan->head_size, n);
    for (int i = 0; i < h->length; i += step, of++) {
        const int rows = h->length - i < step ? h->length - i : step;
        const bert_view a = {f + (ptrdiff_t)i * r->ld + of->first, r->ld, 1};
        const bert_target to = {x.data + i * x.stride, x.stride, true};
        bert_strip_into(to, g, room, a, rows, of->end - of->first,
                        bert_right_from(g, b, of->first));
    }
}

/* The tokens that have some of the rows: whole strips and units. */
static bert_range tokens_with(const bert_attention_head *h, const bert_range *of, bert_range rows) {
    const int step = bert_block_rows(h->g, h->length);
    bert_range found = {h->length, 0};
    for (int i = 0; i < h->length; i += step, of++) {
        if (of->first >= rows.end || of->end <= rows.first) continue;
        if (i < found.first) found.first = i / h->g->k_unit * h->g->k_unit;
        found.end = h->length - i < step ? h->length : i + step;
    }
    return found;
}

/* rows [n, head_size] += f^T [rows, length] times tokens, packed. */
static void onto_rows(const bert_attention_head *h, const bert_relative_side *r, const float *f,
                      const bert_range *of, const unsigned char *tokens, bert_target to,
                      const bert_strip_room *room) {
    const bert_gemm_kernel *g = h->g;
    const int n = r->rows.end - r->rows.first, step = bert_block_rows(g, n);
    const bert_right_side b = {tokens, bert_panel_bytes(g, h->length), h->plan->head_size};
    for (int i = 0; i < n; i += step) {
        const int rows = n - i < step ? n - i : step;
        const bert_target at = {to.data + i * to.stride, to.stride, true};
        const bert_range with = tokens_with(h, of, (bert_range){i, i + rows});
        const bert_view a = {f + i + (ptrdiff_t)with.first * r->ld, 1, r->ld};
        if (with.end > with.first)
            bert_strip_into(at, g, room, a, rows, with.end - with.first,
                            bert_right_from(g, b, with.first));
    }
}

void bert_relative_backward(const bert_attention_head *h, const bert_relative_side *r,
                            const bert_relative_flow *f, const bert_strip_room *room,
                            const bert_relative_gradients *to) {
    const ptrdiff_t second = r->keys.data ? h->hidden : 0;
    if (f->c2p) onto_tokens(h, r, f->c2p, f->of_queries, r->keys, to->dq, room, to->right);
    if (f->p2c) onto_tokens(h, r, f->p2c, f->of_keys, r->queries, to->dk, room, to->right);
    if (!to->rows) return;
    const ptrdiff_t width = r->keys.data ? r->keys.row : r->queries.row;
    float *rows = to->rows + r->rows.first * width + (ptrdiff_t)h->head * h->plan->head_size;
    if (f->c2p)
        onto_rows(h, r, f->c2p, f->of_queries, to->packed_q, (bert_target){rows, width, true},
                  room);
    if (f->p2c)
        onto_rows(h, r, f->p2c, f->of_keys, to->packed_k, (bert_target){rows + second, width, true},
                  room);
}
