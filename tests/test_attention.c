/* Attention and its gradient at the level in use against the definition in double. */
#include "cpu/attention.h"
#include "floats.h"

/* Attention and its gradient in double, from the definition. */
static void reference_attention(int n, const int32_t *start, int heads, int size, int window,
                                const float *qkv, const float *mask, double *out, const float *dout,
                                double *dqkv) {
    int H = heads * size;
    memset(dqkv, 0, sizeof *dqkv * (size_t)start[n] * 3 * (size_t)H);
    for (int s = 0; s < n; s++)
        for (int h = 0; h < heads; h++) {
            int f = start[s], len = start[s + 1] - f;
            const float *m = mask;
            if (mask) mask += len * len;
            for (int i = 0; i < len; i++) {
                double *p = calloc((size_t)len, sizeof *p), *dp = calloc((size_t)len, sizeof *dp),
                       top = -1e300, total = 0, sum = 0;
#define AT(w, t, j) ((double)qkv[(f + (t)) * 3 * H + (w)*H + h * size + (j)])
#define GRAD(w, t, j) dqkv[(f + (t)) * 3 * H + (w)*H + h * size + (j)]
                for (int j = 0; j < len; j++) {
                    for (int d = 0; d < size; d++) p[j] += AT(0, i, d) * AT(1, j, d) / sqrt(size);
                    top = fmax(top, p[j]);
                }
                for (int j = 0; j < len; j++) {
                    p[j] = window && abs(i - j) > window ? 0 : exp(p[j] - top);
                    total += p[j];
                }
                for (int j = 0; j < len; j++) p[j] /= total;
                for (int d = 0; d < size; d++) {
                    double v = 0, g = dout[(f + i) * H + h * size + d];
                    for (int j = 0; j < len; j++) {
                        double keep = m ? m[i * len + j] : 1;
                        v += p[j] * keep * AT(2, j, d);
                        dp[j] += g * AT(2, j, d) * keep;
                        GRAD(2, j, d) += p[j] * keep * g;
                    }
                    out[(f + i) * H + h * size + d] = v;
                }
                for (int j = 0; j < len; j++) sum += p[j] * dp[j];
                for (int j = 0; j < len; j++)
                    for (int d = 0; d < size; d++) {
                        double ds = p[j] * (dp[j] - sum) / sqrt(size);
                        GRAD(0, i, d) += ds * AT(1, j, d);
                        GRAD(1, j, d) += ds * AT(0, i, d);
                    }
                free(p), free(dp);
            }
        }
}

static void attention_forward_and_backward(void **state) {
    (void)state;
    static const int sizes[] = {32, 64, 20};
    static const int32_t start[] = {0, 1, 6, 53, 130};
    enum { SEQUENCES = 4, HEADS = 2 };
    for (int s = 0; s < 3; s++)
        for (int kind = 0; kind < 4; kind++) {
            const bool drop = kind & 1;
            const int window = kind & 2 ? 7 : 0;
            int size = sizes[s], H = HEADS * size, T = start[SEQUENCES];
            size_t n = (size_t)(T * H);
            float *qkv = randoms(3 * n, 1), *dout = randoms(n, 1), *out = zeros(n),
                  *dqkv = zeros(3 * n), *lse = zeros((size_t)(T * HEADS));
            double *want = calloc(n, sizeof *want), *dwant = calloc(3 * n, sizeof *dwant);
            float *mask = NULL, *m;
            bert_attention_plan plan = {.heads = HEADS,
                                        .head_size = size,
                                        .start = start,
                                        .n = SEQUENCES,
                                        .window = window,
                                        .seed = 9,
                                        .stream = 5};
            if (drop) {
                plan.dropout = 0.2f;
                m = mask = zeros((size_t)HEADS * 130 * 130);
                for (int q = 0; q < SEQUENCES; q++)
                    for (int h = 0; h < HEADS; h++) {
                        int len = start[q + 1] - start[q];
                        for (int i = 0; i < len; i++, m += len) {
                            uint64_t row = ((uint64_t)(q * HEADS + h) << 16 | (uint64_t)i) << 16;
                            for (int j = 0; j < len; j++) m[j] = 1;
                            bert_cpu()->dropout(m, m, (size_t)len, 0.2f, 9, 5, row);
                        }
                    }
            }
            reference_attention(SEQUENCES, start, HEADS, size, window, qkv, mask, want, dout,
                                dwant);
            float *first = zeros(n), *dfirst = zeros(3 * n);
            for (int threads = 0; threads <= 3; threads++) {
                bert_threads *t = threads ? bert_threads_new(threads, NULL) : NULL;
                assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
                assert_int_equal(bert_attention_backward(t, &plan, qkv, out, dout, lse, dqkv, NULL),
                                 0);
                if (!threads)
                    memcpy(first, out, n * sizeof *out), memcpy(dfirst, dqkv, 3 * n * sizeof *out);
                assert_memory_equal(first, out, n * sizeof *out);
                assert_memory_equal(dfirst, dqkv, 3 * n * sizeof *out);
                bert_threads_free(t);
            }
            for (size_t i = 0; i < n; i++) close_to(out[i], want[i], 1e-5, 3e-6, "attention");
            for (size_t i = 0; i < 3 * n; i++)
                close_to(dqkv[i], dwant[i], 1e-4, 2e-5, "attention gradient");
            if (!drop) { /* the last sequence alone, and its probabilities */
                int len = start[4] - start[3];
                int32_t alone[] = {0, len};
                plan.start = alone, plan.n = 1;
                float *one = zeros((size_t)(len * H)), *p = zeros((size_t)(HEADS * len * len));
                assert_int_equal(
                    bert_attention_forward(NULL, &plan, qkv + start[3] * 3 * H, one, NULL, p), 0);
                assert_memory_equal(one, out + start[3] * H, sizeof(float) * (size_t)(len * H));
                for (int r = 0; r < HEADS * len; r++) {
                    double total = 0;
                    for (int j = 0; j < len; j++) total += p[r * len + j];
                    close_to(total, 1, 1e-5, 0, "probabilities");
                }
                free(one), free(p);
            }
            free(qkv), free(dout), free(out), free(dqkv), free(lse), free(want), free(dwant),
                free(mask), free(first), free(dfirst);
        }
}

