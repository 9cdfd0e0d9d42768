#include "watch.h"
#include "routes.h"
#include "state.h"
#include <ctype.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { HEAD_BYTES = 8192, LINGER_SECONDS = 2 };

/* Where in a request the next byte is. */
typedef enum { IN_HEAD, IN_BODY, IN_SIZE, IN_CHUNK, AFTER_CHUNK, IN_TRAILER, REFUSED } place;

typedef struct watch watch;
struct watch {
    server *server;
    struct bufferevent *bev;
    struct event *settle;
    int fd;
    watch *after, *before;
    place place;
    bool began, request_line, host, sized, chunked, body, crowded, probe;
    int version; /* 0 or 1, of HTTP/1.x */
    char line[HEAD_BYTES];
    size_t n, head;     /* bytes of the line; of all lines */
    int64_t left, size; /* of the body or chunk; of the chunked body so far */
    int64_t held;
    double since; /* the first byte of the head, or of the body; or it was refused */
    int pending;  /* requests that are whole and not answered */
    dialect dialect;
};

/* ---- The end of a connection */

static void let_go(watch *w) {
    atomic_fetch_sub(&w->server->held, w->held);
    w->held = 0;
}

static void closed(struct evhttp_connection *c, void *data) {
    watch *w = data;
    server *s = w->server;
    if (c) evhttp_connection_set_closecb(c, NULL, NULL);
    let_go(w);
    *(w->before ? &w->before->after : &s->watches) = w->after;
    if (w->after) w->after->before = w->before;
    if (w->fd >= 0 && w->fd < s->fds && s->by_fd[w->fd] == w) s->by_fd[w->fd] = NULL;
    s->connections--;
    event_free(w->settle);
    free(w);
}

/* Tells the client at once, past evhttp, and passes over what still comes. */
static void refuse(watch *w, fault_kind kind, const char *message) {
    text body = {0}, all = {0};
    w->place = REFUSED;
    w->since = now();
    let_go(w);
    if (w->pending) return; /* answers are under way: the connection ends behind them */
    fault_body(kind, w->dialect, message, &body);
    text_format(&all,
                "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nConnection: close\r\n%s"
                "Content-Length: %zu\r\n\r\n",
                fault_status(kind), fault_reason(kind),
                kind == FAULT_FULL || kind == FAULT_STOPPING ? "Retry-After: 1\r\n" : "", body.n);
    text_add(&all, body.s, body.n);
    if (all.s) (void)!send(w->fd, all.s, all.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(w->fd, SHUT_WR);
    text_free(&body);
    text_free(&all);
}

/* ---- The head */

static int read_request_line(watch *w, char *line) {
    static const char *const methods[] = {"GET",     "POST",  "HEAD",  "PUT", "DELETE",
                                          "OPTIONS", "PATCH", "TRACE", NULL};
    char *target = strchr(line, ' '), *version = target ? strrchr(line, ' ') : NULL;
    int known = 0;
    if (!target || version == target || !version) {
        refuse(w, FAULT_MALFORMED, "the request line is no METHOD PATH HTTP/1.1");
        return -1;
    }
    *target++ = *version++ = 0;
    while (methods[known] && strcmp(methods[known], line)) known++;
    w->body = !strcmp(line, "POST") || !strcmp(line, "PUT") || !strcmp(line, "PATCH");
    struct evhttp_uri *uri = evhttp_uri_parse_with_flags(target, EVHTTP_URI_NONCONFORMANT);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const route *r = path ? route_find("POST", path, NULL) : NULL;
    w->dialect = r ? r->dialect : DIALECT_TEI;
    r = path ? route_find("GET", path, NULL) : NULL;
    w->probe = r && r->open;
    if (uri) evhttp_uri_free(uri);
    if (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0"))
        refuse(w, FAULT_MALFORMED, "the version is not HTTP/1.1 or 1.0");
    else if (!methods[known])
        refuse(w, FAULT_NO_METHOD, "there is no such method here");
    else if (!path || strchr(target, ' '))
        refuse(w, FAULT_MALFORMED, "the path is no URI");
    w->version = version[7] == '1';
    w->request_line = true;
    return w->place == REFUSED ? -1 : 0;
}

static bool is_token(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("!#$%&'*+-.^_`|~", s[i])) return false;
    return n > 0;
}

static int read_length(watch *w, const char *value) {
    enum { MOST_DIGITS = 15 };
    const size_t n = strspn(value, "0123456789");
    if (w->sized || w->chunked || !n || value[n]) {
        refuse(w, FAULT_MALFORMED, "Content-Length is not one number");
        return -1;
    }
    w->sized = true;
    w->left = n > MOST_DIGITS ? INT64_MAX : strtoll(value, NULL, 10);
    return 0;
}

static int read_header(watch *w, char *line) {
    char *colon = strchr(line, ':');
    if (!colon || !is_token(line, (size_t)(colon - line))) {
        refuse(w, FAULT_MALFORMED, "a header is no NAME: VALUE");
        return -1;
    }
    char *value = colon + 1;
    *colon = 0;
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n && (value[n - 1] == ' ' || value[n - 1] == '\t');)
        value[--n] = 0;
    if (!strcasecmp(line, "Host")) w->host = true;
    if (!strcasecmp(line, "Content-Length")) return read_length(w, value);
    if (!strcasecmp(line, "Transfer-Encoding")) {
        if (w->sized || w->chunked || strcasecmp(value, "chunked"))
            refuse(w, FAULT_MALFORMED, "Transfer-Encoding is not chunked alone");
        w->chunked = true;
    }
    if (!strcasecmp(line, "Expect") && strcasecmp(value, "100-continue"))
        refuse(w, FAULT_MALFORMED, "Expect is not 100-continue");
    return w->place == REFUSED ? -1 : 0;
}

