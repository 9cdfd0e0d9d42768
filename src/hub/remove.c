/* Removing a model: what leads to its contents first, the contents last, so that what is left of an
 * interrupted removal is never a name without a content. */
#include "base/error.h"
#include "base/file.h"
#include "hub/hub.h"
#include "hub/shared.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Trees of files; links in them are removed, not followed */

static int remove_at(int parent, const char *name, int depth, int64_t *freed);

static int remove_entries(int parent, const char *name, int depth, int64_t *freed) {
    enum { DEEPEST = 64 };
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int failed = !d || depth > DEEPEST;
    if (fd >= 0 && !d) close(fd);
    for (struct dirent *f; d && !failed && (f = readdir(d));)
        if (strcmp(f->d_name, ".") && strcmp(f->d_name, ".."))
            failed = remove_at(dirfd(d), f->d_name, depth + 1, freed);
    if (d) closedir(d);
    return failed;
}

static int remove_at(int parent, const char *name, int depth, int64_t *freed) {
    struct stat st;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW)) return errno != ENOENT;
    if (S_ISDIR(st.st_mode))
        return remove_entries(parent, name, depth, freed) || unlinkat(parent, name, AT_REMOVEDIR);
    if (unlinkat(parent, name, 0)) return 1;
    if (S_ISREG(st.st_mode) && st.st_nlink == 1) *freed += (int64_t)st.st_size;
    return 0;
}

static int remove_tree(const char *path, int64_t *freed, bert_error *e) {
    if (!remove_at(AT_FDCWD, path, 0, freed)) return 0;
    return bert_fail(e, BERT_EIO, "%s: cannot remove: %s", path, strerror(errno));
}

/* ---- A repository */

/* Another process fetches a file of it. */
static bool is_busy(const bert_hub_cached *c) {
    char locks[BERT_PATH + 300];
    bool busy = false;
    snprintf(locks, sizeof locks, "%s/.locks/%s", c->cache, strrchr(c->repo, '/') + 1);
    DIR *d = opendir(locks);
    for (struct dirent *f; d && !busy && (f = readdir(d));) {
        if (f->d_name[0] == '.') continue;
        const int fd = openat(dirfd(d), f->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        busy = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
        if (fd >= 0) close(fd);
    }
    if (d) closedir(d);
    return busy;
}

typedef struct {
    char (*list)[65];
    int n;
} hashes;

/* The shared blobs that it links to. */
static int find_shared(const bert_hub_cached *c, hashes *h, bert_error *e) {
    char *blobs = bert_path_join(c->repo, "blobs");
    DIR *d = blobs ? opendir(blobs) : NULL;
    int rc = blobs ? 0 : bert_fail_memory(e, strlen(c->repo));
    for (struct dirent *f; d && !rc && (f = readdir(d));) {
        char hash[65], *path = bert_path_join(blobs, f->d_name);
        if (path && bert_shared_blob(path, hash)) {
            char(*list)[65] = realloc(h->list, ((size_t)h->n + 1) * sizeof *list);
            if (list) {
                h->list = list;
                memcpy(list[h->n++], hash, sizeof hash);
            }
            rc = list ? 0 : bert_fail_memory(e, sizeof *list);
        }
        free(path);
    }
    if (d) closedir(d);
    free(blobs);
    return rc;
}

static int remove_repository(const bert_hub_cached *c, int64_t *freed, bert_error *e) {
    static const char *const parts[] = {"refs", "snapshots", "trees", ".no_exist", "blobs"};
    hashes shared = {NULL, 0};
    if (is_busy(c)) return bert_fail(e, BERT_EIO, "%s is being fetched by another process", c->id);
    int rc = find_shared(c, &shared, e);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !rc; i++) {
        char *path = bert_path_join(c->repo, parts[i]);
        rc = path ? remove_tree(path, freed, e) : bert_fail_memory(e, strlen(c->repo));
        free(path);
    }
    if (!rc) rc = remove_tree(c->repo, freed, e);
    for (int i = 0; i < shared.n && !rc; i++) *freed += bert_shared_sweep(c->cache, shared.list[i]);
    free(shared.list);
    return rc;
}

