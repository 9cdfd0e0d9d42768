/* Every kernel of every level this machine has against double formulas, and the bits against thread
 * counts and batch company. */
#include "base/arena.h"
#include "base/rng.h"
#include "cpu/attention.h"
#include "cpu/left.h"
#include "levels.h"
#include <math.h>
#include <sys/wait.h>

static bert_rng rng = {.seed = 7};

static float *randoms(size_t n, float std) {
    float *p = bert_aligned_alloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    bert_rng_normal(&rng, p, n, std);
    return p;
}

static float *zeros(size_t n) {
    float *p = bert_aligned_alloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    memset(p, 0, n * sizeof *p);
    return p;
}

static void close_to(double got, double want, double relative, double absolute, const char *what) {
    if (!(fabs(got - want) <= relative * fabs(want) + absolute))
        fail_msg("%s: %.9g where %.9g is right", what, got, want);
}

#define FOR_LEVELS(k)                                                                              \
    for (const bert_isa_level *level = bert_isa_levels; level->name; level++)                      \
        for (const bert_kernels *k = bert_cpu_at(level->name); k; k = NULL)

/* What a fresh process with BERT_ISA=cap calls the level it uses. */
static void level_under(const char *cap, char name[32]) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        setenv("BERT_ISA", cap, 1);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]), close(ends[1]); /* or the reader waits for them */
        execl("/proc/self/exe", "test_kernels", "--isa", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], name, 31);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(n > 0);
    name[n] = 0;
}

static void the_environment_caps_the_level(void **state) {
    (void)state;
    if (test_emulated) skip(); /* the fresh process finds what the machine really has */
    char name[32], strongest[32], list[64] = "";
    FOR_LEVELS(k) {
        level_under(level->name, name);
        assert_string_equal(name, level->name);
        strcpy(strongest, level->name);
        if (list[0]) strcat(list, " ");
        strcat(list, level->name);
    }
    assert_string_equal(bert_isa_list(), list);
    level_under("no such level", name);
    assert_string_equal(name, strongest);
    assert_null(bert_cpu_at("no such level"));
}

/* Kernels as each level has them against those of portable C, in sizes around the vectors'. */
static void levels_agree_with_portable_c(void **state) {
    (void)state;
    static const size_t sizes[] = {0,  1,  3,  4,  5,  7,  8,  9,   15,
                                   16, 17, 31, 33, 63, 64, 65, 130, 771};
    const bert_kernels *c = bert_cpu_at("c");
    FOR_LEVELS(k) for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        float *x = randoms(n + 1, 2), *dy = randoms(n + 1, 1), *y = zeros(n + 1), *z = zeros(n + 1);
        /* the element after the last is never written */
        y[n] = z[n] = 5;
        for (int act = 0; act < BERT_ACT_COUNT; act++) {
            k->act[act].forward(y, x, n), c->act[act].forward(z, x, n);
            for (size_t i = 0; i < n; i++) close_to(y[i], z[i], 1e-6, 1e-7, level->name);
            k->act[act].backward(y, dy, x, n), c->act[act].backward(z, dy, x, n);
            for (size_t i = 0; i < n; i++) close_to(y[i], z[i], 2e-6, 1e-6, level->name);
            bert_block_epilogue e = {.bias = dy, .residual = dy, .residual_stride = (ptrdiff_t)n};
            k->act[act].epilogue[BERT_SUMS_EXACT](y, (ptrdiff_t)n, x, (int)n, 1, (int)n, &e);
            c->act[act].epilogue[BERT_SUMS_EXACT](z, (ptrdiff_t)n, x, (int)n, 1, (int)n, &e);
            for (size_t i = 0; i < n; i++) close_to(y[i], z[i], 2e-6, 1e-6, level->name);
        }
        close_to(k->dot(x, dy, n), c->dot(x, dy, n), 1e-5, 1e-4, level->name);
        close_to(k->sum_squares(x, n), c->sum_squares(x, n), 1e-12, 0, level->name);
        if (n) assert_true(k->max(x, n) == c->max(x, n));
        k->dropout(y, x, n, 0.3f, 1, 2, 128), c->dropout(z, x, n, 0.3f, 1, 2, 128);
        assert_memory_equal(y, z, n * sizeof *y);
        memcpy(y, x, n * sizeof *y), memcpy(z, x, n * sizeof *z);
        float a[2] = {0}, b[2] = {0};
        if (n) {
            k->softmax(y, (ptrdiff_t)n, 1, (int)n, 0.7f, a);
            c->softmax(z, (ptrdiff_t)n, 1, (int)n, 0.7f, b);
            close_to(a[0], b[0], 1e-6, 1e-6, level->name);
            for (size_t i = 0; i < n; i++) close_to(y[i], z[i], 2e-6, 1e-9, level->name);
            k->layer_norm(y, x, dy, x, dy, 1e-12f, 1, (int)n, a);
            c->layer_norm(z, x, dy, x, dy, 1e-12f, 1, (int)n, b);
            if (n > 2) /* of one or two numbers nothing is left to norm */
                for (size_t i = 0; i < n; i++) close_to(y[i], z[i], 1e-4, 1e-4, level->name);
        }
        assert_true(y[n] == 5 && z[n] == 5);
        free(x), free(dy), free(y), free(z);
    }
}

