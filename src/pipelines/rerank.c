/* bert_rerank: how well texts fit a query, by a cross-encoder. */
#include "base/error.h"
#include "models/problem.h"
#include "models/registry.h"
#include "models/torch_act.h"
#include "pipelines/pack.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double logistic(double x) {
    return 1 / (1 + exp(-x));
}

static double itself(double x) {
    return x;
}

/* What makes a score of a logit. */
static int choose(const bert_model *m, bert_scores scores, bert_torch_act **act, bert_error *e) {
    const int32_t labels = m->config.num_labels;
    if (!m->head.name || m->head.outputs != BERT_OUTPUT_LABELS)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s has no %s head (its head: %s)", m->path,
                         bert_head_name_of(BERT_OUTPUT_LABELS), bert_model_head(m));
    if (labels > 2)
        return bert_fail(e, BERT_EUNSUPPORTED, "%s has %d labels; a cross-encoder has one, or two",
                         m->path, labels);
    if ((unsigned)scores >= BERT_SCORES_COUNT || scores == BERT_SCORES_SOFTMAX)
        return bert_fail(e, BERT_EINVAL,
                         "the scores of a cross-encoder are default, none or sigmoid");
    const char *name = scores == BERT_SCORES_DEFAULT && labels == 1
                           ? bert_sentence_activation(&m->sentence, m->json)
                           : NULL;
    *act = name ? bert_torch_act_find(name) : scores == BERT_SCORES_NONE ? itself : logistic;
    if (*act) return 0;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s: the activation_fn \"%.100s\" is not one of torch's that this library "
                     "knows: choose the function to apply",
                     m->path, name);
}

static bert_text *make_pairs(const bert_text *query, const char *prompt, const bert_text *texts,
                             int32_t n, char **prompted, bert_error *e) {
    const size_t front = strlen(prompt), bytes = front + query->bytes;
    bert_text *pairs = calloc((size_t)n + 1, sizeof *pairs);
    *prompted = malloc(bytes + 1);
    if (!pairs || !*prompted) {
        bert_fail_memory(e, ((size_t)n + 1) * sizeof *pairs + bytes);
        free(pairs);
        return NULL;
    }
    memcpy(*prompted, prompt, front);
    if (query->bytes) memcpy(*prompted + front, query->text, query->bytes);
    for (int32_t i = 0; i < n; i++)
        pairs[i] = (bert_text){
            .text = *prompted, .bytes = bytes, .pair = texts[i].text, .pair_bytes = texts[i].bytes};
    return pairs;
}

static int classify(bert_session *s, const bert_text *pairs, int32_t n, const bert_text_options *o,
                    float *logits, bert_text_info *info, bert_error *e) {
    const int32_t labels = s->model->config.num_labels;
    float *both = calloc((size_t)n * (size_t)labels + 1, sizeof *both);
    if (!both) return bert_fail_memory(e, (size_t)n * (size_t)labels * sizeof *both);
    int rc = bert_classify(s, pairs, n, o, BERT_SCORES_NONE, both, info, e);
    for (int32_t i = 0; i < n && !rc; i++)
        logits[i] = labels == 1 ? both[i] : both[2 * i + 1] - both[2 * i];
    free(both);
    return rc;
}

int bert_rerank(bert_session *s, const bert_text *query, const bert_text *texts, int32_t n,
                const bert_text_options *options, bert_scores scores, float *out, float *logits,
                bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e) || bert_need(query, "query", e)) return BERT_EINVAL;
    if (!query->text) return bert_fail(e, BERT_EINVAL, "the query is NULL");
    const bert_text_options o = options ? *options : bert_text_default();
    bert_torch_act *act;
    const char *prompt = "";
    int rc = choose(s->model, scores, &act, e);
    /* The prompts of an encoder of sentences are not a cross-encoder's. */
    const bool asked = o.prompt || o.prompt_name;
    if (!rc && (asked || s->model->sentence.cross_encoder))
        rc = bert_task_prompt(s->model, &o, &prompt, e);
    char *prompted = NULL;
    bert_text *pairs = rc ? NULL : make_pairs(query, prompt, texts, n, &prompted, e);
    float *values = logits ? logits : out;
    if (pairs) rc = classify(s, pairs, n, &o, values, info, e);
    const bert_text_info *codes = o.keep_going ? info : NULL;
    for (int32_t i = 0; i < n && !rc && !e->code; i++)
        out[i] = codes && codes[i].code ? 0 : (float)act((double)values[i]);
    free(pairs);
    free(prompted);
    return rc ? rc : e->code;
}