/* ---- One revision of several */

typedef struct {
    char **list;
    int n;
} texts;

static void free_texts(texts *t) {
    for (int i = 0; i < t->n; i++) free(t->list[i]);
    free(t->list);
    *t = (texts){NULL, 0};
}

static bool has_text(const texts *t, const char *text) {
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->list[i], text)) return true;
    return false;
}

static int add_text(texts *t, const char *text, bert_error *e) {
    char **list = realloc(t->list, ((size_t)t->n + 1) * sizeof *list);
    if (list) t->list = list;
    if (!list || !(list[t->n] = strdup(text))) return bert_fail_memory(e, strlen(text));
    t->n++;
    return 0;
}

/* Calls each() for every entry below a directory that is none itself; links are not followed. */
typedef int each_entry(int parent, const char *name, void *context, bert_error *e);

static int walk(int parent, const char *name, int depth, each_entry *each, void *context,
                bert_error *e) {
    enum { DEEPEST = 64 };
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 || depth > DEEPEST ? NULL : fdopendir(fd);
    int rc = 0;
    if (fd >= 0 && !d) close(fd);
    for (struct dirent *f; d && !rc && (f = readdir(d));) {
        struct stat st;
        if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..") ||
            fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        rc = S_ISDIR(st.st_mode) ? walk(dirfd(d), f->d_name, depth + 1, each, context, e)
                                 : each(dirfd(d), f->d_name, context, e);
    }
    if (d) closedir(d);
    return rc;
}

/* The blob that a link of a snapshot leads to. */
static int note_blob(int parent, const char *name, void *context, bert_error *e) {
    char link[BERT_PATH];
    const ssize_t n = readlinkat(parent, name, link, sizeof link - 1);
    if (n <= 0) return 0;
    link[n] = 0;
    const char *slash = strrchr(link, '/');
    return bert_hub_is_etag(slash ? slash + 1 : link)
               ? add_text(context, slash ? slash + 1 : link, e)
               : 0;
}

static int remove_ref(int parent, const char *name, void *context, bert_error *e) {
    char text[BERT_HUB_COMMIT] = "";
    const int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n == BERT_HUB_COMMIT - 1 && !strcmp(text, context) && unlinkat(parent, name, 0))
        return bert_fail(e, BERT_EIO, "%s: cannot remove: %s", name, strerror(errno));
    return 0;
}

static int remove_part(const bert_hub_cached *c, const char *part, const char *end, int64_t *freed,
                       bert_error *e) {
    char path[BERT_PATH + 400];
    snprintf(path, sizeof path, "%s/%s/%s%s", c->repo, part, c->commit, end);
    return remove_tree(path, freed, e);
}

/* A blob that no other snapshot has; freed too is what it shares with nobody. */
static int remove_blob(const bert_hub_cached *c, const char *etag, int64_t *freed, bert_error *e) {
    char path[BERT_PATH + 400], hash[65];
    snprintf(path, sizeof path, "%s/blobs/%s", c->repo, etag);
    const bool shared = bert_shared_blob(path, hash);
    const int rc = remove_tree(path, freed, e);
    if (!rc && shared) *freed += bert_shared_sweep(c->cache, hash);
    return rc;
}

