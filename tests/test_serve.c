/* bert serve as clients meet it: its answers are those of the tool to the bit, alone and under load; what is
 * wrong gets the right status in the dialect of the route; it ends well. */
#include "serving.h"

/* ---- Answers */

static void vectors_are_those_of_the_tool(void **state) {
    (void)state;
    expect(0, bert("embed m --normalize 'w1 w2' w3 ''"));
    const running r = start("--quiet");
    json_t *got = post(r, "/embed", "{\"inputs\": [\"w1 w2\", \"w3\", \"\"]}", 200);
    for (int i = 0; i < 3; i++) {
        json_t *own = line(i);
        same_floats(json_array_get(got, (size_t)i), json_object_get(own, "embedding"));
        json_decref(own);
    }
    json_decref(got);
    expect(0, bert("embed m --no-normalize 'w1 w2'"));
    json_t *own = line(0);
    got = post(r, "/embed", "{\"inputs\": \"w1 w2\", \"normalize\": false}", 200);
    same_floats(json_array_get(got, 0), json_object_get(own, "embedding"));
    json_decref(got);
    got = post(r, "/v1/embeddings", "{\"input\": \"w1 w2\", \"dimensions\": 8}", 200);
    json_t *first = json_array_get(json_object_get(got, "data"), 0);
    assert_int_equal(json_array_size(json_object_get(first, "embedding")), 8);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(got, "usage"), "total_tokens")), 4);
    json_decref(got);
    json_decref(own);
    assert_int_equal(stop(r, SIGTERM), 0);
}

