/* From logits of windows to the answer of each question: run_qa.py's postprocess_qa_predictions. */
#include "base/error.h"
#include "data/metric_squad.h"
#include "data/question.h"
#include "text/utf8.h"
#include <math.h>

typedef struct {
    int32_t start, end; /* code points of the context */
    float score;        /* start and end logits together */
} candidate;

typedef struct {
    double exact, f1;
    int64_t n;
} sums;

typedef struct {
    const bert_questions *questions;
    int64_t current; /* question + 1, or 0 */
    candidate best[BERT_N_BEST_MAX];
    int n;
    float null_score;
    sums all, answerable, unanswerable;
} state;

/* ---- A window */

/* The `most` tokens with the highest logits, best first. */
static int top_tokens(const float *logits, int32_t n, int most, int32_t *out) {
    int count = 0;
    for (int32_t i = 0; i < n; i++) {
        const float x = logits[2 * i];
        if (count == most && x <= logits[2 * out[count - 1]]) continue;
        int at = count < most ? count++ : count - 1;
        for (; at > 0 && logits[2 * out[at - 1]] < x; at--) out[at] = out[at - 1];
        out[at] = i;
    }
    return count;
}

static void add_candidate(state *s, candidate c) {
    const int most = s->questions->n_best_size;
    if (s->n == most && c.score <= s->best[s->n - 1].score) return;
    int at = s->n < most ? s->n++ : s->n - 1;
    for (; at > 0 && s->best[at - 1].score < c.score; at--) s->best[at] = s->best[at - 1];
    s->best[at] = c;
}

static void add_window(state *s, const int32_t (*offsets)[2], const float *logits, int32_t n) {
    const bert_questions *q = s->questions;
    int32_t starts[BERT_N_BEST_MAX], ends[BERT_N_BEST_MAX];
    int first = top_tokens(logits, n, q->n_best_size, starts),
        last = top_tokens(logits + 1, n, q->n_best_size, ends);
    const float none = logits[0] + logits[1];
    if (none < s->null_score) s->null_score = none;
    for (int i = 0; i < first; i++)
        for (int k = 0; k < last; k++) {
            const int32_t a = starts[i], b = ends[k];
            if (offsets[a][0] < 0 || offsets[b][0] < 0 || b < a || b - a + 1 > q->max_answer_length)
                continue;
            add_candidate(
                s, (candidate){offsets[a][0], offsets[b][1], logits[2 * a] + logits[2 * b + 1]});
        }
}

/* ---- A question */

static size_t bytes_of(const bert_text *t, int32_t points) {
    const uint8_t *p = (const uint8_t *)t->text, *end = p + t->bytes;
    while (points-- > 0 && p < end) bert_utf8_next(&p, end);
    return (size_t)(p - (const uint8_t *)t->text);
}

/* A part of the context, or "". */
static bert_text answer_of(const state *s, const bert_question *q) {
    const double lead = s->n ? (double)(s->null_score - s->best[0].score) : 0;
    if (!s->n || (s->questions->version_2 && lead > s->questions->null_score_diff_threshold))
        return bert_text_of("");
    const size_t from = bytes_of(&q->context, s->best[0].start),
                 to = bytes_of(&q->context, s->best[0].end);
    return (bert_text){.text = q->context.text + from, .bytes = to - from};
}

static void add(sums *s, double exact, double f1) {
    s->exact += exact;
    s->f1 += f1;
    s->n++;
}

static int end_question(state *s, bert_error *e) {
    if (!s->current) return 0;
    const bert_question *q = &s->questions->questions[s->current - 1];
    const bert_text answer = answer_of(s, q), none = bert_text_of("");
    const bert_text *gold = q->golds ? q->gold : &none;
    const int n = q->golds ? q->golds : 1;
    const bool version_2 = s->questions->version_2;
    double exact = bert_squad_exact(&answer, gold, n, version_2),
           f1 = bert_squad_f1(&answer, gold, n, version_2);
    if (exact < 0 || f1 < 0) return bert_fail_memory(e, answer.bytes);
    add(&s->all, exact, f1);
    add(q->golds ? &s->answerable : &s->unanswerable, exact, f1);
    s->current = 0;
    return 0;
}

static int update(void *self, const bert_dataset *d, const bert_batch *b, const float *logits,
                  int32_t cols, bert_error *e) {
    state *s = self;
    s->questions = d->extra;
    int rc =
        cols == 2 ? 0 : bert_fail(e, BERT_EINVAL, "the head gives %d scores a token", (int)cols);
    for (int32_t i = 0; i < b->inputs.n && !rc; i++) {
        const int64_t row = b->rows[i], question = s->questions->of_row[row];
        if (s->current != question + 1) {
            rc = end_question(s, e);
            s->current = question + 1;
            s->n = 0;
            s->null_score = INFINITY;
        }
        if (!rc)
            add_window(s, (const int32_t(*)[2])(s->questions->offsets + d->start[row]),
                       logits + 2 * (size_t)b->inputs.start[i],
                       b->inputs.start[i + 1] - b->inputs.start[i]);
    }
    return rc;
}

static int compute(void *self, double *values, int64_t *rows, bert_error *e) {
    state *s = self;
    int rc = end_question(s, e);
    const sums *const parts[] = {&s->all, &s->answerable, &s->unanswerable};
    for (int i = 0; i < 3; i++) {
        values[2 * i] = parts[i]->n ? 100 * parts[i]->exact / (double)parts[i]->n : (double)NAN;
        values[2 * i + 1] = parts[i]->n ? 100 * parts[i]->f1 / (double)parts[i]->n : (double)NAN;
    }
    *rows = s->all.n;
    return rc;
}

static const char *const names[] = {
    "exact_match", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1", NULL,
};

const bert_scorer bert_question_scorer = {
    .names = names, .size = sizeof(state), .update = update, .compute = compute};