static double phi(double x) {
    return 0.5 * erfc(-x / sqrt(2));
}
static double ref_act(int act, double x) {
    switch (act) {
    case BERT_ACT_GELU:
        return x * phi(x);
    case BERT_ACT_GELU_NEW:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case BERT_ACT_RELU:
        return x > 0 ? x : 0;
    case BERT_ACT_TANH:
        return tanh(x);
    case BERT_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case BERT_ACT_SILU:
        return x / (1 + exp(-x));
    default:
        return x;
    }
}

static void activations_follow_their_formulas(void **state) {
    (void)state;
    enum { N = 4003 };
    float x[N], y[N], one[N], dx[N];
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * 0.005f, one[i] = 1;
    FOR_LEVELS(k) for (int act = 0; act < BERT_ACT_COUNT; act++) {
        k->act[act].forward(y, x, N);
        k->act[act].backward(dx, one, x, N);
        for (int i = 0; i < N; i++) {
            double h = 1e-4, v = x[i];
            close_to(y[i], ref_act(act, v), 1e-6, 1e-7, level->name);
            if (act == BERT_ACT_RELU && fabs(v) < 1e-3) continue;
            close_to(dx[i], (ref_act(act, v + h) - ref_act(act, v - h)) / (2 * h), 2e-6, 1e-6,
                     level->name);
        }
        /* a place in the array does not change a result */
        for (int n = 1; n < 40; n++) {
            float part[40];
            k->act[act].forward(part, x + 1700, (size_t)n);
            assert_memory_equal(part, y + 1700, (size_t)n * sizeof(float));
        }
        float special[2] = {NAN, INFINITY}, out[2];
        k->act[act].forward(out, special, 2);
        assert_true(isnan(out[0]) || act == BERT_ACT_RELU);
    }
}

static void softmax_sums_to_one(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 15, 16, 17, 100, 512};
    FOR_LEVELS(k) for (int s = 0; s < 7; s++) {
        enum { ROWS = 3 };
        int n = sizes[s], ld = n + 5;
        float *x = randoms((size_t)ROWS * (size_t)ld, 5), *y = zeros((size_t)ROWS * (size_t)ld),
              lse[ROWS];
        memcpy(y, x, sizeof *x * ROWS * (size_t)ld);
        k->softmax(y, ld, ROWS, n, 0.5f, lse);
        float *dy = randoms((size_t)n, 1), *dx = zeros((size_t)n), *again = zeros((size_t)n);
        for (int r = 0; r < ROWS; r++) {
            double top = -1e30, total = 0, d = 0;
            for (int j = 0; j < n; j++)
                if (0.5 * x[r * ld + j] > top) top = 0.5 * x[r * ld + j];
            for (int j = 0; j < n; j++) total += exp(0.5 * x[r * ld + j] - top);
            close_to(lse[r], top + log(total), 1e-6, 1e-6, level->name);
            for (int j = 0; j < n; j++)
                close_to(y[r * ld + j], exp(0.5 * x[r * ld + j] - top) / total, 2e-6, 1e-9,
                         level->name);
            for (int j = n; j < ld; j++) assert_true(y[r * ld + j] == x[r * ld + j]);
            memcpy(again, x + r * ld, sizeof *x * (size_t)n);
            k->exp_shifted(again, (size_t)n, 0.5f, lse[r]);
            for (int j = 0; j < n; j++) close_to(again[j], y[r * ld + j], 4e-6, 1e-9, level->name);
            for (int j = 0; j < n; j++) d += (double)dy[j] * y[r * ld + j];
            k->softmax_backward(dx, dy, y + r * ld, 1, n);
            for (int j = 0; j < n; j++)
                close_to(dx[j], y[r * ld + j] * (dy[j] - d), 1e-5, 1e-7, level->name);
        }
        free(x), free(y), free(dy), free(dx), free(again);
    }
}