static int remove_snapshot(const bert_hub_cached *c, int64_t *freed, bert_error *e) {
    char snapshots[BERT_PATH + 300], refs[BERT_PATH + 300];
    texts own = {NULL, 0}, others = {NULL, 0};
    char commit[BERT_HUB_COMMIT];
    if (is_busy(c)) return bert_fail(e, BERT_EIO, "%s is being fetched by another process", c->id);
    snprintf(commit, sizeof commit, "%s", c->commit);
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", c->repo);
    snprintf(refs, sizeof refs, "%s/refs", c->repo);
    int rc = walk(AT_FDCWD, c->snapshot, 0, note_blob, &own, e);
    if (!rc) rc = walk(AT_FDCWD, refs, 0, remove_ref, commit, e);
    if (!rc) rc = remove_tree(c->snapshot, freed, e);
    if (!rc) rc = remove_part(c, "trees", ".json", freed, e);
    if (!rc) rc = remove_part(c, ".no_exist", "", freed, e);
    if (!rc) rc = walk(AT_FDCWD, snapshots, 0, note_blob, &others, e);
    for (int i = 0; i < own.n && !rc; i++)
        if (!has_text(&others, own.list[i])) rc = remove_blob(c, own.list[i], freed, e);
    free_texts(&own);
    free_texts(&others);
    return rc;
}

/* Whether the repository has a snapshot beside that one. */
static bool has_others(const bert_hub_cached *c) {
    char *snapshots = bert_path_join(c->repo, "snapshots");
    DIR *d = snapshots ? opendir(snapshots) : NULL;
    bool found = false;
    for (struct dirent *f; d && !found && (f = readdir(d));)
        found = f->d_name[0] != '.' && strcmp(f->d_name, c->commit) != 0;
    if (d) closedir(d);
    free(snapshots);
    return found;
}

static bool is_real_directory(const char *path) {
    struct stat st;
    return !lstat(path, &st) && S_ISDIR(st.st_mode);
}

/* One that lies directly below the store. */
static bool find_own(const char *name, char *path, size_t capacity) {
    const bert_place store = bert_own_store();
    return *store.path && *name && name[0] != '.' && !strchr(name, '/') &&
           snprintf(path, capacity, "%s/%s", store.path, name) < (int)capacity &&
           is_real_directory(path);
}

/* NAME@REVISION: the whole repository where it is the only one. */
static int remove_revision(const char *cache, const char *name, int64_t *freed, bert_error *e) {
    bert_hub_cached c;
    bert_hub_name n;
    int rc = bert_hub_name_of(name, NULL, &n, e);
    if (rc) return rc;
    if (!*cache || !bert_hub_cached_find(&c, cache, n.id, n.revision) || strcmp(c.id, n.id) ||
        !is_real_directory(c.repo) || !is_real_directory(c.snapshot))
        return bert_fail(e, BERT_ENOTFOUND,
                         "%s has no revision %s in the cache; 'bert list' says what is there", n.id,
                         n.revision);
    return has_others(&c) ? remove_snapshot(&c, freed, e) : remove_repository(&c, freed, e);
}

int bert_cached_remove(const char *name, int64_t *freed, bert_error *e) {
    BERT_DOOR(e);
    const bert_place cache = bert_hub_cache();
    bert_hub_cached c;
    char own[BERT_PATH + 300], near[BERT_HUB_ID];
    int64_t bytes = 0;
    int rc = bert_need(name, "name of a model", e);
    if (rc) return rc;
    if (strchr(name, '@')) {
        rc = remove_revision(cache.path, name, &bytes, e);
    } else if (*cache.path && bert_hub_is_id(name) &&
               !bert_hub_cached_at(&c, cache.path, name, "", e) && is_real_directory(c.repo)) {
        rc = remove_repository(&c, &bytes, e);
    } else if (find_own(name, own, sizeof own)) {
        rc = remove_tree(own, &bytes, e);
    } else if (bert_hub_nearest(name, near, sizeof near)) {
        rc = bert_fail(e, BERT_ENOTFOUND, "%s is not in the caches; did you mean %s?", name, near);
    } else {
        rc =
            bert_fail(e, BERT_ENOTFOUND, "%s is not in the caches; 'bert list' says what is", name);
    }
    if (!rc && freed) *freed = bytes;
    return rc;
}
