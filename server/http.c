#include "http.h"
#include "operations.h"
#include "routes.h"
#include "watch.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static const char *const method_names[] = {"GET",    "POST",    "HEAD",  "PUT",
                                           "DELETE", "OPTIONS", "PATCH", "TRACE"};
static const enum evhttp_cmd_type methods[] = {
    EVHTTP_REQ_GET,    EVHTTP_REQ_POST,    EVHTTP_REQ_HEAD,  EVHTTP_REQ_PUT,
    EVHTTP_REQ_DELETE, EVHTTP_REQ_OPTIONS, EVHTTP_REQ_PATCH, EVHTTP_REQ_TRACE};
enum { METHODS = sizeof methods / sizeof *methods };

static const char *method_of(struct evhttp_request *r) {
    for (int i = 0; i < METHODS; i++)
        if (evhttp_request_get_command(r) == methods[i]) return method_names[i];
    return "?";
}

static const char *header(struct evhttp_request *r, const char *name) {
    return evhttp_find_header(evhttp_request_get_input_headers(r), name);
}

static void set_header(struct evhttp_request *r, const char *name, const char *value) {
    evhttp_add_header(evhttp_request_get_output_headers(r), name, value);
}

bool exchange_left(const exchange *x) {
    char byte;
    const ssize_t n = recv(x->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* ---- A line in the log: what, how long, of how many texts; never a text */

static void log_line(const server *s, const exchange *x, int status) {
    struct timespec t;
    struct tm day;
    char when[40];
    if (s->options->quiet) return;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &day);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &day);
    const double ms = 1e3 * (now() - x->at[AT_ARRIVED]);
    const char *path = evhttp_request_get_uri(x->request), *method = method_of(x->request);
    const int shown = path ? (int)strcspn(path, "?") : 0;
    const char *format = s->options->log_json
                             ? "{\"time\":\"%s.%03dZ\",\"status\":%d,\"method\":\"%s\",\"path\":\"%"
                               ".*s\",\"ms\":%.2f,"
                               "\"texts\":%d,\"tokens\":%lld,\"request_id\":\"%s\"}\n"
                             : "%s.%03dZ %d %s %.*s %.2f ms, %d texts, %lld tokens, id %s\n";
    text safe = {0};
    for (int i = 0; i < shown && i < 200; i++) {
        const unsigned char c = (unsigned char)path[i];
        text_format(&safe, "%c", c > ' ' && c < 127 && c != '"' && c != '\\' ? c : '?');
    }
    fprintf(stderr, format, when, (int)(t.tv_nsec / 1000000), status, method, (int)safe.n,
            safe.s ? safe.s : "", ms, (int)x->n, (long long)x->tokens, x->id);
    text_free(&safe);
}

/* ---- Answers */

