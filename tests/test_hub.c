/* Fetching models by name, against a hub on this machine: what is fetched, what is asked for, and what
 * becomes of everything that can go wrong on the way. */
#include "hub/hub.h"
#include "hub_world.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

static bool has(const char *directory, const char *name) {
    char path[4700];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return !access(path, R_OK);
}

/* Nothing but what belongs there is left in the blobs. */
static int blobs_of(const char *folder) {
    char command[4700];
    snprintf(command, sizeof command, "ls '%s' | wc -l", at("%s/blobs", folder));
    FILE *f = popen(command, "r");
    int n = -1;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

/* ---- What is fetched */

static void what_is_needed_is_fetched(void **state) {
    (void)state;
    static const char *const wanted[] = {"config.json", "model.safetensors",
                                         "tokenizer_config.json", "vocab.txt"};
    static const char *const others[] = {"pytorch_model.bin", "tf_model.h5",
                                         "onnx/model.onnx",   "README.md",
                                         "training_args.bin", ".gitattributes"};
    need_module();
    put_model("org/m");
    const bert_pulled p = pulled("org/m");
    assert_string_equal(p.path, at("models--org--m/snapshots/" COMMIT));
    assert_string_equal(p.commit, COMMIT);
    assert_int_equal(p.files, 4);
    assert_int_equal(p.bytes, p.fetched);
    for (int i = 0; i < 4; i++) same_as_hub(p.path, "org/m", wanted[i]);
    for (int i = 0; i < 6; i++) assert_false(has(p.path, others[i]));
    assert_int_equal(blobs_of("models--org--m"), 4);
    /* as huggingface_hub lays it out */
    char link[300], *ref;
    size_t bytes;
    bert_error e = {0};
    const ssize_t n =
        readlink(at("models--org--m/snapshots/" COMMIT "/vocab.txt"), link, sizeof link);
    assert_int_equal(n, (ssize_t)strlen("../../blobs/") + 40);
    assert_memory_equal(link, "../../blobs/", 12);
    test_ok(e, bert_read_file(at("models--org--m/refs/main"), 0, &ref, &bytes, &e));
    assert_string_equal(ref, COMMIT);
    free(ref);
    assert_true(is_there(at("models--org--m/trees/" COMMIT ".json")));
    assert_true(is_there(at("CACHEDIR.TAG")));
    assert_true(is_there(at(".locks/models--org--m")));
}

static void what_is_cached_is_not_asked_for(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    pulled("org/m");
    hub_server_forget(hub);
    bert_pull_options o = bert_pull_default();
    bert_pulled out;
    bert_error e;
    o.cached = true;
    assert_int_equal(pull_as("org/m", &o, &out, &e), 0);
    assert_int_equal(hub_server_count(hub, ""), 0);
    assert_int_equal(out.fetched, 0);
    assert_int_equal(out.files, 4);
    /* a plain one asks only what the revision is now */
    const bert_pulled again = pulled("org/m");
    assert_int_equal(again.fetched, 0);
    assert_int_equal(hub_server_count(hub, ""), 1);
    assert_int_equal(hub_server_count(hub, "/api/models/org/m/revision/main"), 1);
    /* and where it has moved, what is new of it */
    hub_repo *r = hub_server_find(hub, "org/m");
    hub_repo_set_commit(r, OTHER_COMMIT);
    hub_repo_text(r, "config.json", "{\"model_type\": \"roberta\"}");
    const bert_pulled moved = pulled("org/m");
    assert_string_equal(moved.commit, OTHER_COMMIT);
    assert_int_equal(moved.fetched, 25);
    same_as_hub(moved.path, "org/m", "config.json");
    same_as_hub(moved.path, "org/m", "model.safetensors");
    assert_true(has(again.path, "config.json"));
}

static void forms_of_weights_are_chosen(void **state) {
    (void)state;
    need_module();
    hub_repo *r = hub_server_add(hub, "a/bin", COMMIT);
    hub_repo_text(r, "config.json", "{}");
    hub_repo_put(r, "pytorch_model.bin", "weights", 7, true);
    hub_repo_put(r, "flax_model.msgpack", "x", 1, true);
    hub_repo_text(r, "recipe.json", "{}"); /* what its head is made of */
    assert_true(has(pulled("a/bin").path, "pytorch_model.bin"));
    assert_true(has(pulled("a/bin").path, "recipe.json"));
    r = hub_server_add(hub, "a/shards", COMMIT);
    hub_repo_text(r, "config.json", "{}");
    hub_repo_text(r, "model.safetensors.index.json", "{}");
    hub_repo_put(r, "model-00001-of-00002.safetensors", "1", 1, true);
    hub_repo_put(r, "model-00002-of-00002.safetensors", "2", 1, true);
    hub_repo_put(r, "pytorch_model.bin", "weights", 7, true);
    const bert_pulled shards = pulled("a/shards");
    assert_true(has(shards.path, "model-00002-of-00002.safetensors"));
    assert_false(has(shards.path, "pytorch_model.bin"));
    r = hub_server_add(hub, "a/sentences", COMMIT);
    hub_repo_text(
        r, "modules.json",
        "[{\"path\": \"0_Transformer\"}, {\"path\": \"1_Pooling\"}, {\"path\": \"../../x\"}]");
    hub_repo_text(r, "0_Transformer/config.json", "{}");
    hub_repo_put(r, "0_Transformer/model.safetensors", "w", 1, true);
    hub_repo_text(r, "0_Transformer/vocab.txt", "a\n");
    hub_repo_text(r, "1_Pooling/config.json", "{}");
    hub_repo_text(r, "2_Other/config.json", "{}");
    const bert_pulled s = pulled("a/sentences");
    same_as_hub(s.path, "a/sentences", "1_Pooling/config.json");
    same_as_hub(s.path, "a/sentences", "0_Transformer/vocab.txt");
    assert_false(has(s.path, "2_Other/config.json"));
    r = hub_server_add(hub, "a/onnx", COMMIT);
    hub_repo_text(r, "config.json", "{}");
    hub_repo_put(r, "onnx/model.onnx", "x", 1, true);
    pull_fails("a/onnx", BERT_EUNSUPPORTED, "it has onnx/model.onnx, which are not read");
}

static void a_tokenizer_needs_no_weights(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    bert_pull_options o = bert_pull_default();
    char directory[4096];
    bert_error e = {0};
    o.without_weights = true;
    test_ok(e, bert_find("org/m", &o, directory, sizeof directory, &e));
    assert_true(has(directory, "vocab.txt"));
    assert_false(has(directory, "model.safetensors"));
    /* which is whole for one, and not for the other */
    hub_server_forget(hub);
    test_ok(e, bert_find("org/m", &o, directory, sizeof directory, &e));
    assert_int_equal(hub_server_count(hub, ""), 0);
    o.without_weights = false;
    test_ok(e, bert_find("org/m", &o, directory, sizeof directory, &e));
    assert_true(has(directory, "model.safetensors"));
}

static void revisions_are_kept_apart(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    pulled("org/m@v1.0");
    pulled("org/m@refs/pr/1");
    pulled("org/m@" COMMIT);
    assert_true(is_there(at("models--org--m/refs/v1.0")));
    assert_true(is_there(at("models--org--m/refs/refs/pr/1")));
    assert_false(is_there(at("models--org--m/refs/main")));
    assert_false(is_there(at("models--org--m/refs/" COMMIT)));
    assert_int_equal(hub_server_count(hub, "/revision/refs%2Fpr%2F1"), 1);
    pull_fails("org/m@v9", BERT_ENOTFOUND, "no branch, tag or commit 'v9'");
}

static void old_names_lead_on(void **state) {
    (void)state;
    need_module();
    hub_repo_old_name(put_model("google-bert/bert-base-uncased"), "bert-base-uncased");
    const bert_pulled p = pulled("bert-base-uncased");
    assert_string_equal(p.name, "google-bert/bert-base-uncased");
    assert_string_equal(p.path, at("models--bert-base-uncased/snapshots/" COMMIT));
    same_as_hub(p.path, "google-bert/bert-base-uncased", "model.safetensors");
    /* another case of letters is redirected, too */
    assert_string_equal(pulled("Google-BERT/bert-base-uncased").name,
                        "google-bert/bert-base-uncased");
}

static void a_directory_of_ones_own(void **state) {
    (void)state;
    need_module();
    hub_repo *r = put_model("org/m");
    hub_repo_text(r, "modules.json", "[{\"path\": \"\"}, {\"path\": \"1_Pooling\"}]");
    hub_repo_text(r, "1_Pooling/config.json", "{}");
    bert_pull_options o = bert_pull_default();
    bert_pulled out;
    bert_error e;
    char local[4600], text[200];
    snprintf(local, sizeof local, "%s", at("mine"));
    o.local_dir = local;
    assert_int_equal(pull_as("org/m", &o, &out, &e), 0);
    assert_string_equal(out.path, local);
    same_as_hub(local, "org/m", "model.safetensors");
    same_as_hub(local, "org/m", "1_Pooling/config.json");
    assert_false(is_there(at("models--org--m/snapshots/" COMMIT "/config.json")));
    FILE *f = fopen(at("mine/.cache/huggingface/download/config.json.metadata"), "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_string_equal(text, COMMIT "\n");
    fclose(f);
    /* what is there is not fetched again; what was changed is */
    hub_server_forget(hub);
    assert_int_equal(pull_as("org/m", &o, &out, &e), 0);
    assert_int_equal(out.fetched, 0);
    put_file(at("mine/vocab.txt"), "[PAD]\n[NEW]\n");
    assert_int_equal(pull_as("org/m", &o, &out, &e), 0);
    assert_int_equal(out.fetched, 12);
    same_as_hub(local, "org/m", "vocab.txt");
}

/* ---- Tokens */

static void tokens_go_to_their_origin_only(void **state) {
    (void)state;
    need_module();
    hub_repo_flags(put_model("org/secret"), HUB_PRIVATE);
    pull_fails("org/secret", BERT_ENOTFOUND, "or it is private, which needs a token");
    pull_fails("org/nothing", BERT_ENOTFOUND, "there is no model org/nothing");
    setenv("HF_TOKEN", HUB_TOKEN, 1);
    same_as_hub(pulled("org/secret").path, "org/secret", "model.safetensors");
    assert_int_equal(hub_server_count(hub, "cdn GET"), 1);
    assert_int_equal(
        hub_server_count(hub, "cdn GET /cdn/org/secret/model.safetensors?X-Amz-Signature=abc"
                              "&Expires=1 token="),
        1);
    char *line = hub_server_line(hub, "cdn GET");
    assert_null(strstr(line, "hf_"));
    free(line);
    setenv("HF_TOKEN", HUB_OTHER_TOKEN, 1);
    pull_fails("org/nothing", BERT_ENOTFOUND, "or the token may not see it");
    setenv("HF_TOKEN", "hf_wrong", 1);
    pull_fails("org/secret2", BERT_EDENIED, "does not know this token");
    unsetenv("HF_TOKEN");
}

static void gates_are_told(void **state) {
    (void)state;
    need_module();
    hub_repo_flags(put_model("org/gated"), HUB_GATED);
    char where[200];
    snprintf(where, sizeof where, "accept its terms at %s/org/gated in a browser",
             hub_server_url(hub));
    pull_fails("org/gated", BERT_EDENIED, where);
    pull_fails("org/gated", BERT_EDENIED, "then give a token");
    setenv("HF_TOKEN", HUB_OTHER_TOKEN, 1);
    pull_fails("org/gated", BERT_EDENIED, "as the user of this token");
    setenv("HF_TOKEN", HUB_TOKEN, 1);
    pulled("org/gated");
    unsetenv("HF_TOKEN");
    hub_repo_flags(put_model("org/gone"), HUB_DISABLED);
    pull_fails("org/gone", BERT_EDENIED, "was taken down");
}

static void redirects_are_watched(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "/resolve/", HUB_FAIL_REDIRECT, 0, "file:///etc/passwd", 0, 99);
    pull_fails("org/m", BERT_EIO, "no web address");
    hub_server_heal(hub);
    hub_server_fail(hub, "/resolve/", HUB_FAIL_REDIRECT, 0, "/org/m/resolve/" COMMIT "/config.json",
                    0, 99);
    pull_fails("org/m", BERT_EIO, "more than 20 redirects");
    hub_server_heal(hub);
    pulled("org/m");
}

/* ---- The network */

static void connections_are_lost_and_found(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "cdn/org/m/model.safetensors", HUB_FAIL_CUT, 100000, NULL, 0, 20);
    hub_server_fail(hub, "resolve-cache/models/org/m/" COMMIT "/vocab.txt", HUB_FAIL_CLOSE, 0, NULL,
                    0, 2);
    hub_server_fail(hub, "/tree/", HUB_FAIL_STATUS, 503, NULL, 0, 3);
    hub_server_fail(hub, "/revision/", HUB_FAIL_LIMIT, 2, NULL, 0, 1);
    const bert_pulled p = pulled("org/m");
    same_as_hub(p.path, "org/m", "model.safetensors");
    same_as_hub(p.path, "org/m", "vocab.txt");
    /* progress forgives: twenty cuts, each gone on from where it was */
    assert_int_equal(hub_server_count(hub, "cdn GET"), 21);
    assert_int_equal(hub_server_count(hub, "range=1900000-"), 2); /* hub and the other host */
    assert_int_equal(p.fetched, p.bytes);
    assert_int_equal(blobs_of("models--org--m"), 4);
}

