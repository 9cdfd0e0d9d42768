/* What explanations of texts and of pictures share. */
#ifndef BERT_PIPELINES_EXPLAIN_H
#define BERT_PIPELINES_EXPLAIN_H
#include "models/attribution.h"
#include "models/session.h"

/* The output that is explained, of one example. */
typedef struct {
    bert_logit logits[BERT_MAX_LOGITS]; /* of its own rows */
    int count;
    const char *label; /* NULL: none */
    int32_t token;     /* -1: it is of all */
    float output;
} bert_chosen;

/* An example, as what chooses an output sees it. */
typedef struct {
    const bert_model *model;
    const bert_explain_options *options;
    const bert_token_window *window; /* NULL: of pictures */
    const bert_text *text;
    const float *logits; /* its own */
    int32_t rows, cols;
} bert_choice;

/* What kinds of outputs can be explained. */
typedef struct {
    const char *head;
    bool of_tokens; /* a row of logits for each token */
    int (*choose)(const bert_choice *c, bert_chosen *out, bert_error *e);
} bert_explained_kind;
/* NULL and the reason where the model has no head. */
const bert_explained_kind *bert_explained_kind_of(const bert_model *m, bert_error *e);
/* The token that options name, of the window; -1: none is named. */
int bert_explained_token_of(const bert_choice *c, int32_t *token, bert_error *e);
/* The same of a head of hidden words: its first mask where none is named. */
int bert_explained_mask(const bert_choice *c, int32_t *token, bert_error *e);

/* The integral of the options; for gradient-x-input the point 1. */
typedef struct {
    int32_t n;
    double at[4096], weight[4096];
} bert_points;
int bert_explain_points(const bert_explain_options *o, bert_points *p, bert_error *e);

/* How much the layers' attention in o, of a sequence of n tokens whose probabilities have `before`
 * others in front of them in each layer, makes of each token what comes out at `row` (-1: the
 * head's own: the first one, or all): adds part times that to scores [n]. */
int bert_explain_attention(const bert_model *m, const bert_explain_options *options,
                           const bert_outputs *o, size_t before, int32_t n, int32_t row,
                           double part, double *scores, bert_error *e);
static inline bool bert_explains_by_gradients(bert_explain_method m) {
    return m == BERT_EXPLAIN_INTEGRATED_GRADIENTS || m == BERT_EXPLAIN_GRADIENT_X_INPUT;
}
#endif
