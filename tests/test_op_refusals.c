/* What operations refuse, and how that is said. */
#include "tape/tape.h"
#include "test.h"

typedef struct {
    bert_tape *t;
    bert_tensor *x; /* [4, 6] */
    bert_tensor *y; /* [3, 5] */
    bert_params *ps;
    bert_linear l;     /* 5 -> 2 */
    bert_layer_norm n; /* of 5 */
} refusal_env;

#define REFUSE(name, expression)                                                                   \
    static bert_tensor *refuse_##name(refusal_env *v) {                                            \
        return expression;                                                                         \
    }
static const int32_t bad_ids[] = {0, 9}, bad_groups[] = {0, 2, 2}, far[] = {0, 9}, two[] = {0, 2};
static const float turns[27];
static const int32_t bad_rows[] = {0, 1, 3};
static const bert_relative bad = {.keys = true, .index = bad_rows, .reach = 1};
static const bert_rotation odd = {3, 9, turns, turns};
static const int32_t bad_labels[] = {0, 6, 0, 0}, good_labels[4];
static const float targets[24];
REFUSE(linear, bert_linear_apply(v->t, v->l, v->x))
REFUSE(linear_null, bert_linear_apply(v->t, (bert_linear){0}, v->x))
REFUSE(linear_act, bert_linear_act(v->t, v->l, v->y, (bert_act)99))
REFUSE(cat, bert_linear_cat(v->t, &v->l, 4, v->y))
REFUSE(bias, bert_linear_apply(v->t, (bert_linear){v->l.weight, v->n.bias}, v->y))
REFUSE(feed, bert_feed_forward(v->t, v->l, BERT_ACT_GELU, v->l, v->y))
REFUSE(linear_onto, bert_linear_onto(v->t, v->l, v->y, v->x))
REFUSE(feed_onto,
       bert_feed_forward_onto(v->t, &v->l, 2, BERT_GATE_NONE, BERT_ACT_GELU, v->l, v->y, v->x))
REFUSE(gate, bert_feed_forward_gated(v->t, &v->l, 1, BERT_GATE_NONE, BERT_ACT_GELU, v->l, v->y))
REFUSE(gate_many, bert_feed_forward_gated(v->t, (bert_linear[3]){v->l, v->l, v->l}, 3,
                                          BERT_GATE_FIRST, BERT_ACT_GELU, v->l, v->y))
REFUSE(gate_down,
       bert_feed_forward_gated(v->t, &v->l, 1, BERT_GATE_FIRST, BERT_ACT_GELU, v->l, v->y))
REFUSE(matmul, bert_matmul(v->t, v->x, v->y, false))
REFUSE(matmul_t, bert_matmul(v->t, v->x, v->y, true))
REFUSE(add, bert_add(v->t, v->x, v->y))
REFUSE(sub, bert_sub(v->t, v->x, bert_constant(v->t, v->x->data, 1, 6, false)))
REFUSE(mul, bert_mul(v->t, v->x, v->y))
REFUSE(activate, bert_activate(v->t, v->x, (bert_act)-1))
REFUSE(dropout, bert_dropout(v->t, v->x, 1))
REFUSE(norm, bert_layer_norm_apply(v->t, &v->n, v->x, NULL))
REFUSE(norm_residual, bert_layer_norm_apply(v->t, &v->n, v->y, v->x))
REFUSE(embedding, bert_embedding(v->t, v->l.weight, bad_ids, 2))
REFUSE(embedding_null, bert_embedding(v->t, NULL, bad_ids, 2))
REFUSE(rows, bert_rows(v->t, v->x, bad_ids, 2))
REFUSE(rows_none, bert_rows(v->t, v->x, bad_ids, 0))
REFUSE(attention, bert_attention(v->t, v->x, &(bert_attention_spec){.heads = 4}, far, 1))
REFUSE(attention_bias, bert_attention(v->t, bert_constant(v->t, v->x->data, 2, 12, false),
                                      &(bert_attention_spec){.heads = 1, .bias = v->y}, two, 1))
REFUSE(attention_rotation,
       bert_attention(v->t, bert_constant(v->t, v->x->data, 2, 12, false),
                      &(bert_attention_spec){.heads = 1, .rotation = &odd}, two, 1))
REFUSE(attention_rows, bert_attention(v->t, v->x, &(bert_attention_spec){.heads = 2}, far, 1))
REFUSE(attention_relative,
       bert_attention(v->t, bert_constant(v->t, v->x->data, 2, 12, false),
                      &(bert_attention_spec){.heads = 1, .relative = &bad}, two, 1))
