/* Every operation against plain double code: values directly, gradients by central differences of
 * that code. The cases are a table; an operation without a case fails the test. */
#include "base/rng.h"
#include "op_attention.h"
#include "op_elements.h"
#include "op_losses.h"
#include "op_products.h"
#include "plain_device.h"

/* dropout(gelu(x w^T + b)), once to be kept and once to be run again. */
static bert_tensor *segment(bert_tape *t, const void *context, bert_tensor *x) {
    const bert_linear *l = context;
    return bert_dropout(t, bert_linear_act(t, *l, x, BERT_ACT_GELU), .3f);
}
static bert_tensor *run_checkpoint(env *v, int arg) {
    (void)arg;
    bert_linear l = {v->p[1], v->p[2]};
    bert_tensor *y = bert_checkpoint(v->t, segment, &l, sizeof l, v->x[0]);
    l = (bert_linear){0};
    return bert_add(v->t, y, v->x[0]);
}
static void naive_checkpoint(double *y, const double *const *in, int arg) {
    float mask[6 * 7];
    for (int i = 0; i < 42; i++) mask[i] = 1;
    bert_cpu()->dropout(mask, mask, 42, .3f, 42, 7 << 20, 0);
    naive_linear(y, 7, in[0], in[1], in[2], 6, 7, 7);
    for (int i = 0; i < 42; i++) y[i] = act_value((bert_act)arg, y[i]) * (double)mask[i] + in[0][i];
}

#define X(r, c)                                                                                    \
    { r, c, false }
#define P(r, c)                                                                                    \
    { r, c, true }
#define LINEAR                                                                                     \
    { X(6, 7), P(5, 7), P(1, 5) }
#define NORM                                                                                       \
    { X(NORM_ROWS, NORM_COLS), P(1, NORM_COLS), P(1, NORM_COLS), X(NORM_ROWS, NORM_COLS) }
#define CAT                                                                                        \
    { X(6, 7), P(4, 7), P(1, 4), P(5, 7), P(1, 5), P(3, 7), P(1, 3) }
#define FEED                                                                                       \
    { X(6, 7), P(5, 7), P(1, 5), P(3, 5), P(1, 3) }
#define GATED                                                                                      \
    { X(6, 7), P(10, 7), P(1, 10), P(3, 5), P(1, 3) }
#define GATED_OF_TWO                                                                               \
    { X(6, 7), P(5, 7), P(5, 7), P(1, 5), P(3, 5) }
#define ADAPTED_GATE                                                                               \
    { X(6, 7), P(10, 7), P(1, 10), P(3, 5), P(1, 3), P(2, 7), P(10, 2) }
#define ADAPTED                                                                                    \
    { X(6, 7), P(5, 7), P(1, 5), P(2, 7), P(5, 2) }
#define ADAPTED_CAT                                                                                \
    { X(6, 7), P(4, 7), P(1, 4), P(5, 7), P(1, 5), P(2, 7), P(5, 2) }
#define ADAPTED_FEED                                                                               \
    { X(6, 7), P(5, 7), P(1, 5), P(3, 5), P(1, 3), P(2, 5), P(3, 2) }
#define RELATIVE(name, arg, cols)                                                                  \
    {                                                                                              \
        name, &bert_op_attention, arg, run_relative, naive_relative, {X(9, 3 * H), X(5, cols)},    \
            false                                                                                  \
    }
#define TERMS(name, arg)                                                                           \
    {                                                                                              \
        name, &bert_op_attention, arg, run_attention_terms, naive_attention_terms,                 \
            {X(9, 3 * H), X(2 * REACH + 1, HEADS)}, false                                          \
    }
