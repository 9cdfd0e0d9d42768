/* Heads on the pooler's output: one row of logits a sequence. */
#include "base/error.h"
#include "models/heads.h"
#include "models/model.h"
#include "tape/tape.h"

typedef struct {
    bert_linear out;
    float dropout; /* of the pooler's output */
    bert_problem problem;
} sequence_head;

static int sequence_init(void *self, bert_params *ps, const bert_config *c, bert_error *e) {
    sequence_head *h = self;
    h->dropout = bert_classifier_dropout(c);
    h->problem = bert_problem_of(c);
    return bert_linear_new(ps, "classifier", c->hidden_size, c->num_labels, &h->out, e);
}

static bert_tensor *sequence_forward(void *self, bert_tape *t, const bert_model *m,
                                     bert_tensor *hidden, const bert_inputs *inputs) {
    const sequence_head *h = self;
    bert_tensor *x = bert_dropout(t, bert_pooler(t, m, hidden, inputs), h->dropout);
    return bert_linear_apply(t, h->out, x);
}

static bert_tensor *sequence_loss(void *self, bert_tape *t, bert_tensor *logits,
                                  const bert_batch *b, double divisor) {
    const sequence_head *h = self;
    return bert_classification_loss(t, h->problem, logits, b, divisor);
}

const bert_head bert_head_sequence_classification = {
    .name = "sequence-classification",
    .state_size = sizeof(sequence_head),
    .init = sequence_init,
    .forward = sequence_forward,
    .loss = sequence_loss,
    .pooler = true,
    .first_token = true,
};

static int next_init(void *self, bert_params *ps, const bert_config *c, bert_error *e) {
    sequence_head *h = self;
    h->problem = BERT_PROBLEM_SINGLE_LABEL;
    return bert_linear_new(ps, "cls.seq_relationship", c->hidden_size, 2, &h->out, e);
}

const bert_head bert_head_next_sentence = {
    .name = "next-sentence",
    .state_size = sizeof(sequence_head),
    .init = next_init,
    .forward = sequence_forward,
    .loss = sequence_loss,
    .pooler = true,
    .first_token = true,
};

/* One logit a choice; the loss sees the choices of a prompt as the classes. */
static int choice_init(void *self, bert_params *ps, const bert_config *c, bert_error *e) {
    sequence_head *h = self;
    h->dropout = bert_classifier_dropout(c);
    h->problem = BERT_PROBLEM_SINGLE_LABEL;
    return bert_linear_new(ps, "classifier", c->hidden_size, 1, &h->out, e);
}

static bert_tensor *choice_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                                double divisor) {
    const sequence_head *h = self;
    const int32_t n = bert_tensor_rows(logits);
    if (b->choices < 1 || n % b->choices)
        return bert_tape_fail(t, NULL, BERT_EINVAL,
                              "multiple choice: %d sequences cannot be %d choices each", n,
                              b->choices);
    logits = bert_reshape(t, logits, n / b->choices, b->choices);
    return bert_classification_loss(t, h->problem, logits, b, divisor);
}

const bert_head bert_head_multiple_choice = {
    .name = "multiple-choice",
    .state_size = sizeof(sequence_head),
    .init = choice_init,
    .forward = sequence_forward,
    .loss = choice_loss,
    .pooler = true,
    .first_token = true,
};
