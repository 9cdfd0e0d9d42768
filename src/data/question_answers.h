/* The answers of a question, in any of the ways that files of SQuAD's kind hold them. */
#ifndef BERT_DATA_QUESTION_ANSWERS_H
#define BERT_DATA_QUESTION_ANSWERS_H
#include <bert.h>
#include <jansson.h>

/* A list of {"text", "answer_start"}, or {"text": [..], "answer_start": [..]}, or one of {"text",
 * "answer_start"}; null and empty: none. */
typedef struct {
    const json_t *list;         /* NULL: texts and starts */
    const json_t *text, *start; /* arrays, or one answer's */
    size_t n;
} bert_answers;

typedef struct {
    bert_text text;
    int64_t start; /* as given; -1 beyond what an integer holds */
} bert_given_answer;

/* Of the member `key` of a question; optional: it may be missing. Errors begin with place. */
int bert_answers_of(const json_t *question, const char *key, bool optional, bert_answers *out,
                    const char *place, bert_error *e);
int bert_answers_at(const bert_answers *a, size_t i, bert_given_answer *out, const char *place,
                    bert_error *e);
/* The member is_impossible: true, false, 1, 0; null or missing: false. */
int bert_is_impossible(const json_t *question, bool *out, const char *place, bert_error *e);
#endif
