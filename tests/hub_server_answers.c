/* What the hub answers: revisions, lists of files, files, redirects of three shapes, refusals. */
#include "hub_server_inside.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *file_etag(const hub_server_file *f) {
    return f->large ? f->sha256 : f->oid;
}

/* ---- Refusals */

static void refuse(hub_call *c, int status, const char *code, const char *message,
                   const char *more) {
    char headers[1200];
    snprintf(headers, sizeof headers, "%s%s%sX-Error-Message: %s\r\n%s",
             *code ? "X-Error-Code: " : "", code, *code ? "\r\n" : "", message, more);
    hub_answer_json(c, status, headers, json_pack("{s:s}", "error", message));
}

static bool knows_token(const hub_call *c) {
    return !strcmp(c->token, HUB_TOKEN) || !strcmp(c->token, HUB_OTHER_TOKEN);
}

bool hub_may_see(const hub_call *c, const hub_repo *r) {
    return !(r->flags & HUB_PRIVATE) || !strcmp(c->token, HUB_TOKEN);
}

/* Anonymous callers are not told whether there is such a repository. */
static void unknown(hub_call *c) {
    if (*c->token)
        refuse(c, 404, "RepoNotFound", "Repository not found", "");
    else
        refuse(c, 401, "", "Invalid username or password.", "");
}

static bool is_revision(const hub_repo *r, const char *revision) {
    return !strcmp(revision, "main") || !strcmp(revision, "v1.0") ||
           !strcmp(revision, "refs/pr/1") || !strcmp(revision, r->commit);
}

/* ---- Old names */

/* Redirects to the same address under the repository's name, query and all. */
static void moved(hub_call *c, const hub_repo *r, const char *before, const char *rest) {
    char headers[9000];
    const char *behind = c->target + (rest - c->path); /* names have nothing to decode */
    snprintf(headers, sizeof headers, "Location: %s%s%s\r\n", before, r->id, behind);
    hub_answer_text(c, 307, headers, "");
}

/* The repository whose id stands at the start of path, and what follows it; by its old name too. */
static hub_repo *named(hub_call *c, const char *path, const char **rest, bool *old) {
    for (int i = 0; i < c->s->repo_count; i++) {
        hub_repo *r = c->s->repos[i];
        for (int k = 0; k < 2; k++) {
            const char *id = k ? r->old_id : r->id;
            const size_t n = strlen(id);
            if (!n || strncasecmp(path, id, n) || (path[n] != '/' && path[n] != '.' && path[n]))
                continue;
            *rest = path + n;
            *old = k || strncmp(path, id, n);
            return r;
        }
    }
    return NULL;
}

/* ---- /api/models/ID/.. */

static json_t *file_json(const hub_server_file *f) {
    json_t *o = json_pack("{s:s, s:s, s:I, s:s}", "type", "file", "path", f->path, "size",
                          (json_int_t)f->size, "oid", f->oid);
    if (f->large)
        json_object_set_new(o, "lfs",
                            json_pack("{s:s, s:I, s:i}", "oid", f->sha256, "size",
                                      (json_int_t)f->size, "pointerSize", 130));
    return o;
}

static void answer_info(hub_call *c, const hub_repo *r) {
    json_t *siblings = json_array();
    for (int i = 0; i < r->n; i++)
        json_array_append_new(siblings, json_pack("{s:s}", "rfilename", r->files[i].path));
    hub_answer_json(c, 200, "",
                    json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:s}", "id", r->id, "modelId", r->id,
                              "sha", r->commit, "private", (int)hub_repo_is_private(r), "disabled",
                              (int)(r->flags & HUB_DISABLED), "siblings", siblings, "gated",
                              r->flags & HUB_GATED ? "auto" : ""));
}

