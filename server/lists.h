/* Exchanges that go from thread to thread. */
#ifndef BERT_SERVER_LISTS_H
#define BERT_SERVER_LISTS_H
#include "exchange.h"
#include <pthread.h>

/* First in, first out; linked through after and before. */
typedef struct {
    exchange *first, *last;
} exchanges;
void list_put(exchanges *l, exchange *x);
void list_remove(exchanges *l, exchange *x);
exchange *list_take(exchanges *l); /* NULL: empty */

/* A list that a thread waits for. */
typedef struct {
    exchanges list;
    pthread_mutex_t lock;
    pthread_cond_t more;
    int event; /* instead of a thread that waits: written to; -1: none */
    bool closed;
} hand;
int hand_open(hand *h, bool event);
void hand_free(hand *h);
void hand_put(hand *h, exchange *x);
exchange *hand_take(hand *h); /* waits; NULL: closed, and empty */
exchange *hand_take_now(hand *h);
void hand_close(hand *h);
void hand_wake(const hand *h); /* its event happens, whether or not there is one */

/* ---- What waits to be computed. Requests take turns, a text each, until a batch is full; a request is
 * admitted with all its texts or not at all. */
typedef struct {
    exchange **owner; /* [n] whose texts they are, */
    item **item;      /* [n] */
    int32_t n, capacity, tokens;
    exchanges gone; /* whose clients have left before anything was computed */
} batch;
typedef struct queue queue;
queue *queue_new(int32_t batch_tokens, int32_t max_texts);
void queue_free(queue *q);
/* False: there is no room for its texts. */
bool queue_admit(queue *q, exchange *x);
/* Waits for texts and takes those of a batch: all of one operation, model and key. False: closed, and
 * empty. */
bool queue_take(queue *q, batch *b);
/* What of x is not begun will not be. Returns how many items. */
int32_t queue_drop(queue *q, exchange *x);
/* Texts of it are done: there is room for others. */
void queue_done(queue *q, int32_t texts);
int32_t queue_texts(queue *q);
void queue_close(queue *q);
#endif
