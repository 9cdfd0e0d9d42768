#include "models/pass.h"
#include "tape/tape.h"

bert_tensor *bert_pass_attention(bert_tape *t, const bert_pass *pass, bert_tensor *qkv,
                                 const bert_attention_spec *spec) {
    const bert_watch *watch = pass->watch;
    float *shown =
        watch && watch->attentions ? watch->attentions(watch->context, pass->layer) : NULL;
    return bert_attention_shown(t, qkv, spec, pass->in->start, pass->in->n, shown);
}

int32_t bert_inputs_longest(const bert_inputs *in) {
    int32_t longest = 0;
    for (int32_t i = 0; i < in->n; i++) {
        const int32_t length = in->start[i + 1] - in->start[i];
        if (length > longest) longest = length;
    }
    return longest;
}
