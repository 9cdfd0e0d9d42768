/* bert_classify: scores of a sequence classification head. */
#include "base/error.h"
#include "pipelines/texts.h"

typedef struct {
    bert_session *s;
    bert_scores scores;
    float *out;
} job;

static int run(void *context, const bert_windows *p, bert_error *e) {
    const job *j = context;
    const bert_model *m = j->s->model;
    const bert_inputs in = bert_windows_inputs(p);
    const int32_t labels = m->config.num_labels;
    float *rows = j->out + (size_t)p->first * (size_t)labels;
    bert_outputs o;
    int rc = bert_session_run(j->s, &in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, e);
    if (rc) return rc;
    if (!o.logits || o.logit_rows != p->windows || o.logit_cols != labels)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "the head of %s (%s) does not give one row of %d scores a text; train or "
                         "open a sequence-classification head",
                         m->path, bert_model_head(m), labels);
    bert_windows_average(p, o.logits, labels, rows);
    bert_scores_apply(j->scores, &m->config, rows, p->texts);
    return 0;
}

int bert_classify(bert_session *s, const bert_text *texts, int32_t n,
                  const bert_text_options *options, bert_scores scores, float *out,
                  bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    if ((unsigned)scores >= BERT_SCORES_COUNT)
        return bert_fail(e, BERT_EINVAL, "there is no function %d of scores", (int)scores);
    job j = {.s = s, .scores = scores, .out = out};
    bert_texts t = {.s = s,
                    .texts = texts,
                    .n = n,
                    .options = options ? *options : bert_text_default(),
                    .info = info,
                    .run = run,
                    .context = &j};
    bert_arena_reset(&s->results);
    int rc = bert_texts_run(&t, e);
    if (!rc) bert_texts_clear(&t, out, s->model->config.num_labels);
    return rc;
}
