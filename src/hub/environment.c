#include "hub/environment.h"
#include "base/error.h"
#include "base/file.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Places */

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void add(bert_place *p, const char *text, size_t bytes) {
    const size_t n = strlen(p->path);
    if (n + bytes < sizeof p->path) {
        memcpy(p->path + n, text, bytes);
        p->path[n + bytes] = 0;
    }
}

/* "$NAME" or "${NAME}" at s: its value and how long the reference is; NULL: it is none, or not set,
 * and stays as it is. */
static const char *reference(const char *s, size_t *length) {
    char name[256];
    const bool braced = s[1] == '{';
    const char *begin = s + 1 + braced;
    size_t n = 0;
    while (isalnum((unsigned char)begin[n]) || begin[n] == '_') n++;
    if (!n || n >= sizeof name || (braced && begin[n] != '}')) return NULL;
    memcpy(name, begin, n);
    name[n] = 0;
    *length = n + 1 + 2 * braced;
    return getenv(name);
}

/* os.path.expandvars(os.path.expanduser(value)). */
static void add_expanded(bert_place *p, const char *value) {
    const char *home = variable("HOME");
    if (home && *value == '~' && (!value[1] || value[1] == '/')) {
        add(p, home, strlen(home));
        value++;
    }
    for (size_t n; *value; value += n) {
        const char *named = *value == '$' ? reference(value, &n) : NULL;
        if (!named) n = 1;
        add(p, named ? named : value, named ? strlen(named) : 1);
    }
}

/* "<the first variable that is set><its suffix>", of rows that end with a NULL. */
static bert_place first_of(const char *const rows[][2]) {
    bert_place p = {""};
    for (; (*rows)[0] && !*p.path; rows++) {
        const char *value = variable((*rows)[0]);
        if (!value) continue;
        add_expanded(&p, value);
        add(&p, (*rows)[1], strlen((*rows)[1]));
    }
    return p;
}

bert_place bert_hub_cache(void) {
    static const char *const rows[][2] = {{"HF_HUB_CACHE", ""},
                                          {"HUGGINGFACE_HUB_CACHE", ""},
                                          {"HF_HOME", "/hub"},
                                          {"XDG_CACHE_HOME", "/huggingface/hub"},
                                          {"HOME", "/.cache/huggingface/hub"},
                                          {NULL, NULL}};
    return first_of(rows);
}

bert_place bert_own_store(void) {
    static const char *const rows[][2] = {{"BERT_HOME", "/models"},
                                          {"XDG_CACHE_HOME", "/bert/models"},
                                          {"HOME", "/.cache/bert/models"},
                                          {NULL, NULL}};
    return first_of(rows);
}

static bert_place token_file(void) {
    static const char *const rows[][2] = {{"HF_TOKEN_PATH", ""},
                                          {"HF_HOME", "/token"},
                                          {"XDG_CACHE_HOME", "/huggingface/token"},
                                          {"HOME", "/.cache/huggingface/token"},
                                          {NULL, NULL}};
    return first_of(rows);
}

/* ---- Switches and numbers */

static bool is_true(const char *value) {
    static const char *const words[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcasecmp(value, words[i])) return true;
    return false;
}

bool bert_hub_switch(const char *name) {
    const char *value = variable(name);
    return value && is_true(value);
}

bool bert_hub_offline(void) {
    const char *value = variable("HF_HUB_OFFLINE");
    return value ? is_true(value) : bert_hub_switch("TRANSFORMERS_OFFLINE");
}

/* A positive number of seconds, or `otherwise`. */
static double seconds(const char *name, double otherwise) {
    const char *value = variable(name);
    char *end;
    const double x = value ? strtod(value, &end) : otherwise;
    return value && !*end && x > 0 && x < 1e6 ? x : otherwise;
}

bert_hub_site bert_hub_site_at(const char *endpoint, const char *token) {
    return (bert_hub_site){
        .endpoint = endpoint,
        .token = token,
        .connect_seconds = seconds("HF_HUB_ETAG_TIMEOUT", 10),
        .silence_seconds = seconds("HF_HUB_DOWNLOAD_TIMEOUT", 10),
        .retry_seconds = seconds("BERT_HUB_RETRY_SECONDS", 1),
    };
}

int bert_hub_endpoint(const char *given, char *out, size_t capacity, bert_error *e) {
    const char *value = given && *given ? given : variable("HF_ENDPOINT");
    if (!value) value = "https://huggingface.co";
    size_t n = strlen(value);
    while (n && value[n - 1] == '/') n--;
    const bool web = !strncasecmp(value, "https://", 8) || !strncasecmp(value, "http://", 7);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)value[i] <= ' ' || value[i] == 127) n = 0;
    if (!web || n < 8 || n >= capacity)
        return bert_fail(e, BERT_EINVAL,
                         "HF_ENDPOINT is an address like https://huggingface.co, not '%.100s'",
                         value);
    memcpy(out, value, n);
    out[n] = 0;
    return 0;
}

/* ---- The token */

/* Without line ends, and blanks around it. */
static int strip(const char *text, const char *where, char **token, bert_error *e) {
    char *copy = malloc(strlen(text) + 1), *to = copy;
    if (!copy) return bert_fail_memory(e, strlen(text) + 1);
    while (isspace((unsigned char)*text)) text++;
    for (; *text; text++)
        if (*text != '\r' && *text != '\n') *to++ = *text;
    while (to > copy && isspace((unsigned char)to[-1])) to--;
    *to = 0;
    for (const char *p = copy; *p; p++) {
        if ((unsigned char)*p > ' ' && (unsigned char)*p < 127) continue;
        free(copy);
        return bert_fail(e, BERT_EINVAL, "%s holds no token: a token has no blanks in it", where);
    }
    if (*copy)
        *token = copy;
    else
        free(copy);
    return 0;
}

static int read_token(const char *path, char **token, bert_error *e) {
    enum { LONGEST = 1 << 16 };
    char *text;
    size_t bytes;
    int rc = bert_read_file(path, LONGEST, &text, &bytes, e);
    if (rc) return rc;
    rc = strip(text, path, token, e);
    free(text);
    return rc;
}

int bert_hub_token(const char *given, const char *file, char **token, bert_error *e) {
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    *token = NULL;
    if (given) return strip(given, "the token that was given", token, e);
    if (file) {
        int rc = read_token(file, token, e);
        return rc || *token ? rc
                            : bert_fail(e, BERT_EINVAL, "%s holds no token: it is empty", file);
    }
    if (bert_hub_switch("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return 0;
    for (int i = 0; i < 2; i++) {
        const char *value = variable(names[i]);
        int rc = value ? strip(value, names[i], token, e) : 0;
        if (rc || *token) return rc;
    }
    const bert_place p = token_file();
    return *p.path && bert_file_exists(p.path) ? read_token(p.path, token, e) : 0;
}
