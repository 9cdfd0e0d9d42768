/* Heads on the pooler's output: one row of logits a sequence. */
#include "base/error.h"
#include "models/heads.h"
#include "models/model.h"
#include "tape/tape.h"
#include <string.h>

typedef struct {
    bert_linear classifier;
    float dropout;
    bert_problem problem;
} sequence_head;

static int sequence_init(void *self, bert_params *ps, const bert_config *c, bert_error *e) {
    sequence_head *h = self;
    h->dropout = c->classifier_dropout >= 0 ? c->classifier_dropout : c->hidden_dropout_prob;
    h->problem = bert_problem_of(c);
    return bert_linear_new(ps, "classifier", c->hidden_size, c->num_labels, &h->classifier, e);
}

static bert_tensor *sequence_forward(void *self, bert_tape *t, const bert_model *m,
                                     bert_tensor *hidden, const bert_inputs *inputs) {
    const sequence_head *h = self;
    bert_tensor *x = bert_dropout(t, bert_pooler(t, m, hidden, inputs), h->dropout);
    return bert_linear_apply(t, h->classifier, x);
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
