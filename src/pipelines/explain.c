/* bert_explain: what an output rests on, token by token. */
#include "pipelines/explain.h"
#include "base/error.h"
#include "pipelines/texts.h"
#include "text/code_place.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Attention of a batch is [layers, heads, length, length] of each text: few texts at a time. */
enum { PACK_TOKENS = 512 };

typedef struct {
    bert_session *s;
    bert_explain_options o;
    const bert_text *texts;
    const bert_explained_kind *kind; /* NULL: no head, and none is needed */
    bert_attributor *attributor;     /* of gradients */
    bert_points *points;
    bert_explanation *out;
} job;

/* A window of the pack, and what is made of it. */
typedef struct {
    const job *j;
    bert_token_window window;
    const bert_text *text;
    const bert_outputs *o;
    size_t before; /* its probabilities of attention */
    bert_chosen chosen;
    int32_t logit_token; /* whose logits were computed alone; -1: all */
    double *scores;      /* [window.n] */
    double ends[2];
} example;

/* ---- Gradients */

static int stop(void *context, bert_error *e) {
    return bert_session_check(context, e);
}

/* What stands in the place of words at the base, or -1: zeros. */
static int base_token(const job *j, int32_t *id, bert_error *e) {
    const bert_special_ids special = bert_tokenizer_special(bert_model_tokenizer(j->s->model));
    const char *name = j->o.baseline ? j->o.baseline : "pad";
    *id = -1;
    if (!strcmp(name, "zero")) return 0;
    const bool pad = !strcmp(name, "pad");
    if (!pad && strcmp(name, "mask"))
        return bert_fail(e, BERT_EINVAL, "there is no base \"%.40s\"; it is pad, mask or zero",
                         name);
    *id = pad ? special.pad : special.mask;
    if (*id >= 0) return 0;
    return bert_fail(e, BERT_EINVAL,
                     "the vocabulary has no token for %s; take another base (--baseline zero)",
                     pad ? "padding" : "masks");
}

/* The leaves of the same sequence with that token in the place of all but the special ones. */
static int base_of(const example *x, int32_t id, bert_leaves *base, bert_error *e) {
    const bert_token_window *w = &x->window;
    int32_t start[] = {0, w->n}, *ids = malloc((size_t)w->n * sizeof *ids);
    if (!ids) return bert_fail_memory(e, (size_t)w->n * sizeof *ids);
    for (int32_t i = 0; i < w->n; i++) ids[i] = w->special_tokens_mask[i] ? w->ids[i] : id;
    const bert_inputs in = {.n = 1, .start = start, .ids = ids, .type_ids = w->type_ids};
    int rc = bert_leaves_of(x->j->attributor, &in, base, e);
    free(ids);
    return rc;
}

static int attribute(example *x, bert_leaves *leaves, bert_leaves *base, bert_error *e) {
    const job *j = x->j;
    const bert_token_window *w = &x->window;
    const bool integrated = j->o.method == BERT_EXPLAIN_INTEGRATED_GRADIENTS;
    int32_t start[] = {0, w->n}, id = -1;
    const bert_inputs in = {.n = 1,
                            .start = start,
                            .ids = w->ids,
                            .type_ids = w->type_ids,
                            .logit_tokens = x->logit_token >= 0 ? &x->logit_token : NULL,
                            .logit_tokens_count = x->logit_token >= 0};
    bert_output_at at = {.in = &in, .count = x->chosen.count};
    memcpy(at.logits, x->chosen.logits, sizeof at.logits);
    int rc = bert_leaves_of(j->attributor, &in, leaves, e);
    if (!rc && integrated) rc = base_token(j, &id, e);
    if (!rc && id >= 0) rc = base_of(x, id, base, e);
    if (rc) return rc;
    const bert_line line = {.x = leaves,
                            .base = base->x,
                            .n = j->points->n,
                            .at = j->points->at,
                            .weight = j->points->weight,
                            .batch_tokens =
                                j->s->options.batch_tokens < 1024 ? j->s->options.batch_tokens : 0,
                            .check = stop,
                            .context = j->s};
    return bert_attribute(j->attributor, &at, &line, x->scores, integrated ? x->ends : NULL, e);
}