static void what_stays_broken_is_told(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "/revision/", HUB_FAIL_STATUS, 502, NULL, 0, 99);
    pull_fails("org/m", BERT_EIO, "cannot answer now (status 502)");
    assert_int_equal(hub_server_count(hub, "/revision/"), 6);
    hub_server_heal(hub);
    /* what is cached is used */
    pulled("org/m");
    hub_server_fail(hub, "/revision/", HUB_FAIL_STATUS, 502, NULL, 0, 99);
    const bert_pulled p = pulled("org/m");
    if (!strstr(p.note, "what is cached is used")) fail_msg("%s", p.note);
    hub_server_heal(hub);
    setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
    if (!strstr(pulled("org/m").note, "what is cached is used")) fail_msg("no note");
    pull_fails("org/other", BERT_EIO, "127.0.0.1");
    setenv("HF_ENDPOINT", hub_server_url(hub), 1);
    pull_fails("org/m@v7", BERT_ENOTFOUND, "'v7'");
}

static void ranges_that_are_not_heeded(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_CUT, 1000000, NULL, 0, 1);
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_NO_RANGE, 0, NULL, 0, 1);
    same_as_hub(pulled("org/m").path, "org/m", "model.safetensors");
    put_model("org/n");
    hub_server_fail(hub, "cdn/org/n", HUB_FAIL_CUT, 1000000, NULL, 0, 1);
    hub_server_fail(hub, "cdn/org/n", HUB_FAIL_RANGE, 0, NULL, 0, 99);
    pull_fails("org/n", BERT_EIO, "another part than was asked for");
    hub_server_heal(hub);
    same_as_hub(pulled("org/n").path, "org/n", "model.safetensors");
}

