/* What attention makes of each token: a layer's probabilities, or all layers rolled out. */
#include "base/error.h"
#include "pipelines/explain.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const bert_outputs *o;
    size_t before;
    int32_t n, head; /* -1: the mean of all */
} reading;

/* out [n] = the rows of a layer, weighted by what v [n] says of them. */
static void through(const reading *r, int32_t layer, const double *v, double *out) {
    const size_t n = (size_t)r->n;
    const int32_t first = r->head < 0 ? 0 : r->head, end = r->head < 0 ? r->o->heads : first + 1;
    memset(out, 0, n * sizeof *out);
    for (int32_t h = first; h < end; h++) {
        const float *a = r->o->attentions[layer] + r->before + (size_t)h * n * n;
        for (size_t i = 0; i < n; i++, a += n)
            for (size_t k = 0; v[i] != 0 && k < n; k++) out[k] += v[i] * (double)a[k];
    }
    for (size_t k = 0; k < n; k++) out[k] /= end - first;
}

/* From the top: v (A + I) / 2, layer after layer. */
static void roll_out(const reading *r, double *v, double *room) {
    for (int32_t layer = r->o->layers - 1; layer >= 0; layer--) {
        through(r, layer, v, room);
        for (int32_t k = 0; k < r->n; k++) v[k] = (v[k] + room[k]) / 2;
    }
}

/* The tokens that the head reads, where the output is of all of them. */
static void begin_rows(const bert_model *m, int32_t n, int32_t row, double part, double *v) {
    int32_t first = row < 0 ? 0 : row, count = 1;
    if (row < 0 && m->stock && m->layout.mean) count = n;
    if (row < 0 && m->stock && m->layout.second && n > 1) count = 2;
    for (int32_t i = 0; i < count; i++) v[first + i] = part / count;
}

int bert_explain_attention(const bert_model *m, const bert_explain_options *options,
                           const bert_outputs *o, size_t before, int32_t n, int32_t row,
                           double part, double *scores, bert_error *e) {
    const bool rolled = options->method == BERT_EXPLAIN_ROLLOUT;
    const int32_t layer = options->layer < 0 ? o->layers - 1 : options->layer;
    if (layer >= o->layers || options->head >= o->heads)
        return bert_fail(e, BERT_EINVAL,
                         "there is no layer %d or no head %d; %s has layers 0 to %d, heads 0 to %d",
                         options->layer, options->head, m->path, o->layers - 1, o->heads - 1);
    const reading r = {o, before, n, rolled ? -1 : options->head};
    double *v = calloc(2 * (size_t)n, sizeof *v), *room = v ? v + n : NULL;
    if (!v) return bert_fail_memory(e, 2 * (size_t)n * sizeof *v);
    begin_rows(m, n, row, part, v);
    if (rolled)
        roll_out(&r, v, room);
    else
        through(&r, layer, v, room);
    for (int32_t k = 0; k < n; k++) scores[k] += rolled ? v[k] : room[k];
    free(v);
    return 0;
}
