/* Matrix blocks of every level this machine has, and the driver at the one in use, against double;
 * the bits against thread counts and the company of a batch. */
#include "cpu/matmul.h"
#include "floats.h"

/* A buffer for a block of the layout. */
static unsigned char *left_buffer(const bert_left_layout *l) {
    return bert_aligned_alloc((size_t)l->block, 1);
}

/* The sums of a block's rows [rows, nr] as floats, in place. */
static void as_floats(const bert_kernels *k, const bert_gemm_kernel *g, float *c,
                      const bert_left *left, const unsigned char *right, int K, int rows) {
    const bert_block_epilogue e = {.left = left, .right = right + bert_panel_extra(g, K)};
    k->act[BERT_ACT_NONE].epilogue[g->sums](c, g->nr, c, g->nr, rows, g->nr, &e);
}

/* How the operands lie: along the depth, or across it (the left one, where there is such). */
typedef enum { ALONG, ACROSS, LIES } lie;

static void check_products(const bert_kernels *k, bert_precision precision, int M, int N, int K,
                           lie how) {
    const bert_gemm_kernel *g = k->gemm[precision];
    const double tolerance = product_tolerance[precision];
    const bool quantized = g->sums == BERT_SUMS_QUANTIZED;
    float *a = randoms((size_t)M * (size_t)K, 1), *b = randoms((size_t)N * (size_t)K, 1);
    unsigned char *pb = bert_aligned_alloc(bert_panel_bytes(g, K), 1);
    float *c = zeros((size_t)(g->mr * g->nr));
    const lie left_lies = g->pack_across ? how : ALONG;
    const ptrdiff_t a_row = left_lies == ACROSS ? 1 : K, a_depth = left_lies == ACROSS ? M : 1,
                    b_col = how == ACROSS ? 1 : K, b_depth = how == ACROSS ? N : 1;
    const bert_left_layout l = bert_left_lay(g, (bert_view){a, a_row, a_depth}, g->mr, K);
    unsigned char *pa = left_buffer(&l);
    if (g->begin) g->begin();
    for (int i = 0; i < M; i += g->mr)
        for (int j = 0; j < N; j += g->nr) {
            int rows = M - i < g->mr ? M - i : g->mr, cols = N - j < g->nr ? N - j : g->nr;
            bert_left_pack(&l, pa, i, rows, NULL);
            g->pack_b(pb, b + j * b_col, b_depth, b_col, cols, K, NULL);
            const bert_left at = bert_left_block(&l, pa, i, 0);
            g->block(c, g->nr, &at, pb, K, rows, false, NULL, 0);
            if (!quantized) /* scales are those of one product, not of two */
                g->block(c, g->nr, &at, pb, K, rows, true, NULL, 0);
            as_floats(k, g, c, &at, pb, K, rows);
            for (int r = 0; r < rows; r++)
                for (int q = 0; q < g->nr; q++) {
                    double want = 0;
                    for (int x = 0; x < K && q < cols; x++)
                        want += (quantized ? 1.0 : 2.0) * a[(i + r) * a_row + x * a_depth] *
                                b[(j + q) * b_col + x * b_depth];
                    close_to(c[r * g->nr + q], want, tolerance, 2 * tolerance * sqrt(K), g->name);
                }
        }
    if (g->end) g->end();
    free(a), free(b), free(pa), free(pb), free(c);
}