static void addresses_expire(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_CUT, 500000, NULL, 0, 1);
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_EXPIRED, 0, NULL, 0, 2);
    same_as_hub(pulled("org/m").path, "org/m", "model.safetensors");
    assert_int_equal(hub_server_count(hub, "hub GET /org/m/resolve/" COMMIT "/model.safetensors"),
                     4);
}

static void silence_is_an_end(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1", 1);
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_DRIP, 1000, NULL, 0, 1);
    same_as_hub(pulled("org/m").path, "org/m", "model.safetensors");
    assert_int_equal(hub_server_count(hub, "range=1000-"), 2);
    unsetenv("HF_HUB_DOWNLOAD_TIMEOUT");
}

/* ---- Contents */

static void wrong_contents_are_refused(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_WRONG, 2999999, NULL, 0, 99);
    pull_fails("org/m", BERT_EFORMAT, "what arrived is not what the hub listed: its digest is");
    assert_int_equal(hub_server_count(hub, "cdn GET"), 2); /* a second time from its start */
    assert_false(is_there(at("models--org--m/snapshots/" COMMIT "/model.safetensors")));
    assert_false(is_there(at("models--org--m/refs/main")));
    hub_server_heal(hub);
    hub_server_fail(hub, "vocab.txt", HUB_FAIL_WRONG, 3, NULL, 0, 1);
    same_as_hub(pulled("org/m").path, "org/m", "vocab.txt");
    assert_int_equal(blobs_of("models--org--m"), 4);
    put_model("org/long");
    hub_server_fail(hub, "cdn/org/long", HUB_FAIL_LENGTH, 5, NULL, 0, 99);
    pull_fails("org/long", BERT_EFORMAT, "3000005 bytes where 3000000 were listed");
    hub_server_heal(hub);
    hub_server_fail(hub, "cdn/org/long", HUB_FAIL_ENDLESS, 0, NULL, 0, 99);
    pull_fails("org/long", BERT_EFORMAT, "more than the 3000000 bytes");
}

