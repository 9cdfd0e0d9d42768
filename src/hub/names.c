#include "hub/names.h"
#include "base/error.h"
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

int bert_hub_name_of(const char *name, const char *revision, bert_hub_name *out, bert_error *e) {
    const char *at = strrchr(name, '@');
    const size_t n = at ? (size_t)(at - name) : strlen(name);
    const char *wanted = revision && *revision ? revision : at ? at + 1 : "main";
    snprintf(out->id, sizeof out->id, "%.*s", (int)(n < BERT_HUB_ID ? n : BERT_HUB_ID), name);
    if (n >= BERT_HUB_ID || !bert_hub_is_id(out->id))
        return bert_fail(e, BERT_EINVAL,
                         "'%.120s' is no name of a model: that is NAME or ORGANISATION/NAME, of "
                         "letters, digits, - _ and .",
                         name);
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
