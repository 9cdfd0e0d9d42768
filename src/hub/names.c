#include "hub/names.h"
#include "base/error.h"
#include "hub/environment.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_PART = 96 };

static bool is_letter(char c) {
    return isascii((unsigned char)c) && isalnum((unsigned char)c);
}

/* What may stand at the end of a part. */
static bool is_end(char c) {
    return is_letter(c) || c == '_';
}

static bool is_part(const char *s, size_t n) {
    if (!n || n > LONGEST_PART || !is_end(s[0]) || !is_end(s[n - 1])) return false;
    for (size_t i = 0; i < n; i++)
        if (!is_letter(s[i]) && !strchr("-_.", s[i])) return false;
    return true;
}

bool bert_hub_is_id(const char *id) {
    const char *slash = strchr(id, '/');
    const size_t n = strlen(id), first = slash ? (size_t)(slash - id) : n;
    if (strstr(id, "--") || strstr(id, "..") || n >= BERT_HUB_ID) return false;
    if (n > 4 && !strcasecmp(id + n - 4, ".git")) return false;
    return is_part(id, first) && (!slash || is_part(slash + 1, n - first - 1));
}

bool bert_hub_is_revision(const char *s) {
    const size_t n = strlen(s);
    if (!n || n >= BERT_HUB_ID || s[0] == '/' || s[0] == '-' || s[n - 1] == '/' || s[n - 1] == '.')
        return false;
    if (strstr(s, "..") || strstr(s, "//") || strstr(s, "/.") || strstr(s, "@{") || s[0] == '.')
        return false;
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == 127 || strchr("~^:?*[\\", *s)) return false;
    return true;
}

bool bert_hub_is_commit(const char *s) {
    return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

bool bert_hub_is_short_commit(const char *s) {
    const size_t n = strlen(s);
    return n >= 7 && n < 40 && strspn(s, "0123456789abcdef") == n;
}

/* ---- A page's address, as it is copied from a browser */

/* What follows the hub's host; NULL: it is no address of the hub. */
static const char *behind_host(const char *s) {
    static const char *const schemes[] = {"https://", "http://", ""};
    static const char *const hosts[] = {"huggingface.co/", "www.huggingface.co/", "hf.co/"};
    char endpoint[256];
    const size_t n =
        bert_hub_endpoint(NULL, endpoint, sizeof endpoint, NULL) ? 0 : strlen(endpoint);
    if (!strncasecmp(s, "hf://", 5)) return s + 5;
    if (!strncasecmp(s, "git@hf.co:", 10)) return s + 10;
    if (n && !strncmp(s, endpoint, n) && s[n] == '/') return s + n + 1;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            const size_t a = strlen(schemes[i]), b = strlen(hosts[k]);
            if (!strncasecmp(s, schemes[i], a) && !strncasecmp(s + a, hosts[k], b))
                return s + a + b;
        }
    return NULL;
}

bool bert_hub_is_file(const char *name) {
    static const char *const ends[] = {".gguf", ".safetensors", ".bin",  ".pt",   ".pth",
                                       ".h5",   ".onnx",        ".ckpt", ".json", ".msgpack"};
    const size_t n = strcspn(name, "@");
    if (behind_host(name)) return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t m = strlen(ends[i]);
        if (n > m && !strncasecmp(name + n - m, ends[i], m)) return true;
    }
    return false;
}

/* A part up to the next '/' or the end of the path; "%2F" in it is a slash of a revision. */
static void take_part(const char **from, char *out, size_t capacity) {
    size_t n = 0;
    const char *s = *from;
    for (; *s && !strchr("/?#", *s); s++) {
        const bool slash = !strncasecmp(s, "%2f", 3);
        if (n + 1 < capacity) out[n++] = slash ? '/' : *s;
        s += slash ? 2 : 0;
    }
    out[n] = 0;
    *from = *s == '/' ? s + 1 : s + strlen(s); /* behind "?" or "#" nothing counts */
}

static bool is_page(const char *part) {
    static const char *const pages[] = {"tree",   "blob",    "resolve",    "raw",
                                        "commit", "commits", "discussions"};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (!strcmp(part, pages[i])) return true;
    return false;
}

/* What git clones ends so. */
static void drop_git(char *part) {
    const size_t n = strlen(part);
    if (n > 4 && !strcmp(part + n - 4, ".git")) part[n - 4] = 0;
}

/* "ORG/NAME/tree/REVISION/.." and "NAME/tree/..", as pages are called: the name, and @REVISION. False:
 * it is a page of something else. */
