/* bert_embed: one vector a text. */
#include "pipelines/embed.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/finite.h"
#include "models/pooling.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* Nothing is passed over that sentence-transformers would do, unless somebody says so. */
static int check_refused(const bert_model *m, bert_error *e) {
    const bert_error *refused = &m->sentence.refused;
    if (refused->code)
        return bert_fail(e, refused->code,
                         "%s; choose a pooling yourself (--pooling) to do without",
                         refused->message);
    return 0;
}

static void choose_poolings(const bert_model *m, const bert_text_options *o, bert_embed_plan *p) {
    p->pooling[0] = o->pooling;
    p->poolings = 1;
    if (o->pooling == BERT_POOLING_DEFAULT) {
        p->poolings = bert_model_poolings(m, p->pooling);
        return;
    }
    for (int i = 0; i < BERT_MAX_POOLINGS - 1 && o->joined[i] != BERT_POOLING_DEFAULT; i++)
        p->pooling[p->poolings++] = o->joined[i];
}

static void choose_normalize(const bert_model *m, const bert_text_options *o, bert_embed_plan *p) {
    p->modules = !m->sentence.refused.code;
    p->normalize = o->normalize != 0;
    p->normalize_last =
        o->normalize > 0 || (o->normalize < 0 && !p->modules && m->sentence.normalize);
}

/* Sizes of the vectors, whether or not there is something wrong. */
static void lay_out(const bert_model *m, const bert_text_options *o, bert_embed_plan *p) {
    *p = (bert_embed_plan){.skip_layers = o->skip_layers};
    choose_poolings(m, o, p);
    choose_normalize(m, o, p);
    p->pooled = p->made = m->config.hidden_size * p->poolings;
    if (p->modules && bert_modules_size(&m->sentence.modules, p->pooled, &p->made, NULL))
        p->made = p->pooled;
    const int32_t most = o->dimensions ? o->dimensions : m->sentence.truncate_dim;
    p->size = most > 0 && most < p->made ? most : p->made;
}

static int check_sizes(const bert_model *m, const bert_text_options *o, const bert_embed_plan *p,
                       bert_error *e) {
    int32_t made;
    int rc = p->modules ? bert_modules_size(&m->sentence.modules, p->pooled, &made, e) : 0;
    if (!rc && (o->dimensions < 0 || o->dimensions > p->made))
        rc = bert_fail(e, BERT_EINVAL, "%d dimensions: the vectors of %s have %d", o->dimensions,
                       m->path, p->made);
    if (!rc && (o->skip_layers < 0 || o->skip_layers > m->config.num_hidden_layers))
        rc = bert_fail(e, BERT_EINVAL, "%d layers cannot be left out: %s has %d", o->skip_layers,
                       m->path, m->config.num_hidden_layers);
    return rc;
}

static int check_pooler(const bert_model *m, const bert_embed_plan *p, bert_error *e) {
    if (p->pooling[0] != BERT_POOLING_POOLER) return 0;
    if (p->poolings > 1) return bert_fail(e, BERT_EINVAL, "the pooling \"pooler\" stands alone");
    if (p->skip_layers) return bert_fail(e, BERT_EINVAL, "the pooler is of the last layer");
    if (m->trunk.pooler.weight) return 0;
    return bert_fail(e, BERT_EINVAL, "%s has no pooler; use another pooling", m->path);
}

int bert_embed_plan_make(bert_session *s, const bert_text_options *o, bert_embed_plan *p,
                         bert_error *e) {
    const bert_model *m = s->model;
    lay_out(m, o, p);
    int rc = o->pooling == BERT_POOLING_DEFAULT ? check_refused(m, e) : 0;
    if (!rc) rc = check_sizes(m, o, p, e);
    if (!rc) rc = check_pooler(m, p, e);
    if (!rc) rc = bert_task_prompt(m, o, &p->prompt, e);
    if (!rc && m->sentence.leave_out_prompt)
        rc = bert_task_prompt_tokens(s, o, p->prompt, &p->prompt_tokens, e);
    const bool cls = p->pooling[0] == BERT_POOLING_CLS && !p->prompt_tokens &&
                     p->skip_layers < m->config.num_hidden_layers;
    p->first = p->poolings == 1 && (cls || p->pooling[0] == BERT_POOLING_POOLER);
    return rc;
}

int32_t bert_model_embedding_size(const bert_model *m, const bert_text_options *options) {
    if (!m) return 0;
    const bert_text_options o = options ? *options : bert_text_default();
    bert_embed_plan p;
    lay_out(m, &o, &p);
    return p.size;
}

/* ---- A pack of texts */

