/* bert_pull(): what the revision is, what is needed of it, what of that is not here yet. */
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/module.h"
#include "hub/blob.h"
#include "hub/hub.h"
#include "hub/lock.h"
#include "hub/place.h"
#include <bert_hub.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bert_pull_options o;
    bert_hub_name name;
    bert_hub_cached at;
    bert_hub_target target;
    bert_hub_revision revision;
    bert_hub_listing listing;
    const bert_hub_module *module;
    void *hub;
    bert_pulled *out;
    bert_pull_progress shown;
    double told; /* when progress was told last */
    bert_hub_blob *blob;
} pull;

bert_pull_options bert_pull_default(void) {
    return (bert_pull_options){.offline = bert_hub_offline()};
}

/* ---- Progress */

static int tell(pull *p, bool at_once, bert_error *e) {
    const double t = bert_seconds();
    if (!p->o.progress || (!at_once && t - p->told < 0.1)) return 0;
    p->told = t;
    return p->o.progress(p->o.context, &p->shown)
               ? bert_fail(e, BERT_EINTERRUPTED, "interrupted; what has arrived is kept")
               : 0;
}

static int idle(void *context, const char *why, bert_error *e) {
    pull *p = context;
    p->shown.waiting = why;
    const int rc = tell(p, false, e);
    p->shown.waiting = NULL;
    return rc;
}

/* ---- The hub */

static int open_hub(pull *p, bert_error *e) {
    char endpoint[BERT_PATH], *token = NULL;
    p->module = bert_module("hub", e);
    if (!p->module) bert_error_prefix(e, "%s cannot be fetched: ", p->name.id);
    int rc = p->module ? bert_hub_endpoint(p->o.endpoint, endpoint, sizeof endpoint, e) : e->code;
    if (!rc) rc = bert_hub_token(p->o.token, p->o.token_file, &token, e);
    bert_hub_site site = bert_hub_site_at(endpoint, token);
    site.idle = idle;
    site.context = p;
    if (!rc && !(p->hub = p->module->open(&site, e))) rc = e->code;
    free(token);
    return rc;
}

/* What a module says is taken as little on trust as what a server says. */
static int ask_revision(pull *p, bert_error *e) {
    bert_hub_revision *r = &p->revision;
    int rc = p->module->revision(p->hub, p->name.id, p->name.revision, r, e);
    r->id[sizeof r->id - 1] = r->commit[sizeof r->commit - 1] = 0;
    if (!rc && !bert_hub_is_commit(r->commit))
        rc = bert_fail(e, BERT_EFORMAT, "%s: the hub names no commit", p->name.id);
    if (!bert_hub_is_id(r->id)) snprintf(r->id, sizeof r->id, "%s", p->name.id);
    return rc;
}

static int take_file(void *context, const bert_hub_file *f, bert_error *e) {
    bert_hub_entry *entry;
    const int rc = bert_hub_listing_add(context, f->path, f->size, &entry, e);
    if (rc || !entry) return rc;
    if (f->etag && bert_hub_is_etag(f->etag))
        snprintf(entry->etag, sizeof entry->etag, "%.*s", BERT_HUB_ETAG - 1, f->etag);
    if (f->oid) snprintf(entry->oid, sizeof entry->oid, "%.64s", f->oid);
    if (f->xet) snprintf(entry->xet, sizeof entry->xet, "%.64s", f->xet);
    return 0;
}

static int list(pull *p, bert_error *e) {
    const char *commit = p->revision.commit;
    if (!p->target.local && bert_hub_tree_read(&p->at, &p->listing)) return 0;
    int rc = p->module->list(p->hub, p->revision.id, commit, take_file, &p->listing, e);
    if (rc) return rc;
    char *notes = p->target.local ? bert_path_join(p->target.local, ".cache/huggingface") : NULL;
    if (p->target.local && !notes) return bert_fail_memory(e, 1);
    rc = bert_hub_target_prepare(&p->target, commit, e);
    if (!rc) rc = bert_hub_tree_write(notes ? notes : p->at.repo, commit, &p->listing, e);
    free(notes);
    return rc;
}

