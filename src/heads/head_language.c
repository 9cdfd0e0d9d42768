/* What BERT was trained with: masked tokens, alone and with the next sentence. */
#include "heads.h"

typedef struct {
    bert_head_transform transform;
    bert_param *bias, *decoder;   /* NULL: none, the table of word embeddings */
    bert_linear seq_relationship; /* pretraining only, */
    float dropout;                /* and in front of it */
} language_head;

static int masked_init(void *self, const bert_head_site *site, bert_error *e) {
    language_head *h = self;
    const bert_config *c = site->config;
    const bert_head_layout *l = site->layout;
    int rc = bert_head_transform_new(site, &h->transform, e);
    if (rc) return rc;
    if (site->own_decoder) {
        h->decoder = bert_param_new(site->params, l->decoder, c->vocab_size, h->transform.width,
                                    BERT_INIT_NORMAL, e);
        if (!h->decoder) return e->code;
    }
    if (l->bias)
        h->bias = bert_param_new(site->params, l->bias, 1, c->vocab_size, BERT_INIT_ZERO, e);
    return l->bias && !h->bias ? e->code : 0;
}

static bert_tensor *masked_forward(void *self, bert_tape *t, const bert_model *m,
                                   bert_tensor *hidden, const bert_batch *batch) {
    const language_head *h = self;
    const bert_inputs *inputs = &batch->inputs;
    if (inputs->logit_tokens)
        hidden = bert_rows(t, hidden, inputs->logit_tokens, inputs->logit_tokens_count);
    bert_tensor *x = bert_head_transform_apply(t, &h->transform, hidden);
    bert_param *decoder = h->decoder ? h->decoder : bert_model_word_embeddings(m);
    return bert_linear_apply(t, (bert_linear){decoder, h->bias}, x);
}

static bert_tensor *masked_loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                                double divisor) {
    (void)self;
    return bert_problem_loss(t, "single_label_classification", logits, b, divisor);
}

const bert_head bert_head_masked_lm = {
    .name = "masked-lm",
    .outputs = BERT_OUTPUT_WORDS,
    .state_size = sizeof(language_head),
    .init = masked_init,
    .forward = masked_forward,
    .loss = masked_loss,
};

static int pretraining_init(void *self, const bert_head_site *site, bert_error *e) {
    language_head *h = self;
    int rc = masked_init(self, site, e);
    h->dropout = site->layout->dropout;
    return rc ? rc
              : bert_linear_new(site->params, site->layout->next, site->config->hidden_size, 2,
                                &h->seq_relationship, e);
}

/* The sequence of a row of the logits, looked for from that of the row before on. */
static int32_t sequence_of(const bert_inputs *in, int32_t row, int32_t before) {
    const int32_t token = in->logit_tokens ? in->logit_tokens[row] : row;
    int32_t i = token < in->start[before] ? 0 : before;
    while (token >= in->start[i + 1]) i++;
    return i;
}

/* [T, vocab_size + 2]: each token's row ends with the next-sentence logits of its sequence, so that
 * both results are one matrix. */
static bert_tensor *pretraining_forward(void *self, bert_tape *t, const bert_model *m,
                                        bert_tensor *hidden, const bert_batch *batch) {
    const language_head *h = self;
    const bert_inputs *inputs = &batch->inputs;
    const int32_t rows =
        inputs->logit_tokens ? inputs->logit_tokens_count : inputs->start[inputs->n];
    int32_t *sequence = bert_tape_alloc(t, (size_t)rows * sizeof *sequence);
    if (!sequence) return NULL;
    for (int32_t r = 0, i = 0; r < rows; r++) sequence[r] = i = sequence_of(inputs, r, i);
    bert_tensor *words = masked_forward(self, t, m, hidden, batch);
    bert_tensor *pooled = bert_dropout(t, bert_pooler(t, m, hidden, inputs), h->dropout);
    bert_tensor *next = bert_linear_apply(t, h->seq_relationship, pooled);
    return bert_concat(t, words, bert_rows(t, next, sequence, rows));
}

/* A row of each sequence: all its rows have the same next-sentence logits. NULL: some has none. */
static int32_t *row_of_each(bert_tape *t, const bert_inputs *in, int32_t rows) {
    int32_t *row = bert_tape_alloc(t, (size_t)in->n * sizeof *row), found = 0;
    for (int32_t i = 0; row && i < in->n; i++) row[i] = -1;
    for (int32_t r = 0, i = 0; row && r < rows; r++) {
        i = sequence_of(in, r, i);
        found += row[i] < 0;
        if (row[i] < 0) row[i] = r;
    }
    return found == in->n ? row : NULL;
}

/* The divisor is of the masked tokens; the next-sentence term is a mean over sequences. */
static bert_tensor *pretraining_loss(void *self, bert_tape *t, bert_tensor *logits,
                                     const bert_batch *b, double divisor) {
    const int32_t *labels = bert_batch_ints(b, "next_sentence_label");
    if (!labels)
        return bert_tape_set_error(t, BERT_EINVAL,
                                   "pretraining: the loss needs next_sentence_label");
    const int32_t words = bert_tensor_cols(logits) - 2;
    bert_tensor *masked = masked_loss(self, t, bert_slice(t, logits, 0, words), b, divisor);
    const int32_t *rows = row_of_each(t, &b->inputs, bert_tensor_rows(logits));
    if (!rows)
        return bert_tape_set_error(t, BERT_EINVAL,
                                   "pretraining: a sequence has no token among logit_tokens");
    bert_tensor *next = bert_slice(t, bert_rows(t, logits, rows, b->inputs.n), words, 2);
    const double divisor_of_next = b->batches > 1 ? (double)b->batches * b->inputs.n : 0;
    return bert_add(t, masked, bert_cross_entropy(t, next, labels, NULL, divisor_of_next, 0));
}

const bert_head bert_head_pretraining = {
    .name = "pretraining",
    .outputs = BERT_OUTPUT_WORDS,
    .state_size = sizeof(language_head),
    .init = pretraining_init,
    .forward = pretraining_forward,
    .loss = pretraining_loss,
};
