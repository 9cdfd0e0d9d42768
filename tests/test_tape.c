/* The tape as a whole: against PyTorch (tools/golden_ops.py), the same bits for any number of
 * threads, what backward reaches, what memory it takes, and running out of it. */
#include "golden_ops.h"
#include "numbers.h"
#include "plain_device.h"
#include "tape/tape.h"
#include "test.h"

static bert_tape *tape_on(const bert_device *device, int threads, bool training) {
    bert_tape_options o = bert_tape_default();
    o.device = device;
    o.threads = threads;
    o.training = training;
    bert_tape *t = bert_tape_new(&o, NULL);
    assert_non_null(t);
    return t;
}

static bert_tape *tape(int threads, bool training) {
    return tape_on(NULL, threads, training);
}

static void no_error(const bert_tape *t) {
    bert_error e = {0};
    if (bert_tape_error(t, &e)) fail_msg("%s", e.message);
}

static void backward(bert_tape *t, bert_tensor *loss) {
    bert_error e = {0};
    if (bert_tape_backward(t, loss, 1, &e)) fail_msg("%s", e.message);
}

/* ---- losses */

static const int32_t labels[] = {3, 0, -100, 4, 1, 1};
static const float weights[] = {1, .5f, 2, .25f, 3};
static float targets[30];
static bert_tensor *ce(bert_tape *t, bert_tensor *x) {
    return bert_cross_entropy(t, x, labels, NULL, 0, 0);
}
static bert_tensor *ce_weights(bert_tape *t, bert_tensor *x) {
    return bert_cross_entropy(t, x, labels, weights, 0, 0);
}
static bert_tensor *ce_smoothing(bert_tape *t, bert_tensor *x) {
    return bert_cross_entropy(t, x, labels, weights, 0, .125f);
}
static bert_tensor *ce_divisor(bert_tape *t, bert_tensor *x) {
    return bert_cross_entropy(t, x, labels, NULL, 10, 0);
}
static bert_tensor *soft_ce(bert_tape *t, bert_tensor *x) {
    return bert_soft_cross_entropy(t, x, targets, NULL, 0, 0);
}
static bert_tensor *soft_ce_all(bert_tape *t, bert_tensor *x) {
    return bert_soft_cross_entropy(t, x, targets, weights, 0, .125f);
}
static bert_tensor *bce(bert_tape *t, bert_tensor *x) {
    return bert_bce_with_logits(t, x, targets, 0);
}
static bert_tensor *mse(bert_tape *t, bert_tensor *x) {
    return bert_mse(t, x, targets, 0);
}
#define LOSS(name)                                                                                 \
    { #name, name, golden_##name, golden_##name##_grad }
static const struct {
    const char *name;
    bert_tensor *(*run)(bert_tape *t, bert_tensor *x);
    const double *value, *grad;
} losses[] = {LOSS(ce),      LOSS(ce_weights),  LOSS(ce_smoothing), LOSS(ce_divisor),
              LOSS(soft_ce), LOSS(soft_ce_all), LOSS(bce),          LOSS(mse)};

static void test_losses(void **state) {
    (void)state;
    bert_tape *t = tape(1, false);
    float x[30];
    test_numbers(x, 1, 30, 4, 0);
    test_numbers(targets, 2, 30, .5f, .5f);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        bert_tape_reset(t);
        bert_tensor *logits = bert_constant(t, x, 6, 5, true);
        bert_tensor *loss = losses[i].run(t, logits);
        backward(t, loss);
        if (!(test_relative(loss->data, losses[i].value, 1) < 1e-6))
            fail_msg("%s is %g, not %g", losses[i].name, (double)loss->data[0], *losses[i].value);
        double off = test_relative(bert_tensor_read_grad(t, logits), losses[i].grad, 30);
        if (!(off < 1e-6)) fail_msg("gradient of %s is off by %g", losses[i].name, off);
    }
    /* A confident answer: the loss is small, and still right. */
    bert_tape_reset(t);
    bert_tensor *sure = bert_constant(t, (float[]){30, 0, 0, 200}, 2, 2, true);
    bert_tensor *loss = bert_cross_entropy(t, sure, (int32_t[]){0, 0}, NULL, 1, 0);
    assert_true(fabs((double)loss->data[0] - 200) < 1e-4);
    bert_tape_free(t);
}