/* c [M, N] of a [M, K] and b [N, K], in passes of the kernel's own depth. */
static float *product_of(const bert_kernels *kernels, bert_precision precision, int M, int N, int K,
                         const float *a, const float *b, bert_balance balance) {
    const bert_gemm_kernel *g = kernels->gemm[precision];
    const bert_left_layout l = bert_left_lay(g, (bert_view){a, K, 1}, g->mr, K);
    unsigned char *pa = left_buffer(&l), *pb = bert_aligned_alloc(bert_panel_bytes(g, K), 1);
    float *c = zeros((size_t)M * (size_t)N), *tile = zeros((size_t)(g->mr * g->nr));
    if (g->begin) g->begin();
    for (int i = 0; i < M; i += g->mr)
        for (int j = 0; j < N; j += g->nr) {
            int rows = M - i < g->mr ? M - i : g->mr, cols = N - j < g->nr ? N - j : g->nr;
            bert_left_pack(&l, pa, i, rows, balance ? balance + K : NULL);
            g->pack_b(pb, b + j * K, 1, K, cols, K, balance);
            for (int k = 0; k < K; k += g->kc) {
                const bert_left at = bert_left_block(&l, pa, i, k);
                g->block(tile, g->nr, &at, pb + (size_t)(k / g->k_unit) * g->b_unit,
                         K - k < g->kc ? K - k : g->kc, rows, k > 0, NULL, 0);
            }
            const bert_left whole = bert_left_block(&l, pa, i, 0);
            as_floats(kernels, g, tile, &whole, pb, K, rows);
            for (int r = 0; r < rows; r++)
                memcpy(c + (i + r) * N + j, tile + r * g->nr, sizeof *c * (size_t)cols);
        }
    if (g->end) g->end();
    free(pa), free(pb), free(tile);
    return c;
}

static void products_match_double_at_every_level(void **state) {
    (void)state;
    static const int shapes[][3] = {{1, 1, 1},       {1, 33, 5},    {14, 32, 64},
                                    {15, 31, 600},   {29, 65, 17},  {64, 100, 3},
                                    {113, 70, 1030}, {40, 33, 1024}}; /* rows 4096 bytes apart */
    FOR_LEVELS(k)
    for (int p = 0; p < BERT_PRECISION_COUNT; p++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes && k->gemm[p]; s++)
            for (lie how = 0; how < LIES; how++)
                check_products(k, (bert_precision)p, shapes[s][0], shapes[s][1], shapes[s][2], how);
}

/* The sums of a product of bytes are whole numbers, and what is made of them is rounded alike:
 * every level computes the bits that portable C does, in however many passes. Rows without a range,
 * and with one that no float can divide by, count as zero. */
static void int8_products_have_the_same_bits_at_every_level(void **state) {
    (void)state;
    static const int shapes[][3] = {{3, 33, 1}, {14, 32, 64}, {29, 65, 1023}, {33, 100, 3072}};
    for (int s = 0; s < 4; s++) {
        const int M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
        float *a = randoms((size_t)M * (size_t)K, 1), *b = randoms((size_t)N * (size_t)K, 0.1f);
        for (int k = 0; k < K; k++) {
            a[k] = 0;
            a[K + k] = fabsf(a[K + k]);
            a[2 * K + k] *= 1e-37f;
            b[K + k] = 0;
        }
        float *balance = randoms(2 * (size_t)K, 1);
        for (int k = 0; k < K; k++) {
            balance[k] = fabsf(balance[k]) + 0.1f;
            balance[K + k] = 1 / balance[k];
        }
        for (int balanced = 0; balanced < 2; balanced++) {
            float *want = NULL;
            FOR_LEVELS(k) {
                float *c =
                    product_of(k, BERT_PRECISION_INT8, M, N, K, a, b, balanced ? balance : NULL);
                for (int j = 0; j < N; j++) assert_true(c[j] == 0 && c[2 * N + j] == 0);
                if (want) assert_memory_equal(c, want, sizeof(float) * (size_t)M * (size_t)N);
                if (!want)
                    want = c;
                else
                    free(c);
            }
            free(want);
        }
        free(a), free(b), free(balance);
    }
}

/* A column fifty times as large as the others takes the range of every row; balanced, the product
 * loses a fraction of it. */
