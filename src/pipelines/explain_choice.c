/* Which output of a model is explained: a row of a table for each kind of outputs that heads have. */
#include "base/error.h"
#include "models/integration.h"
#include "models/registry.h"
#include "pipelines/explain.h"
#include "text/code_points.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const method_names[BERT_EXPLAIN_COUNT] = {
    [BERT_EXPLAIN_INTEGRATED_GRADIENTS] = "integrated-gradients",
    [BERT_EXPLAIN_GRADIENT_X_INPUT] = "gradient-x-input",
    [BERT_EXPLAIN_ATTENTION] = "attention",
    [BERT_EXPLAIN_ROLLOUT] = "rollout"};

const char *bert_explain_method_name(bert_explain_method m) {
    return (unsigned)m < BERT_EXPLAIN_COUNT ? method_names[m] : NULL;
}

int bert_explain_method_parse(const char *name, bert_explain_method *m, bert_error *e) {
    BERT_DOOR(e);
    for (int i = 0; i < BERT_EXPLAIN_COUNT; i++)
        if (!strcmp(name, method_names[i])) {
            *m = (bert_explain_method)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL,
                     "there is no method \"%.40s\"; it is integrated-gradients, gradient-x-input, "
                     "attention or rollout",
                     name);
}

bert_explain_options bert_explain_default(void) {
    return (bert_explain_options){.token = -1, .steps = 50, .layer = -1, .head = -1};
}

int bert_explain_points(const bert_explain_options *o, bert_points *p, bert_error *e) {
    if ((unsigned)o->method >= BERT_EXPLAIN_COUNT)
        return bert_fail(e, BERT_EINVAL, "there is no method %d of explanations", (int)o->method);
    if (o->steps < 1 || o->steps > BERT_MAX_STEPS)
        return bert_fail(e, BERT_EINVAL, "steps is %d; it is 1 to %d", o->steps, BERT_MAX_STEPS);
    p->n = o->steps;
    int rc = bert_integration(o->rule, p->n, p->at, p->weight, e);
    if (o->method != BERT_EXPLAIN_GRADIENT_X_INPUT) return rc;
    p->n = 1;
    p->at[0] = p->weight[0] = 1;
    return rc;
}

/* ---- Labels */

static int32_t best_of(const float *x, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

/* A number below n, or -1. */
static int32_t number_of(const char *text, int32_t n) {
    int64_t x = 0;
    if (!*text) return -1;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text)) return -1;
        x = x * 10 + (*text - '0');
        if (x >= n) return -1;
    }
    return (int32_t)x;
}

static int no_label(const bert_choice *c, const char *(*name)(const bert_model *, int32_t),
                    bert_error *e) {
    char known[300] = "";
    size_t used = 0;
    for (int32_t i = 0; i < c->cols; i++) {
        const char *one = name(c->model, i);
        if (!one || used + strlen(one) + 8 > sizeof known) {
            snprintf(known + used, sizeof known - used, " ..");
            break;
        }
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", one);
    }
    return bert_fail(e, BERT_EINVAL, "there is no label \"%.80s\"; %s has %s", c->options->label,
                     bert_model_head(c->model), known);
}

/* The column that the options name, by name or by number; -1: none is named. */
static int named_label(const bert_choice *c, const char *(*name)(const bert_model *, int32_t),
                       int32_t *col, bert_error *e) {
    const char *label = c->options->label;
    *col = -1;
    for (int32_t i = 0; label && *col < 0 && i < c->cols; i++) {
        const char *one = name(c->model, i);
        if (one && !strcmp(one, label)) *col = i;
    }
    if (!label || *col >= 0) return 0;
    *col = number_of(label, c->cols);
    return *col >= 0 ? 0 : no_label(c, name, e);
}

/* ---- Tokens */

/* Code points in front of where the word begins in the text, or -1. */
static int32_t find_word(const char *text, size_t bytes, const char *word) {
    const size_t n = strlen(word);
    for (size_t i = 0; n && text && i + n <= bytes; i++) {
        if (memcmp(text + i, word, n)) continue;
        const uint8_t *p = (const uint8_t *)text, *at = p + i;
        int32_t points = 0;
        for (; p < at; points++) bert_utf8_next(&p, at);
        return points;
    }
    return -1;
}

static int32_t token_at(const bert_token_window *w, int32_t sequence, int32_t point) {
    for (int32_t i = 0; point >= 0 && i < w->n; i++)
        if (w->sequence_ids[i] == sequence && w->offsets[i][0] <= point && point < w->offsets[i][1])
            return i;
    return -1;
}

