/* What each kind of model answers behind HTTP: what the tool says of the same input, to the bit. */
#include "picture_world.h"
#include "serving.h"
#include <bert_train.h>

/* home/NAME: the tiny encoder under a head with random weights. */
static void make_head(const char *name, const char *head, int labels) {
    char from[4200], to[4200];
    snprintf(from, sizeof from, "%s/m", home);
    snprintf(to, sizeof to, "%s/%s", home, name);
    bert_error e = {0};
    bert_model_options o = bert_model_default();
    o.head = head;
    o.num_labels = labels;
    if (labels == 1) o.problem_type = "regression";
    bert_model *m = bert_model_open(from, &o, &e);
    if (!m || bert_model_save(m, to, &e)) fail_msg("%s: %s", head, e.message);
    bert_model_close(m);
}

/* home/tasks: two classifiers over one encoder. */
static void make_tasks(void) {
    static const char *const colours[] = {"red", "green", "blue"};
    char from[4200], to[4200];
    snprintf(from, sizeof from, "%s/m", home);
    snprintf(to, sizeof to, "%s/tasks", home);
    bert_error e = {0};
    bert_model_options o = bert_model_default();
    o.head = "none";
    o.trainable = true;
    bert_model *m = bert_model_open(from, &o, &e);
    const bert_model_options colour = {
        .head = "sequence-classification", .num_labels = 3, .label_names = colours};
    const bert_model_options names = {.head = "token-classification", .num_labels = 2};
    const bert_model_options mood = {.head = "sequence-classification", .num_labels = 2, .seed = 1};
    if (!m || !bert_model_add_task(m, "colour", NULL, &colour, &e) ||
        !bert_model_add_task(m, "mood", NULL, &mood, &e) ||
        !bert_model_add_task(m, "names", NULL, &names, &e) || bert_model_save(m, to, &e))
        fail_msg("%s", e.message);
    bert_model_close(m);
}

/* In the order of a list of keys and indexes: "data 0 embedding". */
static const json_t *at(const json_t *o, const char *path) {
    char key[40];
    for (int n; *path; path += n + (path[n] == ' ')) {
        n = (int)strcspn(path, " ");
        snprintf(key, sizeof key, "%.*s", n, path);
        o = json_is_array(o) ? json_array_get(o, (size_t)atoi(key)) : json_object_get(o, key);
    }
    if (!o) fail_msg("it is not there: %s", key);
    return o;
}

static float float_at(const json_t *o, const char *path) {
    return (float)json_number_value(at(o, path));
}

/* The route's number is the tool's, in the first line of what it prints. */
static void each_task_says_what_the_tool_says(void **state) {
    static const struct {
        const char *head;
        int labels;
        const char *route, *body, *there, *tool, *own;
    } rows[] = {
        {"masked-lm", 0, "/fill", "{\"inputs\": \"w1 [MASK] w3\"}", "4 score",
         "fill h 'w1 [MASK] w3' -k 5 | tail -n 1", "score"},
        {"masked-lm", 0, "/", "{\"inputs\": \"w1 [MASK]\", \"parameters\": {\"top_k\": 1}}",
         "0 score", "fill h 'w1 [MASK]' -k 1", "score"},
        {"masked-lm", 0, "/fill",
         "{\"inputs\": \"w1 [MASK]\", \"parameters\": {\"targets\": [\"w7\"]}}", "0 score",
         "fill h 'w1 [MASK]' --targets w7", "score"},
        {"token-classification", 3, "/tag",
         "{\"inputs\": \"w1 w2\", \"parameters\": {\"aggregation_strategy\": \"none\"}}", "0 score",
         "tag h 'w1 w2' --aggregation none", "score"},
        {"question-answering", 0, "/answer",
         "{\"inputs\": {\"question\": \"w1\", \"context\": \"w2 w3 w4\"}}", "score",
         "answer h --question w1 --context 'w2 w3 w4'", "score"},
        {"multiple-choice", 0, "/choose",
         "{\"inputs\": {\"prompt\": \"w1\", \"choices\": [\"w2\", \"w3 w4\"]}}", "scores 1",
         "choose h w1 w2 'w3 w4'", "scores 1"},
        {"next-sentence", 2, "/next_sentence",
         "{\"inputs\": {\"text\": \"w1\", \"text_pair\": \"w2\"}}", "score",
         "next-sentence h w1 w2", "score"},
        {"sequence-classification", 1, "/rerank",
         "{\"query\": \"w1\", \"texts\": [\"w2\", \"w3\"]}", "0 score", "rerank h w1 w2 w3",
         "score"},
        {"sequence-classification", 1, "/v2/rerank",
         "{\"query\": \"w1\", \"documents\": [{\"text\": \"w2\"}, \"w3\"]}",
         "results 0 relevance_score", "rerank h w1 w2 w3", "score"},
        {"sequence-classification", 3, "/predict", "{\"inputs\": [\"w1\", \"w2\"]}", "0 score",
         "classify h -i pair.csv", "score"},
    };
    (void)state;
    write_file("pair.csv", "text,text_pair\nw1,w2\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_head("h", rows[i].head, rows[i].labels);
        const running r = start("h --quiet");
        json_t *got = post(r, rows[i].route, rows[i].body, 200);
        expect(0, bert("%s", rows[i].tool));
        json_t *own = line(0);
        const float x = float_at(got, rows[i].there), y = float_at(own, rows[i].own);
        if (memcmp(&x, &y, sizeof x))
            fail_msg("%s %s: %.9g, %.9g", rows[i].route, rows[i].body, (double)x, (double)y);
        json_decref(got);
        json_decref(own);
        assert_int_equal(stop(r, SIGTERM), 0);
    }
}