static void balanced_int8_products_lose_less(void **state) {
    (void)state;
    enum { M = 14, N = 32, K = 256, LARGE = 99 };
    float *a = randoms(M * K, 1), *b = randoms(N * K, 1), balance[2 * K];
    for (int k = 0; k < K; k++) {
        if (k == LARGE)
            for (int i = 0; i < M; i++) a[i * K + k] *= 50;
        balance[k] = k == LARGE ? 7 : 1; /* about sqrt(50) */
        balance[K + k] = 1 / balance[k];
    }
    FOR_LEVELS(k) {
        double error[2] = {0};
        for (int balanced = 0; balanced < 2; balanced++) {
            float *c = product_of(k, BERT_PRECISION_INT8, M, N, K, a, b, balanced ? balance : NULL);
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++) {
                    double want = 0;
                    for (int x = 0; x < K; x++) want += (double)a[i * K + x] * b[j * K + x];
                    error[balanced] += (c[i * N + j] - want) * (c[i * N + j] - want);
                }
            free(c);
        }
        /* 0.1 to 0.33 of it, as the numbers fall */
        if (!(error[1] < 0.5 * error[0])) fail_msg("%s: %g, %g", k->isa, error[0], error[1]);
    }
    free(a), free(b);
}

/* A pass over depth is summed on its own, so that the error of a long sum grows with the pass and
 * the number of passes, not with the whole depth: one chain of 3072 is off by 0.9e-6 (rms, relative
 * to the rms of the sums), passes of 256 by 0.3e-6. */
static void long_sums_are_grouped(void **state) {
    (void)state;
    enum { K = 3072 };
    FOR_LEVELS(k) {
        const bert_gemm_kernel *g = k->gemm[BERT_PRECISION_HIGHEST];
        const size_t units = (size_t)((K + g->k_unit - 1) / g->k_unit);
        float *a = randoms((size_t)g->mr * K, 1), *b = randoms((size_t)g->nr * K, 1);
        float *c = zeros((size_t)(g->mr * g->nr));
        const bert_left_layout l = bert_left_lay(g, (bert_view){a, K, 1}, g->mr, K);
        unsigned char *pa = left_buffer(&l);
        unsigned char *pb = bert_aligned_alloc(units, g->b_unit);
        bert_left_pack(&l, pa, 0, g->mr, NULL);
        g->pack_b(pb, b, 1, K, g->nr, K, NULL);
        if (g->begin) g->begin();
        for (int x = 0; x < K; x += g->kc) {
            const bert_left at = bert_left_block(&l, pa, 0, x);
            g->block(c, g->nr, &at, pb + (size_t)(x / g->k_unit) * g->b_unit, g->kc, g->mr, x > 0,
                     NULL, 0);
        }
        if (g->end) g->end();
        double error = 0, size = 0;
        for (int i = 0; i < g->mr; i++)
            for (int j = 0; j < g->nr; j++) {
                double want = 0;
                for (int x = 0; x < K; x++) want += (double)a[i * K + x] * (double)b[j * K + x];
                error += ((double)c[i * g->nr + j] - want) * ((double)c[i * g->nr + j] - want);
                size += want * want;
            }
        error = sqrt(error / size);
        if (!(error < 5e-7)) fail_msg("%s: off by %g", g->name, error);
        free(a), free(b), free(c), free(pa), free(pb);
    }
}

