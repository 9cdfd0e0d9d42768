/* bert_fill: the likeliest tokens of each [MASK], as transformers' FillMaskPipeline gives them. */
#include "base/error.h"
#include "base/grow.h"
#include "cpu/host.h"
#include "pipelines/texts.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* Rows of the vocabulary's width are what a pack costs: fewer tokens at once than other tasks. */
enum { PACK_TOKENS = 1024 };

typedef struct {
    bert_texts texts;
    const bert_tokenizer *tokenizer;
    bert_results results;
    int32_t *places; /* of the masks of a pack */
    int32_t *ids;    /* of a text, the masks filled in turn */
    int32_t *shown;  /* those of them that a result's text is made of */
    float *scores;   /* of a mask */
    int32_t n, masks, top_k;
    const int32_t *targets; /* or NULL */
    int32_t targets_count;
} job;

static int32_t *target_ids(const bert_tokenizer *t, const char *const *targets, int32_t n,
                           bert_error *e) {
    int32_t *ids = calloc((size_t)n, sizeof *ids);
    if (!ids) bert_fail_memory(e, (size_t)n * sizeof *ids);
    for (int32_t i = 0; ids && i < n; i++) {
        ids[i] = bert_token_id(t, targets[i]);
        for (int32_t j = 0; j < i && ids[i] >= 0; j++)
            if (ids[j] == ids[i]) {
                bert_fail(e, BERT_EINVAL, "target \"%.60s\" is given twice", targets[i]);
                ids[i] = -1;
            }
        if (ids[i] >= 0) continue;
        bert_fail(e, BERT_EINVAL, "target \"%.60s\" is not a token of the vocabulary", targets[i]);
        free(ids);
        return NULL;
    }
    return ids;
}

/* [PAD] is left out, even where it fills the mask; so are rows of the model's vocabulary that pad it to a
 * round number and are no tokens. */
static int put_text(job *j, bert_fill_result *r, bert_error *e) {
    const bool skip_specials = j->masks == 1;
    const int32_t pad = bert_tokenizer_special(j->tokenizer).pad;
    size_t kept = 0;
    for (int32_t i = 0; i < j->n; i++)
        if (j->ids[i] != pad && bert_token(j->tokenizer, j->ids[i])) j->shown[kept++] = j->ids[i];
    int64_t n = bert_decode(j->tokenizer, j->shown, kept, skip_specials, NULL, 0, e);
    if (n < 0) return (int)n;
    char *text = bert_arena_alloc(j->results.arena, (size_t)n + 1);
    if (!text) return bert_fail_memory(e, (size_t)n + 1);
    bert_decode(j->tokenizer, j->shown, kept, skip_specials, text, (size_t)n + 1, e);
    text[bert_clean_up_spaces(j->tokenizer, text, (size_t)n)] = 0;
    r->text = text;
    return 0;
}

/* The best of one mask: each next one is the largest that is below the one before. */
static int fill_mask(job *j, int32_t mask, int32_t at, float *scores, int32_t vocabulary,
                     bert_error *e) {
    const int32_t before = j->ids[at];
    bert_host_softmax(scores, 1, vocabulary);
    const int32_t candidates = j->targets ? j->targets_count : vocabulary;
    const int32_t top = j->top_k < candidates ? j->top_k : candidates;
    for (int32_t k = 0; k < top; k++) {
        int32_t best = -1;
        for (int32_t c = 0; c < candidates; c++) {
            int32_t id = j->targets ? j->targets[c] : c;
            if (scores[id] >= 0 && (best < 0 || scores[id] > scores[best])) best = id;
        }
        bert_fill_result *r = bert_results_add(&j->results, e);
        if (!r) return BERT_ENOMEM;
        *r = (bert_fill_result){.mask = mask, .token = best, .score = scores[best]};
        scores[best] = -1;
        j->ids[at] = best;
        int rc = put_text(j, r, e);
        j->ids[at] = before;
        if (rc) return rc;
    }
    return 0;
}

/* ---- A pack */

/* The masks of window w go to the end of places; returns how many. */
static int32_t find_masks(const job *j, const bert_windows *p, int32_t w, int32_t *places) {
    const int32_t mask = bert_tokenizer_special(j->tokenizer).mask;
    int32_t n = 0;
    for (int32_t i = p->start[w]; i < p->start[w + 1]; i++)
        if (p->ids[i] == mask) places[n++] = i;
    return n;
}

static int without_mask(job *j, int32_t text, bert_error *e) {
    const int32_t mask = bert_tokenizer_special(j->tokenizer).mask;
    bert_fail(e, BERT_EINVAL, "text %d has no %s to fill", (int)text,
              mask < 0 ? "mask token, and the vocabulary none" : bert_token(j->tokenizer, mask));
    return bert_texts_fail(&j->texts, text, e);
}