/* What an earlier call has fetched is gone on from, even where it is wrong. */
static void partial_files_are_gone_on_from(void **state) {
    (void)state;
    need_module();
    hub_repo *r = put_model("org/m");
    char partial[4600];
    size_t n;
    char *data = hub_repo_get(r, "model.safetensors", &n);
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_CUT, 2000000, NULL, 0, 1);
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_STATUS, 404, "{}", 0, 99);
    pull_fails("org/m", BERT_ENOTFOUND, "model.safetensors");
    hub_server_heal(hub);
    hub_server_forget(hub);
    const bert_pulled p = pulled("org/m");
    assert_int_equal(hub_server_count(hub, "cdn GET"), 1);
    assert_int_equal(hub_server_count(hub, "range=2000000-"), 2);
    same_as_hub(p.path, "org/m", "model.safetensors");
    /* the same, of wrong bytes */
    assert_true(realpath(at("models--org--m/snapshots/" COMMIT "/model.safetensors"), partial) !=
                NULL);
    assert_int_equal(unlink(partial), 0);
    strcat(partial, ".bert.incomplete");
    put_file(partial, "these are not the bytes that it begins with");
    same_as_hub(pulled("org/m").path, "org/m", "model.safetensors");
    assert_int_equal(blobs_of("models--org--m"), 4);
    free(data);
}