static int by_gradients(example *x, bert_error *e) {
    bert_leaves leaves = {0}, base = {0};
    x->ends[0] = x->ends[1] = NAN;
    int rc = attribute(x, &leaves, &base, e);
    free(leaves.x);
    free(base.x);
    return rc;
}

/* ---- Attention */

static int by_attention(example *x, bert_error *e) {
    const bert_chosen *c = &x->chosen;
    const bool of_tokens = x->j->kind && x->j->kind->of_tokens;
    const int count = of_tokens && c->count ? c->count : 1;
    x->ends[0] = x->ends[1] = NAN;
    int rc = 0;
    for (int i = 0; i < count && !rc; i++)
        rc = bert_explain_attention(x->j->s->model, &x->j->o, x->o, x->before, x->window.n,
                                    of_tokens && c->count ? c->logits[i].row : c->token,
                                    1.0 / count, x->scores, e);
    return rc;
}

/* ---- What is told of it */

/* Where the parts of a text and its pair are that were asked for last. */
typedef struct {
    bert_code_place of[2];
} places;

static places places_of(const bert_text *t) {
    return (places){
        {bert_code_place_of(t->text, t->bytes), bert_code_place_of(t->pair, t->pair_bytes)}};
}

/* The part of the text or pair between two code points, the session's. */
static const char *part_of(const example *x, places *at, int32_t sequence, const int32_t offsets[2],
                           bert_error *e) {
    const char *text = sequence == 1 ? x->text->pair : x->text->text;
    const size_t from = bert_code_place_to(&at->of[sequence == 1], offsets[0]),
                 to = bert_code_place_to(&at->of[sequence == 1], offsets[1]);
    char *part = bert_arena_alloc(&x->j->s->results, to - from + 1);
    if (!part) {
        bert_fail_memory(e, to - from + 1);
        return NULL;
    }
    memcpy(part, text + from, to - from);
    part[to - from] = 0;
    return part;
}

/* Whether token i goes on with the word of the one before it. */
static bool same_word(const bert_token_window *w, int32_t i) {
    return i > 0 && w->word_ids[i] >= 0 && w->word_ids[i] == w->word_ids[i - 1] &&
           w->sequence_ids[i] == w->sequence_ids[i - 1];
}

/* Tokens, or those of a word as one: its last offset, its scores added up. */
static int tell_tokens(const example *x, bert_explanation *out, bert_error *e) {
    const bert_token_window *w = &x->window;
    const bert_tokenizer *t = bert_model_tokenizer(x->j->s->model);
    const size_t bytes = (size_t)w->n * sizeof(bert_explained_token);
    bert_explained_token *list = bert_arena_alloc(&x->j->s->results, bytes);
    if (!list) return bert_fail_memory(e, bytes);
    places at = places_of(x->text);
    int32_t n = 0;
    for (int32_t i = 0, k; i < w->n; i = k) {
        double sum = x->scores[i];
        for (k = i + 1; x->j->o.words && k < w->n && same_word(w, k); k++) sum += x->scores[k];
        const int32_t sequence = w->sequence_ids[i];
        const int32_t offsets[] = {w->offsets[i][0], w->offsets[k - 1][1]};
        const char *name = x->j->o.words && sequence >= 0 ? part_of(x, &at, sequence, offsets, e)
                                                          : bert_token(t, w->ids[i]);
        if (!name) return e->code ? e->code : BERT_EINVAL;
        list[n++] = (bert_explained_token){name, sequence, offsets[0], offsets[1], (float)sum};
    }
    out->tokens = n;
    out->of_token = list;
    return 0;
}

static int tell(const example *x, bert_explanation *out, bert_error *e) {
    const bert_chosen *c = &x->chosen;
    double sum = 0;
    for (int32_t i = 0; i < x->window.n; i++) sum += x->scores[i];
    *out = (bert_explanation){.method = x->j->o.method,
                              .label = c->label,
                              .token = c->token,
                              .output = x->j->kind ? c->output : NAN,
                              .base_output = (float)x->ends[1],
                              .delta = sum - (x->ends[0] - x->ends[1]),
                              .text = *x->text};
    if (c->token >= 0) {
        const bert_token_window *w = &x->window;
        places at = places_of(x->text);
        out->word = w->sequence_ids[c->token] >= 0
                        ? part_of(x, &at, w->sequence_ids[c->token], w->offsets[c->token], e)
                        : bert_token(bert_model_tokenizer(x->j->s->model), w->ids[c->token]);
        if (!out->word) return e->code ? e->code : BERT_EINVAL;
    }
    return tell_tokens(x, out, e);
}

