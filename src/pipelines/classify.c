/* bert_classify: scores of a sequence classification head. */
#include "base/error.h"
#include "pipelines/texts.h"
#include "recipe/recipe.h"
#include <string.h>

typedef struct {
    bert_session *s;
    bert_scores scores;
    float *out;
    int32_t number; /* of the first text, in messages */
} job;

static int run(void *context, const bert_windows *p, bert_error *e) {
    const job *j = context;
    const bert_model *m = j->s->model;
    const bert_inputs in = bert_windows_inputs(p);
    const int32_t labels = m->config.num_labels, views = bert_model_views(m);
    float *rows = j->out + (size_t)(p->first / views) * (size_t)labels;
    bert_outputs o;
    int rc = bert_session_run(j->s, &in, BERT_WANT_LOGITS | BERT_SKIP_HIDDEN, &o, e);
    if (rc) return rc;
    if (!o.logits || o.logit_rows * views != p->windows || o.logit_cols != labels)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "the head of %s (%s) does not give one row of %d scores a text; train or "
                         "open a sequence-classification head",
                         m->path, bert_model_head(m), labels);
    if (views == 1)
        bert_windows_average(p, o.logits, labels, rows);
    else
        memcpy(rows, o.logits, (size_t)o.logit_rows * (size_t)labels * sizeof *rows);
    bert_scores_apply(bert_recipe_scores(m->recipe, j->scores), &m->config, rows, p->texts / views);
    return 0;
}

static int classify(job *j, const bert_text *texts, int32_t n, const bert_text_options *options,
                    bert_text_info *info, bert_error *e) {
    const bert_model *m = j->s->model;
    const int32_t views = bert_model_views(m);
    bert_texts t = {.s = j->s,
                    .texts = texts,
                    .n = n * views,
                    .options = *options,
                    .info = info,
                    .run = run,
                    .context = j,
                    .row = views,
                    .number = j->number};
    int rc = bert_texts_run(&t, e);
    if (!rc && views == 1) bert_texts_clear(&t, j->out, m->config.num_labels);
    return rc;
}

/* Row by row: one of which a view fails has failed. */
static int classify_each(const job *all, const bert_text *texts, int32_t n,
                         const bert_text_options *options, bert_text_info *info, bert_error *e) {
    const int32_t views = bert_model_views(all->s->model),
                  labels = all->s->model->config.num_labels;
    bert_text_options o = *options;
    int rc = 0;
    o.keep_going = false;
    for (int32_t i = 0; i < n && !rc; i++) {
        job one = *all;
        bert_error why = {0};
        bert_text_info *of = info + (size_t)i * (size_t)views;
        one.out += (size_t)i * (size_t)labels;
        one.number = i * views;
        rc = classify(&one, texts + (size_t)i * (size_t)views, 1, &o, of, &why);
        const char *message =
            rc && bert_code_of_a_text(rc) ? bert_arena_strdup(&all->s->results, why.message) : NULL;
        if (rc && !message) return bert_fail(e, why.code, "%s", why.message);
        for (int32_t v = 0; v < views && rc; v++)
            of[v] = (bert_text_info){.code = rc, .message = message};
        if (rc) memset(one.out, 0, (size_t)labels * sizeof *one.out);
        rc = 0;
    }
    return rc;
}

int bert_classify(bert_session *s, const bert_text *texts, int32_t n,
                  const bert_text_options *options, bert_scores scores, float *out,
                  bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    if ((unsigned)scores >= BERT_SCORES_COUNT)
        return bert_fail(e, BERT_EINVAL, "there is no function %d of scores", (int)scores);
    const bert_text_options o = options ? *options : bert_text_default();
    const bool views = bert_model_views(s->model) > 1;
    job j = {.s = s, .scores = scores, .out = out};
    if (views && o.overflow == BERT_OVERFLOW_WINDOW)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "texts that are views of a row are not read in windows: choose to "
                         "truncate long ones, or to refuse them");
    if (views && o.keep_going && !info)
        return bert_fail(e, BERT_EINVAL, "keep_going: there is no info to say which texts failed");
    bert_arena_reset(&s->results);
    if (!views || !o.keep_going) return classify(&j, texts, n, &o, info, e);
    bert_text_options all = o;
    bert_error why = {0};
    all.keep_going = false;
    const int rc = classify(&j, texts, n, &all, info, &why);
    if (rc && bert_code_of_a_text(rc)) return classify_each(&j, texts, n, &o, info, e);
    return rc ? bert_fail(e, rc, "%s", why.message) : 0;
}