/* ---- two transformer layers with a classifier, from operations */

enum { H = 12, HEADS = 3, INNER = 20, LAYERS = 2, TOKENS = 15, CLASSES = 4, TRIPLES = 3 };
static const int32_t start[] = {0, 5, 8, 15};

typedef struct {
    bert_linear qkv[TRIPLES], dense, up, down;
    bert_layer_norm first, second;
} layer;
typedef struct {
    bert_params *ps;
    layer layers[LAYERS];
    bert_linear out;
} block;

static void fill(bert_param *p, float scale, float shift) {
    int index = 0;
    while (bert_params_at(p->owner, index) != p) index++;
    float values[H * INNER];
    assert_true(bert_param_size(p) <= sizeof values / sizeof *values);
    test_numbers(values, 100 + index, (int)bert_param_size(p), scale, shift);
    assert_int_equal(bert_param_write(p, values), 0);
}

static int new_linear(block *b, const char *name, int in, int out, bert_linear *l, bert_error *e) {
    int rc = bert_linear_new(b->ps, name, in, out, l, e);
    if (rc) return rc;
    fill(l->weight, .5f, 0);
    fill(l->bias, .5f, 0);
    return 0;
}

static int new_norm(block *b, const char *name, bert_layer_norm *n, bert_error *e) {
    int rc = bert_layer_norm_new(b->ps, name, H, 1e-12f, n, e);
    if (rc) return rc;
    fill(n->weight, .25f, 1);
    fill(n->bias, .5f, 0);
    return 0;
}

/* In the order of golden_ops.py. */
static int block_new(block *b, const bert_device *device, bert_error *e) {
    *b = (block){.ps = bert_params_new_on(device, NULL, true, 1, .02f, e)};
    if (!b->ps) return BERT_ENOMEM;
    int rc = 0;
    for (int i = 0; i < LAYERS && !rc; i++) {
        layer *l = &b->layers[i];
        char name[32];
        for (int j = 0; j < TRIPLES && !rc; j++) {
            snprintf(name, sizeof name, "layer.%d.%c", i, "qkv"[j]);
            rc = new_linear(b, name, H, H, &l->qkv[j], e);
        }
/* "layer.0.dense" */
#define NAMED(what) (snprintf(name, sizeof name, "layer.%d." what, i), name)
        if (!rc) rc = new_linear(b, NAMED("dense"), H, H, &l->dense, e);
        if (!rc) rc = new_norm(b, NAMED("first"), &l->first, e);
        if (!rc) rc = new_linear(b, NAMED("up"), H, INNER, &l->up, e);
        if (!rc) rc = new_linear(b, NAMED("down"), INNER, H, &l->down, e);
        if (!rc) rc = new_norm(b, NAMED("second"), &l->second, e);
    }
    return rc ? rc : new_linear(b, "classifier", H, CLASSES, &b->out, e);
}

static bert_tensor *layer_forward(bert_tape *t, const layer *l, bert_tensor *x, float p) {
    bert_tensor *qkv = bert_linear_cat(t, l->qkv, 3, x);
    const bert_attention_spec spec = {.heads = HEADS, .dropout = p};
    bert_tensor *a = bert_linear_apply(t, l->dense, bert_attention(t, qkv, &spec, start, 3));
    x = bert_layer_norm_apply(t, &l->first, bert_dropout(t, a, p), x);
    bert_tensor *f = bert_feed_forward(t, l->up, BERT_ACT_GELU, l->down, x);
    return bert_layer_norm_apply(t, &l->second, bert_dropout_over(t, f, p), x);
}