static void layer_norm_forward_and_backward(void **state) {
    (void)state;
    static const int sizes[] = {1, 3, 16, 33, 384, 768};
    FOR_LEVELS(k) for (int s = 0; s < 6; s++) for (int with = 0; with < 2; with++) {
        enum { ROWS = 4 };
        size_t n = (size_t)sizes[s];
        float *x = randoms(ROWS * n, 2), *r = randoms(ROWS * n, 1), *g = randoms(n, 1),
              *b = randoms(n, 1), *dy = randoms(ROWS * n, 1);
        float *y = zeros(ROWS * n), *dx = zeros(ROWS * n), *dg = zeros(n), *db = zeros(n),
              stats[2 * ROWS];
        double *rg = calloc(n, sizeof *rg), *rb = calloc(n, sizeof *rb);
        k->layer_norm(y, x, with ? r : NULL, g, b, 1e-5f, ROWS, (int)n, stats);
        k->layer_norm_backward(dx, dg, db, dy, x, with ? r : NULL, g, stats, ROWS, (int)n);
        for (int row = 0; row < ROWS; row++) {
            double mean = 0, var = 0, m1 = 0, m2 = 0;
            float *px = x + row * n, *pr = r + row * n;
#define V(j) ((double)px[j] + (with ? pr[j] : 0))
            for (size_t j = 0; j < n; j++) mean += V(j) / (double)n;
            for (size_t j = 0; j < n; j++) var += (V(j) - mean) * (V(j) - mean) / (double)n;
            double rstd = 1 / sqrt(var + 1e-5);
            for (size_t j = 0; j < n; j++) {
                double h = (V(j) - mean) * rstd, gr = (double)dy[row * n + j] * g[j];
                close_to(y[row * n + j], h * g[j] + b[j], 2e-5, 5e-6, level->name);
                m1 += gr / (double)n;
                m2 += gr * h / (double)n;
                rg[j] += dy[row * n + j] * h;
                rb[j] += dy[row * n + j];
            }
            for (size_t j = 0; j < n; j++) {
                double h = (V(j) - mean) * rstd;
                double want = rstd * ((double)dy[row * n + j] * g[j] - m1 - h * m2);
                close_to(dx[row * n + j], want, 1e-4, 1e-5 * rstd, level->name);
            }
        }
        for (size_t j = 0; j < n; j++)
            close_to(dg[j], rg[j], 1e-4, 1e-4, level->name),
                close_to(db[j], rb[j], 1e-5, 1e-5, level->name);
        free(x), free(r), free(g), free(b), free(dy), free(y), free(dx), free(dg), free(db),
            free(rg), free(rb);
    }
}