static void the_driver_adds_bias_activation_and_residual(void **state) {
    (void)state;
    static const int shapes[][3] = {{1, 7, 3}, {5, 96, 40}, {130, 96, 40}, {300, 50, 3000}};
    for (int s = 0; s < 4; s++) {
        int M = shapes[s][0], K = shapes[s][2], cols[3] = {shapes[s][1], 13, 20},
            N = cols[0] + cols[1] + cols[2];
        float *a = randoms((size_t)M * (size_t)K, 1), *w[3], *bias = randoms((size_t)N, 1),
              *res = randoms((size_t)M * (size_t)N, 1);
        bert_view views[3];
        for (int i = 0; i < 3; i++) {
            w[i] = randoms((size_t)cols[i] * (size_t)K, 0.1f);
            views[i] = (bert_view){w[i], 1, K};
        }
        size_t bytes = sizeof(float) * (size_t)M * (size_t)N;
        float *c[5], *pre = zeros((size_t)M * (size_t)N);
        for (int threads = 1; threads <= 4; threads++) {
            bert_threads *t = bert_threads_new(threads, NULL);
            bert_packed *p = bert_pack(t, BERT_PRECISION_HIGHEST, K, 3, views, cols, NULL, NULL);
            assert_non_null(p);
            c[threads] = zeros((size_t)M * (size_t)N);
            bert_epilogue e = {.bias = bias,
                               .act = BERT_ACT_TANH,
                               .pre = pre,
                               .residual = res,
                               .residual_stride = N};
            assert_int_equal(bert_matmul_packed(t, M, (bert_view){a, K, 1}, p, c[threads], N, &e),
                             0);
            assert_memory_equal(c[threads], c[1], bytes);
            /* a row on its own */
            float *row = zeros((size_t)N);
            e.pre = NULL, e.residual = res + (M - 1) * N;
            assert_int_equal(
                bert_matmul_packed(t, 1, (bert_view){a + (M - 1) * K, K, 1}, p, row, N, &e), 0);
            assert_memory_equal(row, c[1] + (M - 1) * N, sizeof(float) * (size_t)N);
            free(row);
            bert_packed_free(p);
            bert_threads_free(t);
        }
        for (int i = 0; i < M; i += 7)
            for (int j = 0; j < N; j++) {
                int seg = j < cols[0]             ? 0
                          : j < cols[0] + cols[1] ? 1
                                                  : 2,
                    at = j - (seg ? cols[0] : 0) - (seg > 1 ? cols[1] : 0);
                double want = bias[j];
                for (int k = 0; k < K; k++) want += (double)a[i * K + k] * w[seg][at * K + k];
                close_to(pre[i * N + j], want, 1e-5, 1e-5 * sqrt(K), "pre");
                close_to(c[1][i * N + j], tanh(want) + res[i * N + j], 1e-5, 1e-5 * sqrt(K), "c");
            }
        for (int i = 1; i <= 4; i++) free(c[i]);
        for (int i = 0; i < 3; i++) free(w[i]);
        free(a), free(bias), free(res), free(pre);
    }
}

/* Every other part of the matrix at context can be copied. */
static bool copy_floats(void *context, const float *at, float *to, size_t bytes) {
    if ((at - (const float *)context) / 32 % 2) return false;
    memcpy(to, at, bytes);
    return true;
}

/* A right operand that is packed panel by panel gives the bits that a kept one does. */
static void a_product_made_once_is_the_kept_one(void **state) {
    (void)state;
    static const int shapes[][3] = {{1, 7, 3}, {5, 96, 40}, {130, 50, 3000}, {16, 384, 1536}};
    for (int s = 0; s < 4; s++) {
        const int M = shapes[s][0], N = shapes[s][1], K = shapes[s][2];
        float *a = randoms((size_t)M * (size_t)K, 1), *w = randoms((size_t)N * (size_t)K, 0.1f);
        float *bias = randoms((size_t)N, 1);
        const bert_view left = {a, K, 1}, right = {w, 1, K};
        const size_t bytes = sizeof(float) * (size_t)M * (size_t)N;
        const bert_epilogue e = {.bias = bias, .act = BERT_ACT_GELU};
        for (int precision = 0; precision < BERT_PRECISION_COUNT; precision++) {
            if (!bert_cpu()->gemm[precision]) continue;
            float *kept = zeros((size_t)M * (size_t)N), *once = zeros((size_t)M * (size_t)N);
            for (int threads = 1; threads <= 3; threads++) {
                bert_threads *t = bert_threads_new(threads, NULL);
                bert_packed *p =
                    bert_pack(t, (bert_precision)precision, K, 1, &right, &N, NULL, NULL);
                assert_non_null(p);
                assert_int_equal(bert_matmul_packed(t, M, left, p, kept, N, &e), 0);
                bool finite = false;
                const bert_right in_place = {.view = right};
                const bert_right copied = {right, NULL, copy_floats, w};
                assert_int_equal(bert_matmul_once(t, (bert_precision)precision, M, N, K, left,
                                                  &copied, once, N, &e, &finite),
                                 0);
                assert_memory_equal(once, kept, bytes);
                assert_int_equal(bert_matmul_once(t, (bert_precision)precision, M, N, K, left,
                                                  &in_place, once, N, &e, &finite),
                                 0);
                assert_true(finite);
                assert_memory_equal(once, kept, bytes);
                const float good = w[(N - 1) * K];
                w[(N - 1) * K] = threads == 2 ? NAN : -INFINITY;
                assert_int_equal(bert_matmul_once(t, (bert_precision)precision, M, N, K, left,
                                                  &in_place, once, N, &e, &finite),
                                 0);
                assert_false(finite);
                w[(N - 1) * K] = good;
                bert_packed_free(p);
                bert_threads_free(t);
            }
            free(kept), free(once);
        }
        free(a), free(w), free(bias);
    }
}

