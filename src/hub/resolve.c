/* Where a model's name leads: a directory, the hub's cache, our own store. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "files/pretrained.h"
#include "hub/blob.h"
#include "hub/hub.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_directory(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool in_hub_cache(const char *name, bert_hub_cached *c) {
    const bert_place cache = bert_hub_cache();
    bert_hub_name n;
    return *cache.path && bert_hub_parse(name, &n) &&
           bert_hub_cached_find(c, cache.path, n.id, n.revision);
}

/* Our own store's directories are called as one likes, but lead nowhere else. */
static bool in_own_store(const char *name, char *directory, size_t capacity) {
    const bert_place store = bert_own_store();
    if (!*store.path || strchr(name, '@') || strstr(name, "..") || strchr("/.", name[0]))
        return false;
    return snprintf(directory, capacity, "%s/%s", store.path, name) < (int)capacity &&
           bert_directory_exists(directory);
}

static bool find_stored(const char *name, char *directory, size_t capacity) {
    bert_hub_cached c;
    if (!*name) return false;
    if (in_hub_cache(name, &c))
        return snprintf(directory, capacity, "%s", c.snapshot) < (int)capacity;
    return in_own_store(name, directory, capacity);
}

/* A file's name, which is asked of no hub. */
static int no_file(const char *name, bert_error *e) {
    char bare[BERT_PATH];
    const size_t n = strcspn(name, "@");
    snprintf(bare, sizeof bare, "%.*s", (int)(n < sizeof bare ? n : sizeof bare - 1), name);
    if (name[n] && bert_file_exists(bare))
        return bert_fail(e, BERT_EINVAL, "%s: %s is a file, which has no revisions; give it alone",
                         name, bare);
    return bert_fail(e, BERT_ENOTFOUND, "%s: no such file", bare);
}

static int no_directory(const char *name, bert_error *e) {
    char bare[BERT_HUB_ID];
    bert_hub_name n;
    const size_t end = strlen(name) - 1;
    snprintf(bare, sizeof bare, "%.*s", (int)(end < sizeof bare ? end : sizeof bare - 1), name);
    if (strstr(name, "://")) return bert_hub_name_of(name, NULL, &n, e);
    if (name[end] == '/' && bert_hub_parse(bare, &n))
        return bert_fail(e, BERT_ENOTFOUND,
                         "%s: no such directory; the name of a model has no / at its end: %s", name,
                         bare);
    return bert_fail(e, BERT_ENOTFOUND, "%s: no such directory", name);
}

static int not_there(const char *name, bert_error *e) {
    const bert_place cache = bert_hub_cache(), store = bert_own_store();
    bert_hub_name n;
    char near[BERT_HUB_ID], mean[BERT_HUB_ID + 32] = "";
    if (bert_hub_is_file(name)) return no_file(name, e);
    if (!bert_hub_parse(name, &n)) return no_directory(name, e);
    if (bert_hub_nearest(name, near, sizeof near))
        snprintf(mean, sizeof mean, "did you mean %s? ", near);
    return bert_fail(e, BERT_ENOTFOUND,
                     "model %s: not a directory, and neither in the hub's cache (%s) nor in %s; "
                     "%s'bert pull %s' fetches one of the hub's; of others give the directory that "
                     "holds config.json",
                     name, *cache.path ? cache.path : "not set",
                     *store.path ? store.path : "(not set)", mean, name);
}

int bert_resolve(const char *name, char *directory, size_t capacity, bert_error *e) {
    BERT_DOOR(e);
    bert_hub_cached c;
    if (!*name) return bert_fail(e, BERT_EINVAL, "the name of a model is empty");
    if (bert_pretrained_recognises(name)) {
        if (strlen(name) >= capacity)
            return bert_fail(e, BERT_EINVAL, "%.100s...: the path is too long", name);
        memcpy(directory, name, strlen(name) + 1);
        return 0;
    }
    if (bert_file_exists(name))
        return bert_fail(e, BERT_EINVAL,
                         "%s: is a file; a model is the directory that holds config.json", name);
    if (in_hub_cache(name, &c)) {
        if (strlen(c.snapshot) >= capacity)
            return bert_fail(e, BERT_EINVAL, "%.100s...: the path is too long", c.snapshot);
        memcpy(directory, c.snapshot, strlen(c.snapshot) + 1);
        return bert_hub_check_links(&c, e);
    }
    return in_own_store(name, directory, capacity) ? 0 : not_there(name, e);
}

bool bert_resolve_hidden(const char *name, char *directory, size_t capacity) {
    return bert_directory_exists(name) && name[strlen(name) - 1] != '/' &&
           strchr("/.", name[0]) == NULL && find_stored(name, directory, capacity) &&
           !same_directory(name, directory);
}

