/* The public functions over a model's forward pass. */
#include "base/error.h"
#include "models/model.h"
#include "tape/tape.h"

static bool usable(bert_tape *t, const bert_model *m, const bert_inputs *in) {
    if (!bert_tape_ready(t)) return false;
    bert_error e = {0};
    int rc = bert_need(m, "model", &e);
    if (!rc) rc = bert_inputs_check(m, in, &e);
    if (!rc && t->options.precision == BERT_PRECISION_INT8)
        rc = bert_model_balance(m, t->options.threads, &e);
    if (rc) bert_tape_fail(t, NULL, rc, "%s", e.message);
    return !rc;
}

bert_tensor *bert_forward(bert_tape *t, const bert_model *m, const bert_inputs *inputs) {
    return usable(t, m, inputs) ? bert_trunk_forward(t, &m->trunk, inputs, NULL) : NULL;
}

bert_tensor *bert_cls(bert_tape *t, bert_tensor *hidden, const bert_inputs *inputs) {
    return bert_rows(t, hidden, inputs->start, inputs->n);
}

bert_tensor *bert_pooler(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                         const bert_inputs *inputs) {
    if (!bert_tape_ready(t, hidden)) return NULL;
    if (!m) return bert_tape_fail(t, NULL, BERT_EINVAL, "there is no model");
    if (m->trunk.arch->first_row_pools) return bert_cls(t, hidden, inputs);
    if (!m->trunk.pooler.weight)
        return bert_tape_fail(t, NULL, BERT_EINVAL,
                              "the model has no pooler; a head that wants one says pooler = true");
    return bert_linear_act(t, m->trunk.pooler, bert_cls(t, hidden, inputs), m->trunk.pooler_act);
}

bert_param *bert_model_word_embeddings(const bert_model *m) {
    return m ? m->trunk.words : NULL;
}

bert_output_kind bert_model_head_outputs(const bert_model *m) {
    return m ? m->head.outputs : BERT_OUTPUT_LABELS;
}

bert_tensor *bert_head_forward(bert_tape *t, const bert_model *m, bert_tensor *hidden,
                               const bert_batch *batch) {
    if (!bert_tape_ready(t, hidden)) return NULL;
    if (!m) return bert_tape_fail(t, NULL, BERT_EINVAL, "there is no model");
    if (!m->head.forward)
        return bert_tape_fail(t, NULL, BERT_EINVAL, "the model was opened without a head");
    return m->head.forward(m->head_state, t, m, hidden, batch);
}

bert_tensor *bert_head_loss(bert_tape *t, const bert_model *m, bert_tensor *logits,
                            const bert_batch *b, double divisor) {
    if (!bert_tape_ready(t, logits)) return NULL;
    if (!m) return bert_tape_fail(t, NULL, BERT_EINVAL, "there is no model");
    if (m->head.loss) return m->head.loss(m->head_state, t, logits, b, divisor);
    if (m->head.outputs == BERT_OUTPUT_LABELS)
        return bert_problem_loss(t, m->config.problem_type, logits, b, divisor);
    return bert_tape_fail(t, NULL, BERT_EINVAL, "the head of the model (%s) has no loss",
                          bert_model_head(m));
}

double bert_head_items(const bert_model *m, const bert_batch *b) {
    if (m->head.items) return m->head.items(m->head_state, b);
    return bert_batch_items(b, m->config.num_labels);
}