static int stop_at(void *context, const bert_pull_progress *p) {
    return p->bytes > *(const int64_t *)context;
}

static void interruption_loses_nothing(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    int64_t most = 1000000;
    bert_pull_options o = bert_pull_default();
    bert_pulled out;
    bert_error e;
    o.progress = stop_at;
    o.context = &most;
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_DRIP, 2000000, NULL, 0, 1);
    assert_int_equal(pull_as("org/m", &o, &out, &e), BERT_EINTERRUPTED);
    hub_server_heal(hub);
    const bert_pulled p = pulled("org/m");
    assert_true(p.fetched < p.bytes);
    same_as_hub(p.path, "org/m", "model.safetensors");
}

/* A process that is killed in the middle. */
static void killed_processes_lose_nothing(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    hub_server_fail(hub, "cdn/org/m", HUB_FAIL_DRIP, 2000000, NULL, 0, 1);
    const pid_t child = fork();
    if (!child) {
        pulled("org/m");
        _exit(0);
    }
    for (int i = 0; i < 500 && !hub_server_count(hub, "cdn GET"); i++) usleep(10000);
    usleep(200000);
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    hub_server_heal(hub);
    const bert_pulled p = pulled("org/m");
    assert_true(p.fetched < p.bytes);
    same_as_hub(p.path, "org/m", "model.safetensors");
}

