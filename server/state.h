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
    atomic_llong held;    /* bytes of bodies */
    pthread_mutex_t lock; /* of: */
    model_set *models;
    bert_error failed; /* while the models were opened */
    struct event_base *loop;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    int64_t pending;                /* requests that are not answered; the loop's */
    struct watch *watches, **by_fd; /* [fds] */
    int fds, connections;
    pthread_t loader; /* opens the models */
    bool announced, loading, loader_started;
    char address[200];
};

/* The models that there are now, held; NULL: none yet. */
model_set *server_models(server *s);
#endif