/* Bytes of bodies that are held, of all connections. */
static bool hold(watch *w, int64_t bytes) {
    const serve_options *o = w->server->options;
    const long long held = atomic_fetch_add(&w->server->held, bytes);
    w->held += bytes;
    if (held + bytes <= o->max_bodies || held == 0) return true;
    refuse(w, FAULT_FULL, "the requests that are held have too many bytes together; try again");
    return false;
}

static void end_request(watch *w) {
    w->pending++;
    w->place = IN_HEAD;
    w->began = w->request_line = w->host = w->sized = w->chunked = false;
    w->head = w->n = 0;
    w->left = w->size = 0;
}

static void end_head(watch *w) {
    const serve_options *o = w->server->options;
    char message[120];
    w->since = now();
    if (w->version && !w->host) {
        refuse(w, FAULT_MALFORMED, "the Host header is missing");
        return;
    }
    if (w->crowded && !w->probe) {
        refuse(w, FAULT_STOPPING, "there are too many connections; try again");
        return;
    }
    if (!w->body && (w->chunked || w->left)) {
        refuse(w, FAULT_MALFORMED, "this method has no body");
        return;
    }
    if (w->left > o->max_body) {
        snprintf(message, sizeof message, "the body has more than %lld bytes (--max-body)",
                 (long long)o->max_body);
        refuse(w, FAULT_LARGE, message);
        return;
    }
    if (w->left && !hold(w, w->left)) return;
    if (w->chunked)
        w->place = IN_SIZE;
    else if (w->left)
        w->place = IN_BODY;
    else
        end_request(w);
    w->n = 0;
}

static void end_line(watch *w) {
    if (w->n && w->line[w->n - 1] == '\r') w->n--;
    w->line[w->n] = 0;
    for (size_t i = 0; i < w->n; i++)
        if ((unsigned char)w->line[i] < ' ' && w->line[i] != '\t') {
            refuse(w, FAULT_MALFORMED, "the head has a control character");
            return;
        }
    const size_t n = w->n;
    w->n = 0;
    if (!w->request_line) {
        read_request_line(w, w->line);
    } else if (n)
        read_header(w, w->line);
    else
        end_head(w);
}

