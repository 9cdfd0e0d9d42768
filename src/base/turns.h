/* Callers that take turns with one thing: each kind in the order in which they came, a new one and
 * one that goes on alternately, so that who wants little waits for one turn, not for everybody's. */
#ifndef BERT_BASE_TURNS_H
#define BERT_BASE_TURNS_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned next[2], serving[2]; /* numbers of those who are new, and who go on */
    int favoured;                 /* of the two, where both wait */
    bool taken;
    atomic_int waiting[2]; /* of each kind */
} bert_turns;

void bert_turns_init(bert_turns *t);
void bert_turns_destroy(bert_turns *t);
/* Returns when it is the caller's turn, which lasts until it ends it. goes_on: it has had one
 * already for what it does. */
void bert_turns_begin(bert_turns *t, bool goes_on);
void bert_turns_end(bert_turns *t);
/* The same for others, who come next if they are new: the caller goes on later. */
void bert_turns_give_way(bert_turns *t);
/* Somebody waits for the turn that the caller has; somebody new. */
bool bert_turns_awaited(bert_turns *t);
bool bert_turns_awaited_anew(bert_turns *t);
#endif
