/* bert serve in tests: a server in the home directory of tool.h, and requests of it. */
#ifndef BERT_TEST_SERVING_H
#define BERT_TEST_SERVING_H
#include "tool.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

typedef struct {
    pid_t pid;
    int port;
} running;

/* Where a server listens, as soon as it says so in a file. */
static inline int port_of(const char *path) {
    char text[400] = "";
    for (int i = 0; i < 3000 && !strchr(text, '\n'); i++) {
        FILE *f = fopen(path, "r");
        if (f && !fgets(text, sizeof text, f)) *text = 0;
        if (f) fclose(f);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    const char *port = strrchr(text, ':');
    assert_non_null(port);
    return atoi(port + 1);
}

/* Of "m" unless options begin with other models: "a b --quiet". */
static inline running start(const char *options) {
    char command[9000], path[4200];
    running r = {0};
    snprintf(path, sizeof path, "%s/listening", home);
    unlink(path);
    r.pid = fork();
    if (!r.pid) {
        snprintf(command, sizeof command,
                 "cd '%s' && exec '%s' serve %s --port 0 %s >listening 2>log", home, BERT_TOOL,
                 *options == '-' ? "m" : "", options);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    r.port = port_of(path);
    return r;
}

static inline int stop(running r, int signal_number) {
    int status;
    kill(r.pid, signal_number);
    assert_int_equal(waitpid(r.pid, &status, 0), r.pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int dial(running r) {
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)r.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct timeval most = {60, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    return connect(fd, (const struct sockaddr *)&a, sizeof a) ? -1 : fd;
}

enum { ANSWER = 1 << 20 };

/* All that comes back for these bytes until the end; malloc'ed. */
static inline char *raw(running r, const char *sent, size_t n) {
    char *got = calloc(1, ANSWER);
    const int fd = dial(r);
    size_t used = 0;
    if (fd < 0) return got;
    (void)!send(fd, sent, n, MSG_NOSIGNAL);
    while (used < ANSWER - 1) {
        const ssize_t m = recv(fd, got + used, ANSWER - 1 - used, 0);
        if (m < 0 && errno == EINTR) continue; /* a child of the test has ended */
        if (m <= 0) break;
        used += (size_t)m;
    }
    close(fd);
    return got;
}

static inline int status_of(const char *answer) {
    return strncmp(answer, "HTTP/1.", 7) ? 0 : atoi(answer + 9);
}

static inline char *request(running r, const char *method, const char *path, const char *headers,
                            const char *body) {
    static const size_t most = 1 << 17;
    char *sent = malloc(most);
    const int n = snprintf(
        sent, most,
        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
        path, headers, strlen(body), body);
    char *got = raw(r, sent, (size_t)n);
    free(sent);
    return got;
}

#define JSON "Content-Type: application/json\r\n"

/* The body as JSON, of a request that has to be answered that way. */
static inline json_t *post(running r, const char *path, const char *body, int status) {
    char *got = request(r, "POST", path, JSON, body);
    const char *from = strstr(got, "\r\n\r\n");
    if (status_of(got) != status) fail_msg("%s: not %d: %.300s", path, status, got);
    json_t *o = json_loads(from + 4, JSON_DECODE_ANY, NULL);
    if (!o) fail_msg("%s: no JSON: %.300s", path, got);
    free(got);
    return o;
}

static inline void same_floats(const json_t *a, const json_t *b) {
    assert_int_equal(json_array_size(a), json_array_size(b));
    assert_true(json_array_size(a) > 0);
    for (size_t i = 0; i < json_array_size(a); i++) {
        const float x = (float)json_number_value(json_array_get(a, i)),
                    y = (float)json_number_value(json_array_get(b, i));
        assert_memory_equal(&x, &y, sizeof x);
    }
}
#endif
