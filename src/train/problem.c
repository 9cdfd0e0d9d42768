#include "train/problem.h"
#include "base/error.h"
#include <string.h>

static const char *const names[BERT_PROBLEM_COUNT] = {
    [BERT_PROBLEM_REGRESSION] = "regression",
    [BERT_PROBLEM_SINGLE_LABEL] = "single_label_classification",
    [BERT_PROBLEM_MULTI_LABEL] = "multi_label_classification",
};

const char *bert_problem_name(bert_problem p) {
    return names[p];
}

int bert_problem_parse(const char *name, int32_t num_labels, bert_problem *p, bert_error *e) {
    if (!name || !*name) {
        *p = num_labels == 1 ? BERT_PROBLEM_REGRESSION : BERT_PROBLEM_SINGLE_LABEL;
        return BERT_OK;
    }
    for (int i = 0; i < BERT_PROBLEM_COUNT; i++) {
        if (strcmp(names[i], name)) continue;
        *p = (bert_problem)i;
        return BERT_OK;
    }
    return bert_fail(e, BERT_EINVAL, "problem type %s: it is one of %s, %s, %s", name, names[0],
                     names[1], names[2]);
}
