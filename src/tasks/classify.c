/* bert_classify: scores of a sequence classification head. */
#include "base/error.h"
#include "tasks/pack.h"

static int scores_of_pack(bert_session *s, const bert_windows *p, float *out, bert_error *e) {
    const bert_inputs in = bert_windows_inputs(p);
    const int32_t labels = s->model->config.num_labels;
    bert_outputs o;
    int rc = bert_session_run(s, &in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, e);
    if (rc) return rc;
    if (!o.logits || o.logit_rows != p->windows || o.logit_cols != labels)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "the head of %s (%s) does not give one row of %d scores a text; train or "
                         "open a sequence-classification head",
                         s->model->path, bert_model_head(s->model), labels);
    bert_windows_average(p, o.logits, labels, out);
    return 0;
}

int bert_classify(bert_session *s, const bert_text *texts, int32_t n,
                  const bert_task_options *options, bert_scores scores, float *out,
                  bert_text_info *info, bert_error *e) {
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    if ((unsigned)scores >= BERT_SCORES_COUNT)
        return bert_fail(e, BERT_EINVAL, "there is no function %d of scores", (int)scores);
    const bert_task_options o = options ? *options : bert_task_default();
    const int32_t labels = s->model->config.num_labels;
    bert_error local = {0};
    bert_windows p = {0};
    int rc = 0;
    for (int32_t from = 0; from < n && !rc; from += p.texts) {
        float *rows = out + (size_t)from * (size_t)labels;
        rc = bert_windows_pack(s, &p, texts, n, from, &o, info, &local);
        if (!rc) rc = scores_of_pack(s, &p, rows, &local);
        if (!rc) bert_scores_apply(scores, &s->model->config, rows, p.texts);
    }
    bert_windows_free(&p);
    return rc ? bert_fail(e, local.code, "%s", local.message) : 0;
}
