/* Callers that take turns with one thing, in the order in which they came. */
#ifndef BERT_BASE_TURNS_H
#define BERT_BASE_TURNS_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_uint next, serving; /* number of the next one to come; whose turn it is */
} bert_turns;

void bert_turns_init(bert_turns *t);
void bert_turns_destroy(bert_turns *t);
/* Returns when it is the caller's turn, which lasts until it ends it. */
void bert_turns_begin(bert_turns *t);
void bert_turns_end(bert_turns *t);
/* Somebody waits for the turn that the caller has. */
bool bert_turns_awaited(bert_turns *t);
#endif
