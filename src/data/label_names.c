#include "data/label_names.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include "files/utf8.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST = 1 << 20, LARGEST_FILE = 64 << 20, UNUSUAL = 100 };

/* Names as they are found; they belong to what they were found in. */
typedef struct {
    const char **name;
    size_t n, capacity;
} list;

static int add(list *l, const char *name, const char *where, bert_error *e) {
    if (!name || !*name)
        return bert_fail(e, BERT_EFORMAT, "%s: the name of label %zu is empty or no text", where,
                         l->n);
    if (l->n == MOST) return bert_fail(e, BERT_EFORMAT, "%s: more than %d names", where, MOST);
    if (l->n == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 64;
        const char **larger = realloc(l->name, capacity * sizeof *larger);
        if (!larger) return bert_fail_memory(e, capacity * sizeof *larger);
        l->name = larger;
        l->capacity = capacity;
    }
    l->name[l->n++] = name;
    return 0;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name that is there twice would be one class of two numbers. */
static int check(const list *l, const char *where, bert_error *e) {
    const char **sorted = malloc((l->n + 1) * sizeof *sorted);
    int rc = sorted ? 0 : bert_fail_memory(e, l->n * sizeof *sorted);
    if (!rc && !l->n) rc = bert_fail(e, BERT_EFORMAT, "%s: holds no names of labels", where);
    if (!rc) memcpy(sorted, l->name, l->n * sizeof *sorted);
    if (!rc) qsort(sorted, l->n, sizeof *sorted, compare);
    for (size_t i = 1; i < l->n && !rc; i++)
        if (!strcmp(sorted[i - 1], sorted[i]))
            rc = bert_fail(e, BERT_EFORMAT, "%s: the name \"%.60s\" is there twice", where,
                           sorted[i]);
    free(sorted);
    return rc;
}

/* ---- "a,b,c", and a name a line */

static char *trim(char *s) {
    while (*s == ' ' || *s == '\t') s++;
    size_t n = strlen(s);
    while (n && strchr(" \t\r", s[n - 1])) s[--n] = 0;
    return s;
}

static int split(char *text, const char *separator, list *l, const char *where, bert_error *e) {
    int rc = 0;
    for (char *part; !rc && (part = strsep(&text, separator));) {
        char *name = trim(part);
        /* Only the last line may be empty. */
        if (*name || *separator == ',' || (text && text[strspn(text, " \t\r\n")]))
            rc = add(l, name, where, e);
    }
    return rc;
}

/* ---- JSON */

/* datasets' features that are classes. */
typedef struct {
    const char *column, *found; /* column: wanted, or NULL */
    const json_t *names;
    char seen[200]; /* the columns, for messages */
    int n;
} features;

/* How good a column is: the wanted one, then those that are usually the label. */
static size_t rank_of(const features *f, const char *column) {
    static const char *const usual[] = {"label", "labels", "ner_tags", "tags", "pos_tags"};
    enum { USUAL = sizeof usual / sizeof *usual };
    if (f->column && !strcmp(f->column, column)) return 0;
    size_t i = 0;
    while (i < USUAL && strcmp(usual[i], column)) i++;
    return i < USUAL ? i + 1 : UNUSUAL;
}

static void offer(features *f, const char *column, const json_t *names, bool *clash) {
    if (f->names && !strcmp(f->found, column)) {
        *clash |= !json_equal(f->names, names);
        return;
    }
    size_t used = strlen(f->seen);
    snprintf(f->seen + used, sizeof f->seen - used, "%s%s", f->n++ ? ", " : "", column);
    if (f->names && rank_of(f, column) >= rank_of(f, f->found)) return;
    f->found = column;
    f->names = names;
}

/* Features lie at any depth: in configurations, in splits, in sequences of them. */
static void walk(features *f, const char *column, const json_t *value, int depth, bool *clash) {
    const char *key, *type = json_string_value(json_object_get(value, "_type"));
    const json_t *names = json_object_get(value, "names");
    json_t *member;
    if (type && !strcmp(type, "ClassLabel") && json_is_array(names)) {
        offer(f, column, names, clash);
        return;
    }
    if (depth > 16) return;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        if (json_is_object(member))
            walk(f, strcmp(key, "feature") ? key : column, member, depth + 1, clash);
    }
}

static int add_array(const json_t *names, list *l, const char *where, bert_error *e) {
    int rc = 0;
    for (size_t i = 0; i < json_array_size(names) && !rc; i++)
        rc = add(l, json_string_value(json_array_get(names, i)), where, e);
    return rc;
}

/* {"0": "a", "1": "b"} or, with numbers for values, {"a": 0, "b": 1}. */
static bool is_map(const json_t *map) {
    const char *key;
    json_t *value;
    bool texts = true, numbers = true;
    json_object_foreach((json_t *)(uintptr_t)map, key, value) {
        texts &= json_is_string(value) && strspn(key, "0123456789") == strlen(key);
        numbers &= json_is_integer(value);
    }
    return json_object_size(map) && (texts || numbers);
}