static bert_tensor *block_forward(bert_tape *t, const block *b, bert_tensor *x, float p) {
    bert_arena_mark mark = bert_tape_mark(t);
    for (int i = 0; i < LAYERS; i++)
        x = bert_tape_release_keep(t, mark, layer_forward(t, &b->layers[i], x, p));
    return x;
}

static bert_tensor *block_input(bert_tape *t) {
    float x[TOKENS * H];
    test_numbers(x, 90, TOKENS * H, 1, 0);
    return bert_constant(t, x, TOKENS, H, true);
}

static bert_tensor *block_loss(bert_tape *t, const block *b, bert_tensor *hidden) {
    bert_tensor *pooled = bert_mean_groups(t, hidden, start, 3);
    return bert_cross_entropy(t, bert_linear_apply(t, b->out, pooled), (int32_t[]){2, 0, 3}, NULL,
                              0, 0);
}

static void check_grads(const block *b) {
    const double *expected = golden_block_grads;
    for (int i = 0; i < bert_params_count(b->ps); i++) {
        const bert_param *p = bert_params_at(b->ps, i);
        const int n = (int)bert_param_size(p);
        float grad[H * INNER];
        double norm = 0;
        bert_param_read_grad(p, grad);
        for (int j = 0; j < n; j++) norm += expected[j] * expected[j];
        /* The bias of the keys has no effect: its gradient is rounding. */
        if (norm < 1e-20) {
            for (int j = 0; j < n; j++) assert_true(fabs((double)grad[j]) < 1e-7);
        } else if (!(test_relative(grad, expected, n) < 1e-5)) {
            fail_msg("gradient of %s is off by %g", p->name, test_relative(grad, expected, n));
        }
        expected += n;
    }
    assert_int_equal(expected - golden_block_grads,
                     sizeof golden_block_grads / sizeof *golden_block_grads);
}

static void check_block(const bert_device *device) {
    block b;
    assert_int_equal(block_new(&b, device, NULL), 0);
    bert_tape *t = tape_on(device, 2, false);
    bert_tensor *x = block_input(t), *hidden = block_forward(t, &b, x, 0);
    bert_tensor *loss = block_loss(t, &b, hidden);
    backward(t, loss);
    assert_true(test_relative(bert_tensor_read(t, hidden), golden_block_hidden, TOKENS * H) < 1e-6);
    assert_true(test_relative(bert_tensor_read(t, loss), golden_block_loss, 1) < 1e-6);
    assert_true(test_relative(bert_tensor_read_grad(t, x), golden_block_input_grad, TOKENS * H) <
                1e-5);
    check_grads(&b);
    /* Without recording, layer by layer in the same memory: the same bits. */
    float kept[TOKENS * H];
    memcpy(kept, bert_tensor_read(t, hidden), sizeof kept);
    bert_tape_reset(t);
    bert_tape_set_mode(t, false, false);
    hidden = block_forward(t, &b, block_input(t), 0);
    no_error(t);
    assert_memory_equal(bert_tensor_read(t, hidden), kept, sizeof kept);
    bert_error e = {0};
    assert_int_equal(bert_tape_backward(t, block_loss(t, &b, hidden), 1, &e), BERT_EINVAL);
    assert_non_null(strstr(e.message, "does not record"));
    bert_tape_free(t);
    bert_params_free(b.ps);
}

static void test_block(void **state) {
    (void)state;
    check_block(NULL);
}

/* On a device that the host cannot look into; its parameters are no other's. */
static void test_block_on_the_plain_device(void **state) {
    (void)state;
    check_block(&plain_device);
    block b;
    assert_int_equal(block_new(&b, &plain_device, NULL), 0);
    assert_null(bert_param_value(b.out.weight));
    assert_null(bert_param_value_mut(b.out.weight));
    assert_null(bert_param_grad(b.out.weight));
    bert_tape *t = tape(1, false);
    assert_null(bert_linear_apply(t, b.out, block_input(t)));
    bert_error e = {0};
    assert_int_equal(bert_tape_error(t, &e), BERT_EINVAL);
    assert_string_equal(e.message, "linear: classifier.weight is on the device plain, the tape "
                                   "computes on cpu");
    bert_tape_free(t);
    bert_params_free(b.ps);
}

