/* Large pages that change arenas, and a training step whose dead activations serve gradients. */
#include "numbers.h"
#include "tape/tape.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>

enum { MB = 1 << 20 };

static uint64_t checksum(const float *x, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        sum = sum * 31 + bits;
    }
    return sum;
}

static size_t count(const unsigned char *p, size_t n, unsigned char value) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++) found += p[i] == value;
    return found;
}

static size_t zeros(const unsigned char *p, size_t n) {
    return count(p, n, 0);
}

static void test_arenas(void **state) {
    (void)state;
    bert_arena a = {0}, b = {0};
    unsigned char *before = bert_arena_alloc(&a, 100), *first, *kept, *second, *after;
    memset(before, 1, 100);
    bert_arena_mark from = bert_arena_save(&a);
    memset(first = bert_arena_alloc(&a, 12 * MB), 2, 12 * MB);
    memset(kept = bert_arena_alloc(&a, 5 * MB), 3, 5 * MB);
    memset(second = bert_arena_alloc(&a, 40 * MB), 4, 40 * MB); /* in another block */
    bert_arena_mark to = bert_arena_save(&a);
    memset(after = bert_arena_alloc(&a, 5 * MB), 5, 5 * MB);
    size_t n = bert_arena_offer(from, to, kept, 5 * MB);
    assert_true(n >= 4 + 18 && n <= 26); /* those of first and second */
    /* Fresh memory asks for none; with a hole of 20 MB in it, those pages come, zero. */
    unsigned char *g = bert_arena_alloc(&b, 30 * MB);
    memset(g, 6, 30 * MB);
    bert_arena_receive(&b, g, 30 * MB, &a);
    assert_int_equal(zeros(g, 30 * MB), 0);
    bert_arena_untouched(&b);
    bert_arena_receive(&b, g + 2 * MB, 20 * MB, &a);
    size_t moved = zeros(first, 12 * MB) + zeros(second, 40 * MB);
    if (!moved) skip(); /* the system cannot do it */
    assert_int_equal(moved, zeros(g, 30 * MB));
    assert_true(moved >= 20 * MB && moved <= 24 * MB);
    /* What is offered no longer stays, what was never offered even more so. */
    bert_arena_withdraw(&a);
    bert_arena_untouched(&b);
    bert_arena_receive(&b, g, 30 * MB, &a);
    assert_int_equal(zeros(first, 12 * MB) + zeros(second, 40 * MB), moved);
    assert_int_equal(zeros(before, 100) + zeros(kept, 5 * MB) + zeros(after, 5 * MB), 0);
    /* Back, into what is not allocated: not below the mark. */
    memset(g, 7, 30 * MB);
    bert_arena_rewind(&a, from);
    first = bert_arena_alloc(&a, 6 * MB);
    memset(first, 8, 6 * MB);
    bert_arena_offer_all(&b);
    bert_arena_refill(&a, &b);
    bert_arena_withdraw(&b);
    assert_int_equal(count(first, 6 * MB, 8), 6 * MB);
    const size_t left = zeros(g, 30 * MB);
    assert_true(left >= 10 * MB && left <= moved);
    bert_arena_free(&a);
    bert_arena_free(&b);
}

enum { ROWS = 512, H = 128, INNER = 4096, SEGMENTS = 3, STEPS = 4 };
typedef struct {
    bert_linear up, down;
    bert_layer_norm norm;
} layer;
typedef struct {
    bert_params *ps;
    layer layers[SEGMENTS];
    bert_tape *t;
} net;

static bert_tensor *run_layer(bert_tape *t, const void *context, bert_tensor *x) {
    const layer *l = context;
    bert_tensor *y = bert_feed_forward(t, l->up, BERT_ACT_GELU, l->down, x);
    return bert_layer_norm_apply(t, &l->norm, bert_dropout_over(t, y, .1f), x);
}

static bert_tensor *forward(net *n, bool segments, bert_tensor *x) {
    for (int i = 0; i < SEGMENTS; i++)
        x = segments ? bert_checkpoint(n->t, run_layer, &n->layers[i], sizeof(layer), x)
                     : run_layer(n->t, &n->layers[i], x);
    return x;
}

/* Checksums of what can be read after each backward. */
static void train(bool segments, bool checkpointing, uint64_t sums[STEPS][2]) {
    net n = {.ps = bert_params_new(3, .05f, NULL)};
    for (int i = 0; i < SEGMENTS; i++) {
        char name[3][32];
        for (int j = 0; j < 3; j++) snprintf(name[j], sizeof name[j], "%d.%d", i, j);
        layer *l = &n.layers[i];
        assert_int_equal(bert_linear_new(n.ps, name[0], H, INNER, &l->up, NULL), 0);
        assert_int_equal(bert_linear_new(n.ps, name[1], INNER, H, &l->down, NULL), 0);
        assert_int_equal(bert_layer_norm_new(n.ps, name[2], H, 1e-12f, &l->norm, NULL), 0);
    }
    bert_tape_options o = bert_tape_default();
    o.threads = 2;
    o.gradient_checkpointing = checkpointing;
    n.t = bert_tape_new(&o, NULL);
    float *in = malloc(ROWS * H * sizeof *in);
    for (int step = 0; step < STEPS; step++) {
        test_numbers(in, step, ROWS * H, 1, 0);
        if (step == 2) { /* an evaluation on the same tape */
            bert_tape_reset(n.t);
            bert_tape_set_mode(n.t, false, false);
            assert_non_null(forward(&n, segments, bert_constant(n.t, in, ROWS, H, false)));
        }
        bert_tape_reset(n.t);
        bert_tape_set_mode(n.t, true, true);
        bert_tape_set_step(n.t, (uint64_t)step);
        bert_tensor *x = bert_constant(n.t, in, ROWS, H, true);
        bert_tensor *y = forward(&n, segments, x), *loss = bert_mse(n.t, y, in, 0);
        assert_int_equal(bert_tape_backward(n.t, loss, 1, NULL), 0);
        if (step % 2 == 0)
            assert_int_equal(bert_tape_backward(n.t, bert_sum(n.t, y), .5f, NULL), 0);
        sums[step][0] =
            checksum(y->data, ROWS * H) + checksum(loss->data, 1) + checksum(x->grad, ROWS * H);
        sums[step][1] = 0;
        for (int i = 0; i < bert_params_count(n.ps); i++) {
            const bert_param *p = bert_params_at(n.ps, i);
            sums[step][1] = 31 * sums[step][1] + checksum(p->grad, bert_param_size(p));
        }
        if (step % 2) bert_params_zero_grad(n.ps); /* gradients of two batches */
    }
    free(in);
    bert_tape_free(n.t);
    bert_params_free(n.ps);
}

static void test_step(void **state) {
    (void)state;
    uint64_t expected[STEPS][2], sums[STEPS][2];
    train(false, false, expected);
    for (int k = 0; k < 2; k++) {
        train(true, k, sums);
        assert_memory_equal(sums, expected, sizeof sums);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arenas), cmocka_unit_test(test_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
