/* Uploading: the repository is made, it is asked how each file is kept, large files go to where the
 * hub says, and a commit names them all. What has been uploaded before is not sent again. */
#include "module.h"
#include "text.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 256, SAMPLE = 512 };
typedef enum { SKIP, REGULAR, LARGE } mode;

typedef struct {
    hub_http *h;
    const bert_hub_push *what;
    char id[300];
    char parent[64]; /* what the revision is before */
    mode *modes;     /* [what->n] */
    hub_request_place place;
    int64_t gone; /* bytes of files that are whole */
    const char *path;
} push;

/* ---- JSON there and back */

/* POST of a body, malloc'ed; the answer's JSON in *out. */
static int post_text(push *p, const char *url, const char *type, const char *body, size_t bytes,
                     hub_answer *a, bert_error *e) {
    const hub_request r = {.method = "POST",
                           .url = url,
                           .accept = strstr(type, "git-lfs") ? type : NULL,
                           .content_type = type,
                           .body = body,
                           .body_bytes = bytes};
    return hub_http_do(p->h, &r, &p->place, a, e);
}

/* Takes `in`. */
static json_t *post(push *p, const char *url, const char *type, json_t *in, bert_error *e) {
    char *body = in ? json_dumps(in, JSON_COMPACT) : NULL;
    hub_answer a = {0};
    json_t *out = NULL;
    if (!body || !url)
        hub_fail_memory(e);
    else if (!post_text(p, url, type, body, strlen(body), &a, e)) {
        out = json_loadb(a.body, a.bytes, 0, NULL);
        if (!out) hub_fail(e, BERT_EFORMAT, "the server's answer is not the hub's");
    }
    hub_answer_free(&a);
    json_decref(in);
    free(body);
    return out;
}

static const char *text_of(const json_t *o, const char *key) {
    return json_string_value(json_object_get(o, key));
}

/* ---- The repository */

/* A name without an organisation is the user's own. */
static int own_name(push *p, bert_error *e) {
    hub_answer a = {0};
    char *url = hub_print("%s/api/whoami-v2", p->place.endpoint);
    int rc =
        url ? hub_http_do(p->h, &(hub_request){.url = url}, &p->place, &a, e) : hub_fail_memory(e);
    json_t *o = rc ? NULL : json_loadb(a.body, a.bytes, 0, NULL);
    const char *name = text_of(o, "name");
    if (!rc && !name) rc = hub_fail(e, BERT_EFORMAT, "the hub does not say whose token this is");
    if (!rc) snprintf(p->id, sizeof p->id, "%.90s/%.200s", name, p->what->id);
    json_decref(o);
    hub_answer_free(&a);
    free(url);
    return rc;
}

/* Whether it is there, as far as this token sees. */
static int is_there(push *p, bool *there, bert_error *e) {
    hub_answer a = {0};
    bert_error why = {0};
    char *url = hub_print("%s/api/models/%s", p->place.endpoint, p->id);
    int rc = url ? hub_http_do(p->h, &(hub_request){.url = url}, &p->place, &a, &why)
                 : hub_fail_memory(&why);
    *there = !rc;
    if (rc == BERT_ENOTFOUND) rc = 0;
    if (rc) hub_fail(e, rc, "%s", why.message);
    hub_answer_free(&a);
    free(url);
    return rc;
}

static int create(push *p, bert_error *e) {
    const bert_hub_push *w = p->what;
    bool there = false, is_private = w->is_private;
    int asked = w->visibility ? is_there(p, &there, e) : 0;
    if (!asked && w->visibility && !there) asked = w->visibility(w->context, p->id, &is_private, e);
    if (asked || there) return asked;
    const char *slash = strchr(p->id, '/');
    json_t *in =
        json_pack("{s:s, s:s, s:s#, s:s}", "type", "model", "name", slash + 1, "organization",
                  p->id, (size_t)(slash - p->id), "visibility", is_private ? "private" : "public");
    char *url = hub_print("%s/api/repos/create", p->place.endpoint);
    char *body = in ? json_dumps(in, JSON_COMPACT) : NULL;
    hub_answer a = {0};
    bert_error why = {0};
    int rc = url && body ? post_text(p, url, "application/json", body, strlen(body), &a, &why)
                         : hub_fail_memory(&why);
    if (rc && a.headers.status == 409) rc = 0; /* it is there already */
    if (rc) hub_fail(e, rc, "%s", why.message);
    hub_answer_free(&a);
    json_decref(in);
    free(body);
    free(url);
    return rc;
}

