/* Low-rank adapters of weights, and what else is public of a parameter's place in a model. */
#include "base/error.h"
#include "tape/params.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bert_kind bert_param_kind(const bert_param *p) {
    return p->kind;
}

bert_part bert_param_part(const bert_param *p) {
    return p->part;
}

int bert_param_layer(const bert_param *p) {
    return p->layer;
}

/* "NAME.lora_A.weight" of "NAME.weight". */
static bert_param *low_rank(const bert_param *w, const char *suffix, int32_t rows, int32_t cols,
                            bert_init init, bert_error *e) {
    static const char tail[] = ".weight";
    const size_t n = strlen(w->name), k = strlen(tail), stem = n > k ? n - k : n;
    const bool named = n > k && !strcmp(w->name + stem, tail);
    char *name = malloc(n + 32);
    if (!name) {
        bert_fail_memory(e, n + 32);
        return NULL;
    }
    snprintf(name, n + 32, "%.*s.%s.weight", (int)(named ? stem : n), w->name, suffix);
    bert_param *p = bert_param_new(w->owner, name, rows, cols, init, e);
    free(name);
    return p;
}

static int check(const bert_param *w, const bert_adapter_options *o, bert_error *e) {
    if (!w || !o) return bert_fail(e, BERT_EINVAL, "adapter: an argument is NULL");
    if (w->adapter) return bert_fail(e, BERT_EINVAL, "%s has an adapter already", w->name);
    if (w->kind == BERT_KIND_BIAS || w->kind == BERT_KIND_NORM || w->part == BERT_PART_ADAPTER)
        return bert_fail(e, BERT_EINVAL, "%s is not the weight of a linear layer", w->name);
    if (o->rank < 1 || !(o->alpha > 0) || !(o->dropout >= 0 && o->dropout < 1))
        return bert_fail(e, BERT_EINVAL,
                         "adapter of %s: rank %d, alpha %g, dropout %g; they must be at least 1, "
                         "above 0, and 0 to below 1",
                         w->name, o->rank, (double)o->alpha, (double)o->dropout);
    return BERT_OK;
}

int bert_param_adapt(bert_param *weight, const bert_adapter_options *options, bert_error *e) {
    BERT_DOOR(e);
    int rc = check(weight, options, e);
    if (rc) return rc;
    bert_params *ps = weight->owner;
    const bert_part part = ps->part;
    const int layer = ps->layer;
    bert_adapter made = {.scale = options->alpha / (float)options->rank,
                         .dropout = options->dropout};
    ps->part = BERT_PART_ADAPTER;
    ps->layer = weight->layer;
    made.a = low_rank(weight, "lora_A", options->rank, weight->cols, BERT_INIT_NORMAL, e);
    if (made.a) made.b = low_rank(weight, "lora_B", weight->rows, options->rank, BERT_INIT_ZERO, e);
    ps->part = part;
    ps->layer = layer;
    bert_adapter *kept = made.b ? bert_arena_alloc(&ps->names, sizeof *kept) : NULL;
    if (made.b && !kept) bert_fail_memory(e, sizeof *kept);
    if (kept && made.a->merged)
        return bert_fail(e, BERT_EINVAL, "%s had an adapter, which was merged into it",
                         weight->name);
    if (!kept) return e->code;
    *kept = made;
    weight->adapter = kept;
    return BERT_OK;
}

/* w += scale b a, in double. */
static void add_product(float *w, const bert_adapter *d, const float *a, const float *b) {
    const int32_t rank = d->a->rows, in = d->a->cols, out = d->b->rows;
    for (int32_t i = 0; i < out; i++)
        for (int32_t j = 0; j < in; j++) {
            double sum = 0;
            for (int32_t k = 0; k < rank; k++)
                sum += (double)b[(size_t)i * (size_t)rank + (size_t)k] *
                       (double)a[(size_t)k * (size_t)in + (size_t)j];
            float *to = &w[(size_t)i * (size_t)in + (size_t)j];
            *to = (float)((double)*to + (double)d->scale * sum);
        }
}

static int merge(bert_param *w, bert_error *e) {
    bert_adapter *d = w->adapter;
    const size_t size = bert_param_size(w), sa = bert_param_size(d->a), sb = bert_param_size(d->b);
    float *copy = malloc((size + sa + sb) * sizeof *copy);
    if (!copy) return bert_fail_memory(e, (size + sa + sb) * sizeof *copy);
    float *a = copy + size, *b = a + sa;
    bert_param_read(w, copy);
    bert_param_read(d->a, a);
    bert_param_read(d->b, b);
    add_product(copy, d, a, b);
    int rc = bert_param_write(w, copy);
    free(copy);
    if (rc) return bert_fail(e, rc, "%s: only what is open for training can be merged", w->name);
    w->adapter = NULL;
    bert_param *const gone[] = {d->a, d->b};
    for (int i = 0; i < 2; i++) {
        gone[i]->merged = true;
        bert_param_freeze(gone[i], true);
    }
    return BERT_OK;
}

int bert_params_merge_adapters(bert_params *ps, bert_error *e) {
    BERT_DOOR(e);
    int n = 0, rc = BERT_OK;
    for (int i = 0; i < bert_params_count(ps) && !rc; i++) {
        if (!ps->items[i]->adapter) continue;
        rc = merge(ps->items[i], e);
        n++;
    }
    return rc ? rc : n;
}
