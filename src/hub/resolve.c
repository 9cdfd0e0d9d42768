/* Where a model's name leads: a directory, the hub's cache, our own store. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "files/pretrained.h"
#include "hub/hub.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static int not_there(const char *name, bert_error *e) {
    const bert_place cache = bert_hub_cache(), store = bert_own_store();
    bert_hub_name n;
    char near[BERT_HUB_ID], mean[BERT_HUB_ID + 32] = "";
    if (!bert_hub_parse(name, &n))
        return bert_fail(e, BERT_ENOTFOUND, "%s: no such directory", name);
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

void bert_hub_explain(const char *directory, bert_error *e) {
    bert_hub_cached c;
    char missing[300], told[sizeof e->message];
    if (!e || e->code != BERT_ENOTFOUND || !is_snapshot(directory, &c) ||
        !bert_hub_incomplete(&c, false, missing, sizeof missing))
        return;
    snprintf(told, sizeof told, "%.180s", e->message);
    bert_error_clear(e);
    bert_fail(
        e, BERT_ENOTFOUND,
        "the download of %s is incomplete, %s is missing: 'bert pull %s' fetches the rest (%s)",
        c.id, missing, c.id, told);
}