static void words_are_weighed(void **state) {
    (void)state;
    make_head("splade", "masked-lm", 0);
    expect(0, bert("embed splade 'w1 w2' w3 --vectors sparse --ids"));
    const running r = start("m splade --quiet");
    json_t *got = post(r, "/embed_sparse", "{\"inputs\": [\"w1 w2\", \"w3\"]}", 200);
    for (int i = 0; i < 2; i++) {
        json_t *own = line(i), *row;
        const json_t *mine = json_array_get(got, (size_t)i);
        assert_true(json_array_size(mine) > 2);
        assert_int_equal(json_array_size(mine), json_array_size(at(own, "sparse indices")));
        size_t k;
        json_array_foreach(mine, k, row) {
            char path[40];
            snprintf(path, sizeof path, "sparse values %zu", k);
            const float x = float_at(row, "value"), y = float_at(own, path);
            assert_memory_equal(&x, &y, sizeof x);
            snprintf(path, sizeof path, "sparse indices %zu", k);
            assert_int_equal(json_integer_value(at(row, "index")),
                             json_integer_value(at(own, path)));
        }
        json_decref(own);
    }
    json_decref(got);
    json_decref(post(r, "/embed_sparse", "{\"inputs\": \"w1\", \"model\": \"m\"}", 424));
    got = post(r, "/models/m/embed_sparse", "{\"inputs\": \"w1\"}", 424);
    says(json_string_value(json_object_get(got, "error")), "what it gives: labels");
    json_decref(got);
    assert_int_equal(stop(r, SIGTERM), 0);
}

static void models_are_named(void **state) {
    (void)state;
    make_head("m2", "token-classification", 3);
    make_head("r", "sequence-classification", 1);
    const running r = start("m m2 r --quiet");
    expect(0, bert("embed m2 --normalize w1"));
    json_t *own = line(0);
    static const struct {
        const char *path, *body;
        int status;
    } rows[] = {
        {"/embed", "{\"inputs\": \"w1\", \"model\": \"m2\"}", 200},
        {"/models/m2/embed", "{\"inputs\": \"w1\"}", 200},
        {"/models/m2/embed", "{\"inputs\": [\"w1\"], \"model\": \"m\"}", 200},
        {"/tag", "{\"inputs\": \"w1\"}", 200},
        {"/models/m2", "{\"inputs\": \"w1\"}", 200},
        {"/models/m2/predict", "{\"inputs\": \"w1\"}", 424},
        {"/models/m/predict", "{\"inputs\": \"w1\"}", 200},
        {"/rerank", "{\"query\": \"w1\", \"texts\": [\"w2\"]}", 200},
        {"/models/m/rerank", "{\"query\": \"w1\", \"texts\": [\"w2\"]}", 424},
        {"/models/m3/embed", "{\"inputs\": \"w1\"}", 404},
        {"/v1/embeddings", "{\"input\": \"w1\", \"model\": \"m3\"}", 404},
        {"/embed", "{\"inputs\": \"w1\", \"model\": 2}", 422},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *got = post(r, rows[i].path, rows[i].body, rows[i].status);
        if (i < 3) same_floats(json_array_get(got, 0), json_object_get(own, "embedding"));
        json_decref(got);
    }
    json_decref(own);
    char *info = request(r, "GET", "/models/m2/info", "", "");
    says(info, "\"model_id\":\"m2\"");
    free(info);
    assert_int_equal(stop(r, SIGTERM), 0);
}

