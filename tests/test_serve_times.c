/* Limits of bert serve that have no option: the time that heads, bodies and idle connections have, and the
 * bytes of answers that clients have not read. They are shortened here, so the server is a child of the test, which
 * may as well be given a socket. */
#include "server/server.h"
#include "serving.h"
#include <sys/stat.h>
#include <sys/un.h>

static running start_with(serve_options o) {
    char path[4200];
    const char *const names[] = {"m"};
    running r = {0};
    snprintf(path, sizeof path, "%s/listening", home);
    unlink(path);
    o.names = names;
    o.models = 1;
    o.port = 0;
    o.threads = 1;
    o.quiet = true;
    r.pid = fork();
    if (!r.pid) {
        bert_error e = {0};
        if (chdir(home) || !freopen("listening", "w", stdout)) _exit(127);
        _exit(serve(&o, &e) ? 1 : 0);
    }
    r.port = port_of(path);
    return r;
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void nap(int milliseconds) {
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

#define HEAD "POST /embed HTTP/1.1\r\nHost: x\r\n"
#define HEALTH "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

/* A byte every 0.1 seconds, which a limit of idle time would let pass for ever. */
static void what_trickles_is_refused(void **state) {
    static const struct {
        const char *first, *byte, *says;
    } rows[] = {
        {"GET / HTTP/1.1\r\nA: ", "a", "the head did not come in 1 seconds"},
        {HEAD "Content-Length: 1000\r\n\r\n", " ", "the body did not come in 2 seconds"},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n",
         "the body did not come in 2 seconds"},
        {HEALTH "G", "E", "the head did not come in 1 seconds"}, /* of the second request */
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    serve_options o = serve_default();
    int fds[ROWS];
    char got[ROWS][4000] = {""};
    (void)state;
    o.head_seconds = 1;
    o.body_seconds = 2;
    const running r = start_with(o);
    const double begin = seconds();
    for (int i = 0; i < ROWS; i++) {
        fds[i] = dial(r);
        assert_true(send(fds[i], rows[i].first, strlen(rows[i].first), MSG_NOSIGNAL) > 0);
    }
    for (int open = ROWS; open && seconds() < begin + 60;) {
        nap(100);
        for (int i = 0; i < ROWS; i++) {
            if (fds[i] < 0) continue;
            const size_t used = strlen(got[i]);
            const ssize_t n = recv(fds[i], got[i] + used, sizeof *got - 1 - used, MSG_DONTWAIT);
            if (n > 0) continue;
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                (void)!send(fds[i], rows[i].byte, strlen(rows[i].byte), MSG_NOSIGNAL);
                continue;
            }
            close(fds[i]);
            fds[i] = -1;
            open--;
        }
    }
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(fds[i], -1);
        says(got[i], "408 Request Timeout");
        says(got[i], rows[i].says);
    }
    says(got[ROWS - 1], "HTTP/1.1 200 OK");
    assert_true(seconds() > begin + 2);
    json_decref(post(r, "/embed", "{\"inputs\": \"w1\"}", 200));
    assert_int_equal(stop(r, SIGTERM), 0);
}

static void idle_connections_are_closed(void **state) {
    serve_options o = serve_default();
    char got[2000];
    (void)state;
    o.idle_seconds = 2;
    const running r = start_with(o);
    const int fd = dial(r);
    for (int i = 0; i < 3; i++) { /* kept as long as it is used */
        assert_true(send(fd, HEALTH, strlen(HEALTH), MSG_NOSIGNAL) > 0);
        assert_true(recv(fd, got, sizeof got, 0) > 0);
        nap(1000);
    }
    const double begin = seconds();
    assert_int_equal(recv(fd, got, sizeof got, 0), 0);
    assert_true(seconds() < begin + 30);
    close(fd);
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* The status that comes within some seconds: what a client has read or left is counted a little later. */
static void comes_to(running r, const char *path, const char *body, int status) {
    int got = 0;
    for (int i = 0; i < 200 && got != status; i++) {
        char *answer = request(r, "POST", path, JSON, body);
        got = status_of(answer);
        free(answer);
        nap(20);
    }
    assert_int_equal(got, status);
}

/* 12 MB, of which the kernel takes a part: the rest is the server's while the client does not read. */
static void answers_that_nobody_reads_are_held_to_a_sum(void **state) {
    enum { TEXTS = 1500, WORDS = 18 };
    serve_options o = serve_default();
    char *body = calloc(1, TEXTS * (WORDS * 3 + 4) + 100), *sent, got[100];
    (void)state;
    size_t n = (size_t)sprintf(body, "{\"inputs\": [");
    for (int i = 0; i < TEXTS; i++) {
        n += (size_t)sprintf(body + n, "%s\"", i ? "," : "");
        for (int k = 0; k < WORDS; k++) n += (size_t)sprintf(body + n, "w1 ");
        body[n - 1] = '"';
    }
    n += (size_t)sprintf(body + n, "]}");
    sent = calloc(1, n + 200);
    const int all = sprintf(
        sent,
        "POST /embed_all HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
        n, body);
    o.max_input_texts = o.max_queue = TEXTS;
    o.max_answers = 20000000;
    const running r = start_with(o);
    const int fd = dial(r), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int k = 0; k < all;) {
        const ssize_t m = send(fd, sent + k, (size_t)(all - k), MSG_NOSIGNAL);
        assert_true(m > 0);
        k += (int)m;
    }
    assert_true(recv(fd, got, sizeof got, MSG_WAITALL) == sizeof got);
    assert_memory_equal(got, "HTTP/1.1 200", 12);
    char *full = raw(r, sent, (size_t)all);
    assert_int_equal(status_of(full), 429);
    says(full, "Retry-After: 1");
    says(full, "clients have not read");
    free(full);
    json_decref(
        post(r, "/embed_all", "{\"inputs\": \"w1\"}", 200)); /* small ones are let through */
    close(fd);
    comes_to(r, "/embed_all", body, 200);
    assert_int_equal(stop(r, SIGTERM), 0);
    free(sent);
    free(body);
}

/* A proxy is another user: it may write to the socket. */
static void a_unix_socket_is_for_all_users(void **state) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct stat there;
    const char *health = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char got[2000] = "";
    (void)state;
    serve_options o = serve_default();
    snprintf(a.sun_path, sizeof a.sun_path, "%s/socket", home);
    o.uds = "socket";
    const running r = start_with(o);
    assert_int_equal(stat(a.sun_path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0666);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_true(send(fd, health, strlen(health), MSG_NOSIGNAL) > 0);
    assert_true(recv(fd, got, sizeof got - 1, 0) > 0);
    assert_int_equal(status_of(got), 200);
    close(fd);
    expect(1, bert("serve m --quiet --uds socket"));
    says(err, "another server listens there");
    assert_int_equal(stop(r, SIGTERM), 0);
    assert_int_equal(stat(a.sun_path, &there), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_trickles_is_refused),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(a_unix_socket_is_for_all_users),
        cmocka_unit_test(answers_that_nobody_reads_are_held_to_a_sum),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