/* A set that is not trained (packed copies are kept) and a frozen one give the same values. */
static int from_block(void *context, const char *name, int32_t rows, int32_t cols,
                      const float **value, bert_error *e) {
    (void)rows, (void)cols, (void)e;
    *value = bert_param_value(bert_params_find(context, name));
    return *value != NULL;
}

static void test_frozen(void **state) {
    (void)state;
    block b;
    assert_int_equal(block_new(&b, NULL, NULL), 0);
    bert_param_source source = {.find = from_block, .context = b.ps};
    bert_params *fixed = bert_params_new_from(&source, false, 1, .02f, NULL);
    block c = b;
    for (int i = 0; i < LAYERS; i++) {
        bert_linear *ls[] = {&c.layers[i].qkv[0], &c.layers[i].qkv[1], &c.layers[i].qkv[2],
                             &c.layers[i].dense,  &c.layers[i].up,     &c.layers[i].down};
        for (int j = 0; j < 6; j++) {
            char name[40];
            snprintf(name, sizeof name, "%s", ls[j]->weight->name);
            *strrchr(name, '.') = 0;
            assert_int_equal(
                bert_linear_new(fixed, name, ls[j]->weight->cols, ls[j]->weight->rows, ls[j], NULL),
                0);
        }
    }
    bert_tape *t = tape(1, false);
    bert_tensor *x = block_input(t), *y = block_forward(t, &b, x, 0);
    bert_tensor *z = block_forward(t, &c, x, 0);
    no_error(t);
    assert_memory_equal(y->data, z->data, bert_tensor_size(y) * sizeof(float));
    assert_true(bert_params_packed_bytes(fixed) > 0);
    /* The input's gradient passes through packed weights as through others. */
    backward(t, block_loss(t, &b, z));
    assert_true(test_relative(bert_tensor_read_grad(t, x), golden_block_input_grad, TOKENS * H) <
                1e-5);

    /* Below the lowest trainable parameter nothing is recorded. */
    bert_params_zero_grad(b.ps);
    bert_tape_reset(t);
    assert_true(bert_params_freeze(b.ps, "layer.") > 0);
    float numbers[TOKENS * H];
    test_numbers(numbers, 90, TOKENS * H, 1, 0);
    x = bert_constant(t, numbers, TOKENS, H, false);
    y = block_forward(t, &b, x, 0);
    assert_null(y->node);
    backward(t, block_loss(t, &b, y));
    for (int i = 0; i < bert_params_count(b.ps); i++) {
        const bert_param *p = bert_params_at(b.ps, i);
        assert_int_equal(p->flowed, !strncmp(p->name, "classifier", 10));
    }
    bert_tape_free(t);
    bert_params_free(fixed);
    bert_params_free(b.ps);
}

/* ---- threads: the same bits */

enum { WIDE = 96, WIDE_TOKENS = 333, WIDE_SEQUENCES = 3, BIG = 3 * WIDE };
static const int32_t wide_start[] = {0, 100, 101, WIDE_TOKENS};