static bool name_of_page(const char *path, char *out, size_t capacity) {
    static const char *const others[] = {"datasets", "spaces", "docs",  "api",        "models",
                                         "papers",   "blog",   "learn", "collections"};
    char first[128], second[128], page[128], revision[BERT_HUB_ID] = "";
    take_part(&path, first, sizeof first);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(first, others[i])) return false;
    const char *behind = path;
    take_part(&behind, second, sizeof second);
    const bool alone = !*second || is_page(second);
    if (!alone) path = behind;
    drop_git(alone ? first : second);
    take_part(&path, page, sizeof page);
    if (is_page(page) && strcmp(page, "discussions")) take_part(&path, revision, sizeof revision);
    return snprintf(out, capacity, "%s%s%s%s%s", first, alone ? "" : "/", alone ? "" : second,
                    *revision ? "@" : "", revision) < (int)capacity;
}

/* ---- Names */

static int no_name(const char *name, bert_error *e) {
    const char *page = behind_host(name);
    const size_t n = strlen(name);
    char bare[BERT_HUB_ID];
    snprintf(bare, sizeof bare, "%.*s", (int)(n ? n - 1 : 0), name);
    if (page || strstr(name, "://"))
        return bert_fail(e, BERT_EINVAL,
                         "'%.120s' is no address of a model%s: give its name, ORGANISATION/NAME",
                         name, page ? "" : " of the hub (HF_ENDPOINT says which that is)");
    if (n && name[n - 1] == '/' && bert_hub_is_id(bare))
        return bert_fail(e, BERT_EINVAL, "'%s' is no name of a model: that is '%s', without the /",
                         name, bare);
    return bert_fail(e, BERT_EINVAL,
                     "'%.120s' is no name of a model: that is NAME or ORGANISATION/NAME, of "
                     "letters, digits, - _ and .",
                     name);
}

int bert_hub_name_of(const char *asked, const char *revision, bert_hub_name *out, bert_error *e) {
    char copied[2 * BERT_HUB_ID + 128];
    const char *page = behind_host(asked), *name = asked;
    if (page) {
        if (!name_of_page(page, copied, sizeof copied)) return no_name(asked, e);
        name = copied;
    }
    const char *at = strchr(name, '@');
    const size_t n = at ? (size_t)(at - name) : strlen(name);
    const char *wanted = revision && *revision ? revision : at ? at + 1 : "main";
    snprintf(out->id, sizeof out->id, "%.*s", (int)(n < BERT_HUB_ID ? n : BERT_HUB_ID), name);
    if (n >= BERT_HUB_ID || !bert_hub_is_id(out->id)) return no_name(asked, e);
    if (!bert_hub_is_revision(wanted))
        return bert_fail(e, BERT_EINVAL, "'%.120s' is no revision: that is a branch, tag or commit",
                         wanted);
    snprintf(out->revision, sizeof out->revision, "%s", wanted);
    out->revision_given = at || (revision && *revision);
    return 0;
}

bool bert_hub_parse(const char *name, bert_hub_name *out) {
    return !bert_hub_name_of(name, NULL, out, NULL);
}

void bert_hub_folder(const char *id, char *out, size_t capacity) {
    size_t n = (size_t)snprintf(out, capacity, "models--");
    for (; *id && n + 3 < capacity; id++) {
        if (*id == '/') out[n++] = '-';
        out[n++] = *id == '/' ? '-' : *id;
    }
    out[n] = 0;
}

bool bert_hub_unfold(const char *folder, char *id, size_t capacity) {
    static const char start[] = "models--";
    size_t n = 0;
    if (strncmp(folder, start, sizeof start - 1)) return false;
    for (const char *p = folder + sizeof start - 1; *p && n + 1 < capacity; p++) {
        const bool slash = p[0] == '-' && p[1] == '-';
        id[n++] = slash ? '/' : *p;
        p += slash;
    }
    id[n] = 0;
    return bert_hub_is_id(id);
}

bool bert_hub_is_path(const char *path) {
    const size_t n = strlen(path);
    if (!n || n > 1000) return false;
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127 || *p == '\\' || *p == ':') return false;
    for (const char *p = path;; p++) {
        const size_t part = strcspn(p, "/");
        if (!part || part > 255 || (part == 1 && *p == '.') ||
            (part == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += part;
        if (!*p) return true;
    }
}

bool bert_hub_is_etag(const char *s) {
    enum { LONGEST = 128 };
    const size_t n = strlen(s);
    return n && n <= LONGEST && s[0] != '.' &&
           strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") == n;
}

int bert_hub_distance(const char *a, const char *b, int most) {
    enum { LONGEST = 200 };
    const int n = (int)strlen(a), m = (int)strlen(b);
    int row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST || n - m > most || m - n > most) return most + 1;
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int before = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            const int changed =
                before + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            const int other = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            before = row[j];
            row[j] = changed < other ? changed : other;
        }
    }
    return row[m] <= most ? row[m] : most + 1;
}
