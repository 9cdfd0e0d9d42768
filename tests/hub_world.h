/* A hub on this machine with some repositories, a cache that is empty, and what tests ask of both. */
#ifndef BERT_TEST_HUB_WORLD_H
#define BERT_TEST_HUB_WORLD_H
#include "hub_cache.h"
#include "hub_server.h"
#include "models.h"
#include <bert_hub.h>

static hub_server *hub;

/* Whether this build has the module at all; else the test is skipped. */
static inline void need_module(void) {
    char path[4200], self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    *strrchr(self, '/') = 0;
    snprintf(path, sizeof path, "%s/libbert-hub.so", self);
    if (access(path, R_OK)) {
        print_message("skipped: this build has no libcurl\n");
        skip();
    }
}

static inline int open_world(void **state) {
    (void)state;
    static const char *const names[] = {
        "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN",  "HUGGING_FACE_HUB_TOKEN",
        "http_proxy",     "HTTP_PROXY",           "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
    new_cache();
    hub = hub_server_start();
    setenv("HF_ENDPOINT", hub_server_url(hub), 1);
    setenv("HF_HOME", at("home"), 1);
    setenv("BERT_HOME", at("own"), 1);
    setenv("BERT_HUB_RETRY_SECONDS", "0.01", 1);
    return 0;
}

static inline int close_world(void **state) {
    (void)state;
    hub_server_stop(hub);
    drop_cache();
    return 0;
}

static inline int pull_as(const char *name, bert_pull_options *o, bert_pulled *out, bert_error *e) {
    bert_pull_options plain = bert_pull_default();
    *e = (bert_error){0};
    return bert_pull(name, o ? o : &plain, out, e);
}

static inline bert_pulled pulled(const char *name) {
    bert_error e;
    bert_pulled out;
    if (pull_as(name, NULL, &out, &e)) fail_msg("%s: %s", name, e.message);
    return out;
}

static inline void pull_fails(const char *name, int code, const char *says) {
    bert_error e;
    bert_pulled out;
    const int rc = pull_as(name, NULL, &out, &e);
    if (rc != code || !strstr(e.message, says))
        fail_msg("%s: wanted %d \"%s\", got %d \"%s\"", name, code, says, rc, e.message);
}

/* A file of the directory that was pulled holds what the repository does. */
static inline void same_as_hub(const char *directory, const char *id, const char *path) {
    char full[4700], *here;
    size_t n, m;
    bert_error e = {0};
    snprintf(full, sizeof full, "%s/%s", directory, path);
    char *there = hub_repo_get(hub_server_find(hub, id), path, &n);
    assert_non_null(there);
    test_ok(e, bert_read_file(full, 0, &here, &m, &e));
    assert_int_equal(m, n);
    assert_memory_equal(here, there, n);
    free(here);
    free(there);
}

/* Bytes that look like nothing, as a large file. */
static inline void put_large(hub_repo *r, const char *path, size_t bytes) {
    char *data = malloc(bytes + 1);
    assert_non_null(data);
    uint32_t x = 12345;
    for (size_t i = 0; i < bytes; i++) {
        x = x * 1664525u + 1013904223u;
        data[i] = (char)(x >> 24);
    }
    hub_repo_put(r, path, data, bytes, true);
    free(data);
}

enum { LARGE = 3000000 };
/* A model as far as names tell, with files that nobody needs. */
static inline hub_repo *put_model(const char *id) {
    hub_repo *r = hub_server_add(hub, id, COMMIT);
    hub_repo_text(r, ".gitattributes", "*.bin filter=lfs\n");
    hub_repo_text(r, "README.md", "# A model\n");
    hub_repo_text(r, "config.json", "{\"model_type\": \"bert\"}");
    put_large(r, "model.safetensors", LARGE);
    hub_repo_put(r, "pytorch_model.bin", "x", 1, true);
    hub_repo_put(r, "tf_model.h5", "x", 1, true);
    hub_repo_put(r, "onnx/model.onnx", "x", 1, true);
    hub_repo_put(r, "training_args.bin", "x", 1, true);
    hub_repo_text(r, "tokenizer_config.json", "{}");
    hub_repo_text(r, "vocab.txt", "[PAD]\n[UNK]\n");
    return r;
}
#endif
