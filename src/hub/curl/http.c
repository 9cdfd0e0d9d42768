#include "http.h"
#include "text.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_HOPS = 20, KEPT = 4 << 20, MOST_FAILURES = 5 };

struct hub_http {
    CURL *curl;
    bert_hub_site site;
    char *endpoint, *token, *authorization;
    bool reached; /* somebody has answered */
};

/* ---- Opening */

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Certificates of the user's own. */
static void set_authorities(CURL *c) {
    static const char *const names[] = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE",
                                        "SSL_CERT_DIR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = variable(names[i]);
        struct stat st;
        if (!path || stat(path, &st)) continue;
        curl_easy_setopt(c, S_ISDIR(st.st_mode) ? CURLOPT_CAPATH : CURLOPT_CAINFO, path);
        return;
    }
}

static void set_constants(hub_http *h) {
    CURL *c = h->curl;
    static char agent[80];
    snprintf(agent, sizeof agent, "bert/%s libcurl/%s", BERT_VERSION, LIBCURL_VERSION);
    curl_easy_setopt(c, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 1L << 19);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(h->site.connect_seconds * 1000));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    const double silence = h->site.silence_seconds;
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, silence < 1 ? 1L : (long)silence);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(c, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    set_authorities(c);
}

hub_http *hub_http_open(const bert_hub_site *site, bert_error *e) {
    hub_http *h = calloc(1, sizeof *h);
    if (h && !curl_global_init(CURL_GLOBAL_DEFAULT)) h->curl = curl_easy_init();
    if (h) h->site = *site;
    if (h) h->endpoint = strdup(site->endpoint);
    if (h && site->token) h->token = strdup(site->token);
    if (h && site->token) h->authorization = hub_print("Authorization: Bearer %s", site->token);
    if (!h || !h->curl || !h->endpoint || (site->token && (!h->token || !h->authorization))) {
        hub_fail_memory(e);
        hub_http_close(h);
        return NULL;
    }
    set_constants(h);
    return h;
}

void hub_http_close(hub_http *h) {
    if (!h) return;
    if (h->curl) curl_easy_cleanup(h->curl);
    free(h->endpoint);
    free(h->token);
    free(h->authorization);
    free(h);
}

const char *hub_http_endpoint(const hub_http *h) {
    return h->endpoint;
}

bool hub_http_has_token(const hub_http *h) {
    return h->token != NULL;
}

void hub_answer_free(hub_answer *a) {
    free(a->body);
    *a = (hub_answer){0};
}

/* ---- Addresses */

static bool part_equals(CURLU *a, CURLU *b, CURLUPart part) {
    char *x = NULL, *y = NULL;
    const unsigned flags = part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0;
    const bool same =
        !curl_url_get(a, part, &x, flags) && !curl_url_get(b, part, &y, flags) && !strcasecmp(x, y);
    curl_free(x);
    curl_free(y);
    return same;
}

static bool same_origin(const char *a, const char *b) {
    CURLU *x = curl_url(), *y = curl_url();
    const bool same = x && y && !curl_url_set(x, CURLUPART_URL, a, 0) &&
                      !curl_url_set(y, CURLUPART_URL, b, 0) &&
                      part_equals(x, y, CURLUPART_SCHEME) && part_equals(x, y, CURLUPART_HOST) &&
                      part_equals(x, y, CURLUPART_PORT);
    curl_url_cleanup(x);
    curl_url_cleanup(y);
    return same;
}

static bool is_tokens_origin(const hub_http *h, const char *url) {
    return same_origin(url, h->endpoint) || same_origin(url, "https://huggingface.co") ||
           same_origin(url, "https://hf.co");
}

static bool is_secure(const char *url) {
    return !strncasecmp(url, "https:", 6);
}