/* The prompt is at the front of the first window of each text. */
static int pool(const bert_windows *w, const bert_embed_plan *p, const float *hidden, int32_t dim,
                float *rows, bert_error *e) {
    int32_t *skip = p->prompt_tokens ? calloc((size_t)w->windows, sizeof *skip) : NULL;
    if (p->prompt_tokens && !skip) return bert_fail_memory(e, (size_t)w->windows * sizeof *skip);
    for (int32_t i = 0; skip && i < w->windows; i++)
        if (!i || w->text[i] != w->text[i - 1]) skip[i] = p->prompt_tokens;
    int rc =
        bert_pool_joined(p->pooling, p->poolings, hidden, dim, w->start, skip, w->windows, rows, e);
    free(skip);
    return rc;
}

/* The pooled vectors of the windows of a pack, in rows. Where only first tokens matter, only those
 * leave the last layer. */
static int run_and_pool(bert_session *s, const bert_windows *w, const bert_embed_plan *p,
                        float *rows, bert_error *e) {
    const bert_inputs in = bert_windows_inputs(w);
    const int32_t dim = s->model->config.hidden_size;
    const bool pooler = p->pooling[0] == BERT_POOLING_POOLER;
    bert_outputs out;
    int rc = bert_session_run_part(
        s, &in, (p->first ? BERT_SKIP_HIDDEN : 0) | (pooler ? BERT_WANT_POOLER : 0), p->skip_layers,
        &out, e);
    if (rc) return rc;
    if (!p->first) return pool(w, p, out.last_hidden_state, dim, rows, e);
    memcpy(rows, pooler ? out.pooler_output : bert_session_first_rows(s),
           (size_t)w->windows * (size_t)dim * sizeof *rows);
    return 0;
}

static int pool_pack(bert_session *s, const bert_windows *w, const bert_embed_plan *p,
                     const bert_outputs *out, float *rows, bert_error *e) {
    const int32_t dim = s->model->config.hidden_size;
    if (!out) return run_and_pool(s, w, p, rows, e);
    if (p->pooling[0] != BERT_POOLING_POOLER)
        return pool(w, p, out->last_hidden_state, dim, rows, e);
    memcpy(rows, out->pooler_output, (size_t)w->windows * (size_t)dim * sizeof *rows);
    return 0;
}

/* What the modules make of the texts' pooled vectors, as it is written. */
static int finish(const bert_model *m, const bert_embed_plan *p, const float *pooled, int32_t n,
                  float *made, float *out, bert_error *e) {
    static const bert_modules none = {.n = 0};
    const size_t size = (size_t)p->size, from = (size_t)p->made;
    int rc = bert_modules_apply(p->modules ? &m->sentence.modules : &none, p->normalize, pooled, n,
                                p->pooled, made, e);
    for (size_t i = 0; i < (size_t)n && !rc; i++)
        memcpy(out + i * size, made + i * from, size * sizeof *out);
    if (!rc && !bert_finite(out, (size_t)n * size))
        rc = bert_fail(e, BERT_ENUMERIC, "what the modules of %s make is not finite", m->path);
    if (!rc && p->normalize_last) bert_normalize(out, n, p->size);
    return rc;
}

int bert_embed_pack(bert_session *s, const bert_windows *w, const bert_embed_plan *p,
                    const bert_outputs *run, float *all_vectors, bert_error *e) {
    const size_t pooled = (size_t)p->pooled, texts = (size_t)w->texts;
    const size_t windows = (size_t)w->windows;
    const size_t all = (windows + texts) * pooled + texts * (size_t)p->made;
    float *rows = bert_aligned_alloc(all, sizeof *rows);
    if (!rows) return bert_fail_memory(e, all * sizeof *rows);
    float *vectors = rows + windows * pooled;
    float *out = all_vectors + (size_t)w->first * (size_t)p->size;
    int rc = pool_pack(s, w, p, run, rows, e);
    if (!rc) bert_windows_average(w, rows, p->pooled, vectors);
    if (!rc && !bert_finite(vectors, texts * pooled))
        rc = bert_fail(e, BERT_ENUMERIC, "the sum of the hidden states is not finite");
    if (!rc) rc = finish(s->model, p, vectors, w->texts, vectors + texts * pooled, out, e);
    free(rows);
    return rc;
}

typedef struct {
    bert_session *s;
    bert_embed_plan plan;
    float *out;
} job;

static int run(void *context, const bert_windows *w, bert_error *e) {
    const job *j = context;
    return bert_embed_pack(j->s, w, &j->plan, NULL, j->out, e);
}

int bert_embed(bert_session *s, const bert_text *texts, int32_t n, const bert_text_options *options,
               float *out, bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    job j = {.s = s, .out = out};
    bert_texts t = {.s = s,
                    .texts = texts,
                    .n = n,
                    .options = options ? *options : bert_text_default(),
                    .info = info,
                    .run = run,
                    .context = &j};
    bert_arena_reset(&s->results);
    int rc = bert_embed_plan_make(s, &t.options, &j.plan, e);
    t.prompt = j.plan.prompt;
    t.lowers = bert_task_lowers(s->model);
    if (!rc) rc = bert_texts_run(&t, e);
    if (!rc) bert_texts_clear(&t, out, j.plan.size);
    return rc;
}