/* ---- The body */

static void end_size(watch *w) {
    const serve_options *o = w->server->options;
    char *end;
    w->line[w->n] = 0;
    w->left = isxdigit((unsigned char)*w->line) && w->n < 16 ? strtoll(w->line, &end, 16) : -1;
    if (w->left < 0 || (*end && *end != '\r')) {
        refuse(w, FAULT_MALFORMED, "the size of a chunk is no number, or an extension follows it");
        return;
    }
    w->n = 0;
    w->size += w->left;
    if (w->size > o->max_body) {
        refuse(w, FAULT_LARGE, "the body has too many bytes (--max-body)");
        return;
    }
    if (w->left && !hold(w, w->left)) return;
    w->place = w->left ? IN_CHUNK : IN_TRAILER;
}

static void end_trailer(watch *w) {
    const bool empty = !w->n || (w->n == 1 && *w->line == '\r');
    w->n = 0;
    if (empty) end_request(w);
}

static void end_of(watch *w) {
    switch (w->place) {
    case IN_HEAD:
        end_line(w);
        return;
    case IN_SIZE:
        end_size(w);
        return;
    case AFTER_CHUNK:
        w->n = 0;
        w->place = IN_SIZE;
        return;
    default:
        end_trailer(w);
    }
}

/* The bytes of lines; those of bodies are only counted. */
static size_t feed_line(watch *w, const char *s, size_t n) {
    const char *end = memchr(s, '\n', n);
    const size_t taken = end ? (size_t)(end - s) : n;
    const size_t most = w->place == IN_HEAD ? sizeof w->line - 1 : 1000;
    if (!w->began) {
        w->began = true;
        w->since = now();
        w->head = 0;
        w->dialect = DIALECT_TEI;
    }
    w->head += taken + 1;
    if (w->n + taken > most || w->head > 4 * (size_t)HEAD_BYTES) {
        refuse(w, FAULT_LONG_HEAD, "the head of the request is longer than is read");
        return n;
    }
    memcpy(w->line + w->n, s, taken);
    w->n += taken;
    if (end) end_of(w);
    return taken + (end != NULL);
}

static void feed(watch *w, const char *s, size_t n) {
    while (n && w->place != REFUSED) {
        size_t taken = n;
        if (w->place == IN_BODY || w->place == IN_CHUNK) {
            if ((int64_t)taken > w->left) taken = (size_t)w->left;
            w->left -= (int64_t)taken;
            if (!w->left && w->place == IN_BODY)
                end_request(w);
            else if (!w->left)
                w->place = AFTER_CHUNK;
        } else
            taken = feed_line(w, s, n);
        s += taken;
        n -= taken;
    }
}

/* Before evhttp sees them. */
static void added(struct evbuffer *b, const struct evbuffer_cb_info *info, void *data) {
    watch *w = data;
    struct evbuffer_ptr from;
    struct evbuffer_iovec part[8];
    if (!info->n_added) return;
    size_t left = info->n_added;
    evbuffer_ptr_set(b, &from, evbuffer_get_length(b) - left, EVBUFFER_PTR_SET);
    while (left && w->place != REFUSED) {
        int n = evbuffer_peek(b, (ev_ssize_t)left, &from, part, 8);
        if (n > 8) n = 8;
        size_t seen = 0;
        for (int i = 0; i < n; i++) {
            const size_t bytes = part[i].iov_len < left - seen ? part[i].iov_len : left - seen;
            feed(w, part[i].iov_base, bytes);
            seen += bytes;
        }
        if (!seen) break;
        left -= seen;
        if (left) evbuffer_ptr_set(b, &from, seen, EVBUFFER_PTR_ADD);
    }
    /* whole requests before it are evhttp's still; it reads no further before they are answered */
    if (w->place == REFUSED && !w->pending) evbuffer_drain(b, evbuffer_get_length(b));
}

