/* bert_hub.h: what fetches models by name, the table that libbert-hub.so exports.
 *
 * libbert knows names, the cache on disk, what of a repository a model needs, and verifies what
 * arrives; it opens no socket. What does is a module, libbert-hub.so, loaded when something is fetched:
 * from the directory that the environment variable BERT_MODULES names, else from beside the library or
 * the program, or from the folder "bert" of the library folder. The stock one speaks the hub's
 * protocol over libcurl (src/hub/curl/). A mirror that speaks another one (an object store, a file
 * server) is a shared library of one's own of that name, compiled with these headers, that exports
 *
 *     BERT_API const bert_hub_module bert_module_hub;
 *
 * One thread at a time uses what open() returned. Functions return 0 or a negative BERT_E.. with a
 * message: BERT_ENOTFOUND (no such repository, revision or file), BERT_EDENIED (not for this token),
 * BERT_EIO (the place cannot be reached: what is cached is used instead), or what the callbacks
 * returned. The library checks sizes and digests itself, writes files, and takes no path out of
 * the cache, whatever a module says.
 */
#ifndef BERT_HUB_H
#define BERT_HUB_H
#include <bert.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *endpoint; /* "https://huggingface.co", no / at the end */
    const char *token;    /* NULL: none. For the endpoint's own origin, nobody else's */
    double connect_seconds,
        silence_seconds; /* before a connection, and one that is silent, is lost */
    double
        retry_seconds; /* before a request is made again, for the first time; then twice that .. */
    /* To be called once in a while, at least once a second: where it returns an error, that is to be
     * returned at once. why: what is waited for, or NULL. */
    int (*idle)(void *context, const char *why, bert_error *e);
    void *context;
} bert_hub_site;

typedef struct {
    char id[256];    /* what the repository is called now */
    char commit[64]; /* 40 hexadecimal digits */
} bert_hub_revision;

typedef struct {
    const char *path;
    int64_t size;     /* -1: not known */
    const char *etag; /* names the content: 64 hexadecimal digits are its SHA-256, 40 git's SHA-1 of
                         it; other names are not checked; NULL: stat() will tell */
    const char *oid,
        *xet; /* git's name of what it holds for the file, and the hub's of the content;
                              NULL: not known */
} bert_hub_file;

typedef struct {
    /* The bytes from `from` on follow, whatever came before; size: of all, or -1. */
    int (*begin)(void *context, int64_t from, int64_t size, bert_error *e);
    int (*put)(void *context, const void *data, size_t bytes, bert_error *e);
    void *context;
} bert_hub_sink;

typedef struct {
    const char *path; /* in the repository */
    const char *file; /* here */
    int64_t size;
    const char *sha256, *oid;
} bert_hub_upload;

typedef struct {
    const char *id, *revision, *message;
    bool is_private;
    const bert_hub_upload *files;
    int n;
    /* Bytes that have gone; where it returns an error, that is to be returned. */
    int (*progress)(void *context, const char *path, int64_t bytes, bert_error *e);
    void *context;
    /* Whether a repository that is not there is to be private: asked before it is made. NULL:
     * is_private says so. */
    int (*visibility)(void *context, const char *id, bool *is_private, bert_error *e);
} bert_hub_push;

typedef struct {
    char url[512], commit[64];
    int uploaded; /* files that were not there already */
} bert_hub_pushed;

typedef struct {
    const char *version; /* BERT_VERSION: one that was built for another is refused */
    const char *name;    /* "the hub's protocol over libcurl" */
    void *(*open)(const bert_hub_site *site, bert_error *e);
    void (*close)(void *hub);
    /* The commit that a revision is now. */
    int (*revision)(void *hub, const char *id, const char *revision, bert_hub_revision *out,
                    bert_error *e);
    /* Calls each() for every file of a commit, in any order. */
    int (*list)(void *hub, const char *id, const char *commit,
                int (*each)(void *context, const bert_hub_file *file, bert_error *e), void *context,
                bert_error *e);
    /* Size and etag of a file of which list() did not tell them; etag holds 130 bytes. NULL: list()
     * always does. */
    int (*stat)(void *hub, const char *id, const char *commit, const char *path, int64_t *size,
                char *etag, bert_error *e);
    /* A file's bytes from `from` on, into the sink. */
    int (*fetch)(void *hub, const char *id, const char *commit, const char *path, int64_t from,
                 const bert_hub_sink *sink, bert_error *e);
    /* NULL: nothing can be uploaded. */
    int (*push)(void *hub, const bert_hub_push *what, bert_hub_pushed *out, bert_error *e);
} bert_hub_module;

BERT_API extern const bert_hub_module bert_module_hub;

#ifdef __cplusplus
}
#endif
#endif
