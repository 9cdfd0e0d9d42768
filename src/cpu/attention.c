#include "cpu/attention.h"
#include "base/arena.h"
#include "cpu/left.h"
#include <math.h>
#include <string.h>

/* One task is one head of one sequence. Its keys and values are packed once; then strips of mr
 * queries run through scores, softmax and values without leaving the cache. Backward keeps the
 * whole [length, length] of probabilities and of score gradients of that head in the thread's
 * scratch, since both are read by rows and by columns. */

static size_t aligned(size_t bytes) {
    return (bytes + BERT_ALIGN - 1) / BERT_ALIGN * BERT_ALIGN;
}

typedef struct {
    unsigned char *next;
} scratch;

static void *take(scratch *s, size_t bytes) {
    void *p = s->next;
    s->next += aligned(bytes);
    return p;
}

static void pack_right(const bert_gemm_kernel *g, unsigned char *out, bert_view b, int cols,
                       int depth) {
    for (int j = 0; j < cols; j += g->nr, out += bert_panel_bytes(g, depth))
        g->pack_b(out, b.data + j * b.col, b.row, b.col, cols - j < g->nr ? cols - j : g->nr, depth,
                  NULL);
}

/* A packed right operand, or some of its panels or of their depth. */
typedef struct {
    const unsigned char *data;
    size_t panel; /* bytes from one to the next */
    int cols;
} right_side;

static right_side right_of(const bert_gemm_kernel *g, const unsigned char *data, int cols,
                           int depth) {
    return (right_side){data, bert_panel_bytes(g, depth), cols};
}

/* c [rows, bert_round_up(b.cols, nr)] of the strip of the left operand from `row` on, which is
 * packed on the way. */
