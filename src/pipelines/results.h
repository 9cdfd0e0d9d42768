/* Lists of results, one for each text, that belong to the session until its next task. */
#ifndef BERT_PIPELINES_RESULTS_H
#define BERT_PIPELINES_RESULTS_H
#include "models/session.h"

typedef struct {
    bert_arena *arena;
    unsigned char *items;
    size_t size; /* of an item */
    int count, capacity;
    int32_t *start; /* [texts + 1]: the first item of each text */
    int32_t begun;  /* texts so far */
} bert_results;
/* Drops the results of the task before. e is not NULL. */
int bert_results_new(bert_results *r, bert_session *s, size_t item_size, int32_t texts,
                     bert_error *e);
/* What is added from here on is of this text; those before it that were not begun have nothing.
 * text = texts: the end. */
void bert_results_begin(bert_results *r, int32_t text);
/* A new zeroed item at the end, or NULL. */
void *bert_results_add(bert_results *r, bert_error *e);
void *bert_results_at(const bert_results *r, int i);
/* n bytes of s and a NUL. */
char *bert_results_text(bert_results *r, const char *s, size_t n, bert_error *e);
#endif