static void labels_are_those_of_the_tool(void **state) {
    (void)state;
    expect(0, bert("classify m 'w1 w2'"));
    json_t *own = line(0), *scores = json_object_get(own, "scores");
    const running r = start("--quiet");
    json_t *got = post(r, "/predict", "{\"inputs\": \"w1 w2\"}", 200);
    assert_int_equal(json_array_size(got), json_object_size(scores));
    assert_string_equal(json_string_value(json_object_get(json_array_get(got, 0), "label")),
                        json_string_value(json_object_get(own, "label")));
    for (size_t i = 0; i < json_array_size(got); i++) {
        json_t *row = json_array_get(got, i);
        const float x = (float)json_number_value(json_object_get(row, "score")),
                    y = (float)json_number_value(
                        json_object_get(scores, json_string_value(json_object_get(row, "label"))));
        assert_memory_equal(&x, &y, sizeof x);
    }
    json_decref(got);
    json_decref(own);
    /* a pair is one input; the hub's client takes element 0 of a list of lists */
    got = post(r, "/predict", "{\"inputs\": [\"w1\", \"w2\"]}", 200);
    assert_true(json_is_object(json_array_get(got, 0)));
    json_decref(got);
    got = post(r, "/", "{\"inputs\": \"w1\", \"parameters\": {\"top_k\": 1}}", 200);
    assert_int_equal(json_array_size(json_array_get(got, 0)), 1);
    json_decref(got);
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* ---- The same under load */

enum { CLIENTS = 12, ROUNDS = 25 };
typedef struct {
    running server;
    unsigned seed;
    json_t *const *wanted; /* of "w1" .. */
    int wrong;
} client;

static void *ask(void *data) {
    client *c = data;
    for (int i = 0; i < ROUNDS; i++) {
        char body[2000] = "{\"inputs\": [", number_text[40];
        int word[8], n = 1 + (int)(c->seed = c->seed * 1103515245 + 12345) % 8;
        if (n < 1) n = 1;
        for (int k = 0; k < n; k++) {
            c->seed = c->seed * 1103515245 + 12345;
            word[k] = (int)(c->seed >> 16) % 16;
            snprintf(number_text, sizeof number_text, "%s\"w%d w%d\"", k ? ", " : "", word[k],
                     word[k] + 1);
            strcat(body, number_text);
        }
        strcat(body, "]}");
        char *got = request(c->server, "POST", "/embed", JSON, body);
        const char *from = strstr(got, "\r\n\r\n");
        json_t *o = from ? json_loads(from + 4, 0, NULL) : NULL;
        c->wrong += json_array_size(o) != (size_t)n;
        for (int k = 0; k < n && o; k++)
            c->wrong += !json_equal(json_array_get(o, (size_t)k), c->wanted[word[k]]);
        json_decref(o);
        free(got);
    }
    return NULL;
}

static void answers_are_the_same_under_load(void **state) {
    (void)state;
    const running r = start("--quiet --batch-tokens 64 --max-queue 4096");
    json_t *wanted[16];
    for (int i = 0; i < 16; i++) {
        char body[80];
        snprintf(body, sizeof body, "{\"inputs\": \"w%d w%d\"}", i, i + 1);
        json_t *one = post(r, "/embed", body, 200);
        wanted[i] = json_incref(json_array_get(one, 0));
        json_decref(one);
    }
    client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (client){r, (unsigned)i + 1, wanted, 0};
        pthread_create(&threads[i], NULL, ask, &clients[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(clients[i].wrong, 0);
    }
    for (int i = 0; i < 16; i++) json_decref(wanted[i]);
    char *got = request(r, "GET", "/metrics", "", "");
    says(got, "te_request_success{method=\"batch\"} ");
    says(got, "te_queue_size 0\n");
    free(got);
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* ---- What is wrong */

static void errors_have_their_status(void **state) {
    static const struct {
        const char *method, *path, *headers, *body;
        int status;
        const char *says;
    } rows[] = {
        {"POST", "/embed", JSON, "{", 400, "\"error_type\":\"Validation\""},
        {"POST", "/embed", JSON, "", 400, "not JSON"},
        {"POST", "/embed", JSON, "{\"inputs\": \"\\ud800\"}", 400, "not JSON"},
        {"POST", "/embed", JSON, "{\"inputs\": \"\xff\"}", 400, "not JSON"},
        {"POST", "/embed", JSON, "{\"inputs\": 1e999}", 400, "not JSON"},
        {"POST", "/embed", JSON, "[]", 422, "an object"},
        {"POST", "/embed", JSON, "{}", 422, "inputs is missing"},
        {"POST", "/embed", JSON, "{\"inputs\": null}", 422, "inputs is missing"},
        {"POST", "/embed", JSON, "{\"inputs\": {}}", 422, "a text is an object"},
        {"POST", "/embed", JSON, "{\"inputs\": []}", 400, "\"error_type\":\"Empty\""},
        {"POST", "/embed", JSON, "{\"inputs\": [1, 100000]}", 422, "the id 100000"},
        {"POST", "/embed", JSON, "{\"inputs\": \"w1\", \"normalize\": 1}", 422, "true or false"},
        {"POST", "/predict", JSON, "{\"inputs\": \"w1\", \"parameters\": 1}", 422, "an object"},
        {"POST", "/embed", JSON, "{\"inputs\": \"w1\", \"dimensions\": 33}", 422, "1 to 32"},
        {"POST", "/embed", JSON, "{\"inputs\": \"w1\", \"truncation_direction\": \"up\"}", 422,
         "right or left"},
        {"POST", "/embed", JSON, "{\"inputs\": \"w1\", \"prompt_name\": \"x\"}", 422,
         "no prompt named"},
        {"POST", "/embed", JSON,
         "{\"inputs\": \"w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1 w1\", "
         "\"truncate\": false}",
         422, "the limit is 20"},
        {"POST", "/embed", JSON, "{\"inputs\": [\"a\",\"a\",\"a\",\"a\",\"a\"]}", 422, "at most 4"},
        {"POST", "/embed", "Content-Type: text/plain\r\n", "w1", 415, "application/json"},
        {"POST", "/v1/embeddings", JSON, "{\"input\": []}", 400,
         "\"type\":\"invalid_request_error\""},
        {"POST", "/fill", JSON, "{\"inputs\": \"w1\"}", 424, "what it gives: labels"},
        {"POST", "/v1/rerank", JSON, "{\"query\": 1}", 424, "\"detail\""},
        {"GET", "/embed", "", "", 405, "Allow: POST"},
        {"POST", "/health", JSON, "", 405, "Allow: GET, HEAD"},
        {"GET", "/nothing", "", "", 404, "openapi.json"},
        {"GET", "/v1/models/x", "", "", 404, "no model"},
        {"BREW", "/", "", "", 501, "no such method"},
        {"TRACE", "/embed", "", "", 405, "Allow: POST"},
        {"GET", "/health", "", "", 200, "Content-Length: 0"},
        {"HEAD", "/info", "", "", 200, "Content-Type: application/json"},
        {"OPTIONS", "/", "", "", 200, "Allow: "},
        {"GET", "/", "", "", 200, "Content-Security-Policy: default-src 'none'"},
        {"GET", "/openapi.json", "", "", 200, "\"/embed\""},
        {"GET", "/openapi.json", "", "", 200,
         "\"normalize\":{\"type\":\"boolean\",\"nullable\":true}"},
        {"GET", "/v1/models", "", "", 200, "\"owned_by\""},
        {"GET", "/info", "X-Request-Id: abc\r\n", "", 200, "X-Request-Id: abc"},
    };
    (void)state;
    const running r = start("--quiet --max-input-texts 4");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = request(r, rows[i].method, rows[i].path, rows[i].headers, rows[i].body);
        if (status_of(got) != rows[i].status || !strstr(got, rows[i].says))
            fail_msg("%s %s %s: %d and \"%s\" are not in: %.600s", rows[i].method, rows[i].path,
                     rows[i].body, rows[i].status, rows[i].says, got);
        free(got);
    }
    assert_int_equal(stop(r, SIGTERM), 0);
}

static void broken_requests_are_refused(void **state) {
    static const struct {
        const char *bytes;
        int status;
    } rows[] = {
        {"nonsense\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA\x01: 1\r\n\r\n", 400},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
         400},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}", 400},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 2x\r\n\r\n{}", 400},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: "
         "chunked\r\n\r\n{}",
         400},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}", 400},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n",
         413},
        {"POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", 413},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 400},
        {"GET /health HTTP/1.0\r\n\r\n", 200},
        {"OPTIONS / HTTP/1.0\r\n\r\n", 200},
        {"\r\nGET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400},
        {"POST /tokenize HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: "
         "chunked\r\n\r\n"
         "5\r\n{\"inp\r\ne\r\nuts\": \"w1 w2\"}\r\n0\r\nTrailer: 1\r\n\r\n",
         200},
    };
    (void)state;
    const running r = start("--quiet --max-body 1000");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = raw(r, rows[i].bytes, strlen(rows[i].bytes));
        if (status_of(got) != rows[i].status)
            fail_msg("%s: not %d: %.300s", rows[i].bytes, rows[i].status, got);
        if (rows[i].status >= 400 && !strstr(got, "{\"error\"")) fail_msg("no error: %.300s", got);
        free(got);
    }
    /* a head that does not end, and one byte after another */
    char *long_head = malloc(40000);
    memset(long_head, 'a', 40000);
    memcpy(long_head, "GET / HTTP/1.1\r\nHost: ", 22);
    char *got = raw(r, long_head, 40000);
    assert_int_equal(status_of(got), 431);
    free(got);
    free(long_head);
    const char *slow = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const int fd = dial(r);
    char answer[400] = "";
    for (const char *p = slow; *p; p++) assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 0);
    assert_int_equal(status_of(answer), 200);
    close(fd);
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* Two requests in one go are answered in their order; the second one is broken. */
static void pipelined_requests_are_answered_in_order(void **state) {
    (void)state;
    const running r = start("--quiet");
    const char *two =
        "POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        "16\r\n\r\n"
        "{\"inputs\": \"w1\"}GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char *got = raw(r, two, strlen(two));
    assert_int_equal(status_of(got), 200);
    const char *second = strstr(got + 9, "HTTP/1.1 200");
    assert_non_null(second);
    assert_true(strstr(got, "\"text\"") < second);
    free(got);
    const char *broken = "POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: "
                         "application/json\r\nContent-Length: 16\r\n\r\n"
                         "{\"inputs\": \"w1\"}nonsense\r\n\r\n";
    got = raw(r, broken, strlen(broken));
    assert_int_equal(status_of(got), 200);
    free(got);
    assert_int_equal(stop(r, SIGTERM), 0);
}

