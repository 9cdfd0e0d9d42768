/* Consecutive rows made one (mean, max, sum of each column), and the sum of all elements. */
#include "tape/tape.h"

static bert_tensor *group_op(bert_tape *t, const bert_op *op, bert_tensor *x, const int32_t *start,
                             int32_t n) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (!start || n < 1) return bert_tape_fail(t, op, BERT_EINVAL, "there are no groups");
    for (int32_t i = 0; i < n; i++)
        if (start[i] < 0 || start[i] >= start[i + 1] || start[i + 1] > x->rows)
            return bert_tape_fail(t, op, BERT_EINVAL,
                                  "group %d is rows %d to %d of %d; each needs at least one", i,
                                  start[i], start[i + 1] - 1, x->rows);
    const bert_sources from = {.a = x};
    bert_tensor *y = bert_tape_result(t, op, n, x->cols, from);
    bert_groups_with with = {start};
    if (y && y->node) with.start = bert_tape_copy(t, start, ((size_t)n + 1) * sizeof *start);
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

const bert_op bert_op_mean_groups = {"mean_groups", BERT_OP_mean_groups, bert_op_backward, false};
const bert_op bert_op_max_groups = {"max_groups", BERT_OP_max_groups, bert_op_backward, false};
const bert_op bert_op_sum_groups = {"sum_groups", BERT_OP_sum_groups, bert_op_backward, false};

bert_tensor *bert_mean_groups(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n) {
    return group_op(t, &bert_op_mean_groups, x, start, n);
}

bert_tensor *bert_max_groups(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n) {
    return group_op(t, &bert_op_max_groups, x, start, n);
}

bert_tensor *bert_sum_groups(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n) {
    return group_op(t, &bert_op_sum_groups, x, start, n);
}

/* ---- sum: every element */

const bert_op bert_op_sum = {"sum", BERT_OP_sum, bert_op_backward, false};

bert_tensor *bert_sum(bert_tape *t, bert_tensor *x) {
    if (!bert_tape_ready(t, x)) return NULL;
    const bert_op *op = &bert_op_sum;
    const bert_sources from = {.a = x};
    return bert_op_forward(t, op, bert_tape_result(t, op, 1, 1, from), from, NULL, 0);
}
