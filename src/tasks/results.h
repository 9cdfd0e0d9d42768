/* Lists of results that belong to the session until its next task. */
#ifndef BERT_TASKS_RESULTS_H
#define BERT_TASKS_RESULTS_H
#include "models/session.h"

typedef struct {
    bert_arena *arena;
    unsigned char *items;
    size_t size; /* of an item */
    int count, capacity;
} bert_results;
/* Drops the results of the task before. */
bert_results bert_results_new(bert_session *s, size_t item_size);
/* A new zeroed item at the end, or NULL. */
void *bert_results_add(bert_results *r, bert_error *e);
void *bert_results_at(const bert_results *r, int i);
/* n bytes of s and a NUL. */
char *bert_results_text(bert_results *r, const char *s, size_t n, bert_error *e);
#endif