static int complete_entry(pull *p, bert_hub_entry *f, bert_error *e) {
    if (*f->etag && f->size >= 0) return 0;
    char etag[BERT_HUB_ETAG] = "";
    int64_t size = -1;
    int rc = p->module->stat ? p->module->stat(p->hub, p->revision.id, p->revision.commit, f->path,
                                               &size, etag, e)
                             : 0;
    if (rc) return rc;
    etag[sizeof etag - 1] = 0;
    if (!*f->etag) memcpy(f->etag, etag, sizeof etag);
    if (f->size < 0) f->size = size;
    if (!bert_hub_is_etag(f->etag))
        return bert_fail(e, BERT_EFORMAT,
                         "%s of %s: the server gives it no ETag that names its content", f->path,
                         p->name.id);
    if (strlen(f->etag) != 64 && strlen(f->etag) != 40)
        snprintf(p->out->note, sizeof p->out->note,
                 "the server gives no digests: sizes were compared, contents were not");
    return 0;
}

/* ---- A file */

static int on_begin(void *context, int64_t from, int64_t size, bert_error *e) {
    pull *p = context;
    const int64_t before = p->blob->at;
    const int rc = bert_hub_blob_begin(p->blob, from, size, e);
    p->shown.bytes += p->blob->at - before;
    return rc;
}

static int on_put(void *context, const void *data, size_t bytes, bert_error *e) {
    pull *p = context;
    int rc = bert_hub_blob_put(p->blob, data, bytes, e);
    p->shown.bytes += (int64_t)bytes;
    if (!rc) rc = tell(p, false, e);
    return rc;
}

/* Once, from what an earlier call has left. */
static int fetch_once(pull *p, const bert_hub_entry *f, const bert_hub_paths *paths,
                      bert_error *e) {
    bert_hub_blob blob;
    const bert_hub_sink sink = {.begin = on_begin, .put = on_put, .context = p};
    const int64_t before = p->shown.bytes;
    int rc = bert_hub_blob_open(&blob, f, paths->partial, e);
    p->blob = &blob;
    p->shown.bytes += rc ? 0 : blob.at;
    p->shown.resumed += rc ? 0 : blob.at;
    if (!rc) rc = tell(p, true, e);
    if (!rc && (f->size < 0 || blob.at < f->size || !f->size))
        rc = p->module->fetch(p->hub, p->revision.id, p->revision.commit, f->path, blob.at, &sink,
                              e);
    if (!rc) rc = bert_hub_blob_check(&blob, e);
    if (!rc) rc = bert_hub_blob_commit(&blob, paths->final, e);
    p->out->fetched += blob.written;
    if (rc) p->shown.bytes = before;
    p->blob = NULL;
    bert_hub_blob_close(&blob);
    return rc;
}

/* What is wrong at its end may be what an earlier call left: a second time from its start. */
static int fetch_whole(pull *p, const bert_hub_entry *f, const bert_hub_paths *paths,
                       bert_error *e) {
    bert_error first = {0};
    int rc = fetch_once(p, f, paths, &first);
    if (rc == BERT_EFORMAT) {
        remove(paths->partial);
        rc = fetch_once(p, f, paths, e);
    } else if (rc) {
        bert_fail(e, rc, "%s", first.message);
    }
    return rc;
}

static bool is_there(const bert_hub_target *t, const bert_hub_entry *f, const char *final) {
    bert_hub_entry sized = *f;
    if (!t->local) *sized.etag = 0; /* a blob of that name was verified when it was made */
    return bert_hub_blob_is(final, &sized);
}

