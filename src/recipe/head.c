/* The head that a recipe says, made of what include/bert_train.h has for anybody's. */
#include "base/error.h"
#include "recipe/recipe.h"
#include <stdio.h>
#include <string.h>

typedef struct {
    bert_recipe *recipe;
    bert_linear linear[BERT_RECIPE_LAYERS];
    bert_layer_norm norm[BERT_RECIPE_LAYERS];
    int32_t special; /* tokens of a picture in front of its patches; 0: of texts */
    const char *problem_type;
} head;

/* ---- Parameters */

static int fail_width(const bert_recipe *r, const bert_recipe_layer *l, int item, int32_t width,
                      bert_error *e) {
    return bert_fail(e, BERT_EFORMAT, "%s:%d: head[%d]: is of %d numbers, and %d come", r->where,
                     l->line, item, l->in, width);
}

static int make_layer(head *h, const bert_head_site *site, int i, int32_t *width, bert_error *e) {
    const bert_recipe_task *t = &h->recipe->task;
    const bert_recipe_layer *l = &t->layer[i];
    const int32_t in = *width;
    char name[BERT_MAX_NAME + 16];
    snprintf(name, sizeof name, "%s.%d", t->prefix, i);
    if (l->in && l->in != in) return fail_width(h->recipe, l, i, in, e);
    if (l->kind == BERT_LAYER_NORM)
        return bert_layer_norm_new(site->params, name, in, l->eps, &h->norm[i], e);
    if (l->kind != BERT_LAYER_LINEAR) return 0;
    *width = l->out ? l->out : site->config->num_labels;
    return l->unbiased ? bert_linear_new_unbiased(site->params, name, in, *width, &h->linear[i], e)
                       : bert_linear_new(site->params, name, in, *width, &h->linear[i], e);
}

static int init(void *self, const bert_head_site *site, bert_error *e) {
    head *h = self;
    const bert_config *c = site->config;
    h->recipe = bert_recipe_share(site->context);
    const bert_recipe *r = h->recipe;
    const bert_recipe_task *t = &r->task;
    h->problem_type = c->problem_type;
    h->special = c->special_tokens;
    int32_t width = c->hidden_size * t->poolings * bert_combine_factor(t);
    int rc = 0;
    if (t->views && !t->view->image != !c->num_channels)
        rc = bert_fail(e, BERT_EFORMAT, "%s: the inputs are %s, and %s reads %s", r->where,
                       t->view->image ? "images" : "texts", c->model_type,
                       c->num_channels ? "images" : "texts");
    for (int i = 0; i < t->layers && !rc; i++) rc = make_layer(h, site, i, &width, e);
    if (!rc && width != c->num_labels)
        rc = bert_fail(e, BERT_EFORMAT, "%s:%d: head: gives %d number%s, and there %s %d label%s",
                       r->where, t->head_line, width, width == 1 ? "" : "s",
                       c->num_labels == 1 ? "is" : "are", c->num_labels,
                       c->num_labels == 1 ? "" : "s");
    if (rc) bert_recipe_free(h->recipe);
    return rc;
}

static void forget(void *self) {
    bert_recipe_free(((head *)self)->recipe);
}

/* ---- Pooling: [sequences, H] each */

/* Groups of the tokens that are pooled: of a picture its patches. */
static bert_tensor *pooled_tokens(const head *h, bert_tape *t, bert_tensor *hidden,
                                  const bert_inputs *in, const int32_t **start) {
    const int32_t n = in->n, all = in->start[n] - n * h->special;
    *start = in->start;
    if (!h->special) return hidden;
    int32_t *rows = bert_tape_alloc(t, ((size_t)all + (size_t)n + 1) * sizeof *rows);
    if (!rows) return NULL;
    int32_t *own = rows + all, used = 0;
    for (int32_t i = 0; i < n; i++) {
        own[i] = used;
        for (int32_t k = in->start[i] + h->special; k < in->start[i + 1]; k++) rows[used++] = k;
    }
    own[n] = used;
    *start = own;
    return bert_rows(t, hidden, rows, all);
}

typedef bert_tensor *group(bert_tape *t, bert_tensor *x, const int32_t *start, int32_t n);

static bert_tensor *pool_groups(const head *h, bert_tape *t, bert_tensor *hidden,
                                const bert_inputs *in, group *reduce) {
    const int32_t *start;
    bert_tensor *tokens = pooled_tokens(h, t, hidden, in, &start);
    return tokens ? reduce(t, tokens, start, in->n) : NULL;
}

static bert_tensor *last_tokens(bert_tape *t, bert_tensor *hidden, const bert_inputs *in) {
    int32_t *rows = bert_tape_alloc(t, (size_t)in->n * sizeof *rows);
    for (int32_t i = 0; rows && i < in->n; i++) rows[i] = in->start[i + 1] - 1;
    return rows ? bert_rows(t, hidden, rows, in->n) : NULL;
}