/* ---- What a snapshot that cannot be opened lacks */

/* .../models--org--name/snapshots/<commit>, taken apart. */
static bool is_snapshot(const char *directory, bert_hub_cached *c) {
    char copy[BERT_PATH + 512], id[BERT_HUB_ID];
    if (snprintf(copy, sizeof copy, "%s", directory) >= (int)sizeof copy) return false;
    const char *commit = strrchr(copy, '/');
    if (!commit || !bert_hub_is_commit(commit + 1)) return false;
    copy[commit - copy] = 0;
    char *snapshots = strrchr(copy, '/');
    if (!snapshots || strcmp(snapshots, "/snapshots")) return false;
    *snapshots = 0;
    char *folder = strrchr(copy, '/');
    if (!folder || !bert_hub_unfold(folder + 1, id, sizeof id)) return false;
    *folder = 0;
    return !bert_hub_cached_at(c, copy, id, commit + 1, NULL);
}

bool bert_hub_is_snapshot(const char *directory) {
    bert_hub_cached c;
    return is_snapshot(directory, &c);
}

/* What to type to have it whole: the name, and the commit where main is another one. */
static void typed_name(const bert_hub_cached *c, char *out, size_t capacity) {
    bert_hub_cached now;
    const bool is_main = bert_hub_cached_find(&now, c->cache, c->id, "main") &&
                         !strcmp(now.commit, c->commit) && !strcmp(now.id, c->id);
    snprintf(out, capacity, "%s%s%s", c->id, is_main ? "" : "@", is_main ? "" : c->commit);
}

/* Whether what a link of the snapshot leads to is what its blob's name says. */
static bool is_intact(const char *path, int64_t size) {
    char link[BERT_PATH];
    const ssize_t n = readlink(path, link, sizeof link - 1);
    bert_hub_entry named = {.size = size};
    if (n <= 0) return true;
    link[n] = 0;
    const char *slash = strrchr(link, '/');
    snprintf(named.etag, sizeof named.etag, "%.*s", BERT_HUB_ETAG - 1, slash ? slash + 1 : link);
    return bert_hub_blob_is(path, &named);
}

/* A file of the snapshot that is not as long as the commit's list says, into `bad`: *kept false; or one
 * that the error is of, whose content is not what its name says: *kept true, for as it is as long as it
 * should be, nothing will fetch it again. */
static bool find_damage(const bert_hub_cached *c, const bert_error *e, char *bad, size_t capacity,
                        bool *kept) {
    bert_hub_listing l = {0}, tree = {0};
    bool found = false;
    bert_hub_tree_read(c, &tree);
    if (bert_hub_snapshot_files(c, &l, NULL)) l.n = 0;
    for (int i = 0; i < l.n && !found; i++) {
        const bert_hub_entry *f = &l.list[i], *is = bert_hub_listing_find(&tree, f->path);
        char *path = bert_path_join(c->snapshot, f->path);
        *kept = !is || is->size < 0 || is->size == f->size;
        found = !*kept || (path && strstr(e->message, path) && !is_intact(path, f->size));
        if (found) snprintf(bad, capacity, "%s", f->path);
        free(path);
    }
    bert_hub_listing_free(&l);
    bert_hub_listing_free(&tree);
    return found;
}

void bert_hub_explain(const char *directory, bert_error *e) {
    bert_hub_cached c;
    char bad[300], told[sizeof e->message], typed[BERT_HUB_ID + BERT_HUB_COMMIT + 1];
    if (!e || !is_snapshot(directory, &c)) return;
    bool kept = false;
    const bool lacks = e->code == BERT_ENOTFOUND && bert_hub_incomplete(&c, false, bad, sizeof bad);
    if (!lacks && (e->code != BERT_EFORMAT || !find_damage(&c, e, bad, sizeof bad, &kept))) return;
    typed_name(&c, typed, sizeof typed);
    snprintf(told, sizeof told, "%.180s", e->message);
    bert_error_clear(e);
    if (lacks)
        bert_fail(
            e, BERT_ENOTFOUND,
            "the download of %s is incomplete, %s is missing: 'bert pull %s' fetches the rest "
            "(%s)",
            c.id, bad, typed, told);
    else
        bert_fail(e, BERT_EFORMAT,
                  "%s of %s is damaged in the cache: %s%s%s'bert pull %s' fetches it again (%s)",
                  bad, c.id, kept ? "after 'bert remove " : "", kept ? typed : "", kept ? "' " : "",
                  typed, told);
}
