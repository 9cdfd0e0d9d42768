/* What the hub's answers say: headers, JSON, errors. No socket: a fuzzer reads them too. */
#ifndef BERT_MODULE_ANSWERS_H
#define BERT_MODULE_ANSWERS_H
#include <bert_hub.h>
#include <jansson.h>

enum { HUB_ADDRESS = 8192, HUB_HEADER = 400 };

/* Of one answer; "" and -1: not there. */
typedef struct {
    long status;
    char location[HUB_ADDRESS], next[HUB_ADDRESS]; /* next: of Link, rel="next" */
    char commit[HUB_HEADER], etag[HUB_HEADER], linked_etag[HUB_HEADER];
    char error_code[HUB_HEADER], error_message[HUB_HEADER], request_id[HUB_HEADER];
    int64_t content_length, linked_size, range_start, range_size;
    double wait; /* seconds that the server asks for; -1 */
} hub_headers;

void hub_headers_clear(hub_headers *h);
/* Takes a line "Name: value", without its line end. */
void hub_headers_take(hub_headers *h, const char *line, size_t bytes);

/* Of the answer to /api/models/ID/revision/REVISION. */
int hub_read_revision(const char *text, size_t bytes, bert_hub_revision *out, bert_error *e);
/* Of one page of /tree/ (an array of objects), or of the above's "siblings". */
int hub_read_files(const char *text, size_t bytes,
                   int (*each)(void *context, const bert_hub_file *file, bert_error *e),
                   void *context, bert_error *e);

/* What was asked for, for messages. */
typedef struct {
    const char *endpoint, *id, *revision, *path; /* revision, path: may be NULL */
    bool has_token;
} hub_request_place;
/* Turns an answer that is no success into an error. 404 without a code of the hub's is of the path,
 * where one was asked for. */
int hub_explain(const hub_request_place *p, const hub_headers *h, const char *body, bert_error *e);
/* The same request may succeed later. */
bool hub_may_retry(long status);
#endif
