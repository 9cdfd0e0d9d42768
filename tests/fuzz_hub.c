/* libFuzzer target: any bytes as a hub's answers (headers, a revision, a list of files, an error) and as
 * the notes of a cache (modules.json, trees/<commit>.json); nothing that is taken from them leads out
 * of the cache. */
#include "fuzz_file.h"
#include "hub/cache.h"
#include "hub/curl/answers.c" /* the module's parts that have no socket */
#include "hub/curl/text.c"
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *context, const bert_hub_file *f, bert_error *e) {
    bert_hub_entry *entry;
    const int rc = bert_hub_listing_add(context, f->path, f->size, &entry, e);
    if (!rc && entry && (strstr(entry->path, "..") && !bert_hub_is_path(entry->path))) abort();
    if (f->etag && strspn(f->etag, "0123456789abcdef") != strlen(f->etag)) abort();
    return rc;
}

static void headers(const char *text, size_t size) {
    hub_headers h;
    hub_headers_clear(&h);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - text) - at : size - at;
        hub_headers_take(&h, text + at, n);
        at += n + 1;
    }
    const hub_request_place p = {"http://h", "a/b", "main", "f", false};
    bert_error e = {0};
    h.status = 400 + (long)(size % 200);
    if (hub_explain(&p, &h, "{\"error\": \"x\"}", &e) >= 0 || !*e.message) abort();
}

static void tree(const char *text, size_t size) {
    static bert_hub_cached c;
    char path[600];
    bert_hub_listing l = {0};
    if (!*c.repo) {
        snprintf(c.repo, sizeof c.repo, "%s/bert-fuzz-hub-%d", fuzz_place(), (int)getpid());
        snprintf(c.commit, sizeof c.commit, "0123456789abcdef0123456789abcdef01234567");
        snprintf(path, sizeof path, "mkdir -p %s/trees", c.repo);
        if (system(path)) abort();
    }
    snprintf(path, sizeof path, "%.400s/trees/%s.json", c.repo, c.commit);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text, 1, size, f) != size || fclose(f)) abort();
    if (bert_hub_tree_read(&c, &l))
        for (int i = 0; i < l.n; i++)
            if (!bert_hub_is_path(l.list[i].path) || !bert_hub_is_etag(l.list[i].etag)) abort();
    bert_hub_listing_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bert_error e = {0};
    bert_hub_listing l = {0};
    bert_hub_revision r = {{0}, {0}};
    if (!size) return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[--size] = 0;
    switch (data[0] % 5) {
    case 0:
        headers(text, size);
        break;
    case 1:
        if (!hub_read_revision(text, size, &r, &e) && !bert_hub_is_commit(r.commit)) abort();
        break;
    case 2:
        hub_read_files(text, size, take, &l, &e);
        break;
    case 3:
        tree(text, size);
        break;
    default:
        if (!take(&l, &(bert_hub_file){.path = "1_Pooling/config.json", .size = 1}, &e) &&
            !take(&l, &(bert_hub_file){.path = "model.safetensors", .size = 1}, &e))
            bert_hub_plan(&l, text, size % 2, &e);
    }
    bert_hub_listing_free(&l);
    free(text);
    return 0;
}
