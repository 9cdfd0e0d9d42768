/* From logits of windows to the answer of each question: run_qa.py's postprocess_qa_predictions. */
#ifndef BERT_DATA_QUESTION_CHOOSE_H
#define BERT_DATA_QUESTION_CHOOSE_H
#include "data/question.h"

typedef struct {
    int32_t start, end; /* code points of the context */
    float score;        /* start and end logits together */
} bert_candidate;

/* Zeroed: before the first window. */
typedef struct {
    const bert_questions *questions;
    int64_t current; /* question + 1, or 0 */
    int64_t row;     /* its last window */
    bert_candidate best[BERT_N_BEST_MAX];
    int n;
    float null_score;
} bert_chooser;

typedef struct {
    const bert_question *question;
    int64_t row;      /* a window of the question */
    bert_text answer; /* a part of the context, or "" */
    double score;     /* its probability among the n best and, of SQuAD 2.0, "" */
    double
        null_odds; /* by how much the score of "" is above that of the best answer; 0: no other */
} bert_chosen;

/* Calls each for every question whose last window has passed; its error ends it. bert_choose_end
 * is for the last question. */
typedef int bert_choose_fn(void *context, const bert_chosen *c, bert_error *e);
int bert_chooser_batch(bert_chooser *s, const bert_dataset *d, const bert_batch *b,
                       const float *logits, int32_t cols, bert_choose_fn *each, void *context,
                       bert_error *e);
int bert_choose_end(bert_chooser *s, bert_choose_fn *each, void *context, bert_error *e);

/* exact and f1, 0 to 1, of an answer to a question. */
int bert_question_measure(const bert_questions *set, const bert_chosen *c, double *exact,
                          double *f1, bert_error *e);
#endif
