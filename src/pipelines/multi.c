/* A vector for each token. */
#include "base/error.h"
#include "cpu/host.h"
#include "pipelines/vectors.h"
#include <stdlib.h>
#include <string.h>

/* ---- What the checkpoint says comes to */

/* Whether a prompt begins with a token of the vocabulary, as a whole or by its first word; how long it
 * is. As text it would fall into pieces. */
static int32_t token_in_front(const bert_tokenizer *t, const char *prompt, const char *marker,
                              size_t *bytes) {
    const size_t n = strlen(marker), word = strcspn(marker, " \t\n");
    char first[200];
    if (!word || strncmp(prompt, marker, n) || n >= sizeof first) return -1;
    *bytes = n;
    int32_t id = bert_token_id(t, marker);
    if (id >= 0) return id;
    memcpy(first, marker, word);
    first[word] = 0;
    *bytes = word;
    return bert_token_id(t, first);
}

/* Marker and prompt, as sentence-transformers puts them together. */
static int set_prompt(bert_multi_job *j, bert_text_options *o, bert_error *e) {
    const char *prompt, *marker = j->how->marker[j->side];
    int rc = bert_task_prompt(j->s->model, o, &prompt, e);
    if (rc || !marker) return rc;
    size_t front = 0;
    if (!o->prompt && !o->prompt_name) {
        const size_t n = strlen(marker);
        const char *rest = strncmp(prompt, marker, n) ? prompt : prompt + n;
        j->own_prompt = malloc(n + strlen(rest) + 1);
        if (!j->own_prompt) return bert_fail_memory(e, n);
        memcpy(j->own_prompt, marker, n);
        strcpy(j->own_prompt + n, rest);
        prompt = j->own_prompt;
    }
    j->marker = token_in_front(j->s->model->tokenizer, prompt, marker, &front);
    o->prompt = j->marker < 0 ? prompt : prompt + front;
    return 0;
}

/* Most tokens that are tokenized, the marker left out. */
static int set_limit(const bert_multi_job *j, bert_text_options *o, bert_error *e) {
    const bert_multi *h = j->how;
    int32_t limit = bert_task_max_length(j->s->model, o, e);
    if (limit < 0) return limit;
    const int32_t most = bert_model_max_length(j->s->model);
    if (!o->max_length && h->length[j->side]) limit = h->length[j->side];
    if (!j->side && h->expanded && h->cut) limit = h->expanded;
    if (!j->side && h->expanded > limit) limit = h->expanded;
    if (limit > most) limit = most;
    if (!j->side && h->expanded > most)
        return bert_fail(e, BERT_EUNSUPPORTED,
                         "queries are expanded to %d tokens; the model takes %d", h->expanded,
                         most);
    o->max_length = limit > (j->marker >= 0) ? limit - (j->marker >= 0) : 1;
    return 0;
}

static int set_skipped(bert_multi_job *j, bert_error *e) {
    const bert_multi *h = j->how;
    const int32_t words = j->s->model->config.vocab_size;
    size_t i;
    json_t *one;
    j->skipped = calloc((size_t)words, sizeof *j->skipped);
    if (!j->skipped) return bert_fail_memory(e, (size_t)words);
    for (int32_t k = 0; k < words && j->side && h->kept; k++) j->skipped[k] = true;
    json_array_foreach(j->side ? h->kept : NULL, i, one) {
        const json_int_t id = json_integer_value(one);
        if (id >= 0 && id < words) j->skipped[id] = false;
    }
    json_array_foreach(h->skips[j->side] ? h->skipped : NULL, i, one) {
        const int32_t id = json_is_string(one)
                               ? bert_token_id(j->s->model->tokenizer, json_string_value(one))
                               : -1;
        if (id >= 0 && id < words) j->skipped[id] = true;
    }
    return 0;
}

static int set_expansion(bert_multi_job *j, bert_error *e) {
    const bert_tokenizer *t = j->s->model->tokenizer;
    const char *token = j->how->expansion;
    if (j->side || !j->how->expanded) return 0;
    j->further = token ? bert_token_id(t, token) : bert_tokenizer_special(t).mask;
    if (j->further >= 0) return 0;
    return bert_fail(e, BERT_EUNSUPPORTED, "%s: queries are expanded by %s, which is no token",
                     j->s->model->path, token ? token : "[MASK]");
}

