/* bert_push(): the files of a model's directory, with their digests, to the module that uploads. */
#include "base/error.h"
#include "base/file.h"
#include "base/module.h"
#include "hub/blob.h"
#include "hub/environment.h"
#include "hub/names.h"
#include <bert_hub.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
    char path[1024], sha256[BERT_DIGEST_HEX], oid[BERT_DIGEST_HEX], *file;
    int64_t size;
} source;

typedef struct {
    bert_push_options o;
    const char *directory;
    source *list;
    int n;
    bert_push_progress shown;
} push;

bert_push_options bert_push_default(void) {
    return (bert_push_options){.is_private = true};
}

static int tell(void *context, const char *path, int64_t bytes, bert_error *e) {
    push *p = context;
    if (path) p->shown.file = path;
    p->shown.bytes = bytes;
    return p->o.progress && p->o.progress(p->o.context, &p->shown)
               ? bert_fail(e, BERT_EINTERRUPTED, "interrupted; what has gone is not sent again")
               : 0;
}

static int idle(void *context, const char *why, bert_error *e) {
    push *p = context;
    p->shown.waiting = why;
    const int rc = tell(p, NULL, p->shown.bytes, e);
    p->shown.waiting = NULL;
    return rc;
}

static int visibility(void *context, const char *id, bool *is_private, bert_error *e) {
    const push *p = context;
    const int rc = p->o.visibility(p->o.context, id, is_private, e);
    return rc && !e->code ? bert_fail(e, rc, "%s was not made", id) : rc;
}

/* ---- Files */

/* What is of the training, of other programs, or not whole. */
static bool is_left_out(const char *name, bool directory) {
    static const char *const ends[] = {".incomplete", ".lock", ".metadata"};
    if (name[0] == '.' || strstr(name, ".tmp.")) return true;
    if (directory) return !strncmp(name, "checkpoint-", 11) || !strcmp(name, "runs");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (bert_file_has_suffix(name, ends[i])) return true;
    return false;
}

static int add_file(push *p, const char *path, int64_t size, bert_error *e) {
    source *list = realloc(p->list, ((size_t)p->n + 1) * sizeof *list);
    if (!list) return bert_fail_memory(e, ((size_t)p->n + 1) * sizeof *list);
    p->list = list;
    source *s = &list[p->n++];
    *s = (source){.size = size, .file = bert_path_join(p->directory, path)};
    if (!s->file) return bert_fail_memory(e, strlen(path));
    if (snprintf(s->path, sizeof s->path, "%s", path) >= (int)sizeof s->path)
        return bert_fail(e, BERT_EINVAL, "%s: the path is too long", path);
    return 0;
}

static int find_files(push *p, const char *folder, int depth, bert_error *e) {
    enum { DEEPEST = 8 };
    char *at = *folder ? bert_path_join(p->directory, folder) : strdup(p->directory);
    DIR *d = at ? opendir(at) : NULL;
    int rc = at ? 0 : bert_fail_memory(e, strlen(folder));
    for (struct dirent *f; d && !rc && (f = readdir(d));) {
        struct stat st;
        char *path = *folder ? bert_path_join(folder, f->d_name) : strdup(f->d_name);
        char *full = path ? bert_path_join(p->directory, path) : NULL;
        if (!full)
            rc = bert_fail_memory(e, strlen(folder));
        else if (!stat(full, &st) && !is_left_out(f->d_name, S_ISDIR(st.st_mode))) {
            if (S_ISREG(st.st_mode)) rc = add_file(p, path, (int64_t)st.st_size, e);
            if (S_ISDIR(st.st_mode) && depth < DEEPEST) rc = find_files(p, path, depth + 1, e);
        }
        free(full);
        free(path);
    }
    if (d) closedir(d);
    free(at);
    return rc;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const source *)a)->path, ((const source *)b)->path);
}

static int digest_files(push *p, bert_error *e) {
    int rc = 0;
    for (int i = 0; i < p->n && !rc; i++) {
        source *s = &p->list[i];
        if (!bert_hub_digests(s->file, s->size, s->sha256, s->oid))
            rc = bert_fail(e, BERT_EIO, "%s: cannot be read, or changes meanwhile", s->file);
        if (!rc) rc = tell(p, s->path, 0, e);
    }
    return rc;
}

/* ---- The module */