/* ---- A pack */

static int choose(example *x, const bert_choice *c, bert_error *e) {
    const job *j = x->j;
    x->chosen = (bert_chosen){.token = -1};
    if (x->logit_token >= 0) x->chosen.token = x->logit_token;
    if (j->kind) return j->kind->choose(c, &x->chosen, e);
    return bert_explained_token_of(c, &x->chosen.token, e);
}

static int explain_one(example *x, const float *logits, int32_t rows, int32_t cols,
                       bert_explanation *out, bert_error *e) {
    const job *j = x->j;
    const bert_choice c = {j->s->model, &j->o, &x->window, x->text, logits, rows, cols};
    int rc = choose(x, &c, e);
    if (rc) return rc;
    x->scores = calloc((size_t)x->window.n, sizeof *x->scores);
    if (!x->scores) return bert_fail_memory(e, (size_t)x->window.n * sizeof *x->scores);
    rc = bert_explains_by_gradients(j->o.method) ? by_gradients(x, e) : by_attention(x, e);
    if (!rc) rc = tell(x, out, e);
    free(x->scores);
    return rc;
}

static bool is_empty(const bert_token_window *w) {
    for (int32_t i = 0; i < w->n; i++)
        if (w->sequence_ids[i] >= 0) return false;
    return true;
}

/* Of heads of hidden words only one row of logits is computed: which, is known before. token:
 * [windows], malloc'ed, or NULL. */
static int mask_tokens(const job *j, const bert_windows *p, bert_inputs *in, int32_t **token,
                       bert_error *e) {
    *token = NULL;
    if (!j->kind || j->s->model->head.outputs != BERT_OUTPUT_WORDS) return 0;
    int32_t *list = malloc(2 * (size_t)p->windows * sizeof *list), *all = list + p->windows;
    if (!list) return bert_fail_memory(e, 2 * (size_t)p->windows * sizeof *list);
    for (int32_t i = 0; i < p->windows; i++) {
        const bert_token_window w = bert_windows_at(p, i);
        const int32_t text = p->first + p->text[i];
        const bert_choice c = {
            .model = j->s->model, .options = &j->o, .window = &w, .text = &j->texts[text]};
        if (bert_explained_mask(&c, &list[i], e)) {
            bert_error_prefix(e, "text %d: ", (int)text);
            free(list);
            return e->code;
        }
        all[i] = p->start[i] + list[i];
    }
    in->logit_tokens = all;
    in->logit_tokens_count = p->windows;
    *token = list;
    return 0;
}

/* Which rows of the logits window i has. */
static int rows_of(const job *j, const bert_windows *p, const bert_outputs *o, int32_t i,
                   const float **logits, int32_t *rows, bert_error *e) {
    const bool of_tokens = j->kind->of_tokens;
    const int32_t all = of_tokens ? p->start[p->windows] : p->windows;
    const int32_t first = of_tokens ? p->start[i] : i;
    *rows = of_tokens ? p->start[i + 1] - first : 1;
    *logits = o->logits ? o->logits + (size_t)first * (size_t)o->logit_cols : NULL;
    if (o->logits && o->logit_rows == all) return 0;
    return bert_fail(
        e, BERT_EUNSUPPORTED,
        "the head of %s (%s) gives %d x %d logits for %d texts: it cannot be explained",
        j->s->model->path, bert_model_head(j->s->model), o->logit_rows, o->logit_cols, p->windows);
}

