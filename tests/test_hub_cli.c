/* The tool and a hub on this machine: names are fetched where they are needed, and only then; pull,
 * list and remove. */
#include "hub_world.h"
#include <jansson.h>
#include <sys/wait.h>
#include <time.h>

static char out[1 << 20], err[1 << 16];

static void slurp(const char *path, char *text, size_t capacity) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    text[fread(text, 1, capacity - 1, f)] = 0;
    fclose(f);
}

__attribute__((format(printf, 1, 2))) static int bert(const char *format, ...) {
    char arguments[4096], command[24000];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof arguments, format, args);
    va_end(args);
    snprintf(command, sizeof command, "cd '%s' && '%s' %s >'%s' 2>'%s' </dev/null", cache_root,
             BERT_TOOL, arguments, at("out"), at("err"));
    const int status = system(command);
    slurp(at("out"), out, sizeof out);
    slurp(at("err"), err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(int code, int got) {
    if (code != got) fail_msg("exit code %d, not %d; it said: %s%s", got, code, err, out);
}

static void says(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in: %s", part, text);
}

static json_t *line(void) {
    json_t *o = json_loadb(out, strcspn(out, "\n"), 0, NULL);
    if (!o) fail_msg("not JSON: %s", out);
    return o;
}

/* A real model of a few kilobytes. */
static hub_repo *put_tiny(const char *id, const char *architecture) {
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.txt"};
    hub_repo *r = hub_server_add(hub, id, COMMIT);
    char *d = test_directory(), path[4700], *data;
    bert_error e = {0};
    test_model(d, architecture, 2, "");
    for (int i = 0; i < 3; i++) {
        size_t n;
        snprintf(path, sizeof path, "%s/%s", d, names[i]);
        test_ok(e, bert_read_file(path, 0, &data, &n, &e));
        hub_repo_put(r, names[i], data, n, i == 1);
        free(data);
    }
    hub_repo_put(r, "pytorch_model.bin", "x", 1, true);
    test_remove(d);
    return r;
}

static void names_are_fetched_where_they_are_needed(void **state) {
    (void)state;
    need_module();
    put_tiny("org/tiny", "BertForSequenceClassification");
    expect(0, bert("tokenize org/tiny 'the cat'"));
    assert_int_equal(hub_server_count(hub, "model.safetensors"), 0);
    expect(0, bert("classify org/tiny 'the cat'"));
    assert_int_equal(hub_server_count(hub, "cdn GET"), 1);
    static const char *const commands[] = {"embed org/tiny 'the cat'",
                                           "encode org/tiny 'the cat' -o x.safetensors",
                                           "classify org/tiny 'the cat'",
                                           "similarity org/tiny 'the cat' 'the mat'",
                                           "info org/tiny",
                                           "tokenize org/tiny 'the cat'",
                                           "bench org/tiny --seq 4 --repeat 1"};
    hub_server_forget(hub);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        expect(0, bert("%s", commands[i]));
        assert_int_equal(hub_server_count(hub, ""), 0);
        expect(0, bert("%s --offline", commands[i]));
    }
    /* any of them fetches */
    put_tiny("org/other", "BertModel");
    expect(0, bert("embed org/other 'the cat'"));
    put_tiny("org/third", "BertModel");
    expect(0, bert("convert org/third -o converted"));
    assert_true(is_there(at("converted/config.json")));
}

static void nothing_is_fetched_offline(void **state) {
    (void)state;
    need_module();
    put_tiny("org/tiny", "BertModel");
    expect(1, bert("embed org/tiny 'the cat' --offline"));
    says(err, "where there is a network, 'bert pull org/tiny' fetches it");
    setenv("HF_HUB_OFFLINE", "yes", 1);
    expect(1, bert("embed org/tiny 'the cat'"));
    says(err, "as HF_HUB_OFFLINE is set");
    expect(1, bert("pull org/tiny"));
    unsetenv("HF_HUB_OFFLINE");
    assert_int_equal(hub_server_count(hub, ""), 0);
    expect(0, bert("embed org/tiny 'the cat'"));
    expect(0, bert("embed org/tiny 'the cat' --offline"));
    expect(1, bert("embed org/tiney 'the cat' --offline"));
    says(err, "did you mean org/tiny?");
}

