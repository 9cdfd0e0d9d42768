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

int bert_cached_remove(const char *name, int64_t *freed, bert_error *e) {
    BERT_DOOR(e);
    const bert_place cache = bert_hub_cache();
    bert_hub_cached c;
    char own[BERT_PATH + 300], near[BERT_HUB_ID];
    int64_t bytes = 0;
    int rc = bert_need(name, "name of a model", e);
    if (rc) return rc;
    if (strchr(name, '@'))
        return bert_fail(e, BERT_EINVAL,
                         "%s: all revisions of a model are removed; give its name alone", name);
    if (*cache.path && bert_hub_is_id(name) && !bert_hub_cached_at(&c, cache.path, name, "", e) &&
        is_real_directory(c.repo))
        rc = remove_repository(&c, &bytes, e);
    else if (find_own(name, own, sizeof own))
        rc = remove_tree(own, &bytes, e);
    else if (bert_hub_nearest(name, near, sizeof near))
        rc = bert_fail(e, BERT_ENOTFOUND, "%s is not in the caches; did you mean %s?", name, near);
    else
        rc =
            bert_fail(e, BERT_ENOTFOUND, "%s is not in the caches; 'bert list' says what is", name);
    if (!rc && freed) *freed = bytes;
    return rc;
}
