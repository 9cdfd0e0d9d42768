/* Running out of memory at every single allocation of a small training step. */
#include "fault.h"
#include "tape/tape.h"
#include "test.h"
#include "train/optimizer.h"

enum { H = 64, TOKENS = 40, WORDS = 300 };
static const int32_t start[] = {0, 7, TOKENS};

typedef struct {
    bert_params *ps;
    bert_param *words;
    bert_linear qkv[3], up, down, out;
    bert_layer_norm n;
    bert_tape *t;
    bert_optimizer *o;
} training;

static int build(training *r, bert_error *e) {
    r->words = bert_param_new(r->ps, "words", WORDS, H, BERT_INIT_NORMAL, e);
    int rc = r->words ? 0 : BERT_ENOMEM;
    static const char *const names[] = {"q", "k", "v"};
    for (int i = 0; i < 3 && !rc; i++) {
        rc = bert_linear_new(r->ps, names[i], H, H, &r->qkv[i], e);
        if (!rc) bert_param_freeze(r->qkv[i].weight, true); /* with its packed copy */
    }
    if (!rc) rc = bert_linear_new(r->ps, "up", H, 3 * H, &r->up, e);
    if (!rc) rc = bert_linear_new(r->ps, "down", 3 * H, H, &r->down, e);
    if (!rc) rc = bert_linear_new(r->ps, "out", H, 3, &r->out, e);
    return rc ? rc : bert_layer_norm_new(r->ps, "norm", H, 1e-12f, &r->n, e);
}

static bert_tensor *loss(training *r, bert_error *e) {
    int32_t ids[TOKENS];
    for (int i = 0; i < TOKENS; i++) ids[i] = i * i % WORDS;
    bert_tape *t = r->t;
    bert_tensor *x = bert_dropout(t, bert_embedding(t, r->words, ids, TOKENS), .1f);
    bert_tensor *a = bert_attention(t, bert_linear_cat(t, r->qkv, 3, x),
                                    &(bert_attention_spec){.heads = 4, .dropout = .1f}, start, 2);
    x = bert_layer_norm_apply(t, &r->n, a, x);
    x = bert_layer_norm_apply(t, &r->n, bert_feed_forward(t, r->up, BERT_ACT_GELU, r->down, x), x);
    x = bert_max_groups(t, bert_mul(t, bert_softmax(t, x), bert_normalize_rows(t, x)), start, 2);
    x = bert_linear_act(t, r->out, x, BERT_ACT_TANH);
    bert_tensor *l = bert_cross_entropy(t, x, (int32_t[]){2, 0}, NULL, 0, .1f);
    bert_tape_error(t, e);
    return l;
}

/* One step; 0 or the error's code. */
static int run(training *r, float *result) {
    bert_error e = {0};
    if (!r->ps) r->ps = bert_params_new(1, .02f, &e);
    bert_tape_options o = bert_tape_default();
    o.threads = 1;
    o.training = true;
    if (r->ps && !r->n.bias) build(r, &e);
    if (r->n.bias && !r->t) r->t = bert_tape_new(&o, &e);
    if (r->t && !r->o) r->o = bert_optimizer_new(r->ps, NULL, 1, &e);
    if (!r->o) {
        assert_true(e.message[0]);
        return e.code;
    }
    bert_tape_reset(r->t);
    bert_params_zero_grad(r->ps);
    bert_tensor *l = loss(r, &e);
    if (!e.code) bert_tape_backward(r->t, l, 1, &e);
    if (!e.code) bert_optimizer_step(r->o, .01, 1, NULL, &e);
    if (e.code) {
        assert_true(e.message[0]);
        return e.code;
    }
    *result = l->data[0];
    return 0;
}

static void finish(training *r) {
    bert_optimizer_free(r->o);
    bert_tape_free(r->t);
    bert_params_free(r->ps);
}

static void test_every_allocation(void **state) {
    (void)state;
    float expected = 0, value = 0;
    training r = {0};
    fault_kind = FAULT_MEMORY;
    long before = fault_calls;
    assert_int_equal(run(&r, &expected), 0);
    long n = fault_calls - before;
    assert_true(n > 10);
    /* A second step allocates nothing. */
    before = fault_calls;
    assert_int_equal(run(&r, &value), 0);
    assert_int_equal(fault_calls, before);
    finish(&r);
    int survived = 0;
    for (long k = 1; k <= n; k++) {
        r = (training){0};
        fault_at = fault_calls + k;
        int rc = run(&r, &value);
        fault_at = 0;
        survived += !rc;
        if (rc && rc != BERT_ENOMEM)
            fail_msg("allocation %ld of %ld failed, and the step says %d", k, n, rc);
        /* What is there goes on as if nothing had been. */
        if (rc) assert_int_equal(run(&r, &value), 0);
        assert_memory_equal(&value, &expected, sizeof value);
        finish(&r);
    }
    assert_true(survived <= 1); /* one block for all gradients is a wish: each can have its own */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