static int ask_commit(push *p, char out[64], bert_error *e) {
    hub_answer a = {0};
    bert_hub_revision r = {{0}, {0}};
    char *name = hub_encode(p->what->revision, false);
    char *url =
        name ? hub_print("%s/api/models/%s/revision/%s", p->place.endpoint, p->id, name) : NULL;
    int rc =
        url ? hub_http_do(p->h, &(hub_request){.url = url}, &p->place, &a, e) : hub_fail_memory(e);
    if (!rc) rc = hub_read_revision(a.body, a.bytes, &r, e);
    if (!rc) snprintf(out, 64, "%s", r.commit);
    hub_answer_free(&a);
    free(name);
    free(url);
    return rc;
}

/* ---- How each file is kept */

static char *read_file(const char *path, int64_t most, size_t *bytes, bert_error *e) {
    FILE *f = fopen(path, "rb");
    char *data = f ? malloc((size_t)most + 1) : NULL;
    if (f && !data) hub_fail_memory(e);
    if (!f) hub_fail(e, BERT_EIO, "%.300s: cannot be read", path);
    if (data) *bytes = fread(data, 1, (size_t)most, f);
    if (f) fclose(f);
    return data;
}

static json_t *sample_of(const bert_hub_upload *f, bert_error *e) {
    size_t bytes = 0;
    char *data = read_file(f->file, SAMPLE, &bytes, e);
    char *sample = data ? hub_base64(data, bytes) : NULL;
    json_t *o = sample ? json_pack("{s:s, s:s, s:I}", "path", f->path, "sample", sample, "size",
                                   (json_int_t)f->size)
                       : NULL;
    free(sample);
    free(data);
    return o;
}

static void take_mode(push *p, const json_t *answer) {
    const char *path = text_of(answer, "path"), *kept = text_of(answer, "uploadMode");
    const char *oid = text_of(answer, "oid");
    for (int i = 0; path && i < p->what->n; i++) {
        const bert_hub_upload *f = &p->what->files[i];
        if (strcmp(f->path, path)) continue;
        const bool same = oid && (!strcmp(oid, f->sha256) || !strcmp(oid, f->oid));
        const bool large = kept && !strcmp(kept, "lfs") && f->size > 0;
        const bool skip = same || json_is_true(json_object_get(answer, "shouldIgnore"));
        p->modes[i] = skip ? SKIP : large ? LARGE : REGULAR;
    }
}

static int preupload(push *p, int from, int to, bert_error *e) {
    json_t *files = json_array(), *answer;
    size_t k;
    for (int i = from; i < to; i++) {
        json_t *o = sample_of(&p->what->files[i], e);
        if (!o || json_array_append_new(files, o)) hub_fail_memory(e);
        p->modes[i] = REGULAR;
    }
    char *name = hub_encode(p->what->revision, false);
    char *url =
        name ? hub_print("%s/api/models/%s/preupload/%s", p->place.endpoint, p->id, name) : NULL;
    json_t *in = json_pack("{s:O}", "files", files), *out = NULL;
    if (!e->code)
        out = post(p, url, "application/json", in, e);
    else
        json_decref(in);
    json_array_foreach(json_object_get(out, "files"), k, answer) take_mode(p, answer);
    json_decref(out);
    json_decref(files);
    free(name);
    free(url);
    return e->code;
}

/* ---- Large files */

