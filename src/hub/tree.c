/* trees/<commit>.json: what a commit holds, which never changes. */
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "hub/cache.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, LARGEST = 64 << 20 };

static char *path_of(const char *folder, const char *commit, bool directory) {
    const size_t n = strlen(folder) + 80;
    char *path = malloc(n);
    if (path && directory) snprintf(path, n, "%s/trees", folder);
    if (path && !directory) snprintf(path, n, "%s/trees/%s.json", folder, commit);
    return path;
}

static void copy(char *out, size_t capacity, const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    if (text && strlen(text) < capacity) snprintf(out, capacity, "%s", text);
}

static bool take(const char *path, const json_t *file, bert_hub_listing *l) {
    bert_hub_entry *entry;
    const json_t *size = json_object_get(file, "size");
    if (!json_is_integer(size) ||
        bert_hub_listing_add(l, path, json_integer_value(size), &entry, NULL))
        return false;
    if (!entry) return true;
    copy(entry->oid, sizeof entry->oid, file, "blob_id");
    copy(entry->etag, sizeof entry->etag, file, "lfs_sha256");
    copy(entry->xet, sizeof entry->xet, file, "xet_hash");
    if (!*entry->etag) memcpy(entry->etag, entry->oid, sizeof entry->oid);
    return bert_hub_is_etag(entry->etag); /* the cache may be others', too */
}

bool bert_hub_tree_read(const bert_hub_cached *c, bert_hub_listing *l) {
    char *path = path_of(c->repo, c->commit, false), *text = NULL;
    size_t bytes;
    json_t *json = NULL, *file;
    if (path && !bert_read_file(path, LARGEST, &text, &bytes, NULL))
        json = json_loadb(text, bytes, 0, NULL);
    free(path);
    free(text);
    const json_int_t version = json_integer_value(json_object_get(json, "format_version"));
    json_t *files = json_object_get(json, "files");
    bool known = version == VERSION && json_is_object(files);
    const char *name;
    json_object_foreach(files, name, file) {
        known = known && take(name, file, l);
    }
    json_decref(json);
    if (!known) bert_hub_listing_free(l);
    return known;
}

static json_t *entry_json(const bert_hub_entry *f) {
    json_t *o = json_pack("{s:I, s:s}", "size", (json_int_t)f->size, "blob_id", f->oid);
    const bool large = strcmp(f->etag, f->oid) != 0;
    if (large) json_object_set_new(o, "lfs_sha256", json_string(f->etag));
    if (large) json_object_set_new(o, "lfs_size", json_integer(f->size));
    if (*f->xet) json_object_set_new(o, "xet_hash", json_string(f->xet));
    return o;
}

int bert_hub_tree_write(const char *folder, const char *commit, const bert_hub_listing *l,
                        bert_error *e) {
    char *directory = path_of(folder, commit, true), *path = path_of(folder, commit, false);
    json_t *files = json_object();
    bool failed = !directory || !path || !files, known = true;
    for (int i = 0; i < l->n && !failed; i++) {
        known = known && l->list[i].size >= 0 && *l->list[i].oid;
        failed = json_object_set_new(files, l->list[i].path, entry_json(&l->list[i]));
    }
    json_t *json =
        failed ? NULL : json_pack("{s:i, s:O}", "format_version", VERSION, "files", files);
    int rc = json ? 0 : bert_fail_memory(e, 1);
    if (!rc && known && !(rc = bert_make_directory(directory, e)))
        rc = bert_json_save(json, path, e);
    json_decref(json);
    json_decref(files);
    free(directory);
    free(path);
    return rc;
}
