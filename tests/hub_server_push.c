/* Uploading, as the hub takes it: create, preupload, git-lfs' batch in one part or several, commit. */
#include "hub/digest.h"
#include "hub_server_inside.h"
#include <stdlib.h>
#include <string.h>

enum { PART = 1 << 20 }; /* larger ones are uploaded in parts of it */

static void refuse(hub_call *c, int status, const char *message) {
    hub_answer_json(c, status, "", json_pack("{s:s}", "error", message));
}

static stored *find_stored(hub_server *s, const char *oid) {
    for (int i = 0; i < s->stored_count; i++)
        if (!strcmp(s->stored[i].oid, oid)) return &s->stored[i];
    return NULL;
}

/* ---- /api/repos/create */

static void create(hub_call *c, const json_t *in) {
    const char *name = json_string_value(json_object_get(in, "name"));
    const char *organisation = json_string_value(json_object_get(in, "organization"));
    const char *visibility = json_string_value(json_object_get(in, "visibility"));
    char id[300], url[400], commit[64];
    if (!name) {
        refuse(c, 400, "no name");
        return;
    }
    snprintf(id, sizeof id, "%s/%s", organisation ? organisation : "me", name);
    snprintf(url, sizeof url, "%s/%s", c->s->url[0], id);
    if (hub_server_find(c->s, id)) {
        hub_answer_json(
            c, 409, "",
            json_pack("{s:s, s:s}", "error", "You already created this model repo", "url", url));
        return;
    }
    snprintf(commit, sizeof commit, "%040x", ++c->s->commits);
    hub_repo *r = hub_server_add(c->s, id, commit);
    if (visibility && !strcmp(visibility, "private")) r->flags = HUB_PRIVATE;
    hub_answer_json(c, 200, "", json_pack("{s:s, s:s}", "url", url, "name", id));
}

/* ---- /api/models/ID/preupload/REVISION */

static bool is_large(const char *path, json_int_t size) {
    const char *dot = strrchr(path, '.');
    return size > 10000000 || (dot && (!strcmp(dot, ".safetensors") || !strcmp(dot, ".bin")));
}

static void preupload(hub_call *c, hub_repo *r, const json_t *in) {
    json_t *list = json_array(), *f;
    size_t i;
    json_array_foreach(json_object_get(in, "files"), i, f) {
        const char *path = json_string_value(json_object_get(f, "path"));
        const json_int_t size = json_integer_value(json_object_get(f, "size"));
        const hub_server_file *there = path ? hub_find_file(r, path) : NULL;
        json_t *o = json_pack("{s:s, s:s, s:b}", "path", path, "uploadMode",
                              size && is_large(path, size) ? "lfs" : "regular", "shouldIgnore", 0);
        if (there)
            json_object_set_new(o, "oid", json_string(there->large ? there->sha256 : there->oid));
        json_array_append_new(list, o);
    }
    hub_answer_json(c, 200, "", json_pack("{s:o}", "files", list));
}

/* ---- /ID.git/info/lfs/objects/batch */

static json_t *upload_action(hub_call *c, const char *oid, json_int_t size) {
    char url[400], number[32];
    snprintf(url, sizeof url, "%s/%s/%s?X-Amz-Signature=x", c->s->url[1],
             size > PART ? "complete" : "upload", oid);
    json_t *header = json_object();
    if (size > PART) {
        json_object_set_new(header, "chunk_size", json_string("1048576"));
        for (json_int_t part = 1; (part - 1) * PART < size; part++) {
            char at[500];
            snprintf(at, sizeof at, "%s/upload/%s/%05lld?X-Amz-Signature=x", c->s->url[1], oid,
                     (long long)part);
            snprintf(number, sizeof number, "%lld", (long long)part);
            json_object_set_new(header, number, json_string(at));
        }
    }
    return json_pack("{s:s, s:o}", "href", url, "header", header);
}

static void batch(hub_call *c, const hub_repo *r, const json_t *in) {
    json_t *objects = json_array(), *o;
    size_t i;
    char verify[400];
    snprintf(verify, sizeof verify, "%s/api/verify/%s", c->s->url[0], r->id);
    json_array_foreach(json_object_get(in, "objects"), i, o) {
        const char *oid = json_string_value(json_object_get(o, "oid"));
        const json_int_t size = json_integer_value(json_object_get(o, "size"));
        json_t *out = json_pack("{s:s, s:I}", "oid", oid, "size", size);
        if (!find_stored(c->s, oid))
            json_object_set_new(out, "actions",
                                json_pack("{s:o, s:{s:s}}", "upload", upload_action(c, oid, size),
                                          "verify", "href", verify));
        json_array_append_new(objects, out);
    }
    hub_answer_json(c, 200, "", json_pack("{s:s, s:o}", "transfer", "basic", "objects", objects));
}

/* ---- The storage's host */

static void store(hub_call *c, const char *oid) {
    char hex[BERT_DIGEST_HEX], etag[100];
    bert_digest d;
    bert_digest_begin(&d, BERT_SHA256);
    bert_digest_add(&d, c->body, c->bytes);
    bert_digest_end(&d, hex);
    if (*c->token || (strlen(oid) == 64 && strcmp(hex, oid))) {
        hub_answer_text(c, 400, "", "<Error>not what was announced, or with a token</Error>");
        return;
    }
    pthread_mutex_lock(&c->s->guard);
    if (c->s->stored_count < MOST_STORED) {
        stored *t = &c->s->stored[c->s->stored_count++];
        *t = (stored){.data = c->body, .bytes = c->bytes};
        snprintf(t->oid, sizeof t->oid, "%.64s", strlen(oid) == 64 ? oid : hex);
        c->body = NULL;
    }
    pthread_mutex_unlock(&c->s->guard);
    snprintf(etag, sizeof etag, "ETag: \"%s\"\r\n", hex);
    hub_answer_text(c, 200, etag, "");
}