static void pull_prints_where_it_is(void **state) {
    (void)state;
    need_module();
    hub_repo_old_name(put_tiny("org/tiny", "BertModel"), "tiny");
    expect(0, bert("pull tiny"));
    says(err, "tiny is org/tiny at the hub now");
    says(err, "3 files");
    json_t *o = line();
    assert_string_equal(json_string_value(json_object_get(o, "path")),
                        at("models--tiny/snapshots/" COMMIT));
    assert_string_equal(json_string_value(json_object_get(o, "revision")), COMMIT);
    assert_true(json_integer_value(json_object_get(o, "bytes")) > 1000);
    json_decref(o);
    expect(0, bert("pull tiny --columns --quiet --revision v1.0"));
    assert_string_equal(err, "");
    assert_memory_equal(out, at("models--tiny"), strlen(at("models--tiny")));
    expect(0, bert("pull org/tiny --local-dir here --quiet"));
    assert_true(is_there(at("here/model.safetensors")));
    expect(0, bert("embed ./here 'the cat'"));
    expect(1, bert("pull org/none"));
    says(err, "there is no model org/none at http://127.0.0.1");
    expect(1, bert("pull org/../x"));
    says(err, "is no name of a model");
    expect(1, bert("pull org/tiny --revision 'a b'"));
    says(err, "is no revision");
    expect(2, bert("pull"));
}

static void tokens_come_from_files(void **state) {
    (void)state;
    need_module();
    hub_repo_flags(put_tiny("org/secret", "BertModel"), HUB_PRIVATE);
    put_file(at("token"), HUB_TOKEN "\n");
    put_file(at("empty"), "\n");
    expect(1, bert("pull org/secret"));
    expect(1, bert("pull org/secret --token-file no-such-file"));
    expect(1, bert("pull org/secret --token-file empty"));
    says(err, "holds no token");
    expect(0, bert("pull org/secret --token-file token"));
    expect(0, bert("embed org/secret 'the cat'"));
}

static void caches_are_listed_and_emptied(void **state) {
    (void)state;
    need_module();
    put_tiny("org/tiny", "BertForSequenceClassification");
    put_model("org/broken");
    expect(0, bert("list"));
    says(err, "there is no model in the caches");
    expect(0, bert("pull org/tiny"));
    expect(0, bert("pull org/broken"));
    expect(0, bert("list"));
    says(out, "\"name\":\"org/tiny\",\"commit\":\"" COMMIT "\",\"refs\":\"main\"");
    says(out, "\"use\":\"classify, evaluate, train\"");
    says(out, "\"problem\":");
    expect(0, bert("list --columns"));
    says(out, "main 0123456");
    expect(0, bert("remove org/tiny"));
    says(out, "{\"name\":\"org/tiny\",\"bytes\":");
    expect(1, bert("remove org/tiny"));
    says(err, "org/tiny is not in the caches");
    expect(0, bert("list"));
    assert_null(strstr(out, "org/tiny"));
}

/* Cut short, and changed where it lies: what to type is told, and does it. */
static void what_is_damaged_is_fetched_again(void **state) {
    (void)state;
    need_module();
    put_tiny("org/tiny", "BertModel");
    expect(0, bert("pull org/tiny"));
    char name[4700];
    snprintf(name, sizeof name, "%s",
             at("models--org--tiny/snapshots/" COMMIT "/model.safetensors"));
    assert_int_equal(truncate(name, 1000), 0);
    expect(1, bert("embed org/tiny 'the cat'"));
    says(err,
         "model.safetensors of org/tiny is damaged in the cache: 'bert pull org/tiny' fetches");
    expect(0, bert("pull org/tiny"));
    expect(0, bert("embed org/tiny 'the cat'"));
    FILE *f = fopen(name, "r+b");
    assert_non_null(f);
    fputs("????", f);
    fclose(f);
    expect(1, bert("embed org/tiny 'the cat'"));
    says(err, "after 'bert remove org/tiny' 'bert pull org/tiny' fetches it again");
    expect(0, bert("remove org/tiny"));
    expect(0, bert("embed org/tiny 'the cat'"));
}

