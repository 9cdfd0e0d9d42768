#include "hub/cache.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Where things lie */

int bert_hub_cached_at(bert_hub_cached *c, const char *cache, const char *id, const char *commit,
                       bert_error *e) {
    char folder[BERT_HUB_ID + 16];
    bert_hub_folder(id, folder, sizeof folder);
    if (strlen(cache) >= sizeof c->cache - 1)
        return bert_fail(e, BERT_EINVAL, "%.60s...: the cache's path is too long", cache);
    snprintf(c->cache, sizeof c->cache, "%s", cache);
    snprintf(c->id, sizeof c->id, "%s", id);
    snprintf(c->commit, sizeof c->commit, "%s", commit);
    snprintf(c->repo, sizeof c->repo, "%s/%s", c->cache, folder);
    snprintf(c->snapshot, sizeof c->snapshot, "%s/snapshots/%s", c->repo, c->commit);
    return 0;
}

/* The commit that refs/<revision> holds. */
static bool read_ref(const char *repo, const char *revision, char commit[BERT_HUB_COMMIT]) {
    char path[BERT_PATH + 600], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/refs/%s", repo, revision);
    if (bert_read_file(path, 200, &text, &size, NULL)) return false;
    snprintf(commit, BERT_HUB_COMMIT, "%.*s", (int)strcspn(text, "\r\n \t"), text);
    free(text);
    return bert_hub_is_commit(commit);
}

/* The one snapshot whose commit begins so. */
static bool find_short(const char *repo, const char *begin, char commit[BERT_HUB_COMMIT]) {
    char *snapshots = bert_hub_is_short_commit(begin) ? bert_path_join(repo, "snapshots") : NULL;
    DIR *d = snapshots ? opendir(snapshots) : NULL;
    int found = 0;
    for (struct dirent *f; d && (f = readdir(d));)
        if (bert_hub_is_commit(f->d_name) && !strncmp(f->d_name, begin, strlen(begin)) && !found++)
            snprintf(commit, BERT_HUB_COMMIT, "%.40s", f->d_name);
    if (d) closedir(d);
    free(snapshots);
    return found == 1;
}

static bool find_as(bert_hub_cached *c, const char *cache, const char *id, const char *revision) {
    char commit[BERT_HUB_COMMIT];
    if (bert_hub_cached_at(c, cache, id, "", NULL)) return false;
    if (bert_hub_is_commit(revision))
        snprintf(commit, sizeof commit, "%s", revision);
    else if (!read_ref(c->repo, revision, commit) && !find_short(c->repo, revision, commit))
        return false;
    return !bert_hub_cached_at(c, cache, id, commit, NULL) && bert_directory_exists(c->snapshot);
}

bool bert_hub_cached_find(bert_hub_cached *c, const char *cache, const char *id,
                          const char *revision) {
    static const char *const organisations[] = {
        "google-bert",           "FacebookAI", "distilbert", "albert", "google",
        "sentence-transformers", "microsoft",  "almanach"};
    if (find_as(c, cache, id, revision)) return true;
    for (size_t i = 0; i < sizeof organisations / sizeof *organisations && !strchr(id, '/'); i++) {
        char full[BERT_HUB_ID + 32];
        snprintf(full, sizeof full, "%s/%s", organisations[i], id);
        if (bert_hub_is_id(full) && find_as(c, cache, full, revision)) return true;
    }
    return false;
}

/* ---- Links */

/* "a/b" and the link "../c" in it: "a/../c" without its dots. False: it leads above where both
 * begin. */
static bool follow(const char *from, const char *link, char *out, size_t capacity) {
    const char *slash = strrchr(from, '/');
    char joined[2 * PATH_MAX], *rest = joined;
    size_t n = 0;
    snprintf(joined, sizeof joined, "%.*s/%s", slash ? (int)(slash - from) : 0, from, link);
    for (char *part; (part = strsep(&rest, "/"));) {
        if (!*part || !strcmp(part, ".")) continue;
        if (!strcmp(part, "..")) {
            if (!n) return false;
            while (n && out[n - 1] != '/') n--;
            n -= n > 0;
            continue;
        }
        const size_t m = strlen(part);
        if (n + m + 2 > capacity) return false;
        if (n) out[n++] = '/';
        memcpy(out + n, part, m);
        n += m;
    }
    out[n] = 0;
    return n > 0;
}

/* A link's target as a path from the cache's root on. */
static bool target_of(const char *cache, const char *at, const char *link, char *out,
                      size_t capacity) {
    if (*link != '/') return follow(at, link, out, capacity);
    char real[PATH_MAX];
    const char *roots[] = {cache, realpath(cache, real) ? real : cache};
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(roots[i]);
        if (!strncmp(link, roots[i], n) && link[n] == '/')
            return follow("", link + n + 1, out, capacity);
    }
    return false;
}