int bert_multi_begin(bert_multi_job *j, bert_session *s, bert_text_options *o, int32_t n,
                     bert_error *e) {
    const bert_model *m = s->model;
    *j = (bert_multi_job){.s = s,
                          .how = &m->sentence.multi,
                          .side = o->side == BERT_SIDE_QUERY ? 0 : 1,
                          .marker = -1};
    if (o->side == BERT_SIDE_NONE) o->side = BERT_SIDE_DOCUMENT;
    int rc = bert_model_makes(m, BERT_VECTORS_MULTI, e);
    if (!rc) rc = bert_modules_size(&j->how->modules, m->config.hidden_size, &j->size, e);
    if (!rc && !bert_model_need_tokenizer(m, e)) rc = e->code;
    if (!rc) rc = set_prompt(j, o, e);
    if (!rc) rc = set_limit(j, o, e);
    if (!rc) rc = set_skipped(j, e);
    if (!rc) rc = set_expansion(j, e);
    if (rc) return rc;
    j->out = bert_arena_calloc(&s->results, ((size_t)n + 1) * sizeof *j->out);
    return j->out ? 0 : bert_fail_memory(e, (size_t)n * sizeof *j->out);
}

void bert_multi_end(bert_multi_job *j) {
    free(j->skipped);
    free(j->own_prompt);
}

/* ---- A window */

int bert_multi_edit(bert_multi_job *j, bert_windows *p, bert_error *e) {
    const bert_multi *h = j->how;
    const int32_t cls = bert_tokenizer_special(j->s->model->tokenizer).cls;
    const int32_t *start = p->start + p->windows - 1;
    int rc = 0;
    if (j->marker >= 0) rc = bert_windows_insert(p, p->ids[*start] == cls, j->marker, 1, e);
    start = p->start + p->windows - 1;
    const int32_t n = start[1] - start[0];
    if (rc || j->side || n >= h->expanded) return rc;
    rc = bert_windows_insert(p, n, j->further, h->expanded - n, e);
    return rc || h->attend ? rc : bert_windows_attend(p, n, e);
}

/* ---- A pack */

/* Whether token k of window i has a vector. */
static bool counts(const bert_multi_job *j, const bert_windows *w, int32_t i, int32_t k) {
    if (j->how->without_first && k == w->start[i]) return false;
    return !j->skipped[w->ids[k]];
}

static int put_vectors(bert_multi_job *j, const bert_windows *w, int32_t from, int32_t to,
                       const float *rows, bert_error *e) {
    const size_t size = (size_t)j->size;
    int32_t n = 0;
    for (int32_t i = from; i < to; i++)
        for (int32_t k = w->start[i]; k < w->start[i + 1]; k++) n += counts(j, w, i, k);
    float *out = bert_arena_alloc(&j->s->results, ((size_t)n * size + 1) * sizeof *out);
    int32_t *ids = bert_arena_alloc(&j->s->results, ((size_t)n + 1) * sizeof *ids);
    if (!out || !ids) return bert_fail_memory(e, (size_t)n * size * sizeof *out);
    n = 0;
    for (int32_t i = from; i < to; i++)
        for (int32_t k = w->start[i]; k < w->start[i + 1]; k++) {
            if (!counts(j, w, i, k)) continue;
            ids[n] = w->ids[k];
            memcpy(out + (size_t)n++ * size, rows + (size_t)k * size, size * sizeof *out);
        }
    j->out[w->first + w->text[from]] = (bert_multi_vector){n, ids, out};
    return 0;
}

int bert_multi_pack(bert_multi_job *j, const bert_windows *w, const bert_outputs *out,
                    bert_error *e) {
    const size_t bytes = (size_t)w->start[w->windows] * (size_t)j->size * sizeof(float);
    float *rows = malloc(bytes);
    int rc = rows ? bert_vectors_apply(j->s, &j->how->modules, out->last_hidden_state,
                                       w->start[w->windows], rows, e)
                  : bert_fail_memory(e, bytes);
    for (int32_t from = 0, to; from < w->windows && !rc; from = to) {
        for (to = from + 1; to < w->windows && w->text[to] == w->text[from];) to++;
        rc = put_vectors(j, w, from, to, rows, e);
    }
    free(rows);
    return rc;
}

double bert_max_sim(const bert_multi_vector *query, const bert_multi_vector *document,
                    int32_t size) {
    const size_t width = (size_t)size;
    double sum = 0;
    for (int32_t i = 0; i < query->n && document->n; i++) {
        const float *q = query->rows + (size_t)i * width;
        float most = bert_host_dot(q, document->rows, width);
        for (int32_t k = 1; k < document->n; k++) {
            const float x = bert_host_dot(q, document->rows + (size_t)k * width, width);
            if (x > most) most = x;
        }
        sum += (double)most;
    }
    return sum;
}