/* Where a redirect leads, malloc'ed. */
static char *redirected(const char *url, const char *location, bert_error *e) {
    CURLU *u = curl_url();
    char *to = NULL, *copy = NULL;
    if (u && !curl_url_set(u, CURLUPART_URL, url, 0) &&
        !curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE) &&
        !curl_url_get(u, CURLUPART_URL, &to, 0))
        copy = strdup(to);
    curl_free(to);
    curl_url_cleanup(u);
    const bool web = copy && (is_secure(copy) || !strncasecmp(copy, "http:", 5));
    if (web && (is_secure(copy) || !is_secure(url))) return copy;
    hub_fail(e, BERT_EIO, "%.120s redirects to %.200s, which is not followed: %s", url, location,
             web ? "it is no https address, as the first one was" : "it is no web address");
    free(copy);
    return NULL;
}

/* ---- One hop */

typedef struct {
    hub_http *h;
    const hub_request *r;
    hub_answer *a;
    const char *url;
    bert_error *e;
    bool begun;
    int rc; /* of a callback */
    int64_t file_left, file_at, sent;
} hop;

static bool is_body(const hop *p) {
    return p->a->headers.status == 200 || p->a->headers.status == 206;
}

static size_t on_header(char *line, size_t size, size_t n, void *context) {
    hop *p = context;
    size_t bytes = size * n;
    while (bytes && (line[bytes - 1] == '\n' || line[bytes - 1] == '\r')) bytes--;
    if (bytes > 5 && !strncmp(line, "HTTP/", 5)) {
        hub_headers_clear(&p->a->headers);
        const char *blank = memchr(line, ' ', bytes);
        p->a->headers.status = blank ? strtol(blank, NULL, 10) : 0;
    } else {
        hub_headers_take(&p->a->headers, line, bytes);
    }
    return size * n;
}

/* Tells the sink where the bytes that come belong. */
static int begin(hop *p) {
    const hub_headers *a = &p->a->headers;
    const bool part = a->status == 206;
    if (p->begun) return 0;
    p->begun = true;
    if (part && a->range_start != p->r->from)
        return hub_fail(p->e, BERT_EIO, "%.120s: the server sends another part than was asked for",
                        p->url);
    return p->r->sink->begin(p->r->sink->context, part ? a->range_start : 0,
                             part ? a->range_size : a->content_length, p->e);
}

static int keep(hub_answer *a, const char *data, size_t bytes, bert_error *e) {
    if (a->bytes + bytes > KEPT)
        return hub_fail(e, BERT_EFORMAT, "the server's answer is longer than %d MB", KEPT >> 20);
    if (a->bytes + bytes + 1 > a->capacity) {
        const size_t capacity = 2 * (a->bytes + bytes) + 4096;
        char *body = realloc(a->body, capacity);
        if (!body) return hub_fail_memory(e);
        a->body = body;
        a->capacity = capacity;
    }
    memcpy(a->body + a->bytes, data, bytes);
    a->bytes += bytes;
    a->body[a->bytes] = 0;
    return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *context) {
    hop *p = context;
    const size_t bytes = size * n;
    if (p->r->sink && is_body(p)) {
        p->rc = begin(p);
        if (!p->rc) p->rc = p->r->sink->put(p->r->sink->context, data, bytes, p->e);
        if (!p->rc) p->a->received += (int64_t)bytes;
    } else {
        p->rc = keep(p->a, data, bytes, p->e);
    }
    return p->rc ? 0 : bytes;
}

static size_t on_read(char *data, size_t size, size_t n, void *context) {
    hop *p = context;
    size_t bytes = size * n;
    if ((int64_t)bytes > p->file_left) bytes = (size_t)p->file_left;
    const ssize_t got = bytes ? pread(p->r->fd, data, bytes, (off_t)p->file_at) : 0;
    if (got < 0) return CURL_READFUNC_ABORT;
    p->file_at += got;
    p->file_left -= got;
    p->sent += got;
    if (p->r->sent) p->rc = p->r->sent(p->r->context, p->sent, p->e);
    return p->rc ? CURL_READFUNC_ABORT : (size_t)got;
}

