/* Self-attention. */
#include "tape/tape.h"

const bert_op bert_op_attention = {"attention", BERT_OP_attention, bert_op_backward, false};

static bool spec_fits(bert_tape *t, const bert_attention_spec *s, int32_t cols) {
    const bert_op *op = &bert_op_attention;
    if (!s || s->heads < 1 || cols % 3 || cols / 3 % s->heads)
        return bert_tape_fail(t, op, BERT_EINVAL,
                              "%d columns are not queries, keys and values of %d heads", cols,
                              s ? s->heads : 0);
    if (!(s->dropout >= 0 && s->dropout < 1))
        return bert_tape_fail(t, op, BERT_EINVAL, "p is %g; it must be in [0, 1)",
                              (double)s->dropout);
    if (s->window < 0 || !(s->scale >= 0))
        return bert_tape_fail(t, op, BERT_EINVAL, "window %d and scale %g must not be negative",
                              s->window, (double)s->scale);
    const bert_rotation *r = s->rotation;
    if (r && (r->size < 2 || r->size % 2 || r->size > cols / 3 / s->heads || !r->cos || !r->sin))
        return bert_tape_fail(t, op, BERT_EINVAL,
                              "a rotation of %d columns; it must be even, and %d at most", r->size,
                              cols / 3 / s->heads);
    return true;
}

/* Whether relative positions are there for every distance, in rows that the table has. */
static bool relative_fits(bert_tape *t, const bert_attention_spec *s, int32_t cols,
                          int32_t longest) {
    const bert_op *op = &bert_op_attention;
    const bert_relative *r = s->relative;
    const int32_t width = (r->keys + r->queries) * (cols / 3);
    if (s->bias || s->rotation || s->window)
        return bert_tape_fail(t, op, BERT_EUNSUPPORTED,
                              "relative keys and queries with a bias, a rotation or a window");
    if (!r->rows || !r->index || !width || r->rows->cols != width)
        return bert_tape_fail(
            t, op, BERT_EINVAL, "relative positions are [%d, %d]; [n, %d] are needed, and an index",
            r->rows ? r->rows->rows : 0, r->rows ? r->rows->cols : 0, width ? width : cols / 3);
    if (r->reach < longest - 1)
        return bert_tape_fail(t, op, BERT_ETOOLONG,
                              "a sequence has %d tokens, relative positions distances up to %d",
                              longest, r->reach);
    for (int32_t d = 1 - longest; d < longest; d++) {
        const int32_t row = r->index[d + r->reach];
        if (row < 0 || row >= r->rows->rows)
            return bert_tape_fail(t, op, BERT_EINVAL,
                                  "distance %d has row %d; relative positions have %d rows", d, row,
                                  r->rows->rows);
    }
    return true;
}

/* Whether rotation and bias are long enough. */
static bool reaches(bert_tape *t, const bert_attention_spec *s, int32_t longest) {
    const bert_op *op = &bert_op_attention;
    const bert_rotation *r = s->rotation;
    if (r && r->positions < longest)
        return bert_tape_fail(t, op, BERT_ETOOLONG,
                              "a sequence has %d tokens, the rotation %d positions", longest,
                              r->positions);
    const bert_tensor *b = s->bias;
    const int32_t reach = s->window && s->window < longest - 1 ? s->window : longest - 1;
    if (b && (b->cols != s->heads || b->rows % 2 == 0 || b->rows / 2 < reach))
        return bert_tape_fail(t, op, BERT_EINVAL,
                              "the bias is [%d, %d]; distances up to %d and %d heads need [%d, %d]",
                              b->rows, b->cols, reach, s->heads, 2 * reach + 1, s->heads);
    return true;
}

/* Whether somebody is seen in each sequence. */
static bool attends(bert_tape *t, const bert_attention_spec *s, const int32_t *start, int32_t n) {
    const bert_op *op = &bert_op_attention;
    if (s->attended && t->options.record)
        return bert_tape_fail(t, op, BERT_EUNSUPPORTED, "tokens that are not seen, in training");
    for (int32_t i = 0; s->attended && i < n; i++)
        if (s->attended[i] < 1 || s->attended[i] > start[i + 1] - start[i])
            return bert_tape_fail(t, op, BERT_EINVAL, "%d tokens of %d are seen in sequence %d",
                                  s->attended[i], start[i + 1] - start[i], i);
    return true;
}