/* ---- Two processes */

static void *pull_beside(void *context) {
    bert_pulled *out = context;
    bert_error e = {0};
    if (bert_pull("org/m", NULL, out, &e)) fprintf(stderr, "%s\n", e.message);
    return NULL;
}

static void two_fetch_it_once(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    bert_pulled out[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pull_beside, &out[i]), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    int64_t fetched = 0;
    for (int i = 0; i < 3; i++) {
        assert_string_equal(out[i].commit, COMMIT);
        fetched += out[i].fetched;
    }
    assert_int_equal(fetched, out[0].bytes);
    assert_int_equal(hub_server_count(hub, "cdn GET"), 1);
    assert_int_equal(blobs_of("models--org--m"), 4);
}

static void a_model_that_is_being_fetched_stays(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    pulled("org/m");
    const int fd = open(at(".locks/models--org--m/x.lock"), O_CREAT | O_RDWR, 0664);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    bert_error e = {0};
    assert_int_equal(bert_cached_remove("org/m", NULL, &e), BERT_EIO);
    assert_non_null(strstr(e.message, "by another process"));
    close(fd);
    int64_t freed;
    bert_error_clear(&e);
    test_ok(e, bert_cached_remove("org/m", &freed, &e));
    assert_true(freed > LARGE);
}

/* ---- Hostile hubs */

static void paths_that_lead_elsewhere(void **state) {
    (void)state;
    static const char *const paths[] = {
        "../config.json",  "/tmp/bert-escaped", "a/../../config.json", "..\\config.json",
        "C:\\config.json", "a//config.json",    "../../../vocab.txt",  "./config.json"};
    need_module();
    hub_repo *r = put_model("org/m");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) hub_repo_text(r, paths[i], "escaped");
    hub_repo_text(
        r, "modules.json",
        "[{\"path\": \"..\"}, {\"path\": \"/tmp\"}, {\"path\": \"a/..\"}, {\"path\": 3}, 4]");
    const bert_pulled p = pulled("org/m");
    assert_int_equal(p.files, 5);
    assert_false(is_there("/tmp/bert-escaped"));
    assert_false(is_there(at("models--org--m/snapshots/config.json")));
    assert_false(is_there(at("models--org--m/config.json")));
    assert_false(is_there(at("models--org--m/snapshots/" COMMIT "/..\\config.json")));
}

