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

/* c [rows, bert_round_up(cols, nr)] of the strip of the left operand from `row` on, which is packed
 * on the way. */
static void multiply_strip(float *c, ptrdiff_t ldc, const bert_left_layout *left,
                           unsigned char *strip, int row, int rows, const unsigned char *b,
                           int cols) {
    const bert_gemm_kernel *g = left->g;
    const int depth = left->depth;
    bert_left_pack(left, strip, row, rows, NULL);
    for (int j = 0; j < cols; j += g->nr, b += bert_panel_bytes(g, depth))
        for (int k = 0; k < depth; k += g->kc) {
            const bert_left at = bert_left_block(left, strip, row, k);
            g->block(c + j, ldc, &at, b + (size_t)(k / g->k_unit) * g->b_unit,
                     depth - k < g->kc ? depth - k : g->kc, rows, k > 0, NULL, 0);
        }
}

/* The same to where nothing else may be touched; by way of `tile` where blocks would. */
static void multiply_into(float *c, ptrdiff_t ldc, const bert_left_layout *left,
                          unsigned char *strip, int row, int rows, const unsigned char *b, int cols,
                          float *tile) {
    const bert_gemm_kernel *g = left->g;
    if (rows % g->row_step == 0 && cols % g->nr == 0) {
        multiply_strip(c, ldc, left, strip, row, rows, b, cols);
        return;
    }
    const int ld = bert_round_up(cols, g->nr);
    multiply_strip(tile, ld, left, strip, row, rows, b, cols);
    for (int r = 0; r < rows; r++)
        memcpy(c + r * ldc, tile + (ptrdiff_t)r * ld, (size_t)cols * sizeof *c);
}

typedef struct {
    const bert_attention_plan *plan;
    const bert_kernels *k;
    const bert_gemm_kernel *g;
    const float *qkv;
    float *out, *lse, *probabilities;    /* forward */
    const float *output, *dout, *lse_in; /* backward */
    float *dqkv;
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

/* The mask of a row of probabilities depends on where it is in the batch and on nothing else. */
static void drop_row(const job *w, float *y, const float *x, int sequence, int h, int query,
                     int length) {
    const bert_attention_plan *p = w->plan;
    uint64_t row = ((uint64_t)sequence * (uint64_t)p->heads + (uint64_t)h) << 16 | (uint64_t)query;
    w->k->dropout(y, x, (size_t)length, p->dropout, p->seed, p->stream, row << 16);
}

static void forward_head(const job *w, int sequence, int h, unsigned char *memory) {
    const bert_attention_plan *p = w->plan;
    const bert_gemm_kernel *g = w->g;
    const int first = p->start[sequence], length = p->start[sequence + 1] - first,
              size = p->head_size;
    const int step = bert_block_rows(g, length);
    const int score_ld = bert_round_up(length, g->nr), value_ld = bert_round_up(size, g->nr);
    const ptrdiff_t hidden = (ptrdiff_t)p->heads * size;
    scratch s = {memory};
    unsigned char *keys = take(&s, bert_right_bytes(g, length, size)),
                  *values = take(&s, bert_right_bytes(g, size, length));
    float *scores = take(&s, sizeof(float) * (size_t)g->mr * (size_t)score_ld);
    float *context = take(&s, sizeof(float) * (size_t)g->mr * (size_t)value_ld);
    const bert_view q = part(w->qkv, p, 0, first, h), probable = {scores, score_ld, 1};
    const bert_left_layout queries = bert_left_lay(g, q, step, size),
                           weights = bert_left_lay(g, probable, step, length);
    unsigned char *strip =
        take(&s, (size_t)(queries.block > weights.block ? queries.block : weights.block));
    pack_right(g, keys, transposed(part(w->qkv, p, 1, first, h)), length, size);
    pack_right(g, values, part(w->qkv, p, 2, first, h), size, length);
    float *probabilities = w->probabilities;
    if (probabilities) {
        for (int i = 0; i < sequence; i++) {
            size_t n = (size_t)(p->start[i + 1] - p->start[i]);
            probabilities += (size_t)p->heads * n * n;
        }
        probabilities += (size_t)h * (size_t)length * (size_t)length;
    }
    float lse[64];
    for (int i = 0; i < length; i += step) {
        int rows = length - i < step ? length - i : step;
        multiply_strip(scores, score_ld, &queries, strip, i, rows, keys, length);
        w->k->softmax(scores, score_ld, rows, length, 1.0f / sqrtf((float)size),
                      w->lse ? lse : NULL);
        for (int r = 0; r < rows; r++) {
            float *row = scores + (ptrdiff_t)r * score_ld;
            if (w->lse) w->lse[(ptrdiff_t)h * p->start[p->n] + first + i + r] = lse[r];
            if (probabilities)
                memcpy(probabilities + (size_t)(i + r) * (size_t)length, row,
                       (size_t)length * sizeof *row);
            if (p->dropout > 0) drop_row(w, row, row, sequence, h, i + r, length);
        }
        multiply_into(w->out + (first + i) * hidden + (ptrdiff_t)h * size, hidden, &weights, strip,
                      0, rows, values, size, context);
    }
}

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
                      right, size, tile);
}