static const op_case cases[] = {
    {"param", &bert_op_param, 0, run_param, naive_param, {P(4, 5)}, false},
    {"linear", &bert_op_linear, BERT_ACT_NONE, run_linear, naive_linear_act, LINEAR, false},
    {"linear gelu", &bert_op_linear, BERT_ACT_GELU, run_linear, naive_linear_act, LINEAR, false},
    {"linear gelu_new", &bert_op_linear, BERT_ACT_GELU_NEW, run_linear, naive_linear_act, LINEAR,
     false},
    {"linear tanh", &bert_op_linear, BERT_ACT_TANH, run_linear, naive_linear_act, LINEAR, false},
    {"linear of 2", &bert_op_linear, 2, run_linear_cat, naive_linear_cat, CAT, false},
    {"linear of 3", &bert_op_linear, 3, run_linear_cat, naive_linear_cat, CAT, false},
    {"linear adapted", &bert_op_linear, BERT_ACT_GELU, run_adapted, naive_adapted_linear, ADAPTED,
     false},
    {"linear of 2 adapted", &bert_op_linear, 2, run_adapted_cat, naive_adapted_cat, ADAPTED_CAT,
     false},
    {"feed_forward adapted", &bert_op_feed_forward, BERT_ACT_TANH, run_adapted_feed,
     naive_adapted_feed, ADAPTED_FEED, false},
    {"linear tied", &bert_op_linear, 0, run_tied, naive_tied, {P(5, 3)}, false},
    {"linear onto",
     &bert_op_linear,
     0,
     run_linear_onto,
     naive_linear_onto,
     {X(6, 7), P(5, 7), P(1, 5), X(6, 5)},
     false},
    {"linear onto itself",
     &bert_op_linear,
     1,
     run_linear_onto,
     naive_linear_onto,
     {X(6, 7), P(7, 7), P(1, 7)},
     false},
    {"feed_forward onto",
     &bert_op_feed_forward,
     0,
     run_feed_onto,
     naive_feed_onto,
     {X(6, 7), P(5, 7), P(1, 5), P(3, 5), P(1, 3), X(6, 3)},
     false},
    {"feed_forward gate onto",
     &bert_op_feed_forward,
     1,
     run_feed_onto,
     naive_feed_onto,
     {X(6, 7), P(10, 7), P(1, 10), P(3, 5), P(1, 3), X(6, 3)},
     false},
    {"feed_forward", &bert_op_feed_forward, BERT_ACT_GELU, run_feed_forward, naive_feed_forward,
     FEED, false},
    {"feed_forward none", &bert_op_feed_forward, BERT_ACT_NONE, run_feed_forward,
     naive_feed_forward, FEED, false},
    {"feed_forward gate first", &bert_op_feed_forward, BERT_ACT_GELU, run_gated, naive_gated, GATED,
     false},
    {"feed_forward gate second", &bert_op_feed_forward, 100 + BERT_ACT_SILU, run_gated, naive_gated,
     GATED, false},
    {"feed_forward gate of two", &bert_op_feed_forward, BERT_ACT_GELU_NEW, run_gated_of_two,
     naive_gated_of_two, GATED_OF_TWO, false},
    {"feed_forward second of two", &bert_op_feed_forward, 100 + BERT_ACT_SILU, run_gated_of_two,
     naive_gated_of_two, GATED_OF_TWO, false},
    {"feed_forward gate adapted", &bert_op_feed_forward, 100 + BERT_ACT_GELU, run_adapted_gate,
     naive_adapted_gate, ADAPTED_GATE, false},
    {"matmul", &bert_op_matmul, 0, run_matmul, naive_matmul, {X(4, 5), X(5, 6)}, false},
    {"matmul b^T", &bert_op_matmul, 1, run_matmul, naive_matmul, {X(4, 5), X(6, 5)}, false},
    {"add", &bert_op_add, 1, run_add, naive_add, {X(4, 5), X(4, 5)}, false},
    {"add itself", &bert_op_add, 0, run_add, naive_add, {X(4, 5)}, false},
    {"add row", &bert_op_add, 1, run_add, naive_add_row, {X(4, 5), X(1, 5)}, false},
    {"sub", &bert_op_sub, 1, run_sub, naive_sub, {X(4, 5), X(4, 5)}, false},
    {"mul", &bert_op_mul, 1, run_mul, naive_mul, {X(4, 5), X(4, 5)}, false},
    {"mul itself", &bert_op_mul, 0, run_mul, naive_mul, {X(4, 5)}, false},
    {"mul row", &bert_op_mul, 1, run_mul, naive_mul_row, {X(4, 5), X(1, 5)}, false},
    {"scale", &bert_op_scale, -3, run_scale, naive_scale, {X(4, 5)}, false},
    {"none", &bert_op_activate, BERT_ACT_NONE, run_activate, naive_activate, {X(6, 10)}, false},
    {"gelu", &bert_op_activate, BERT_ACT_GELU, run_activate, naive_activate, {X(6, 10)}, false},
    {"gelu_new",
     &bert_op_activate,
     BERT_ACT_GELU_NEW,
     run_activate,
     naive_activate,
     {X(6, 10)},
     false},
    {"relu", &bert_op_activate, BERT_ACT_RELU, run_activate, naive_activate, {X(6, 10)}, true},
    {"tanh", &bert_op_activate, BERT_ACT_TANH, run_activate, naive_activate, {X(6, 10)}, false},
    {"sigmoid",
     &bert_op_activate,
     BERT_ACT_SIGMOID,
     run_activate,
     naive_activate,
     {X(6, 10)},
     false},
    {"silu", &bert_op_activate, BERT_ACT_SILU, run_activate, naive_activate, {X(6, 10)}, false},
    {"mish", &bert_op_activate, BERT_ACT_MISH, run_activate, naive_activate, {X(6, 10)}, false},
    {"relu2", &bert_op_activate, BERT_ACT_RELU2, run_activate, naive_activate, {X(6, 10)}, true},
    {"linear quick_gelu", &bert_op_linear, BERT_ACT_QUICK_GELU, run_linear, naive_linear_act,
     LINEAR, false},
    {"linear hardswish", &bert_op_linear, BERT_ACT_HARDSWISH, run_linear, naive_linear_act, LINEAR,
     false},
    {"dropout", &bert_op_dropout, 30, run_dropout, naive_dropout, {X(6, 10)}, false},
    {"dropout over", &bert_op_dropout, -30, run_dropout, naive_dropout, {X(6, 10)}, false},
    {"layer_norm", &bert_op_layer_norm, 0, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm + r", &bert_op_layer_norm, 1, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm + x", &bert_op_layer_norm, 2, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm unbiased", &bert_op_layer_norm, 4, run_layer_norm, naive_layer_norm, NORM, false},
    {"layer_norm unbiased + r", &bert_op_layer_norm, 5, run_layer_norm, naive_layer_norm, NORM,
     false},
    {"softmax", &bert_op_softmax, 0, run_softmax, naive_softmax_rows, {X(4, 9)}, false},
    {"normalize_rows",
     &bert_op_normalize_rows,
     0,
     run_normalize,
     naive_normalize,
     {X(4, 9)},
     false},
    {"embedding", &bert_op_embedding, 0, run_embedding, naive_rows, {P(5, 6)}, false},
    {"rows", &bert_op_rows, 0, run_rows, naive_rows, {X(5, 6)}, false},
    {"attention", &bert_op_attention, 0, run_attention, naive_attention, {X(9, 3 * H)}, false},
    {"attention dropout", &bert_op_attention, 25, run_attention, NULL, {X(9, 3 * H)}, false},
    TERMS("attention scale", SCALED),
    TERMS("attention window", WINDOW),
    TERMS("attention bias", BIASED),
    TERMS("attention rotation", TURNED),
    TERMS("attention half rotation", HALF_TURNED),
    TERMS("attention slopes", SLOPED),
    TERMS("attention interleaved", MIXED | TURNED),
    TERMS("attention terms", SCALED | WINDOW | BIASED | TURNED | SLOPED),
    RELATIVE("attention relative keys", KEYS, H),
    RELATIVE("attention relative queries", QUERIES, H),
    RELATIVE("attention relative", KEYS | QUERIES, 2 * H),
    {"concat", &bert_op_concat, 0, run_concat, naive_concat, {X(4, 5), X(4, 3)}, false},
    {"slice", &bert_op_slice, 1, run_slice, naive_slice, {X(4, 5)}, false},
    {"operate", &bert_op_operate, 0, run_operate, naive_operate, {X(4, 5), X(4, 5)}, false},
    {"reshape", &bert_op_reshape, 0, run_reshape, naive_square, {X(4, 5)}, false},
    {"mean_groups", &bert_op_mean_groups, 0, run_groups, naive_groups, {X(10, 4)}, false},
    {"max_groups", &bert_op_max_groups, 1, run_groups, naive_groups, {X(10, 4)}, false},
    {"sum_groups", &bert_op_sum_groups, 2, run_groups, naive_groups, {X(10, 4)}, false},
    {"sum", &bert_op_sum, 0, run_sum, naive_sum, {X(4, 5)}, false},
    {"checkpoint",
     &bert_op_checkpoint,
     BERT_ACT_GELU,
     run_checkpoint,
     naive_checkpoint,
     {X(6, 7), P(7, 7), P(1, 7)},
     false},
    {"cross_entropy",
     &bert_op_cross_entropy,
     0,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy weights",
     &bert_op_cross_entropy,
     1,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy smoothing",
     &bert_op_cross_entropy,
     2,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy both",
     &bert_op_cross_entropy,
     3,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy all",
     &bert_op_cross_entropy,
     7,
     run_cross_entropy,
     naive_cross_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy soft",
     &bert_op_cross_entropy,
     0,
     run_soft_entropy,
     naive_soft_entropy,
     {X(7, 5)},
     false},
    {"cross_entropy soft all",
     &bert_op_cross_entropy,
     7,
     run_soft_entropy,
     naive_soft_entropy,
     {X(7, 5)},
     false},
    {"bce_with_logits", &bert_op_bce_with_logits, 0, run_bce, naive_bce, {X(4, 5)}, false},
    {"bce_with_logits divisor", &bert_op_bce_with_logits, 7, run_bce, naive_bce, {X(4, 5)}, false},
    {"mse", &bert_op_mse, 0, run_mse, naive_mse, {X(4, 5)}, false},
    {"mse divisor", &bert_op_mse, 7, run_mse, naive_mse, {X(4, 5)}, false},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- the checks */

static double leaf_value(const op_case *c, int leaf_number, int i) {
    bert_philox p = bert_philox_at(1, (uint64_t)leaf_number, (uint64_t)i);
    double x = ((double)p.v[0] - 0x1p31) / 0x1p30; /* -2 .. 2 */
    if (c->positive && fabs(x) < .05) x += x < 0 ? -.05 : .05;
    return (double)(float)x;
}

/* A tape with the case's leaves on it, from in. */
static env env_new(const op_case *c, bert_params *ps, bert_tape *t, double *const *in) {
    env v = {.t = t};
    float f[SIZE];
    bert_tape_reset(t);
    bert_tape_set_step(t, 7);
    for (int l = 0; l < LEAVES && c->leaves[l].rows; l++) {
        leaf s = c->leaves[l];
        for (int i = 0; i < s.rows * s.cols; i++) f[i] = (float)in[l][i];
        if (s.param) {
            char name[16];
            snprintf(name, sizeof name, "leaf%d", l);
            v.p[l] = bert_param_new(ps, name, s.rows, s.cols, BERT_INIT_ZERO, NULL);
            assert_int_equal(bert_param_write(v.p[l], f), 0);
        } else {
            v.x[l] = bert_constant(t, f, s.rows, s.cols, true);
        }
    }
    return v;
}

static double factor(int i) {
    return 1 + .37 * (i * 7 % 11) - .1 * (i % 5);
}

/* The number that is differentiated: results times fixed factors. */
static double naive_loss(const op_case *c, double *const *in, int size) {
    double y[SIZE], s = 0;
    c->naive(y, (const double *const *)in, c->arg);
    for (int i = 0; i < size; i++) s += factor(i) * y[i];
    return s;
}

static double run_loss(const op_case *c, bert_params *ps, bert_tape *t, double *const *in) {
    env v = env_new(c, ps, t, in);
    bert_tensor *y = c->run(&v, c->arg);
    const float *value = bert_tensor_read(t, y);
    double s = 0;
    for (int i = 0; i < y->rows * y->cols; i++) s += factor(i) * (double)value[i];
    return s;
}

static void check_leaf(const op_case *c, int l, const float *grad, bert_params *ps, bert_tape *t,
                       double *const *in, int y_size) {
    double difference = 0, norm = 0, h = c->naive ? 1e-5 : 4e-3;
    int n = c->leaves[l].rows * c->leaves[l].cols;
    float *g = malloc((size_t)n * sizeof *g);
    assert_non_null(g);
    for (int i = 0; i < n; i++) g[i] = grad ? grad[i] : 0;
    for (int i = 0; i < n; i++) {
        double x = in[l][i];
        in[l][i] = x + h;
        double up = c->naive ? naive_loss(c, in, y_size) : run_loss(c, ps, t, in);
        in[l][i] = x - h;
        double down = c->naive ? naive_loss(c, in, y_size) : run_loss(c, ps, t, in);
        in[l][i] = x;
        double d = (up - down) / (2 * h);
        difference += (d - (double)g[i]) * (d - (double)g[i]);
        norm += d * d;
    }
    free(g);
    double limit = c->naive ? 1e-6 : 1e-3;
    if (!(sqrt(difference) <= limit * sqrt(norm) + 1e-9))
        fail_msg("%s: gradient of leaf %d is off by %.2g relative (limit %g)", c->name, l,
                 sqrt(difference / norm), limit);
}

static void check_case(const op_case *c, bert_tape *t) {
    bert_params *ps = bert_params_new_on(t->worker.device, NULL, true, 1, .02f, NULL);
    double *in[LEAVES] = {0};
    for (int l = 0; l < LEAVES && c->leaves[l].rows; l++) {
        int n = c->leaves[l].rows * c->leaves[l].cols;
        assert_true(n <= SIZE);
        in[l] = malloc((size_t)n * sizeof **in);
        assert_non_null(in[l]);
        for (int i = 0; i < n; i++) in[l][i] = leaf_value(c, l, i);
    }
    env v = env_new(c, ps, t, in);
    bert_tensor *y = c->run(&v, c->arg);
    bert_error e = {0};
    if (!y) bert_tape_error(t, &e);
    if (!y) fail_msg("%s: %s", c->name, e.message);
    int size = y->rows * y->cols;
    if (c->naive) {
        const float *got = bert_tensor_read(t, y);
        double expected[SIZE], largest = 1;
        c->naive(expected, (const double *const *)in, c->arg);
        for (int i = 0; i < size; i++) largest = fmax(largest, fabs(expected[i]));
        for (int i = 0; i < size; i++)
            if (!(fabs((double)got[i] - expected[i]) <= 1e-6 * largest))
                fail_msg("%s: element %d is %.9g, not %.9g", c->name, i, (double)got[i],
                         expected[i]);
    }
    float factors[SIZE];
    for (int i = 0; i < size; i++) factors[i] = (float)factor(i);
    bert_tensor *r = bert_constant(t, factors, y->rows, y->cols, false);
    if (bert_tape_backward(t, bert_sum(t, bert_mul(t, y, r)), 1, &e))
        fail_msg("%s: %s", c->name, e.message);
    float *grads[LEAVES] = {0};
    for (int l = 0; l < LEAVES && in[l]; l++) {
        const float *g = v.x[l] ? bert_tensor_read_grad(t, v.x[l]) : NULL;
        size_t bytes = (size_t)(c->leaves[l].rows * c->leaves[l].cols) * sizeof *g;
        grads[l] = calloc(1, bytes);
        assert_non_null(grads[l]);
        if (g) memcpy(grads[l], g, bytes);
        if (v.p[l]) bert_param_read_grad(v.p[l], grads[l]);
    }
    for (int l = 0; l < LEAVES && in[l]; l++) check_leaf(c, l, grads[l], ps, t, in, size);
    for (int l = 0; l < LEAVES; l++) {
        free(grads[l]);
        free(in[l]);
    }
    bert_params_free(ps);
}

static void check_cases(const bert_device *device) {
    bert_tape_options o = bert_tape_default();
    o.threads = 1;
    o.training = true;
    o.gradient_checkpointing = true;
    o.device = device;
    bert_tape *t = bert_tape_new(&o, NULL);
    assert_non_null(t);
    for (int i = 0; i < CASES; i++) check_case(&cases[i], t);
    bert_tape_free(t);
}

static void test_cases(void **state) {
    (void)state;
    check_cases(NULL);
}

/* Every operation of a device that the host cannot look into. */
static void test_cases_on_the_plain_device(void **state) {
    (void)state;
    const long before = plain_device_calls();
    check_cases(&plain_device);
    assert_true(plain_device_calls() - before > 2 * CASES);
}

/* Labels that are all ignored, and classes of weight 0: the mean is NaN as PyTorch's, the part of a
 * larger sum is 0, and no gradient comes of either. */
static void check_losses_of_nothing(const bert_device *device) {
    static const float x[] = {1, 2, 3, 4, 5, 6}, weights[] = {0, 0, 1};
    static const int32_t of[][2] = {{-100, -100}, {0, 1}};
    bert_tape_options o = bert_tape_default();
    o.threads = 1;
    o.device = device;
    bert_tape *t = bert_tape_new(&o, NULL);
    for (int i = 0; i < 4; i++) {
        bert_error e = {0};
        const bool weighted = i & 1, mean = i & 2;
        bert_tape_reset(t);
        bert_tensor *logits = bert_constant(t, x, 2, 3, true);
        bert_tensor *loss =
            bert_cross_entropy(t, logits, of[weighted], weighted ? weights : NULL, mean ? 0 : 4, 0);
        if (bert_tape_backward(t, loss, 1, &e)) fail_msg("%s", e.message);
        if (mean) assert_true(isnan(bert_tensor_read(t, loss)[0]));
        if (!mean) assert_float_equal(bert_tensor_read(t, loss)[0], 0, 0);
        const float *g = bert_tensor_read_grad(t, logits);
        for (int k = 0; g && k < 6; k++) assert_float_equal(g[k], 0, 0);
    }
    bert_tape_free(t);
}

static void test_losses_of_nothing(void **state) {
    (void)state;
    check_losses_of_nothing(NULL);
    check_losses_of_nothing(&plain_device);
}

static void test_every_op_has_a_case(void **state) {
    (void)state;
    for (int i = 0; i < bert_ops_count; i++) {
        bool found = false;
        for (int c = 0; c < CASES; c++) found |= cases[c].op == bert_ops[i];
        if (!found) fail_msg("%s has no case", bert_ops[i]->name);
    }
}

int main(void) {
    if (!test_level()) return TEST_SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cases_on_the_plain_device),
        cmocka_unit_test(test_losses_of_nothing),
        cmocka_unit_test(test_every_op_has_a_case),
    };
    return test_run_at_level(tests);
}
