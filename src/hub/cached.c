/* What the caches hold: a row for each snapshot, and for each directory of our own store. */
#include "base/error.h"
#include "base/file.h"
#include "hub/hub.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct bert_cached {
    bert_cached_model *rows; /* their texts are its own */
    int n, capacity;
};

static int add_row(bert_cached *c, const bert_cached_model *m, bert_error *e) {
    if (c->n == c->capacity) {
        const int capacity = c->capacity ? 2 * c->capacity : 16;
        bert_cached_model *rows = realloc(c->rows, (size_t)capacity * sizeof *rows);
        if (!rows) return bert_fail_memory(e, (size_t)capacity * sizeof *rows);
        c->rows = rows;
        c->capacity = capacity;
    }
    bert_cached_model *to = &c->rows[c->n++];
    *to = *m;
    to->name = strdup(m->name);
    to->path = strdup(m->path);
    to->commit = strdup(m->commit);
    to->refs = strdup(m->refs);
    to->lacks = m->lacks ? strdup(m->lacks) : NULL;
    const bool whole = to->name && to->path && to->commit && to->refs && (to->lacks || !m->lacks);
    return whole ? 0 : bert_fail_memory(e, strlen(m->path));
}

void bert_cached_close(bert_cached *c) {
    for (int i = 0; c && i < c->n; i++) {
        const bert_cached_model *m = &c->rows[i];
        const char *const texts[] = {m->name, m->path, m->commit, m->refs, m->lacks};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) free((char *)(uintptr_t)texts[k]);
    }
    if (c) free(c->rows);
    free(c);
}

/* ---- Folders */

/* Calls each() for every entry that is a directory, links to one too. */
typedef int each_folder(const char *directory, const char *name, void *context, bert_error *e);

static int folders(const char *directory, each_folder *each, void *context, bert_error *e) {
    DIR *d = opendir(directory);
    int rc = 0;
    for (struct dirent *f; d && !rc && (f = readdir(d));) {
        struct stat st;
        if (f->d_name[0] == '.') continue;
        char *path = bert_path_join(directory, f->d_name);
        if (!path)
            rc = bert_fail_memory(e, strlen(directory));
        else if (!stat(path, &st) && S_ISDIR(st.st_mode))
            rc = each(directory, f->d_name, context, e);
        free(path);
    }
    if (d) closedir(d);
    return rc;
}

/* ---- The hub's cache */

typedef struct {
    const char *commit;
    char *list;
    size_t capacity;
} ref_search;

/* Adds to the list what of refs/<below> holds the commit. */
static void find_refs(const char *refs, const char *below, int depth, ref_search *s) {
    char *directory = *below ? bert_path_join(refs, below) : strdup(refs);
    DIR *d = directory && depth < 4 ? opendir(directory) : NULL;
    for (struct dirent *f; d && (f = readdir(d));) {
        struct stat st;
        char commit[BERT_HUB_COMMIT], *text = NULL;
        size_t bytes;
        if (f->d_name[0] == '.') continue;
        char *name = *below ? bert_path_join(below, f->d_name) : strdup(f->d_name);
        char *path = name ? bert_path_join(refs, name) : NULL;
        if (path && !lstat(path, &st) && S_ISDIR(st.st_mode)) find_refs(refs, name, depth + 1, s);
        if (path && S_ISREG(st.st_mode) && !bert_read_file(path, 200, &text, &bytes, NULL)) {
            snprintf(commit, sizeof commit, "%.*s", (int)strcspn(text, "\r\n \t"), text);
            const size_t n = strlen(s->list);
            if (!strcmp(commit, s->commit))
                snprintf(s->list + n, s->capacity - n, "%s%s", n ? ", " : "", name);
        }
        free(text);
        free(path);
        free(name);
    }
    if (d) closedir(d);
    free(directory);
}

/* Bytes of files that are there several times under one content count once. */
static void measure(const char *directory, const bert_hub_listing *l, bert_cached_model *m) {
    struct stat *seen = calloc((size_t)l->n + 1, sizeof *seen);
    int n = 0;
    for (int i = 0; seen && i < l->n; i++) {
        struct stat st;
        char *path = bert_path_join(directory, l->list[i].path);
        const bool there = path && !stat(path, &st);
        free(path);
        if (!there) continue;
        bool again = false;
        for (int k = 0; k < n; k++)
            again = again || (seen[k].st_ino == st.st_ino && seen[k].st_dev == st.st_dev);
        if (again) continue;
        seen[n++] = st;
        m->bytes += (int64_t)st.st_size;
        if ((int64_t)st.st_mtime > m->modified) m->modified = (int64_t)st.st_mtime;
    }
    m->files = n;
    free(seen);
}