/* Ones of a sign are what sums of bytes are largest of. */
static void sums_of_bytes_do_not_overflow(void **state) {
    (void)state;
    static const int depths[] = {BERT_BYTES_DEPTH, BERT_BYTES_DEPTH + 2000};
    enum { M = 2, N = 3 };
    for (int s = 0; s < 2; s++) {
        const int K = depths[s], cols = N;
        float *a = zeros((size_t)(M * K)), *w = zeros((size_t)(N * K)), kept[M * N], once[M * N];
        for (int i = 0; i < M * K; i++) a[i] = 1;
        for (int i = 0; i < N * K; i++) w[i] = i < K ? -1 : 1;
        const bert_view left = {a, K, 1}, right = {w, 1, K};
        bert_packed *p = bert_pack(NULL, BERT_PRECISION_INT8, K, 1, &right, &cols, NULL, NULL);
        assert_non_null(p);
        assert_int_equal(bert_matmul_packed(NULL, M, left, p, kept, N, NULL), 0);
        assert_int_equal(bert_matmul_once(NULL, BERT_PRECISION_INT8, M, N, K, left,
                                          &(bert_right){.view = right}, once, N, NULL, NULL),
                         0);
        for (int i = 0; i < M * N; i++) close_to(kept[i], i % N ? K : -K, 1e-5, 0, "sum of bytes");
        assert_memory_equal(once, kept, sizeof once);
        bert_packed_free(p);
        free(a), free(w);
    }
}

static void products_of_views_accumulate(void **state) {
    (void)state;
    int M = 40, N = 37, K = 4100;
    float *a = randoms((size_t)(M * K), 1), *b = randoms((size_t)(N * K), 1),
          *c = randoms((size_t)(M * N), 1), *d = zeros((size_t)(M * N));
    for (int threads = 1; threads <= 3; threads++) {
        float *y = zeros((size_t)(M * N));
        memcpy(y, c, sizeof(float) * (size_t)(M * N));
        bert_threads *t = bert_threads_new(threads, NULL);
        /* both sides transposed: a stored [K, M], b stored [N, K] */
        assert_int_equal(bert_matmul_view(t, BERT_PRECISION_HIGHEST, M, N, K, (bert_view){a, 1, M},
                                          (bert_view){b, 1, K}, y, N,
                                          &(bert_epilogue){.accumulate = true}),
                         0);
        if (threads == 1) memcpy(d, y, sizeof(float) * (size_t)(M * N));
        assert_memory_equal(d, y, sizeof(float) * (size_t)(M * N));
        bert_threads_free(t);
        free(y);
    }
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double want = c[i * N + j];
            for (int k = 0; k < K; k++) want += (double)a[k * M + i] * b[j * K + k];
            close_to(d[i * N + j], want, 1e-5, 1e-3, "view");
        }
    free(a), free(b), free(c), free(d);
}

