/* Uploading a model's directory, against a hub on this machine: what arrives, what is not sent twice,
 * and what becomes of lost connections. */
#include "hub_world.h"
#include <jansson.h>
#include <sys/wait.h>

static char model[4000];

/* A model's directory with what does not belong into a repository. */
static int open_push(void **state) {
    bert_error e = {0};
    open_world(state);
    snprintf(model, sizeof model, "%.3900s", at("model"));
    test_ok(e, bert_make_directory(model, &e));
    test_model(model, "BertForSequenceClassification", 2, "");
    put_file(at("model/1_Pooling/config.json"), "{\"pooling_mode_cls_token\": true}");
    put_file(at("model/README.md"), "# A model\n");
    put_file(at("model/empty.txt"), "");
    put_file(at("model/checkpoint-3/model.safetensors"), "x");
    put_file(at("model/.hidden"), "x");
    put_file(at("model/.cache/huggingface/x"), "x");
    put_file(at("model/config.json.tmp.0abc12"), "x");
    setenv("HF_TOKEN", HUB_TOKEN, 1);
    return 0;
}

static int close_push(void **state) {
    unsetenv("HF_TOKEN");
    return close_world(state);
}

static int push_as(const char *name, const bert_push_options *o, bert_pushed *out, bert_error *e) {
    *e = (bert_error){0};
    return bert_push(model, name, o, out, e);
}

static bert_pushed pushed(const char *name) {
    bert_pushed out;
    bert_error e;
    if (push_as(name, NULL, &out, &e)) fail_msg("%s", e.message);
    return out;
}

static void push_fails(const char *name, int code, const char *says) {
    bert_pushed out;
    bert_error e;
    const int rc = push_as(name, NULL, &out, &e);
    if (rc != code || !strstr(e.message, says))
        fail_msg("wanted %d \"%s\", got %d \"%s\"", code, says, rc, e.message);
}

static void what_belongs_there_arrives(void **state) {
    (void)state;
    static const char *const names[] = {"config.json",           "model.safetensors", "vocab.txt",
                                        "1_Pooling/config.json", "README.md",         "empty.txt"};
    static const char *const others[] = {"checkpoint-3/model.safetensors", ".hidden",
                                         ".cache/huggingface/x", "config.json.tmp.0abc12"};
    need_module();
    const bert_pushed p = pushed("org/new");
    assert_int_equal(p.files, 6);
    assert_int_equal(p.uploaded, 1);
    hub_repo *r = hub_server_find(hub, "org/new");
    assert_non_null(r);
    assert_true(hub_repo_is_private(r));
    assert_string_equal(p.commit, hub_repo_commit(r));
    assert_non_null(strstr(p.url, "/org/new"));
    for (int i = 0; i < 6; i++) same_as_hub(model, "org/new", names[i]);
    for (int i = 0; i < 4; i++) {
        size_t n;
        assert_null(hub_repo_get(r, others[i], &n));
    }
    /* it comes back */
    same_as_hub(pulled("org/new").path, "org/new", "model.safetensors");
}

static void nothing_is_sent_twice(void **state) {
    (void)state;
    need_module();
    const bert_pushed first = pushed("org/new");
    hub_server_forget(hub);
    const bert_pushed again = pushed("org/new");
    assert_string_equal(again.commit, first.commit);
    assert_int_equal(again.uploaded, 0);
    assert_int_equal(hub_server_count(hub, "/commit/"), 0);
    assert_int_equal(hub_server_count(hub, "PUT"), 0);
    put_file(at("model/README.md"), "# Another\n");
    const bert_pushed third = pushed("org/new");
    assert_string_not_equal(third.commit, first.commit);
    assert_int_equal(hub_server_count(hub, "PUT"), 0);
    same_as_hub(model, "org/new", "README.md");
}

/* Each of two large files; the second one fails for good, and the next call sends that alone. */
static void interrupted_uploads_go_on(void **state) {
    (void)state;
    need_module();
    put_file(at("model/pytorch_model.bin"), "weights of another form");
    hub_server_fail(hub, "PUT", HUB_FAIL_STATUS, 503, NULL, 1, 99);
    push_fails("org/new", BERT_EIO, "cannot answer now (status 503)");
    hub_server_heal(hub);
    hub_server_forget(hub);
    assert_int_equal(pushed("org/new").uploaded, 1);
    assert_int_equal(hub_server_count(hub, "PUT"), 1);
    same_as_hub(model, "org/new", "pytorch_model.bin");
    same_as_hub(model, "org/new", "model.safetensors");
}