int bert_explained_token_of(const bert_choice *c, int32_t *token, bert_error *e) {
    const bert_explain_options *o = c->options;
    const bert_token_window *w = c->window;
    *token = o->token < 0 ? -1 : o->token;
    if (o->word) {
        const bert_text *t = c->text;
        *token = token_at(w, 0, find_word(t->text, t->bytes, o->word));
        if (*token < 0) *token = token_at(w, 1, find_word(t->pair, t->pair_bytes, o->word));
        if (*token < 0)
            return bert_fail(e, BERT_EINVAL,
                             "the word \"%.80s\" is not in the text (letters count as they are "
                             "written)",
                             o->word);
    }
    if (*token < w->n) return 0;
    return bert_fail(e, BERT_EINVAL, "there is no token %d; the text has 0 to %d", o->token,
                     w->n - 1);
}

int bert_explained_mask(const bert_choice *c, int32_t *token, bert_error *e) {
    const int32_t mask = bert_tokenizer_special(bert_model_tokenizer(c->model)).mask;
    int rc = bert_explained_token_of(c, token, e);
    for (int32_t i = 0; !rc && *token < 0 && mask >= 0 && i < c->window->n; i++)
        if (c->window->ids[i] == mask) *token = i;
    if (rc || *token >= 0) return rc;
    const char *name = mask >= 0 ? bert_token(bert_model_tokenizer(c->model), mask) : NULL;
    return bert_fail(e, BERT_EINVAL,
                     "there is no %s in it; put one in the place of the word that the model is to "
                     "fill in, or name a word (--word)",
                     name ? name : "mask");
}

/* ---- Kinds */

static int wrong_shape(const bert_choice *c, bert_error *e) {
    return bert_fail(
        e, BERT_EUNSUPPORTED,
        "the head of %s (%s) gives %d x %d logits: which of them is to be explained is "
        "not known here",
        c->model->path, bert_model_head(c->model), c->rows, c->cols);
}

static int one(const bert_choice *c, bert_chosen *out, int32_t row, int32_t col) {
    out->logits[out->count++] = (bert_logit){row, col};
    out->output += c->logits[(size_t)row * (size_t)c->cols + (size_t)col];
    return 0;
}

static int choose_label(const bert_choice *c, bert_chosen *out, bert_error *e) {
    if (c->rows != 1) return wrong_shape(c, e);
    int32_t k;
    int rc = named_label(c, bert_model_label, &k, e);
    if (rc) return rc;
    if (k < 0) k = best_of(c->logits, c->cols);
    out->label = bert_model_label(c->model, k);
    return one(c, out, 0, k);
}

static const char *next_name(const bert_model *m, int32_t i) {
    (void)m;
    return i ? "not_next" : "is_next";
}

static int choose_next(const bert_choice *c, bert_chosen *out, bert_error *e) {
    if (c->rows != 1 || c->cols != 2) return wrong_shape(c, e);
    int32_t k;
    int rc = named_label(c, next_name, &k, e);
    if (rc) return rc;
    if (k < 0) k = best_of(c->logits, c->cols);
    out->label = next_name(NULL, k);
    return one(c, out, 0, k);
}

static const char *choice_name(const bert_model *m, int32_t i) {
    (void)m, (void)i;
    return "choice";
}

static int choose_choice(const bert_choice *c, bert_chosen *out, bert_error *e) {
    if (c->rows != 1 || c->cols != 1) return wrong_shape(c, e);
    int32_t k;
    int rc = named_label(c, choice_name, &k, e);
    if (rc) return rc;
    out->label = choice_name(NULL, 0);
    return one(c, out, 0, 0);
}

static const char *replaced_name(const bert_model *m, int32_t i) {
    (void)m, (void)i;
    return "replaced";
}

static double probability(const float *row, int32_t cols, int32_t k) {
    double sum = 0;
    for (int32_t i = 0; i < cols; i++) sum += exp((double)row[i] - (double)row[k]);
    return 1 / sum;
}

/* The token that is surest of the label, or of any label but O. */
static int32_t surest(const bert_choice *c, int32_t label) {
    int32_t best = -1;
    double most = -1;
    for (int pass = 0; pass < 2 && best < 0; pass++) /* the second one: O as well */
        for (int32_t i = 0; i < c->rows; i++) {
            const float *row = c->logits + (size_t)i * (size_t)c->cols;
            const int32_t k = label >= 0 ? label : best_of(row, c->cols);
            const char *name = c->cols > 1 ? bert_model_label(c->model, k) : NULL;
            if (c->window->special_tokens_mask[i] || (!pass && name && !strcmp(name, "O")))
                continue;
            const double p = c->cols > 1 ? probability(row, c->cols, k) : (double)row[k];
            if (best >= 0 && p <= most) continue;
            most = p;
            best = i;
        }
    return best < 0 ? 0 : best;
}

