/* exact_match and f1 of the answers that are chosen. */
#include "base/error.h"
#include "data/metric_squad.h"
#include "data/question_choose.h"
#include <math.h>

typedef struct {
    double exact, f1;
    int64_t n;
} sums;

typedef struct {
    bert_chooser chooser;
    sums all, answerable, unanswerable;
} state;

int bert_question_measure(const bert_questions *set, const bert_chosen *c, double *exact,
                          double *f1, bert_error *e) {
    const bert_question *q = c->question;
    const bert_text none = bert_text_of(""), *gold = q->golds ? q->gold : &none;
    const int n = q->golds ? q->golds : 1;
    *exact = bert_squad_exact(&c->answer, gold, n, set->version_2);
    *f1 = bert_squad_f1(&c->answer, gold, n, set->version_2);
    return *exact < 0 || *f1 < 0 ? bert_fail_memory(e, c->answer.bytes) : BERT_OK;
}

static void add(sums *s, double exact, double f1) {
    s->exact += exact;
    s->f1 += f1;
    s->n++;
}

static int add_answer(void *self, const bert_chosen *c, bert_error *e) {
    state *s = self;
    double exact, f1;
    int rc = bert_question_measure(s->chooser.questions, c, &exact, &f1, e);
    if (rc) return rc;
    add(&s->all, exact, f1);
    add(c->question->golds ? &s->answerable : &s->unanswerable, exact, f1);
    return BERT_OK;
}

static int update(void *self, const bert_dataset *d, const bert_batch *b, const float *logits,
                  int32_t cols, bert_error *e) {
    return bert_chooser_batch(&((state *)self)->chooser, d, b, logits, cols, add_answer, self, e);
}

static int compute(void *self, double *values, int64_t *rows, bert_error *e) {
    state *s = self;
    int rc = bert_choose_end(&s->chooser, add_answer, s, e);
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