/* A page of three files, and where the next one is. */
static void answer_tree(hub_call *c, const hub_repo *r) {
    enum { PAGE = 3 };
    const char *cursor = strstr(c->query, "cursor=");
    const int from = cursor ? atoi(cursor + 7) : 0;
    char headers[600] = "";
    json_t *list = json_array();
    if (r->flags & HUB_NO_TREE) {
        json_decref(list);
        refuse(c, 404, "", "There is no such page", "");
        return;
    }
    if (!from)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "type", "directory", "path",
                                              "folder", "oid", r->commit));
    for (int i = from; i < r->n && i < from + PAGE; i++)
        json_array_append_new(list, file_json(&r->files[i]));
    if (from + PAGE < r->n)
        snprintf(headers, sizeof headers,
                 "Link: <%s/api/models/%s/tree/%s?recursive=true&cursor=%d>; rel=\"next\"\r\n",
                 c->s->url[0], r->id, r->commit, from + PAGE);
    hub_answer_json(c, 200, headers, list);
}

static void serve_api(hub_call *c) {
    static const char before[] = "/api/models/";
    const char *rest;
    bool old;
    hub_repo *r = named(c, c->path + sizeof before - 1, &rest, &old);
    if (!r || !hub_may_see(c, r)) {
        unknown(c);
    } else if (old) {
        moved(c, r, before, rest);
    } else if (!strncmp(rest, "/revision/", 10) || !strncmp(rest, "/tree/", 6)) {
        const bool tree = rest[1] == 't';
        if (!is_revision(r, rest + (tree ? 6 : 10)))
            refuse(c, 404, "RevisionNotFound", "Invalid rev id", "");
        else if (tree)
            answer_tree(c, r);
        else
            answer_info(c, r);
    } else if (!*rest) {
        answer_info(c, r);
    } else {
        refuse(c, 404, "", "Sorry, we can't find the page you are looking for.", "");
    }
}

/* ---- Files */

static void encode(const char *from, char *to) {
    for (; *from; from++)
        to += strchr(" %#?", *from) ? sprintf(to, "%%%02X", (unsigned char)*from)
                                    : sprintf(to, "%c", *from);
    *to = 0;
}

/* A large one comes from the other host, by a signed address. */
static void redirect_large(hub_call *c, const hub_repo *r, const hub_server_file *f) {
    char headers[9000], path[4000];
    encode(f->path, path);
    snprintf(headers, sizeof headers,
             "Location: %s/cdn/%s/%s?X-Amz-Signature=abc&Expires=1\r\n"
             "X-Repo-Commit: %s\r\nX-Linked-Size: %lld\r\nX-Linked-ETag: \"%s\"\r\n"
             "ETag: \"%s\"\r\nLink: <%s/a>; rel=\"xet-auth\", <%s/b>; "
             "rel=\"xet-reconstruction-info\"\r\n",
             c->s->url[1], r->id, path, r->commit, (long long)f->size, f->sha256, f->sha256,
             c->s->url[0], c->s->url[0]);
    hub_answer_text(c, 302, headers, "Found. Redirecting to another host");
}

/* A small one of a public repository is cached under an address of its own. */
static void redirect_small(hub_call *c, const hub_repo *r, const hub_server_file *f) {
    char headers[9000], path[4000];
    encode(f->path, path);
    snprintf(headers, sizeof headers,
             "Location: /api/resolve-cache/models/%s/%s/%s?etag=%s\r\nX-Repo-Commit: %s\r\n"
             "X-Linked-Size: %lld\r\nX-Linked-ETag: \"%s\"\r\n",
             r->id, r->commit, path, f->oid, r->commit, (long long)f->size, f->oid);
    hub_answer_text(c, 307, headers, "Temporary Redirect. Redirecting to the cache");
}

static void send_file(hub_call *c, const hub_repo *r, const hub_server_file *f) {
    char headers[600];
    snprintf(headers, sizeof headers, "X-Repo-Commit: %s\r\nETag: W/\"%s\"\r\n", r->commit,
             file_etag(f));
    hub_answer_file(c, headers, f);
}