static int send(push *p, const char *endpoint, const char *token, const bert_hub_push *what,
                bert_hub_pushed *done, bert_error *e) {
    const bert_hub_module *m = bert_module("hub", e);
    bert_hub_site site = bert_hub_site_at(endpoint, token);
    site.idle = idle;
    site.context = p;
    if (!m) return e->code;
    if (!m->push) return bert_fail(e, BERT_EUNSUPPORTED, "%s takes no uploads", m->name);
    void *hub = m->open(&site, e);
    const int rc = hub ? m->push(hub, what, done, e) : e->code;
    if (hub) m->close(hub);
    return rc;
}

static int push_files(push *p, const bert_hub_name *name, const char *token, bert_pushed *out,
                      bert_error *e) {
    char endpoint[BERT_PATH];
    bert_hub_pushed done = {{0}, {0}, 0};
    bert_hub_upload *files = calloc((size_t)p->n + 1, sizeof *files);
    int rc = files ? bert_hub_endpoint(p->o.endpoint, endpoint, sizeof endpoint, e)
                   : bert_fail_memory(e, sizeof *files);
    for (int i = 0; files && i < p->n; i++) {
        const source *s = &p->list[i];
        files[i] = (bert_hub_upload){s->path, s->file, s->size, s->sha256, s->oid};
        out->bytes += s->size;
    }
    const bert_hub_push what = {
        .id = name->id,
        .revision = name->revision,
        .message = p->o.message ? p->o.message : "Upload with bert",
        .is_private = p->o.is_private,
        .files = files,
        .n = p->n,
        .progress = tell,
        .context = p,
        .visibility = p->o.visibility ? visibility : NULL,
    };
    p->shown.total = out->bytes;
    if (!rc) rc = send(p, endpoint, token, &what, &done, e);
    if (!rc) {
        snprintf(out->url, sizeof out->url, "%s", done.url);
        snprintf(out->commit, sizeof out->commit, "%s", done.commit);
        out->files = p->n;
        out->uploaded = done.uploaded;
    }
    free(files);
    return rc;
}

static int check_directory(const push *p, bert_error *e) {
    char *config = bert_path_join(p->directory, "config.json");
    char *modules = bert_path_join(p->directory, "modules.json");
    int rc = config && modules ? 0 : bert_fail_memory(e, strlen(p->directory));
    if (!rc && !bert_file_exists(config) && !bert_file_exists(modules))
        rc = bert_fail(e, BERT_ENOTFOUND, "%s holds no config.json: it is no model's directory",
                       p->directory);
    free(config);
    free(modules);
    return rc;
}

/* directory NULL: of no files. */
static int push_to(push *p, const char *name, bert_pushed *out, bert_error *e) {
    bert_hub_name to;
    char *token = NULL;
    int rc = bert_need(name, "name of a model", e);
    *out = (bert_pushed){.files = 0};
    p->shown.file = "";
    if (!rc) rc = bert_hub_name_of(name, p->o.revision, &to, e);
    if (!rc && bert_hub_offline())
        rc = bert_fail(e, BERT_EINVAL, "nothing is uploaded, as HF_HUB_OFFLINE is set");
    if (!rc && p->directory) rc = check_directory(p, e);
    if (!rc) rc = bert_hub_token(p->o.token, p->o.token_file, &token, e);
    if (!rc && !token)
        rc = bert_fail(e, BERT_EDENIED,
                       "a token that may write is needed: HF_TOKEN, or a file that holds it");
    if (!rc && p->directory) rc = find_files(p, "", 0, e);
    if (!rc && p->n) qsort(p->list, (size_t)p->n, sizeof *p->list, by_path);
    if (!rc) rc = digest_files(p, e);
    if (!rc) rc = push_files(p, &to, token, out, e);
    for (int i = 0; i < p->n; i++) free(p->list[i].file);
    free(p->list);
    free(token);
    return rc;
}

int bert_push(const char *directory, const char *name, const bert_push_options *options,
              bert_pushed *out, bert_error *e) {
    BERT_DOOR(e);
    bert_pushed mine;
    push p = {.o = options ? *options : bert_push_default(), .directory = directory};
    const int rc = bert_need(directory, "directory", e);
    return rc ? rc : push_to(&p, name, out ? out : &mine, e);
}

int bert_push_prepare(const char *name, const bert_push_options *options, bert_error *e) {
    BERT_DOOR(e);
    bert_pushed none;
    push p = {.o = options ? *options : bert_push_default()};
    return push_to(&p, name, &none, e);
}
