/* Sockets, requests, faults and the log; what is answered is in hub_server_answers.c. */
#include "hub/digest.h"
#include "hub_server_inside.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(bool ok, const char *what) {
    if (ok) return;
    perror(what);
    abort();
}

/* ---- Repositories */

hub_repo *hub_server_find(hub_server *s, const char *id) {
    for (int i = 0; i < s->repo_count; i++)
        if (!strcasecmp(s->repos[i]->id, id)) return s->repos[i];
    return NULL;
}

hub_repo *hub_server_add(hub_server *s, const char *id, const char *commit) {
    hub_repo *r = calloc(1, sizeof *r);
    need(r && s->repo_count < MOST_REPOS, "hub_server_add");
    r->server = s;
    snprintf(r->id, sizeof r->id, "%s", id);
    snprintf(r->commit, sizeof r->commit, "%s", commit);
    pthread_mutex_lock(&s->guard);
    s->repos[s->repo_count++] = r;
    pthread_mutex_unlock(&s->guard);
    return r;
}

static void file_bytes(const hub_server_file *f, int64_t at, char *out, size_t n) {
    if (f->data) {
        memcpy(out, f->data + at, n);
    } else if (f->fill) {
        f->fill(f->context, at, out, n);
    } else {
        const int fd = open(f->disk, O_RDONLY);
        need(fd >= 0 && pread(fd, out, n, (off_t)at) == (ssize_t)n, f->disk);
        close(fd);
    }
}

static void digest(const hub_server_file *f, bert_digest *d) {
    enum { CHUNK = 1 << 20 };
    char *buffer = malloc(CHUNK);
    need(buffer, "malloc");
    for (int64_t at = 0; at < f->size; at += CHUNK) {
        const size_t n = (size_t)(f->size - at < CHUNK ? f->size - at : CHUNK);
        file_bytes(f, at, buffer, n);
        bert_digest_add(d, buffer, n);
    }
    free(buffer);
}

static void name_content(hub_server_file *f) {
    bert_digest d;
    char head[64];
    bert_digest_begin(&d, BERT_SHA256);
    digest(f, &d);
    bert_digest_end(&d, f->sha256);
    /* of a large file git holds a pointer */
    char pointer[300];
    const int n = snprintf(pointer, sizeof pointer,
                           "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %lld\n",
                           f->sha256, (long long)f->size);
    const int64_t size = f->large ? n : f->size;
    bert_digest_begin(&d, BERT_SHA1);
    bert_digest_add(&d, head,
                    (size_t)snprintf(head, sizeof head, "blob %lld", (long long)size) + 1);
    if (f->large)
        bert_digest_add(&d, pointer, (size_t)n);
    else
        digest(f, &d);
    bert_digest_end(&d, f->oid);
}

static void add_file(hub_repo *r, hub_server_file f, const char *path) {
    f.path = strdup(path);
    name_content(&f);
    pthread_mutex_lock(&r->server->guard);
    int i = 0;
    while (i < r->n && strcmp(r->files[i].path, path)) i++;
    need(i < (int)(sizeof r->files / sizeof *r->files), "too many files");
    if (i < r->n) {
        need(r->replaced_count < (int)(sizeof r->replaced / sizeof *r->replaced), "replaced");
        r->replaced[r->replaced_count++] = r->files[i];
    }
    r->files[i] = f;
    if (i == r->n) r->n++;
    pthread_mutex_unlock(&r->server->guard);
}

void hub_repo_put(hub_repo *r, const char *path, const void *data, size_t bytes, bool large) {
    char *copy = malloc(bytes + 1);
    need(copy, "malloc");
    memcpy(copy, data, bytes);
    add_file(r, (hub_server_file){.data = copy, .size = (int64_t)bytes, .large = large}, path);
}

void hub_repo_text(hub_repo *r, const char *path, const char *text) {
    hub_repo_put(r, path, text, strlen(text), false);
}

void hub_repo_generate(hub_repo *r, const char *path, int64_t size, hub_fill *fill, void *context) {
    add_file(r, (hub_server_file){.size = size, .fill = fill, .context = context, .large = true},
             path);
}

void hub_repo_disk(hub_repo *r, const char *path, const char *file) {
    struct stat st;
    need(!stat(file, &st), file);
    add_file(r, (hub_server_file){.disk = strdup(file), .size = (int64_t)st.st_size, .large = true},
             path);
}