REFUSE(attention_relative_cols,
       bert_attention(v->t, bert_constant(v->t, v->x->data, 2, 12, false),
                      &(bert_attention_spec){.heads = 1,
                                             .relative = &(bert_relative){.rows = v->y,
                                                                          .keys = true,
                                                                          .index = bad_rows,
                                                                          .reach = 1}},
                      two, 1))
REFUSE(attention_relative_row,
       bert_attention(v->t, bert_constant(v->t, v->x->data, 2, 15, false),
                      &(bert_attention_spec){.heads = 1,
                                             .relative = &(bert_relative){.rows = v->y,
                                                                          .queries = true,
                                                                          .index = bad_rows,
                                                                          .reach = 1}},
                      two, 1))
REFUSE(concat, bert_concat(v->t, v->x, v->y))
REFUSE(slice, bert_slice(v->t, v->x, 4, 3))
REFUSE(slice_huge, bert_slice(v->t, v->x, 1, INT32_MAX))
REFUSE(reshape, bert_reshape(v->t, v->x, 5, 5))
REFUSE(groups, bert_mean_groups(v->t, v->x, bad_groups, 2))
REFUSE(groups_far, bert_max_groups(v->t, v->x, far, 1))
REFUSE(labels, bert_cross_entropy(v->t, v->x, bad_labels, NULL, 0, 0))
REFUSE(smoothing, bert_cross_entropy(v->t, v->x, good_labels, NULL, 0, 2))
REFUSE(no_shares, bert_soft_cross_entropy(v->t, v->x, NULL, NULL, 0, 0))
REFUSE(soft_smoothing, bert_soft_cross_entropy(v->t, v->x, targets, NULL, 0, -1))
REFUSE(divisor, bert_mse(v->t, v->x, targets, -1))
REFUSE(no_targets, bert_bce_with_logits(v->t, v->x, NULL, 0))
REFUSE(constant, bert_constant(v->t, targets, 0, 3, false))
REFUSE(param, bert_param_tensor(v->t, NULL))

static const struct {
    bert_tensor *(*run)(refusal_env *v);
    const char *message;
} refusals[] = {
    {refuse_linear, "linear: input has 6 columns, l.weight takes 5"},
    {refuse_linear_null, "linear: weight 0 is NULL"},
    {refuse_linear_act, "linear: there is no activation 99"},
    {refuse_cat, "linear: 4 linears; 1 to 3 can be joined"},
    {refuse_bias, "linear: n.bias has 5 elements, l.weight gives 2 columns"},
    {refuse_feed, "linear: input has 2 columns, l.weight takes 5"},
    {refuse_linear_onto, "linear: the result is [3, 2], its residual [4, 6]"},
    {refuse_feed_onto, "feed_forward: there is no gate 0 of 2 linears"},
    {refuse_gate, "feed_forward: there is no gate 0"},
    {refuse_gate_many, "feed_forward: 3 linears are no gate"},
    {refuse_gate_down, "linear: input has 1 columns, l.weight takes 5"},
    {refuse_matmul, "matmul: [4, 6] times [3, 5]"},
    {refuse_matmul_t, "matmul: [4, 6] times [3, 5] transposed"},
    {refuse_add, "add: [4, 6] and [3, 5]"},
    {refuse_sub, "sub: [4, 6] and [1, 6]"},
    {refuse_mul, "mul: [4, 6] and [3, 5]"},
    {refuse_activate, "activate: there is no activation -1"},
    {refuse_dropout, "dropout: p is 1; it must be in [0, 1)"},
    {refuse_norm, "layer_norm: input has 6 columns, n.weight is for 5"},
    {refuse_norm_residual, "layer_norm: input is [3, 5], residual [4, 6]"},
    {refuse_embedding, "embedding: number 1 is 9; l.weight has rows 0 to 1"},
    {refuse_embedding_null, "embedding: the table is NULL"},
    {refuse_rows, "rows: number 1 is 9; input has rows 0 to 3"},
    {refuse_rows_none, "rows: there are no row numbers"},
    {refuse_attention, "attention: 6 columns are not queries, keys and values of 4 heads"},
    {refuse_attention_bias,
     "attention: the bias is [3, 5]; distances up to 1 and 1 heads need [3, 1]"},
    {refuse_attention_rotation,
     "attention: a rotation of 3 columns; it must be even, and 4 at most"},
    {refuse_attention_rows, "attention: 1 sequences do not cover the 4 rows"},
    {refuse_attention_relative,
     "attention: relative positions are [0, 0]; [n, 4] are needed, and an index"},
    {refuse_attention_relative_cols,
     "attention: relative positions are [3, 5]; [n, 4] are needed, and an index"},
    {refuse_attention_relative_row,
     "attention: distance 1 has row 3; relative positions have 3 rows"},
    {refuse_concat, "concat: [4, 6] beside [3, 5]"},
    {refuse_slice, "slice: columns 4 to 6 of an input that has 6"},
    {refuse_slice_huge, "slice: columns 1 to 2147483647 of an input that has 6"},
    {refuse_reshape, "reshape: [4, 6] as [5, 5]"},
    {refuse_groups, "mean_groups: group 1 is rows 2 to 1 of 4; each needs at least one"},
    {refuse_groups_far, "max_groups: group 0 is rows 0 to 8 of 4; each needs at least one"},
    {refuse_labels, "cross_entropy: label 1 is 6; there are 6 classes"},
    {refuse_smoothing, "cross_entropy: label_smoothing is 2; it must be in [0, 1]"},
    {refuse_no_shares, "cross_entropy: there are no targets"},
    {refuse_soft_smoothing, "cross_entropy: label_smoothing is -1; it must be in [0, 1]"},
    {refuse_divisor, "mse: the divisor is -1"},
    {refuse_no_targets, "bce_with_logits: there are no targets"},
    {refuse_constant, "constant: the shape is [0, 3]"},
    {refuse_param, "param: the parameter is NULL"},
};