static void large_files_go_in_parts(void **state) {
    (void)state;
    need_module();
    char *data = malloc(LARGE);
    bert_error e = {0};
    assert_non_null(data);
    for (int i = 0; i < LARGE; i++) data[i] = (char)(i * 2654435761u >> 13);
    test_ok(e, bert_write_file(at("model/pytorch_model.bin"), data, LARGE, &e));
    free(data);
    hub_server_fail(hub, "/00002", HUB_FAIL_STATUS, 500, NULL, 0, 2);
    pushed("org/new");
    assert_int_equal(hub_server_count(hub, "PUT"), 1 + 3 + 2);
    same_as_hub(model, "org/new", "pytorch_model.bin");
    /* signed addresses get no token, the hub does */
    assert_int_equal(hub_server_count(hub, "cdn PUT"), hub_server_count(hub, "PUT"));
    char *line = hub_server_line(hub, "cdn PUT");
    assert_null(strstr(line, "hf_"));
    free(line);
    assert_int_equal(hub_server_count(hub, "/api/verify/"), 2);
}

static void a_lost_answer_makes_no_second_commit(void **state) {
    (void)state;
    need_module();
    hub_server_fail(hub, "/commit/", HUB_FAIL_LOST, 0, NULL, 0, 1);
    const bert_pushed p = pushed("org/new");
    assert_int_equal(hub_server_count(hub, "POST /api/models/org/new/commit/main"), 1);
    assert_string_equal(p.commit, hub_repo_commit(hub_server_find(hub, "org/new")));
    put_file(at("model/README.md"), "# Another\n");
    hub_server_fail(hub, "/commit/", HUB_FAIL_CLOSE, 0, NULL, 0, 1);
    pushed("org/new");
    same_as_hub(model, "org/new", "README.md");
}

static void who_may_not_is_told(void **state) {
    (void)state;
    need_module();
    setenv("HF_TOKEN", HUB_OTHER_TOKEN, 1);
    push_fails("org/new", BERT_EDENIED, "may not write");
    unsetenv("HF_TOKEN");
    push_fails("org/new", BERT_EDENIED, "a token that may write is needed");
    setenv("HF_TOKEN", HUB_TOKEN, 1);
    setenv("HF_HUB_OFFLINE", "1", 1);
    push_fails("org/new", BERT_EINVAL, "as HF_HUB_OFFLINE is set");
    unsetenv("HF_HUB_OFFLINE");
    push_fails("org/a/b", BERT_EINVAL, "is no name of a model");
    bert_error e = {0};
    assert_int_equal(bert_push(at("model/1_Pooling/.."), "org/new", NULL, NULL, &e), 0);
    assert_int_equal(bert_push(at("model/checkpoint-3"), "org/new", NULL, NULL, &e),
                     BERT_ENOTFOUND);
}

static void a_name_alone_is_ones_own(void **state) {
    (void)state;
    need_module();
    bert_push_options o = bert_push_default();
    bert_pushed out;
    bert_error e;
    o.is_private = false;
    assert_int_equal(push_as("mine", &o, &out, &e), 0);
    hub_repo *r = hub_server_find(hub, "me/mine");
    assert_non_null(r);
    assert_false(hub_repo_is_private(r));
}

static int tool(const char *arguments) {
    char command[9000];
    snprintf(command, sizeof command, "cd '%s' && '%s' %s >out 2>err </dev/null", cache_root,
             BERT_TOOL, arguments);
    return WEXITSTATUS(system(command));
}

