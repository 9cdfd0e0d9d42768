#include "answers.h"
#include "text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Headers */

void hub_headers_clear(hub_headers *h) {
    *h = (hub_headers){
        .content_length = -1, .linked_size = -1, .range_start = -1, .range_size = -1, .wait = -1};
}

static void take_text(char *out, size_t capacity, const char *value) {
    if (strlen(value) < capacity) memcpy(out, value, strlen(value) + 1);
}

/* Of W/"abc": abc. */
static void take_etag(char *out, const char *value) {
    if (!strncmp(value, "W/", 2)) value += 2;
    const size_t n = strlen(value);
    const bool quoted = n >= 2 && value[0] == '"' && value[n - 1] == '"';
    if (n < HUB_HEADER) snprintf(out, HUB_HEADER, "%.*s", (int)(n - 2 * quoted), value + quoted);
}

static int64_t number(const char *s) {
    char *end;
    const long long x = strtoll(s, &end, 10);
    return isdigit((unsigned char)*s) && x < INT64_MAX / 2 ? (int64_t)x : -1;
}

/* "bytes 5-9/10". */
static void take_range(hub_headers *h, const char *value) {
    if (strncasecmp(value, "bytes ", 6)) return;
    const char *slash = strchr(value, '/');
    h->range_start = number(value + 6);
    if (slash) h->range_size = number(slash + 1);
}

/* <https://x/y?cursor=z>; rel="next", among others. */
static void take_link(hub_headers *h, const char *value) {
    for (const char *open; (open = strchr(value, '<'));) {
        const char *close = strchr(open, '>'), *end = close ? close + strcspn(close, ",") : NULL;
        if (!close) return;
        const char *rel = strstr(close, "rel=\"next\"");
        if (rel && rel < end && close - open - 1 < HUB_ADDRESS)
            snprintf(h->next, sizeof h->next, "%.*s", (int)(close - open - 1), open + 1);
        value = end;
    }
}

/* "resolvers";r=0;t=55: none is left for 55 s. It is on every answer. */
static void take_limit(hub_headers *h, const char *value) {
    const char *left = strstr(value, ";r="), *time = strstr(value, ";t=");
    if (left && time && number(left + 3) == 0 && number(time + 3) >= 0)
        h->wait = (double)number(time + 3) + 1;
}

void hub_headers_take(hub_headers *h, const char *line, size_t bytes) {
    char text[HUB_ADDRESS];
    const char *colon = memchr(line, ':', bytes);
    if (!colon || bytes >= sizeof text || memchr(line, 0, bytes)) return;
    memcpy(text, line, bytes);
    text[bytes] = 0;
    char *value = text + (colon - line);
    *value++ = 0;
    while (*value == ' ' || *value == '\t') value++;
    const struct {
        const char *name;
        char *out;
        size_t capacity;
    } texts[] = {
        {"Location", h->location, sizeof h->location},
        {"X-Repo-Commit", h->commit, sizeof h->commit},
        {"X-Error-Code", h->error_code, sizeof h->error_code},
        {"X-Error-Message", h->error_message, sizeof h->error_message},
        {"X-Request-Id", h->request_id, sizeof h->request_id},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcasecmp(text, texts[i].name)) take_text(texts[i].out, texts[i].capacity, value);
    if (!strcasecmp(text, "ETag")) take_etag(h->etag, value);
    if (!strcasecmp(text, "X-Linked-Etag")) take_etag(h->linked_etag, value);
    if (!strcasecmp(text, "X-Linked-Size")) h->linked_size = number(value);
    if (!strcasecmp(text, "Content-Length")) h->content_length = number(value);
    if (!strcasecmp(text, "Content-Range")) take_range(h, value);
    if (!strcasecmp(text, "Link")) take_link(h, value);
    if (!strcasecmp(text, "RateLimit")) take_limit(h, value);
    if (!strcasecmp(text, "Retry-After") && h->wait < 0) h->wait = (double)number(value);
}

/* ---- JSON */

static json_t *parse(const char *text, size_t bytes, bert_error *e) {
    json_error_t je;
    json_t *json = json_loadb(text, bytes, 0, &je);
    if (!json) hub_fail(e, BERT_EFORMAT, "the server's answer is not the hub's: %.100s", je.text);
    return json;
}