static int sent(void *context, int64_t bytes, bert_error *e) {
    const push *p = context;
    return p->what->progress ? p->what->progress(p->what->context, p->path, p->gone + bytes, e) : 0;
}

/* A part of a file to a signed address; etag: what the storage calls it. */
static int put(push *p, const char *url, int fd, int64_t at, int64_t bytes, char *etag,
               bert_error *e) {
    const hub_request r = {.method = "PUT",
                           .url = url,
                           .no_token = true,
                           .fd = fd,
                           .file_at = at,
                           .file_bytes = bytes,
                           .sent = sent,
                           .context = p};
    hub_answer a = {0};
    int rc = hub_http_do(p->h, &r, &p->place, &a, e);
    if (etag) snprintf(etag, HUB_HEADER, "%s", a.headers.etag);
    hub_answer_free(&a);
    return rc;
}

/* Chunks to the addresses under the header's keys "1", "2" .., and what they were called to href. */
static int put_parts(push *p, const bert_hub_upload *f, const json_t *action, int fd, int64_t chunk,
                     bert_error *e) {
    const json_t *header = json_object_get(action, "header");
    json_t *parts = json_array();
    char key[24], etag[HUB_HEADER], quoted[HUB_HEADER + 2];
    int rc = 0;
    const int64_t before = p->gone;
    for (int64_t i = 0; i * chunk < f->size && !rc; i++) {
        const int64_t left = f->size - i * chunk, n = left < chunk ? left : chunk;
        snprintf(key, sizeof key, "%lld", (long long)i + 1);
        const char *url = text_of(header, key);
        for (int width = 2; !url && width < 6; width++) {
            snprintf(key, sizeof key, "%0*lld", width, (long long)i + 1);
            url = text_of(header, key);
        }
        rc = url ? put(p, url, fd, i * chunk, n, etag, e)
                 : hub_fail(e, BERT_EFORMAT, "the hub gives no address for part %s of %s", key,
                            f->path);
        snprintf(quoted, sizeof quoted, "\"%.*s\"", (int)sizeof etag - 1, rc ? "" : etag);
        json_array_append_new(
            parts, json_pack("{s:I, s:s}", "partNumber", (json_int_t)i + 1, "etag", quoted));
        p->gone += n;
    }
    p->gone = before;
    json_t *in = json_pack("{s:s, s:O}", "oid", f->sha256, "parts", parts);
    char *body = in ? json_dumps(in, JSON_COMPACT) : NULL;
    const hub_request r = {.method = "POST",
                           .url = text_of(action, "href"),
                           .content_type = "application/vnd.git-lfs+json",
                           .accept = "application/vnd.git-lfs+json",
                           .body = body,
                           .body_bytes = body ? strlen(body) : 0,
                           .no_token = true};
    hub_answer a = {0};
    if (!rc) rc = body ? hub_http_do(p->h, &r, &p->place, &a, e) : hub_fail_memory(e);
    hub_answer_free(&a);
    json_decref(in);
    json_decref(parts);
    free(body);
    return rc;
}

static int verify(push *p, const bert_hub_upload *f, const json_t *action, bert_error *e) {
    const char *url = text_of(action, "href");
    char *body = hub_print("{\"oid\":\"%s\",\"size\":%lld}", f->sha256, (long long)f->size);
    hub_answer a = {0};
    int rc = !url   ? 0
             : body ? post_text(p, url, "application/vnd.git-lfs+json", body, strlen(body), &a, e)
                    : hub_fail_memory(e);
    hub_answer_free(&a);
    free(body);
    return rc;
}

