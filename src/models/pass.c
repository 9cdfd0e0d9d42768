#include "models/pass.h"
#include "tape/tape.h"

bert_tensor *bert_pass_attention(bert_tape *t, const bert_pass *pass, bert_tensor *qkv,
                                 const bert_attention_spec *spec) {
    const bert_watch *watch = pass->watch;
    float *shown =
        watch && watch->attentions ? watch->attentions(watch->context, pass->layer) : NULL;
    bert_attention_spec own = *spec;
    own.attended = pass->in->attended;
    return bert_attention_shown(t, qkv, &own, pass->in->start, pass->in->n, shown);
}

bert_tensor *bert_pass_embeds(bert_tape *t, const bert_inputs *in, int32_t rows, int32_t cols) {
    bert_tensor *x = in->embeds;
    if (!bert_tape_ready(t, x)) return NULL;
    if (x->rows == rows && x->cols == cols) return x;
    return bert_tape_fail(t, NULL, BERT_EINVAL, "inputs: embeds are [%d, %d]; [%d, %d] are needed",
                          x->rows, x->cols, rows, cols);
}

bert_tensor *bert_pass_words(bert_tape *t, bert_param *table, const bert_inputs *in) {
    const int32_t tokens = in->start[in->n];
    return in->embeds ? bert_pass_embeds(t, in, tokens, table->cols)
                      : bert_embedding(t, table, in->ids, tokens);
}

int32_t bert_inputs_longest(const bert_inputs *in) {
    int32_t longest = 0;
    for (int32_t i = 0; i < in->n; i++) {
        const int32_t length = in->start[i + 1] - in->start[i];
        if (length > longest) longest = length;
    }
    return longest;
}

static void count_positions(const int32_t *ids, int32_t n, int32_t padding, int32_t *positions) {
    int32_t next = padding + 1;
    for (int32_t j = 0; j < n; j++)
        positions[j] = padding >= 0 && ids[j] == padding ? padding : next++;
}

int32_t *bert_pass_positions(bert_tape *t, const bert_inputs *in, int32_t padding) {
    int32_t *positions = bert_tape_alloc(t, (size_t)in->start[in->n] * sizeof *positions);
    for (int32_t i = 0; positions && i < in->n; i++)
        count_positions(in->ids + in->start[i], in->start[i + 1] - in->start[i], padding,
                        positions + in->start[i]);
    return positions;
}