static bool is_hex(const char *s, size_t n) {
    return s && strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

int hub_read_revision(const char *text, size_t bytes, bert_hub_revision *out, bert_error *e) {
    json_t *json = parse(text, bytes, e);
    const char *id = json_string_value(json_object_get(json, "id"));
    const char *commit = json_string_value(json_object_get(json, "sha"));
    if (!id) id = json_string_value(json_object_get(json, "modelId"));
    int rc = e->code;
    if (!rc && !is_hex(commit, 40))
        rc = hub_fail(e, BERT_EFORMAT, "the server's answer is not the hub's: it names no commit");
    if (!rc && json_is_true(json_object_get(json, "disabled")))
        rc = hub_fail(e, BERT_EDENIED, "%.100s was taken down by the hub", id ? id : "the model");
    if (!rc) {
        snprintf(out->commit, sizeof out->commit, "%s", commit);
        snprintf(out->id, sizeof out->id, "%.250s", id ? id : "");
    }
    json_decref(json);
    return rc;
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static int take_file(const json_t *f, int (*each)(void *, const bert_hub_file *, bert_error *),
                     void *context, bert_error *e) {
    const char *type = text_of(f, "type"), *sibling = text_of(f, "rfilename");
    const json_t *lfs = json_object_get(f, "lfs"), *size = json_object_get(f, "size");
    bert_hub_file file = {.path = sibling ? sibling : text_of(f, "path"), .size = -1};
    if (!file.path || (type && strcmp(type, "file"))) return 0;
    file.oid = text_of(f, sibling ? "blobId" : "oid");
    file.xet = text_of(f, "xetHash");
    file.etag = text_of(lfs, "oid");
    if (!file.etag) file.etag = text_of(lfs, "sha256");
    if (!file.etag) file.etag = file.oid;
    if (json_is_integer(json_object_get(lfs, "size"))) size = json_object_get(lfs, "size");
    if (json_is_integer(size) && json_integer_value(size) >= 0)
        file.size = json_integer_value(size);
    if (!is_hex(file.etag, 64) && !is_hex(file.etag, 40)) file.etag = NULL;
    if (!is_hex(file.oid, 40)) file.oid = NULL;
    if (!is_hex(file.xet, 64)) file.xet = NULL;
    return each(context, &file, e);
}

int hub_read_files(const char *text, size_t bytes,
                   int (*each)(void *context, const bert_hub_file *file, bert_error *e),
                   void *context, bert_error *e) {
    json_t *json = parse(text, bytes, e), *f;
    const json_t *list = json_is_object(json) ? json_object_get(json, "siblings") : json;
    int rc = e->code;
    size_t i;
    if (!rc && !json_is_array(list))
        rc = hub_fail(e, BERT_EFORMAT, "the server's answer is not the hub's: it lists no files");
    json_array_foreach((json_t *)(uintptr_t)list, i, f) {
        if (!rc) rc = take_file(f, each, context, e);
    }
    json_decref(json);
    return rc;
}

/* ---- Errors */

bool hub_may_retry(long status) {
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

/* What the server says itself, of the header or of {"error": ".."}, with the request's number. */
static char *said(const hub_headers *h, const char *body) {
    json_t *json = json_loads(body, 0, NULL);
    const char *text = *h->error_message ? h->error_message : text_of(json, "error");
    const char *id = h->request_id;
    char *out = text || *id ? hub_print("; the server says: %.160s%s%.60s%s", text ? text : "",
                                        *id ? " (request " : "", id, *id ? ")" : "")
                            : strdup("");
    json_decref(json);
    return out;
}

/* The row of an answer: by its code, else by its status and what it says. */
typedef enum {
    NO_FILE,
    NO_REVISION,
    NO_MODEL,
    BAD_TOKEN,
    GATED,
    DISABLED,
    BUSY,
    OTHER
} answer_kind;

static answer_kind kind_of(const hub_headers *h, const char *body, bool of_path) {
    static const struct {
        const char *code;
        answer_kind kind;
    } codes[] = {
        {"EntryNotFound", NO_FILE}, {"RevisionNotFound", NO_REVISION}, {"RepoNotFound", NO_MODEL},
        {"GatedRepo", GATED},       {"DisabledRepo", DISABLED},
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (!strcasecmp(h->error_code, codes[i].code)) return codes[i].kind;
    const char *message = *h->error_message ? h->error_message : body;
    if (strstr(message, "Access to this resource is disabled")) return DISABLED;
    if (h->status == 401 && strstr(message, "Invalid credentials")) return BAD_TOKEN;
    if (h->status == 401 || (h->status == 404 && !*h->commit && !of_path)) return NO_MODEL;
    if (h->status == 404) return NO_FILE;
    return hub_may_retry(h->status) ? BUSY : OTHER;
}

int hub_explain(const hub_request_place *p, const hub_headers *h, const char *body, bert_error *e) {
    char *says = said(h, body);
    const char *also = says ? says : "", *file = p->path ? p->path : "the file";
    int rc = BERT_EIO;
    switch (kind_of(h, body, p->path != NULL)) {
    case NO_FILE:
        rc = hub_fail(e, BERT_ENOTFOUND, "%s holds no %s%s", p->id, file, also);
        break;
    case NO_REVISION:
        rc = hub_fail(e, BERT_ENOTFOUND, "%s has no branch, tag or commit '%s'; %s/%s shows them%s",
                      p->id, p->revision ? p->revision : "main", p->endpoint, p->id, also);
        break;
    case NO_MODEL:
        rc = hub_fail(e, BERT_ENOTFOUND, "there is no model %s at %s, %s%s", p->id, p->endpoint,
                      p->has_token ? "or the token may not see it"
                                   : "or it is private, which needs a token (HF_TOKEN)",
                      also);
        break;
    case BAD_TOKEN:
        rc = hub_fail(e, BERT_EDENIED,
                      "%s does not know this token: make another at %s/settings/tokens%s",
                      p->endpoint, p->endpoint, also);
        break;
    case GATED:
        rc = hub_fail(e, BERT_EDENIED, "%s is gated: accept its terms at %s/%s in a browser, %s%s",
                      p->id, p->endpoint, p->id,
                      p->has_token ? "as the user of this token"
                                   : "then give a token of yours (HF_TOKEN)",
                      also);
        break;
    case DISABLED:
        rc = hub_fail(e, BERT_EDENIED, "%s was taken down by the hub%s", p->id, also);
        break;
    case BUSY:
        rc = hub_fail(e, BERT_EIO, "%s cannot answer now (status %ld)%s", p->endpoint, h->status,
                      also);
        break;
    case OTHER:
        rc = hub_fail(e, h->status == 403 ? BERT_EDENIED : BERT_EIO,
                      "%s refuses %s of %s (status %ld)%s", p->endpoint,
                      p->path ? p->path : "the list", p->id, h->status, also);
        break;
    }
    free(says);
    return rc;
}
