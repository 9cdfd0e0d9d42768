/* Requests over libcurl: redirects by hand, the token to its own origins only, again where that may
 * help. */
#ifndef BERT_MODULE_HTTP_H
#define BERT_MODULE_HTTP_H
#include "answers.h"

typedef struct hub_http hub_http;

hub_http *hub_http_open(const bert_hub_site *site, bert_error *e);
void hub_http_close(hub_http *h);
const char *hub_http_endpoint(const hub_http *h);
bool hub_http_has_token(const hub_http *h);

typedef struct {
    const char *method; /* NULL: GET */
    const char *url;
    const char *accept, *content_type; /* NULL: none */
    const char *const *headers;        /* further ones, ended by NULL; or NULL */
    const char *body;                  /* of a POST, */
    size_t body_bytes;
    int fd; /* or a part of a file, with file_bytes > 0 */
    int64_t file_at, file_bytes;
    int64_t from;  /* > 0: Range */
    bool no_token; /* of a signed address */
    bool once;     /* not to be made twice: libcurl itself would, on a connection that is kept */
    bool stay;     /* a redirect to another origin is the answer */
    const bert_hub_sink *sink; /* takes the body of a 200 or 206; NULL: it is kept */
    int (*sent)(void *context, int64_t bytes,
                bert_error *e); /* bytes of the body, so far; or NULL */
    void *context;
} hub_request;

typedef struct {
    hub_headers headers;
    char *body; /* kept, with a NUL; never NULL after success */
    size_t bytes, capacity;
    int64_t received; /* bytes that the sink got */
    bool elsewhere;   /* it came from another origin than the endpoint's */
    bool lost;        /* no answer, or not all of it: the error says why */
    bool unreachable; /* nobody answered at all, and nobody did before */
} hub_answer;
void hub_answer_free(hub_answer *a);

/* One try, redirects followed. An error is of the connection (lost), of a callback, or of memory;
 * any status is success. */
int hub_http_try(hub_http *h, const hub_request *r, hub_answer *a, bert_error *e);
/* Waits as long as the server asks, or before try number `failed` (from 1); false: that was enough,
 * or a callback ended it (*e). */
bool hub_http_wait(hub_http *h, int failed, const hub_answer *a, bert_error *e);
/* The same until it is a success or a refusal that will not change; what is no success is an error
 * (hub_explain). a is freed by the caller in any case. */
int hub_http_do(hub_http *h, const hub_request *r, const hub_request_place *p, hub_answer *a,
                bert_error *e);
#endif