/* Attention is made of the same blocks at every precision: it is as far off as they are. */
static void attention_at_every_precision(void **state) {
    (void)state;
    static const int32_t start[] = {0, 1, 41, 110};
    enum { SEQUENCES = 3, HEADS = 2, SIZE = 40, H = HEADS * SIZE };
    const size_t n = (size_t)start[SEQUENCES] * H;
    float *qkv = randoms(3 * n, 0.5f), *dout = randoms(n, 1), *out = zeros(n), *dqkv = zeros(3 * n),
          *lse = zeros(n);
    double *want = calloc(n, sizeof *want), *dwant = calloc(3 * n, sizeof *dwant);
    for (int k = 0; k < 2 * BERT_PRECISION_COUNT; k++) {
        const int precision = k / 2, window = k % 2 ? 9 : 0;
        if (!bert_cpu()->gemm[precision] || precision == BERT_PRECISION_INT8) continue;
        reference_attention(SEQUENCES, start, HEADS, SIZE, window, qkv, NULL, want, dout, dwant);
        const bert_attention_plan plan = {.heads = HEADS,
                                          .head_size = SIZE,
                                          .start = start,
                                          .n = SEQUENCES,
                                          .window = window,
                                          .precision = (bert_precision)precision};
        bert_threads *t = bert_threads_new(2, NULL);
        assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
        assert_int_equal(bert_attention_backward(t, &plan, qkv, out, dout, lse, dqkv, NULL), 0);
        bert_threads_free(t);
        const double off = product_tolerance[precision];
        for (size_t i = 0; i < n; i++) close_to(out[i], want[i], off, off, "attention");
        for (size_t i = 0; i < 3 * n; i++) close_to(dqkv[i], dwant[i], off, off, "its gradient");
    }
    free(qkv), free(dout), free(out), free(dqkv), free(lse), free(want), free(dwant);
}

/* The largest that is off, of some queries of one head by the definition. */
static void check_some_queries(int len, int size, const float *qkv, const float *out) {
    enum { EVERY = 41 };
    double *p = calloc((size_t)len, sizeof *p);
    for (int i = 0; i < len; i += EVERY) {
        const float *q = qkv + (size_t)i * 3 * (size_t)size;
        double top = -1e300, total = 0;
        for (int j = 0; j < len; j++) {
            const float *k = qkv + (size_t)j * 3 * (size_t)size + size;
            p[j] = 0;
            for (int d = 0; d < size; d++) p[j] += (double)q[d] * (double)k[d] / sqrt(size);
            top = fmax(top, p[j]);
        }
        for (int j = 0; j < len; j++) total += p[j] = exp(p[j] - top);
        for (int d = 0; d < size; d++) {
            double v = 0;
            for (int j = 0; j < len; j++)
                v += p[j] / total *
                     (double)qkv[(size_t)j * 3 * (size_t)size + 2 * (size_t)size + (size_t)d];
            close_to(out[(size_t)i * (size_t)size + (size_t)d], v, 1e-5, 3e-6, "attention");
        }
    }
    free(p);
}

