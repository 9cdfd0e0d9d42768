/* What the files of the server share. */
#ifndef BERT_TEST_HUB_SERVER_INSIDE_H
#define BERT_TEST_HUB_SERVER_INSIDE_H
#include "hub_server.h"
#include <jansson.h>
#include <stdio.h>

typedef struct {
    char *path, *data, *disk; /* data NULL: on the disk, or made by fill */
    int64_t size;
    bool large;
    hub_fill *fill;
    void *context;
    char oid[65], sha256[65];
} hub_server_file;

struct hub_repo {
    hub_server *server;
    char id[256], old_id[256], commit[64];
    unsigned flags;
    hub_server_file files[400], replaced[100]; /* replaced: may still be being sent */
    int n, replaced_count;
};

typedef struct {
    char part[200], *text;
    hub_fail kind;
    int64_t value;
    int after, times;
} fault;

/* Uploaded, and not yet in a commit. */
typedef struct {
    char oid[65], *data;
    size_t bytes;
} stored;

enum { MOST_REPOS = 64, MOST_FAULTS = 32, MOST_STORED = 256 };
struct hub_server {
    pthread_mutex_t guard;
    pthread_t threads[2];
    int listening[2];
    char url[2][64];
    bool ending;
    int open_connections;
    hub_repo *repos[MOST_REPOS];
    int repo_count;
    fault faults[MOST_FAULTS];
    int fault_count;
    char *log;
    size_t log_bytes, log_capacity;
    stored stored[MOST_STORED];
    int stored_count, commits;
};

typedef struct {
    hub_server *s;
    int fd;
    bool cdn, head, close;
    char method[16], target[4096], path[4096], query[2048], token[256]; /* path: decoded */
    int64_t from;                                                       /* of Range; -1: none */
    char *body;
    size_t bytes;
    const fault *fails; /* what is to go wrong with the answer, or NULL */
} hub_call;

/* An answer with headers "A: b\r\n..". */
void hub_answer_text(hub_call *c, int status, const char *headers, const char *body);
void hub_answer_json(hub_call *c, int status, const char *headers, json_t *body); /* takes body */
void hub_answer_file(hub_call *c, const char *headers, const hub_server_file *f);
const hub_server_file *hub_find_file(const hub_repo *r, const char *path);
bool hub_may_see(const hub_call *c, const hub_repo *r);

void hub_serve(hub_call *c);      /* hub_server_answers.c */
bool hub_serve_push(hub_call *c); /* hub_server_push.c; false: it is none of these */
#endif