static void answers_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *at, *body;
        int code;
        const char *says;
    } cases[] = {
        {"/revision/", "<html>Log in</html>", BERT_EFORMAT, "is not the hub's"},
        {"/revision/", "", BERT_EFORMAT, "is not the hub's"},
        {"/revision/", "[]", BERT_EFORMAT, "names no commit"},
        {"/revision/", "{\"sha\": \"../../../../x\"}", BERT_EFORMAT, "names no commit"},
        {"/revision/", "{\"sha\": 5, \"id\": {}}", BERT_EFORMAT, "names no commit"},
        {"/tree/", "{}", BERT_EFORMAT, "lists no files"},
        {"/tree/", "{\"error\": \"x\"}", BERT_EFORMAT, "lists no files"},
        {"/tree/", "[]", BERT_EUNSUPPORTED, "holds no config.json"},
        {"/tree/",
         "[1, null, {}, {\"path\": 5}, {\"type\": \"file\", \"path\": \"config.json\", "
         "\"size\": -5, \"oid\": \"../x\"}]",
         BERT_EUNSUPPORTED, "holds no model.safetensors"},
    };
    need_module();
    put_model("org/m");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hub_server_fail(hub, cases[i].at, HUB_FAIL_BODY, 0, cases[i].body, 0, 1);
        pull_fails("org/m", cases[i].code, cases[i].says);
        char command[4700];
        snprintf(command, sizeof command, "rm -rf '%s'", at("models--org--m"));
        assert_int_equal(system(command), 0);
    }
    hub_server_fail(hub, "/revision/", HUB_FAIL_ENDLESS, 0, NULL, 0, 1);
    pull_fails("org/m", BERT_EFORMAT, "longer than 4 MB");
    hub_server_fail(hub, "/revision/", HUB_FAIL_HEADERS, 1000000, NULL, 0, 99);
    bert_error e;
    bert_pulled out;
    assert_true(pull_as("org/m", NULL, &out, &e) < 0);
}

/* Links that somebody else who may write into the cache has put in the way. */
static void links_are_not_written_through(void **state) {
    (void)state;
    static const char snapshot[] = "snapshots/" COMMIT;
    static const char *const folders[] = {"blobs", "snapshots", snapshot, "refs"};
    need_module();
    put_model("org/m");
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char command[9000];
        snprintf(command, sizeof command, "rm -rf '%s' '%s' && mkdir -p '%s'", at("models--org--m"),
                 at("elsewhere"), at("elsewhere"));
        assert_int_equal(system(command), 0);
        put_link(at("models--org--m/%s", folders[i]), at("elsewhere"));
        pull_fails("org/m", BERT_EIO, "a link or a file where a directory belongs");
        assert_int_equal(rmdir(at("elsewhere")), 0); /* which is empty */
    }
}

static void no_room_is_told_before(void **state) {
    (void)state;
    need_module();
    hub_repo *r = hub_server_add(hub, "org/huge", COMMIT);
    hub_repo_text(r, "config.json", "{}");
    hub_server_fail(hub, "/tree/", HUB_FAIL_BODY, 0,
                    "[{\"type\": \"file\", \"path\": \"config.json\", \"size\": 2, "
                    "\"oid\": \"9e26dfeeb6e641a33dae4961196235bdb965b21b\"}, {\"type\": \"file\", "
                    "\"path\": \"model.safetensors\", \"size\": 900000000000000, \"oid\": "
                    "\"9e26dfeeb6e641a33dae4961196235bdb965b21b\"}]",
                    0, 1);
    pull_fails("org/huge", BERT_EIO, "needs 900000000.0 MB, and the disk of");
    assert_int_equal(hub_server_count(hub, "/resolve/"), 0);
}

/* ---- Mirrors */

static void mirrors_without_lists_are_asked_for_each_file(void **state) {
    (void)state;
    need_module();
    hub_repo_flags(put_model("org/m"), HUB_NO_TREE);
    const bert_pulled p = pulled("org/m");
    same_as_hub(p.path, "org/m", "model.safetensors");
    same_as_hub(p.path, "org/m", "config.json");
    assert_int_equal(hub_server_count(hub, "HEAD /org/m/resolve/"), 4);
    assert_int_equal(hub_server_count(hub, "cdn HEAD"), 0);
}

/* ---- Opening by name */