static int add_map(const json_t *map, list *l, const char *where, bert_error *e) {
    const size_t n = json_object_size(map);
    const char *key;
    json_t *value;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) rc = add(l, "?", where, e);
    for (size_t i = 0; i < n && !rc; i++) l->name[i] = NULL;
    json_object_foreach((json_t *)(uintptr_t)map, key, value) {
        const bool text = json_is_string(value);
        const json_int_t at = text ? strtol(key, NULL, 10) : json_integer_value(value);
        if (rc || at < 0 || at >= (json_int_t)n || l->name[at]) continue;
        l->name[at] = text ? json_string_value(value) : key;
    }
    for (size_t i = 0; i < n && !rc; i++)
        if (!l->name[i] || !*l->name[i])
            rc = bert_fail(e, BERT_EFORMAT, "%s: label %zu of %zu has no name", where, i, n);
    return rc;
}

static int add_features(const json_t *json, const char *column, list *l, const char *where,
                        bert_error *e) {
    features f = {.column = column};
    bool clash = false;
    walk(&f, "label", json, 0, &clash);
    if (!f.names)
        return bert_fail(
            e, BERT_EFORMAT,
            "%s: holds no names of labels: neither a list, nor id2label, nor a feature "
            "of type ClassLabel",
            where);
    if (f.n > 1 && (column ? rank_of(&f, f.found) : rank_of(&f, f.found) == UNUSUAL))
        return bert_fail(e, BERT_EINVAL,
                         "%s: holds the names of several columns, %s: label_column says which",
                         where, f.seen);
    if (clash)
        return bert_fail(e, BERT_EINVAL, "%s: several data sets name the classes of %s differently",
                         where, f.found);
    return add_array(f.names, l, where, e);
}

static int add_json(const json_t *json, const char *column, list *l, const char *where,
                    bert_error *e) {
    static const char *const maps[] = {"id2label", "label2id"};
    if (json_is_array(json)) return add_array(json, l, where, e);
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        if (is_map(json_object_get(json, maps[i])))
            return add_map(json_object_get(json, maps[i]), l, where, e);
    if (is_map(json)) return add_map(json, l, where, e);
    return add_features(json, column, l, where, e);
}

/* ---- Where they are */

/* The file that is meant by a directory, or a copy of the path; NULL: out of memory. */
static char *file_of(const char *path) {
    static const char *const inside[] = {"dataset_info.json", "config.json"};
    struct stat s;
    if (stat(path, &s) || !S_ISDIR(s.st_mode)) return strdup(path);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        char *file = bert_path_join(path, inside[i]);
        if (!file || bert_file_exists(file)) return file;
        free(file);
    }
    return strdup(path);
}

static bool is_json(const char *path, const char *text) {
    return bert_file_has_suffix(path, ".json") || text[strspn(text, " \t\r\n")] == '{';
}

static int read_file(const char *path, const char *column, bert_labels *out, bert_error *e) {
    list l = {0};
    char *text = NULL;
    size_t n;
    json_t *json = NULL;
    int rc = bert_read_file(path, LARGEST_FILE, &text, &n, e);
    if (!rc && (!bert_utf8_valid(text, n) || memchr(text, 0, n)))
        rc = bert_fail(e, BERT_EFORMAT, "%s: is not UTF-8 text", path);
    if (!rc && is_json(path, text)) {
        json = bert_json_parse(text, n, path, e);
        rc = json ? add_json(json, column, &l, path, e) : e->code;
    } else if (!rc) {
        const bool mark = n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3);
        rc = split(text + (mark ? 3 : 0), "\n", &l, path, e);
    }
    if (!rc) rc = check(&l, path, e);
    if (!rc) rc = bert_labels_set(out, (int32_t)l.n, l.name, e);
    json_decref(json);
    free(l.name);
    free(text);
    return rc;
}

static int read_text(const char *from, bert_labels *out, bert_error *e) {
    static const char where[] = "label_names";
    list l = {0};
    char *copy = strdup(from);
    int rc = copy ? split(copy, ",", &l, where, e) : bert_fail_memory(e, strlen(from));
    if (!rc) rc = check(&l, where, e);
    if (!rc) rc = bert_labels_set(out, (int32_t)l.n, l.name, e);
    free(l.name);
    free(copy);
    return rc;
}

int bert_label_names_read(const char *from, const char *column, bert_labels *out, bert_error *e) {
    char *path = file_of(from);
    if (!path) return bert_fail_memory(e, strlen(from));
    int rc;
    if (!bert_file_exists(path) && !strchr(from, ','))
        rc = bert_fail(e, BERT_ENOTFOUND,
                       "label_names \"%.200s\": there is no such file; names are \"a,b,c\" or a "
                       "file of them",
                       from);
    else
        rc = bert_file_exists(path) ? read_file(path, column, out, e) : read_text(from, out, e);
    free(path);
    return rc;
}