static void multiply_strip(float *c, ptrdiff_t ldc, const bert_left_layout *left,
                           unsigned char *strip, int row, int rows, right_side right) {
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

/* The same to where nothing else may be touched; by way of `tile` where blocks would. */
static void multiply_into(float *c, ptrdiff_t ldc, const bert_left_layout *left,
                          unsigned char *strip, int row, int rows, right_side right, float *tile) {
    const bert_gemm_kernel *g = left->g;
    if (rows % g->row_step == 0 && right.cols % g->nr == 0) {
        multiply_strip(c, ldc, left, strip, row, rows, right);
        return;
    }
    const int ld = bert_round_up(right.cols, g->nr);
    multiply_strip(tile, ld, left, strip, row, rows, right);
    for (int r = 0; r < rows; r++)
        memcpy(c + r * ldc, tile + (ptrdiff_t)r * ld, (size_t)right.cols * sizeof *c);
}

typedef struct {
    const bert_attention_plan *plan;
    const bert_kernels *k;
    const bert_gemm_kernel *g;
    const float *qkv;
    float *out, *lse, *probabilities;    /* forward */
    const float *output, *dout, *lse_in; /* backward */
    float *dqkv, *dbias;
    bert_threads *threads;
} job;

/* Queries, keys and values of head `h` of the sequence that starts at row `first`. */
static bert_view part(const float *qkv, const bert_attention_plan *p, int which, int first, int h) {
    ptrdiff_t hidden = (ptrdiff_t)p->heads * p->head_size;
    return (bert_view){qkv + first * 3 * hidden + which * hidden + (ptrdiff_t)h * p->head_size,
                       3 * hidden, 1};
}

static bert_view transposed(bert_view v) {
    return (bert_view){v.data, v.col, v.row};
}

/* Keys [first, end) of a sequence. */
typedef struct {
    int first, end;
} range;

/* The mask of a row of probabilities depends on where it is in the batch and on nothing else. */
static void drop_row(const job *w, float *y, const float *x, int sequence, int h, int query,
                     range keys) {
    const bert_attention_plan *p = w->plan;
    uint64_t row = ((uint64_t)sequence * (uint64_t)p->heads + (uint64_t)h) << 16 | (uint64_t)query;
    w->k->dropout(y, x, (size_t)(keys.end - keys.first), p->dropout, p->seed, p->stream,
                  (row << 16) + (uint64_t)keys.first);
}

/* ---- Terms of a score beyond query times key */

/* out [n, size]: the queries or keys v with their first columns turned by their positions: column c
 * of the first half with column c of the second. back: the other way, which is the gradient's. */
static void turn(const bert_attention_plan *p, bert_view v, int n, float *out, ptrdiff_t stride,
                 bool back) {
    const int half = p->turned / 2, size = p->head_size;
    for (int i = 0; i < n; i++, out += stride) {
        const float *x = v.data + i * v.row;
        const float *cos = p->cos + (ptrdiff_t)i * half, *sin = p->sin + (ptrdiff_t)i * half;
        for (int c = 0; c < half; c++) {
            const float a = x[c], b = x[c + half], s = back ? -sin[c] : sin[c];
            out[c] = a * cos[c] - b * s;
            out[c + half] = b * cos[c] + a * s;
        }
        for (int c = p->turned; c < size; c++) out[c] = x[c];
    }
}

/* Queries or keys of a head as scores are made of them. */
static bert_view turned(const job *w, scratch *s, bert_view v, int n) {
    const bert_attention_plan *p = w->plan;
    if (!p->turned) return v;
    float *out = take(s, sizeof(float) * (size_t)n * (size_t)p->head_size);
    turn(p, v, n, out, p->head_size, false);
    return (bert_view){out, p->head_size, 1};
}

static float scale_of(const bert_attention_plan *p) {
    return p->scale != 0 ? p->scale : 1.0f / sqrtf((float)p->head_size);
}

/* The keys that a query sees. */
static range seen_by(const bert_attention_plan *p, int query, int length) {
    const int w = p->window;
    if (!w) return (range){0, length};
    return (range){query > w ? query - w : 0, length - query > w ? query + w + 1 : length};
}

/* Scores of keys [at, at + n) become scaled and biased ones, where there is a bias; returns what
 * they are still to be multiplied by. */
static float add_bias(const job *w, float *scores, int h, int query, int at, int n) {
    const bert_attention_plan *p = w->plan;
    const float scale = scale_of(p);
    if (!p->bias) return scale;
    const float *bias = p->bias + (ptrdiff_t)(at - query + p->reach) * p->heads + h;
    for (int j = 0; j < n; j++) scores[j] = scores[j] * scale + bias[(ptrdiff_t)j * p->heads];
    return 1;
}

/* The probabilities of `rows` queries from `query` on, whose scores are of keys `at` on, `cols` of
 * them: what a query does not see is 0. */
static void probabilities_of(const job *w, float *scores, ptrdiff_t ld, int rows, int query, int at,
                             int cols, int h, int length, float *lse) {
    const bert_attention_plan *p = w->plan;
    if (!p->bias && !p->window) {
        w->k->softmax(scores, ld, rows, length, scale_of(p), lse);
        return;
    }
    for (int r = 0; r < rows; r++, scores += ld) {
        const range seen = seen_by(p, query + r, length);
        float *x = scores + (seen.first - at);
        const int n = seen.end - seen.first;
        const float factor = add_bias(w, x, h, query + r, seen.first, n);
        w->k->softmax(x, ld, 1, n, factor, lse ? lse + r : NULL);
        memset(scores, 0, (size_t)(seen.first - at) * sizeof *scores);
        memset(x + n, 0, (size_t)(cols - (seen.end - at)) * sizeof *x);
    }
}

/* ---- Forward */

/* Keys are taken from whole panels, whole units of depth and whole steps of the dropout mask on. */
static int key_step(const bert_gemm_kernel *g) {
    enum { MASK_STEP = 64 };
    int step = g->nr;
    while (step % g->k_unit || step % MASK_STEP) step += g->nr;
    return step;
}

/* Keys that a strip of queries has scores of, at most. */
static int score_columns(const bert_attention_plan *p, const bert_gemm_kernel *g, int length) {
    if (!p->window) return length;
    const int64_t most = (int64_t)g->mr + 2 * (int64_t)p->window + key_step(g);
    return most < length ? (int)most : length;
}

static float *place_of(const job *w, int sequence, int h, int length) {
    const bert_attention_plan *p = w->plan;
    float *probabilities = w->probabilities;
    if (!probabilities) return NULL;
    for (int i = 0; i < sequence; i++) {
        size_t n = (size_t)(p->start[i + 1] - p->start[i]);
        probabilities += (size_t)p->heads * n * n;
    }
    return probabilities + (size_t)h * (size_t)length * (size_t)length;
}

/* A row of probabilities of the keys in `of`, as it is shown. */
static void show_row(float *out, const float *row, range of, int length) {
    memset(out, 0, (size_t)of.first * sizeof *out);
    memcpy(out + of.first, row, (size_t)(of.end - of.first) * sizeof *out);
    memset(out + of.end, 0, (size_t)(length - of.end) * sizeof *out);
}

static void forward_head(const job *w, int sequence, int h, unsigned char *memory) {
    const bert_attention_plan *p = w->plan;
    const bert_gemm_kernel *g = w->g;
    const int first = p->start[sequence], length = p->start[sequence + 1] - first,
              size = p->head_size;
    const int step = bert_block_rows(g, length), columns = score_columns(p, g, length);
    const int score_ld = bert_round_up(columns, g->nr), value_ld = bert_round_up(size, g->nr);
    const ptrdiff_t hidden = (ptrdiff_t)p->heads * size;
    scratch s = {memory};
    unsigned char *keys = take(&s, bert_right_bytes(g, length, size)),
                  *values = take(&s, bert_right_bytes(g, size, length));
    float *scores = take(&s, sizeof(float) * (size_t)g->mr * (size_t)score_ld);
    float *context = take(&s, sizeof(float) * (size_t)g->mr * (size_t)value_ld);
    unsigned char *strip = take(&s, bert_left_bytes(g, g->mr, size > columns ? size : columns));
    const bert_view q = turned(w, &s, part(w->qkv, p, 0, first, h), length),
                    k = turned(w, &s, part(w->qkv, p, 1, first, h), length);
    const bert_left_layout queries = bert_left_lay(g, q, step, size);
    pack_right(g, keys, transposed(k), length, size);
    pack_right(g, values, part(w->qkv, p, 2, first, h), size, length);
    const right_side all_keys = right_of(g, keys, length, size),
                     all_values = right_of(g, values, size, length);
    float *probabilities = place_of(w, sequence, h, length);
    float lse[64];
    for (int i = 0; i < length; i += step) {
        const int rows = length - i < step ? length - i : step;
        range of = {seen_by(p, i, length).first, seen_by(p, i + rows - 1, length).end};
        of.first = of.first / key_step(g) * key_step(g);
        const int cols = of.end - of.first;
        right_side near_keys = all_keys, near_values = all_values;
        near_keys.data += (size_t)(of.first / g->nr) * all_keys.panel;
        near_keys.cols = cols;
        near_values.data += (size_t)(of.first / g->k_unit) * g->b_unit;
        multiply_strip(scores, score_ld, &queries, strip, i, rows, near_keys);
        probabilities_of(w, scores, score_ld, rows, i, of.first, cols, h, length,
                         w->lse ? lse : NULL);
        for (int r = 0; r < rows; r++) {
            float *row = scores + (ptrdiff_t)r * score_ld;
            if (w->lse) w->lse[(ptrdiff_t)h * p->start[p->n] + first + i + r] = lse[r];
            if (probabilities)
                show_row(probabilities + (size_t)(i + r) * (size_t)length, row, of, length);
            if (p->dropout > 0) drop_row(w, row, row, sequence, h, i + r, of);
        }
        const bert_left_layout weights =
            bert_left_lay(g, (bert_view){scores, score_ld, 1}, step, cols);
        multiply_into(w->out + (first + i) * hidden + (ptrdiff_t)h * size, hidden, &weights, strip,
                      0, rows, near_values, context);
    }
}

/* ---- Backward */

/* dst [rows of the head, size] at stride from product a b, where a [rows, depth] and b [depth,
 * size]. */
static void product_into(const job *w, float *dst, ptrdiff_t stride, bert_view a, bert_view b,
                         int rows, int depth, unsigned char *strip, unsigned char *right,
                         float *tile) {
    const bert_gemm_kernel *g = w->g;
    const int step = bert_block_rows(g, rows);
    const int size = w->plan->head_size;
    const bert_left_layout left = bert_left_lay(g, a, step, depth);
    pack_right(g, right, b, size, depth);
    for (int i = 0; i < rows; i += step)
        multiply_into(dst + i * stride, stride, &left, strip, i, rows - i < step ? rows - i : step,
                      right_of(g, right, size, depth), tile);
}

/* A row of probabilities ps again, from scores, and of their gradients ds, from those of the
 * probabilities. */
static void differentiate_row(const job *w, float *ps, float *ds, float *drop, int sequence, int h,
                              int query, int length, float d) {
    const bert_attention_plan *p = w->plan;
    const range seen = seen_by(p, query, length), all = {0, length};
    const int n = seen.end - seen.first;
    const float factor = add_bias(w, ps + seen.first, h, query, seen.first, n);
    const float lse = w->lse_in[(ptrdiff_t)h * p->start[p->n] + p->start[sequence] + query];
    w->k->exp_shifted(ps + seen.first, (size_t)n, factor, lse);
    memset(ps, 0, (size_t)seen.first * sizeof *ps);
    memset(ps + seen.end, 0, (size_t)(length - seen.end) * sizeof *ps);
    if (p->dropout > 0) {
        drop_row(w, drop, ps, sequence, h, query, all);
        drop_row(w, ds, ds, sequence, h, query, all);
    }
    const float scale = scale_of(p);
    if (w->dbias) {
        const ptrdiff_t width = 2 * (ptrdiff_t)p->reach + 1;
        float *db = w->dbias + ((ptrdiff_t)sequence * p->heads + h) * width + (p->reach - query);
        for (int j = seen.first; j < seen.end; j++) db[j] += ps[j] * (ds[j] - d);
    }
    for (int j = 0; j < length; j++) ds[j] = ps[j] * (ds[j] - d) * scale;
}

static void backward_head(const job *w, int sequence, int h, unsigned char *memory) {
    const bert_attention_plan *p = w->plan;
    const bert_gemm_kernel *g = w->g;
    const int first = p->start[sequence], length = p->start[sequence + 1] - first,
              size = p->head_size;
    const int ld = bert_round_up(length, g->nr), step = bert_block_rows(g, length);
    const ptrdiff_t hidden = (ptrdiff_t)p->heads * size;
    scratch s = {memory};
    unsigned char *keys = take(&s, bert_right_bytes(g, length, size)),
                  *values = take(&s, bert_right_bytes(g, length, size));
    unsigned char *right = take(&s, bert_right_bytes(g, size, length));
    unsigned char *strip = take(&s, bert_left_bytes(g, g->mr, size > length ? size : length));
    float *tile = take(&s, sizeof(float) * (size_t)g->mr * (size_t)bert_round_up(size, g->nr));
    size_t square = sizeof(float) * (size_t)bert_round_up(length, g->mr) * (size_t)ld;
    float *prob = take(&s, square), *dscore = take(&s, square),
          *dropped = p->dropout > 0 ? take(&s, square) : prob;
    bert_view q = turned(w, &s, part(w->qkv, p, 0, first, h), length),
              k = turned(w, &s, part(w->qkv, p, 1, first, h), length),
              v = part(w->qkv, p, 2, first, h);
    bert_view dout = {w->dout + first * hidden + (ptrdiff_t)h * size, hidden, 1};
    bert_view out = {w->output + first * hidden + (ptrdiff_t)h * size, hidden, 1};
    pack_right(g, keys, transposed(k), length, size);
    pack_right(g, values, transposed(v), length, size);
    const right_side all_keys = right_of(g, keys, length, size),
                     all_values = right_of(g, values, length, size);
    const bert_left_layout queries = bert_left_lay(g, q, step, size),
                           gradients = bert_left_lay(g, dout, step, size);
    for (int i = 0; i < length; i += step) {
        int rows = length - i < step ? length - i : step;
        float *ps = prob + (ptrdiff_t)i * ld, *ds = dscore + (ptrdiff_t)i * ld,
              *drop = dropped + (ptrdiff_t)i * ld;
        multiply_strip(ps, ld, &queries, strip, i, rows, all_keys);
        multiply_strip(ds, ld, &gradients, strip, i, rows, all_values);
        for (int r = 0; r < rows; r++, ps += ld, ds += ld, drop += ld) {
            /* sum over keys of p dp, which is the same as output times its gradient */
            float d =
                w->k->dot(out.data + (i + r) * hidden, dout.data + (i + r) * hidden, (size_t)size);
            differentiate_row(w, ps, ds, drop, sequence, h, i + r, length, d);
        }
    }
    bert_view ds = {dscore, ld, 1}, pd = {dropped, ld, 1};
    float *dq = w->dqkv + first * 3 * hidden + (ptrdiff_t)h * size;
    product_into(w, dq, 3 * hidden, ds, k, length, length, strip, right, tile);
    product_into(w, dq + hidden, 3 * hidden, transposed(ds), q, length, length, strip, right, tile);
    product_into(w, dq + 2 * hidden, 3 * hidden, transposed(pd), dout, length, length, strip, right,
                 tile);
    for (int i = 0; i < 2 && p->turned; i++, dq += hidden)
        turn(p, (bert_view){dq, 3 * hidden, 1}, length, dq, 3 * hidden, true);
}

static size_t scratch_bytes(const bert_attention_plan *p, const bert_gemm_kernel *g,
                            bool backward) {
    int length = 0, size = p->head_size;
    for (int i = 0; i < p->n; i++)
        if (p->start[i + 1] - p->start[i] > length) length = p->start[i + 1] - p->start[i];
    size_t ld = (size_t)bert_round_up(length, g->nr), mr = (size_t)g->mr;
    size_t bytes = bert_right_bytes(g, length, size) * 2 + bert_right_bytes(g, size, length) +
                   bert_left_bytes(g, g->mr, size > length ? size : length) +
                   sizeof(float) * mr * (size_t)bert_round_up(size, g->nr) +
                   sizeof(float) * mr * ld + 16 * BERT_ALIGN;
    if (p->turned) bytes += 2 * (sizeof(float) * (size_t)length * (size_t)size + BERT_ALIGN);
    if (backward)
        bytes += 3 * (sizeof(float) * (size_t)bert_round_up(length, g->mr) * ld + BERT_ALIGN);
    return bytes;
}

typedef void head_fn(const job *w, int sequence, int h, unsigned char *memory);

typedef struct {
    job work;
    head_fn *fn;
    unsigned char *memory; /* when there are no threads */
} loop;

static void run_heads(void *context, int begin, int end, int thread) {
    const loop *l = context;
    unsigned char *memory =
        l->work.threads ? bert_threads_scratch(l->work.threads, thread) : l->memory;
    const bert_gemm_kernel *g = l->work.g;
    if (g->begin) g->begin();
    for (int i = begin; i < end; i++)
        l->fn(&l->work, i / l->work.plan->heads, i % l->work.plan->heads, memory);
    if (g->end) g->end();
}

static int run(bert_threads *threads, loop *l, bool backward) {
    l->work.threads = threads;
    size_t bytes = scratch_bytes(l->work.plan, l->work.g, backward);
    if (threads && bert_threads_reserve(threads, bytes)) return BERT_ENOMEM;
    if (!threads && !(l->memory = bert_threads_workspace(NULL, BERT_WORKSPACE_LEFT, bytes)))
        return BERT_ENOMEM;
    bert_threads_run(threads, l->work.plan->n * l->work.plan->heads, 1, run_heads, l);
    if (!threads) bert_threads_release(NULL, l->memory);
    return 0;
}

static loop loop_for(const bert_attention_plan *plan, head_fn *fn, const float *qkv) {
    const bert_kernels *k = bert_cpu();
    /* Both sides of these products are made anew each time: quantizing them would cost what it
     * saves. */
    const bert_precision p =
        plan->precision == BERT_PRECISION_INT8 ? BERT_PRECISION_MEDIUM : plan->precision;
    return (loop){.fn = fn, .work = {.plan = plan, .k = k, .g = k->gemm[p], .qkv = qkv}};
}

int bert_attention_forward(bert_threads *threads, const bert_attention_plan *plan, const float *qkv,
                           float *out, float *lse, float *probabilities) {
    loop l = loop_for(plan, forward_head, qkv);
    if (!l.work.g) return BERT_EINVAL;
    l.work.out = out;
    l.work.lse = lse;
    l.work.probabilities = probabilities;
    return run(threads, &l, false);
}

int bert_attention_backward(bert_threads *threads, const bert_attention_plan *plan,
                            const float *qkv, const float *out, const float *dout, const float *lse,
                            float *dqkv, float *dbias) {
    loop l = loop_for(plan, backward_head, qkv);
    if (!l.work.g) return BERT_EINVAL;
    l.work.output = out;
    l.work.dout = dout;
    l.work.lse_in = lse;
    l.work.dqkv = dqkv;
    l.work.dbias = dbias;
    return run(threads, &l, true);
}