static int make_file(pull *p, const bert_hub_entry *f, bert_error *e) {
    bert_hub_paths paths;
    int lock = -1, rc = bert_hub_paths_of(&p->target, f, &paths, e);
    if (rc) return rc;
    p->shown.file = f->path;
    rc = bert_hub_lock(paths.lock, &lock, idle, p, e);
    if (!rc && is_there(&p->target, f, paths.final))
        p->shown.bytes += f->size > 0 ? f->size : 0; /* another process was here meanwhile */
    else if (!rc)
        rc = fetch_whole(p, f, &paths, e);
    if (!rc) rc = bert_hub_target_show(&p->target, f, e);
    bert_hub_unlock(lock);
    bert_hub_paths_free(&paths);
    if (!rc) p->shown.files++;
    return rc;
}

/* ---- All files */

static bool is_needed(const pull *p, const bert_hub_entry *f) {
    return f->wanted && (p->target.local || !bert_hub_target_has(&p->target, f));
}

/* What is to be fetched, and whether the disk has room for it. */
static int measure(pull *p, bert_error *e) {
    int rc = 0;
    for (int i = 0; i < p->listing.n && !rc; i++) {
        bert_hub_entry *f = &p->listing.list[i];
        if (!f->wanted) continue;
        rc = complete_entry(p, f, e);
        p->out->files++;
        if (f->size > 0) p->out->bytes += f->size;
        if (!is_needed(p, f)) continue;
        p->shown.files_total++;
        if (f->size > 0) p->shown.total += f->size;
    }
    const int64_t room = bert_hub_target_room(&p->target);
    if (!rc && room >= 0 && p->shown.total > room)
        rc = bert_fail(
            e, BERT_EIO,
            "%s needs %.1f MB, and the disk of %s has room for %.1f MB; HF_HUB_CACHE puts "
            "models elsewhere, 'bert list' and 'bert remove' make room",
            p->name.id, 1e-6 * (double)p->shown.total,
            p->target.local ? p->target.local : p->at.cache, 1e-6 * (double)room);
    return rc;
}

/* modules.json says which folders are needed, and comes first. */
static int plan(pull *p, bert_error *e) {
    bert_hub_entry *modules = bert_hub_listing_find(&p->listing, "modules.json");
    char *text = NULL;
    size_t bytes;
    int rc = 0;
    if (modules) {
        rc = complete_entry(p, modules, e);
        if (!rc && modules->size > 1 << 20)
            rc = bert_fail(e, BERT_EFORMAT, "modules.json has %lld bytes, which is too much",
                           (long long)modules->size);
        if (!rc && !bert_hub_target_has(&p->target, modules)) rc = make_file(p, modules, e);
        char *path =
            bert_path_join(p->target.local ? p->target.local : p->at.snapshot, "modules.json");
        if (!rc)
            rc = path ? bert_read_file(path, 1 << 20, &text, &bytes, e) : bert_fail_memory(e, 1);
        free(path);
        p->shown.bytes = p->shown.files = 0;
    }
    if (!rc) rc = bert_hub_plan(&p->listing, text, p->o.without_weights, e);
    free(text);
    return rc;
}

/* Weights of other programs that it has instead. */
static void name_others(const bert_hub_listing *l, char *out, size_t capacity) {
    static const char *const ends[] = {".h5", ".msgpack", ".onnx",        ".gguf",   ".ot",
                                       ".pt", ".bin",     ".safetensors", ".tflite", ".ckpt"};
    size_t n = 0;
    int found = 0;
    for (int i = 0; i < l->n && found < 3; i++)
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++)
            if (bert_file_has_suffix(l->list[i].path, ends[k]) && n < capacity) {
                n += (size_t)snprintf(out + n, capacity - n, "%s%.60s", found++ ? ", " : "",
                                      l->list[i].path);
                break;
            }
}

static int check_plan(const pull *p, bert_error *e) {
    char others[256] = "";
    const char *lacks = p->o.without_weights ? NULL : bert_hub_lacks(&p->listing, false);
    if (!lacks) return 0;
    name_others(&p->listing, others, sizeof others);
    return bert_fail(e, BERT_EUNSUPPORTED, "%s holds no %s%s%s%s", p->name.id, lacks,
                     *others ? "; it has " : "", others,
                     *others ? ", which are not read" : ": it is no model that can be used here");
}

