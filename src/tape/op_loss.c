/* Losses: the sum over items, divided by the divisor. Items that do not count give no gradient;
 * where none counts their mean is NaN, as PyTorch has it. */
#include "tape/tape.h"
#include <math.h>

static bool bad_divisor(bert_tape *t, const bert_op *op, double divisor) {
    if (divisor >= 0 && isfinite(divisor)) return false;
    bert_tape_fail(t, op, BERT_EINVAL, "the divisor is %g", divisor);
    return true;
}

/* ---- cross_entropy */

const bert_op bert_op_cross_entropy = {"cross_entropy", BERT_OP_cross_entropy, bert_op_backward,
                                       false};

/* The items that count, each with its weight; 0: none does. */
static double count_items(const int32_t *labels, const float *weights, size_t rows) {
    double items = 0;
    for (size_t i = 0; i < rows; i++)
        if (labels[i] != BERT_NO_LABEL) items += weights ? (double)weights[labels[i]] : 1;
    return items;
}

static bool bad_smoothing(bert_tape *t, float smoothing) {
    if (smoothing >= 0 && smoothing <= 1) return false;
    bert_tape_fail(t, &bert_op_cross_entropy, BERT_EINVAL,
                   "label_smoothing is %g; it must be in [0, 1]", (double)smoothing);
    return true;
}

/* What backward reads is kept with the tape. */
static bert_tensor *entropy(bert_tape *t, bert_tensor *logits, bert_cross_entropy_with with) {
    const bert_op *op = &bert_op_cross_entropy;
    const size_t rows = (size_t)logits->rows, cols = (size_t)logits->cols;
    const bert_sources from = {.a = logits};
    bert_tensor *y = bert_tape_result(t, op, 1, 1, from);
    if (y && y->node) {
        if (with.labels) with.labels = bert_tape_copy(t, with.labels, rows * sizeof *with.labels);
        if (with.soft) with.soft = bert_tape_copy(t, with.soft, rows * cols * sizeof *with.soft);
        if (with.weights)
            with.weights = bert_tape_copy(t, with.weights, cols * sizeof *with.weights);
    }
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

bert_tensor *bert_cross_entropy(bert_tape *t, bert_tensor *logits, const int32_t *labels,
                                const float *weights, double divisor, float label_smoothing) {
    const bert_op *op = &bert_op_cross_entropy;
    if (!bert_tape_ready(t, logits)) return NULL;
    const size_t rows = (size_t)logits->rows;
    if (!labels) return bert_tape_fail(t, op, BERT_EINVAL, "there are no labels");
    if (bad_smoothing(t, label_smoothing) || bad_divisor(t, op, divisor)) return NULL;
    for (size_t i = 0; i < rows; i++)
        if (labels[i] != BERT_NO_LABEL && (labels[i] < 0 || labels[i] >= logits->cols))
            return bert_tape_fail(t, op, BERT_EINVAL, "label %zu is %d; there are %d classes", i,
                                  labels[i], logits->cols);
    if (!(divisor > 0)) divisor = count_items(labels, weights, rows);
    return entropy(t, logits,
                   (bert_cross_entropy_with){.labels = labels,
                                             .weights = weights,
                                             .smoothing = label_smoothing,
                                             .divisor = divisor});
}

bert_tensor *bert_soft_cross_entropy(bert_tape *t, bert_tensor *logits, const float *targets,
                                     const float *weights, double divisor, float label_smoothing) {
    const bert_op *op = &bert_op_cross_entropy;
    if (!bert_tape_ready(t, logits)) return NULL;
    if (!targets) return bert_tape_fail(t, op, BERT_EINVAL, "there are no targets");
    if (bad_smoothing(t, label_smoothing) || bad_divisor(t, op, divisor)) return NULL;
    return entropy(
        t, logits,
        (bert_cross_entropy_with){.soft = targets,
                                  .weights = weights,
                                  .smoothing = label_smoothing,
                                  .divisor = divisor > 0 ? divisor : (double)logits->rows});
}

/* ---- losses of elements */

const bert_op bert_op_bce_with_logits = {"bce_with_logits", BERT_OP_bce_with_logits,
                                         bert_op_backward, false};
const bert_op bert_op_mse = {"mse", BERT_OP_mse, bert_op_backward, false};

static bert_tensor *element_loss(bert_tape *t, const bert_op *op, bert_tensor *x,
                                 const float *targets, double divisor) {
    if (!bert_tape_ready(t, x)) return NULL;
    if (!targets) return bert_tape_fail(t, op, BERT_EINVAL, "there are no targets");
    if (bad_divisor(t, op, divisor)) return NULL;
    const size_t n = bert_tensor_size(x);
    const bert_sources from = {.a = x};
    bert_tensor *y = bert_tape_result(t, op, 1, 1, from);
    bert_element_loss_with with = {targets, divisor > 0 ? divisor : (double)n};
    if (y && y->node) with.targets = bert_tape_copy(t, targets, n * sizeof *targets);
    return bert_op_forward(t, op, y, from, &with, sizeof with);
}

bert_tensor *bert_bce_with_logits(bert_tape *t, bert_tensor *logits, const float *targets,
                                  double divisor) {
    return element_loss(t, &bert_op_bce_with_logits, logits, targets, divisor);
}

bert_tensor *bert_mse(bert_tape *t, bert_tensor *x, const float *targets, double divisor) {
    return element_loss(t, &bert_op_mse, x, targets, divisor);
}