static void sums_and_elementwise(void **state) {
    (void)state;
    FOR_LEVELS(k) for (size_t n = 1; n < 200; n += 13) {
        float *a = randoms(n, 1), *b = randoms(n, 1), *y = zeros(n);
        double d = 0, q = 0, m = a[0];
        for (size_t i = 0; i < n; i++)
            d += (double)a[i] * b[i], q += (double)a[i] * a[i], m = fmax(m, a[i]);
        close_to(k->dot(a, b, n), d, 1e-5, 1e-5, level->name);
        close_to(k->sum_squares(a, n), q, 1e-12, 0, level->name);
        assert_true(k->max(a, n) == (float)m);
        k->add(y, a, b, n);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == a[i] + b[i]);
        k->sub(y, a, b, n);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == a[i] - b[i]);
        k->mul(y, a, b, n);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == a[i] * b[i]);
        k->scale(y, a, 3, n);
        for (size_t i = 0; i < n; i++) assert_true(y[i] == a[i] * 3);
        memcpy(y, b, n * sizeof *y);
        k->axpy(y, 0.5f, a, n);
        for (size_t i = 0; i < n; i++)
            close_to(y[i], (double)a[i] * 0.5 + b[i], 1e-6, 1e-7, level->name);
        free(a), free(b), free(y);
    }
}

static void adamw_is_pytorch_s(void **state) {
    (void)state;
    enum { N = 37 };
    FOR_LEVELS(k) {
        float *p = randoms(N, 1), *g = randoms(N, 1), *m = randoms(N, 0.1f), *v = zeros(N),
              before[3][N];
        for (int i = 0; i < N; i++) v[i] = 0.01f * (float)i;
        memcpy(before[0], p, sizeof before[0]), memcpy(before[1], m, sizeof before[1]),
            memcpy(before[2], v, sizeof before[2]);
        k->adamw(p, g, m, v, N, 0.5f, 1e-2f, 0.9, 0.999, 1e-8f, 0.1f, 0.19f, 0.002f);
        for (int i = 0; i < N; i++) {
            double x = 0.5 * g[i], m1 = 0.9 * before[1][i] + 0.1 * x,
                   v1 = 0.999 * before[2][i] + 0.001 * x * x;
            double want = before[0][i] * (1 - 1e-2 * 0.1) -
                          1e-2 / 0.19 * m1 / (sqrt(v1) / sqrt(0.002) + 1e-8);
            close_to(m[i], m1, 1e-5, 1e-7, level->name);
            close_to(v[i], v1, 1e-5, 1e-9, level->name);
            close_to(p[i], want, 1e-5, 1e-6, level->name);
        }
        free(p), free(g), free(m), free(v);
    }
}

static void dropout_keeps_the_same_elements_everywhere(void **state) {
    (void)state;
    enum { N = 10007 };
    float *x = zeros(N), *first = zeros(N), *y = zeros(N);
    for (int i = 0; i < N; i++) x[i] = 1;
    bool have = false;
    FOR_LEVELS(k) {
        k->dropout(y, x, N, 0.1f, 42, 3, 0);
        int kept = 0;
        for (int i = 0; i < N; i++) {
            bert_philox draw = bert_philox_at(42, 3, (uint64_t)(i / 64 * 16 + i % 16));
            bool keep = draw.v[i / 16 % 4] >= (uint32_t)((double)0.1f * 4294967296.0);
            kept += keep;
            assert_true(y[i] == (keep ? 1.0f / (1.0f - 0.1f) : 0));
        }
        assert_true(kept > 8850 && kept < 9150);
        if (have) assert_memory_equal(y, first, N * sizeof *y);
        memcpy(first, y, N * sizeof *y);
        have = true;
        k->dropout(y, x, 100, 0.1f, 42, 3, 64 * 70);
        assert_memory_equal(y, first + 64 * 70, 100 * sizeof *y);
    }
    free(x), free(first), free(y);
}

/* Relative to the root mean square of the sums: f32 order of accuracy, 3 products of two bf16
 * parts, bf16, int8 of normally distributed numbers. */
static const double product_tolerance[BERT_PRECISION_COUNT] = {1e-5, 1e-4, 3e-2, 6e-2};

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