static int choose_of_token(const bert_choice *c, bert_chosen *out,
                           const char *(*name)(const bert_model *, int32_t), bert_error *e) {
    if (c->rows != c->window->n) return wrong_shape(c, e);
    int32_t label, token;
    int rc = named_label(c, name, &label, e);
    if (!rc) rc = bert_explained_token_of(c, &token, e);
    if (rc) return rc;
    if (token < 0) token = surest(c, label);
    if (label < 0) label = best_of(c->logits + (size_t)token * (size_t)c->cols, c->cols);
    out->token = token;
    out->label = name(c->model, label);
    return one(c, out, token, label);
}

static int choose_tag(const bert_choice *c, bert_chosen *out, bert_error *e) {
    return choose_of_token(c, out, bert_model_label, e);
}

static int choose_replaced(const bert_choice *c, bert_chosen *out, bert_error *e) {
    if (c->cols != 1) return wrong_shape(c, e);
    return choose_of_token(c, out, replaced_name, e);
}

enum { MOST_ANSWER = 15 }; /* tokens, as transformers' pipeline has it */

/* The best start and end in the context. */
static bool best_span(const bert_choice *c, int32_t span[2]) {
    const bert_token_window *w = c->window;
    float most = -INFINITY;
    for (int32_t i = 0; i < w->n; i++)
        for (int32_t k = i; k < w->n && k < i + MOST_ANSWER; k++) {
            const float sum = c->logits[2 * i] + c->logits[2 * k + 1];
            if (w->sequence_ids[i] != 1 || w->sequence_ids[k] != 1 || sum <= most) continue;
            most = sum;
            span[0] = i;
            span[1] = k;
        }
    return most > -INFINITY;
}

static int choose_span(const bert_choice *c, bert_chosen *out, bert_error *e) {
    static const char *const names[] = {"start", "end", "span"};
    if (c->rows != c->window->n || c->cols != 2) return wrong_shape(c, e);
    int which = 0;
    const char *label = c->options->label ? c->options->label : names[2];
    while (which < 3 && strcmp(names[which], label)) which++;
    if (which == 3)
        return bert_fail(e, BERT_EINVAL,
                         "there is no label \"%.80s\"; of question answering it is start, end or "
                         "span",
                         label);
    int32_t span[2], given;
    int rc = bert_explained_token_of(c, &given, e);
    if (rc) return rc;
    if (given >= 0)
        span[0] = span[1] = given;
    else if (!best_span(c, span))
        return bert_fail(e, BERT_EINVAL,
                         "there is no context: the text is the question, its pair (--pair) the "
                         "context that has the answer");
    out->label = names[which];
    out->token = span[which == 1];
    if (which != 1) one(c, out, span[0], 0);
    return which ? one(c, out, span[1], 1) : 0;
}

/* One row: that of the token which was chosen before. */
static int choose_word(const bert_choice *c, bert_chosen *out, bert_error *e) {
    const bert_tokenizer *t = bert_model_tokenizer(c->model);
    int32_t words = bert_tokenizer_size(t);
    if (words > c->cols) words = c->cols;
    if (c->rows != 1 || c->cols < c->model->config.vocab_size) return wrong_shape(c, e);
    const char *label = c->options->label;
    const int32_t id = label ? bert_token_id(t, label) : best_of(c->logits, words);
    if (id < 0 || id >= c->cols)
        return bert_fail(e, BERT_EINVAL,
                         "there is no token \"%.80s\" in the vocabulary (bert tokenize shows what "
                         "there is)",
                         label);
    out->label = bert_token(t, id);
    return one(c, out, 0, id);
}

static const bert_explained_kind kinds[] = {
    [BERT_OUTPUT_LABELS] = {"sequence-classification", false, choose_label},
    [BERT_OUTPUT_TAGS] = {"token-classification", true, choose_tag},
    [BERT_OUTPUT_SPAN] = {"question-answering", true, choose_span},
    [BERT_OUTPUT_CHOICE] = {"multiple-choice", false, choose_choice},
    [BERT_OUTPUT_NEXT] = {"next-sentence", false, choose_next},
    [BERT_OUTPUT_WORDS] = {"masked-lm", false, choose_word},
    [BERT_OUTPUT_REPLACED] = {"replaced-token-detection", true, choose_replaced},
};

const bert_explained_kind *bert_explained_kind_of(const bert_model *m, bert_error *e) {
    if (m->head.name && (size_t)m->head.outputs < sizeof kinds / sizeof *kinds)
        return &kinds[m->head.outputs];
    bert_fail(
        e, BERT_EUNSUPPORTED,
        "%s has no head, and so no output whose gradient could be taken: train one "
        "(bert train), open a model that has one, or look at attention or rollout, which need "
        "none",
        m->path);
    return NULL;
}