static void keys_are_asked_for(void **state) {
    (void)state;
    write_file("key", "secret\n");
    const running r = start("--quiet --api-key-file key --cors");
    static const struct {
        const char *path, *headers;
        int status;
    } rows[] = {{"/info", "", 401},
                {"/info", "Authorization: Bearer secre\r\n", 401},
                {"/info", "Authorization: Bearer secretsecret\r\n", 401},
                {"/info", "Authorization: Bearer secret\r\n", 200},
                {"/info", "X-API-Key: secret\r\nOrigin: http://a\r\n", 200},
                {"/health", "", 200},
                {"/metrics", "", 200},
                {"/", "", 200}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got = request(r, "GET", rows[i].path, rows[i].headers, "");
        if (status_of(got) != rows[i].status) fail_msg("%s: %.300s", rows[i].path, got);
        if (rows[i].status == 401) says(got, "WWW-Authenticate: Bearer");
        if (strstr(rows[i].headers, "Origin")) says(got, "Access-Control-Allow-Origin: *");
        free(got);
    }
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* ---- Its end, and its models loaded anew */

typedef struct {
    running server;
    int good, refused, broken;
} asker;

static void *ask_until_it_ends(void *data) {
    asker *a = data;
    for (int i = 0; i < 2000; i++) {
        const int fd = dial(a->server);
        if (fd < 0) break;
        close(fd);
        char *got =
            request(a->server, "POST", "/embed", JSON, "{\"inputs\": [\"w1 w2 w3\", \"w4\"]}");
        const int status = status_of(got);
        a->good += status == 200;
        a->refused += status == 503;
        /* nothing at all: the connection was not accepted any more */
        a->broken += *got && status != 200 && status != 503;
        const bool end = !*got;
        free(got);
        if (end) break;
    }
    return NULL;
}

static void it_ends_when_what_it_accepted_is_answered(void **state) {
    (void)state;
    const running r = start("--quiet");
    asker askers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        askers[i] = (asker){.server = r};
        pthread_create(&threads[i], NULL, ask_until_it_ends, &askers[i]);
    }
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    kill(r.pid, SIGHUP);
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    assert_int_equal(stop(r, SIGTERM), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(askers[i].good > 0);
        assert_int_equal(askers[i].broken, 0);
    }
}

