/* Every limit of bert serve, and its models loaded anew: what goes beyond is refused, what was accepted is
 * answered, and the next request finds all as it was. */
#include "serving.h"
#include <stdatomic.h>

static void texts_beyond_a_limit_are_refused(void **state) {
    static const struct {
        const char *path, *body;
        int status;
        const char *says;
    } rows[] = {
        {"/embed", "{\"inputs\": [\"a\",\"a\",\"a\"]}", 422, "--max-input-texts"},
        {"/rerank", "{\"query\": \"a\", \"texts\": [\"a\",\"a\",\"a\"]}", 424, "reranker"},
        {"/zero_shot",
         "{\"inputs\": \"a\", \"parameters\": {\"candidate_labels\": [\"a\",\"b\",\"c\"]}}", 422,
         "candidate_labels has 3 texts"},
        {"/zero_shot", "{\"inputs\": \"a\", \"parameters\": {\"candidate_labels\": []}}", 400,
         "empty"},
        {"/embed",
         "{\"inputs\": \"w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1\"}", 422,
         "the limit is 20"},
        {"/embed",
         "{\"inputs\": \"w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1\", "
         "\"truncate\": true}",
         200, ""},
        {"/embed", "{\"inputs\": \"w1\", \"dimensions\": 0}", 422, "1 to 32"},
    };
    (void)state;
    const running r = start("--quiet --max-input-texts 2 --auto-truncate false");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *got = post(r, rows[i].path, rows[i].body, rows[i].status);
        if (*rows[i].says) says(json_string_value(json_object_get(got, "error")), rows[i].says);
        json_decref(got);
    }
    char *deep = calloc(1, 100000);
    strcpy(deep, "{\"inputs\": \"w1\", \"x\": [");
    for (int i = 0; i < 12000; i++) strcat(deep + 3 * i, i ? ",[]" : "[ ]");
    strcat(deep, "]}");
    json_decref(post(r, "/embed", deep, 422));
    memset(deep, '[', 100);
    deep[100] = 0;
    json_decref(post(r, "/embed", deep, 400));
    free(deep);
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* ---- The queue */

enum { CLIENTS = 12, ROUNDS = 20 };
typedef struct {
    running server;
    int good, full, other;
} client;

static void *ask(void *data) {
    client *c = data;
    for (int i = 0; i < ROUNDS; i++) {
        char *got = request(c->server, "POST", "/embed", JSON,
                            "{\"inputs\": [\"w1 w2\", \"w3\", \"w4\", \"w5 w6 w7\"]}");
        const int status = status_of(got);
        c->good += status == 200;
        c->full += status == 429 && strstr(got, "Retry-After: 1") && strstr(got, "Overloaded");
        c->other += status != 200 && status != 429;
        free(got);
    }
    return NULL;
}