static void set_cors(const server *s, struct evhttp_request *r) {
    if (!s->options->cors || !header(r, "Origin")) return;
    const char *asked = header(r, "Access-Control-Request-Headers");
    set_header(r, "Access-Control-Allow-Origin", "*");
    set_header(r, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
    set_header(r, "Access-Control-Allow-Headers", asked ? asked : "*");
    set_header(r, "Access-Control-Expose-Headers", "*");
}

static void set_number(struct evhttp_request *r, const char *name, double value, int decimals) {
    char shown[40];
    snprintf(shown, sizeof shown, "%.*f", decimals, value);
    set_header(r, name, shown);
}

static void set_times(const exchange *x) {
    struct evhttp_request *r = x->request;
    if (!x->operation) return;
    set_header(r, "x-compute-type", "cpu");
    set_number(r, "x-compute-tokens", (double)x->tokens, 0);
    set_number(r, "x-compute-characters", (double)x->characters, 0);
    set_number(r, "x-compute-time", 1e3 * (now() - x->at[AT_ARRIVED]), 3);
    set_number(r, "x-total-time", 1e3 * (now() - x->at[AT_ARRIVED]), 3);
    set_number(r, "x-tokenization-time", 1e3 * (x->at[AT_READ] - x->at[AT_ARRIVED]), 3);
    set_number(r, "x-queue-time", 1e3 * (x->at[AT_STARTED] - x->at[AT_READ]), 3);
    set_number(r, "x-inference-time", 1e3 * (x->at[AT_COMPUTED] - x->at[AT_STARTED]), 3);
}

static void set_page_headers(const exchange *x) {
    struct evhttp_request *r = x->request;
    set_header(r, "X-Content-Type-Options", "nosniff");
    if (!x->answer_type || strncmp(x->answer_type, "text/html", 9)) return;
    set_header(r, "Content-Security-Policy",
               "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
               "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
               "frame-ancestors 'none'");
}

/* An answer's bytes become the buffer's, until the client has them. */
typedef struct {
    server *server;
    char *bytes;
    int64_t reserved;
} sent;

static void release(const void *bytes, size_t n, void *data) {
    sent *answer = data;
    (void)bytes;
    (void)n;
    answers_let_go(answer->server, answer->reserved);
    free(answer->bytes);
    free(answer);
}

static int put_body(exchange *x, struct evbuffer *body) {
    sent *answer = malloc(sizeof *answer);
    if (!answer) return -1;
    *answer = (sent){x->server, x->answer.s, x->reserved};
    if (evbuffer_add_reference(body, x->answer.s, x->answer.n, release, answer)) {
        free(answer);
        return -1;
    }
    x->answer = (text){0};
    x->reserved = 0;
    return 0;
}

static void send_answer(const server *s, exchange *x) {
    struct evhttp_request *r = x->request;
    const int status = fault_status(x->fault);
    struct evbuffer *body = evbuffer_new();
    set_cors(s, r);
    set_header(r, "X-Request-Id", x->id);
    set_header(r, "Content-Type", x->answer_type ? x->answer_type : "application/json");
    set_number(r, "Content-Length", (double)x->answer.n, 0);
    set_page_headers(x);
    if (x->fault == FAULT_KEY) set_header(r, "WWW-Authenticate", "Bearer");
    if (x->fault == FAULT_FULL || x->fault == FAULT_STOPPING) set_header(r, "Retry-After", "1");
    if (!x->fault) set_times(x);
    if (atomic_load(&s->state) == STOPPING || watch_refused(x))
        set_header(r, "Connection", "close");
    if (body && !x->head && x->answer.n && put_body(x, body)) { /* no length without its bytes */
        evhttp_connection_free(evhttp_request_get_connection(r));
        evbuffer_free(body);
        return;
    }
    evhttp_send_reply(r, status, fault_reason(x->fault), body);
    if (body) evbuffer_free(body);
}

void http_answer(server *s, exchange *x) {
    if (x->request) s->pending--;
    if (x->gone) {
        metrics_dropped(&s->metrics);
        log_line(s, x, 499);
        watch_answered(x);
        evhttp_connection_free(evhttp_request_get_connection(x->request));
        exchange_free(x);
        return;
    }
    if (x->fault || x->answer.failed) {
        if (!x->fault) fault_memory(x);
        text_free(&x->answer);
        fault_body(x->fault, x->route ? x->route->dialect : DIALECT_TEI, x->message, &x->answer);
        x->answer_type = NULL;
    }
    if (x->route && x->route->read) metrics_request(&s->metrics, x);
    log_line(s, x, fault_status(x->fault));
    watch_answered(x);
    send_answer(s, x);
    exchange_free(x);
}

/* ---- Requests */

static void set_id(exchange *x) {
    const char *given = header(x->request, "X-Request-Id");
    const size_t n = given ? strlen(given) : 0;
    bool good = n >= 1 && n <= 128;
    for (size_t i = 0; i < n && good; i++)
        good = given[i] > ' ' && given[i] < 127 && given[i] != '"' && given[i] != '\\';
    if (good) {
        memcpy(x->id, given, n + 1);
        return;
    }
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) memset(bytes, 0, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(x->id + 2 * i, 3, "%02x", bytes[i]);
}

/* In a time that does not depend on where they differ. */
static bool same_key(const char *given, const char *key) {
    const size_t n = strlen(key), m = strlen(given);
    unsigned char difference = n != m;
    for (size_t i = 0; i < n; i++) difference |= (unsigned char)(key[i] ^ given[m ? i % m : 0]);
    return !difference;
}

static bool has_key(const server *s, struct evhttp_request *r) {
    const char *key = s->options->api_key, *given = header(r, "Authorization");
    if (!key) return true;
    if (given && !strncasecmp(given, "Bearer ", 7)) return same_key(given + 7, key);
    given = header(r, "X-API-Key");
    return given && same_key(given, key);
}

static int take_body(exchange *x) {
    struct evbuffer *in = evhttp_request_get_input_buffer(x->request);
    x->n_bytes = evbuffer_get_length(in);
    x->bytes = malloc(x->n_bytes + 1);
    if (!x->bytes) return fault_memory(x);
    evbuffer_remove(in, x->bytes, x->n_bytes);
    x->bytes[x->n_bytes] = 0;
    return read_type(x, header(x->request, "Content-Type"));
}

/* /models/NAME/ROUTE is ROUTE of that model; names may have a slash in them. */
static const char *take_model(exchange *x, const char *path) {
    static const char *const fronts[] = {"/models/", "/v1/models/"};
    const char *rest = NULL;
    int f = 0;
    while (f < 2 && strncmp(path, fronts[f], strlen(fronts[f]))) f++;
    if (f == 2) return path;
    const char *given = path + strlen(fronts[f]);
    for (int32_t i = 0; i < x->models->n; i++) { /* the longest: names may begin alike */
        served *m = &x->models->list[i];
        const char *end = given + strlen(m->name);
        if (m->task || strncmp(given, m->name, strlen(m->name)) || (*end && *end != '/')) continue;
        if (rest && end <= rest) continue;
        rest = end;
        x->named = m;
    }
    if (!rest) return path;
    if (f || (!*rest && evhttp_request_get_command(x->request) != EVHTTP_REQ_POST))
        return "/v1/models/{model}";
    return *rest ? rest : "/";
}

static int find_route(exchange *x, const char *method) {
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(x->request);
    char *path =
        evhttp_uridecode(uri && evhttp_uri_get_path(uri) ? evhttp_uri_get_path(uri) : "/", 0, NULL);
    if (!path) return fault_memory(x);
    text allowed = {0};
    int rc = 0;
    const char *rest = x->models ? take_model(x, *path ? path : "/") : path;
    x->route = route_find(method, rest, &allowed);
    if (x->route && strchr(x->route->path, '{') && !x->named) {
        rc = fault(x, FAULT_MODEL, "there is no model \"%.200s\" here", strrchr(path, '/') + 1);
    } else if (!x->route && !strcmp(method, "OPTIONS") && (allowed.n || !strcmp(path, "*"))) {
        set_header(x->request, "Allow", allowed.s ? allowed.s : "GET, HEAD, POST, OPTIONS");
        x->answer_type = "text/plain";
    } else if (!x->route && allowed.n) {
        set_header(x->request, "Allow", allowed.s);
        rc = fault(x, FAULT_METHOD, "%s is not a method of %.200s; it has %s", method, path,
                   allowed.s);
    } else if (!x->route)
        rc = fault(x, FAULT_UNKNOWN,
                   "there is nothing at %.200s; GET /openapi.json lists what there is", path);
    text_free(&allowed);
    free(path);
    return rc;
}

static void on_request(struct evhttp_request *r, void *data) {
    server *s = data;
    exchange *x = exchange_new(s);
    if (!x) {
        evhttp_send_error(r, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    x->request = r;
    x->at[AT_ARRIVED] = x->at[AT_READ] = x->at[AT_STARTED] = x->at[AT_COMPUTED] = now();
    x->fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(r)));
    x->models = server_models(s);
    x->head = evhttp_request_get_command(r) == EVHTTP_REQ_HEAD;
    s->pending++;
    set_id(x);
    int rc = find_route(x, method_of(r));
    if (!rc && x->route && !x->route->open) {
        if (!has_key(s, r))
            rc = fault(x, FAULT_KEY, "the key is missing or wrong: Authorization: Bearer KEY");
        else if (!x->models || atomic_load(&s->state) != READY)
            rc = fault(x, FAULT_STOPPING, "the server is %s",
                       x->models ? "stopping" : "loading its models");
    }
    if (!rc && x->route && x->route->plain)
        x->route->plain(s, x);
    else if (!rc && x->route && !take_body(x)) {
        hand_put(&s->clerks, x);
        return;
    }
    http_answer(s, x);
}

/* ---- Listening */

static int fail(bert_error *e, int code, const char *what, const char *why) {
    e->code = code;
    snprintf(e->message, sizeof e->message, "%s: %s", what, why);
    return code;
}

static int listen_at_path(server *s, bert_error *e) {
    const char *path = s->options->uds;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat there;
    if (strlen(path) >= sizeof a.sun_path)
        return fail(e, BERT_EINVAL, path, "the path is too long for a socket");
    strcpy(a.sun_path, path);
    if (!lstat(path, &there)) {
        if (!S_ISSOCK(there.st_mode))
            return fail(e, BERT_EINVAL, path, "it is there, and is no socket");
        const int probe = socket(AF_UNIX, SOCK_STREAM, 0);
        const bool used = probe >= 0 && !connect(probe, (struct sockaddr *)&a, sizeof a);
        if (probe >= 0) close(probe);
        if (used) return fail(e, BERT_EIO, path, "another server listens there");
        unlink(path);
    }
    struct evconnlistener *l =
        evconnlistener_new_bind(s->loop, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                BACKLOG, (struct sockaddr *)&a, sizeof a);
    s->bound = l ? evhttp_bind_listener(s->http, l) : NULL;
    /* for proxies, which are other users; its directory says who may come to it */
    if (!s->bound || chmod(path, 0666)) return fail(e, BERT_EIO, path, strerror(errno));
    snprintf(s->address, sizeof s->address, "unix:%s", path);
    return 0;
}

static int listen_at_port(server *s, bert_error *e) {
    const char *host = s->options->host ? s->options->host : "127.0.0.1";
    char shown[300];
    snprintf(shown, sizeof shown, "%.200s:%d", host, (int)s->options->port);
    struct evhttp_bound_socket *b =
        evhttp_bind_socket_with_handle(s->http, host, (uint16_t)s->options->port);
    if (!b) return fail(e, BERT_EIO, shown, strerror(errno));
    s->bound = b;
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    int port = s->options->port;
    if (!getsockname(evhttp_bound_socket_get_fd(b), (struct sockaddr *)&a, &n))
        port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                             : ((struct sockaddr_in *)&a)->sin_port);
    const bool six = strchr(host, ':') != NULL;
    snprintf(s->address, sizeof s->address, "http://%s%.150s%s:%d", six ? "[" : "", host,
             six ? "]" : "", port);
    return 0;
}

