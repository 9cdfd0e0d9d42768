#include "hub/place.h"
#include "base/error.h"
#include "base/file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* What huggingface_hub notes beside the files of a directory of the user's. */
#define NOTES ".cache/huggingface"

static char *join3(const char *a, const char *b, const char *c) {
    const size_t n = strlen(a) + strlen(b) + strlen(c) + 3;
    char *out = malloc(n);
    if (out) snprintf(out, n, "%s/%s/%s", a, b, c);
    return out;
}

/* ---- Directories */

/* Makes `path` below `root`, folder by folder; one that is a link would lead elsewhere. */
static int make_below(const char *root, const char *path, bert_error *e) {
    char *full = bert_path_join(root, path);
    int rc = full ? 0 : bert_fail_memory(e, strlen(root));
    for (char *at = full ? full + strlen(root) + 1 : NULL; at && !rc;) {
        struct stat st;
        char *slash = strchr(at, '/');
        if (slash) *slash = 0;
        if (mkdir(full, 0777) && errno != EEXIST)
            rc = bert_fail(
                e, BERT_EIO, "%s: cannot make the directory: %s%s", full, strerror(errno),
                errno == EROFS || errno == EACCES ? "; HF_HUB_CACHE puts models elsewhere" : "");
        else if (lstat(full, &st) || !S_ISDIR(st.st_mode))
            rc = bert_fail(e, BERT_EIO, "%s: is a link or a file where a directory belongs", full);
        if (slash) *slash = '/';
        at = slash ? slash + 1 : NULL;
    }
    free(full);
    return rc;
}

static int make_parent(const char *root, const char *path, bert_error *e) {
    char *copy = strdup(path), *slash = copy ? strrchr(copy, '/') : NULL;
    int rc = copy ? 0 : bert_fail_memory(e, strlen(path));
    if (slash) {
        *slash = 0;
        rc = make_below(root, copy, e);
    }
    free(copy);
    return rc;
}