/* Every operation whose work is split, at sizes that are split. */
static bert_tensor *wide_loss(bert_tape *t, bert_params *ps, const int32_t *ids) {
    bert_linear qkv, up, down, out;
    bert_layer_norm n;
    bert_param *words = bert_param_new(ps, "words", 50, WIDE, BERT_INIT_NORMAL, NULL);
    bert_linear_new(ps, "qkv", WIDE, 3 * WIDE, &qkv, NULL);
    bert_linear_new(ps, "up", WIDE, BIG, &up, NULL);
    bert_linear_new(ps, "down", BIG, WIDE, &down, NULL);
    bert_linear_new(ps, "out", WIDE, 7, &out, NULL);
    bert_layer_norm_new(ps, "norm", WIDE, 1e-12f, &n, NULL);
    bert_tensor *x = bert_embedding(t, words, ids, WIDE_TOKENS);
    x = bert_dropout(t, bert_layer_norm_apply(t, &n, x, NULL), .1f);
    bert_tensor *a = bert_attention(t, bert_linear_apply(t, qkv, x),
                                    &(bert_attention_spec){.heads = 4, .dropout = .1f}, wide_start,
                                    WIDE_SEQUENCES);
    x = bert_layer_norm_apply(t, &n, bert_dropout(t, a, .1f), x);
    bert_tensor *f = bert_linear_apply(t, down, bert_linear_act(t, up, x, BERT_ACT_GELU));
    x = bert_add(t, bert_mul(t, f, x), bert_param_tensor(t, n.bias));
    x = bert_softmax(t,
                     bert_concat(t, bert_normalize_rows(t, x), bert_rows(t, x, ids, WIDE_TOKENS)));
    bert_tensor *s = bert_sum(t, bert_max_groups(t, x, wide_start, WIDE_SEQUENCES));
    int32_t classes[WIDE_TOKENS];
    for (int i = 0; i < WIDE_TOKENS; i++) classes[i] = i % 8 == 7 ? -100 : i % 8;
    bert_tensor *logits = bert_linear_apply(t, out, bert_slice(t, x, 5, WIDE));
    return bert_add(t, s, bert_cross_entropy(t, logits, classes, NULL, 0, .1f));
}

static void test_threads(void **state) {
    (void)state;
    int32_t ids[WIDE_TOKENS];
    for (int i = 0; i < WIDE_TOKENS; i++) ids[i] = i * i % 50;
    bert_params *sets[3];
    float loss[3];
    for (int k = 0; k < 3; k++) {
        sets[k] = bert_params_new(1, .1f, NULL);
        bert_tape *t = tape(k + 1, true);
        for (int step = 0; step < 2; step++) {
            bert_tape_reset(t);
            bert_tape_set_step(t, (uint64_t)step);
            bert_tensor *l = wide_loss(t, sets[k], ids);
            backward(t, l);
            loss[k] = l->data[0];
        }
        bert_tape_free(t);
        assert_memory_equal(&loss[0], &loss[k], sizeof loss[0]);
        for (int i = 0; i < bert_params_count(sets[0]); i++) {
            const bert_param *p = bert_params_at(sets[0], i), *q = bert_params_at(sets[k], i);
            assert_memory_equal(p->grad, q->grad, bert_param_size(p) * sizeof(float));
        }
    }
    for (int k = 0; k < 3; k++) bert_params_free(sets[k]);
}

static void test_dropout(void **state) {
    (void)state;
    enum { N = 40000 };
    static float ones[N], first[2][N];
    for (int i = 0; i < N; i++) ones[i] = 1;
    for (int threads = 1; threads <= 2; threads++) {
        bert_tape *t = tape(threads, true);
        bert_tape_set_step(t, 3);
        bert_tensor *x = bert_constant(t, ones, 100, N / 100, true);
        bert_tensor *y = bert_dropout(t, x, .1f), *z = bert_dropout(t, x, .1f);
        int kept = 0, both = 0;
        for (int i = 0; i < N; i++) {
            assert_true(y->data[i] == 0 || fabs((double)y->data[i] - 1 / .9) < 1e-6);
            kept += y->data[i] > 0;
            both += y->data[i] > 0 && z->data[i] > 0;
        }
        /* Five standard errors; two calls are independent. */
        assert_true(fabs(kept - .9 * N) < 5 * sqrt(N * .9 * .1));
        assert_true(fabs(both - .81 * N) < 5 * sqrt(N * .81 * .19));
        memcpy(first[threads - 1], y->data, sizeof ones);
        /* The gradient has the mask of the values. */
        backward(t, bert_sum(t, y));
        assert_memory_equal(bert_tensor_read_grad(t, x), y->data, sizeof ones);
        bert_tape_reset(t);
        bert_tape_set_step(t, 4);
        y = bert_dropout(t, bert_constant(t, ones, 100, N / 100, true), .1f);
        assert_memory_not_equal(first[0], y->data, sizeof ones);
        bert_tape_reset(t);
        bert_tape_set_step(t, 3);
        y = bert_dropout(t, bert_constant(t, ones, 100, N / 100, true), .1f);
        assert_memory_equal(first[0], y->data, sizeof ones);
        bert_tape_set_mode(t, true, false);
        assert_ptr_equal(bert_dropout(t, y, .1f), y);
        bert_tape_free(t);
    }
    assert_memory_equal(first[0], first[1], sizeof ones);
}

