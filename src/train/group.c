#include "train/group.h"
#include "base/error.h"
#include "tape/params.h"
#include <stdlib.h>
#include <string.h>

int bert_group_check(const bert_group *g, bert_error *e) {
    const bool whole = g->size < 2 || (g->broadcast && g->gather && g->barrier && g->next &&
                                       g->reduce && g->share && g->wait && g->abort);
    if (g->size < 1 || g->rank < 0 || g->rank >= g->size || !whole)
        return bert_fail(e, BERT_EINVAL,
                         "rank %d of %d processes: ranks are 0 to size - 1, and "
                         "more than one need every function of the table",
                         g->rank, g->size);
    return BERT_OK;
}

int bert_group_sum_f64(const bert_group *g, double *x, size_t n, bert_error *e) {
    if (g->size < 2) return BERT_OK;
    double *all = malloc((size_t)g->size * n * sizeof *all);
    if (!all) return bert_fail_memory(e, (size_t)g->size * n * sizeof *all);
    memcpy(all + (size_t)g->rank * n, x, n * sizeof *x);
    int rc = bert_group_gather_equal(g, all, n * sizeof *x, e);
    for (size_t i = 0; i < n && !rc; i++) x[i] = all[i];
    for (size_t i = n; i < (size_t)g->size * n && !rc; i++) x[i % n] += all[i];
    free(all);
    return rc;
}

/* Rank 0 adds, and hands the sum out. */
static void add(void *context, int stretch, int rank, size_t first, const float *x, size_t n) {
    float *sum = (float *)context + first;
    (void)stretch;
    for (size_t i = 0; i < n; i++) sum[i] = rank ? sum[i] + x[i] : x[i];
}

static int sum_one(const bert_group *g, float *grad, float *sum, size_t n, bert_error *e) {
    bert_stretch stretch = {0, n, grad};
    int rc = bert_group_reduce(g, &stretch, 1, g->size, add, sum, e);
    if (!rc) rc = bert_group_wait(g, e);
    if (!g->rank) memcpy(grad, sum, n * sizeof *sum);
    if (!rc) rc = bert_group_share(g, &stretch, 1, e);
    return rc ? rc : bert_group_wait(g, e);
}

int bert_group_sum_gradients(const bert_group *g, bert_params *ps, bert_error *e) {
    const int n = bert_params_count(ps);
    size_t most = 0;
    if (g->size < 2) return BERT_OK;
    for (int i = 0; i < n; i++) {
        const size_t size = bert_param_size(bert_params_at(ps, i));
        if (size > most) most = size;
    }
    double *flowed = calloc((size_t)n + 1, sizeof *flowed);
    float *sum = malloc(most * sizeof *sum);
    if (!flowed || !sum) bert_fail_memory(e, most * sizeof *sum);
    int rc = bert_group_agree(g, flowed && sum ? BERT_OK : BERT_ENOMEM, e);
    for (int i = 0; i < n && !rc; i++) flowed[i] = bert_params_at(ps, i)->flowed;
    if (!rc) rc = bert_group_sum_f64(g, flowed, (size_t)n, e);
    for (int i = 0; i < n && !rc; i++) {
        bert_param *p = bert_params_at(ps, i);
        if (!bert_param_trainable(p) || flowed[i] == 0) continue; /* no loss has reached it */
        float *grad = bert_param_grad_mut(p, e); /* zero where nothing flowed here */
        rc = grad ? sum_one(g, grad, sum, bert_param_size(p), e) : e->code;
    }
    free(flowed);
    free(sum);
    return rc;
}