static bert_tensor *pool(const head *h, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                         const bert_inputs *in, bert_pooling p) {
    switch (p) {
    case BERT_POOLING_POOLER:
        return bert_pooler(t, m, hidden, in);
    case BERT_POOLING_MEAN:
        return pool_groups(h, t, hidden, in, bert_mean_groups);
    case BERT_POOLING_MAX:
        return pool_groups(h, t, hidden, in, bert_max_groups);
    case BERT_POOLING_SUM:
        return pool_groups(h, t, hidden, in, bert_sum_groups);
    case BERT_POOLING_LAST:
        return last_tokens(t, hidden, in);
    default:
        return bert_cls(t, hidden, in);
    }
}

bool bert_recipe_pools(bert_pooling p) {
    return p == BERT_POOLING_CLS || p == BERT_POOLING_POOLER || p == BERT_POOLING_MEAN ||
           p == BERT_POOLING_MAX || p == BERT_POOLING_SUM || p == BERT_POOLING_LAST;
}

/* ---- Views: [rows, H ..] */

static bert_tensor *absolute(bert_tape *t, bert_tensor *x) {
    return bert_add(t, bert_activate(t, x, BERT_ACT_RELU),
                    bert_activate(t, bert_scale(t, x, -1), BERT_ACT_RELU));
}

/* Every second row, from `first` on. */
static bert_tensor *one_of_two(bert_tape *t, bert_tensor *x, int32_t first) {
    const int32_t n = bert_tensor_rows(x) / 2;
    int32_t *rows = bert_tape_alloc(t, (size_t)n * sizeof *rows);
    for (int32_t i = 0; rows && i < n; i++) rows[i] = 2 * i + first;
    return rows ? bert_rows(t, x, rows, n) : NULL;
}

static bert_tensor *join_terms(bert_tape *t, const bert_recipe_task *task, bert_tensor *x) {
    bert_tensor *u = one_of_two(t, x, 0), *v = one_of_two(t, x, 1), *all = NULL, *one;
    for (int i = 0; i < task->terms; i++) {
        switch (task->term[i]) {
        case BERT_TERM_V:
            one = v;
            break;
        case BERT_TERM_APART:
            one = absolute(t, bert_sub(t, u, v));
            break;
        case BERT_TERM_TIMES:
            one = bert_mul(t, u, v);
            break;
        case BERT_TERM_MINUS:
            one = bert_sub(t, u, v);
            break;
        default:
            one = u;
        }
        all = i ? bert_concat(t, all, one) : one;
    }
    return all;
}

static bert_tensor *combine(bert_tape *t, const bert_recipe_task *task, bert_tensor *x,
                            int32_t rows) {
    const int32_t views = task->views ? task->views : 1;
    int32_t *start = bert_tape_alloc(t, ((size_t)rows + 1) * sizeof *start);
    if (!start) return NULL;
    for (int32_t i = 0; i <= rows; i++) start[i] = i * views;
    switch (task->combine) {
    case BERT_COMBINE_MAX:
        return bert_max_groups(t, x, start, rows);
    case BERT_COMBINE_MEAN:
        return bert_mean_groups(t, x, start, rows);
    case BERT_COMBINE_SUM:
        return bert_sum_groups(t, x, start, rows);
    case BERT_COMBINE_CONCATENATE:
        return bert_reshape(t, x, rows, views * bert_tensor_cols(x));
    case BERT_COMBINE_TERMS:
        return join_terms(t, task, x);
    default:
        return x;
    }
}

/* ---- Forward, loss */

static bert_tensor *layer(const head *h, bert_tape *t, int i, bert_tensor *x) {
    const bert_recipe_layer *l = &h->recipe->task.layer[i];
    switch (l->kind) {
    case BERT_LAYER_DROPOUT:
        return bert_dropout(t, x, l->p);
    case BERT_LAYER_LINEAR:
        return bert_linear_apply(t, h->linear[i], x);
    case BERT_LAYER_NORM:
        return bert_layer_norm_apply(t, &h->norm[i], x, NULL);
    default:
        return bert_activate(t, x, l->act);
    }
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *b) {
    const head *h = self;
    const bert_recipe_task *task = &h->recipe->task;
    const int32_t n = b->inputs.n, views = task->views ? task->views : 1;
    if (n % views || (b->row_count && b->row_count * views != n))
        return bert_tape_set_error(
            t, BERT_EINVAL, "%d sequences of %d rows; a row of this recipe (%s) is %d", n,
            b->row_count ? b->row_count : n / views, h->recipe->where, views);
    bert_tensor *x = NULL;
    for (int i = 0; i < task->poolings; i++) {
        bert_tensor *one = pool(h, t, m, hidden, &b->inputs, task->pooling[i]);
        x = i ? bert_concat(t, x, one) : one;
    }
    if (task->views > 1) x = combine(t, task, x, n / views);
    for (int i = 0; i < task->layers; i++) x = layer(h, t, i, x);
    return x;
}

static bert_tensor *loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor) {
    const head *h = self;
    bert_tensor *one = bert_problem_loss(t, h->problem_type, logits, b, divisor);
    const double weight = h->recipe->task.loss_weight;
    return weight == 1 ? one : bert_scale(t, one, (float)weight);
}

const bert_head bert_recipe_head_row = {.name = BERT_RECIPE_HEAD,
                                        .state_size = sizeof(head),
                                        .init = init,
                                        .free = forget,
                                        .forward = forward,
                                        .loss = loss};
