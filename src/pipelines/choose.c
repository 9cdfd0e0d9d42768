/* bert_choose and bert_zero_shot, and their batches: one text, several candidates, a softmax over
 * what the head says of each pair. */
#include "base/error.h"
#include "cpu/host.h"
#include "pipelines/texts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Pairs of a text and a candidate, those of a text side by side */

typedef struct {
    bert_session *s;
    bert_output_kind outputs; /* of the head */
    int32_t cols;
    float *rows; /* [pairs, cols]: what the head says of each */
} job;

static int run(void *context, const bert_windows *p, bert_error *e) {
    const job *j = context;
    const bert_inputs in = bert_windows_inputs(p);
    bert_outputs out;
    int rc = bert_windows_logits(j->s, &in, j->outputs, &out, e);
    if (!rc)
        bert_windows_average(p, out.logits, j->cols, j->rows + (size_t)p->first * (size_t)j->cols);
    return rc;
}

static int score_pairs(job *j, const bert_text *pairs, int32_t n, int32_t alike,
                       const bert_text_options *options, bert_text_info *info, bert_error *e) {
    bert_texts t = {.s = j->s,
                    .texts = pairs,
                    .n = n,
                    .options = options ? *options : bert_text_default(),
                    .info = info,
                    .run = run,
                    .context = j,
                    .alike = alike};
    bert_arena_reset(&j->s->results);
    int rc = bert_texts_run(&t, e);
    return rc;
}

/* A text of which a pair has failed has failed: all its pairs say so, and its scores are zeros. */
static bool one_failed(bert_text_info *info, int32_t n, float *out) {
    int32_t failed = 0;
    while (failed < n && !(info && info[failed].code)) failed++;
    if (failed == n) return false;
    for (int32_t i = 0; i < n; i++) {
        info[i] = (bert_text_info){.code = info[failed].code, .message = info[failed].message};
        out[i] = 0;
    }
    return true;
}

/* ---- Multiple choice */

int bert_choose_batch(bert_session *s, const bert_text *prompts, int32_t n,
                      const bert_text *endings, const int32_t *start,
                      const bert_text_options *options, float *out, bert_text_info *info,
                      bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    for (int32_t i = 0; i < n; i++)
        if (start[i + 1] <= start[i])
            return bert_fail(e, BERT_EINVAL, "there is nothing to choose from");
    const size_t count = n > 0 ? (size_t)start[n] : 0;
    bert_text *pairs = malloc((count + 1) * sizeof *pairs);
    if (!pairs) return bert_fail_memory(e, count * sizeof *pairs);
    for (int32_t i = 0; i < n; i++)
        for (int32_t k = start[i]; k < start[i + 1]; k++)
            pairs[k] = (bert_text){.text = prompts[i].text,
                                   .bytes = prompts[i].bytes,
                                   .pair = endings[k].text,
                                   .pair_bytes = endings[k].bytes};
    job j = {.s = s, .outputs = BERT_OUTPUT_CHOICE, .cols = 1, .rows = out};
    int rc = score_pairs(&j, pairs, (int32_t)count, 1, options, info, e);
    for (int32_t i = 0; i < n && !rc; i++) {
        const int32_t first = start[i], some = start[i + 1] - first;
        if (!one_failed(options && options->keep_going ? info + first : NULL, some, out + first))
            bert_host_softmax(out + first, 1, some);
    }
    free(pairs);
    return rc;
}

