#include "data/question_choose.h"
#include "base/error.h"
#include "text/code_place.h"
#include <math.h>

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

static void add_candidate(bert_chooser *s, bert_candidate c) {
    const int most = s->questions->n_best_size;
    if (s->n == most && c.score <= s->best[s->n - 1].score) return;
    int at = s->n < most ? s->n++ : s->n - 1;
    for (; at > 0 && s->best[at - 1].score < c.score; at--) s->best[at] = s->best[at - 1];
    s->best[at] = c;
}

static void add_window(bert_chooser *s, const int32_t (*offsets)[2], const float *logits,
                       int32_t n) {
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
            add_candidate(s, (bert_candidate){offsets[a][0], offsets[b][1],
                                              logits[2 * a] + logits[2 * b + 1]});
        }
}

/* ---- A question */

/* The probability of a score among those of the candidates and, of SQuAD 2.0, of "". */
static double probability(const bert_chooser *s, double score) {
    double most = s->questions->version_2 ? (double)s->null_score : -INFINITY, sum = 0;
    for (int i = 0; i < s->n; i++)
        if ((double)s->best[i].score > most) most = (double)s->best[i].score;
    for (int i = 0; i < s->n; i++) sum += exp((double)s->best[i].score - most);
    if (s->questions->version_2) sum += exp((double)s->null_score - most);
    return sum > 0 ? exp(score - most) / sum : 1;
}

static bert_chosen chosen(const bert_chooser *s) {
    const bert_question *q = &s->questions->questions[s->current - 1];
    bert_chosen c = {.question = q, .row = s->row, .answer = bert_text_of(""), .score = 1};
    if (s->n) c.null_odds = (double)(s->null_score - s->best[0].score);
    if (s->n) c.score = probability(s, (double)s->null_score);
    if (!s->n || (s->questions->version_2 && c.null_odds > s->questions->null_score_diff_threshold))
        return c;
    bert_code_place at = bert_code_place_of(q->context.text, q->context.bytes);
    const size_t from = bert_code_place_to(&at, s->best[0].start),
                 to = bert_code_place_to(&at, s->best[0].end);
    c.answer = (bert_text){.text = q->context.text + from, .bytes = to - from};
    c.score = probability(s, (double)s->best[0].score);
    return c;
}

/* ---- All of them */

int bert_choose_end(bert_chooser *s, bert_choose_fn *each, void *context, bert_error *e) {
    if (!s->current) return BERT_OK;
    const bert_chosen c = chosen(s);
    s->current = 0;
    return each(context, &c, e);
}

int bert_chooser_batch(bert_chooser *s, const bert_dataset *d, const bert_batch *b,
                       const float *logits, int32_t cols, bert_choose_fn *each, void *context,
                       bert_error *e) {
    s->questions = d->state;
    int rc =
        cols == 2 ? 0 : bert_fail(e, BERT_EINVAL, "the head gives %d scores a token", (int)cols);
    for (int32_t i = 0; i < b->inputs.n && !rc; i++) {
        const int64_t row = b->rows[i], question = s->questions->of_row[row];
        if (s->current != question + 1) {
            rc = bert_choose_end(s, each, context, e);
            s->current = question + 1;
            s->n = 0;
            s->null_score = INFINITY;
        }
        s->row = row;
        if (!rc)
            add_window(s, (const int32_t(*)[2])(s->questions->offsets + d->start[row]),
                       logits + 2 * (size_t)b->inputs.start[i],
                       b->inputs.start[i + 1] - b->inputs.start[i]);
    }
    return rc;
}
