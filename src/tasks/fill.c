/* bert_fill: the likeliest tokens of each [MASK], as transformers' FillMaskPipeline gives them. */
#include "base/error.h"
#include "cpu/host.h"
#include "tasks/pack.h"
#include "tasks/results.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    bert_session *s;
    const bert_tokenizer *tokenizer;
    bert_results results;
    int32_t *ids;   /* of the text, the masks filled in turn */
    int32_t *shown; /* those of them that a result's text is made of */
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

/* [PAD] is left out, even where it fills the mask. */
static int put_text(job *j, bert_fill_result *r, bert_error *e) {
    const bool skip_specials = j->masks == 1;
    const int32_t pad = bert_tokenizer_special(j->tokenizer).pad;
    size_t kept = 0;
    for (int32_t i = 0; i < j->n; i++)
        if (j->ids[i] != pad) j->shown[kept++] = j->ids[i];
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
        int rc =
            bert_token(j->tokenizer, best)
                ? put_text(j, r, e)
                : bert_fail(e, BERT_EINVAL, "the model gives id %d, which is no token", (int)best);
        j->ids[at] = before;
        if (rc) return rc;
    }
    return 0;
}

static int fill_places(job *j, const bert_windows *p, const int32_t *places, bert_error *e) {
    bert_inputs in = bert_windows_inputs(p);
    in.logit_tokens = places;
    in.logit_tokens_count = j->masks;
    bert_outputs o;
    int rc = bert_windows_logits(j->s, &in, "masked-lm", &o, e);
    const size_t bytes = (size_t)o.logit_cols * sizeof *o.logits;
    float *row = rc ? NULL : malloc(bytes);
    j->ids = malloc(2 * (size_t)j->n * sizeof *j->ids);
    if (!rc && (!row || !j->ids)) rc = bert_fail_memory(e, bytes);
    if (!rc) memcpy(j->ids, p->ids, (size_t)j->n * sizeof *j->ids);
    j->shown = j->ids ? j->ids + j->n : NULL;
    for (int32_t mask = 0; mask < j->masks && !rc; mask++) {
        memcpy(row, o.logits + (size_t)mask * (size_t)o.logit_cols, bytes);
        rc = fill_mask(j, mask, places[mask], row, o.logit_cols, e);
    }
    free(row);
    free(j->ids);
    return rc;
}

static int fill_masks(job *j, const bert_windows *p, bert_error *e) {
    const int32_t mask_id = bert_tokenizer_special(j->tokenizer).mask;
    j->n = p->start[1];
    int32_t *places = malloc((size_t)j->n * sizeof *places);
    if (!places) return bert_fail_memory(e, (size_t)j->n * sizeof *places);
    for (int32_t i = 0; i < j->n; i++)
        if (p->ids[i] == mask_id) places[j->masks++] = i;
    const int rc = j->masks ? fill_places(j, p, places, e)
                            : bert_fail(e, BERT_EINVAL, "text 0 has no %s to fill",
                                        mask_id < 0 ? "mask token, and the vocabulary none"
                                                    : bert_token(j->tokenizer, mask_id));
    free(places);
    return rc;
}

int bert_fill(bert_session *s, const bert_text *text, const bert_task_options *options,
              int32_t top_k, const char *const *targets, int32_t targets_count,
              const bert_fill_result **out, bert_text_info *info, bert_error *e) {
    *out = NULL;
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    if (top_k < 1) return bert_fail(e, BERT_EINVAL, "top_k is %d", (int)top_k);
    bert_task_options o = options ? *options : bert_task_default();
    if (o.overflow == BERT_OVERFLOW_WINDOW)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "masks are not filled in windows: choose to truncate the text");
    bert_error local = {0};
    const bert_tokenizer *tokenizer = bert_model_need_tokenizer(s->model, &local);
    int32_t *ids = NULL;
    if (tokenizer && targets_count &&
        !(ids = target_ids(tokenizer, targets, targets_count, &local)))
        tokenizer = NULL;
    job j = {.s = s, .tokenizer = tokenizer, .top_k = top_k};
    j.targets = ids;
    j.targets_count = targets_count;
    j.results = bert_results_new(s, sizeof(bert_fill_result));
    bert_windows p = {0};
    int rc = tokenizer ? bert_windows_pack(s, &p, text, 1, 0, &o, info, &local) : local.code;
    if (!rc) rc = fill_masks(&j, &p, &local);
    bert_windows_free(&p);
    free(ids);
    if (rc) return bert_fail(e, rc, "%s", local.message);
    *out = (const bert_fill_result *)(const void *)j.results.items;
    return j.results.count;
}