int bert_choose(bert_session *s, const bert_text *prompt, const bert_text *endings, int32_t n,
                const bert_text_options *options, float *out, bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    const int32_t start[] = {0, n};
    return bert_choose_batch(s, prompt, 1, endings, start, options, out, info, e);
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

/* Of n labels, the hypotheses; to be freed by free_hypotheses in any case. */
static char **hypotheses(const char *pattern, const char *const *labels, int32_t n, bert_error *e) {
    char **list = calloc((size_t)n, sizeof *list);
    if (!list) bert_fail_memory(e, (size_t)n * sizeof *list);
    for (int32_t i = 0; list && i < n; i++)
        if (!(list[i] = hypothesis(pattern, labels[i], e))) break;
    return list;
}

static void free_hypotheses(char **list, int32_t n) {
    for (int32_t i = 0; list && i < n; i++) free(list[i]);
    free(list);
}

static int check_zero_shot(const bert_model *m, int32_t entail, int32_t labels, bert_error *e) {
    if (labels < 1) return bert_fail(e, BERT_EINVAL, "there are no candidate labels");
    if (entail < 0 || m->config.num_labels < 2)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s has no label \"entailment\": zero-shot classification needs a "
                         "checkpoint trained on natural language inference",
                         m->path);
    return 0;
}

/* Each text with each hypothesis. */
static bert_text *make_pairs(const bert_text *texts, int32_t n, char **hypothesis, int32_t labels,
                             bert_error *e) {
    const size_t count = (size_t)n * (size_t)labels;
    bert_text *pairs = count < INT32_MAX ? malloc((count + 1) * sizeof *pairs) : NULL;
    if (count >= INT32_MAX)
        bert_fail(e, BERT_EINVAL, "%d texts with %d labels are too many pairs", n, labels);
    else if (!pairs)
        bert_fail_memory(e, count * sizeof *pairs);
    for (size_t k = 0; pairs && k < count; k++) {
        const bert_text *t = &texts[k / (size_t)labels];
        const char *said = hypothesis[k % (size_t)labels];
        pairs[k] = (bert_text){
            .text = t->text, .bytes = t->bytes, .pair = said, .pair_bytes = strlen(said)};
    }
    return pairs;
}

static int zero_shot(job *j, const bert_text *texts, int32_t n, char **said, int32_t labels,
                     const bert_text_options *task, bert_text_info *info, bert_error *e) {
    const size_t rows = (size_t)n * (size_t)labels * (size_t)j->cols;
    bert_text *pairs = make_pairs(texts, n, said, labels, e);
    j->rows = pairs ? malloc((rows + 1) * sizeof *j->rows) : NULL;
    int rc = j->rows ? 0 : bert_fail_memory(e, rows * sizeof *j->rows);
    if (!rc) rc = score_pairs(j, pairs, n * labels, labels, task, info, e);
    free(pairs);
    return rc;
}

int bert_zero_shot_batch(bert_session *s, const bert_text *texts, int32_t n,
                         const char *const *labels, int32_t labels_count,
                         const bert_zero_shot_options *options, const bert_text_options *task,
                         float *out, bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    const bert_zero_shot_options o = options ? *options : (bert_zero_shot_options){0};
    const char *pattern = o.hypothesis_template ? o.hypothesis_template : "This example is {}.";
    const int32_t entail = entailment_label(s->model), several = labels_count;
    job j = {.s = s, .outputs = BERT_OUTPUT_LABELS, .cols = s->model->config.num_labels};
    int rc = check_zero_shot(s->model, entail, labels_count, e);
    char **said = rc ? NULL : hypotheses(pattern, labels, labels_count, e);
    if (!e->code && n > 0) zero_shot(&j, texts, n, said, labels_count, task, info, e);
    for (int32_t i = 0; i < n && !e->code; i++) {
        const size_t first = (size_t)i * (size_t)several;
        if (!one_failed(task && task->keep_going ? info + first : NULL, several, out + first))
            zero_shot_scores(j.rows + first * (size_t)j.cols, j.cols, several, entail,
                             o.multi_label || several == 1, out + first);
    }
    free_hypotheses(said, labels_count);
    free(j.rows);
    return e->code;
}

int bert_zero_shot(bert_session *s, const bert_text *text, const char *const *labels, int32_t n,
                   const bert_zero_shot_options *options, const bert_text_options *task, float *out,
                   bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    return bert_zero_shot_batch(s, text, 1, labels, n, options, task, out, info, e);
}
