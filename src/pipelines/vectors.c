/* bert_embed_vectors: several kinds of vectors of a text in one pass. */
#include "pipelines/vectors.h"
#include "base/error.h"
#include "base/finite.h"
#include "models/registry.h"
#include "pipelines/embed.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned kind;
} kinds[] = {
    {"dense", BERT_VECTORS_DENSE}, {"sparse", BERT_VECTORS_SPARSE}, {"multi", BERT_VECTORS_MULTI}};
enum { KINDS = sizeof kinds / sizeof *kinds, ALL = 7 };

const char *bert_vectors_name(unsigned kind) {
    for (int i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind) return kinds[i].name;
    return "";
}

int bert_vectors_parse(const char *names, bert_error *e) {
    BERT_DOOR(e);
    unsigned found = 0;
    for (const char *at = names; at;) {
        const char *comma = strchr(at, ',');
        const size_t n = comma ? (size_t)(comma - at) : strlen(at);
        unsigned kind = 0;
        for (int i = 0; i < KINDS; i++)
            if (strlen(kinds[i].name) == n && !strncmp(kinds[i].name, at, n)) kind = kinds[i].kind;
        if (!kind)
            return bert_fail(e, BERT_EINVAL,
                             "there are no vectors \"%.40s\"; they are dense, sparse or multi, or "
                             "several of them with commas",
                             at);
        found |= kind;
        at = comma ? comma + 1 : NULL;
    }
    return (int)found;
}

int bert_side_parse(const char *name, bert_side *s, bert_error *e) {
    BERT_DOOR(e);
    static const char *const names[] = {"none", "query", "document"};
    for (int i = 0; i < BERT_SIDE_COUNT; i++)
        if (!strcmp(name, names[i])) {
            *s = (bert_side)i;
            return 0;
        }
    return bert_fail(e, BERT_EINVAL, "there is no side \"%.40s\"; it is query, document or none",
                     name);
}

/* ---- What a model makes */

static int refuse(const bert_model *m, const bert_error *why, bert_error *e) {
    return bert_fail(e, why->code, "%s: %s", m->path, why->message);
}

static int makes_sparse(const bert_model *m, bert_error *e) {
    const bert_sparse *s = &m->sentence.sparse;
    if (s->refused.code) return refuse(m, &s->refused, e);
    if (s->modules.n || (m->head.name && m->head.outputs == BERT_OUTPUT_WORDS)) return 0;
    return bert_fail(e, BERT_EUNSUPPORTED,
                     "%s makes no sparse vectors: it has neither a head of masked words (its head: "
                     "%s) nor sparse_linear.pt",
                     m->path, bert_model_head(m));
}

static int makes_multi(const bert_model *m, bert_error *e) {
    const bert_multi *h = &m->sentence.multi;
    int32_t size;
    if (!h->there)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "%s makes no vectors of tokens: it is neither of a MultiVectorEncoder or "
                         "PyLate's ColBERT (config_sentence_transformers.json) nor has "
                         "colbert_linear.pt; 'bert encode' gives the hidden states as they are",
                         m->path);
    if (h->refused.code) return refuse(m, &h->refused, e);
    return bert_modules_size(&h->modules, m->config.hidden_size, &size, e);
}

int bert_model_makes(const bert_model *m, unsigned kind, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(m, "model", e)) return BERT_EINVAL;
    if (kind == BERT_VECTORS_SPARSE) return makes_sparse(m, e);
    if (kind == BERT_VECTORS_MULTI) return makes_multi(m, e);
    if (kind != BERT_VECTORS_DENSE)
        return bert_fail(e, BERT_EINVAL, "%u is no kind of vectors", kind);
    return m->sentence.refused.code ? refuse(m, &m->sentence.refused, e) : 0;
}

/* ---- Modules of many rows */

typedef struct {
    const bert_modules *modules;
    const float *rows;
    float *out;
    int32_t n, dim, size;
    atomic_int code;
} row_job;

enum { ROWS = 16 };

static void apply_some(void *context, int begin, int end, int thread) {
    (void)thread;
    row_job *j = context;
    for (int i = begin; i < end; i++) {
        const int32_t at = i * ROWS, n = j->n - at < ROWS ? j->n - at : ROWS;
        bert_error quiet = {0};
        int rc = bert_modules_apply(j->modules, true, j->rows + (size_t)at * (size_t)j->dim, n,
                                    j->dim, j->out + (size_t)at * (size_t)j->size, &quiet);
        if (rc) atomic_store(&j->code, rc);
    }
}