static void resolve(hub_call *c, const hub_repo *r, const char *path) {
    char commit[120];
    snprintf(commit, sizeof commit, "X-Repo-Commit: %s\r\n", r->commit);
    const hub_server_file *f = hub_find_file(r, path);
    if (r->flags & HUB_DISABLED)
        refuse(c, 403, "", "Access to this resource is disabled.", "");
    else if (r->flags & HUB_GATED && strcmp(c->token, HUB_TOKEN))
        refuse(c, *c->token ? 403 : 401, "GatedRepo", "Access to this model is restricted.",
               commit);
    else if (!f)
        refuse(c, 404, "EntryNotFound", "Entry not found", commit);
    else if (f->large)
        redirect_large(c, r, f);
    else if (r->flags & HUB_PRIVATE)
        send_file(c, r, f);
    else
        redirect_small(c, r, f);
}

/* "/REVISION/PATH" behind /resolve: a revision of one part, decoded. */
static void serve_resolve(hub_call *c, hub_repo *r, const char *rest) {
    const char *path = strchr(rest, '/');
    char revision[300];
    if (!strncmp(rest, "refs/pr/", 8)) path = strchr(rest + 8, '/');
    snprintf(revision, sizeof revision, "%.*s", path ? (int)(path - rest) : 0, rest);
    if (!path || !is_revision(r, revision))
        refuse(c, 404, "RevisionNotFound", "Invalid rev id", "");
    else
        resolve(c, r, path + 1);
}

static void serve_cached(hub_call *c) {
    static const char before[] = "/api/resolve-cache/models/";
    const char *rest;
    bool old;
    const hub_repo *r = named(c, c->path + sizeof before - 1, &rest, &old);
    const char *path = r ? strchr(rest + 1, '/') : NULL;
    const hub_server_file *f = path ? hub_find_file(r, path + 1) : NULL;
    if (f)
        send_file(c, r, f);
    else
        refuse(c, 404, "EntryNotFound", "Entry not found", "");
}

static void serve_cdn(hub_call *c) {
    char headers[200];
    const char *rest;
    bool old;
    const hub_repo *r = !strncmp(c->path, "/cdn/", 5) ? named(c, c->path + 5, &rest, &old) : NULL;
    const hub_server_file *f = r ? hub_find_file(r, rest + 1) : NULL;
    if (*c->token) {
        /* a signed address and a token are one too many, as the real one says */
        hub_answer_text(c, 400, "", "<Error><Code>InvalidArgument</Code></Error>");
    } else if (f) {
        snprintf(headers, sizeof headers, "ETag: \"%s\"\r\n", f->sha256);
        hub_answer_file(c, headers, f);
    } else {
        hub_answer_text(c, 403, "", "<Error><Code>AccessDenied</Code></Error>");
    }
}

void hub_serve(hub_call *c) {
    const char *rest;
    bool old;
    if (hub_serve_push(c)) return;
    if (!strcmp(c->path, "/api/whoami-v2") && knows_token(c)) {
        hub_answer_json(c, 200, "", json_pack("{s:s}", "name", "me"));
        return;
    }
    if (c->cdn) {
        serve_cdn(c);
    } else if (*c->token && !knows_token(c)) {
        refuse(c, 401, "", "Invalid credentials in Authorization header", "");
    } else if (!strncmp(c->path, "/api/resolve-cache/", 19)) {
        serve_cached(c);
    } else if (!strncmp(c->path, "/api/models/", 12)) {
        serve_api(c);
    } else {
        hub_repo *r = named(c, c->path + 1, &rest, &old);
        if (!r || !hub_may_see(c, r))
            unknown(c);
        else if (old)
            moved(c, r, "/", rest);
        else if (!strncmp(rest, "/resolve/", 9))
            serve_resolve(c, r, rest + 9);
        else
            refuse(c, 404, "", "Sorry, we can't find the page you are looking for.", "");
    }
}