static void who_leaves_is_forgotten(void **state) {
    (void)state;
    const running r = start("--quiet");
    const char *whole = "POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: "
                        "application/json\r\nContent-Length: 16\r\n\r\n"
                        "{\"inputs\": \"w1\"}";
    for (size_t n = 0; n <= strlen(whole); n += 3) {
        const int fd = dial(r);
        assert_true(fd >= 0);
        (void)!send(fd, whole, n, MSG_NOSIGNAL);
        close(fd);
    }
    json_decref(post(r, "/embed", "{\"inputs\": \"w1\"}", 200));
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* The number behind a name in /metrics. */
static long metric(running r, const char *name) {
    char *got = request(r, "GET", "/metrics", "", "");
    const char *at = strstr(got, name);
    const long n = at ? atol(at + strlen(name)) : -1;
    free(got);
    return n;
}

/* Of many texts, a batch each: some are computed, then nobody waits for the others. */
static void the_rest_is_dropped_of_who_leaves(void **state) {
    enum { TEXTS = 60000 };
    (void)state;
    const running r = start("--quiet --batch-tokens 1 --max-queue 60000 --max-input-texts 60000");
    char *sent = calloc(1, TEXTS * 5 + 300);
    size_t n = (size_t)sprintf(
        sent, "POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{\"inputs\": [\"w1\"",
        11 + 6 + 5 * (TEXTS - 1) + 1);
    for (int i = 1; i < TEXTS; i++) n += (size_t)sprintf(sent + n, ",\"w1\"");
    strcpy(sent + n, "]}");
    const int fd = dial(r);
    for (size_t k = 0; k < n + 2;) {
        const ssize_t m = send(fd, sent + k, n + 2 - k, MSG_NOSIGNAL);
        assert_true(m > 0);
        k += (size_t)m;
    }
    for (int i = 0; i < 1000 && metric(r, "te_batch_next_size_count ") < 1; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    close(fd);
    const char *dropped = "te_request_failure{err=\"dropped\"} ";
    for (int i = 0; i < 1000 && metric(r, dropped) < 1; i++)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    assert_int_equal(metric(r, dropped), 1);
    assert_int_equal(metric(r, "te_queue_size "), 0);
    const long batches = metric(r, "te_batch_next_size_count ");
    assert_true(batches >= 1 && batches < TEXTS);
    json_decref(post(r, "/embed", "{\"inputs\": \"w1\"}", 200));
    assert_int_equal(stop(r, SIGTERM), 0);
    free(sent);
}

static void what_cannot_be_served_is_said(void **state) {
    (void)state;
    expect(1, bert("serve nothing-of-that-name --port 0"));
    says(err, "nothing-of-that-name");
    expect(2, bert("serve"));
    expect(2, bert("serve m --port 70000"));
    expect(1, bert("serve m --api-key-file nowhere"));
    const running r = start("--quiet");
    expect(1, bert("serve m --port %d", r.port));
    says(err, "in use");
    assert_int_equal(stop(r, SIGINT), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_those_of_the_tool),
        cmocka_unit_test(labels_are_those_of_the_tool),
        cmocka_unit_test(answers_are_the_same_under_load),
        cmocka_unit_test(errors_have_their_status),
        cmocka_unit_test(broken_requests_are_refused),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(keys_are_asked_for),
        cmocka_unit_test(it_ends_when_what_it_accepted_is_answered),
        cmocka_unit_test(who_leaves_is_forgotten),
        cmocka_unit_test(the_rest_is_dropped_of_who_leaves),
        cmocka_unit_test(what_cannot_be_served_is_said),
    };
    if (!*BERT_TOOL) return 77;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
