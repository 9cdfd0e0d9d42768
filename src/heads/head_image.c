/* Classification of pictures: on the first token, the mean of it and a second one's (DeiT's teacher), or
 * it and the mean of the patches (DINOv2). */
#include "heads.h"

typedef struct {
    bert_head_layout layout;
    bert_linear output, second;
    const char *problem_type;
    int32_t special; /* tokens in front of the patches */
} image_head;

static int init(void *self, const bert_head_site *site, bert_error *e) {
    image_head *h = self;
    const bert_config *c = site->config;
    h->layout = *site->layout;
    h->problem_type = c->problem_type;
    h->special = c->special_tokens;
    const int32_t width = h->layout.patches ? 2 * c->hidden_size : c->hidden_size;
    int rc = bert_linear_new(site->params, h->layout.output, width, c->num_labels, &h->output, e);
    if (!rc && h->layout.second)
        rc = bert_linear_new(site->params, h->layout.second, width, c->num_labels, &h->second, e);
    return rc;
}

/* The mean of what stands behind the special tokens, [n, H]. */
static bert_tensor *mean_of_patches(bert_tape *t, bert_tensor *hidden, const bert_inputs *in,
                                    int32_t special) {
    const int32_t n = in->n, all = in->start[n] - n * special;
    int32_t *rows = bert_tape_alloc(t, ((size_t)all + (size_t)n + 1) * sizeof *rows);
    if (!rows) return NULL;
    int32_t *start = rows + all, used = 0;
    for (int32_t i = 0; i < n; i++) {
        start[i] = used;
        for (int32_t k = in->start[i] + special; k < in->start[i + 1]; k++) rows[used++] = k;
    }
    start[n] = used;
    return bert_mean_groups(t, bert_rows(t, hidden, rows, all), start, n);
}

/* Row 1 of each sequence. */
static bert_tensor *second_rows(bert_tape *t, bert_tensor *hidden, const bert_inputs *in) {
    int32_t *rows = bert_tape_alloc(t, (size_t)in->n * sizeof *rows);
    if (!rows) return NULL;
    for (int32_t i = 0; i < in->n; i++) rows[i] = in->start[i] + 1;
    return bert_rows(t, hidden, rows, in->n);
}

static bert_tensor *forward(void *self, bert_tape *t, const bert_model *m, bert_tensor *hidden,
                            const bert_batch *batch) {
    (void)m;
    const image_head *h = self;
    const bert_inputs *in = &batch->inputs;
    bert_tensor *x = bert_cls(t, hidden, in);
    if (h->layout.patches) x = bert_concat(t, x, mean_of_patches(t, hidden, in, h->special));
    bert_tensor *logits = bert_linear_apply(t, h->output, bert_dropout(t, x, h->layout.dropout));
    if (!h->layout.second) return logits;
    bert_tensor *other = bert_linear_apply(t, h->second, second_rows(t, hidden, in));
    return bert_scale(t, bert_add(t, logits, other), 0.5f);
}

static bert_tensor *loss(void *self, bert_tape *t, bert_tensor *logits, const bert_batch *b,
                         double divisor) {
    const image_head *h = self;
    if (logits && b->row_count && b->row_count != bert_tensor_rows(logits))
        return bert_tape_set_error(
            t, BERT_EINVAL,
            "%d pictures of %d rows: this head takes one picture a row; views (several "
            "image columns) are for a head that joins them, as examples/two_view.c",
            (int)bert_tensor_rows(logits), (int)b->row_count);
    return bert_problem_loss(t, h->problem_type, logits, b, divisor);
}

const bert_head bert_head_image_classification = {
    .name = "image-classification",
    .state_size = sizeof(image_head),
    .init = init,
    .forward = forward,
    .loss = loss,
    .first_token = true, /* where the layout asks for no other: as the model is opened */
};