static int make_files(pull *p, bert_error *e) {
    int rc = 0;
    for (int i = 0; i < p->listing.n && !rc; i++)
        if (is_needed(p, &p->listing.list[i])) rc = make_file(p, &p->listing.list[i], e);
    return rc;
}

/* ---- The whole */

static void fill_result(pull *p, const char *path, const char *id, const char *commit) {
    snprintf(p->out->path, sizeof p->out->path, "%.4095s", path); /* a longer one opens nothing */
    snprintf(p->out->name, sizeof p->out->name, "%.199s", id);
    snprintf(p->out->commit, sizeof p->out->commit, "%s", commit);
}

/* What the cache has; false: nothing, or not all. */
static bool take_cached(pull *p, const char *cache, bool whole) {
    bert_hub_cached c;
    char missing[300];
    if (p->target.local || !bert_hub_cached_find(&c, cache, p->name.id, p->name.revision))
        return false;
    if (whole && bert_hub_incomplete(&c, p->o.without_weights, missing, sizeof missing))
        return false;
    bert_hub_listing l = {0};
    if (!bert_hub_snapshot_files(&c, &l, NULL))
        for (int i = 0; i < l.n; i++) p->out->bytes += l.list[i].size;
    p->out->files = l.n;
    bert_hub_listing_free(&l);
    fill_result(p, c.snapshot, c.id, c.commit);
    return true;
}

static int fetch_commit(pull *p, const char *cache, bert_error *e) {
    int rc = bert_hub_cached_at(&p->at, cache, p->name.id, p->revision.commit, e);
    p->target = (bert_hub_target){.cached = &p->at, .local = p->o.local_dir};
    if (!rc) rc = list(p, e);
    if (!rc) rc = bert_hub_target_prepare(&p->target, p->revision.commit, e);
    if (!rc) rc = plan(p, e);
    if (!rc) rc = check_plan(p, e);
    if (!rc) rc = measure(p, e);
    if (!rc) rc = make_files(p, e);
    if (!rc && !p->o.local_dir) rc = bert_hub_write_ref(&p->at, p->name.revision, e);
    p->shown.file = "";
    if (!rc) rc = tell(p, true, e);
    if (!rc)
        fill_result(p, p->o.local_dir ? p->o.local_dir : p->at.snapshot, p->revision.id,
                    p->revision.commit);
    return rc;
}

static int fetch(pull *p, const char *cache, bert_error *e) {
    bert_error why = {0};
    int rc = open_hub(p, &why);
    if (!rc) rc = ask_revision(p, &why);
    if (rc == BERT_EIO && take_cached(p, cache, true)) {
        snprintf(p->out->note, sizeof p->out->note, "%.300s; what is cached is used", why.message);
        rc = 0;
    } else if (rc) {
        bert_fail(e, rc, "%s%s", why.message,
                  rc == BERT_ENOTFOUND && bert_hub_is_short_commit(p->name.revision)
                      ? "; a commit is given with all its 40 digits"
                      : "");
    } else {
        rc = fetch_commit(p, cache, e);
    }
    if (p->hub) p->module->close(p->hub);
    bert_hub_listing_free(&p->listing);
    return rc;
}

static int offline(const pull *p, const char *cache, bert_error *e) {
    const char *why = bert_hub_offline() ? "as HF_HUB_OFFLINE is set" : "as it is to be offline";
    const char *at = p->name.revision_given ? "@" : "",
               *revision = p->name.revision_given ? p->name.revision : "";
    bert_hub_cached c;
    char missing[300];
    if (bert_hub_cached_find(&c, cache, p->name.id, p->name.revision) &&
        bert_hub_incomplete(&c, p->o.without_weights, missing, sizeof missing))
        return bert_fail(
            e, BERT_ENOTFOUND,
            "the download of %s is incomplete, %s is missing, and nothing is fetched, %s; "
            "where there is a network, 'bert pull %s%s%s' fetches the rest",
            p->name.id, missing, why, p->name.id, at, revision);
    return bert_fail(
        e, BERT_ENOTFOUND,
        "%s (%s) is not in the cache (%s), and nothing is fetched, %s; where there is a "
        "network, 'bert pull %s%s%s' fetches it",
        p->name.id, p->name.revision, cache, why, p->name.id, at, revision);
}

