/* bert_answer_question, as transformers' QuestionAnsweringPipeline (4.57, the last with one) does
 * it: windows over the context, a softmax over the context's tokens and [CLS] of each, the best
 * spans of all windows together, those of the same text added up. */
#include "tasks/answer.h"
#include "base/error.h"
#include "cpu/host.h"
#include "tasks/pack.h"
#include "tasks/results.h"
#include "text/python_str.h"
#include "text/utf8.h"
#include "text/windows.h"
#include <stdlib.h>
#include <string.h>

bert_answer_options bert_answer_default(void) {
    return (bert_answer_options){
        .doc_stride = -1, .top_k = 1, .max_answer_length = 15, .align_to_words = true};
}

int bert_best_spans(const float *start, const float *end, int32_t first, int32_t last,
                    int32_t max_tokens, int k, bert_span *out) {
    int n = 0;
    for (int32_t i = first; i <= last; i++)
        for (int32_t j = i; j <= last && j < i + max_tokens; j++) {
            const float score = start[i] * end[j];
            if (n == k && score <= out[n - 1].score) continue;
            int at = n < k ? n++ : n - 1;
            for (; at > 0 && out[at - 1].score < score; at--) out[at] = out[at - 1];
            out[at] = (bert_span){i, j, score};
        }
    return n;
}

typedef struct {
    bert_session *s;
    bert_answer_options o;
    const bert_text *context;
    bert_results results;
    double null_score;
    int spans_capacity;
    bert_span *spans;
    float *start, *end; /* probabilities of a window */
} job;

/* ---- Text by code points */

static size_t bytes_of(const bert_text *t, int32_t points) {
    const uint8_t *p = (const uint8_t *)t->text, *begin = p, *end = p + t->bytes;
    while (points-- > 0 && p < end) bert_utf8_next(&p, end);
    return (size_t)(p - begin);
}

/* As two str.lower() of Python are; negative: out of memory. */
static int same_lowercase(const char *a, size_t n, const char *b, size_t m, bert_error *e) {
    char *low = malloc(3 * (n + m) + 1);
    if (!low) return bert_fail_memory(e, 3 * (n + m));
    n = bert_python_lower(a, n, low);
    m = bert_python_lower(b, m, low + n);
    const bool same = n == m && !memcmp(low, low + n, n);
    free(low);
    return same;
}

static int add_answer(job *j, int32_t start, int32_t end, double score, bert_error *e) {
    size_t from = bytes_of(j->context, start), to = bytes_of(j->context, end);
    char *text = bert_results_text(&j->results, j->context->text + from, to - from, e);
    if (!text) return BERT_ENOMEM;
    for (int i = 0; i < j->results.count; i++) {
        bert_answer *a = bert_results_at(&j->results, i);
        const int same = same_lowercase(a->text, a->bytes, text, to - from, e);
        if (same < 0) return same;
        if (!same) continue;
        a->score += score;
        return 0;
    }
    bert_answer *a = bert_results_add(&j->results, e);
    if (!a) return BERT_ENOMEM;
    *a =
        (bert_answer){.text = text, .bytes = to - from, .start = start, .end = end, .score = score};
    return 0;
}

/* ---- One window */

/* The first or the last offset of the word that token i of the window belongs to. */
static int32_t word_edge(const bert_encoding *w, int32_t i, int edge) {
    const int step = edge ? 1 : -1;
    int32_t k = i;
    while (k + step >= 0 && k + step < w->n && w->sequence_ids[k + step] == w->sequence_ids[i] &&
           w->word_ids[k + step] == w->word_ids[i])
        k += step;
    return w->offsets[k][edge];
}

static void probabilities(const float *logits, int column, const bert_encoding *w, float *out) {
    for (int32_t i = 0; i < w->n; i++)
        out[i] = w->sequence_ids[i] == 1 || i == 0 ? logits[2 * i + column] : -10000.0f;
    bert_host_softmax(out, 1, w->n);
}

