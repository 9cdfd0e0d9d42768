/* HTTP over libevent: requests taken in, answers given out. All of it runs on the loop's thread. */
#ifndef BERT_SERVER_HTTP_H
#define BERT_SERVER_HTTP_H
#include "state.h"

/* Listens where the options say; 0 or an error. */
int http_open(server *s, bert_error *e);
/* Gives x its answer, and frees it. */
void http_answer(server *s, exchange *x);
void http_stop_listening(server *s);
void http_close(server *s);
#endif