int bert_vectors_apply(bert_session *s, const bert_modules *m, const float *rows, int32_t n,
                       float *out, bert_error *e) {
    row_job j = {
        .modules = m, .rows = rows, .out = out, .n = n, .dim = s->model->config.hidden_size};
    int rc = bert_modules_size(m, j.dim, &j.size, e);
    if (rc) return rc;
    bert_threads *threads = bert_session_threads(s);
    bert_threads_begin(threads, true);
    bert_threads_run(threads, (n + ROWS - 1) / ROWS, 1, apply_some, &j);
    bert_threads_end(threads);
    if (atomic_load(&j.code)) return bert_fail_memory(e, (size_t)j.size * sizeof *out);
    return bert_finite(out, (size_t)n * (size_t)j.size)
               ? 0
               : bert_fail(e, BERT_ENUMERIC, "what the modules of %s make is not finite",
                           s->model->path);
}

/* ---- The texts */

typedef struct {
    bert_session *s;
    unsigned kinds;
    bert_embed_plan dense;
    bert_sparse_job sparse;
    bert_multi_job multi;
    float *vectors;
} job;

static int run(void *context, const bert_windows *w, bert_error *e) {
    job *j = context;
    const bert_inputs in = bert_windows_inputs(w);
    const bool pooler = j->kinds & BERT_VECTORS_DENSE && j->dense.pooling[0] == BERT_POOLING_POOLER;
    bert_outputs out;
    int rc = bert_session_run_part(j->s, &in, pooler ? BERT_WANT_POOLER : 0, 0, &out, e);
    if (!rc && j->kinds & BERT_VECTORS_DENSE)
        rc = bert_embed_pack(j->s, w, &j->dense, &out, j->vectors, e);
    if (!rc && j->kinds & BERT_VECTORS_MULTI) rc = bert_multi_pack(&j->multi, w, &out, e);
    if (!rc && j->kinds & BERT_VECTORS_SPARSE) rc = bert_sparse_pack(&j->sparse, w, &out, e);
    return rc;
}

static int edit(void *context, bert_windows *p, bert_error *e) {
    job *j = context;
    return bert_multi_edit(&j->multi, p, e);
}

static int check(const bert_text_options *o, unsigned wanted, const float *dense, bert_error *e) {
    if (!wanted || wanted > ALL)
        return bert_fail(e, BERT_EINVAL, "%u are no kinds of vectors", wanted);
    if (wanted & BERT_VECTORS_DENSE && !dense)
        return bert_fail(e, BERT_EINVAL, "dense vectors: there is no place to put them");
    if ((unsigned)o->side >= BERT_SIDE_COUNT)
        return bert_fail(e, BERT_EINVAL, "there is no side %d", (int)o->side);
    if (o->skip_layers && wanted != BERT_VECTORS_DENSE)
        return bert_fail(e, BERT_EINVAL,
                         "sparse vectors and those of tokens are of the last layer");
    return 0;
}

/* The prompt that all kinds are made with. */
static int begin(job *j, bert_texts *t, bert_error *e) {
    bert_text_options *o = &t->options;
    int rc = 0;
    if (j->kinds & BERT_VECTORS_MULTI) {
        rc = bert_multi_begin(&j->multi, j->s, o, t->n, e);
        t->edit = edit;
    }
    if (!rc && j->kinds & BERT_VECTORS_SPARSE) rc = bert_sparse_begin(&j->sparse, j->s, o, t->n, e);
    if (!rc && j->kinds & BERT_VECTORS_DENSE) rc = bert_embed_plan_make(j->s, o, &j->dense, e);
    if (!rc) rc = bert_task_prompt(j->s->model, o, &t->prompt, e);
    return rc;
}

int bert_embed_vectors(bert_session *s, const bert_text *texts, int32_t n,
                       const bert_text_options *options, unsigned wanted, bert_vectors *v,
                       bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e) || bert_need(v, "place for vectors", e)) return BERT_EINVAL;
    job j = {.s = s, .kinds = wanted, .vectors = v->dense};
    bert_texts t = {.s = s,
                    .texts = texts,
                    .n = n,
                    .options = options ? *options : bert_text_default(),
                    .info = info,
                    .run = run,
                    .context = &j};
    bert_arena_reset(&s->results);
    t.lowers = bert_task_lowers(s->model);
    int rc = n < 0 ? bert_fail(e, BERT_EINVAL, "%d texts", (int)n)
                   : check(&t.options, wanted, v->dense, e);
    if (!rc) rc = begin(&j, &t, e);
    if (!rc) rc = bert_texts_run(&t, e);
    if (!rc && wanted & BERT_VECTORS_DENSE) bert_texts_clear(&t, v->dense, j.dense.size);
    v->sparse = rc ? NULL : j.sparse.out;
    v->multi = rc ? NULL : j.multi.out;
    v->sparse_size = s->model->config.vocab_size;
    v->multi_size = j.multi.size;
    bert_sparse_end(&j.sparse);
    bert_multi_end(&j.multi);
    return rc;
}