/* ---- backward */

static void test_backward(void **state) {
    (void)state;
    bert_tape *t = tape(1, false);
    bert_params *ps = bert_params_new(1, .5f, NULL);
    bert_param *p = bert_param_new(ps, "p", 2, 3, BERT_INIT_NORMAL, NULL);
    bert_tensor *x = bert_constant(t, (float[]){1, 2, 3, 4, 5, 6}, 2, 3, true);
    bert_tensor *unused = bert_constant(t, x->data, 2, 3, true);
    bert_tensor *y = bert_mul(t, x, bert_param_tensor(t, p));
    /* Any shape is summed; gradients add up, and scale with the seed. */
    backward(t, y);
    for (int i = 0; i < 6; i++) {
        assert_true(bert_param_grad(p)[i] == x->data[i]);
        assert_true(bert_tensor_read_grad(t, x)[i] == p->value[i]);
    }
    assert_null(bert_tensor_read_grad(t, unused));
    assert_int_equal(bert_tape_backward(t, bert_sum(t, y), -3, NULL), 0);
    for (int i = 0; i < 6; i++) assert_true(bert_param_grad(p)[i] == -2 * x->data[i]);
    bert_error e = {0};
    assert_int_equal(bert_tape_backward(t, NULL, 1, &e), BERT_EINVAL);
    assert_string_equal(e.message, "backward: the loss is NULL");
    bert_tape_reset(t);
    e = (bert_error){0};
    x = bert_constant(t, (float[]){1}, 1, 1, false);
    assert_int_equal(bert_tape_backward(t, x, 1, &e), BERT_EINVAL);
    assert_string_equal(e.message, "backward: the loss depends on nothing trainable");
    e = (bert_error){0};
    assert_int_equal(bert_tape_backward(NULL, x, 1, &e), BERT_EINVAL);
    assert_null(bert_sum(NULL, x));
    assert_int_equal(bert_tape_error(NULL, NULL), BERT_EINVAL);
    bert_tape_free(NULL);
    bert_tape_free(t);
    bert_params_free(ps);
}

/* The labels and row numbers that an operation was given may be gone at backward. */
static void test_borrowed_arrays(void **state) {
    (void)state;
    bert_tape *t = tape(1, false);
    float grads[2][15];
    for (int k = 0; k < 2; k++) {
        int32_t index[] = {1, 0, 1}, label[] = {1, 2, 4}, group[] = {0, 2, 3};
        float target[] = {1, 0, 1, 0, 1};
        bert_tape_reset(t);
        float numbers[15];
        test_numbers(numbers, 1, 15, 1, 0);
        bert_tensor *x = bert_constant(t, numbers, 3, 5, true);
        bert_tensor *y = bert_rows(t, x, index, 3);
        bert_tensor *m = bert_bce_with_logits(
            t, bert_rows(t, bert_max_groups(t, y, group, 2), index, 1), target, 0);
        bert_tensor *loss = bert_add(t, m, bert_cross_entropy(t, y, label, NULL, 0, 0));
        if (k) {
            memset(index, 0x7f, sizeof index);
            memset(label, 0x7f, sizeof label);
            memset(group, 0x7f, sizeof group);
            memset(target, 0x7f, sizeof target);
        }
        backward(t, loss);
        memcpy(grads[k], bert_tensor_read_grad(t, x), sizeof grads[k]);
    }
    assert_memory_equal(grads[0], grads[1], sizeof grads[0]);
    bert_tape_free(t);
}

