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
