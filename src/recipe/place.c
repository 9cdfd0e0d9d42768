#include "recipe/place.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *blanks(const char *p) {
    return p + strspn(p, " \t\r\n");
}

/* Behind the string that begins at p. */
static const char *string_end(const char *p) {
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1]) p++;
    return *p ? p + 1 : p;
}

/* Behind the value that begins at p. */
static const char *value_end(const char *p) {
    int depth = 0;
    do {
        p = blanks(p);
        if (*p == '"') {
            p = string_end(p);
            continue;
        }
        if (*p == '{' || *p == '[') depth++;
        if (*p == '}' || *p == ']') depth--;
        const bool mark = strchr("{}[],:", *p) != NULL;
        if (*p) p += mark ? 1 : strcspn(p, "{}[],: \t\r\n\"");
    } while (*p && depth > 0);
    return p;
}

static bool is_key(const char *from, const char *to, const char *key) {
    json_t *s = json_loadb(from, (size_t)(to - from), JSON_DECODE_ANY, NULL);
    const bool same = json_is_string(s) && !strcmp(json_string_value(s), key);
    json_decref(s);
    return same;
}

/* Where the step's key or element begins, in *value its value; NULL: it is not in what begins at p. */
static const char *step_to(const char *p, const bert_json_place *step, const char **value) {
    if (*p != (step->key ? '{' : '[')) return NULL;
    p = blanks(p + 1);
    for (size_t i = 0; *p && *p != '}' && *p != ']'; i++) {
        const char *begin = p, *end = step->key ? string_end(p) : p;
        if (step->key) p = blanks(end);
        if (step->key && *p == ':') p = blanks(p + 1);
        *value = p;
        if (step->key ? is_key(begin, end, step->key) : i == step->index) return begin;
        p = blanks(value_end(p));
        if (*p == ',') p = blanks(p + 1);
    }
    return NULL;
}

static int line_of(const char *text, const char *p) {
    int line = 1;
    for (; text < p; text++) line += *text == '\n';
    return line;
}

/* *value: where it begins; NULL: it is not there. Returns where its key begins, or what is around it. */
static const char *find(const char *text, const bert_json_place *at, const char **value) {
    if (!at) return *value = blanks(text);
    const char *around = find(text, at->up, value);
    const char *found = *value ? step_to(*value, at, value) : NULL;
    if (!found) *value = NULL;
    return found ? found : around;
}

int bert_json_place_line(const char *text, const bert_json_place *at) {
    const char *value;
    return line_of(text, find(text, at, &value));
}

size_t bert_json_place_name(const bert_json_place *at, char *out, size_t capacity) {
    if (!at) {
        *out = 0;
        return 0;
    }
    size_t n = bert_json_place_name(at->up, out, capacity);
    if (n + 1 >= capacity) return n;
    const int more = at->key ? snprintf(out + n, capacity - n, "%s%.60s", n ? "." : "", at->key)
                             : snprintf(out + n, capacity - n, "[%zu]", at->index);
    n += (size_t)more;
    return n < capacity ? n : capacity - 1;
}