/* An object of the batch's answer: without actions it is there already. */
static int upload(push *p, const json_t *object, bert_hub_pushed *out, bert_error *e) {
    const char *oid = text_of(object, "oid");
    const json_t *actions = json_object_get(object, "actions");
    const json_t *to = json_object_get(actions, "upload"),
                 *error = json_object_get(object, "error");
    const bert_hub_upload *f = NULL;
    for (int i = 0; oid && i < p->what->n; i++)
        if (p->modes[i] == LARGE && !strcmp(p->what->files[i].sha256, oid)) f = &p->what->files[i];
    if (!f) return 0;
    if (error)
        return hub_fail(e, BERT_EIO, "%s: the hub refuses it: %.200s", f->path,
                        text_of(error, "message") ? text_of(error, "message") : "no reason");
    p->path = f->path;
    p->place.path = f->path;
    int rc = 0;
    if (to) {
        const char *size = text_of(json_object_get(to, "header"), "chunk_size");
        const int64_t chunk = size ? strtoll(size, NULL, 10) : 0;
        const int fd = open(f->file, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || !text_of(to, "href"))
            rc = hub_fail(e, BERT_EIO, "%s: cannot be read, or has no address to go to", f->path);
        else if (chunk > 0)
            rc = put_parts(p, f, to, fd, chunk, e);
        else
            rc = put(p, text_of(to, "href"), fd, 0, f->size, NULL, e);
        if (fd >= 0) close(fd);
        if (!rc) rc = verify(p, f, json_object_get(actions, "verify"), e);
        out->uploaded += !rc;
    }
    if (!rc) p->gone += f->size;
    p->place.path = NULL;
    return rc ? rc : sent(p, 0, e);
}

static int upload_large(push *p, int from, int to, bert_hub_pushed *out, bert_error *e) {
    json_t *objects = json_array(), *object, *answer = NULL;
    size_t k;
    for (int i = from; i < to; i++)
        if (p->modes[i] == LARGE)
            json_array_append_new(objects, json_pack("{s:s, s:I}", "oid", p->what->files[i].sha256,
                                                     "size", (json_int_t)p->what->files[i].size));
    char *url = hub_print("%s/%s.git/info/lfs/objects/batch", p->place.endpoint, p->id);
    if (json_array_size(objects))
        answer = post(p, url, "application/vnd.git-lfs+json",
                      json_pack("{s:s, s:[s,s], s:s, s:{s:s}, s:O}", "operation", "upload",
                                "transfers", "basic", "multipart", "hash_algo", "sha256", "ref",
                                "name", p->what->revision, "objects", objects),
                      e);
    json_array_foreach(json_object_get(answer, "objects"), k, object) {
        if (!e->code) upload(p, object, out, e);
    }
    json_decref(answer);
    json_decref(objects);
    free(url);
    return e->code;
}

/* ---- The commit */

typedef struct {
    char *text;
    size_t bytes;
    bool failed;
} body;

/* Takes the line. */
static void add_line(body *b, json_t *line) {
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    const size_t n = text ? strlen(text) : 0;
    char *more = text ? realloc(b->text, b->bytes + n + 2) : NULL;
    b->failed = b->failed || !more;
    if (more) {
        memcpy(more + b->bytes, text, n);
        more[b->bytes + n] = '\n';
        b->text = more;
        b->bytes += n + 1;
    }
    free(text);
    json_decref(line);
}

static void add_regular(body *b, const bert_hub_upload *f, bert_error *e) {
    size_t bytes = 0;
    char *data = read_file(f->file, f->size, &bytes, e);
    char *content = data ? hub_base64(data, bytes) : NULL;
    add_line(b, content ? json_pack("{s:s, s:{s:s, s:s, s:s}}", "key", "file", "value", "content",
                                    content, "path", f->path, "encoding", "base64")
                        : NULL);
    free(content);
    free(data);
}

static int make_body(const push *p, body *b, int *changes, bert_error *e) {
    json_t *header = json_pack("{s:s, s:s, s:s}", "summary", p->what->message, "description", "",
                               "parentCommit", p->parent);
    add_line(b, json_pack("{s:s, s:o}", "key", "header", "value", header));
    for (int i = 0; i < p->what->n; i++) {
        const bert_hub_upload *f = &p->what->files[i];
        if (p->modes[i] == REGULAR) add_regular(b, f, e);
        if (p->modes[i] == LARGE)
            add_line(b, json_pack("{s:s, s:{s:s, s:s, s:s, s:I}}", "key", "lfsFile", "value",
                                  "path", f->path, "algo", "sha256", "oid", f->sha256, "size",
                                  (json_int_t)f->size));
        *changes += p->modes[i] != SKIP;
    }
    return b->failed ? hub_fail_memory(e) : e->code;
}

