/* Heads on a sequence's first token or the pooler's output: one row of logits a sequence. */
#include "heads.h"

typedef struct {
    bert_head_layout layout; /* dense NULL: the pooler is what stands in front of the output */
    bert_head_transform transform;
    bert_linear output;
    const char *problem_type;
} sequence_head;

static int init(sequence_head *h, const bert_head_site *site, int32_t outputs,
                const char *problem_type, bert_error *e) {
    h->layout = *site->layout;
    h->problem_type = problem_type;
    int rc = bert_head_transform_new(site, &h->transform, e);
    return rc ? rc
              : bert_linear_new(site->params, h->layout.output, h->transform.width, outputs,
                                &h->output, e);
}

static bert_tensor *sequence_forward(void *self, bert_tape *t, const bert_model *m,
                                     bert_tensor *hidden, const bert_batch *batch) {
    const sequence_head *h = self;
    bert_tensor *x;
    if (h->layout.dense) {
        x = h->layout.mean ? bert_mean_groups(t, hidden, batch->inputs.start, batch->inputs.n)
                           : bert_cls(t, hidden, &batch->inputs);
        x = bert_dropout(t, x, h->layout.input_dropout);
        x = bert_head_transform_apply(t, &h->transform, x);
    } else {
        x = bert_pooler(t, m, hidden, &batch->inputs);
    }
    return bert_linear_apply(t, h->output, bert_dropout(t, x, h->layout.dropout));
}

static bert_tensor *sequence_loss(void *self, bert_tape *t, bert_tensor *logits,
                                  const bert_batch *b, double divisor) {
    const sequence_head *h = self;
    return bert_problem_loss(t, h->problem_type, logits, b, divisor);
}

/* ---- Sequence classification and regression */

static int sequence_init(void *self, const bert_head_site *site, bert_error *e) {
    return init(self, site, site->config->num_labels, site->config->problem_type, e);
}

const bert_head bert_head_sequence_classification = {
    .name = "sequence-classification",
    .state_size = sizeof(sequence_head),
    .init = sequence_init,
    .forward = sequence_forward,
    .loss = sequence_loss,
    .first_token = true,
};

/* ---- Next sentence: 0, it is the next one */

static const char single_label[] = "single_label_classification";

static int next_init(void *self, const bert_head_site *site, bert_error *e) {
    return init(self, site, 2, single_label, e);
}

const bert_head bert_head_next_sentence = {
    .name = "next-sentence",
    .outputs = BERT_OUTPUT_NEXT,
    .state_size = sizeof(sequence_head),
    .init = next_init,
    .forward = sequence_forward,
    .loss = sequence_loss,
    .first_token = true,
};

/* ---- Multiple choice: one logit a choice; the loss sees the choices of a prompt as the classes */

static int choice_init(void *self, const bert_head_site *site, bert_error *e) {
    return init(self, site, 1, single_label, e);
}

static bert_tensor *choice_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                                double divisor) {
    const sequence_head *h = self;
    const int32_t n = bert_tensor_rows(logits);
    if (b->row_sequences < 1 || n % b->row_sequences)
        return bert_tape_set_error(t, BERT_EINVAL,
                                   "multiple choice: %d sequences cannot be %d choices each", n,
                                   b->row_sequences);
    logits = bert_reshape(t, logits, n / b->row_sequences, b->row_sequences);
    return bert_problem_loss(t, h->problem_type, logits, b, divisor);
}

const bert_head bert_head_multiple_choice = {
    .name = "multiple-choice",
    .outputs = BERT_OUTPUT_CHOICE,
    .state_size = sizeof(sequence_head),
    .init = choice_init,
    .forward = sequence_forward,
    .loss = choice_loss,
    .first_token = true,
};