/* What an epilogue writes as words is to the next product, to the bit, what floats are. */
static void words_are_to_a_product_what_floats_are(void **state) {
    (void)state;
    static const int shapes[][2] = {{1, 96}, {29, 600}, {200, 1024}}; /* 1024: rows alias */
    enum { IN = 40, OUT = 37 };
    bert_threads *t = bert_threads_new(2, NULL);
    for (int s = 0; s < 3; s++)
        for (bert_precision precision = 0; precision < BERT_PRECISION_COUNT; precision++) {
            const bert_gemm_kernel *g = bert_cpu()->gemm[precision];
            if (g->sums == BERT_SUMS_QUANTIZED) continue;
            const int M = shapes[s][0], D = shapes[s][1];
            float *x = randoms((size_t)(M * IN), 1), *up = randoms((size_t)(IN * D), 1),
                  *down = randoms((size_t)(D * OUT), 1), *h = zeros((size_t)(M * D)),
                  *y = zeros((size_t)(M * OUT)), *z = zeros((size_t)(M * OUT));
            unsigned char *data = bert_aligned_alloc(bert_words_bytes(g, M, D), 1);
            const bert_words words = bert_words_at(g, data, M, D);
            const bert_view b_up = {up, D, 1}, b_down = {down, OUT, 1}, a = {x, IN, 1};
            const int out = OUT;
            bert_packed *p = bert_pack(t, precision, IN, 1, &b_up, &D, NULL, NULL),
                        *q = bert_pack(t, precision, D, 1, &b_down, &out, NULL, NULL);
            bert_epilogue e = {.act = BERT_ACT_GELU};
            assert_int_equal(bert_matmul_packed(t, M, a, p, h, D, &e), 0);
            assert_int_equal(bert_matmul_packed(t, M, (bert_view){h, D, 1}, q, y, OUT, NULL), 0);
            e.words = &words;
            assert_int_equal(bert_matmul_packed(t, M, a, p, NULL, D, &e), 0);
            assert_int_equal(bert_matmul_words(t, M, &words, q, z, OUT, NULL), 0);
            assert_memory_equal(y, z, sizeof *y * (size_t)(M * OUT));
            bert_packed_free(p), bert_packed_free(q);
            free(x), free(up), free(down), free(h), free(y), free(z), free(data);
        }
    bert_threads_free(t);
}

static void denormals_cost_nothing(void **state) {
    (void)state;
#if !defined(__SSE2__) && !defined(__aarch64__)
    skip(); /* nothing flushes them there (base/threads.c) */
#endif
    float a[64], b[64], c[64];
    for (int i = 0; i < 64; i++) a[i] = 1e-30f, b[i] = 1e-12f;
    bert_epilogue plain = {0};
    assert_int_equal(bert_matmul_view(NULL, BERT_PRECISION_HIGHEST, 8, 8, 8, (bert_view){a, 8, 1},
                                      (bert_view){b, 8, 1}, c, 8, &plain),
                     0);
    for (int i = 0; i < 64; i++) assert_true(c[i] == 0);
}

int main(void) {
    if (!test_level()) return TEST_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_match_double_at_every_level),
        cmocka_unit_test(int8_products_have_the_same_bits_at_every_level),
        cmocka_unit_test(balanced_int8_products_lose_less),
        cmocka_unit_test(long_sums_are_grouped),
        cmocka_unit_test(the_driver_adds_bias_activation_and_residual),
        cmocka_unit_test(sums_of_bytes_do_not_overflow),
        cmocka_unit_test(products_of_views_accumulate),
        cmocka_unit_test(a_product_made_once_is_the_kept_one),
        cmocka_unit_test(words_are_to_a_product_what_floats_are),
        cmocka_unit_test(denormals_cost_nothing),
    };
    return test_run_at_level(tests);
}
