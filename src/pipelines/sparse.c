/* Sparse vectors: a weight for words of the vocabulary. */
#include "base/error.h"
#include "pipelines/vectors.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_TOKENS = 256 }; /* whose logits are there at once */

int bert_sparse_begin(bert_sparse_job *j, bert_session *s, const bert_text_options *o, int32_t n,
                      bert_error *e) {
    const bert_model *m = s->model;
    const size_t words = (size_t)m->config.vocab_size;
    *j = (bert_sparse_job){.s = s, .how = &m->sentence.sparse};
    if (o->max_active < 0) return bert_fail(e, BERT_EINVAL, "max_active is %d", (int)o->max_active);
    j->max_active = o->max_active ? o->max_active : j->how->max_active;
    int rc = bert_model_makes(m, BERT_VECTORS_SPARSE, e);
    if (rc) return rc;
    j->sums = calloc(2 * words, sizeof *j->sums);
    j->out = bert_arena_calloc(&s->results, ((size_t)n + 1) * sizeof *j->out);
    return j->sums && j->out ? 0 : bert_fail_memory(e, words * sizeof *j->sums);
}

void bert_sparse_end(bert_sparse_job *j) {
    free(j->sums);
}

/* ---- From a text's sums to its vector */

static int falling(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The weight that the most-th largest of n has; room [n]. */
static float least_kept(const float *weights, int32_t n, int32_t most, float *room) {
    memcpy(room, weights, (size_t)n * sizeof *room);
    qsort(room, (size_t)n, sizeof *room, falling);
    return room[most - 1];
}

static int32_t keep_largest(int32_t *ids, float *weights, int32_t n, int32_t most, float *room) {
    if (!most || n <= most) return n;
    const float least = least_kept(weights, n, most, room);
    int32_t larger = 0, kept = 0;
    for (int32_t i = 0; i < n; i++) larger += weights[i] > least;
    for (int32_t i = 0, equal = most - larger; i < n; i++) {
        if (!(weights[i] > least) && (weights[i] < least || equal-- <= 0)) continue;
        ids[kept] = ids[i];
        weights[kept++] = weights[i];
    }
    return kept;
}

/* The sums become the vector of text i of all, and are zero again. */
static int put_vector(bert_sparse_job *j, int32_t i, bert_error *e) {
    const int32_t words = j->s->model->config.vocab_size;
    const bool log_of_sums = !j->how->modules.n && !j->how->sum;
    int32_t n = 0;
    for (int32_t id = 0; id < words; id++) n += j->sums[id] > 0;
    int32_t *ids = bert_arena_alloc(&j->s->results, ((size_t)n + 1) * sizeof *ids);
    float *weights = bert_arena_alloc(&j->s->results, ((size_t)n + 1) * sizeof *weights);
    if (!ids || !weights) return bert_fail_memory(e, (size_t)n * sizeof *ids);
    n = 0;
    for (int32_t id = 0; id < words; id++) {
        float x = j->sums[id];
        if (!(x > 0)) continue;
        if (log_of_sums) x = log1pf(x);
        if (log_of_sums && j->how->twice) x = log1pf(x);
        ids[n] = id;
        weights[n] = x;
        n += x > 0;
    }
    n = keep_largest(ids, weights, n, j->max_active, j->sums + words);
    j->out[i] = (bert_sparse_vector){n, ids, weights};
    memset(j->sums, 0, (size_t)words * sizeof *j->sums);
    return 0;
}

/* ---- SPLADE: log(1 + relu) of the logits of masked words, the largest of all tokens, or their sum */

static void add_logits(const bert_sparse_job *j, const float *x, int32_t words) {
    float *sums = j->sums;
    if (!j->how->sum) { /* the logarithm rises: it is taken of the largest */
        for (int32_t i = 0; i < words; i++) sums[i] = x[i] > sums[i] ? x[i] : sums[i];
        return;
    }
    for (int32_t i = 0; i < words; i++) {
        if (!(x[i] > 0)) continue;
        const float once = log1pf(x[i]);
        sums[i] += j->how->twice ? log1pf(once) : once;
    }
}

static int read_logits(bert_sparse_job *j, const bert_windows *w, bert_error *e) {
    const int32_t all = w->start[w->windows], words = j->s->model->config.vocab_size;
    int32_t tokens[HEAD_TOKENS], window = 0;
    bert_inputs in = bert_windows_inputs(w);
    in.logit_tokens = tokens;
    for (int32_t at = 0; at < all; at += in.logit_tokens_count) {
        in.logit_tokens_count = all - at < HEAD_TOKENS ? all - at : HEAD_TOKENS;
        for (int32_t i = 0; i < in.logit_tokens_count; i++) tokens[i] = at + i;
        bert_outputs out = {0};
        int rc = bert_session_logits(j->s, &in, &out, e);
        for (int32_t i = 0; i < in.logit_tokens_count && !rc; i++) {
            add_logits(j, out.logits + (size_t)i * (size_t)out.logit_cols, words);
            if (at + i + 1 < w->start[window + 1]) continue;
            const int32_t text = w->text[window++];
            if (window == w->windows || w->text[window] != text)
                rc = put_vector(j, w->first + text, e);
        }
        if (rc) return rc;
    }
    return 0;
}

/* ---- bge-m3: each token weighs its own id, [CLS] and the like nothing */

static int read_weights(bert_sparse_job *j, const bert_windows *w, const float *hidden,
                        bert_error *e) {
    const bert_special_ids none = bert_tokenizer_special(j->s->model->tokenizer);
    const size_t tokens = (size_t)w->start[w->windows];
    float *weights = malloc(tokens * sizeof *weights);
    int rc = weights ? bert_vectors_apply(j->s, &j->how->modules, hidden, w->start[w->windows],
                                          weights, e)
                     : bert_fail_memory(e, tokens * sizeof *weights);
    for (int32_t i = 0; i < w->windows && !rc; i++) {
        for (int32_t k = w->start[i]; k < w->start[i + 1]; k++) {
            const int32_t id = w->ids[k];
            if (id == none.cls || id == none.sep || id == none.pad || id == none.unk) continue;
            if (weights[k] > j->sums[id]) j->sums[id] = weights[k];
        }
        if (i + 1 == w->windows || w->text[i + 1] != w->text[i])
            rc = put_vector(j, w->first + w->text[i], e);
    }
    free(weights);
    return rc;
}

int bert_sparse_pack(bert_sparse_job *j, const bert_windows *w, const bert_outputs *out,
                     bert_error *e) {
    memset(j->sums, 0, (size_t)j->s->model->config.vocab_size * sizeof *j->sums);
    return j->how->modules.n ? read_weights(j, w, out->last_hidden_state, e) : read_logits(j, w, e);
}

double bert_sparse_dot(const bert_sparse_vector *a, const bert_sparse_vector *b) {
    double sum = 0;
    for (int32_t i = 0, k = 0; i < a->n && k < b->n;) {
        if (a->ids[i] == b->ids[k])
            sum += (double)a->weights[i++] * (double)b->weights[k++];
        else if (a->ids[i] < b->ids[k])
            i++;
        else
            k++;
    }
    return sum;
}
