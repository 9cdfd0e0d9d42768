#include "heads.h"

int bert_head_transform_new(const bert_head_site *site, bert_head_transform *t, bert_error *e) {
    const bert_head_layout *l = site->layout;
    const int32_t in = site->config->hidden_size, out = l->width ? l->width : in;
    *t = (bert_head_transform){.act = l->act, .width = l->dense ? out : in};
    int (*linear_new)(bert_params *, const char *, int32_t, int32_t, bert_linear *, bert_error *) =
        l->dense_unbiased ? bert_linear_new_unbiased : bert_linear_new;
    int (*norm_new)(bert_params *, const char *, int32_t, float, bert_layer_norm *, bert_error *) =
        l->norm_unbiased ? bert_layer_norm_new_unbiased : bert_layer_norm_new;
    int rc = l->dense ? linear_new(site->params, l->dense, in, out, &t->dense, e) : 0;
    if (!rc && l->norm)
        rc = norm_new(site->params, l->norm, out, site->config->layer_norm_eps, &t->norm, e);
    return rc;
}

bert_tensor *bert_head_transform_apply(bert_tape *tape, const bert_head_transform *t,
                                       bert_tensor *x) {
    if (t->dense.weight) x = bert_linear_act(tape, t->dense, x, t->act);
    return t->norm.weight ? bert_layer_norm_apply(tape, &t->norm, x, NULL) : x;
}
