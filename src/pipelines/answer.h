/* From the scores of tokens to answers. */
#ifndef BERT_PIPELINES_ANSWER_H
#define BERT_PIPELINES_ANSWER_H
#include <bert.h>

/* A span of tokens of one window. */
typedef struct {
    int32_t start, end; /* both included */
    float score;
} bert_span;
/* The at most k best spans of tokens first .. last (included) by start[i] * end[j], i <= j < i +
 * max_tokens; best first; of equal ones the first. Returns how many. */
int bert_best_spans(const float *start, const float *end, int32_t first, int32_t last,
                    int32_t max_tokens, int k, bert_span *out);
#endif
