/* What the server's threads share. */
#ifndef BERT_SERVER_STATE_H
#define BERT_SERVER_STATE_H
#include "lists.h"
#include "metrics.h"
#include "server.h"

typedef enum { STARTING, READY, STOPPING } server_state;

struct server {
    const serve_options *options;
    bert_threads *threads;
    queue *queue;
    hand clerks; /* bodies to read and answers to write */
    hand done;   /* to be answered; the loop's event */
    metrics metrics;
    atomic_int state;     /* a server_state */
    atomic_llong held;    /* bytes of bodies, */
    atomic_llong answers; /* and of answers that are to be made, or not sent yet */
    pthread_mutex_t lock; /* of: */
    model_set *models;
    bert_error failed; /* while the models were opened */
    struct event_base *loop;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    int64_t pending;                /* requests that are not answered; the loop's */
    struct watch *watches, **by_fd; /* [fds] */
    int fds, connections;
    pthread_t loader;                               /* opens the models */
    bool announced, loading, again, loader_started; /* again: when it has loaded */
    char address[200];
};

/* Room for the answer of a request that has been read: a fault where others take so much that it has to wait,
 * and 0 or -1. */
int answers_reserve(exchange *x);
/* It is written: it takes what it is. */
void answers_settle(exchange *x);
void answers_let_go(server *s, int64_t bytes);
/* The models that there are now, held; NULL: none yet. */
model_set *server_models(server *s);
#endif
