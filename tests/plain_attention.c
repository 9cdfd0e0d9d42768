#include "plain_rows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A query of a head: what it is made of, and its probabilities. */
typedef struct {
    const bert_attention_with *with;
    const float *first;   /* queries of the sequence's first token, of the head */
    const float *bias;    /* of key 0, or NULL */
    double slope;         /* ALiBi's of the head, or 0 */
    const int32_t *index; /* of key 0: rows of relative positions, or NULL */
    const float *relative_keys, *relative_queries; /* of row 0, of the head; or NULL */
    size_t relative_row;                           /* from one row to the next */
    size_t query, length, size, row;               /* row: of queries, keys and values */
    size_t part;                                   /* from a query to its key, to its value */
    size_t begin, end;                             /* keys that it sees */
    double factor;
    uint64_t mask; /* its first draw */
} attention;

static attention attention_of(const bert_call *c, const bert_attention_with *n, int s, int h,
                              int query) {
    const size_t size = (size_t)n->head_size, row = 3 * size * (size_t)n->heads;
    const int length = n->start[s + 1] - n->start[s], w = n->window;
    const int seen = n->attended ? n->attended[s] : length;
    const float *other = plain_at(c->x[1].data), *bias = n->index ? NULL : other;
    const size_t relative_queries = n->relative_keys ? row / 3 : 0;
    const float *relative = n->index ? other + (size_t)h * size : NULL;
    return (attention){
        .with = n,
        .first = (float *)plain_at(c->x[0].data) + (size_t)n->start[s] * row +
                 (size_t)h * size * (n->interleaved ? 3 : 1),
        .part = n->interleaved ? size : row / 3,
        .bias = bias ? bias + (n->reach - query) * n->heads + h : NULL,
        .slope = n->slopes ? (double)n->slopes[h] : 0,
        .index = n->index ? n->index + n->reach - query : NULL,
        .relative_keys = n->relative_keys ? relative : NULL,
        .relative_queries = n->relative_queries ? relative + relative_queries : NULL,
        .relative_row = (size_t)c->x[1].cols,
        .query = (size_t)query,
        .length = (size_t)length,
        .size = size,
        .row = row,
        .begin = (size_t)(w && query > w ? query - w : 0),
        .end = (size_t)(w && query + w + 1 < seen ? query + w + 1 : seen),
        .factor = n->scale != 0 ? (double)n->scale : 1 / sqrt((double)size),
        .mask = (((uint64_t)s * (uint64_t)n->heads + (uint64_t)h) << 16 | (uint64_t)query) << 16};
}

/* The query (which 0) or key (1) of a token, turned by its position, is out [size] of x; back: what
 * that does to a gradient. */
static void turn(const attention *a, size_t token, const float *x, double *out, bool back) {
    const size_t half = (size_t)a->with->turned / 2;
    for (size_t k = 0; k < a->size; k++) out[k] = (double)x[k];
    for (size_t k = 0; k < half; k++) {
        const double c = (double)a->with->cos[token * half + k],
                     s = (double)a->with->sin[token * half + k] * (back ? -1 : 1);
        out[k] = (double)x[k] * c - (double)x[k + half] * s;
        out[k + half] = (double)x[k + half] * c + (double)x[k] * s;
    }
}

static const float *part_of(const attention *a, int which, size_t token) {
    return a->first + token * a->row + (size_t)which * a->part;
}

enum { MOST_HEAD = 256 };

static double relative_score(const attention *a, size_t key, const double *q, const double *k) {
    const size_t row = (size_t)a->index[key] * a->relative_row;
    double s = 0;
    for (size_t i = 0; i < a->size; i++) {
        if (a->relative_keys) s += q[i] * (double)a->relative_keys[row + i];
        if (a->relative_queries) s += k[i] * (double)a->relative_queries[row + i];
    }
    return s;
}

/* p [length], 0 where nothing is seen; returns log(sum(exp(scores))). */
static double probabilities(const attention *a, float *p) {
    double q[MOST_HEAD], k[MOST_HEAD];
    memset(p, 0, a->length * sizeof *p);
    turn(a, a->query, part_of(a, 0, a->query), q, false);
    for (size_t j = a->begin; j < a->end; j++) {
        double s = 0;
        turn(a, j, part_of(a, 1, j), k, false);
        for (size_t i = 0; i < a->size; i++) s += q[i] * k[i];
        if (a->index) s += relative_score(a, j, q, k);
        p[j] = (float)(s * a->factor - a->slope * fabs((double)j - (double)a->query));
        if (a->bias) p[j] += a->bias[j * (size_t)a->with->heads];
    }
    return plain_softmax(p + a->begin, p + a->begin, a->end - a->begin);
}

static float kept(const attention *a, size_t key) {
    const bert_attention_with *n = a->with;
    return n->dropout > 0 ? plain_mask(n->dropout, n->seed, n->stream, a->mask + key) : 1;
}