static void models_open_by_name_where_options_ask(void **state) {
    (void)state;
    need_module();
    hub_repo *r = hub_server_add(hub, "org/tiny", COMMIT);
    char *d = test_directory(), path[4700], *data;
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.txt"};
    bert_error e = {0};
    test_model(d, "BertModel", 2, "");
    for (int i = 0; i < 3; i++) {
        size_t n;
        snprintf(path, sizeof path, "%s/%s", d, names[i]);
        test_ok(e, bert_read_file(path, 0, &data, &n, &e));
        hub_repo_put(r, names[i], data, n, i == 1);
        free(data);
    }
    assert_null(bert_model_open("org/tiny", NULL, &e));
    assert_int_equal(e.code, BERT_ENOTFOUND);
    assert_int_equal(hub_server_count(hub, ""), 0);
    bert_error_clear(&e);
    bert_pull_options pull = bert_pull_default();
    bert_tokenizer_options to = bert_tokenizer_default();
    to.pull = &pull;
    bert_tokenizer *t = bert_tokenizer_open("org/tiny", &to, &e);
    if (!t) fail_msg("%s", e.message);
    bert_tokenizer_close(t);
    assert_int_equal(hub_server_count(hub, "model.safetensors"), 0);
    bert_model_options mo = bert_model_default();
    mo.pull = &pull;
    bert_model *m = bert_model_open("org/tiny", &mo, &e);
    if (!m) fail_msg("%s", e.message);
    bert_model_close(m);
    hub_server_forget(hub);
    m = bert_model_open("org/tiny", NULL, &e);
    if (!m) fail_msg("%s", e.message);
    bert_model_close(m);
    assert_int_equal(hub_server_count(hub, ""), 0);
    mo.pull = &pull;
    pull.offline = true;
    assert_null(bert_model_open("org/tinny", &mo, &e));
    if (!strstr(e.message, "did you mean org/tiny?")) fail_msg("%s", e.message);
    bert_error_clear(&e);
    assert_null(bert_model_open("./org/none", &mo, &e));
    if (!strstr(e.message, "no such directory")) fail_msg("%s", e.message);
    assert_int_equal(hub_server_count(hub, ""), 0);
    test_remove(d);
}

static void offline_means_no_socket(void **state) {
    (void)state;
    need_module();
    put_model("org/m");
    setenv("HF_HUB_OFFLINE", "1", 1);
    pull_fails("org/m", BERT_ENOTFOUND,
               "as HF_HUB_OFFLINE is set; where there is a network, 'bert pull org/m'");
    unsetenv("HF_HUB_OFFLINE");
    bert_pull_options o = bert_pull_default();
    char directory[4096];
    bert_error e = {0};
    o.without_weights = true;
    test_ok(e, bert_find("org/m", &o, directory, sizeof directory, &e));
    hub_server_forget(hub);
    setenv("TRANSFORMERS_OFFLINE", "1", 1);
    pull_fails("org/m", BERT_ENOTFOUND,
               "the download of org/m is incomplete, model.safetensors is missing");
    unsetenv("TRANSFORMERS_OFFLINE");
    assert_int_equal(hub_server_count(hub, ""), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_needed_is_fetched),
        TEST(what_is_cached_is_not_asked_for),
        TEST(forms_of_weights_are_chosen),
        TEST(a_tokenizer_needs_no_weights),
        TEST(revisions_are_kept_apart),
        TEST(old_names_lead_on),
        TEST(a_directory_of_ones_own),
        TEST(tokens_go_to_their_origin_only),
        TEST(gates_are_told),
        TEST(redirects_are_watched),
        TEST(connections_are_lost_and_found),
        TEST(what_stays_broken_is_told),
        TEST(ranges_that_are_not_heeded),
        TEST(addresses_expire),
        TEST(silence_is_an_end),
        TEST(wrong_contents_are_refused),
        TEST(partial_files_are_gone_on_from),
        TEST(interruption_loses_nothing),
        TEST(killed_processes_lose_nothing),
        TEST(two_fetch_it_once),
        TEST(a_model_that_is_being_fetched_stays),
        TEST(paths_that_lead_elsewhere),
        TEST(answers_that_are_none),
        TEST(links_are_not_written_through),
        TEST(no_room_is_told_before),
        TEST(mirrors_without_lists_are_asked_for_each_file),
        TEST(models_open_by_name_where_options_ask),
        TEST(offline_means_no_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