/* After the first step the tape holds the same memory, whatever happens. */
static void test_memory(void **state) {
    (void)state;
    block b;
    assert_int_equal(block_new(&b, NULL, NULL), 0);
    bert_tape *t = tape(2, true);
    size_t held = 0;
    for (int i = 0; i < 5; i++) {
        bert_tape_reset(t);
        bert_tape_set_step(t, (uint64_t)i);
        backward(t, block_loss(t, &b, block_forward(t, &b, block_input(t), .1f)));
        if (i == 0) held = bert_tape_memory(t);
        assert_int_equal(bert_tape_memory(t), held);
    }
    /* Inference layer by layer needs no more for more layers. */
    bert_tape_free(t);
    t = tape(1, false);
    bert_tape_set_mode(t, false, false);
    bert_arena_mark mark = bert_tape_mark(t);
    bert_tensor *x = block_input(t);
    for (int i = 0; i < 30; i++) {
        x = bert_tape_release_keep(t, mark, layer_forward(t, &b.layers[0], x, 0));
        no_error(t);
        if (i == 1) held = t->arena.peak;
        if (i > 1) assert_int_equal(t->arena.peak, held);
    }
    bert_tape_free(t);
    bert_params_free(b.ps);
}

typedef struct {
    const layer *l;
    float p;
} segment;

static bert_tensor *segment_forward(bert_tape *t, const void *context, bert_tensor *x) {
    const segment *s = context;
    return layer_forward(t, s->l, x, s->p);
}

/* The same bits in less memory, with dropout and twice in a row. */
static void test_checkpointing(void **state) {
    (void)state;
    enum { DEPTH = 12 };
    size_t peak[2];
    float grads[2][TOKENS * H];
    block b[2];
    for (int k = 0; k < 2; k++) {
        assert_int_equal(block_new(&b[k], NULL, NULL), 0);
        bert_tape *t = tape(2, true);
        t->options.gradient_checkpointing = k;
        for (int step = 0; step < 2; step++) {
            bert_tape_reset(t);
            bert_tape_set_step(t, (uint64_t)step);
            bert_tensor *x = block_input(t), *y = x;
            for (int i = 0; i < DEPTH; i++) {
                segment s = {&b[k].layers[i % LAYERS], .1f};
                y = bert_checkpoint(t, segment_forward, &s, sizeof s, y);
            }
            backward(t, block_loss(t, &b[k], bert_dropout(t, y, .1f)));
            memcpy(grads[k], bert_tensor_read_grad(t, x), sizeof grads[k]);
        }
        peak[k] = t->arena.peak;
        bert_tape_free(t);
    }
    assert_memory_equal(grads[0], grads[1], sizeof grads[0]);
    for (int i = 0; i < bert_params_count(b[0].ps); i++) {
        const bert_param *p = bert_params_at(b[0].ps, i), *q = bert_params_at(b[1].ps, i);
        assert_memory_equal(p->grad, q->grad, bert_param_size(p) * sizeof(float));
    }
    assert_true(peak[1] < peak[0] / 2);
    for (int k = 0; k < 2; k++) bert_params_free(b[k].ps);
}

static void test_options(void **state) {
    (void)state;
    bert_tape_options o = bert_tape_default();
    assert_true(o.record && !o.training && o.seed == 42 && o.precision == BERT_PRECISION_HIGHEST);
    o.precision = (bert_precision)77;
    bert_error e = {0};
    assert_null(bert_tape_new(&o, &e));
    assert_int_equal(e.code, BERT_EUNSUPPORTED);
    o = bert_tape_default();
    o.threads = -1;
    e = (bert_error){0};
    assert_null(bert_tape_new(&o, &e));
    assert_int_equal(e.code, BERT_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_block),
        cmocka_unit_test(test_block_on_the_plain_device),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_borrowed_arrays),
        cmocka_unit_test(test_checkpointing),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