int bert_hub_inside(const char *cache, const char *path, bert_error *e) {
    enum { MOST_LINKS = 8 };
    char at[PATH_MAX], next[PATH_MAX], full[2 * PATH_MAX], link[PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    for (int i = 0; i < MOST_LINKS; i++) {
        struct stat st;
        snprintf(full, sizeof full, "%s/%s", cache, at);
        if (lstat(full, &st)) return 0;
        if (S_ISREG(st.st_mode)) return 1;
        const ssize_t n = S_ISLNK(st.st_mode) ? readlink(full, link, sizeof link - 1) : -1;
        if (n < 0) return bert_fail(e, BERT_EFORMAT, "%s/%s: is no file", cache, path);
        link[n] = 0;
        if (!target_of(cache, at, link, next, sizeof next))
            return bert_fail(e, BERT_EFORMAT,
                             "%s/%s: is a link that leads out of the cache (to %.100s): it is not "
                             "followed; 'bert remove' the model, and fetch it again",
                             cache, path, link);
        memcpy(at, next, sizeof at);
    }
    return bert_fail(e, BERT_EFORMAT, "%s/%s: is a link to a link, without end", cache, path);
}

/* ---- Files of a snapshot */

/* Calls each() for the files below a folder of the snapshot. */
typedef int each_file(const bert_hub_cached *c, const char *path, void *context, bert_error *e);

static int walk(const bert_hub_cached *c, const char *folder, int depth, each_file *each,
                void *context, bert_error *e) {
    enum { DEEPEST = 8 };
    char *directory = bert_path_join(c->snapshot, folder);
    DIR *d = directory && depth < DEEPEST ? opendir(directory) : NULL;
    int rc = directory ? 0 : bert_fail_memory(e, strlen(folder));
    for (struct dirent *f; d && !rc && (f = readdir(d));) {
        struct stat st;
        if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..")) continue;
        char *path = *folder ? bert_path_join(folder, f->d_name) : strdup(f->d_name);
        char *full = path ? bert_path_join(c->snapshot, path) : NULL;
        if (!full)
            rc = bert_fail_memory(e, strlen(folder));
        else if (!lstat(full, &st))
            rc = S_ISDIR(st.st_mode) ? walk(c, path, depth + 1, each, context, e)
                                     : each(c, path, context, e);
        free(full);
        free(path);
    }
    if (d) closedir(d);
    free(directory);
    return rc;
}

/* The path of a snapshot's file from the cache's root on. */
static void from_root(const bert_hub_cached *c, const char *path, char *out, size_t capacity) {
    snprintf(out, capacity, "%s/%s", c->snapshot + strlen(c->cache) + 1, path);
}

static int check_link(const bert_hub_cached *c, const char *path, void *context, bert_error *e) {
    char from[PATH_MAX];
    (void)context;
    from_root(c, path, from, sizeof from);
    const int rc = bert_hub_inside(c->cache, from, e);
    return rc < 0 ? rc : 0;
}

int bert_hub_check_links(const bert_hub_cached *c, bert_error *e) {
    return walk(c, "", 0, check_link, NULL, e);
}

static int list_file(const bert_hub_cached *c, const char *path, void *context, bert_error *e) {
    bert_hub_entry *entry;
    char from[PATH_MAX], full[2 * PATH_MAX];
    struct stat st;
    from_root(c, path, from, sizeof from);
    snprintf(full, sizeof full, "%s/%s", c->snapshot, path);
    const bool there = bert_hub_inside(c->cache, from, NULL) > 0 && !stat(full, &st);
    return there ? bert_hub_listing_add(context, path, (int64_t)st.st_size, &entry, e) : 0;
}

int bert_hub_snapshot_files(const bert_hub_cached *c, bert_hub_listing *l, bert_error *e) {
    return walk(c, "", 0, list_file, l, e);
}

/* ---- Whether it is whole */

/* modules.json as it lies in the snapshot, malloc'ed, or NULL. */
static char *read_modules(const bert_hub_cached *c) {
    char *path = bert_path_join(c->snapshot, "modules.json"), *text = NULL;
    size_t bytes;
    if (!path || bert_read_file(path, 1 << 20, &text, &bytes, NULL)) text = NULL;
    free(path);
    return text;
}

static bool say(const char *what, char *missing, size_t capacity) {
    if (what) snprintf(missing, capacity, "%s", what);
    return what != NULL;
}

/* What a planned listing wants and `there` has not. */
static const char *first_missing(const bert_hub_listing *l, const bert_hub_listing *there) {
    for (int i = 0; i < l->n; i++)
        if (l->list[i].wanted && !bert_hub_listing_find(there, l->list[i].path))
            return l->list[i].path;
    return NULL;
}

bool bert_hub_incomplete(const bert_hub_cached *c, bool without_weights, char *missing,
                         size_t capacity) {
    bert_hub_listing tree = {0}, there = {0};
    bert_error e = {0};
    char *modules = read_modules(c);
    const bool known = bert_hub_tree_read(c, &tree);
    bert_hub_listing *l = known ? &tree : &there;
    bool lacks = true;
    if (!bert_hub_snapshot_files(c, &there, &e) &&
        !bert_hub_plan(l, modules, without_weights, &e)) {
        const char *what = bert_hub_lacks(l, without_weights);
        if (known) what = first_missing(&tree, &there);
        if (!known && !what && !bert_hub_has_tokenizer(l)) what = "a tokenizer";
        lacks = say(what, missing, capacity);
    } else {
        say("modules.json", missing, capacity);
    }
    free(modules);
    bert_hub_listing_free(&tree);
    bert_hub_listing_free(&there);
    return lacks;
}
