#include "models/problem.h"
#include "base/error.h"
#include "cpu/host.h"
#include "tape/tape.h"
#include <string.h>

static bert_tensor *regression_loss(bert_tape *t, bert_tensor *logits, const bert_batch *b,
                                    double divisor) {
    return bert_mse(t, logits, b->targets, divisor);
}

static bert_tensor *soft_label_loss(bert_tape *t, bert_tensor *logits, const bert_batch *b,
                                    const bert_column *soft, double divisor) {
    if (soft->type != BERT_COLUMN_FLOAT32 || soft->width != logits->cols ||
        soft->count != logits->rows)
        return bert_tape_fail(t, NULL, BERT_EINVAL,
                              "the column " BERT_SOFT_LABELS " holds [%lld, %d]; floats [%d, %d] "
                              "are needed",
                              (long long)soft->count, soft->width, logits->rows, logits->cols);
    return bert_soft_cross_entropy(t, logits, soft->data, b->class_weights, divisor,
                                   b->label_smoothing);
}

static bert_tensor *single_label_loss(bert_tape *t, bert_tensor *logits, const bert_batch *b,
                                      double divisor) {
    const bert_column *soft = bert_inputs_column(&b->inputs, BERT_SOFT_LABELS);
    if (soft) return soft_label_loss(t, logits, b, soft, divisor);
    return bert_cross_entropy(t, logits, b->labels, b->class_weights, divisor, b->label_smoothing);
}

static bert_tensor *multi_label_loss(bert_tape *t, bert_tensor *logits, const bert_batch *b,
                                     double divisor) {
    return bert_bce_with_logits(t, logits, b->targets, divisor);
}

static const struct {
    const char *name;
    bool targets; /* reads batch.targets, else batch.labels */
    bert_tensor *(*loss)(bert_tape *, bert_tensor *, const bert_batch *, double);
    bert_scores scores;
} problems[BERT_PROBLEM_COUNT] = {
    [BERT_PROBLEM_UNSET] = {"", false, NULL, BERT_SCORES_SOFTMAX},
    [BERT_PROBLEM_REGRESSION] = {"regression", true, regression_loss, BERT_SCORES_NONE},
    [BERT_PROBLEM_SINGLE_LABEL] = {"single_label_classification", false, single_label_loss,
                                   BERT_SCORES_SOFTMAX},
    [BERT_PROBLEM_MULTI_LABEL] = {"multi_label_classification", true, multi_label_loss,
                                  BERT_SCORES_SIGMOID},
};

bert_problem bert_problem_of(const bert_config *c) {
    for (int p = 1; p < BERT_PROBLEM_COUNT; p++)
        if (!strcmp(problems[p].name, c->problem_type)) return (bert_problem)p;
    return c->num_labels == 1 ? BERT_PROBLEM_REGRESSION : BERT_PROBLEM_UNSET;
}

float bert_classifier_dropout(const bert_config *c) {
    return c->classifier_dropout >= 0 ? c->classifier_dropout : c->hidden_dropout_prob;
}

const char *bert_problem_name(bert_problem p) {
    return problems[p].name;
}

int bert_problem_parse(const char *name, int32_t num_labels, bert_problem *p, bert_error *e) {
    *p = num_labels == 1 ? BERT_PROBLEM_REGRESSION : BERT_PROBLEM_SINGLE_LABEL;
    if (!name || !*name) return 0;
    int rc = bert_problem_check(name, num_labels, "options", e);
    for (int i = 1; i < BERT_PROBLEM_COUNT; i++)
        if (!strcmp(problems[i].name, name)) *p = (bert_problem)i;
    return rc;
}

int bert_problem_check(const char *problem_type, int32_t num_labels, const char *where,
                       bert_error *e) {
    if (!strcmp(problem_type, problems[BERT_PROBLEM_SINGLE_LABEL].name) && num_labels == 1)
        return bert_fail(e, BERT_EINVAL,
                         "%s: single_label_classification needs at least 2 labels; use regression "
                         "for one output",
                         where);
    for (int p = 0; p < BERT_PROBLEM_COUNT; p++)
        if (!strcmp(problem_type, problems[p].name)) return 0;
    return bert_fail(e, BERT_EINVAL, "%s: problem_type is \"%.64s\"; it must be one of %s, %s, %s",
                     where, problem_type, problems[1].name, problems[2].name, problems[3].name);
}

