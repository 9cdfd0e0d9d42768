/* libbert-hub.so: the hub's protocol over libcurl. */
#include "module.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *open_hub(const bert_hub_site *site, bert_error *e) {
    return hub_http_open(site, e);
}

static void close_hub(void *hub) {
    hub_http_close(hub);
}

static hub_request_place place_of(const hub_http *h, const char *id, const char *revision,
                                  const char *path) {
    return (hub_request_place){.endpoint = hub_http_endpoint(h),
                               .id = id,
                               .revision = revision,
                               .path = path,
                               .has_token = hub_http_has_token(h)};
}

static int revision_of(void *hub, const char *id, const char *revision, bert_hub_revision *out,
                       bert_error *e) {
    hub_http *h = hub;
    hub_answer a = {0};
    const hub_request_place p = place_of(h, id, revision, NULL);
    char *name = hub_encode(revision, false);
    char *url = name ? hub_print("%s/api/models/%s/revision/%s", p.endpoint, id, name) : NULL;
    int rc = url ? hub_http_do(h, &(hub_request){.url = url}, &p, &a, e) : hub_fail_memory(e);
    if (!rc) rc = hub_read_revision(a.body, a.bytes, out, e);
    hub_answer_free(&a);
    free(name);
    free(url);
    return rc;
}

typedef int file_fn(void *context, const bert_hub_file *file, bert_error *e);

/* Names alone, of a mirror that has no lists with sizes. */
static int list_names(hub_http *h, const hub_request_place *p, file_fn *each, void *context,
                      bert_error *e) {
    hub_answer a = {0};
    char *url =
        hub_print("%s/api/models/%s/revision/%s?blobs=true", p->endpoint, p->id, p->revision);
    int rc = url ? hub_http_do(h, &(hub_request){.url = url}, p, &a, e) : hub_fail_memory(e);
    if (!rc) rc = hub_read_files(a.body, a.bytes, each, context, e);
    hub_answer_free(&a);
    free(url);
    return rc;
}

/* A page of the tree; *url becomes that of the next one, or NULL. *none: there is no tree. */
static int list_page(hub_http *h, const hub_request_place *p, char **url, file_fn *each,
                     void *context, bool *none, bert_error *e) {
    hub_answer a = {0};
    bert_error why = {0};
    int rc = hub_http_do(h, &(hub_request){.url = *url}, p, &a, &why);
    *none = rc && a.headers.status == 404 && !*a.headers.error_code;
    if (rc && !*none) hub_fail(e, rc, "%s", why.message);
    if (!rc) rc = hub_read_files(a.body, a.bytes, each, context, e);
    free(*url);
    *url = !rc && *a.headers.next ? strdup(a.headers.next) : NULL;
    hub_answer_free(&a);
    return *none ? 0 : rc;
}

/* Pages of the tree, each of which says where the next one is. */
static int list_files(void *hub, const char *id, const char *commit, file_fn *each, void *context,
                      bert_error *e) {
    enum { MOST_PAGES = 1000 };
    const hub_request_place p = place_of(hub, id, commit, NULL);
    char *url = hub_print("%s/api/models/%s/tree/%s?recursive=true", p.endpoint, id, commit);
    int rc = url ? 0 : hub_fail_memory(e);
    bool none = false;
    for (int page = 0; url && !rc; page++) {
        rc = list_page(hub, &p, &url, each, context, &none, e);
        if (!rc && none && !page) rc = list_names(hub, &p, each, context, e);
        if (!rc && url && page == MOST_PAGES)
            rc = hub_fail(e, BERT_EFORMAT, "%s: the list of files has no end", id);
    }
    free(url);
    return rc;
}

char *hub_file_url(const hub_http *h, const char *id, const char *commit, const char *path) {
    char *name = hub_encode(path, true);
    char *url =
        name ? hub_print("%s/%s/resolve/%s/%s", hub_http_endpoint(h), id, commit, name) : NULL;
    free(name);
    return url;
}

/* The first answer that is no redirect within the hub has it all; of a redirect, Content-Length is
 * the length of its own text. */
static int stat_file(void *hub, const char *id, const char *commit, const char *path, int64_t *size,
                     char *etag, bert_error *e) {
    hub_http *h = hub;
    hub_answer a = {0};
    const hub_request_place p = place_of(h, id, commit, path);
    char *url = hub_file_url(h, id, commit, path);
    const hub_request r = {.method = "HEAD", .url = url, .stay = true};
    int rc = url ? hub_http_do(h, &r, &p, &a, e) : hub_fail_memory(e);
    const hub_headers *got = &a.headers;
    if (!rc && !*got->commit)
        rc =
            hub_fail(e, BERT_EIO, "%s does not answer as a hub does: no X-Repo-Commit for %s of %s",
                     p.endpoint, path, id);
    if (!rc) {
        const char *name = *got->linked_etag ? got->linked_etag : got->etag;
        snprintf(etag, 130, "%.129s", name);
        *size = got->linked_size >= 0 ? got->linked_size
                : got->status < 300   ? got->content_length
                                      : -1;
    }
    hub_answer_free(&a);
    free(url);
    return rc;
}

const bert_hub_module bert_module_hub = {
    .version = BERT_VERSION,
    .name = "the hub's protocol over libcurl",
    .open = open_hub,
    .close = close_hub,
    .revision = revision_of,
    .list = list_files,
    .stat = stat_file,
    .fetch = hub_fetch,
    .push = hub_push,
};