const hub_server_file *hub_find_file(const hub_repo *r, const char *path) {
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->files[i].path, path)) return &r->files[i];
    return NULL;
}

char *hub_repo_get(hub_repo *r, const char *path, size_t *bytes) {
    const hub_server_file *f = hub_find_file(r, path);
    char *data = f ? malloc((size_t)f->size + 1) : NULL;
    if (!data) return NULL;
    file_bytes(f, 0, data, (size_t)f->size);
    data[f->size] = 0;
    *bytes = (size_t)f->size;
    return data;
}

const char *hub_repo_commit(const hub_repo *r) {
    return r->commit;
}

void hub_repo_set_commit(hub_repo *r, const char *commit) {
    snprintf(r->commit, sizeof r->commit, "%s", commit);
}

void hub_repo_old_name(hub_repo *r, const char *id) {
    snprintf(r->old_id, sizeof r->old_id, "%s", id);
}

void hub_repo_flags(hub_repo *r, unsigned flags) {
    r->flags = flags;
}

bool hub_repo_is_private(const hub_repo *r) {
    return r->flags & HUB_PRIVATE;
}

/* ---- Faults and the log */

void hub_server_fail(hub_server *s, const char *part, hub_fail kind, int64_t value,
                     const char *text, int after, int times) {
    pthread_mutex_lock(&s->guard);
    need(s->fault_count < MOST_FAULTS, "too many faults");
    fault *f = &s->faults[s->fault_count++];
    *f = (fault){.kind = kind, .value = value, .after = after, .times = times};
    f->text = text ? strdup(text) : NULL;
    snprintf(f->part, sizeof f->part, "%s", part);
    pthread_mutex_unlock(&s->guard);
}

void hub_server_heal(hub_server *s) {
    pthread_mutex_lock(&s->guard);
    for (int i = 0; i < s->fault_count; i++) free(s->faults[i].text);
    s->fault_count = 0;
    pthread_mutex_unlock(&s->guard);
}

static const fault *next_fault(hub_server *s, const hub_call *c) {
    char line[5000];
    const fault *found = NULL;
    snprintf(line, sizeof line, "%s %s", c->method, c->target);
    for (int i = 0; i < s->fault_count && !found; i++) {
        fault *f = &s->faults[i];
        if (!f->times || !strstr(line, f->part)) continue;
        if (f->after > 0) {
            f->after--;
        } else {
            f->times--;
            found = f;
        }
    }
    return found;
}

static void write_log(hub_server *s, const hub_call *c) {
    char line[6000];
    int n = snprintf(line, sizeof line, "%s %s %s token=%s", c->cdn ? "cdn" : "hub", c->method,
                     c->target, c->token);
    if (c->from >= 0) n += snprintf(line + n, 60, " range=%lld-", (long long)c->from);
    n += snprintf(line + n, 2, "\n");
    if (s->log_bytes + (size_t)n + 1 > s->log_capacity) {
        s->log_capacity = 2 * (s->log_capacity + (size_t)n + 1);
        s->log = realloc(s->log, s->log_capacity);
        need(s->log, "realloc");
    }
    memcpy(s->log + s->log_bytes, line, (size_t)n + 1);
    s->log_bytes += (size_t)n;
}

/* The line of the log behind `from` that holds the part. */
static const char *next_line(const char *from, const char *part, size_t *bytes) {
    for (const char *p = from; p && *p; p += *bytes + (p[*bytes] == '\n')) {
        *bytes = strcspn(p, "\n");
        if (memmem(p, *bytes, part, strlen(part))) return p;
    }
    return NULL;
}

int hub_server_count(hub_server *s, const char *part) {
    int n = 0;
    size_t bytes;
    pthread_mutex_lock(&s->guard);
    for (const char *p = s->log; (p = next_line(p, part, &bytes)); p += bytes + (p[bytes] == '\n'))
        n++;
    pthread_mutex_unlock(&s->guard);
    return n;
}

char *hub_server_line(hub_server *s, const char *part) {
    size_t bytes;
    pthread_mutex_lock(&s->guard);
    const char *p = next_line(s->log, part, &bytes);
    char *line = p ? strndup(p, bytes) : NULL;
    pthread_mutex_unlock(&s->guard);
    return line;
}

