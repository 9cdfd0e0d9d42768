/* Where a model's name leads: a directory, the hub's cache, our own store. */
#include "base/error.h"
#include "base/file.h"
#include "files/pretrained.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char path[4096];
} place;

static bool is_directory(const char *path) {
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool same_directory(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* "<value of variable><suffix>", or false where the variable is not set. */
static bool from_environment(place *p, const char *variable, const char *suffix) {
    const char *value = getenv(variable);
    if (!value || !*value) return false;
    snprintf(p->path, sizeof p->path, "%s%s", value, suffix);
    return true;
}

/* huggingface_hub's constants.py: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME. */
static place hub_cache(void) {
    place p = {""};
    if (!from_environment(&p, "HF_HUB_CACHE", "") &&
        !from_environment(&p, "HUGGINGFACE_HUB_CACHE", "") &&
        !from_environment(&p, "HF_HOME", "/hub") &&
        !from_environment(&p, "XDG_CACHE_HOME", "/huggingface/hub"))
        from_environment(&p, "HOME", "/.cache/huggingface/hub");
    return p;
}

static place own_store(void) {
    place p = {""};
    if (!from_environment(&p, "BERT_HOME", "/models") &&
        !from_environment(&p, "XDG_CACHE_HOME", "/bert/models"))
        from_environment(&p, "HOME", "/.cache/bert/models");
    return p;
}

static bool is_commit(const char *s) {
    return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

/* models--org--name/snapshots/<commit>, the commit read from refs/<revision> unless it is one. */
static bool in_hub_cache(const char *cache, const char *name, const char *revision, char *out,
                         size_t capacity) {
    char folder[1024], path[8192], commit[64] = "";
    size_t n = 0;
    for (const char *s = name; *s && n + 3 < sizeof folder; s++) {
        if (*s == '/')
            folder[n++] = '-', folder[n++] = '-';
        else
            folder[n++] = *s;
    }
    folder[n] = 0;
    if (is_commit(revision))
        snprintf(commit, sizeof commit, "%s", revision);
    else {
        snprintf(path, sizeof path, "%s/models--%s/refs/%s", cache, folder, revision);
        char *text;
        size_t size;
        if (bert_read_file(path, 200, &text, &size, NULL)) return false;
        snprintf(commit, sizeof commit, "%.*s", (int)strcspn(text, "\r\n \t"), text);
        free(text);
        if (!is_commit(commit)) return false;
    }
    return snprintf(out, capacity, "%s/models--%s/snapshots/%s", cache, folder, commit) <
               (int)capacity &&
           is_directory(out);
}

/* A name without its revision, or false where it can be no model's. */
static bool split_revision(const char *name, char *id, size_t capacity, const char **revision) {
    const char *at = strrchr(name, '@');
    const size_t n = at ? (size_t)(at - name) : strlen(name);
    *revision = at ? at + 1 : NULL;
    if (!n || n >= capacity || strstr(name, "..") || name[0] == '/' || name[0] == '.') return false;
    memcpy(id, name, n);
    id[n] = 0;
    return true;
}

/* In the hub's cache, or in our own store. */
static bool find_stored(const char *id, const char *revision, char *directory, size_t capacity) {
    const place cache = hub_cache(), store = own_store();
    /* Names without an organisation were moved below one; the cache may know either. */
    static const char *const organisations[] = {"", "google-bert/", "sentence-transformers/"};
    char full[600];
    for (int i = 0; i < 3 && *cache.path && (!i || !strchr(id, '/')); i++) {
        snprintf(full, sizeof full, "%s%s", organisations[i], id);
        if (in_hub_cache(cache.path, full, revision ? revision : "main", directory, capacity))
            return true;
    }
    return *store.path && !revision &&
           snprintf(directory, capacity, "%s/%s", store.path, id) < (int)capacity &&
           is_directory(directory);
}

int bert_resolve(const char *name, char *directory, size_t capacity, bert_error *e) {
    BERT_DOOR(e);
    char id[512];
    const char *revision;
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
    if (!split_revision(name, id, sizeof id, &revision))
        return bert_fail(e, BERT_ENOTFOUND, "%s: no such directory", name);
    if (find_stored(id, revision, directory, capacity)) return 0;
    const place cache = hub_cache(), store = own_store();
    return bert_fail(e, BERT_ENOTFOUND,
                     "model %s: not a directory, and neither in the hub's cache (%s) nor in %s; "
                     "give the directory that holds its "
                     "config.json",
                     name, *cache.path ? cache.path : "not set",
                     *store.path ? store.path : "(not set)");
}

bool bert_resolve_hidden(const char *name, char *directory, size_t capacity) {
    char id[512];
    const char *revision;
    return is_directory(name) && name[strlen(name) - 1] != '/' &&
           split_revision(name, id, sizeof id, &revision) &&
           find_stored(id, revision, directory, capacity) && !same_directory(name, directory);
}
