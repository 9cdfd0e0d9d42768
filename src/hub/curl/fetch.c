/* The bytes of a file: again from where the connection was lost, and from a fresh address where a
 * signed one has expired. */
#include "module.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    hub_http *h;
    hub_request_place place;
    const bert_hub_sink *sink;
    int64_t at, size;       /* where the next byte belongs; of all, -1: not known */
    int failures, renewals; /* since there was progress */
    bool started_over;
} fetch;

static int begin(void *context, int64_t from, int64_t size, bert_error *e) {
    fetch *f = context;
    f->at = from;
    f->size = size;
    return f->sink->begin(f->sink->context, from, size, e);
}

static int put(void *context, const void *data, size_t bytes, bert_error *e) {
    fetch *f = context;
    const int rc = f->sink->put(f->sink->context, data, bytes, e);
    if (!rc) f->at += (int64_t)bytes;
    return rc;
}

/* What to do about an answer that is no success: 0, once more; else an error. */
static int again(fetch *f, const hub_answer *a, bert_error *e) {
    enum { MOST_RENEWALS = 5 };
    const long status = a->headers.status;
    if (!a->lost && status == 403 && a->elsewhere && f->renewals++ < MOST_RENEWALS) return 0;
    if (!a->lost && status == 416 && f->at > 0 && !f->started_over) {
        f->started_over = true;
        f->at = 0;
        return 0;
    }
    const bool may = a->lost ? !a->unreachable : hub_may_retry(status);
    if (may && hub_http_wait(f->h, ++f->failures, a, e)) return 0;
    if (e->code) return e->code;
    return a->lost ? BERT_EIO : hub_explain(&f->place, &a->headers, a->body, e);
}

/* One try; *done: it is all there. */
static int try_fetch(fetch *f, const char *url, bool *done, bert_error *e) {
    const bert_hub_sink mine = {.begin = begin, .put = put, .context = f};
    const hub_request r = {.url = url, .from = f->at, .sink = &mine};
    hub_answer a = {0};
    bert_error here = {0};
    int rc = hub_http_try(f->h, &r, &a, &here);
    if (a.received) f->failures = f->renewals = 0;
    const long status = a.headers.status;
    const bool whole = f->size < 0 || f->at == f->size;
    if (!rc && (status == 200 || status == 206) && whole)
        *done = true;
    else if (!rc && status == 416 && a.headers.range_size == f->at)
        *done = true; /* there is nothing behind what is there */
    else if (rc && !a.lost)
        rc = hub_fail(e, rc, "%s", here.message);
    else {
        a.lost = a.lost || status == 200 || status == 206;
        rc = again(f, &a, e);
        if (rc && !e->code) rc = hub_fail(e, rc, "%s", *here.message ? here.message : "cut short");
    }
    hub_answer_free(&a);
    return rc;
}

int hub_fetch(void *hub, const char *id, const char *commit, const char *path, int64_t from,
              const bert_hub_sink *sink, bert_error *e) {
    hub_http *h = hub;
    fetch f = {.h = h,
               .place = {.endpoint = hub_http_endpoint(h),
                         .id = id,
                         .revision = commit,
                         .path = path,
                         .has_token = hub_http_has_token(h)},
               .sink = sink,
               .at = from,
               .size = -1};
    char *url = hub_file_url(h, id, commit, path);
    bool done = false;
    int rc = url ? 0 : hub_fail_memory(e);
    while (!rc && !done) rc = try_fetch(&f, url, &done, e);
    free(url);
    return rc;
}
