#include "train/group.h"
#include "base/error.h"
#include "tape/params.h"
#include <stdlib.h>

const bert_group bert_group_alone = {.size = 1};

int bert_group_check(const bert_group *g, bert_error *e) {
    if (g->size < 1 || g->rank < 0 || g->rank >= g->size ||
        (g->size > 1 && (!g->sum_f32 || !g->sum_f64)))
        return bert_fail(e, BERT_EINVAL,
                         "rank %d of %d processes: ranks are 0 to size - 1, and "
                         "more than one need both sums",
                         g->rank, g->size);
    return BERT_OK;
}

int bert_group_sum_f64(const bert_group *g, double *x, size_t n, bert_error *e) {
    return g->size > 1 ? g->sum_f64(g->context, x, n, e) : BERT_OK;
}

int bert_group_sum_gradients(const bert_group *g, bert_params *ps, bert_error *e) {
    const int n = bert_params_count(ps);
    if (g->size < 2) return BERT_OK;
    double *flowed = calloc((size_t)n + 1, sizeof *flowed);
    if (!flowed) bert_fail_memory(e, (size_t)n * sizeof *flowed);
    int rc = bert_group_agree(g, flowed ? BERT_OK : BERT_ENOMEM, e);
    for (int i = 0; i < n && !rc; i++) flowed[i] = bert_params_at(ps, i)->flowed;
    if (!rc) rc = g->sum_f64(g->context, flowed, (size_t)n, e);
    for (int i = 0; i < n && !rc; i++) {
        bert_param *p = bert_params_at(ps, i);
        if (!bert_param_trainable(p) || flowed[i] == 0) continue; /* no loss has reached it */
        float *grad = bert_param_grad_mut(p, e); /* zero where nothing flowed here */
        rc = grad ? g->sum_f32(g->context, grad, bert_param_size(p), e) : e->code;
    }
    free(flowed);
    return rc;
}

int bert_group_agree(const bert_group *g, int rc, bert_error *e) {
    double failed = rc != 0;
    bert_error own = {0};
    if (g->size < 2) return rc;
    int sum_rc = g->sum_f64(g->context, &failed, 1, &own);
    if (rc || (!sum_rc && failed == 0)) return rc;
    return sum_rc ? bert_fail(e, sum_rc, "%s", own.message)
                  : bert_fail(e, BERT_EINTERRUPTED, "another process of the group has failed");
}