void hub_server_forget(hub_server *s) {
    pthread_mutex_lock(&s->guard);
    s->log_bytes = 0;
    if (s->log) *s->log = 0;
    pthread_mutex_unlock(&s->guard);
}

/* ---- Answers */

static bool send_all(hub_call *c, const char *data, size_t bytes) {
    if (c->fails && c->fails->kind == HUB_FAIL_LOST) c->close = true;
    while (bytes && !c->close) {
        const ssize_t n = send(c->fd, data, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) c->close = true;
        if (n > 0) data += n, bytes -= (size_t)n;
    }
    return !c->close;
}

static const char *reason(int status) {
    return status < 300 ? "OK" : status < 400 ? "Redirect" : status < 500 ? "Refused" : "Broken";
}

static void send_head(hub_call *c, int status, const char *headers, int64_t length) {
    char head[9000];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d %s\r\n%sRateLimit: \"resolvers\";r=4999;t=55\r\n"
                     "X-Request-Id: Root=1-abc\r\n",
                     status, reason(status), headers);
    if (length >= 0)
        n += snprintf(head + n, 80, "Content-Length: %lld\r\n", (long long)length);
    else
        n += snprintf(head + n, 80, "Connection: close\r\n");
    n += snprintf(head + n, 3, "\r\n");
    send_all(c, head, (size_t)n);
}

void hub_answer_text(hub_call *c, int status, const char *headers, const char *body) {
    send_head(c, status, headers, (int64_t)strlen(body));
    if (!c->head) send_all(c, body, strlen(body));
}

void hub_answer_json(hub_call *c, int status, const char *headers, json_t *body) {
    char *text = json_dumps(body, JSON_COMPACT);
    need(text, "json_dumps");
    hub_answer_text(c, status, headers, text);
    json_decref(body);
    free(text);
}

static bool fails(const hub_call *c, hub_fail kind) {
    return c->fails && c->fails->kind == kind;
}

static void send_bytes(hub_call *c, const hub_server_file *f, int64_t at, int64_t end) {
    enum { CHUNK = 1 << 18 };
    char *buffer = malloc(CHUNK);
    need(buffer, "malloc");
    while (at < end && !c->close) {
        const size_t n = (size_t)(end - at < CHUNK ? end - at : CHUNK);
        file_bytes(f, at, buffer, n);
        if (fails(c, HUB_FAIL_WRONG) && c->fails->value >= at && c->fails->value < at + (int64_t)n)
            buffer[c->fails->value - at] ^= 1;
        send_all(c, buffer, n);
        at += (int64_t)n;
    }
    free(buffer);
}

static void send_disk(hub_call *c, const hub_server_file *f, int64_t at, int64_t end) {
    const int fd = open(f->disk, O_RDONLY);
    off_t from = (off_t)at;
    need(fd >= 0, f->disk);
    while (from < end && !c->close)
        if (sendfile(c->fd, fd, &from, (size_t)(end - from)) <= 0 && errno != EINTR)
            c->close = true;
    close(fd);
}