static int on_idle(void *context, curl_off_t total, curl_off_t now, curl_off_t up,
                   curl_off_t upped) {
    hop *p = context;
    (void)total, (void)now, (void)up, (void)upped;
    if (!p->rc && p->h->site.idle) p->rc = p->h->site.idle(p->h->site.context, NULL, p->e);
    return p->rc != 0;
}

static struct curl_slist *headers_of(const hop *p, bool *failed) {
    struct curl_slist *list = NULL;
    char line[600];
#define ADD(...)                                                                                   \
    do {                                                                                           \
        struct curl_slist *more;                                                                   \
        snprintf(line, sizeof line, __VA_ARGS__);                                                  \
        more = curl_slist_append(list, line);                                                      \
        if (more)                                                                                  \
            list = more;                                                                           \
        else                                                                                       \
            *failed = true;                                                                        \
    } while (0)
    *failed = false;
    ADD("Accept-Encoding: identity");
    ADD("Expect:");
    if (p->r->accept) ADD("Accept: %s", p->r->accept);
    if (p->r->content_type) ADD("Content-Type: %s", p->r->content_type);
    for (int i = 0; p->r->headers && p->r->headers[i]; i++) {
        struct curl_slist *more = curl_slist_append(list, p->r->headers[i]);
        if (more) list = more;
        *failed = *failed || !more;
    }
    if (p->h->authorization && !p->r->no_token && is_tokens_origin(p->h, p->url)) {
        struct curl_slist *more = curl_slist_append(list, p->h->authorization);
        if (more) list = more;
        *failed = *failed || !more;
    }
#undef ADD
    return list;
}

/* libcurl reads http_proxy only; a CGI program must not heed HTTP_PROXY, which its client sets. */
static void set_proxy(CURL *c, const char *url) {
    const bool upper = !is_secure(url) && !variable("http_proxy") && !variable("REQUEST_METHOD");
    curl_easy_setopt(c, CURLOPT_PROXY, upper ? variable("HTTP_PROXY") : NULL);
}

static void set_method(CURL *c, const hub_request *r) {
    const char *method = r->method ? r->method : "GET";
    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(c, CURLOPT_NOBODY, !strcmp(method, "HEAD") ? 1L : 0L);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, NULL);
    if (r->file_bytes > 0) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->file_bytes);
    } else if (r->body) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_bytes);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body);
    }
    if (r->file_bytes > 0 || r->body) curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
}

static void set_hop(CURL *c, hop *p, char *reason) {
    curl_easy_setopt(c, CURLOPT_URL, p->url);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, p);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c, CURLOPT_READDATA, p);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_idle);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, p);
    curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)0);
    char range[40];
    snprintf(range, sizeof range, "%lld-", (long long)p->r->from);
    curl_easy_setopt(c, CURLOPT_RANGE, p->r->from > 0 ? range : NULL);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, p->r->once ? 1L : 0L);
    set_proxy(c, p->url);
}

/* What went wrong on the way, which may go better later. */
static int lost(hop *p, CURLcode code, const char *reason) {
    const bool nobody = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
                        code == CURLE_COULDNT_CONNECT;
    const bool silent = code == CURLE_OPERATION_TIMEDOUT;
    p->a->lost = true;
    p->a->unreachable = (nobody || silent) && !p->h->reached;
    const size_t host = strcspn(p->url, "?");
    return hub_fail(p->e, BERT_EIO, "%.*s: %s", host < 150 ? (int)host : 150, p->url,
                    *reason ? reason : curl_easy_strerror(code));
}