/* Also by the metrics, which count each request once. */
static void a_full_queue_refuses_whole_requests(void **state) {
    (void)state;
    const running r = start("--quiet --max-queue 5");
    client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    int good = 0, full = 0;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (client){.server = r};
        pthread_create(&threads[i], NULL, ask, &clients[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        good += clients[i].good;
        full += clients[i].full;
        assert_int_equal(clients[i].other, 0);
    }
    assert_int_equal(good + full, CLIENTS * ROUNDS);
    assert_true(good > 0 && full > 0);
    char *got = request(r, "GET", "/metrics", "", ""), wanted[200];
    snprintf(wanted, sizeof wanted, "te_request_failure{err=\"overloaded\"} %d\n", full);
    says(got, wanted);
    snprintf(wanted, sizeof wanted, "te_request_success{method=\"batch\"} %d\n", good);
    says(got, wanted);
    says(got, "te_queue_size 0\n");
    free(got);
    json_decref(
        post(r, "/embed", "{\"inputs\": [\"w1\",\"w1\",\"w1\",\"w1\",\"w1\",\"w1\"]}", 200));
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* ---- Connections, and the bytes of bodies */

/* A connection that is kept, on which a first request was answered; or which has sent a head. */
static int hold(running r, const char *head) {
    char got[2000];
    const int fd = dial(r);
    const char *first = head ? head : "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_true(fd >= 0);
    assert_int_equal(send(fd, first, strlen(first), MSG_NOSIGNAL), (ssize_t)strlen(first));
    if (!head) assert_true(recv(fd, got, sizeof got, 0) > 0);
    return fd;
}

/* What is answered within a second or two: a connection that has ended is seen a little later. */
static void comes_to(running r, const char *method, const char *path, const char *body,
                     int status) {
    int got = 0;
    for (int i = 0; i < 200 && got != status; i++) {
        char *answer = request(r, method, path, *body ? JSON : "", body);
        got = status_of(answer);
        free(answer);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    assert_int_equal(got, status);
}

static void beyond_its_connections_only_probes_are_answered(void **state) {
    (void)state;
    const running r = start("--quiet --max-connections 3");
    int held[3];
    for (int i = 0; i < 3; i++) held[i] = hold(r, NULL);
    char *got = request(r, "POST", "/embed", JSON, "{\"inputs\": \"w1\"}");
    assert_int_equal(status_of(got), 503);
    says(got, "Retry-After: 1");
    says(got, "too many connections");
    free(got);
    comes_to(r, "GET", "/info", "", 503);
    comes_to(r, "GET", "/health", "", 200);
    comes_to(r, "GET", "/metrics", "", 200);
    close(held[0]);
    comes_to(r, "POST", "/embed", "{\"inputs\": \"w1\"}", 200);
    close(held[1]);
    close(held[2]);
    assert_int_equal(stop(r, SIGTERM), 0);
}

static void bodies_are_held_to_a_sum(void **state) {
    enum { HELD = 32 }; /* of 2 MB, which are 64 MB */
    (void)state;
    const running r = start("--quiet");
    int held[HELD];
    const char *head = "POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n{";
    for (int i = 0; i < HELD; i++) held[i] = hold(r, head);
    comes_to(r, "POST", "/embed", "{\"inputs\": \"w1\"}", 429);
    comes_to(r, "GET", "/health", "", 200);
    for (int i = 0; i < HELD; i++) close(held[i]);
    comes_to(r, "POST", "/embed", "{\"inputs\": \"w1\"}", 200);
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* ---- Models anew, under load */

typedef struct {
    running server;
    const json_t *wanted;
    atomic_bool end;
    int good, wrong;
    char first[301]; /* that was wrong */
} asker;

static void *ask_on(void *data) {
    asker *a = data;
    while (!atomic_load(&a->end)) {
        char *got = request(a->server, "POST", "/embed", JSON, "{\"inputs\": [\"w1 w2\", \"w3\"]}");
        const char *from = strstr(got, "\r\n\r\n");
        json_t *o = from ? json_loads(from + 4, 0, NULL) : NULL;
        if (status_of(got) == 200 && json_equal(o, a->wanted))
            a->good++;
        else if (!a->wrong++)
            snprintf(a->first, sizeof a->first, "%.300s", got);
        json_decref(o);
        free(got);
    }
    return NULL;
}

static void wait_for_log(const char *part) {
    for (int i = 0; i < 1000; i++) {
        slurp("log", err, sizeof err);
        if (strstr(err, part)) return;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    says(err, part);
}

static void models_are_loaded_anew_without_a_lost_request(void **state) {
    enum { ASKERS = 4, TIMES = 6 };
    (void)state;
    const running r = start("--quiet");
    json_t *wanted = post(r, "/embed", "{\"inputs\": [\"w1 w2\", \"w3\"]}", 200);
    asker askers[ASKERS];
    pthread_t threads[ASKERS];
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (asker){.server = r, .wanted = wanted};
        pthread_create(&threads[i], NULL, ask_on, &askers[i]);
    }
    for (int i = 0; i < TIMES; i++) {
        kill(r.pid, SIGHUP);
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
    /* what cannot be loaded leaves what there is */
    expect(0, bert("info m; mv m/config.json m/away; echo nonsense >m/config.json"));
    kill(r.pid, SIGHUP);
    wait_for_log("the models are as they were");
    expect(0, bert("--version; mv m/away m/config.json"));
    kill(r.pid, SIGHUP);
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    for (int i = 0; i < ASKERS; i++) {
        atomic_store(&askers[i].end, true);
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < ASKERS; i++) {
        assert_true(askers[i].good > 0);
        if (askers[i].wrong) fail_msg("%d wrong, one: %s", askers[i].wrong, askers[i].first);
    }
    json_decref(wanted);
    assert_int_equal(stop(r, SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_beyond_a_limit_are_refused),
        cmocka_unit_test(a_full_queue_refuses_whole_requests),
        cmocka_unit_test(beyond_its_connections_only_probes_are_answered),
        cmocka_unit_test(bodies_are_held_to_a_sum),
        cmocka_unit_test(models_are_loaded_anew_without_a_lost_request),
    };
    if (!*BERT_TOOL) return 77;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