int http_open(server *s, bert_error *e) {
    struct rlimit files = {1024, 1024};
    if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    s->fds = files.rlim_cur < 65536 ? (int)files.rlim_cur : 65536;
    s->by_fd = calloc((size_t)s->fds, sizeof(struct watch *));
    s->http = evhttp_new(s->loop);
    if (!s->http || !s->by_fd) return fail(e, BERT_ENOMEM, "serve", "out of memory");
    unsigned all = 0;
    for (int i = 0; i < METHODS; i++) all |= methods[i];
    evhttp_set_allowed_methods(s->http, (ev_uint16_t)all);
    evhttp_set_max_headers_size(s->http, 1 << 20); /* watch.c has the limits */
    evhttp_set_max_body_size(s->http, (ev_ssize_t)s->options->max_body + 4096);
    evhttp_set_timeout(s->http, s->options->idle_seconds);
    evhttp_set_bevcb(s->http, watch_new, s);
    evhttp_set_gencb(s->http, on_request, s);
    return s->options->uds ? listen_at_path(s, e) : listen_at_port(s, e);
}

void http_stop_listening(server *s) {
    if (s->bound) evhttp_del_accept_socket(s->http, s->bound);
    s->bound = NULL;
    if (s->options->uds) unlink(s->options->uds);
}

void http_close(server *s) {
    if (s->http) evhttp_free(s->http);
    s->http = NULL;
    free(s->by_fd);
    s->by_fd = NULL;
}
