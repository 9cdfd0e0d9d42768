/* Vectors of views to those of rows: the names, and the same on the host as head.c has on a tape. */
#include "base/error.h"
#include "recipe/recipe.h"
#include <math.h>
#include <string.h>

static const char *const combines[] = {[BERT_COMBINE_NONE] = "",
                                       [BERT_COMBINE_MAX] = "max",
                                       [BERT_COMBINE_MEAN] = "mean",
                                       [BERT_COMBINE_SUM] = "sum",
                                       [BERT_COMBINE_CONCATENATE] = "concatenate"};
static const char *const terms[] = {[BERT_TERM_U] = "u",
                                    [BERT_TERM_V] = "v",
                                    [BERT_TERM_APART] = "|u-v|",
                                    [BERT_TERM_TIMES] = "u*v",
                                    [BERT_TERM_MINUS] = "u-v"};

int bert_combine_find(const char *name) {
    for (int i = 1; i < (int)(sizeof combines / sizeof *combines); i++)
        if (!strcmp(combines[i], name)) return i;
    return -1;
}

int bert_term_find(const char *name) {
    for (int i = 0; i < (int)(sizeof terms / sizeof *terms); i++)
        if (!strcmp(terms[i], name)) return i;
    return -1;
}

const char *bert_combine_names(void) {
    return "\"max\", \"mean\", \"sum\", \"concatenate\", or a list of terms of two views, "
           "[\"u\", \"v\", \"|u-v|\"]";
}

const char *bert_term_names(void) {
    return "\"u\", \"v\", \"|u-v|\", \"u*v\" or \"u-v\"";
}

int32_t bert_combine_factor(const bert_recipe_task *t) {
    if (t->combine == BERT_COMBINE_TERMS) return t->terms;
    return t->combine == BERT_COMBINE_CONCATENATE && t->views ? t->views : 1;
}

static float term_of(bert_term term, float u, float v) {
    switch (term) {
    case BERT_TERM_V:
        return v;
    case BERT_TERM_APART:
        return fabsf(u - v);
    case BERT_TERM_TIMES:
        return u * v;
    case BERT_TERM_MINUS:
        return u - v;
    default:
        return u;
    }
}

/* x [views, dim] */
static void combine_row(const bert_recipe_task *t, const float *x, int32_t dim, float *out) {
    const size_t h = (size_t)dim, views = t->views ? (size_t)t->views : 1;
    if (t->combine == BERT_COMBINE_TERMS) {
        for (size_t k = 0; k < (size_t)t->terms; k++)
            for (size_t i = 0; i < h; i++) out[k * h + i] = term_of(t->term[k], x[i], x[h + i]);
        return;
    }
    if (t->combine == BERT_COMBINE_CONCATENATE) {
        memcpy(out, x, views * h * sizeof *out);
        return;
    }
    memcpy(out, x, h * sizeof *out);
    for (size_t v = 1; v < views; v++)
        for (size_t i = 0; i < h; i++) {
            const float y = x[v * h + i];
            if (t->combine == BERT_COMBINE_MAX)
                out[i] = y > out[i] ? y : out[i];
            else
                out[i] += y;
        }
    for (size_t i = 0; t->combine == BERT_COMBINE_MEAN && i < h; i++) out[i] *= 1 / (float)views;
}

int32_t bert_recipe_combined_size(const bert_recipe *r, int32_t dim) {
    return r ? dim * bert_combine_factor(&r->task) : dim;
}

int bert_recipe_combine(const bert_recipe *r, const float *vectors, int32_t n, int32_t dim,
                        float *out, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(r, "recipe", e)) return BERT_EINVAL;
    if (n < 0 || dim < 1) return bert_fail(e, BERT_EINVAL, "%d rows of %d numbers", n, dim);
    const size_t from = (size_t)bert_recipe_views(r) * (size_t)dim,
                 to = (size_t)bert_recipe_combined_size(r, dim);
    for (int32_t i = 0; i < n; i++)
        combine_row(&r->task, vectors + (size_t)i * from, dim, out + (size_t)i * to);
    return 0;
}
