/* Models behind HTTP. A room beside cli/: it sees the public headers only. */
#ifndef BERT_SERVER_H
#define BERT_SERVER_H
#include <bert.h>

typedef struct {
    const char *const *names; /* [models] names or directories; the first one is the default */
    int32_t models;
    const char *host; /* an address, or NULL: 127.0.0.1 */
    int32_t port;     /* 0: any that is free */
    const char *uds;  /* instead of host and port: the path of a socket */
    int32_t threads;  /* that compute; 0: as many as there are cores */
    bert_precision precision;
    int32_t batch_tokens;               /* most tokens of a batch, or one longer text */
    int32_t max_queue;                  /* texts that wait; more are refused with 429 */
    int32_t max_input_texts;            /* of a request */
    int64_t max_body;                   /* bytes of a request */
    int64_t max_bodies;                 /* bytes of all requests that are held */
    int64_t max_answers;                /* bytes of all answers that are not sent yet */
    int32_t max_connections;            /* beyond them only probes are answered */
    int32_t head_seconds, body_seconds; /* of a request, from their first byte */
    int32_t idle_seconds;               /* that a connection may be kept between requests */
    const char *api_key;                /* that requests carry; NULL: none */
    bool cors;                          /* pages of other origins may ask */
    bool auto_truncate;                 /* long texts are cut unless a request says otherwise */
    bool log_json, quiet;               /* a line of each request on standard error; none */
    const bert_pull_options *pull;      /* fetch models that are not in the cache; NULL: an error */
} serve_options;
serve_options serve_default(void);

/* Serves until SIGTERM or SIGINT, then answers what was accepted and returns 0. SIGHUP loads the models
 * anew. Prints "listening on ADDRESS" and an example on standard output when the models are ready. */
int serve(const serve_options *options, bert_error *e);
#endif
