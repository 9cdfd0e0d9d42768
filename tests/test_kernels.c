/* Every loop of every level this machine has against double formulas, and the bits against the
 * company of a batch. */
#include "act_value.h"
#include "floats.h"
#include <sys/wait.h>

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
            k->act[act].gate(y, x, dy, n), c->act[act].gate(z, x, dy, n);
            for (size_t i = 0; i < n; i++) close_to(y[i], z[i], 2e-6, 1e-6, level->name);
            float *dk = zeros(2 * n + 1), *dc = zeros(2 * n + 1);
            k->act[act].gate_backward(dk, dk + n, dy, x, dy, n);
            c->act[act].gate_backward(dc, dc + n, dy, x, dy, n);
            for (size_t i = 0; i < 2 * n; i++) close_to(dk[i], dc[i], 2e-6, 1e-6, level->name);
            assert_true(dk[2 * n] == 0);
            free(dk), free(dc);
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

/* Whether the formula has another slope a little to the left of x than to the right. */
static bool has_edge(int act, double x) {
    static const struct {
        int act;
        double at;
    } edges[] = {{BERT_ACT_RELU, 0},       {BERT_ACT_RELU6, 0},    {BERT_ACT_RELU6, 6},
                 {BERT_ACT_LEAKY_RELU, 0}, {BERT_ACT_GELU_10, 10}, {BERT_ACT_HARDSWISH, -3},
                 {BERT_ACT_HARDSWISH, 3},  {BERT_ACT_RELU2, 0}};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        if (edges[i].act == act && fabs(x - edges[i].at) < 1e-3) return true;
    return false;
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
            close_to(y[i], act_value(act, v), 1e-6, 1e-7, level->name);
            if (has_edge(act, v)) continue;
            close_to(dx[i], (act_value(act, v + h) - act_value(act, v - h)) / (2 * h), 2e-6, 1e-6,
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
            close_to(y[i], act_value((bert_act)act, (double)x[i]), 2e-6, 5e-5, k->isa);
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
            k->softmax_backward(dx, dy, y + r * ld, (size_t)n, (float)d, 0.5f);
            for (int j = 0; j < n; j++)
                close_to(dx[j], 0.5 * y[r * ld + j] * (dy[j] - d), 1e-5, 1e-7, level->name);
        }
        free(x), free(y), free(dy), free(dx), free(again);
    }
}

/* However large the numbers: the largest has all, and those that are equal share it. */
static void softmax_takes_numbers_of_any_size(void **state) {
    (void)state;
    static const int sizes[] = {2, 15, 17, 100, 300};
    const float factor = 1.0f / sqrtf(3);
    FOR_LEVELS(k) for (int s = 0; s < 5; s++) for (float large = 1e3f; large < 1e38f; large *= 7) {
        const int n = sizes[s];
        const double share = n == 2 ? 1 : 0.5;
        float *x = randoms((size_t)n, 0.5f * large), *y = zeros((size_t)n), lse;
        for (int j = 0; j < n; j++) x[j] = j == n / 2 || j == n - 1 ? large : -fabsf(x[j]);
        memcpy(y, x, sizeof *x * (size_t)n);
        k->softmax(y, n, 1, n, factor, &lse);
        k->exp_shifted(x, (size_t)n, factor, lse);
        for (int j = 0; j < n; j++) {
            close_to(y[j], j == n / 2 || j == n - 1 ? share : 0, 1e-6, 1e-30, level->name);
            if (large < 1e4f) close_to(x[j], y[j], 1e-3, 1e-30, level->name);
            assert_true(x[j] <= 1);
        }
        free(x), free(y);
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

int main(int argc, char **argv) {
    if (!test_level()) return TEST_SKIPPED;
    if (argc > 1 && !strcmp(argv[1], "--isa")) return printf("%s", bert_isa()) < 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_caps_the_level),
        cmocka_unit_test(levels_agree_with_portable_c),
        cmocka_unit_test(activations_follow_their_formulas),
        cmocka_unit_test(coarse_epilogues_are_close),
        cmocka_unit_test(softmax_sums_to_one),
        cmocka_unit_test(softmax_takes_numbers_of_any_size),
        cmocka_unit_test(layer_norm_forward_and_backward),
        cmocka_unit_test(sums_and_elementwise),
        cmocka_unit_test(adamw_is_pytorch_s),
        cmocka_unit_test(dropout_keeps_the_same_elements_everywhere),
    };
    return test_run_at_level(tests);
}