static void backward_head(const job *w, int sequence, int h, unsigned char *memory) {
    const bert_attention_plan *p = w->plan;
    const bert_gemm_kernel *g = w->g;
    const int first = p->start[sequence], length = p->start[sequence + 1] - first,
              size = p->head_size;
    const int ld = bert_round_up(length, g->nr), step = bert_block_rows(g, length);
    const ptrdiff_t hidden = (ptrdiff_t)p->heads * size;
    const float factor = 1.0f / sqrtf((float)size);
    scratch s = {memory};
    unsigned char *keys = take(&s, bert_right_bytes(g, length, size)),
                  *values = take(&s, bert_right_bytes(g, length, size));
    unsigned char *right = take(&s, bert_right_bytes(g, size, length));
    unsigned char *strip = take(&s, bert_left_bytes(g, g->mr, size > length ? size : length));
    float *tile = take(&s, sizeof(float) * (size_t)g->mr * (size_t)bert_round_up(size, g->nr));
    size_t square = sizeof(float) * (size_t)bert_round_up(length, g->mr) * (size_t)ld;
    float *prob = take(&s, square), *dscore = take(&s, square),
          *dropped = p->dropout > 0 ? take(&s, square) : prob;
    bert_view q = part(w->qkv, p, 0, first, h), k = part(w->qkv, p, 1, first, h),
              v = part(w->qkv, p, 2, first, h);
    bert_view dout = {w->dout + first * hidden + (ptrdiff_t)h * size, hidden, 1};
    bert_view out = {w->output + first * hidden + (ptrdiff_t)h * size, hidden, 1};
    pack_right(g, keys, transposed(k), length, size);
    pack_right(g, values, transposed(v), length, size);
    const bert_left_layout queries = bert_left_lay(g, q, step, size),
                           gradients = bert_left_lay(g, dout, step, size);
    for (int i = 0; i < length; i += step) {
        int rows = length - i < step ? length - i : step;
        float *ps = prob + (ptrdiff_t)i * ld, *ds = dscore + (ptrdiff_t)i * ld,
              *drop = dropped + (ptrdiff_t)i * ld;
        multiply_strip(ps, ld, &queries, strip, i, rows, keys, length);
        multiply_strip(ds, ld, &gradients, strip, i, rows, values, length);
        for (int r = 0; r < rows; r++, ps += ld, ds += ld, drop += ld) {
            float lse = w->lse_in[(ptrdiff_t)h * p->start[p->n] + first + i + r];
            /* sum over keys of p dp, which is the same as output times its gradient */
            float d =
                w->k->dot(out.data + (i + r) * hidden, dout.data + (i + r) * hidden, (size_t)size);
            w->k->exp_shifted(ps, (size_t)length, factor, lse);
            if (p->dropout > 0) {
                drop_row(w, drop, ps, sequence, h, i + r, length);
                drop_row(w, ds, ds, sequence, h, i + r, length);
            }
            for (int j = 0; j < length; j++) ds[j] = ps[j] * (ds[j] - d) * factor;
        }
    }
    bert_view ds = {dscore, ld, 1}, pd = {dropped, ld, 1};
    float *dq = w->dqkv + first * 3 * hidden + (ptrdiff_t)h * size;
    product_into(w, dq, 3 * hidden, ds, k, length, length, strip, right, tile);
    product_into(w, dq + hidden, 3 * hidden, transposed(ds), q, length, length, strip, right, tile);
    product_into(w, dq + 2 * hidden, 3 * hidden, transposed(pd), dout, length, length, strip, right,
                 tile);
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
                            float *dqkv) {
    loop l = loop_for(plan, backward_head, qkv);
    if (!l.work.g) return BERT_EINVAL;
    l.work.output = out;
    l.work.dout = dout;
    l.work.lse_in = lse;
    l.work.dqkv = dqkv;
    return run(threads, &l, true);
}