/* As 'bert list' shows it: the hub takes commits whole only, what is cached has them whole. */
static void take_whole_commit(pull *p, const char *cache) {
    bert_hub_cached c;
    if (*cache && bert_hub_cached_find(&c, cache, p->name.id, p->name.revision))
        snprintf(p->name.revision, sizeof p->name.revision, "%s", c.commit);
}

int bert_pull(const char *name, const bert_pull_options *options, bert_pulled *out, bert_error *e) {
    BERT_DOOR(e);
    const bert_place cache = bert_hub_cache();
    bert_pulled mine;
    pull p = {.o = options ? *options : bert_pull_default(), .out = out ? out : &mine};
    int rc = bert_need(name, "name of a model", e);
    *p.out = (bert_pulled){0};
    p.shown.file = "";
    if (!rc) rc = bert_hub_name_of(name, p.o.revision, &p.name, e);
    if (!rc && !*cache.path && !p.o.local_dir)
        rc = bert_fail(e, BERT_EINVAL, "HF_HUB_CACHE or HOME has to say where the cache is");
    if (rc) return rc;
    if (bert_hub_is_short_commit(p.name.revision)) take_whole_commit(&p, cache.path);
    p.target.local = p.o.local_dir;
    if ((p.o.cached || p.o.offline) && take_cached(&p, cache.path, true)) return 0;
    return p.o.offline ? offline(&p, cache.path, e) : fetch(&p, cache.path, e);
}

/* ---- A name of a model that is to be opened */

int bert_hub_locate(const char *name, const bert_pull_options *options, bool without_weights,
                    char *directory, size_t capacity, bert_error *e) {
    bert_error missing = {0};
    bert_hub_name n;
    if (!options) return bert_resolve(name, directory, capacity, e);
    bert_pull_options o = *options;
    const bool named =
        bert_hub_parse(name, &n) && !bert_file_exists(name) && !bert_hub_is_file(name);
    const int rc = bert_resolve(name, directory, capacity, &missing);
    if (!named || (!rc && !bert_hub_is_snapshot(directory)) || (rc && rc != BERT_ENOTFOUND))
        return rc ? bert_fail(e, rc, "%s", missing.message) : 0;
    o.cached = true;
    o.without_weights = without_weights;
    bert_pulled *out = calloc(1, sizeof *out);
    bert_error why = {0};
    int got = out ? bert_pull(name, &o, out, &why) : bert_fail_memory(&why, sizeof *out);
    if (!got && strlen(out->path) < capacity) memcpy(directory, out->path, strlen(out->path) + 1);
    free(out);
    /* what is cached may do, though it is not all: who opens it will say what it lacks */
    if (!got || (!rc && got != BERT_EINTERRUPTED && got != BERT_EFORMAT)) return 0;
    char near[BERT_HUB_ID], mean[BERT_HUB_ID + 32] = "";
    if (rc && bert_hub_nearest(name, near, sizeof near))
        snprintf(mean, sizeof mean, "; did you mean %s?", near);
    return bert_fail(e, got, "%s%s%s%s", rc ? name : "",
                     rc ? ": there is no such directory, and " : "", why.message, mean);
}

int bert_find(const char *name, const bert_pull_options *options, char *directory, size_t capacity,
              bert_error *e) {
    BERT_DOOR(e);
    const int rc = bert_need(name, "name of a model", e);
    return rc ? rc
              : bert_hub_locate(name, options, options && options->without_weights, directory,
                                capacity, e);
}

const char *bert_pull_module(bert_error *e) {
    BERT_DOOR(e);
    const bert_hub_module *m = bert_module("hub", e);
    return m ? m->name : NULL;
}
