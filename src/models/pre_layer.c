#include "models/pre_layer.h"
#include "tape/tape.h"

bert_tensor *bert_pre_layer_apply(bert_tape *t, const bert_pre_layer *l, bert_tensor *x,
                                  const bert_pass *pass) {
    const bert_inputs *in = pass->in;
    bert_tensor *a =
        l->attention_norm.weight ? bert_layer_norm_apply(t, &l->attention_norm, x, NULL) : x;
    a = bert_pass_attention(t, pass, bert_linear_cat(t, l->qkv, l->qkv_count, a), l->attention);
    if (pass->first_rows) {
        a = bert_rows(t, a, in->start, in->n);
        x = bert_rows(t, x, in->start, in->n);
    }
    if (t->options.training && l->attention_dropout > 0) {
        a = bert_linear_apply(t, l->attention_output, a);
        x = bert_add(t, x, bert_dropout_over(t, a, l->attention_dropout));
    } else {
        x = bert_linear_onto(t, l->attention_output, a, x);
    }
    bert_tensor *y = bert_layer_norm_apply(t, &l->inner_norm, x, NULL);
    if (!(t->options.training && l->inner_dropout > 0))
        return bert_inner_layer_apply(t, &l->inner, y, x);
    y = bert_inner_layer_apply(t, &l->inner, y, NULL);
    return bert_add(t, x, bert_dropout_over(t, y, l->inner_dropout));
}