static int add_snapshot(const char *snapshots, const char *commit, void *context, bert_error *e) {
    bert_cached *c = context;
    char repo[BERT_PATH + 256], missing[300], refs[BERT_PATH + 300], names[500] = "";
    const char *root = snapshots;
    if (!bert_hub_is_commit(commit)) return 0;
    snprintf(repo, sizeof repo, "%.*s", (int)(strlen(root) - strlen("/snapshots")), root);
    char id[BERT_HUB_ID], *folder = strrchr(repo, '/');
    bert_hub_cached at;
    bert_hub_listing l = {0};
    if (!folder || !bert_hub_unfold(folder + 1, id, sizeof id)) return 0;
    snprintf(refs, sizeof refs, "%s/refs", repo);
    *folder = 0;
    int rc = bert_hub_cached_at(&at, repo, id, commit, e);
    if (!rc) rc = bert_hub_snapshot_files(&at, &l, e);
    ref_search search = {commit, names, sizeof names};
    find_refs(refs, "", 0, &search);
    bert_cached_model m = {.name = id, .path = at.snapshot, .commit = commit, .refs = names};
    if (!rc && bert_hub_incomplete(&at, false, missing, sizeof missing)) m.lacks = missing;
    if (!rc) measure(at.snapshot, &l, &m);
    if (!rc) rc = add_row(c, &m, e);
    bert_hub_listing_free(&l);
    return rc;
}

static int add_repository(const char *cache, const char *name, void *context, bert_error *e) {
    char id[BERT_HUB_ID], snapshots[BERT_PATH + 300];
    if (!bert_hub_unfold(name, id, sizeof id)) return 0;
    if (snprintf(snapshots, sizeof snapshots, "%s/%s/snapshots", cache, name) >=
        (int)sizeof snapshots)
        return 0;
    return folders(snapshots, add_snapshot, context, e);
}

/* ---- Our own store */

static int add_own(const char *store, const char *name, void *context, bert_error *e) {
    char path[BERT_PATH + 300];
    bert_hub_listing l = {0};
    bert_hub_cached at = {.cache = ""};
    if (snprintf(path, sizeof path, "%s/%s", store, name) >= (int)sizeof path) return 0;
    /* as a snapshot whose cache is the store */
    snprintf(at.cache, sizeof at.cache, "%s", store);
    snprintf(at.snapshot, sizeof at.snapshot, "%s", path);
    int rc = bert_hub_snapshot_files(&at, &l, e);
    bert_cached_model m = {.name = name, .path = path, .commit = "", .refs = ""};
    if (!rc && l.n) {
        measure(path, &l, &m);
        if (!bert_hub_listing_find(&l, "config.json")) m.lacks = "config.json";
        rc = add_row(context, &m, e);
    }
    bert_hub_listing_free(&l);
    return rc;
}

static int by_name(const void *a, const void *b) {
    const bert_cached_model *x = a, *y = b;
    const int order = strcmp(x->name, y->name);
    return order ? order : x->modified < y->modified ? 1 : -(x->modified > y->modified);
}

bert_cached *bert_cached_open(bert_error *e) {
    BERT_DOOR(e);
    const bert_place cache = bert_hub_cache(), store = bert_own_store();
    bert_cached *c = calloc(1, sizeof *c);
    int rc = c ? 0 : bert_fail_memory(e, sizeof *c);
    if (!rc && *cache.path) rc = folders(cache.path, add_repository, c, e);
    if (!rc && *store.path) rc = folders(store.path, add_own, c, e);
    if (!rc) {
        if (c->n) qsort(c->rows, (size_t)c->n, sizeof *c->rows, by_name);
        return c;
    }
    bert_cached_close(c);
    return NULL;
}

int bert_cached_count(const bert_cached *c) {
    return c->n;
}

const bert_cached_model *bert_cached_at(const bert_cached *c, int i) {
    return i >= 0 && i < c->n ? &c->rows[i] : NULL;
}

/* ---- Names that are near */

typedef struct {
    const char *name;
    char *best;
    size_t capacity;
    int distance;
} search;

static void offer(search *s, const char *id) {
    const char *bare = strrchr(id, '/');
    const bool whole = strchr(s->name, '/') != NULL;
    if (!strcmp(s->name, id)) return; /* a folder with no model in it */
    const int d = bert_hub_distance(s->name, whole || !bare ? id : bare + 1, s->distance - 1);
    if (d >= s->distance) return;
    s->distance = d;
    snprintf(s->best, s->capacity, "%s", id);
}

static int offer_folder(const char *cache, const char *folder, void *context, bert_error *e) {
    char id[BERT_HUB_ID];
    (void)cache, (void)e;
    if (bert_hub_unfold(folder, id, sizeof id)) offer(context, id);
    return 0;
}

static int offer_own(const char *store, const char *name, void *context, bert_error *e) {
    (void)store, (void)e;
    offer(context, name);
    return 0;
}

bool bert_hub_nearest(const char *name, char *out, size_t capacity) {
    const bert_place cache = bert_hub_cache(), store = bert_own_store();
    const int n = (int)strlen(name), most = n < 6 ? 1 : n < 12 ? 2 : 3;
    search s = {.name = name, .best = out, .capacity = capacity, .distance = most + 1};
    if (*cache.path) folders(cache.path, offer_folder, &s, NULL);
    if (*store.path) folders(store.path, offer_own, &s, NULL);
    return s.distance <= most;
}
