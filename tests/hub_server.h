/* A hub on this machine, for tests: repositories in memory or made on the fly, the hub's protocol over
 * plain HTTP on two ports (the hub, and the other host that it sends large files from), and everything
 * that can go wrong on the way, on demand. */
#ifndef BERT_TEST_HUB_SERVER_H
#define BERT_TEST_HUB_SERVER_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hub_server hub_server;
typedef struct hub_repo hub_repo;

hub_server *hub_server_start(void);
void hub_server_stop(hub_server *s);
const char *hub_server_url(const hub_server *s); /* "http://127.0.0.1:PORT" */
const char *hub_server_cdn(const hub_server *s); /* of the other host */

/* ---- Repositories */

/* At this commit; revisions "main" and "v1.0" lead to it. */
hub_repo *hub_server_add(hub_server *s, const char *id, const char *commit);
hub_repo *hub_server_find(hub_server *s, const char *id);
/* large: kept as the hub keeps large files (SHA-256, sent from the other host). */
void hub_repo_put(hub_repo *r, const char *path, const void *data, size_t bytes, bool large);
void hub_repo_text(hub_repo *r, const char *path, const char *text);
/* A large file whose bytes are made when they are asked for. context is freed with free(). */
typedef void hub_fill(const void *context, int64_t at, char *out, size_t bytes);
void hub_repo_generate(hub_repo *r, const char *path, int64_t size, hub_fill *fill, void *context);
/* A large file that lies on the disk. */
void hub_repo_disk(hub_repo *r, const char *path, const char *file);
/* The bytes of a file, malloc'ed; NULL: there is none. */
char *hub_repo_get(hub_repo *r, const char *path, size_t *bytes);
const char *hub_repo_commit(const hub_repo *r);
void hub_repo_set_commit(hub_repo *r, const char *commit);
void hub_repo_old_name(hub_repo *r, const char *id); /* is redirected to its name */
enum { HUB_PRIVATE = 1, HUB_GATED = 2, HUB_DISABLED = 4, HUB_NO_TREE = 8 };
void hub_repo_flags(hub_repo *r, unsigned flags);
bool hub_repo_is_private(const hub_repo *r);

#define HUB_TOKEN "hf_may_all"     /* sees private repositories, gated ones, and writes */
#define HUB_OTHER_TOKEN "hf_known" /* known, but may nothing of that */

/* ---- What goes wrong */

typedef enum {
    HUB_FAIL_STATUS,   /* value: the status */
    HUB_FAIL_LIMIT,    /* 429; value: seconds of RateLimit */
    HUB_FAIL_CUT,      /* value: bytes of the body, then the connection ends */
    HUB_FAIL_CLOSE,    /* no answer at all */
    HUB_FAIL_LOST,     /* it is done, but the answer is lost */
    HUB_FAIL_WRONG,    /* a byte of the body is another one; value: which */
    HUB_FAIL_LENGTH,   /* value: bytes more than there are, of zeros */
    HUB_FAIL_DRIP,     /* value: bytes, then silence */
    HUB_FAIL_NO_RANGE, /* Range is not heeded */
    HUB_FAIL_RANGE,    /* another part than was asked for */
    HUB_FAIL_EXPIRED,  /* 403, as a signed address that is too old */
    HUB_FAIL_ENDLESS,  /* a body without length and end */
    HUB_FAIL_REDIRECT, /* text: where to */
    HUB_FAIL_BODY,     /* 200 with this text */
    HUB_FAIL_HEADERS,  /* a header line of value bytes */
} hub_fail;
/* Of the next `times` requests whose "METHOD PATH" holds `part`, behind the first `after`. */
void hub_server_fail(hub_server *s, const char *part, hub_fail kind, int64_t value,
                     const char *text, int after, int times);
void hub_server_heal(hub_server *s); /* nothing fails from now on */

/* ---- What was asked for: lines "hub GET /path token=hf_x range=5-" and "cdn GET ..". */

int hub_server_count(hub_server *s, const char *part); /* lines that hold it */
/* The first such line, malloc'ed, or NULL. */
char *hub_server_line(hub_server *s, const char *part);
void hub_server_forget(hub_server *s);
#endif