static int read_window(void *context, const bert_encoding *w, const float *logits, bert_error *e) {
    job *j = context;
    int32_t first = 0, last = w->n - 1;
    while (first < w->n && w->sequence_ids[first] != 1) first++;
    while (last >= first && w->sequence_ids[last] != 1) last--;
    probabilities(logits, 0, w, j->start);
    probabilities(logits, 1, w, j->end);
    const double none = (double)(j->start[0] * j->end[0]);
    if (none < j->null_score) j->null_score = none;
    int n = bert_best_spans(j->start, j->end, first, last, j->o.max_answer_length,
                            j->spans_capacity, j->spans);
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) {
        const bert_span *s = &j->spans[i];
        bool words = j->o.align_to_words;
        int32_t start = words ? word_edge(w, s->start, 0) : w->offsets[s->start][0];
        int32_t end = words ? word_edge(w, s->end, 1) : w->offsets[s->end][1];
        rc = add_answer(j, start, end, (double)s->score, e);
    }
    return rc;
}

/* ---- The question */

static int by_score(const void *a, const void *b) {
    double x = ((const bert_answer *)a)->score, y = ((const bert_answer *)b)->score;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int encode(job *j, const bert_text *question, bert_error *e) {
    bert_encoder *enc = bert_session_encoder(j->s, e);
    if (!enc) return e->code;
    const bert_text both = {question->text, question->bytes, j->context->text, j->context->bytes};
    return bert_encode_question(enc, &both, j->o.max_length, j->o.doc_stride, e);
}

static int check(job *j, const bert_text *question, bert_error *e) {
    bert_answer_options *o = &j->o;
    const int32_t limit = bert_model_text_limit(j->s->model);
    if (o->max_length > bert_model_max_length(j->s->model))
        return bert_fail(e, BERT_EINVAL, "max_length is %d; the model takes %d tokens",
                         (int)o->max_length, (int)bert_model_max_length(j->s->model));
    if (!o->max_length) o->max_length = limit < 384 ? limit : 384;
    if (o->doc_stride < 0) o->doc_stride = o->max_length / 2 < 128 ? o->max_length / 2 : 128;
    if (o->max_length < 0 || o->top_k < 1 || o->max_answer_length < 1)
        return bert_fail(e, BERT_EINVAL, "max_length, top_k and max_answer_length are 1 or more");
    if (!question->text || !question->bytes || !j->context->text || !j->context->bytes)
        return bert_fail(e, BERT_EINVAL, "the %s is empty",
                         question->text && question->bytes ? "context" : "question");
    return 0;
}

static int answer(job *j, const bert_text *question, bert_error *e) {
    int rc = check(j, question, e);
    if (rc) return rc;
    /* Some spans come together when they are widened to words. */
    j->spans_capacity = j->o.align_to_words ? 2 * j->o.top_k + 10 : j->o.top_k;
    j->spans = malloc((size_t)j->spans_capacity * sizeof *j->spans);
    j->start = malloc(2 * (size_t)j->o.max_length * sizeof *j->start);
    if (!j->spans || !j->start) return bert_fail_memory(e, (size_t)j->o.max_length);
    j->end = j->start + j->o.max_length;
    int windows = encode(j, question, e);
    if (windows < 0) return windows;
    rc = bert_windows_each(j->s, windows, "question-answering", read_window, j, e);
    if (!rc && j->o.handle_impossible_answer) {
        bert_answer *none = bert_results_add(&j->results, e);
        if (!none) return BERT_ENOMEM;
        *none = (bert_answer){.text = "", .score = j->null_score};
    }
    return rc;
}

int bert_answer_question(bert_session *s, const bert_text *question, const bert_text *context,
                         const bert_answer_options *options, const bert_answer **out,
                         bert_error *e) {
    *out = NULL;
    if (bert_need(s, "session", e)) return BERT_EINVAL;
    bert_error local = {0};
    job j = {.s = s,
             .o = options ? *options : bert_answer_default(),
             .context = context,
             .null_score = 1e6,
             .results = bert_results_new(s, sizeof(bert_answer))};
    int rc = answer(&j, question, &local);
    free(j.spans);
    free(j.start);
    if (rc) return bert_fail(e, rc, "%s", local.message);
    int n = j.results.count;
    if (n) qsort(j.results.items, (size_t)n, sizeof(bert_answer), by_score);
    *out = (const bert_answer *)(const void *)j.results.items;
    return n < j.o.top_k ? n : j.o.top_k;
}
