/* What evhttp does not look after on a connection: time limits that count from the first byte, limits that
 * hold before a body is read, requests that two readers could understand differently. It reads along,
 * and answers what it refuses itself. */
#ifndef BERT_SERVER_WATCH_H
#define BERT_SERVER_WATCH_H
#include "exchange.h"

struct event_base;
struct bufferevent;
/* For evhttp_set_bevcb(): a connection that is watched; data: the server. */
struct bufferevent *watch_new(struct event_base *base, void *data);
/* The request that x is has its answer. */
void watch_answered(exchange *x);
/* What came behind it was refused: the connection ends. */
bool watch_refused(const exchange *x);
/* Looks for what is late; once a second or so. */
void watch_sweep(server *s);
/* Closes connections that wait for a request. */
void watch_close_idle(server *s);
#endif