static void the_tool_asks_who_may_see_it(void **state) {
    (void)state;
    need_module();
    if (!*BERT_TOOL) skip();
    assert_int_equal(tool("push model org/new"), 2);
    assert_int_equal(tool("push model org/new --public --private"), 2);
    assert_null(hub_server_find(hub, "org/new"));
    assert_int_equal(tool("push model org/new --public"), 0);
    assert_false(hub_repo_is_private(hub_server_find(hub, "org/new")));
    json_t *o = json_load_file(at("out"), 0, NULL);
    assert_non_null(json_string_value(json_object_get(o, "url")));
    assert_non_null(json_string_value(json_object_get(o, "commit")));
    json_decref(o);
    /* one that is there stays as it is, and nothing is asked */
    put_file(at("model/README.md"), "# Another\n");
    assert_int_equal(tool("push model org/new"), 0);
    assert_false(hub_repo_is_private(hub_server_find(hub, "org/new")));
    same_as_hub(model, "org/new", "README.md");
    assert_int_equal(tool("push model mine"), 2);
    assert_null(hub_server_find(hub, "me/mine"));
}

static int ask(void *context, const char *name, bool *is_private, bert_error *e) {
    (void)e;
    assert_string_equal(name, "me/mine");
    *is_private = context != NULL;
    return context ? 0 : BERT_EINVAL;
}

static void who_may_see_it_is_asked_once(void **state) {
    (void)state;
    need_module();
    bert_push_options o = bert_push_default();
    bert_pushed done;
    bert_error e;
    o.visibility = ask;
    o.is_private = false;
    assert_int_equal(push_as("mine", &o, &done, &e), BERT_EINVAL);
    assert_null(hub_server_find(hub, "me/mine"));
    o.context = &o;
    e = (bert_error){0};
    test_ok(e, bert_push_prepare("mine", &o, &e));
    assert_true(hub_repo_is_private(hub_server_find(hub, "me/mine")));
    assert_int_equal(hub_server_count(hub, "/commit/"), 0);
    o.context = NULL; /* it is there now */
    test_ok(e, push_as("mine", &o, &done, &e));
}

/* The guide's commented line. */
static void what_is_trained_is_uploaded(void **state) {
    (void)state;
    need_module();
    if (!*BERT_TOOL) skip();
    put_file(at("t.csv"), "text,label\nthe cat,a\nthe dog,b\na mat,a\nthe tree,b\n");
    assert_int_equal(tool("train model --train-file t.csv -o trained --max-steps 1 --threads 1 "
                          "--push-to-hub --hub-model-id org/trained"),
                     0);
    assert_true(hub_repo_is_private(hub_server_find(hub, "org/trained")));
    same_as_hub(at("trained"), "org/trained", "model.safetensors");
    same_as_hub(at("trained"), "org/trained", "README.md");
    put_file(at("args.json"), "{\"push_to_hub\": true, \"hub_model_id\": \"org/again\", "
                              "\"hub_private_repo\": false, \"max_steps\": 1}");
    assert_int_equal(tool("train model --train-file t.csv -o again --threads 1 --args args.json"),
                     0);
    assert_false(hub_repo_is_private(hub_server_find(hub, "org/again")));
    unsetenv("HF_TOKEN");
    assert_int_equal(tool("train model --train-file t.csv -o third --max-steps 1 --threads 1 "
                          "--push-to-hub"),
                     1);
    assert_false(is_there(at("third"))); /* told before it is trained */
    setenv("HF_TOKEN", HUB_OTHER_TOKEN, 1);
    assert_int_equal(tool("train model --train-file t.csv -o ./third/ --max-steps 1 --threads 1 "
                          "--push-to-hub"),
                     1);
    assert_false(is_there(at("third")));
    setenv("HF_TOKEN", HUB_TOKEN, 1);
    assert_int_equal(tool("train model --train-file t.csv -o ./third/ --max-steps 1 --threads 1 "
                          "--push-to-hub"),
                     0);
    assert_non_null(hub_server_find(hub, "me/third"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_push, close_push)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_belongs_there_arrives),
        TEST(nothing_is_sent_twice),
        TEST(interrupted_uploads_go_on),
        TEST(large_files_go_in_parts),
        TEST(a_lost_answer_makes_no_second_commit),
        TEST(who_may_not_is_told),
        TEST(a_name_alone_is_ones_own),
        TEST(the_tool_asks_who_may_see_it),
        TEST(who_may_see_it_is_asked_once),
        TEST(what_is_trained_is_uploaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