/* What follows a product of bf16 or bytes may lose what rounding to bf16 does not show. */
static void coarse_epilogues_are_close(void **state) {
    (void)state;
    enum { N = 2003 };
    float x[N], y[N];
    for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * 0.01f;
    const bert_block_epilogue e = {0};
    FOR_LEVELS(k)
    for (int act = 0; act < BERT_ACT_COUNT; act++) {
        k->act[act].epilogue[BERT_SUMS_COARSE](y, N, x, N, 1, N, &e);
        for (int i = 0; i < N; i++)
            close_to(y[i], ref_act((bert_act)act, (double)x[i]), 2e-6, 5e-5, k->isa);
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

/* Attention and its gradient in double, from the definition. */
static void reference_attention(int n, const int32_t *start, int heads, int size, const float *qkv,
                                const float *mask, double *out, const float *dout, double *dqkv) {
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
                for (int j = 0; j < len; j++) total += p[j] = exp(p[j] - top);
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
        for (int drop = 0; drop < 2; drop++) {
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
            reference_attention(SEQUENCES, start, HEADS, size, qkv, mask, want, dout, dwant);
            float *first = zeros(n), *dfirst = zeros(3 * n);
            for (int threads = 0; threads <= 3; threads++) {
                bert_threads *t = threads ? bert_threads_new(threads, NULL) : NULL;
                assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
                assert_int_equal(bert_attention_backward(t, &plan, qkv, out, dout, lse, dqkv), 0);
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
    reference_attention(SEQUENCES, start, HEADS, SIZE, qkv, NULL, want, dout, dwant);
    for (int precision = 0; precision < BERT_PRECISION_COUNT; precision++) {
        if (!bert_cpu()->gemm[precision] || precision == BERT_PRECISION_INT8) continue;
        const bert_attention_plan plan = {.heads = HEADS,
                                          .head_size = SIZE,
                                          .start = start,
                                          .n = SEQUENCES,
                                          .precision = (bert_precision)precision};
        bert_threads *t = bert_threads_new(2, NULL);
        assert_int_equal(bert_attention_forward(t, &plan, qkv, out, lse, NULL), 0);
        assert_int_equal(bert_attention_backward(t, &plan, qkv, out, dout, lse, dqkv), 0);
        bert_threads_free(t);
        const double off = product_tolerance[precision];
        for (size_t i = 0; i < n; i++) close_to(out[i], want[i], off, off, "attention");
        for (size_t i = 0; i < 3 * n; i++) close_to(dqkv[i], dwant[i], off, off, "its gradient");
    }
    free(qkv), free(dout), free(out), free(dqkv), free(lse), free(want), free(dwant);
}

static void denormals_cost_nothing(void **state) {
    (void)state;
    float a[64], b[64], c[64];
    for (int i = 0; i < 64; i++) a[i] = 1e-30f, b[i] = 1e-12f;
    bert_epilogue plain = {0};
    assert_int_equal(bert_matmul_view(NULL, BERT_PRECISION_HIGHEST, 8, 8, 8, (bert_view){a, 8, 1},
                                      (bert_view){b, 8, 1}, c, 8, &plain),
                     0);
    for (int i = 0; i < 64; i++) assert_true(c[i] == 0);
}

int main(int argc, char **argv) {
    if (!test_level()) return TEST_SKIPPED;
    if (argc > 1 && !strcmp(argv[1], "--isa")) return printf("%s", bert_isa()) < 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_caps_the_level),
        cmocka_unit_test(levels_agree_with_portable_c),
        cmocka_unit_test(activations_follow_their_formulas),
        cmocka_unit_test(softmax_sums_to_one),
        cmocka_unit_test(layer_norm_forward_and_backward),
        cmocka_unit_test(sums_and_elementwise),
        cmocka_unit_test(adamw_is_pytorch_s),
        cmocka_unit_test(dropout_keeps_the_same_elements_everywhere),
        cmocka_unit_test(products_match_double_at_every_level),
        cmocka_unit_test(int8_products_have_the_same_bits_at_every_level),
        cmocka_unit_test(balanced_int8_products_lose_less),
        cmocka_unit_test(coarse_epilogues_are_close),
        cmocka_unit_test(long_sums_are_grouped),
        cmocka_unit_test(the_driver_adds_bias_activation_and_residual),
        cmocka_unit_test(products_of_views_accumulate),
        cmocka_unit_test(a_product_made_once_is_the_kept_one),
        cmocka_unit_test(attention_forward_and_backward),
        cmocka_unit_test(attention_at_every_precision),
        cmocka_unit_test(denormals_cost_nothing),
    };
    return test_run_at_level(tests);
}
