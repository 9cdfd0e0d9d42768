#include "models/inner_layer.h"
#include "tape/tape.h"

/* By its parts, for what lies between the gate and down. */
static bert_tensor *with_dropout(bert_tape *t, const bert_inner_layer *l, bert_tensor *x) {
    bert_tensor *both = bert_linear_cat(t, l->up, l->count, x);
    const int32_t half = l->down.weight->cols;
    bert_tensor *a = bert_slice(t, both, 0, half), *b = bert_slice(t, both, half, half);
    bert_tensor *h = l->gate == BERT_GATE_FIRST ? bert_mul(t, bert_activate(t, a, l->act), b)
                                                : bert_mul(t, bert_activate(t, b, l->act), a);
    return bert_linear_apply(t, l->down, bert_dropout_over(t, h, l->dropout));
}

bert_tensor *bert_inner_layer_apply(bert_tape *t, const bert_inner_layer *l, bert_tensor *x,
                                    bert_tensor *residual) {
    const int count = l->gate ? l->count : 1;
    if (l->gate && t->options.training && l->dropout > 0) {
        bert_tensor *y = with_dropout(t, l, x);
        return residual ? bert_add(t, residual, y) : y;
    }
    if (residual)
        return bert_feed_forward_onto(t, l->up, count, l->gate, l->act, l->down, x, residual);
    if (!l->gate) return bert_feed_forward(t, l->up[0], l->act, l->down, x);
    return bert_feed_forward_gated(t, l->up, count, l->gate, l->act, l->down, x);
}