/* ---- The beginning of a connection */

/* evhttp has it now: its callbacks are given the evhttp_connection. */
static void settle(evutil_socket_t fd, short what, void *data) {
    watch *w = data;
    void *connection = NULL;
    (void)fd;
    (void)what;
    bufferevent_getcb(w->bev, NULL, NULL, NULL, &connection);
    w->fd = bufferevent_getfd(w->bev);
    if (!connection || evhttp_connection_get_bufferevent(connection) != w->bev) {
        closed(NULL, w);
        return;
    }
    if (w->fd >= 0 && w->fd < w->server->fds) w->server->by_fd[w->fd] = w;
    /* A long answer leaves in pieces, of which the last, a small one, would wait for the client to
     * acknowledge those before it: 40 ms. A Unix socket has no such option, and no such wait. */
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    evhttp_connection_set_closecb(connection, closed, w);
    evbuffer_add_cb(bufferevent_get_input(w->bev), added, w);
}

struct bufferevent *watch_new(struct event_base *base, void *data) {
    server *s = data;
    watch *w = calloc(1, sizeof *w);
    struct bufferevent *bev = w ? bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (w) w->settle = event_new(base, -1, 0, settle, w);
    if (!bev || !w->settle) {
        if (bev) bufferevent_free(bev);
        if (w && w->settle) event_free(w->settle);
        free(w);
        return NULL;
    }
    w->server = s;
    w->bev = bev;
    w->fd = -1;
    w->since = now();
    w->crowded = ++s->connections > s->options->max_connections;
    w->after = s->watches;
    if (w->after) w->after->before = w;
    s->watches = w;
    /* ahead of anything that comes from the connection: other events have a lower priority */
    event_priority_set(w->settle, 0);
    event_active(w->settle, EV_TIMEOUT, 1);
    return bev;
}

void watch_answered(exchange *x) {
    server *s = x->server;
    watch *w = x->fd >= 0 && x->fd < s->fds ? s->by_fd[x->fd] : NULL;
    if (!w) return;
    if (w->pending) w->pending--;
    if (!w->pending && w->place == IN_HEAD) let_go(w);
    w->since = now();
}

bool watch_refused(const exchange *x) {
    const server *s = x->server;
    const watch *w = x->fd >= 0 && x->fd < s->fds ? s->by_fd[x->fd] : NULL;
    return w && w->place == REFUSED;
}

static void refuse_late(watch *w, const char *what, int32_t seconds) {
    char message[80];
    snprintf(message, sizeof message, "the %s did not come in %d seconds", what, (int)seconds);
    refuse(w, FAULT_LATE, message);
}

void watch_sweep(server *s) {
    const serve_options *o = s->options;
    const double t = now();
    for (watch *w = s->watches, *after; w; w = after) {
        const double age = t - w->since;
        after = w->after;
        if (w->fd < 0) continue;
        if (w->place == REFUSED) {
            if (!w->pending && age > LINGER_SECONDS) shutdown(w->fd, SHUT_RDWR);
        } else if (w->place != IN_HEAD) {
            if (age > o->body_seconds) refuse_late(w, "body", o->body_seconds);
        } else if (w->began) {
            if (age > o->head_seconds) refuse_late(w, "head", o->head_seconds);
        } else if (w->crowded && !w->pending && age > o->head_seconds)
            shutdown(w->fd, SHUT_RDWR);
    }
}

void watch_close_idle(server *s) {
    for (watch *w = s->watches; w; w = w->after)
        if (w->fd >= 0 && w->place == IN_HEAD && !w->began && !w->pending)
            shutdown(w->fd, SHUT_RDWR);
}
