/* bert_choose and bert_zero_shot: one text, several candidates, a softmax over what the head says
 * of each pair. */
#include "base/error.h"
#include "cpu/host.h"
#include "tasks/pack.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* rows [n, cols]: what the head of that name says of each pair. */
static int score_pairs(bert_session *s, const bert_text *pairs, int32_t n, const char *head,
                       const bert_task_options *task, int32_t cols, float *rows,
                       bert_text_info *info, bert_error *e) {
    const bert_task_options o = task ? *task : bert_task_default();
    bert_windows p = {0};
    bert_error local = {0};
    int rc = 0;
    for (int32_t from = 0; from < n && !rc; from += p.texts) {
        bert_outputs out;
        rc = bert_windows_pack(s, &p, pairs, n, from, &o, info, &local);
        const bert_inputs in = bert_windows_inputs(&p);
        if (!rc) rc = bert_windows_logits(s, &in, head, &out, &local);
        if (!rc) bert_windows_average(&p, out.logits, cols, rows + (size_t)from * (size_t)cols);
    }
    bert_windows_free(&p);
    return rc ? bert_fail(e, rc, "%s", local.message) : 0;
}

int bert_choose(bert_session *s, const bert_text *prompt, const bert_text *endings, int32_t n,
                const bert_task_options *options, float *out, bert_text_info *info, bert_error *e) {
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    if (n < 1) return bert_fail(e, BERT_EINVAL, "there is nothing to choose from");
    bert_text *pairs = malloc((size_t)n * sizeof *pairs);
    if (!pairs) return bert_fail_memory(e, (size_t)n * sizeof *pairs);
    for (int32_t i = 0; i < n; i++)
        pairs[i] = (bert_text){.text = prompt->text,
                               .bytes = prompt->bytes,
                               .pair = endings[i].text,
                               .pair_bytes = endings[i].bytes};
    int rc = score_pairs(s, pairs, n, "multiple-choice", options, 1, out, info, e);
    if (!rc) bert_host_softmax(out, 1, n);
    free(pairs);
    return rc;
}

/* ---- Zero-shot */

static int32_t entailment_label(const bert_model *m) {
    for (int32_t i = 0; i < m->config.num_labels && bert_model_label(m, i); i++)
        if (!strncasecmp(bert_model_label(m, i), "entail", 6)) return i;
    return -1;
}

static char *hypothesis(const char *pattern, const char *label, bert_error *e) {
    const char *gap = strstr(pattern, "{}");
    if (!gap) {
        bert_fail(e, BERT_EINVAL, "the hypothesis template \"%.80s\" has no {} for the label",
                  pattern);
        return NULL;
    }
    size_t n = strlen(pattern) + strlen(label);
    char *text = malloc(n);
    if (!text) {
        bert_fail_memory(e, n);
        return NULL;
    }
    snprintf(text, n, "%.*s%s%s", (int)(gap - pattern), pattern, label, gap + 2);
    return text;
}

/* transformers' ZeroShotClassificationPipeline.postprocess. */
static void zero_shot_scores(const float *rows, int32_t cols, int32_t n, int32_t entail,
                             bool multi_label, float *out) {
    const int32_t against = entail == 0 ? cols - 1 : 0;
    for (int32_t i = 0; i < n; i++) {
        const float *row = rows + (size_t)i * (size_t)cols;
        out[i] = multi_label ? 1 / (1 + expf(row[against] - row[entail])) : row[entail];
    }
    if (!multi_label) bert_host_softmax(out, 1, n);
}

int bert_zero_shot(bert_session *s, const bert_text *text, const char *const *labels, int32_t n,
                   const bert_zero_shot_options *options, const bert_task_options *task, float *out,
                   bert_text_info *info, bert_error *e) {
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    const bert_zero_shot_options o = options ? *options : (bert_zero_shot_options){0};
    const char *pattern = o.hypothesis_template ? o.hypothesis_template : "This example is {}.";
    const int32_t cols = s->model->config.num_labels, entail = entailment_label(s->model);
    if (n < 1) return bert_fail(e, BERT_EINVAL, "there are no candidate labels");
    if (entail < 0 || cols < 2)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s has no label \"entailment\": zero-shot classification needs a "
                         "checkpoint trained on natural language inference",
                         s->model->path);
    bert_text *pairs = calloc((size_t)n, sizeof *pairs);
    float *rows = malloc((size_t)n * (size_t)cols * sizeof *rows);
    int rc = pairs && rows ? 0 : bert_fail_memory(e, (size_t)n * sizeof *pairs);
    for (int32_t i = 0; i < n && !rc; i++) {
        char *filled = hypothesis(pattern, labels[i], e);
        if (!filled) rc = BERT_EINVAL;
        pairs[i] = (bert_text){.text = text->text,
                               .bytes = text->bytes,
                               .pair = filled,
                               .pair_bytes = filled ? strlen(filled) : 0};
    }
    if (!rc) rc = score_pairs(s, pairs, n, "sequence-classification", task, cols, rows, info, e);
    if (!rc) zero_shot_scores(rows, cols, n, entail, o.multi_label || n == 1, out);
    for (int32_t i = 0; pairs && i < n; i++) free((void *)(uintptr_t)pairs[i].pair);
    free(pairs);
    free(rows);
    return rc;
}