/* It must not be made twice: where the answer is lost, what the revision is says whether it was. */
static int commit(push *p, const body *b, bert_hub_pushed *out, bert_error *e) {
    char *name = hub_encode(p->what->revision, false), now[64] = "";
    char *url =
        name ? hub_print("%s/api/models/%s/commit/%s", p->place.endpoint, p->id, name) : NULL;
    const hub_request r = {.method = "POST",
                           .url = url,
                           .content_type = "application/x-ndjson",
                           .once = true,
                           .body = b->text,
                           .body_bytes = b->bytes};
    int rc = url ? 0 : hub_fail_memory(e);
    for (int failed = 1; !rc; failed++) {
        hub_answer a = {0};
        bert_error why = {0};
        int tried = hub_http_try(p->h, &r, &a, &why);
        const bool lost = tried ? a.lost : hub_may_retry(a.headers.status);
        json_t *o = tried ? NULL : json_loadb(a.body, a.bytes, 0, NULL);
        const char *made = text_of(o, "commitOid");
        bool again = false;
        if (!tried && a.headers.status < 300 && made) {
            snprintf(out->commit, sizeof out->commit, "%.40s", made);
        } else if (lost && hub_http_wait(p->h, failed, &a, e)) {
            rc = ask_commit(p, now, e);
            again = !rc && !strcmp(now, p->parent);
            if (!rc && !again) snprintf(out->commit, sizeof out->commit, "%.40s", now);
        } else {
            rc = e->code ? e->code
                 : tried ? hub_fail(e, tried, "%s", why.message)
                         : hub_explain(&p->place, &a.headers, a.body, e);
        }
        json_decref(o);
        hub_answer_free(&a);
        if (!again) break;
    }
    free(name);
    free(url);
    return rc;
}

/* ---- The whole */

static int push_all(push *p, bert_hub_pushed *out, bert_error *e) {
    const int n = p->what->n;
    int changes = 0, rc = strchr(p->what->id, '/') ? 0 : own_name(p, e);
    p->place.id = p->id;
    if (!rc) rc = create(p, e);
    if (!rc) rc = ask_commit(p, p->parent, e);
    for (int i = 0; i < n && !rc; i += BATCH)
        rc = preupload(p, i, i + BATCH < n ? i + BATCH : n, e);
    for (int i = 0; i < n && !rc; i += BATCH)
        rc = upload_large(p, i, i + BATCH < n ? i + BATCH : n, out, e);
    body b = {NULL, 0, false};
    if (!rc) rc = make_body(p, &b, &changes, e);
    snprintf(out->commit, sizeof out->commit, "%s", p->parent);
    if (!rc && changes) rc = commit(p, &b, out, e);
    snprintf(out->url, sizeof out->url, "%.200s/%s", p->place.endpoint, p->id);
    free(b.text);
    return rc;
}

int hub_push(void *hub, const bert_hub_push *what, bert_hub_pushed *out, bert_error *e) {
    push p = {.h = hub, .what = what, .modes = calloc((size_t)what->n + 1, sizeof(mode))};
    p.place = (hub_request_place){.endpoint = hub_http_endpoint(hub),
                                  .id = what->id,
                                  .revision = what->revision,
                                  .has_token = hub_http_has_token(hub)};
    snprintf(p.id, sizeof p.id, "%s", what->id);
    *out = (bert_hub_pushed){.uploaded = 0};
    int rc = p.modes ? push_all(&p, out, e) : hub_fail_memory(e);
    free(p.modes);
    return rc;
}