static int attention_forward(bert_worker *w, const bert_call *c) {
    (void)w;
    const bert_attention_with *n = c->with;
    const plain_view v = plain_see(c, NULL);
    float *lse = plain_at(n->lse), *shown = plain_at(n->probabilities),
          *p = malloc(v.rows * sizeof *p);
    if (!p || n->head_size > MOST_HEAD) return BERT_ENOMEM;
    for (int s = 0; s < n->n; s++)
        for (int h = 0; h < n->heads; h++)
            for (int i = 0; i < n->start[s + 1] - n->start[s]; i++) {
                const attention a = attention_of(c, n, s, h, i);
                const size_t token = (size_t)(n->start[s] + i);
                const double sum = probabilities(&a, p);
                if (lse) lse[(size_t)h * v.rows + token] = (float)sum;
                if (shown) memcpy(shown, p, a.length * sizeof *p);
                if (shown) shown += a.length;
                for (size_t k = 0; k < a.size; k++) {
                    double y = 0;
                    for (size_t j = a.begin; j < a.end; j++)
                        y += (double)(p[j] * kept(&a, j)) * (double)part_of(&a, 2, j)[k];
                    v.y[token * v.cols + (size_t)h * a.size + k] = (float)y;
                }
            }
    free(p);
    return 0;
}

/* What a score's gradient d gives to query, key and the rows of relative positions. */
static void relative_back(const attention *a, const bert_call *c, size_t key, double d,
                          const double *q, const double *k, float *dq, float *dk, float *drows) {
    const size_t row = (size_t)a->index[key] * a->relative_row;
    const float *whole = plain_at(c->x[1].data);
    for (size_t i = 0; i < a->size; i++) {
        if (a->relative_keys) {
            dq[i] += (float)(d * (double)a->relative_keys[row + i]);
            if (drows) drows[a->relative_keys + row + i - whole] += (float)(d * q[i]);
        }
        if (a->relative_queries) {
            dk[i] += (float)(d * (double)a->relative_queries[row + i]);
            if (drows) drows[a->relative_queries + row + i - whole] += (float)(d * k[i]);
        }
    }
}

/* Adds the gradients of a query, of its keys and of its bias, ds [length] being those of its
 * scores; dqkv and dbias are those of the whole. */
static void scores_back(const attention *a, const bert_call *c, const float *ds, float *dqkv,
                        float *dbias) {
    const float *whole = plain_at(c->x[0].data);
    double q[MOST_HEAD], k[MOST_HEAD], turned[MOST_HEAD];
    float dq[MOST_HEAD] = {0}, dk[MOST_HEAD];
    turn(a, a->query, part_of(a, 0, a->query), q, false);
    for (size_t j = a->begin; j < a->end; j++) {
        float *to = dqkv + (part_of(a, 1, j) - whole);
        turn(a, j, part_of(a, 1, j), k, false);
        for (size_t i = 0; i < a->size; i++) {
            dq[i] += (float)((double)ds[j] * a->factor * k[i]);
            dk[i] = (float)((double)ds[j] * a->factor * q[i]);
        }
        if (a->index) relative_back(a, c, j, (double)ds[j] * a->factor, q, k, dq, dk, dbias);
        turn(a, j, dk, turned, true);
        for (size_t i = 0; i < a->size; i++) to[i] += (float)turned[i];
        if (dbias && !a->index)
            dbias[(a->bias - (float *)plain_at(c->x[1].data)) + (ptrdiff_t)j * a->with->heads] +=
                ds[j];
    }
    turn(a, a->query, dq, turned, true);
    float *to = dqkv + (part_of(a, 0, a->query) - whole);
    for (size_t i = 0; i < a->size; i++) to[i] += (float)turned[i];
}

static int attention_backward(bert_worker *w, const bert_call *c, const bert_flow *f) {
    (void)w;
    const bert_attention_with *n = c->with;
    const plain_view v = plain_see(c, f);
    float *p = malloc((2 * v.rows + v.in) * sizeof *p), *ds = p + v.rows;
    if (!p) return BERT_ENOMEM;
    float *dqkv = v.da ? v.da : ds + v.rows; /* a bias alone may be what is trained */
    memset(dqkv, 0, v.in * sizeof *dqkv);
    if (v.db) memset(v.db, 0, bert_matrix_size(&c->x[1]) * sizeof *v.db);
    for (int s = 0; s < n->n; s++)
        for (int h = 0; h < n->heads; h++)
            for (int i = 0; i < n->start[s + 1] - n->start[s]; i++) {
                const attention a = attention_of(c, n, s, h, i);
                const float *dy = v.dy + (size_t)(n->start[s] + i) * v.cols + (size_t)h * a.size;
                probabilities(&a, p);
                for (size_t j = 0; j < a.length; j++) {
                    const float *value = part_of(&a, 2, j), m = kept(&a, j);
                    float *to = dqkv + (value - v.a);
                    double d = 0;
                    for (size_t k = 0; k < a.size; k++) {
                        d += (double)dy[k] * (double)value[k];
                        to[k] += p[j] * m * dy[k];
                    }
                    ds[j] = (float)d * m;
                }
                plain_softmax_back(ds, ds, p, a.length);
                scores_back(&a, c, ds, dqkv, v.db);
            }
    free(p);
    return 0;
}

PLAIN_ROW(attention);