static void test_refusals(void **state) {
    (void)state;
    bert_tape *t = bert_tape_new(NULL, NULL);
    refusal_env v = {.t = t, .ps = bert_params_new(1, .02f, NULL)};
    assert_int_equal(bert_linear_new(v.ps, "l", 5, 2, &v.l, NULL), 0);
    assert_int_equal(bert_layer_norm_new(v.ps, "n", 5, 1e-12f, &v.n, NULL), 0);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        bert_tape_reset(t);
        v.x = bert_constant(t, (float[24]){0}, 4, 6, true);
        v.y = bert_constant(t, (float[15]){0}, 3, 5, true);
        assert_null(refusals[i].run(&v));
        bert_error e = {0};
        assert_int_equal(bert_tape_error(t, &e), BERT_EINVAL);
        assert_string_equal(e.message, refusals[i].message);
        /* It sticks, and what follows returns NULL. */
        assert_null(bert_sum(t, v.x));
        bert_error again = {0};
        assert_int_equal(bert_tape_backward(t, bert_sum(t, v.x), 1, &again), BERT_EINVAL);
        assert_string_equal(again.message, refusals[i].message);
    }
    bert_params_free(v.ps);
    bert_tape_free(t);
}

static void test_act_names(void **state) {
    (void)state;
    bert_act a = BERT_ACT_COUNT;
    bert_error e = {0};
    assert_int_equal(bert_act_parse("gelu", &a, &e), 0);
    assert_int_equal(a, BERT_ACT_GELU);
    assert_int_equal(bert_act_parse("gelu_pytorch_tanh", &a, &e), 0);
    assert_int_equal(a, BERT_ACT_GELU_NEW);
    assert_int_equal(bert_act_parse("swish", &a, &e), 0);
    assert_int_equal(a, BERT_ACT_SILU);
    static const char *const tanh_gelus[] = {"gelu_new", "gelu_fast", "gelu_accurate",
                                             "gelu_python_tanh"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bert_act_parse(tanh_gelus[i], &a, &e), 0);
        assert_int_equal(a, BERT_ACT_GELU_NEW);
    }
    assert_int_equal(bert_act_parse("gelu_python", &a, &e), 0);
    assert_int_equal(a, BERT_ACT_GELU);
    assert_int_equal(bert_act_parse("quick_gelu", &a, &e), 0);
    assert_int_equal(a, BERT_ACT_QUICK_GELU);
    assert_int_equal(bert_act_parse("laplace", &a, &e), BERT_EUNSUPPORTED);
    assert_non_null(strstr(e.message, "laplace is not known; these are: gelu, "));
    assert_non_null(strstr(e.message, ", leaky_relu, linear"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_act_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