static int explain_all(const job *j, const bert_windows *p, const bert_outputs *o,
                       const int32_t *token, bert_error *e) {
    size_t before = 0;
    int rc = 0;
    for (int32_t i = 0; i < p->windows && !rc; i++) {
        const int32_t text = p->first + p->text[i];
        const float *logits = NULL;
        int32_t rows = 0;
        example x = {.j = j,
                     .window = bert_windows_at(p, i),
                     .text = &j->texts[text],
                     .o = o,
                     .before = before,
                     .logit_token = token ? token[i] : -1};
        before += (size_t)o->heads * (size_t)x.window.n * (size_t)x.window.n;
        if (is_empty(&x.window))
            rc = bert_fail(e, BERT_EINVAL, "it is empty: there is nothing to explain");
        if (!rc && j->kind) rc = rows_of(j, p, o, i, &logits, &rows, e);
        if (!rc) rc = explain_one(&x, logits, rows, o->logit_cols, &j->out[text], e);
        if (rc && rc != BERT_EUNSUPPORTED && rc != BERT_ENOMEM && rc != BERT_EINTERRUPTED)
            bert_error_prefix(e, "text %d: ", (int)text);
    }
    return rc;
}

static int run(void *context, const bert_windows *p, bert_error *e) {
    const job *j = context;
    bert_inputs in = bert_windows_inputs(p);
    unsigned want = BERT_SKIP_HIDDEN;
    if (j->kind) want |= BERT_WANT_LOGITS;
    if (!j->attributor) want |= BERT_WANT_ATTENTIONS;
    bert_outputs o;
    int32_t *token;
    int rc = mask_tokens(j, p, &in, &token, e);
    if (!rc) rc = bert_session_run(j->s, &in, want, &o, e);
    if (!rc) rc = explain_all(j, p, &o, token, e);
    free(token);
    return rc;
}

/* ---- All texts */

static int begin(job *j, const bert_text_options *options, int32_t n, bert_error *e) {
    bert_session *s = j->s;
    if (!s->model->trunk.words)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s (%s) reads pictures, not texts", s->model->path,
                         s->model->config.model_type);
    if (bert_model_views(s->model) > 1)
        return bert_fail(
            e, BERT_EUNSUPPORTED,
            "a row of %s is %d texts, each a sequence of its own: only models that read "
            "a text, or a pair in one sequence, are explained",
            s->model->path, bert_model_views(s->model));
    if (options->overflow == BERT_OVERFLOW_WINDOW)
        return bert_fail(
            e, BERT_EINVAL,
            "a long text is explained by its beginning (--on-overflow truncate), not by "
            "windows");
    int rc = bert_explain_points(&j->o, j->points, e);
    if (rc) return rc;
    const bool gradients = bert_explains_by_gradients(j->o.method);
    bert_error none = {0};
    j->kind = bert_explained_kind_of(s->model, gradients ? e : &none);
    if (!j->kind && gradients) return e->code;
    if (gradients)
        j->attributor =
            bert_attributor_new(s->model, s->options.precision, bert_session_threads(s), e);
    if (gradients && !j->attributor) return e->code;
    bert_arena_reset(&s->results);
    j->out = bert_arena_calloc(&s->results, ((size_t)n + 1) * sizeof *j->out);
    return j->out ? 0 : bert_fail_memory(e, (size_t)n * sizeof *j->out);
}

int bert_explain(bert_session *s, const bert_text *texts, int32_t n,
                 const bert_text_options *options, const bert_explain_options *explain,
                 const bert_explanation **out, bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    *out = NULL;
    if (bert_need(s, "session", e) || (n > 0 && bert_need(texts, "texts", e))) return BERT_EINVAL;
    if (n < 0) return bert_fail(e, BERT_EINVAL, "%d texts", n);
    bert_points *points = malloc(sizeof *points);
    if (!points) return bert_fail_memory(e, sizeof *points);
    job j = {
        .s = s, .o = explain ? *explain : bert_explain_default(), .texts = texts, .points = points};
    bert_texts t = {.s = s,
                    .texts = texts,
                    .n = n,
                    .options = options ? *options : bert_text_default(),
                    .info = info,
                    .context = &j,
                    .run = run,
                    .encodings = true,
                    .pack_tokens = PACK_TOKENS};
    int rc = begin(&j, &t.options, n, e);
    if (!rc) rc = bert_texts_run(&t, e);
    bert_attributor_free(j.attributor);
    free(points);
    if (!rc) *out = j.out;
    return rc;
}