/* Heads and lengths of models of pictures: 224, 384 and (DINOv2) 518 pixels a side. Where tiles are emulated the
 * shortest. */
static void heads_and_lengths_of_pictures(void **state) {
    (void)state;
    static const int32_t sizes[] = {48, 64, 72, 80, 88, 96, 104, 128, 160, 192, 256},
                         lengths[] = {197, 577, 1370};
    const bool emulated = test_emulated;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int l = 0; l < (emulated ? 1 : 3); l++) {
            const int32_t size = sizes[s], len = lengths[l], start[] = {0, len};
            const size_t n = (size_t)len * (size_t)size;
            float *qkv = randoms(3 * n, 1), *dout = randoms(n, 1), *out = zeros(n),
                  *dqkv = zeros(3 * n), *lse = zeros((size_t)len);
            const bert_attention_plan plan = {
                .heads = 1, .head_size = size, .start = start, .n = 1};
            bert_threads *t = bert_threads_new(2, NULL);
            assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
            check_some_queries(len, size, qkv, out);
            if (!l) { /* by the definition, all of it */
                double *want = calloc(n, sizeof *want), *dwant = calloc(3 * n, sizeof *dwant);
                reference_attention(1, start, 1, size, 0, qkv, NULL, want, dout, dwant);
                assert_int_equal(bert_attention_backward(t, &plan, qkv, out, dout, lse, dqkv, NULL),
                                 0);
                for (size_t i = 0; i < 3 * n; i++)
                    close_to(dqkv[i], dwant[i], 1e-4, 2e-5, "attention gradient");
                free(want), free(dwant);
            }
            bert_threads_free(t);
            free(qkv), free(dout), free(out), free(dqkv), free(lse);
        }
}

/* Disentangled attention of one head over a sequence, in double: its result, and the gradients of qkv and of
 * the rows [rows, 2 size] of relative keys and queries. */
static void reference_relative(int n, int size, const float *qkv, const float *rows,
                               const int32_t *index, const float *dout, double *out, double *dqkv,
                               double *drows) {
    const double scale = 1 / sqrt(size);
    double *p = calloc((size_t)n, sizeof *p), *dp = calloc((size_t)n, sizeof *dp);
#define OF(w, t, d) ((t)*3 * size + (w)*size + (d))
    for (int i = 0; i < n; i++) {
        double total = 0, mean = 0;
        for (int j = 0; j < n; j++) {
            const float *r = rows + index[j - i] * 2 * size;
            p[j] = dp[j] = 0;
            for (int d = 0; d < size; d++) {
                const double q = (double)qkv[OF(0, i, d)], k = (double)qkv[OF(1, j, d)];
                p[j] += q * k + q * (double)r[d] + k * (double)r[size + d];
                dp[j] += (double)dout[i * size + d] * (double)qkv[OF(2, j, d)];
            }
            total += p[j] = exp(p[j] * scale);
        }
        for (int j = 0; j < n; j++) mean += (p[j] /= total) * dp[j];
        for (int j = 0; j < n; j++) {
            const double ds = p[j] * (dp[j] - mean) * scale;
            const int row = index[j - i] * 2 * size;
            for (int d = 0; d < size; d++) {
                const double q = (double)qkv[OF(0, i, d)], k = (double)qkv[OF(1, j, d)];
                out[i * size + d] += p[j] * (double)qkv[OF(2, j, d)];
                dqkv[OF(2, j, d)] += p[j] * (double)dout[i * size + d];
                dqkv[OF(0, i, d)] += ds * (k + (double)rows[row + d]);
                dqkv[OF(1, j, d)] += ds * (q + (double)rows[row + size + d]);
                drows[row + d] += ds * q;
                drows[row + size + d] += ds * k;
            }
        }
    }
#undef OF
    free(p), free(dp);
}

/* Several blocks of queries: near distances have a row each, further ones share, 3 of them or (smooth 2)
 * all beyond some; smooth 0: in no order. Of a precision, in parts: both tables, or one of them. */