/* Files that are not there are no models of the hub's, and are asked of nobody. */
static void files_are_no_names(void **state) {
    (void)state;
    need_module();
    static const char *const missing[] = {"x.gguf", "models/x.gguf", "model.safetensors",
                                          "org/pytorch_model.bin", "x.GGUF@main"};
    put_file(at("there.gguf"), "GGUF");
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        expect(1, bert("embed %s 'the cat'", missing[i]));
        says(err, ": no such file");
        expect(1, bert("tokenize %s 'the cat'", missing[i]));
        says(err, ": no such file");
    }
    expect(1, bert("embed there.gguf@main 'the cat'"));
    says(err, "there.gguf is a file, which has no revisions");
    expect(1, bert("embed org/tiny/ 'the cat'"));
    says(err, "the name of a model has no / at its end: org/tiny");
    expect(1, bert("pull org/tiny/"));
    says(err, "that is 'org/tiny', without the /");
    expect(1, bert("pull https://example.com/org/tiny"));
    says(err, "is no address of a model of the hub");
    expect(1, bert("pull https://huggingface.co/datasets/org/tiny"));
    says(err, "is no address of a model: give its name");
    assert_int_equal(hub_server_count(hub, ""), 0);
    expect(2, bert("list org/tiny"));
    says(err, "it takes none");
}

static void pages_and_short_commits_are_names(void **state) {
    (void)state;
    need_module();
    hub_repo_old_name(put_tiny("org/tiny", "BertModel"), "tiny");
    static const char *const pages[] = {"https://huggingface.co/org/tiny",
                                        "huggingface.co/org/tiny/",
                                        "https://hf.co/org/tiny/tree/main",
                                        "https://huggingface.co/org/tiny/blob/v1.0/config.json",
                                        "https://huggingface.co/org/tiny?library=transformers#x",
                                        "hf://org/tiny",
                                        "HTTPS://huggingface.co/org/tiny.git",
                                        "https://huggingface.co/org/tiny/commit/" COMMIT,
                                        "git@hf.co:org/tiny",
                                        "https://huggingface.co/tiny/tree/" COMMIT};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        expect(0, bert("embed '%s' 'the cat'", pages[i]));
        expect(0, bert("pull '%s' --quiet", pages[i]));
        assert_string_equal(err, "");
    }
    expect(0, bert("pull %s/org/tiny", hub_server_url(hub)));
    assert_null(strstr(err, "at the hub now"));
    hub_server_forget(hub);
    expect(0, bert("embed org/tiny@0123456 'the cat'"));
    assert_int_equal(hub_server_count(hub, ""), 0);
    expect(0, bert("pull org/tiny@0123456"));
    expect(1, bert("pull org/tiny@7654321"));
    says(err, "a commit is given with all its 40 digits");
    expect(1, bert("remove org/tiny@7654321"));
    says(err, "org/tiny has no revision 7654321 in the cache");
    expect(2, bert("remove org/tiny@main --revision main"));
    expect(0, bert("remove org/tiny --revision 0123456"));
    says(out, "{\"name\":\"org/tiny@0123456\",\"bytes\":");
    assert_false(is_there(at("models--org--tiny")));
}

/* Ctrl-C in the middle: what has arrived stays, and the same command goes on from it. */
static void control_c_loses_nothing(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_DRIP, 2000000, NULL, 0, 1);
    const pid_t child = fork();
    if (!child) {
        const int code = bert("pull org/m");
        _exit(code);
    }
    for (int i = 0; i < 1000 && !hub_server_count(hub, "cdn GET"); i++) usleep(10000);
    usleep(200000);
    char command[300];
    snprintf(command, sizeof command, "kill -INT $(ps -o pid= --ppid $(ps -o pid= --ppid %d))",
             (int)child);
    int status = system(command);
    assert_int_equal(waitpid(child, &status, 0), child);
    hub_server_heal(hub);
    slurp(at("err"), err, sizeof err);
    expect(0, bert("pull org/m"));
    assert_int_equal(hub_server_count(hub, "range=2000000-"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void) {
    if (!*BERT_TOOL) return 77;
    const struct CMUnitTest tests[] = {
        TEST(names_are_fetched_where_they_are_needed),
        TEST(nothing_is_fetched_offline),
        TEST(pull_prints_where_it_is),
        TEST(tokens_come_from_files),
        TEST(caches_are_listed_and_emptied),
        TEST(what_is_damaged_is_fetched_again),
        TEST(files_are_no_names),
        TEST(pages_and_short_commits_are_names),
        TEST(control_c_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
