/* Strips of mr queries run through scores, softmax and values without leaving the cache. */
#include "cpu/attention_head.h"
#include "cpu/attention_relative.h"
#include <string.h>

/* The probabilities of `rows` queries from `query` on, whose scores are of the keys `of`: what a
 * query does not see is 0. */
static void probabilities_of(const bert_attention_head *h, bert_attention_line line, float *scores,
                             ptrdiff_t ld, int rows, int query, bert_range of, float *lse) {
    const bert_attention_plan *p = h->plan;
    const float scale = bert_attention_scale(p);
    if (!p->window && h->keys == h->length) {
        for (int r = 0; r < rows && line.values; r++)
            bert_head_add(h, line, scores + r * ld, query + r, of);
        h->k->softmax(scores, ld, rows, h->length, scale, lse);
        return;
    }
    for (int r = 0; r < rows; r++, scores += ld) {
        const bert_range seen = bert_attention_seen(h, query + r);
        float *x = scores + (seen.first - of.first);
        const int n = seen.end - seen.first;
        if (line.values && n) bert_head_add(h, line, x, query + r, seen);
        if (n) h->k->softmax(x, ld, 1, n, scale, lse ? lse + r : NULL);
        memset(scores, 0, (size_t)(seen.first - of.first) * sizeof *scores);
        memset(x + n, 0, (size_t)(of.end - seen.end) * sizeof *x);
    }
}

typedef struct {
    bert_packed_tokens keys, values;
    unsigned char *strip;
    float *scores, *context, *q, *k, *line;
    int score_ld;
    bert_relative_side relative;
} forward_room;

/* Tokens that are packed before they are needed, where there is a window. */
enum { AHEAD = 256 };

static forward_room forward_take(const bert_attention_head *h, bert_scratch *s) {
    const bert_attention_plan *p = h->plan;
    const bert_gemm_kernel *g = h->g;
    const int size = p->head_size, length = h->length, columns = bert_head_keys(h, g->mr);
    const size_t mr = (size_t)g->mr, tokens = sizeof(float) * (size_t)length * (size_t)size;
    forward_room r = {.score_ld = bert_scores_apart(h, columns)};
    const int packed = bert_head_room(h, g->mr + AHEAD);
    r.keys = bert_packed_take(s, g, size, false, packed);
    r.values = bert_packed_take(s, g, size, true, packed);
    r.scores = bert_scores_take(h, s, g->mr, r.score_ld);
    r.context = bert_scratch_take(s, sizeof(float) * mr * (size_t)bert_round_up(size, g->nr));
    r.strip = bert_scratch_take(s, bert_left_bytes(g, g->mr, size > columns ? size : columns));
    r.line = bert_scratch_take(s, sizeof(float) * bert_attention_line_size(p, length));
    if (p->turned) r.q = bert_scratch_take(s, tokens);
    if (p->turned) r.k = bert_scratch_take(s, tokens);
    if (p->relative) r.relative = bert_relative_take(h, s);
    return r;
}

static float *place_of(const bert_attention_job *w, const bert_attention_head *h) {
    const bert_attention_plan *p = w->plan;
    float *probabilities = w->probabilities;
    if (!probabilities) return NULL;
    for (int i = 0; i < h->sequence; i++) {
        size_t n = (size_t)(p->start[i + 1] - p->start[i]);
        probabilities += (size_t)p->heads * n * n;
    }
    return probabilities + (size_t)h->head * (size_t)h->length * (size_t)h->length;
}

/* A row of probabilities of the keys in `of`, as it is shown. */
static void show_row(float *out, const float *row, bert_range of, int length) {
    memset(out, 0, (size_t)of.first * sizeof *out);
    memcpy(out + of.first, row, (size_t)(of.end - of.first) * sizeof *out);
    memset(out + of.end, 0, (size_t)(length - of.end) * sizeof *out);
}

/* What becomes of a strip's probabilities before values are multiplied by them. */
static void finish_rows(const bert_attention_job *w, const bert_attention_head *h,
                        const forward_room *room, const float *lse, float *shown, int query,
                        int rows, bert_range of) {
    const bert_attention_plan *p = h->plan;
    for (int r = 0; r < rows; r++) {
        float *row = room->scores + (ptrdiff_t)r * room->score_ld;
        if (w->lse) w->lse[(ptrdiff_t)h->head * p->start[p->n] + h->first + query + r] = lse[r];
        if (shown) show_row(shown + (size_t)(query + r) * (size_t)h->length, row, of, h->length);
        if (p->dropout > 0) bert_head_drop(h, row, row, query + r, of);
    }
}

void bert_attention_forward_head(const bert_attention_job *w, const bert_attention_head *h,
                                 unsigned char *memory) {
    const bert_attention_plan *p = h->plan;
    const bert_gemm_kernel *g = h->g;
    const int length = h->length, size = p->head_size, step = bert_block_rows(g, length);
    bert_scratch s = {memory, 0};
    forward_room room = forward_take(h, &s);
    const bert_view q = bert_head_turned(w, h, 0, room.q), k = bert_head_turned(w, h, 1, room.k);
    const bert_left_layout queries = bert_left_lay(g, q, step, size);
    const bert_attention_line line = bert_attention_line_make(h, room.line);
    room.keys.tokens = k;
    room.values.tokens = bert_head_part(w, h, 2);
    room.keys.n = room.values.n = length;
    if (p->relative) {
        const bert_range all = {0, length};
        bert_packed_move(&room.keys, all);
        bert_relative_begin(h, &room.relative, bert_packed_at(&room.keys, all), room.strip);
    }
    const bert_strip_room strips = {h->k, room.strip, room.context};
    float *shown = place_of(w, h), lse[64];
    for (int i = 0; i < length; i += step) {
        const int rows = length - i < step ? length - i : step;
        const bert_range of = bert_head_sees(h, (bert_range){i, i + rows});
        bert_packed_move(&room.keys, of);
        bert_packed_move(&room.values, of);
        const bool onto = bert_relative_put(h, &room.relative, room.scores, room.score_ld, i, rows);
        const bert_right_side keys = bert_packed_at(&room.keys, of),
                              values = bert_packed_at(&room.values, of);
        bert_strip_multiply(room.scores, room.score_ld, &queries, room.strip, i, rows, &keys, onto);
        bert_relative_add(h, &room.relative, &queries, room.strip, room.scores, room.score_ld, i,
                          rows);
        probabilities_of(h, line, room.scores, room.score_ld, rows, i, of, w->lse ? lse : NULL);
        finish_rows(w, h, &room, lse, shown, i, rows, of);
        const bert_target to = {w->out + (h->first + i) * h->hidden + (ptrdiff_t)h->head * size,
                                h->hidden, false, false};
        const bert_view shares = {room.scores, room.score_ld, 1};
        bert_strip_into(&to, g, &strips, &shares, rows, of.end - of.first, &values);
    }
}

size_t bert_attention_forward_bytes(const bert_attention_head *h) {
    bert_scratch s = {0};
    forward_take(h, &s);
    return s.used;
}