/* Until the other side gives up, or the test ends. */
static void be_silent(hub_call *c) {
    char byte;
    while (!c->s->ending && recv(c->fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
        usleep(20000);
    c->close = true;
}

void hub_answer_file(hub_call *c, const char *headers, const hub_server_file *f) {
    char more[9000];
    int64_t from = c->from > 0 && !fails(c, HUB_FAIL_NO_RANGE) ? c->from : 0, end = f->size;
    if (from >= f->size && from) {
        snprintf(more, sizeof more, "%sContent-Range: bytes */%lld\r\n", headers,
                 (long long)f->size);
        hub_answer_text(c, 416, more, "");
        return;
    }
    if (from && fails(c, HUB_FAIL_RANGE)) from--;
    if (from)
        snprintf(more, sizeof more, "%sContent-Range: bytes %lld-%lld/%lld\r\n", headers,
                 (long long)from, (long long)f->size - 1, (long long)f->size);
    else
        snprintf(more, sizeof more, "%sAccept-Ranges: bytes\r\n", headers);
    const int64_t extra = fails(c, HUB_FAIL_LENGTH) ? c->fails->value : 0;
    send_head(c, from ? 206 : 200, more, f->size - from + extra);
    if (c->head) return;
    const bool stops = fails(c, HUB_FAIL_CUT) || fails(c, HUB_FAIL_DRIP);
    if (stops && from + c->fails->value < end) end = from + c->fails->value;
    if (f->disk && !c->fails)
        send_disk(c, f, from, end);
    else
        send_bytes(c, f, from, end);
    for (int64_t i = 0; i < extra; i++) send_all(c, "", 1);
    if (fails(c, HUB_FAIL_CUT)) c->close = true;
    if (fails(c, HUB_FAIL_DRIP)) be_silent(c);
}

/* Faults that are the whole answer; false: it is none of these. */
static bool answer_fault(hub_call *c) {
    char headers[9000] = "";
    const fault *f = c->fails;
    switch (f->kind) {
    case HUB_FAIL_STATUS:
        hub_answer_text(c, (int)f->value, "",
                        f->text ? f->text : "{\"error\":\"Something broke\"}");
        return true;
    case HUB_FAIL_LIMIT:
        snprintf(headers, sizeof headers, "RateLimit: \"resolvers\";r=0;t=%d\r\n", (int)f->value);
        hub_answer_text(c, 429, headers, "{\"error\":\"Too many requests\"}");
        return true;
    case HUB_FAIL_EXPIRED:
        hub_answer_text(c, 403, "", "<Error><Code>AccessDenied</Code></Error>");
        return true;
    case HUB_FAIL_REDIRECT:
        snprintf(headers, sizeof headers, "Location: %s\r\n", f->text);
        hub_answer_text(c, 302, headers, "");
        return true;
    case HUB_FAIL_BODY:
        hub_answer_text(c, 200, "", f->text);
        return true;
    case HUB_FAIL_CLOSE:
        c->close = true;
        return true;
    case HUB_FAIL_HEADERS:
        send_all(c, "HTTP/1.1 200 OK\r\nX-Long: ", 25);
        for (int64_t i = 0; i < f->value && !c->close; i++) send_all(c, "x", 1);
        c->close = true;
        return true;
    case HUB_FAIL_ENDLESS:
        send_head(c, 200, "X-Repo-Commit: 0123456789abcdef0123456789abcdef01234567\r\n", -1);
        while (!c->close && !c->s->ending) send_all(c, headers, sizeof headers);
        return true;
    default:
        return false;
    }
}

/* ---- Requests */

static void decode(const char *from, char *to) {
    for (; *from; from++) {
        unsigned x;
        if (*from == '%' && sscanf(from + 1, "%2x", &x) == 1) {
            *to++ = (char)x;
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
}

/* The head of a request, up to its blank line; false: the connection has ended. */
static bool read_head(hub_call *c, char *head, size_t capacity) {
    size_t n = 0;
    while (n + 1 < capacity && !c->s->ending) {
        const ssize_t got = recv(c->fd, head + n, 1, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return false;
        head[++n] = 0;
        if (n >= 4 && !memcmp(head + n - 4, "\r\n\r\n", 4)) return true;
    }
    return false;
}

static const char *header(const char *head, const char *name) {
    const size_t n = strlen(name);
    for (const char *p = strchr(head, '\n'); p && p[1]; p = strchr(p + 1, '\n'))
        if (!strncasecmp(p + 1, name, n) && p[n + 1] == ':')
            return p + n + 2 + strspn(p + n + 2, " ");
    return NULL;
}

static bool read_body(hub_call *c, size_t bytes) {
    c->body = malloc(bytes + 1);
    need(c->body, "malloc");
    while (c->bytes < bytes && !c->s->ending) {
        const ssize_t n = recv(c->fd, c->body + c->bytes, bytes - c->bytes, 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return false;
        c->bytes += (size_t)n;
    }
    c->body[c->bytes] = 0;
    return c->bytes == bytes;
}

static bool read_call(hub_call *c) {
    char head[16384], *question;
    if (!read_head(c, head, sizeof head)) return false;
    if (sscanf(head, "%15s %4095s", c->method, c->target) != 2) return false;
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", c->target);
    if ((question = strchr(copy, '?'))) {
        *question = 0;
        snprintf(c->query, sizeof c->query, "%s", question + 1);
    }
    decode(copy, c->path);
    c->head = !strcmp(c->method, "HEAD");
    const char *range = header(head, "Range"), *token = header(head, "Authorization");
    const char *length = header(head, "Content-Length");
    c->from =
        range && sscanf(range, "bytes=%ld-", &(long){0}) == 1 ? strtoll(range + 6, NULL, 10) : -1;
    if (token && sscanf(token, "Bearer %250[^\r\n]", c->token) != 1) return false;
    return read_body(c, length ? (size_t)strtoull(length, NULL, 10) : 0);
}

static void *connection(void *context) {
    hub_call *first = context;
    hub_server *s = first->s;
    bool close_it = false;
    while (!close_it && !s->ending) {
        hub_call c = {.s = s, .fd = first->fd, .cdn = first->cdn, .from = -1};
        if (read_call(&c)) {
            pthread_mutex_lock(&s->guard);
            write_log(s, &c);
            c.fails = next_fault(s, &c);
            pthread_mutex_unlock(&s->guard);
            if (!c.fails || !answer_fault(&c)) hub_serve(&c);
        } else {
            c.close = true;
        }
        close_it = c.close;
        free(c.body);
    }
    close(first->fd);
    free(first);
    pthread_mutex_lock(&s->guard);
    s->open_connections--;
    pthread_mutex_unlock(&s->guard);
    return NULL;
}

typedef struct {
    hub_server *s;
    int which;
} listener;

static void *listening(void *context) {
    listener l = *(listener *)context;
    free(context);
    for (;;) {
        const int fd = accept(l.s->listening[l.which], NULL, NULL);
        if (fd < 0 && !l.s->ending && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (fd < 0) return NULL;
        const struct timeval patience = {.tv_usec = 200000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        hub_call *c = calloc(1, sizeof *c);
        pthread_t thread;
        need(c != NULL, "calloc");
        *c = (hub_call){.s = l.s, .fd = fd, .cdn = l.which == 1};
        pthread_mutex_lock(&l.s->guard);
        l.s->open_connections++;
        pthread_mutex_unlock(&l.s->guard);
        need(!pthread_create(&thread, NULL, connection, c), "pthread_create");
        pthread_detach(thread);
    }
}

static void start_listening(hub_server *s, int which) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    const int fd = s->listening[which] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a) && !listen(fd, 64) &&
             !getsockname(fd, (struct sockaddr *)&a, &n),
         "listen");
    snprintf(s->url[which], sizeof s->url[which], "http://127.0.0.1:%d", ntohs(a.sin_port));
    listener *l = malloc(sizeof *l);
    need(l != NULL, "malloc");
    *l = (listener){s, which};
    need(!pthread_create(&s->threads[which], NULL, listening, l), "pthread_create");
}

hub_server *hub_server_start(void) {
    hub_server *s = calloc(1, sizeof *s);
    need(s != NULL, "calloc");
    pthread_mutex_init(&s->guard, NULL);
    for (int i = 0; i < 2; i++) start_listening(s, i);
    return s;
}

static void free_file(hub_server_file *f) {
    free(f->path);
    free(f->data);
    free(f->disk);
    free(f->context);
}

static void free_repo(hub_repo *r) {
    for (int i = 0; i < r->n; i++) free_file(&r->files[i]);
    for (int i = 0; i < r->replaced_count; i++) free_file(&r->replaced[i]);
    free(r);
}

void hub_server_stop(hub_server *s) {
    s->ending = true;
    for (int i = 0; i < 2; i++) {
        shutdown(s->listening[i], SHUT_RDWR);
        pthread_join(s->threads[i], NULL);
        close(s->listening[i]);
    }
    for (bool busy = true; busy; usleep(5000)) {
        pthread_mutex_lock(&s->guard);
        busy = s->open_connections > 0;
        pthread_mutex_unlock(&s->guard);
    }
    hub_server_heal(s);
    for (int i = 0; i < s->repo_count; i++) free_repo(s->repos[i]);
    for (int i = 0; i < s->stored_count; i++) free(s->stored[i].data);
    pthread_mutex_destroy(&s->guard);
    free(s->log);
    free(s);
}

const char *hub_server_url(const hub_server *s) {
    return s->url[0];
}

const char *hub_server_cdn(const hub_server *s) {
    return s->url[1];
}