bert_tensor *bert_classification_loss(bert_tape *t, bert_problem p, bert_tensor *logits,
                                      const bert_batch *b, double divisor) {
    if (!bert_tape_ready(t, logits)) return NULL;
    if (p == BERT_PROBLEM_UNSET)
        p = b->labels ? BERT_PROBLEM_SINGLE_LABEL : BERT_PROBLEM_MULTI_LABEL;
    if (problems[p].targets ? !b->targets : !b->labels)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "the loss of %s needs %s in the batch",
                              problems[p].name,
                              problems[p].targets ? "targets (floats)" : "labels (class numbers)");
    return problems[p].loss(t, logits, b, divisor);
}

double bert_batch_items(const bert_batch *b, int32_t num_labels) {
    const int32_t rows = b->row_count ? b->row_count : b->inputs.n; /* of several sequences each */
    if (!b->labels) return b->targets ? (double)rows * num_labels : (double)rows;
    const bert_column *soft = bert_inputs_column(&b->inputs, BERT_SOFT_LABELS);
    if (soft) return (double)soft->count;
    const int32_t n = b->label_count ? b->label_count : b->inputs.n;
    double items = 0;
    for (int32_t i = 0; i < n; i++)
        if (b->labels[i] >= 0)
            items += b->class_weights ? (double)b->class_weights[b->labels[i]] : 1;
    return items;
}

bert_tensor *bert_problem_loss(bert_tape *t, const char *problem_type, bert_tensor *logits,
                               const bert_batch *b, double divisor) {
    if (!bert_tape_ready(t, logits)) return NULL;
    const bool unset = !problem_type || !*problem_type;
    bert_problem p = unset && logits->cols == 1 ? BERT_PROBLEM_REGRESSION : BERT_PROBLEM_UNSET;
    for (int i = 1; i < BERT_PROBLEM_COUNT && !unset; i++)
        if (!strcmp(problems[i].name, problem_type)) p = (bert_problem)i;
    if (!unset && p == BERT_PROBLEM_UNSET)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "there is no problem type \"%.64s\"",
                              problem_type);
    return bert_classification_loss(t, p, logits, b, divisor);
}

/* ---- Scores */

static void softmax_scores(float *logits, int32_t n, int32_t labels) {
    bert_host_softmax(logits, n, labels);
}

static void sigmoid_scores(float *logits, int32_t n, int32_t labels) {
    bert_host_sigmoid(logits, (size_t)n * (size_t)labels);
}

static const struct {
    const char *name;
    void (*apply)(float *logits, int32_t n, int32_t labels); /* NULL: they stay as they are */
} functions[BERT_SCORES_COUNT] = {
    [BERT_SCORES_DEFAULT] = {"default", NULL},
    [BERT_SCORES_NONE] = {"none", NULL},
    [BERT_SCORES_SIGMOID] = {"sigmoid", sigmoid_scores},
    [BERT_SCORES_SOFTMAX] = {"softmax", softmax_scores},
};

int bert_scores_parse(const char *name, bert_scores *s, bert_error *e) {
    BERT_DOOR(e);
    for (int i = 0; i < BERT_SCORES_COUNT; i++)
        if (!strcmp(name, functions[i].name)) {
            *s = (bert_scores)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no function \"%.40s\"; it is default, none, sigmoid or softmax",
                     name);
}

void bert_scores_apply(bert_scores s, const bert_config *c, float *logits, int32_t n) {
    if (s == BERT_SCORES_DEFAULT)
        s = c->num_labels == 1 && !c->problem_type[0] ? BERT_SCORES_SIGMOID
                                                      : problems[bert_problem_of(c)].scores;
    if (functions[s].apply) functions[s].apply(logits, n, c->num_labels);
}