static void check_relative_positions(int smooth, bert_precision precision, bool keys,
                                     bool queries) {
    enum { SIZE = 20, LENGTH = 301, NEAR = 30, FURTHEST = 121, ROWS = 2 * FURTHEST + 1 };
    enum { REACH = LENGTH + 3 };
    static const int32_t start[] = {0, LENGTH};
    const size_t n = (size_t)LENGTH * SIZE, table = (size_t)ROWS * (size_t)(keys + queries) * SIZE;
    int32_t index[2 * REACH + 1];
    for (int d = -REACH; d <= REACH; d++) {
        const int share = smooth < 2 ? (abs(d) - NEAR + 2) / 3 : 1;
        const int far = abs(d) > NEAR ? NEAR + share : abs(d);
        index[d + REACH] = smooth ? FURTHEST + (d < 0 ? far : -far) : (d * d + 7) % ROWS;
    }
    float *qkv = randoms(3 * n, 1), *both = randoms(2 * ROWS * SIZE, 1), *dout = randoms(n, 1),
          *out = zeros(n), *dqkv = zeros(3 * n), *lse = zeros(LENGTH), *rows = zeros(table),
          *drows = zeros(table);
    double *want = calloc(n, sizeof *want), *dwant = calloc(3 * n, sizeof *dwant),
           *drows_want = calloc(2 * ROWS * SIZE, sizeof *drows_want);
    for (size_t i = 0, at = 0; i < 2 * ROWS * SIZE; i++)
        if (i / SIZE % 2 ? queries : keys)
            rows[at++] = both[i];
        else
            both[i] = 0;
    reference_relative(LENGTH, SIZE, qkv, both, index + REACH, dout, want, dwant, drows_want);
    const bert_attention_plan plan = {.precision = precision,
                                      .heads = 1,
                                      .head_size = SIZE,
                                      .start = start,
                                      .n = 1,
                                      .relative = rows,
                                      .relative_keys = keys,
                                      .relative_queries = queries,
                                      .index = index,
                                      .reach = REACH};
    assert_int_equal(bert_attention_forward(NULL, &plan, qkv, out, lse, NULL), 0);
    assert_int_equal(bert_attention_backward(NULL, &plan, qkv, out, dout, lse, dqkv, drows), 0);
    const double off =
        precision == BERT_PRECISION_HIGHEST ? 1e-4 : 10 * product_tolerance[precision];
    for (size_t i = 0; i < n; i++) close_to(out[i], want[i], off, off / 10, "relative");
    for (size_t i = 0; i < 3 * n; i++)
        close_to(dqkv[i], dwant[i], 10 * off, off / 2, "relative gradient");
    for (size_t i = 0, at = 0; i < 2 * ROWS * SIZE; i++)
        if (i / SIZE % 2 ? queries : keys)
            close_to(drows[at++], drows_want[i], 10 * off, off, "gradient of rows");
    free(qkv), free(both), free(rows), free(dout), free(out), free(dqkv), free(lse), free(drows);
    free(want), free(dwant), free(drows_want);
}

/* A sequence of 200 is cut into smaller blocks of queries than one of 180: both have room, and become what they become
 * alone. */
static void relative_positions_of_two_lengths(void **state) {
    enum { SIZE = 16, FIRST = 200, ALL = 380, REACH = FIRST, ROWS = 2 * REACH + 1 };
    static const int32_t both[] = {0, FIRST, ALL}, starts[2][2] = {{0, FIRST}, {0, ALL - FIRST}};
    int32_t index[2 * REACH + 1];
    for (int d = 0; d < ROWS; d++) index[d] = ROWS - 1 - d;
    float *qkv = randoms(3 * ALL * SIZE, 1), *rows = randoms(2 * ROWS * SIZE, 1),
          *dout = randoms(ALL * SIZE, 1), *out = zeros(ALL * SIZE), *lse = zeros(ALL),
          *dqkv = zeros(3 * ALL * SIZE), *alone = zeros(3 * ALL * SIZE);
    (void)state;
    bert_attention_plan plan = {.heads = 1,
                                .head_size = SIZE,
                                .start = both,
                                .n = 2,
                                .relative = rows,
                                .relative_keys = true,
                                .relative_queries = true,
                                .index = index,
                                .reach = REACH};
    bert_threads *t = bert_threads_new(1, NULL); /* with scratch of its own */
    assert_non_null(t);
    assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
    assert_int_equal(bert_attention_backward(t, &plan, qkv, out, dout, lse, dqkv, NULL), 0);
    plan.n = 1;
    for (int i = 0; i < 2; i++) {
        const size_t at = (size_t)both[i];
        plan.start = starts[i];
        assert_int_equal(bert_attention_backward(NULL, &plan, qkv + 3 * at * SIZE, out + at * SIZE,
                                                 dout + at * SIZE, lse + at, alone + 3 * at * SIZE,
                                                 NULL),
                         0);
    }
    assert_memory_equal(dqkv, alone, 3 * ALL * SIZE * sizeof *dqkv);
    bert_threads_free(t);
    free(qkv), free(rows), free(dout), free(out), free(lse), free(dqkv), free(alone);
}

