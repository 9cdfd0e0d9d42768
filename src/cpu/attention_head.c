#include "cpu/attention_head.h"

bert_attention_head bert_head_of(const bert_attention_job *w, int sequence, int head) {
    const bert_attention_plan *p = w->plan;
    const int first = p->start[sequence], length = p->start[sequence + 1] - first;
    return (bert_attention_head){.plan = p,
                                 .k = w->k,
                                 .g = w->g,
                                 .sequence = sequence,
                                 .head = head,
                                 .first = first,
                                 .length = length,
                                 .keys = p->attended ? p->attended[sequence] : length,
                                 .hidden = (ptrdiff_t)p->heads * p->head_size};
}

ptrdiff_t bert_head_column(const bert_attention_head *h, int which) {
    const bert_attention_plan *p = h->plan;
    if (p->interleaved) return (3 * (ptrdiff_t)h->head + which) * p->head_size;
    return which * h->hidden + (ptrdiff_t)h->head * p->head_size;
}

bert_view bert_head_part(const bert_attention_job *w, const bert_attention_head *h, int which) {
    return (bert_view){w->qkv + h->first * 3 * h->hidden + bert_head_column(h, which),
                       3 * h->hidden, 1};
}

bert_view bert_head_turned(const bert_attention_job *w, const bert_attention_head *h, int which,
                           float *room) {
    const bert_view v = bert_head_part(w, h, which);
    if (!h->plan->turned) return v;
    bert_attention_turn(h, v, h->length, room, h->plan->head_size, false);
    return (bert_view){room, h->plan->head_size, 1};
}

void bert_head_drop(const bert_attention_head *h, float *y, const float *x, int query,
                    bert_range keys) {
    const bert_attention_plan *p = h->plan;
    uint64_t row =
        ((uint64_t)h->sequence * (uint64_t)p->heads + (uint64_t)h->head) << 16 | (uint64_t)query;
    h->k->dropout(y, x, (size_t)(keys.end - keys.first), p->dropout, p->seed, p->stream,
                  (row << 16) + (uint64_t)keys.first);
}

int bert_key_step(const bert_gemm_kernel *g) {
    enum { MASK_STEP = 64 };
    int step = g->nr;
    while (step % g->k_unit || step % MASK_STEP) step += g->nr;
    return step;
}

bert_range bert_head_sees(const bert_attention_head *h, bert_range at) {
    const int step = bert_key_step(h->g);
    const int first = bert_attention_seen(h, at.first).first;
    return (bert_range){first / step * step, bert_attention_seen(h, at.end - 1).end};
}

int bert_head_keys(const bert_attention_head *h, int queries) {
    if (!h->plan->window) return h->length;
    const int64_t most = (int64_t)queries + 2 * (int64_t)h->plan->window + bert_key_step(h->g);
    return most < h->length ? (int)most : h->length;
}

int bert_head_room(const bert_attention_head *h, int queries) {
    const int step = bert_key_step(h->g),
              room = (bert_head_keys(h, queries) + step - 1) / step * step;
    return room < h->length ? room : h->length;
}

void bert_head_add(const bert_attention_head *h, bert_attention_line l, float *scores, int query,
                   bert_range at) {
    h->k->add(scores, scores, l.values + (at.first - query + l.reach), (size_t)(at.end - at.first));
}