/* {"oid", "parts": [{"partNumber", "etag"}]}: the parts, in order, as one. */
static void complete(hub_call *c, const json_t *in) {
    const char *oid = json_string_value(json_object_get(in, "oid"));
    char *whole = NULL;
    size_t bytes = 0, i;
    json_t *part;
    json_array_foreach(json_object_get(in, "parts"), i, part) {
        char etag[100] = "";
        const char *given = json_string_value(json_object_get(part, "etag"));
        if (given) sscanf(given, "\"%64[0-9a-f]", etag);
        const stored *t = find_stored(c->s, etag);
        if (!t || json_integer_value(json_object_get(part, "partNumber")) != (json_int_t)i + 1) {
            free(whole);
            hub_answer_text(c, 400, "", "<Error>InvalidPart</Error>");
            return;
        }
        whole = realloc(whole, bytes + t->bytes + 1);
        memcpy(whole + bytes, t->data, t->bytes);
        bytes += t->bytes;
    }
    free(c->body);
    c->body = whole;
    c->bytes = bytes;
    store(c, oid ? oid : "");
}

/* ---- /api/models/ID/commit/REVISION */

static char *from_base64(const char *text, size_t *bytes) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = malloc(strlen(text) + 1);
    unsigned bits = 0;
    int n = 0;
    *bytes = 0;
    for (; *text && *text != '='; text++) {
        const char *at = strchr(letters, *text);
        bits = bits << 6 | (at ? (unsigned)(at - letters) : 0);
        if ((n += 6) >= 8) out[(*bytes)++] = (char)(bits >> (n -= 8));
    }
    return out;
}

/* false: a large file was not uploaded. */
static bool take_line(hub_call *c, hub_repo *r, const json_t *line) {
    const char *key = json_string_value(json_object_get(line, "key"));
    const json_t *value = json_object_get(line, "value");
    const char *path = json_string_value(json_object_get(value, "path"));
    if (key && !strcmp(key, "file")) {
        size_t bytes;
        char *data = from_base64(json_string_value(json_object_get(value, "content")), &bytes);
        hub_repo_put(r, path, data, bytes, false);
        free(data);
    } else if (key && !strcmp(key, "lfsFile")) {
        const stored *t = find_stored(c->s, json_string_value(json_object_get(value, "oid")));
        if (!t) return false;
        hub_repo_put(r, path, t->data, t->bytes, true);
    }
    return true;
}

static void commit(hub_call *c, hub_repo *r) {
    char id[64], url[400];
    bool whole = true;
    char *rest = c->body;
    for (char *text; (text = strsep(&rest, "\n"));) {
        json_t *line = *text ? json_loads(text, 0, NULL) : NULL;
        whole = whole && take_line(c, r, line);
        json_decref(line);
    }
    if (!whole) {
        refuse(
            c, 400,
            "Your push was rejected because an LFS pointer pointed to a file that does not exist");
        return;
    }
    snprintf(id, sizeof id, "%040x", 0x1000 + ++c->s->commits);
    snprintf(url, sizeof url, "%s/%s/commit/%s", c->s->url[0], r->id, id);
    hub_repo_set_commit(r, id);
    hub_answer_json(c, 200, "",
                    json_pack("{s:b, s:s, s:s}", "success", 1, "commitOid", id, "commitUrl", url));
}

/* ---- Which of them */

static hub_repo *repo_of(hub_call *c, const char *before, const char *after) {
    char id[300];
    const size_t n = strlen(before);
    const char *end = strstr(c->path + n, after);
    if (strncmp(c->path, before, n) || !end) return NULL;
    snprintf(id, sizeof id, "%.*s", (int)(end - c->path - (int)n), c->path + n);
    return hub_server_find(c->s, id);
}

bool hub_serve_push(hub_call *c) {
    if (strcmp(c->method, "POST") && strcmp(c->method, "PUT")) return false;
    if (c->cdn && !strncmp(c->path, "/upload/", 8)) {
        store(c, c->path + 8);
        return true;
    }
    json_t *in = json_loadb(c->body, c->bytes, 0, NULL);
    hub_repo *r;
    if (c->cdn && !strncmp(c->path, "/complete/", 10)) {
        complete(c, in);
    } else if (strcmp(c->token, HUB_TOKEN)) {
        refuse(c, *c->token ? 403 : 401, "This token may not write");
    } else if (!strcmp(c->path, "/api/repos/create")) {
        create(c, in);
    } else if ((r = repo_of(c, "/api/models/", "/preupload/"))) {
        preupload(c, r, in);
    } else if ((r = repo_of(c, "/", ".git/info/lfs/objects/batch"))) {
        batch(c, r, in);
    } else if (!strncmp(c->path, "/api/verify/", 12)) {
        hub_answer_text(
            c, find_stored(c->s, json_string_value(json_object_get(in, "oid"))) ? 200 : 404, "",
            "");
    } else if ((r = repo_of(c, "/api/models/", "/commit/"))) {
        commit(c, r);
    } else {
        refuse(c, 404, "Repository not found");
    }
    json_decref(in);
    return true;
}
