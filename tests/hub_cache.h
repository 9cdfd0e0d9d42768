/* Caches of the hub for tests, made by hand as huggingface_hub lays them out. */
#ifndef BERT_TEST_HUB_CACHE_H
#define BERT_TEST_HUB_CACHE_H
#include "base/file.h"
#include "test.h"
#include <sys/stat.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER_COMMIT "89abcdef0123456789abcdef0123456789abcdef"

static char *cache_root;

/* A path of the cache, one of a few at a time. */
__attribute__((format(printf, 1, 2))) static inline const char *at(const char *format, ...) {
    static char paths[4][4600];
    static int next;
    char *path = paths[next++ % 4];
    const int n = snprintf(path, 4600, "%s/", cache_root);
    va_list args;
    va_start(args, format);
    vsnprintf(path + n, 4600 - (size_t)n, format, args);
    va_end(args);
    return path;
}

static inline void put_file(const char *path, const char *text) {
    char parent[4600];
    bert_error e = {0};
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = 0;
    if (bert_make_directory(parent, &e) || bert_write_file(path, text, strlen(text), &e))
        fail_msg("%s", e.message);
}

static inline void put_link(const char *path, const char *target) {
    char parent[4600];
    bert_error e = {0};
    snprintf(parent, sizeof parent, "%s", path);
    *strrchr(parent, '/') = 0;
    if (bert_make_directory(parent, &e)) fail_msg("%s", e.message);
    assert_int_equal(symlink(target, path), 0);
}

/* A file of a snapshot whose blob is called by its name, which is unlike the hub's, but nobody
 * looks. */
static inline void put_blob(const char *folder, const char *commit, const char *name,
                            const char *text) {
    char link[600], etag[200];
    snprintf(etag, sizeof etag, "%.40s-%s", commit, name);
    for (char *p = etag; *p; p++)
        if (*p == '/') *p = '_';
    snprintf(link, sizeof link, "../../%sblobs/%s", strchr(name, '/') ? "../" : "", etag);
    put_file(at("%s/blobs/%s", folder, etag), text);
    put_link(at("%s/snapshots/%s/%s", folder, commit, name), link);
}

static inline void new_cache(void) {
    cache_root = test_directory();
    setenv("HF_HUB_CACHE", cache_root, 1);
}

static inline void drop_cache(void) {
    unsetenv("HF_HUB_CACHE");
    test_remove(cache_root);
}

static inline bool is_there(const char *path) {
    struct stat st;
    return !lstat(path, &st);
}
#endif