static void relative_positions_of_long_sequences(void **state) {
    (void)state;
    for (int smooth = 0; smooth < 3; smooth++)
        for (int tables = 1; tables < 4; tables++)
            check_relative_positions(smooth, BERT_PRECISION_HIGHEST, tables & 1, tables & 2);
    for (int p = 0; p < BERT_PRECISION_COUNT; p++)
        if (bert_cpu()->gemm[p] && p != BERT_PRECISION_INT8)
            check_relative_positions(1, (bert_precision)p, true, true);
}

/* A window over sequences of several blocks of queries and more keys than are packed at a time, with
 * dropout. */
static void windows_of_long_sequences(void **state) {
    (void)state;
    static const int32_t start[] = {0, 300, 1403};
    enum { HEADS = 2, SIZE = 24, H = HEADS * SIZE, T = 1403, LONG = 1103 };
    const bert_attention_plan plan = {.heads = HEADS,
                                      .head_size = SIZE,
                                      .start = start,
                                      .n = 2,
                                      .window = 70,
                                      .dropout = .2f,
                                      .seed = 9,
                                      .stream = 5};
    float *qkv = randoms(3 * T * H, 1), *dout = randoms(T * H, 1), *out = zeros(T * H),
          *dqkv = zeros(3 * T * H), *lse = zeros(T * HEADS);
    double *want = calloc(T * H, sizeof *want), *dwant = calloc(3 * T * H, sizeof *dwant);
    float *mask = zeros(HEADS * (300 * 300 + LONG * LONG)), *m = mask;
    for (int q = 0; q < 2; q++)
        for (int h = 0; h < HEADS; h++) {
            const int len = start[q + 1] - start[q];
            for (int i = 0; i < len; i++, m += len) {
                const uint64_t row = ((uint64_t)(q * HEADS + h) << 16 | (uint64_t)i) << 16;
                for (int j = 0; j < len; j++) m[j] = 1;
                bert_cpu()->dropout(m, m, (size_t)len, 0.2f, 9, 5, row);
            }
        }
    reference_attention(2, start, HEADS, SIZE, 70, qkv, mask, want, dout, dwant);
    bert_threads *t = bert_threads_new(2, NULL);
    assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
    assert_int_equal(bert_attention_backward(t, &plan, qkv, out, dout, lse, dqkv, NULL), 0);
    for (size_t i = 0; i < T * H; i++) close_to(out[i], want[i], 1e-5, 3e-6, "attention");
    for (size_t i = 0; i < 3 * T * H; i++)
        close_to(dqkv[i], dwant[i], 1e-4, 2e-5, "attention gradient");
    bert_threads_free(t);
    free(qkv), free(dout), free(out), free(dqkv), free(lse), free(want), free(dwant), free(mask);
}

/* What a window keeps grows with the length, and not with its square. */
static size_t scratch_of(int32_t length) {
    enum { SIZE = 8 };
    const int32_t start[] = {0, length};
    const bert_attention_plan plan = {
        .heads = 1, .head_size = SIZE, .start = start, .n = 1, .window = 16};
    const size_t n = (size_t)length * SIZE;
    float *qkv = randoms(3 * n, 1), *out = zeros(n), *dqkv = zeros(3 * n), *lse = zeros(n);
    bert_threads *t = bert_threads_new(1, NULL);
    assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
    assert_int_equal(bert_attention_backward(t, &plan, qkv, out, out, lse, dqkv, NULL), 0);
    const size_t bytes = bert_threads_memory(t);
    bert_threads_free(t);
    free(qkv), free(out), free(dqkv), free(lse);
    return bytes;
}

static void memory_of_a_window_is_linear(void **state) {
    (void)state;
    assert_true(scratch_of(8192) < 9 * scratch_of(1024));
}

int main(void) {
    if (!test_level()) return TEST_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_forward_and_backward),
        cmocka_unit_test(attention_at_every_precision),
        cmocka_unit_test(heads_and_lengths_of_pictures),
        cmocka_unit_test(windows_of_long_sequences),
        cmocka_unit_test(relative_positions_of_long_sequences),
        cmocka_unit_test(relative_positions_of_two_lengths),
        cmocka_unit_test(memory_of_a_window_is_linear),
    };
    return test_run_at_level(tests);
}