static bool covers(bert_tape *t, const bert_attention_spec *s, const int32_t *start, int32_t n,
                   int32_t rows, int32_t cols) {
    const bert_op *op = &bert_op_attention;
    if (!start || n < 1 || start[0] != 0 || start[n] != rows)
        return bert_tape_fail(t, op, BERT_EINVAL, "%d sequences do not cover the %d rows", n, rows);
    int32_t longest = 0;
    for (int32_t i = 0; i < n; i++) {
        if (start[i] >= start[i + 1])
            return bert_tape_fail(t, op, BERT_EINVAL, "sequence %d has no tokens", i);
        if (start[i + 1] - start[i] > longest) longest = start[i + 1] - start[i];
    }
    return attends(t, s, start, n) && reaches(t, s, longest) &&
           (!s->relative || relative_fits(t, s, cols, longest));
}

static bert_attention_with with_of(bert_tape *t, const bert_attention_spec *s, int32_t cols,
                                   const int32_t *start, int32_t n) {
    bert_attention_with with = {.heads = s->heads,
                                .head_size = cols / 3 / s->heads,
                                .start = start,
                                .n = n,
                                .attended = s->attended,
                                .scale = s->scale,
                                .window = s->window,
                                .slopes = s->slopes,
                                .interleaved = s->interleaved,
                                .seed = t->options.seed};
    if (s->rotation) {
        with.turned = s->rotation->size;
        with.cos = s->rotation->cos;
        with.sin = s->rotation->sin;
    }
    if (s->bias) with.reach = s->bias->rows / 2;
    if (s->relative) {
        with.index = s->relative->index;
        with.reach = s->relative->reach;
        with.relative_keys = s->relative->keys;
        with.relative_queries = s->relative->queries;
    }
    if (t->options.training && s->dropout > 0) {
        with.dropout = s->dropout;
        with.stream = bert_tape_stream(t);
    }
    return with;
}

static size_t probabilities(const bert_attention_with *w) {
    size_t sum = 0;
    for (int i = 0; i < w->n; i++) {
        const size_t length = (size_t)(w->start[i + 1] - w->start[i]);
        sum += length * length * (size_t)w->heads;
    }
    return sum;
}

bert_tensor *bert_attention_shown(bert_tape *t, bert_tensor *qkv, const bert_attention_spec *spec,
                                  const int32_t *start, int32_t n, float *shown) {
    const bert_op *op = &bert_op_attention;
    if (!bert_tape_ready(t, qkv) || !spec_fits(t, spec, qkv->cols) ||
        !covers(t, spec, start, n, qkv->rows, qkv->cols))
        return NULL;
    const bert_device *device = t->worker.device;
    const bert_sources from = {.a = qkv, .b = spec->relative ? spec->relative->rows : spec->bias};
    bert_attention_with with = with_of(t, spec, qkv->cols, start, n);
    const size_t count = shown ? probabilities(&with) : 0;
    with.probabilities = device->host || !shown ? shown : bert_tape_floats(t, count);
    bert_tensor *y = bert_tape_result(t, op, qkv->rows, qkv->cols / 3, from);
    if (y && y->node) {
        with.lse = bert_tape_floats(t, (size_t)spec->heads * (size_t)qkv->rows);
        with.start = bert_tape_copy(t, start, ((size_t)n + 1) * sizeof *start);
    }
    y = bert_op_forward(t, op, y, from, &with, sizeof with);
    if (y && shown && !device->host) device->read(shown, with.probabilities, count * sizeof *shown);
    return y;
}

bert_tensor *bert_attention(bert_tape *t, bert_tensor *qkv, const bert_attention_spec *spec,
                            const int32_t *start, int32_t n) {
    return bert_attention_shown(t, qkv, spec, start, n, NULL);
}