/* So that programs that make backups leave it out. A cache that is there already keeps its own. */
static void tag(const char *directory) {
    static const char text[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                               "# This file is a cache directory tag created by bert.\n"
                               "# For information about cache directory tags, see:\n"
                               "#\thttps://bford.info/cachedir/\n";
    char *path = bert_path_join(directory, "CACHEDIR.TAG");
    if (path && access(path, F_OK)) bert_write_file(path, text, sizeof text - 1, NULL);
    free(path);
}

static const char *folder_of(const bert_hub_cached *c) {
    return strrchr(c->repo, '/') + 1;
}

/* Of the cache itself; who may not write there is told of another place. */
static int make_place(const char *directory, bert_error *e) {
    bert_error why = {0};
    const int rc = bert_make_directory(directory, &why);
    if (!rc) return 0;
    const bool refused =
        strstr(why.message, strerror(EACCES)) || strstr(why.message, strerror(EROFS));
    return bert_fail(e, rc, "%s%s", why.message,
                     refused ? "; HF_HUB_CACHE puts models elsewhere" : "");
}

static int prepare_cache(const bert_hub_cached *c, const char *commit, bert_error *e) {
    char part[300];
    int rc = make_place(c->cache, e);
    if (!rc) rc = make_place(c->repo, e); /* which may be a link to another disk */
    if (!rc) rc = make_below(c->repo, "blobs", e);
    snprintf(part, sizeof part, "snapshots/%s", commit);
    if (!rc) rc = make_below(c->repo, part, e);
    snprintf(part, sizeof part, ".locks/%s", folder_of(c));
    if (!rc) rc = make_below(c->cache, part, e);
    if (!rc) tag(c->cache);
    return rc;
}

static int prepare_local(const char *directory, bert_error *e) {
    int rc = bert_make_directory(directory, e);
    if (!rc) rc = make_below(directory, NOTES "/download", e);
    char *notes = rc ? NULL : bert_path_join(directory, NOTES);
    char *ignore = notes ? bert_path_join(notes, ".gitignore") : NULL;
    if (ignore && access(ignore, F_OK)) bert_write_file(ignore, "*", 1, NULL);
    if (notes) tag(notes);
    free(ignore);
    free(notes);
    return rc;
}

int bert_hub_target_prepare(const bert_hub_target *t, const char *commit, bert_error *e) {
    return t->local ? prepare_local(t->local, e) : prepare_cache(t->cached, commit, e);
}

/* ---- Paths */

int bert_hub_paths_of(const bert_hub_target *t, const bert_hub_entry *f, bert_hub_paths *p,
                      bert_error *e) {
    const bert_hub_cached *c = t->cached;
    char name[BERT_HUB_ETAG + 32];
    *p = (bert_hub_paths){0};
    /* a name of our own: others' partial files go with the process that writes them */
    snprintf(name, sizeof name, "%s.bert.incomplete", f->etag);
    p->partial =
        t->local ? join3(t->local, NOTES "/download", name) : join3(c->repo, "blobs", name);
    p->final = t->local ? bert_path_join(t->local, f->path) : join3(c->repo, "blobs", f->etag);
    snprintf(name, sizeof name, "%s.lock", f->etag);
    char *locks =
        t->local ? join3(t->local, NOTES, "download") : join3(c->cache, ".locks", folder_of(c));
    p->lock = locks ? bert_path_join(locks, name) : NULL;
    free(locks);
    int rc = p->partial && p->final && p->lock ? 0 : bert_fail_memory(e, strlen(f->path));
    if (!rc && t->local) rc = make_parent(t->local, f->path, e);
    if (rc) bert_hub_paths_free(p);
    return rc;
}

void bert_hub_paths_free(bert_hub_paths *p) {
    free(p->final);
    free(p->partial);
    free(p->lock);
    *p = (bert_hub_paths){0};
}

/* ---- Files */

bool bert_hub_target_has(const bert_hub_target *t, const bert_hub_entry *f) {
    struct stat st;
    char *path = bert_path_join(t->local ? t->local : t->cached->snapshot, f->path);
    bool there = path && !stat(path, &st) && S_ISREG(st.st_mode) &&
                 (f->size < 0 || (int64_t)st.st_size == f->size);
    if (there && !t->local)
        there = bert_hub_inside(t->cached->cache, path + strlen(t->cached->cache) + 1, NULL) > 0;
    free(path);
    return there;
}

/* "../../blobs/<etag>", one ../ more for each folder. */
static char *target_of(const bert_hub_entry *f) {
    size_t depth = 2;
    for (const char *p = f->path; *p; p++) depth += *p == '/';
    char *out = malloc(3 * depth + strlen(f->etag) + 8), *to = out;
    if (!out) return NULL;
    for (; depth; depth--) to += sprintf(to, "../");
    sprintf(to, "blobs/%s", f->etag);
    return out;
}

/* A file system without links: the file itself. */
static int move(const bert_hub_cached *c, const bert_hub_entry *f, const char *path,
                bert_error *e) {
    char *blob = join3(c->repo, "blobs", f->etag);
    int rc = blob ? 0 : bert_fail_memory(e, strlen(path));
    if (!rc && rename(blob, path))
        rc = bert_fail(e, BERT_EIO, "%s: cannot be put in its place: %s", path, strerror(errno));
    free(blob);
    return rc;
}

static int link_blob(const bert_hub_cached *c, const bert_hub_entry *f, bert_error *e) {
    char below[BERT_PATH], *path = bert_path_join(c->snapshot, f->path), *target = target_of(f);
    char *temporary = path ? malloc(strlen(path) + 32) : NULL;
    int rc = target && temporary ? 0 : bert_fail_memory(e, strlen(f->path));
    snprintf(below, sizeof below, "snapshots/%s/%s", c->commit, f->path);
    if (!rc) rc = make_parent(c->repo, below, e);
    if (!rc) {
        sprintf(temporary, "%s.%ld.link", path, (long)getpid());
        unlink(temporary);
        const bool links =
            !bert_hub_switch("HF_HUB_DISABLE_SYMLINKS") && !symlink(target, temporary);
        if (!links)
            rc = move(c, f, path, e);
        else if (rename(temporary, path))
            rc = bert_fail(e, BERT_EIO, "%s: cannot link: %s", path, strerror(errno));
    }
    free(temporary);
    free(target);
    free(path);
    return rc;
}

/* COMMIT, etag and when, as huggingface_hub reads them. */
static int note_local(const bert_hub_target *t, const bert_hub_entry *f, bert_error *e) {
    char text[400], part[1200];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const int n = snprintf(text, sizeof text, "%s\n%s\n%lld.%06ld\n", t->cached->commit, f->etag,
                           (long long)now.tv_sec, now.tv_nsec / 1000);
    snprintf(part, sizeof part, NOTES "/download/%s.metadata", f->path);
    char *path = bert_path_join(t->local, part);
    int rc = path ? make_parent(t->local, part, e) : bert_fail_memory(e, strlen(part));
    if (!rc) rc = bert_write_file(path, text, (size_t)n, e);
    free(path);
    return rc;
}

int bert_hub_target_show(const bert_hub_target *t, const bert_hub_entry *f, bert_error *e) {
    return t->local ? note_local(t, f, e) : link_blob(t->cached, f, e);
}

int bert_hub_write_ref(const bert_hub_cached *c, const char *revision, bert_error *e) {
    char below[BERT_HUB_ID + 16], *text = NULL;
    size_t bytes;
    if (bert_hub_is_commit(revision)) return 0;
    snprintf(below, sizeof below, "refs/%s", revision);
    char *path = bert_path_join(c->repo, below);
    int rc = path ? make_parent(c->repo, below, e) : bert_fail_memory(e, strlen(below));
    const bool is_so =
        path && !bert_read_file(path, 200, &text, &bytes, NULL) && !strcmp(text, c->commit);
    if (!rc && !is_so) rc = bert_write_file(path, c->commit, strlen(c->commit), e);
    free(text);
    free(path);
    return rc;
}

int64_t bert_hub_target_room(const bert_hub_target *t) {
    struct statvfs fs;
    if (statvfs(t->local ? t->local : t->cached->repo, &fs)) return -1;
    return (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
}