/* All masks of the pack; a text without one fails. */
static int find_places(job *j, const bert_windows *p, int32_t *count, bert_error *e) {
    int rc = bert_grow(&j->places, (size_t)p->start[p->windows], sizeof *j->places, e);
    *count = 0;
    for (int32_t w = 0; w < p->windows && !rc; w++) {
        const int32_t n = find_masks(j, p, w, j->places + *count);
        *count += n;
        if (!n) rc = without_mask(j, p->first + p->text[w], e);
    }
    return rc;
}

/* Window w, whose masks are at places and what the model says of them in logits. */
static int fill_text(job *j, const bert_windows *p, int32_t w, const int32_t *places,
                     const float *logits, int32_t vocabulary, bert_error *e) {
    const int32_t first = p->start[w], text = p->first + p->text[w];
    j->n = p->start[w + 1] - first;
    int rc = bert_grow(&j->ids, 2 * (size_t)j->n, sizeof *j->ids, e);
    if (rc) return rc;
    j->shown = j->ids + j->n;
    memcpy(j->ids, p->ids + first, (size_t)j->n * sizeof *j->ids);
    bert_results_begin(&j->results, text);
    for (int32_t mask = 0; mask < j->masks && !rc; mask++) {
        memcpy(j->scores, logits + (size_t)mask * (size_t)vocabulary,
               (size_t)vocabulary * sizeof *logits);
        rc = fill_mask(j, mask, places[mask] - first, j->scores, vocabulary, e);
    }
    if (!rc) return 0;
    j->results.count = j->results.start[text];
    return bert_texts_fail(&j->texts, text, e);
}

static int run(void *context, const bert_windows *p, bert_error *e) {
    job *j = context;
    bert_inputs in = bert_windows_inputs(p);
    bert_outputs o = {0};
    int rc = find_places(j, p, &in.logit_tokens_count, e);
    if (rc || !in.logit_tokens_count) return rc;
    in.logit_tokens = j->places;
    rc = bert_windows_logits(j->texts.s, &in, BERT_OUTPUT_WORDS, &o, e);
    if (!rc) rc = bert_grow(&j->scores, (size_t)o.logit_cols, sizeof *j->scores, e);
    for (int32_t w = 0, at = 0; w < p->windows && !rc; w++, at += j->masks) {
        for (j->masks = 0;
             at + j->masks < in.logit_tokens_count && j->places[at + j->masks] < p->start[w + 1];)
            j->masks++;
        if (j->masks)
            rc = fill_text(j, p, w, j->places + at, o.logits + (size_t)at * (size_t)o.logit_cols,
                           o.logit_cols, e);
    }
    return rc;
}

/* ---- The texts */

static int check(job *j, bert_error *e) {
    if (j->top_k < 1) return bert_fail(e, BERT_EINVAL, "top_k is %d", (int)j->top_k);
    if (j->texts.options.overflow == BERT_OVERFLOW_WINDOW)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "masks are not filled in windows: choose to truncate the text");
    j->tokenizer = bert_model_need_tokenizer(j->texts.s->model, e);
    return j->tokenizer ? 0 : e->code;
}

int bert_fill_batch(bert_session *s, const bert_text *texts, int32_t n,
                    const bert_text_options *options, int32_t top_k, const char *const *targets,
                    int32_t targets_count, const bert_fill_result **out, const int32_t **start,
                    bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    *out = NULL;
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    job j = {.texts = {.s = s,
                       .texts = texts,
                       .n = n,
                       .options = options ? *options : bert_text_default(),
                       .info = info,
                       .run = run,
                       .context = &j,
                       .pack_tokens = PACK_TOKENS},
             .top_k = top_k,
             .targets_count = targets_count};
    int32_t *ids = NULL;
    int rc = check(&j, e);
    if (!rc && targets_count && !(ids = target_ids(j.tokenizer, targets, targets_count, e)))
        rc = e->code;
    j.targets = ids;
    if (!rc) rc = bert_results_new(&j.results, s, sizeof(bert_fill_result), n, e);
    if (!rc) rc = bert_texts_run(&j.texts, e);
    bert_grown_free(j.places);
    bert_grown_free(j.ids);
    bert_grown_free(j.scores);
    free(ids);
    if (rc) return rc;
    bert_results_begin(&j.results, n);
    *out = (const bert_fill_result *)(const void *)j.results.items;
    if (start) *start = j.results.start;
    return j.results.count;
}

int bert_fill(bert_session *s, const bert_text *text, const bert_text_options *options,
              int32_t top_k, const char *const *targets, int32_t targets_count,
              const bert_fill_result **out, bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    return bert_fill_batch(s, text, 1, options, top_k, targets, targets_count, out, NULL, info, e);
}
