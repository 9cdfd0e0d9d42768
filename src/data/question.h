/* What a question answering set keeps beside its tokens: questions, contexts, gold answers, and
 * where in the context each token is. */
#ifndef BERT_DATA_QUESTION_H
#define BERT_DATA_QUESTION_H
#include "data/dataset.h"

typedef struct {
    bert_text id;
    bert_text context; /* of the set */
    bert_text *gold;   /* [golds]; none: the question cannot be answered */
    int32_t golds;
} bert_question;

typedef struct {
    bool laid; /* its texts lie where the set was taken up (lay.h) */
    bert_question *questions;
    char **contexts; /* each once, if its questions follow each other */
    int64_t count, contexts_count;
    int64_t unanswerable; /* questions */
    bool version_2;       /* "" may be an answer */
    int32_t n_best_size, max_answer_length;
    double null_score_diff_threshold;
    int64_t *of_row;       /* [rows] its question; rows of a question follow each other */
    int32_t (*offsets)[2]; /* [tokens] code points of the context, or -1, -1 */
} bert_questions;

void bert_questions_free(void *questions);
enum { BERT_N_BEST_MAX = 100 };
/* exact_match and f1 (0 to 100) of run_qa.py's best answers; for SQuAD 2.0 also of the questions
 * with and without an answer. */
extern const bert_scorer bert_question_scorer;
#endif