static void a_task_is_named(void **state) {
    (void)state;
    make_tasks();
    const running r = start("tasks --quiet");
    static const char *const names[] = {"colour", "mood"};
    char body[200];
    for (int i = 0; i < 2; i++) {
        expect(0, bert("classify tasks --task %s 'w1 w2'", names[i]));
        json_t *own = line(0);
        snprintf(body, sizeof body, "{\"inputs\": \"w1 w2\", \"task\": \"%s\"}", names[i]);
        json_t *got = post(r, i ? "/" : "/predict", body, 200);
        assert_string_equal(json_string_value(at(got, "0 label")),
                            json_string_value(at(own, "label")));
        const float x = float_at(got, "0 score"), y = float_at(own, "score");
        assert_memory_equal(&x, &y, sizeof x);
        json_decref(got);
        json_decref(own);
    }
    json_decref(post(r, "/tag", "{\"inputs\": \"w1\"}", 200));
    json_decref(post(r, "/embed", "{\"inputs\": \"w1\"}", 200));
    json_t *got = post(r, "/predict", "{\"inputs\": \"w1\"}", 422);
    says(json_string_value(at(got, "error")), "several tasks for predict");
    json_decref(got);
    got = post(r, "/predict", "{\"inputs\": \"w1\", \"task\": \"taste\"}", 404);
    says(json_string_value(at(got, "error")), "it has colour, mood, names");
    json_decref(got);
    json_decref(post(r, "/tag", "{\"inputs\": \"w1\", \"task\": \"mood\"}", 424));
    json_decref(post(r, "/fill", "{\"inputs\": \"w1\"}", 424));
    assert_int_equal(stop(r, SIGTERM), 0);
}

/* ---- Pictures */

/* A request with the bytes of a file in its body, between two texts. */
static char *send_file(running r, const char *path, const char *headers, const char *file,
                       const char *before, const char *after) {
    char name[4300], *sent = malloc(20000);
    snprintf(name, sizeof name, "%s/%s", home, file);
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    char data[9000];
    const size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    size_t used = (size_t)snprintf(
        sent, 20000,
        "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", path,
        headers, strlen(before) + n + strlen(after), before);
    memcpy(sent + used, data, n);
    used += n;
    strcpy(sent + used, after);
    char *got = raw(r, sent, used + strlen(after));
    free(sent);
    return got;
}

static void pictures_come_in_every_form(void **state) {
    static const struct {
        const char *headers, *before, *after;
        int status;
    } rows[] = {
        {"", "", "", 200},
        {"Content-Type: image/png\r\n", "", "", 200},
        {"Content-Type: application/octet-stream\r\n", "", "", 200},
        {"Content-Type: multipart/form-data; boundary=\"a b\"\r\n",
         "--a b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n", "\r\n--a b--\r\n", 200},
        {"Content-Type: multipart/form-data; boundary=ab\r\n", "--ab\r\n\r\n", "\r\n--ab--\r\n",
         200},
        {"Content-Type: multipart/form-data; boundary=ab\r\n", "--ab\r\n\r\n", "", 400},
        {"Content-Type: multipart/form-data\r\n", "--ab\r\n\r\n", "\r\n--ab--\r\n", 400},
        {"Content-Type: application/json\r\n", "", "", 400},
        {"Content-Type: image/png\r\n", "x", "", 422},
    };
    char path[4300];
    (void)state;
    if (!reads_png()) skip();
    snprintf(path, sizeof path, "%s/vit", home);
    tiny_vit(path, true);
    snprintf(path, sizeof path, "%s/p.png", home);
    grey_png(path, 100, 1);
    const running r = start("vit --quiet");
    expect(0, bert("classify vit p.png"));
    json_t *own = line(0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *got =
            send_file(r, "/predict", rows[i].headers, "p.png", rows[i].before, rows[i].after);
        if (status_of(got) != rows[i].status) fail_msg("%zu: %.400s", i, got);
        if (rows[i].status == 200) {
            json_t *o = json_loads(strstr(got, "\r\n\r\n") + 4, 0, NULL);
            const float x = float_at(o, "0 score"), y = float_at(own, "score");
            assert_memory_equal(&x, &y, sizeof x);
            json_decref(o);
        }
        free(got);
    }
    json_decref(own);
    expect(0, bert("embed vit --normalize p.png"));
    own = line(0);
    char *got = send_file(r, "/embed", "", "p.png", "", "");
    json_t *o = json_loads(strstr(got, "\r\n\r\n") + 4, 0, NULL);
    same_floats(at(o, "0"), at(own, "embedding"));
    json_decref(o);
    free(got);
    expect(0, bert("embed vit --normalize p.png; base64 -w 0 p.png >p64"));
    char coded[9000], body[20000];
    slurp("p64", coded, sizeof coded);
    snprintf(body, sizeof body, "{\"inputs\": [\"%s\", \"data:image/png;base64,%s\"]}", coded,
             coded);
    o = post(r, "/embed", body, 200);
    same_floats(at(o, "0"), at(own, "embedding"));
    same_floats(at(o, "1"), at(own, "embedding"));
    json_decref(o);
    json_decref(own);
    json_decref(post(r, "/embed", "{\"inputs\": \"no base64!\"}", 422));
    json_decref(post(r, "/tokenize", "{\"inputs\": \"w1\"}", 424));
    json_decref(post(r, "/v1/embeddings", "{\"input\": \"w1\"}", 424));
    assert_int_equal(stop(r, SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_says_what_the_tool_says),
        cmocka_unit_test(words_are_weighed),
        cmocka_unit_test(models_are_named),
        cmocka_unit_test(a_task_is_named),
        cmocka_unit_test(pictures_come_in_every_form),
    };
    if (!*BERT_TOOL) return 77;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
