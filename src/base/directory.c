#include "base/directory.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool bert_directory_exists(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int fail_errno(bert_error *e, const char *what, const char *path) {
    return bert_fail(e, BERT_EIO, "%s: cannot %s: %s", path, what, strerror(errno));
}

static int sync_directory(const char *path, bert_error *e) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = BERT_OK;
    /* Some file systems cannot sync a directory (EINVAL). */
    if (fd < 0 || (fsync(fd) && errno != EINVAL)) rc = fail_errno(e, "sync the directory", path);
    if (fd >= 0) close(fd);
    return rc;
}

static int sync_parent(const char *path, bert_error *e) {
    char *parent = strdup(path), *slash = parent ? strrchr(parent, '/') : NULL;
    if (!parent) return bert_fail_memory(e, strlen(path));
    if (slash) slash[slash == parent] = 0;
    int rc = sync_directory(slash ? parent : ".", e);
    free(parent);
    return rc;
}

char *bert_directory_aside(const char *path, const char *what) {
    const char *slash = strrchr(path, '/');
    int head = slash ? (int)(slash - path) + 1 : 0;
    char *name;
    if (asprintf(&name, "%.*s.%s-%s", head, path, what, path + head) < 0) return NULL;
    return name;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st, (void)type, (void)where;
    return remove(path);
}

static int remove_tree(const char *path, bert_error *e) {
    if (!nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) || errno == ENOENT) return BERT_OK;
    return fail_errno(e, "remove the directory", path);
}

int bert_directory_remove(const char *path, bert_error *e) {
    char *aside = bert_directory_aside(path, "old");
    if (!aside) return bert_fail_memory(e, strlen(path));
    int rc = remove_tree(aside, e);
    if (!rc && rename(path, aside) && errno != ENOENT) rc = fail_errno(e, "rename", path);
    if (!rc) rc = remove_tree(aside, e);
    free(aside);
    return rc;
}

int bert_directory_commit(const char *from, const char *to, bert_error *e) {
    int rc = sync_directory(from, e);
    if (rc) return rc;
    if (rename(from, to)) {
        if (errno != ENOTEMPTY && errno != EEXIST) return fail_errno(e, "rename to", to);
        /* Exchanging leaves a complete directory under the name at every moment. */
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE)) {
            rc = bert_directory_remove(to, e);
            if (!rc && rename(from, to)) rc = fail_errno(e, "rename to", to);
        } else {
            rc = remove_tree(from, e);
        }
    }
    return rc ? rc : sync_parent(to, e);
}

int bert_directory_lock(const char *path, int *lock, bert_error *e) {
    *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0 || !flock(*lock, LOCK_EX | LOCK_NB)) return BERT_OK;
    const bool taken = errno == EWOULDBLOCK;
    close(*lock);
    *lock = -1;
    if (!taken) return BERT_OK;
    return bert_fail(e, BERT_EINVAL, "%s: another training is writing into it", path);
}

/* The last name in path[0, *n), and *n where it starts. */
static const char *last_name(const char *path, size_t *n, size_t *length) {
    size_t end = *n;
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start && path[start - 1] != '/') start--;
    *n = start;
    *length = end - start;
    return path + start;
}

static bool is_name(const char *name, size_t length, const char *wanted) {
    return length == strlen(wanted) && !memcmp(name, wanted, length);
}

char *bert_directory_name(const char *path) {
    static const char hub[] = "models--";
    size_t n = strlen(path), length, length_above, length_hub;
    const char *name = last_name(path, &n, &length);
    if (is_name(name, length, ".") || is_name(name, length, "..")) {
        char *real = realpath(path, NULL);
        char *found = real && *real && real[1] ? bert_directory_name(real) : strdup(path);
        free(real);
        return found;
    }
    const char *above = last_name(path, &n, &length_above);
    const char *repository = last_name(path, &n, &length_hub);
    const size_t skip = sizeof hub - 1;
    if (!is_name(above, length_above, "snapshots") || length_hub <= skip ||
        memcmp(repository, hub, skip))
        return strndup(name, length);
    char *found = strndup(repository + skip, length_hub - skip);
    char *dashes = found ? strstr(found, "--") : NULL;
    if (dashes) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    return found;
}
