/* bert_embed: one vector a text. */
#include "base/arena.h"
#include "base/error.h"
#include "base/finite.h"
#include "tasks/pack.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

static int choose(const bert_model *m, const bert_task_options *o, bert_pooling *p, bool *normalize,
                  bert_error *e) {
    *p = o->pooling;
    bert_pooling own = bert_model_pooling(m, normalize);
    if (*p == BERT_POOLING_DEFAULT) {
        if (m->sentence.refused.code)
            return bert_fail(e, m->sentence.refused.code, "%s", m->sentence.refused.message);
        if (m->sentence.lowercase && m->tokenizer && !m->tokenizer->normalizer.lowercase)
            return bert_fail(
                e, BERT_EUNSUPPORTED,
                "%s/sentence_bert_config.json asks for lower case, which the tokenizer "
                "does not make and is not supported; choose a pooling yourself to do "
                "without it",
                m->path);
        *p = own;
    }
    if (o->normalize >= 0) *normalize = o->normalize;
    if (*p == BERT_POOLING_POOLER && !m->trunk.pooler.weight)
        return bert_fail(e, BERT_EINVAL, "%s has no pooler; use another pooling", m->path);
    return 0;
}

/* The vectors of the windows of a pack, in rows. Where only first tokens matter, only those leave
 * the last layer. */
static int embed_pack(bert_session *s, const bert_windows *p, bert_pooling pooling, float *rows,
                      bert_error *e) {
    const bert_inputs in = bert_windows_inputs(p);
    const int32_t dim = s->model->config.hidden_size;
    const bool pooler = pooling == BERT_POOLING_POOLER,
               first = pooler || pooling == BERT_POOLING_CLS;
    bert_outputs out;
    int rc = bert_session_run(
        s, &in, (first ? BERT_SKIP_HIDDEN : 0) | (pooler ? BERT_WANT_POOLER : 0), &out, e);
    if (rc) return rc;
    if (!first)
        return bert_pool(pooling, out.last_hidden_state, dim, p->start, p->windows, rows, e);
    memcpy(rows, pooler ? out.pooler_output : bert_session_first_rows(s),
           (size_t)p->windows * (size_t)dim * sizeof *rows);
    return 0;
}

int bert_embed(bert_session *s, const bert_text *texts, int32_t n, const bert_task_options *options,
               float *out, bert_text_info *info, bert_error *e) {
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    const bert_task_options o = options ? *options : bert_task_default();
    bert_pooling pooling;
    bool normalize;
    bert_error local = {0};
    int rc = choose(s->model, &o, &pooling, &normalize, &local);
    const int32_t dim = s->model->config.hidden_size;
    bert_windows p = {0};
    for (int32_t from = 0; from < n && !rc; from += p.texts) {
        rc = bert_windows_pack(s, &p, texts, n, from, &o, info, &local);
        if (rc) break;
        float *rows = bert_aligned_alloc((size_t)p.windows * (size_t)dim, sizeof *rows);
        rc = rows ? embed_pack(s, &p, pooling, rows, &local)
                  : bert_fail_memory(&local, (size_t)p.windows * (size_t)dim * sizeof *rows);
        float *vectors = out + (size_t)from * (size_t)dim;
        if (!rc) bert_windows_average(&p, rows, dim, vectors);
        if (!rc && !bert_finite(vectors, (size_t)p.texts * (size_t)dim))
            rc = bert_fail(&local, BERT_ENUMERIC, "the sum of the hidden states is not finite");
        if (!rc && normalize) bert_normalize(vectors, p.texts, dim);
        free(rows);
    }
    bert_windows_free(&p);
    return rc ? bert_fail(e, local.code, "%s", local.message) : 0;
}