/* ---- A query and texts */

typedef struct {
    float *dense;
    bert_sparse_vector sparse;
    bert_multi_vector multi;
    int32_t *ids; /* what the lists point to */
    float *numbers;
} kept_query;

/* The session's results last until the texts are read. */
static int keep(kept_query *q, const bert_vectors *v, unsigned kind, bert_error *e) {
    const bool sparse = kind == BERT_VECTORS_SPARSE;
    const size_t n = sparse ? (size_t)v->sparse->n : (size_t)v->multi->n;
    const size_t numbers = sparse ? n : n * (size_t)v->multi_size;
    q->ids = malloc((n + 1) * sizeof *q->ids);
    q->numbers = malloc((numbers + 1) * sizeof *q->numbers);
    if (!q->ids || !q->numbers) return bert_fail_memory(e, numbers * sizeof *q->numbers);
    if (n) memcpy(q->ids, sparse ? v->sparse->ids : v->multi->ids, n * sizeof *q->ids);
    if (n)
        memcpy(q->numbers, sparse ? v->sparse->weights : v->multi->rows, numbers * sizeof(float));
    q->sparse = (bert_sparse_vector){(int32_t)n, q->ids, q->numbers};
    q->multi = (bert_multi_vector){(int32_t)n, q->ids, q->numbers};
    return 0;
}

static double score(const bert_model *m, const kept_query *q, const bert_vectors *v, int32_t i,
                    unsigned kind, int32_t dim) {
    if (kind == BERT_VECTORS_SPARSE) return bert_sparse_dot(&q->sparse, &v->sparse[i]);
    if (kind == BERT_VECTORS_MULTI) {
        const double sum = bert_max_sim(&q->multi, &v->multi[i], v->multi_size);
        return m->sentence.multi.mean && q->multi.n ? sum / q->multi.n : sum;
    }
    return bert_similarity_of(m->sentence.similarity, q->dense, v->dense + (size_t)i * (size_t)dim,
                              dim);
}

static int rerank(bert_session *s, const bert_text *query, const bert_text *texts, int32_t n,
                  const bert_text_options *o, unsigned kind, kept_query *q, bert_vectors *v,
                  float *out, bert_text_info *info, bert_error *e) {
    const int32_t dim = bert_model_embedding_size(s->model, o);
    bert_text_options as = *o;
    as.keep_going = false;
    as.side = BERT_SIDE_QUERY;
    v->dense = q->dense;
    int rc = bert_embed_vectors(s, query, 1, &as, kind, v, NULL, e);
    if (rc) bert_error_prefix(e, "the query: ");
    if (rc) return rc;
    if (kind != BERT_VECTORS_DENSE) rc = keep(q, v, kind, e);
    as.keep_going = o->keep_going;
    as.side = BERT_SIDE_DOCUMENT;
    as.prompt = as.prompt_name = NULL; /* which were the query's */
    v->dense = q->dense + dim;
    if (!rc) rc = bert_embed_vectors(s, texts, n, &as, kind, v, info, e);
    for (int32_t i = 0; i < n && !rc; i++)
        out[i] = o->keep_going && info[i].code ? 0 : (float)score(s->model, q, v, i, kind, dim);
    return rc;
}

int bert_rerank_vectors(bert_session *s, const bert_text *query, const bert_text *texts, int32_t n,
                        const bert_text_options *options, unsigned kind, float *out,
                        bert_text_info *info, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(s, "session", e) || bert_need(query, "query", e)) return BERT_EINVAL;
    if (!*bert_vectors_name(kind) || n < 0)
        return bert_fail(e, BERT_EINVAL, "%d texts by vectors of kind %u", (int)n, kind);
    const bert_text_options o = options ? *options : bert_text_default();
    const size_t size = (size_t)bert_model_embedding_size(s->model, &o);
    kept_query q = {.dense = calloc(((size_t)n + 1) * size, sizeof(float))};
    bert_vectors v = {0};
    int rc = q.dense ? rerank(s, query, texts, n, &o, kind, &q, &v, out, info, e)
                     : bert_fail_memory(e, ((size_t)n + 1) * size * sizeof(float));
    free(q.dense);
    free(q.ids);
    free(q.numbers);
    return rc;
}
