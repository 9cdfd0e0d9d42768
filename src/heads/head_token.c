/* Heads on the hidden states: one row of logits a token. */
#include "heads.h"

typedef struct {
    bert_head_transform transform;
    bert_linear out;
    float dropout;
} token_head;

static bert_tensor *token_forward(void *self, bert_tape *t, const bert_model *m,
                                  bert_tensor *hidden, const bert_batch *batch) {
    (void)m, (void)batch;
    const token_head *h = self;
    bert_tensor *x = bert_head_transform_apply(t, &h->transform, hidden);
    return bert_linear_apply(t, h->out, bert_dropout(t, x, h->dropout));
}

/* ---- Token classification */

static int init(token_head *h, const bert_head_site *site, int32_t outputs, bert_error *e) {
    h->dropout = site->layout->dropout;
    int rc = bert_head_transform_new(site, &h->transform, e);
    return rc ? rc
              : bert_linear_new(site->params, site->layout->output, h->transform.width, outputs,
                                &h->out, e);
}

static int token_init(void *self, const bert_head_site *site, bert_error *e) {
    return init(self, site, site->config->num_labels, e);
}

static bert_tensor *token_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                               double divisor) {
    (void)self;
    return bert_problem_loss(t, "single_label_classification", logits, b, divisor);
}

const bert_head bert_head_token_classification = {
    .name = "token-classification",
    .outputs = BERT_OUTPUT_TAGS,
    .state_size = sizeof(token_head),
    .init = token_init,
    .forward = token_forward,
    .loss = token_loss,
};

/* ---- Question answering: column 0 scores a token as the start of the answer, column 1 as its end
 */

static int question_init(void *self, const bert_head_site *site, bert_error *e) {
    return init(self, site, 2, e);
}

/* transformers clamps a position to [0, length] and ignores length. */
static int32_t position_label(int32_t position, int32_t length) {
    return position < 0 ? 0 : position < length ? position : -100;
}

/* The sum over sequences of -log softmax over the sequence's tokens at the position, divided. The
 * tokens of a sequence are the classes, so each sequence is a row of its own width. */
static bert_tensor *position_loss(bert_tape *t, bert_tensor *scores, const bert_inputs *in,
                                  const int32_t *positions, double divisor) {
    int32_t count = 0;
    for (int32_t i = 0; i < in->n; i++)
        count += position_label(positions[i], in->start[i + 1] - in->start[i]) >= 0;
    if (divisor == 0) divisor = count; /* of none at all: NaN */
    int32_t *index = bert_tape_alloc(t, (size_t)in->start[in->n] * sizeof *index);
    if (!index) return NULL;
    for (int32_t j = 0; j < in->start[in->n]; j++) index[j] = j;
    bert_tensor *sum = NULL;
    for (int32_t i = 0; i < in->n; i++) {
        const int32_t length = in->start[i + 1] - in->start[i];
        const int32_t label = position_label(positions[i], length);
        bert_tensor *row = bert_rows(t, scores, index + in->start[i], length);
        bert_tensor *loss =
            bert_cross_entropy(t, bert_reshape(t, row, 1, length), &label, NULL, divisor, 0);
        sum = sum ? bert_add(t, sum, loss) : loss;
    }
    return sum;
}

static bert_tensor *question_loss(void *self, bert_tape *t, bert_tensor *logits,
                                  const bert_batch *b, double divisor) {
    (void)self;
    const int32_t *starts = bert_batch_ints(b, "start_positions"),
                  *ends = bert_batch_ints(b, "end_positions");
    if (!starts || !ends)
        return bert_tape_set_error(t, BERT_EINVAL,
                                   "question answering: the loss needs start_positions and "
                                   "end_positions");
    bert_tensor *start = position_loss(t, bert_slice(t, logits, 0, 1), &b->inputs, starts, divisor);
    bert_tensor *end = position_loss(t, bert_slice(t, logits, 1, 1), &b->inputs, ends, divisor);
    return bert_scale(t, bert_add(t, start, end), 0.5f);
}

/* Windows with a start within them: others are not of the loss. */
static double question_items(void *self, const bert_batch *b) {
    (void)self;
    const int32_t *starts = bert_batch_ints(b, "start_positions");
    double items = 0;
    for (int32_t i = 0; starts && i < b->inputs.n; i++)
        items += starts[i] < b->inputs.start[i + 1] - b->inputs.start[i];
    return items;
}

const bert_head bert_head_question_answering = {
    .name = "question-answering",
    .outputs = BERT_OUTPUT_SPAN,
    .state_size = sizeof(token_head),
    .init = question_init,
    .forward = token_forward,
    .loss = question_loss,
    .items = question_items,
};

/* ---- Replaced tokens, ELECTRA's discriminator: labels are 1 for a token that was replaced, 0 for
 * one that was not, and negative for one that does not count */

static int replaced_init(void *self, const bert_head_site *site, bert_error *e) {
    return init(self, site, 1, e);
}

static bert_tensor *replaced_loss(void *self, bert_tape *t, bert_tensor *logits,
                                  const bert_batch *b, double divisor) {
    (void)self;
    const int32_t n = bert_tensor_rows(logits);
    if (!b->labels || b->label_count != n)
        return bert_tape_set_error(t, BERT_EINVAL,
                                   "replaced token detection: the loss needs labels, 0 or 1, of %d "
                                   "tokens",
                                   n);
    int32_t *rows = bert_tape_alloc(t, (size_t)n * sizeof *rows), counted = 0;
    float *targets = bert_tape_alloc(t, (size_t)n * sizeof *targets);
    if (!rows || !targets) return NULL;
    for (int32_t i = 0; i < n; i++) {
        if (b->labels[i] < 0) continue;
        rows[counted] = i;
        targets[counted++] = (float)b->labels[i];
    }
    if (!counted)
        return bert_tape_set_error(t, BERT_EINVAL,
                                   "replaced token detection: no token of the batch has a label");
    return bert_bce_with_logits(t, bert_rows(t, logits, rows, counted), targets, divisor);
}

const bert_head bert_head_replaced_token_detection = {
    .name = "replaced-token-detection",
    .outputs = BERT_OUTPUT_REPLACED,
    .state_size = sizeof(token_head),
    .init = replaced_init,
    .forward = token_forward,
    .loss = replaced_loss,
};