static int try_hop(hop *p) {
    CURL *c = p->h->curl;
    char reason[CURL_ERROR_SIZE] = "";
    bool failed;
    struct curl_slist *headers = headers_of(p, &failed);
    hub_headers_clear(&p->a->headers);
    p->a->bytes = 0;
    p->file_at = p->r->file_at;
    p->file_left = p->r->file_bytes;
    set_method(c, p->r);
    set_hop(c, p, reason);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    int rc = failed ? hub_fail_memory(p->e) : keep(p->a, "", 0, p->e);
    const CURLcode code = rc ? CURLE_OK : curl_easy_perform(c);
    if (!rc && p->rc)
        rc = p->rc;
    else if (!rc && code)
        rc = lost(p, code, reason);
    if (!rc && p->r->sink && is_body(p)) rc = begin(p); /* of an empty one */
    p->h->reached = p->h->reached || p->a->headers.status;
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    return rc;
}

static bool is_redirect(const hub_answer *a, const hub_request *r) {
    const long s = a->headers.status;
    const bool keeps = s == 307 || s == 308, changes = s == 301 || s == 302 || s == 303;
    return *a->headers.location && (keeps || (changes && !r->body && r->file_bytes <= 0));
}

int hub_http_try(hub_http *h, const hub_request *r, hub_answer *a, bert_error *e) {
    char *url = strdup(r->url);
    int rc = url ? 0 : hub_fail_memory(e);
    a->received = 0;
    a->lost = a->unreachable = a->elsewhere = false;
    for (int hops = 0; !rc; hops++) {
        hop p = {.h = h, .r = r, .a = a, .url = url, .e = e};
        if ((rc = try_hop(&p)) || !is_redirect(a, r)) break;
        char *to = redirected(url, a->headers.location, e);
        if (!to) {
            rc = e->code;
            break;
        }
        const bool leaves = !same_origin(to, url);
        if (r->stay && leaves) {
            free(to);
            break;
        }
        a->elsewhere = !same_origin(to, h->endpoint);
        free(url);
        url = to;
        if (hops == MOST_HOPS)
            rc = hub_fail(e, BERT_EIO, "%.200s: more than %d redirects", r->url, MOST_HOPS);
    }
    free(url);
    return rc;
}

/* ---- Again */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool sleep_for(hub_http *h, double seconds, const char *why, bert_error *e) {
    const double end = now() + seconds;
    do {
        const double left = end - now();
        if (h->site.idle && h->site.idle(h->site.context, why, e)) return false;
        if (left > 0) usleep((useconds_t)(1e6 * (left < 0.1 ? left : 0.1)));
    } while (now() < end);
    return true;
}

bool hub_http_wait(hub_http *h, int failed, const hub_answer *a, bert_error *e) {
    enum { LONGEST = 600 };
    const double steps[MOST_FAILURES] = {1, 2, 4, 8, 8};
    char why[160];
    if (failed > MOST_FAILURES) return false;
    double seconds = h->site.retry_seconds * steps[failed - 1];
    if (!a->lost && a->headers.wait >= 0) seconds = a->headers.wait * h->site.retry_seconds;
    if (seconds > LONGEST) return false;
    if (a->lost)
        snprintf(why, sizeof why, "the connection was lost: again in %.0f s", seconds);
    else
        snprintf(why, sizeof why, "the server is busy (status %ld): again in %.0f s",
                 a->headers.status, seconds);
    return sleep_for(h, seconds, why, e);
}

int hub_http_do(hub_http *h, const hub_request *r, const hub_request_place *p, hub_answer *a,
                bert_error *e) {
    for (int failed = 1;; failed++) {
        bert_error here = {0}, ended = {0};
        int rc = hub_http_try(h, r, a, &here);
        if (!rc && a->headers.status < 400) return 0;
        const bool again = rc ? a->lost && !a->unreachable : hub_may_retry(a->headers.status);
        if (again && hub_http_wait(h, failed, a, &ended)) continue;
        if (ended.code) return hub_fail(e, ended.code, "%s", ended.message);
        if (rc) return hub_fail(e, here.code, "%s", here.message);
        return hub_explain(p, &a->headers, a->body, e);
    }
}
