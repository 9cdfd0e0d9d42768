/* Which pictures there are: in class folders, in tables with columns of paths, in a list of paths. */
#include "base/directory.h"
#include "base/error.h"
#include "base/file.h"
#include "files/reader.h"
#include <bert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_VIEWS = 64, MOST_DEPTH = 8 };

/* Of a folder: where it is, and the class that it is of; -1: none. */
typedef struct {
    char *path;
    int32_t class_number;
} found;

struct bert_picture_reader {
    char *folder; /* what paths are relative to */
    char *file;   /* of the table */
    bert_reader *table;
    int column[MOST_VIEWS]; /* of the views */
    int views;
    char *path[MOST_VIEWS]; /* of the latest row */
    const char *label;
    found *at; /* [n] of folders */
    size_t n, capacity, next;
    char **classes;
    int32_t class_count;
};

/* ---- Folders */

static bool is_picture(const char *name) {
    static const char *const suffixes[] = {".png", ".jpg", ".jpeg", ".jpe", ".webp",
                                           ".gif", ".bmp", ".tif",  ".tiff"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (bert_file_has_suffix(name, suffixes[i])) return true;
    return false;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n) {
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
}

/* What is in a folder, in the order of its bytes; without what begins with a dot. */
static int list(const char *folder, char ***names, size_t *n, bert_error *e) {
    DIR *d = opendir(folder);
    *names = NULL;
    *n = 0;
    if (!d) return bert_fail(e, BERT_EIO, "%s: the folder cannot be read", folder);
    size_t capacity = 0;
    int rc = 0;
    for (struct dirent *f; !rc && (f = readdir(d));) {
        if (f->d_name[0] == '.') continue;
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            char **more = realloc(*names, capacity * sizeof *more);
            if (!more) {
                rc = bert_fail_memory(e, capacity * sizeof *more);
                break;
            }
            *names = more;
        }
        if (((*names)[*n] = strdup(f->d_name)))
            ++*n;
        else
            rc = bert_fail_memory(e, strlen(f->d_name));
    }
    closedir(d);
    if (*n) qsort(*names, *n, sizeof **names, by_name);
    return rc;
}

static int add_found(bert_picture_reader *r, char *path, int32_t class_number, bert_error *e) {
    if (r->n == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 256;
        found *more = realloc(r->at, capacity * sizeof *more);
        if (!more) {
            free(path);
            return bert_fail_memory(e, capacity * sizeof *more);
        }
        r->at = more;
        r->capacity = capacity;
    }
    r->at[r->n++] = (found){path, class_number};
    return 0;
}

static int walk(bert_picture_reader *r, const char *folder, int depth, int32_t class_number,
                bert_error *e);

/* An entry of a folder: a picture, or a folder; those at the top are classes. */
static int visit(bert_picture_reader *r, const char *folder, const char *name, int depth,
                 int32_t class_number, bert_error *e) {
    char *path = bert_path_join(folder, name);
    if (!path) return bert_fail_memory(e, strlen(folder));
    if (!bert_directory_exists(path)) {
        if (is_picture(name)) return add_found(r, path, class_number, e);
        free(path);
        return 0;
    }
    int rc = 0;
    if (!depth) {
        const size_t before = r->n;
        rc = walk(r, path, 1, r->class_count, e);
        char **more = rc || r->n == before
                          ? NULL
                          : realloc(r->classes, ((size_t)r->class_count + 1) * sizeof *r->classes);
        if (more) {
            r->classes = more;
            more[r->class_count++] = strdup(name);
        }
        if (!rc && r->n > before && (!more || !more[r->class_count - 1]))
            rc = bert_fail_memory(e, strlen(name));
    } else if (depth < MOST_DEPTH) {
        rc = walk(r, path, depth + 1, class_number, e);
    }
    free(path);
    return rc;
}

static int walk(bert_picture_reader *r, const char *folder, int depth, int32_t class_number,
                bert_error *e) {
    char **names;
    size_t n;
    int rc = list(folder, &names, &n, e);
    for (size_t i = 0; i < n && !rc; i++) rc = visit(r, folder, names[i], depth, class_number, e);
    free_names(names, n);
    return rc;
}

/* ---- Tables */

static int folder_of(bert_picture_reader *r, const char *path, bert_error *e) {
    const char *slash = strrchr(path, '/');
    r->folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
    r->file = strdup(strcmp(path, "-") ? path : "standard input");
    return r->folder && r->file ? 0 : bert_fail_memory(e, strlen(path));
}

static bert_reader *open_column(const char *path, const char *column,
                                const bert_picture_reader_options *o, bert_error *e) {
    const bert_reader_options ro = {.text_column = column,
                                    .pair_column = "none",
                                    .label_column = o->label_column,
                                    .labels = o->labels,
                                    .holds = "picture",
                                    .also = o->also};
    return bert_reader_open(path, &ro, e);
}

/* Where no column is named: the first of these that is there. */
static bert_reader *open_usual(const char *path, const bert_picture_reader_options *o,
                               const char **column, bert_error *e) {
    static const char *const usual[] = {"image",    "file_name", "image_path", "path",
                                        "filename", "file",      "image_file", "img"};
    const bert_picture_reader_options any = {.labels = false};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        bert_error none = {0};
        bert_reader *r = open_column(path, *column = usual[i], &any, &none);
        const bool there = r && bert_reader_column(r, usual[i]) >= 0;
        bert_reader_close(r);
        /* What is wrong with the labels, or the file, is said as it is. */
        if (there || (none.code && none.code != BERT_EINVAL) || !bert_file_exists(path))
            return open_column(path, usual[i], o, e);
    }
    bert_fail(
        e, BERT_EINVAL,
        "%s: which column has the pictures? None is called image, file_name, image_path, path, "
        "filename or file; --image-column NAME says it",
        path);
    return NULL;
}

/* "cc,mlo" */
static int find_views(bert_picture_reader *r, const char *path, const char *columns,
                      bert_error *e) {
    char *names = strdup(columns), *rest = names, *one;
    int rc = names ? 0 : bert_fail_memory(e, strlen(columns));
    while (!rc && (one = strsep(&rest, ","))) {
        int column = bert_reader_column(r->table, one);
        if (column < 0 && !bert_column_is_number(one, &column))
            rc = bert_fail(e, BERT_EINVAL, "%s: there is no column \"%.60s\" (--image-column)",
                           path, one);
        else if (r->views == MOST_VIEWS)
            rc = bert_fail(e, BERT_EINVAL, "%s: more than %d views", path, MOST_VIEWS);
        else
            r->column[r->views++] = column;
    }
    free(names);
    return rc;
}

static int open_table(bert_picture_reader *r, const char *path,
                      const bert_picture_reader_options *o, bert_error *e) {
    const char *columns = o->image_column;
    int rc = folder_of(r, path, e);
    if (rc) return rc;
    if ((bert_file_has_suffix(path, ".txt") || !strcmp(path, "-")) && !columns) {
        r->table = open_column(path, NULL, o, e);
        r->views = 1;
        r->column[0] = -1; /* the line */
        return r->table ? 0 : e->code;
    }
    if (columns) {
        char first[256], also[600];
        bert_picture_reader_options all = *o;
        snprintf(first, sizeof first, "%.*s", (int)strcspn(columns, ","), columns);
        snprintf(also, sizeof also, "%.300s,%.200s", columns, o->also ? o->also : "");
        all.also = also;
        r->table = open_column(path, first, &all, e);
    } else {
        r->table = open_usual(path, o, &columns, e);
    }
    return r->table ? find_views(r, path, columns, e) : e->code;
}

/* ---- Folders of splits */

static const char *const splits[][6] = {
    {"train", "training"}, {"validation", "valid", "val", "dev"}, {"test", "testing"}};

static const char *split_called(const char *name) {
    for (int i = 0; i < 3; i++)
        for (const char *const *p = splits[i]; *p; p++)
            if (!strcmp(*p, name)) return splits[i][0];
    return NULL;
}

/* Whether a folder has classes or a table in it, and so is no class itself. */
static bool has_rows(const char *folder) {
    char **names;
    size_t n;
    bert_error none = {0};
    bool rows = false;
    if (list(folder, &names, &n, &none)) n = 0;
    for (size_t i = 0; i < n && !rows; i++) {
        char *path = bert_path_join(folder, names[i]);
        rows = !strncmp(names[i], "metadata.", 9) || (path && bert_directory_exists(path));
        free(path);
    }
    free_names(names, n);
    return rows;
}

bool bert_picture_split(const char *path, const char *split, char *out, size_t capacity) {
    char **names = NULL;
    size_t n = 0;
    bert_error none = {0};
    bool train = false, all = bert_directory_exists(path) && !list(path, &names, &n, &none);
    int there = 0;
    *out = 0;
    for (size_t i = 0; i < n && all; i++) {
        char *one = bert_path_join(path, names[i]);
        const bool folder = one && bert_directory_exists(one);
        const char *called = folder ? split_called(names[i]) : NULL;
        all = !folder ? strncmp(names[i], "metadata.", 9) != 0 : called && has_rows(one);
        train |= called && !strcmp(called, "train");
        there += called != NULL;
        if (called && !strcmp(called, split) && !*out && strlen(one) < capacity) strcpy(out, one);
        free(one);
    }
    free_names(names, n);
    return all && train && there > 1 && *out;
}

/* ---- For everybody */

static int open_folder(bert_picture_reader *r, const char *path,
                       const bert_picture_reader_options *o, bert_error *e) {
    static const char *const tables[] = {"metadata.csv", "metadata.jsonl", "metadata.tsv"};
    for (int i = 0; i < 3; i++) {
        char *table = bert_path_join(path, tables[i]);
        const bool there = table && bert_file_exists(table);
        int rc = there ? open_table(r, table, o, e) : 0;
        free(table);
        if (there) return rc;
    }
    int rc = walk(r, path, 0, -1, e);
    if (!rc && !r->n)
        rc = bert_fail(e, BERT_EINVAL, "%s: there are no pictures in the folder", path);
    if (!rc && o->labels && !r->class_count)
        rc = bert_fail(e, BERT_EINVAL,
                       "%s: a folder for each class, with its pictures in it, is needed, or a "
                       "metadata.csv with a label",
                       path);
    for (size_t i = 0; !rc && o->labels && i < r->n; i++)
        if (r->at[i].class_number < 0)
            rc = bert_fail(e, BERT_EINVAL, "%s is in no folder of a class", r->at[i].path);
    return rc;
}

bert_picture_reader *bert_picture_reader_open(const char *path,
                                              const bert_picture_reader_options *options,
                                              bert_error *e) {
    BERT_DOOR(e);
    const bert_picture_reader_options o =
        options ? *options : (bert_picture_reader_options){.labels = false};
    if (bert_need(path, "folder or file of pictures", e)) return NULL;
    bert_picture_reader *r = calloc(1, sizeof *r);
    int rc = r ? 0 : bert_fail_memory(e, sizeof *r);
    if (!rc)
        rc = bert_directory_exists(path) ? open_folder(r, path, &o, e) : open_table(r, path, &o, e);
    if (!rc) return r;
    bert_picture_reader_close(r);
    return NULL;
}

void bert_picture_reader_close(bert_picture_reader *r) {
    if (!r) return;
    bert_reader_close(r->table);
    for (int i = 0; i < r->views; i++) free(r->path[i]);
    for (size_t i = 0; i < r->n; i++) free(r->at[i].path);
    for (int32_t i = 0; i < r->class_count; i++) free(r->classes[i]);
    free(r->at);
    free(r->classes);
    free(r->folder);
    free(r->file);
    free(r);
}

static int next_found(bert_picture_reader *r, bert_picture_row *row) {
    if (r->next == r->n) return 0;
    const found *f = &r->at[r->next++];
    r->label = f->class_number < 0 ? NULL : r->classes[f->class_number];
    *row = (bert_picture_row){.views = 1,
                              .path = (const char *const *)&f->path,
                              .labels = r->label != NULL,
                              .label = &r->label};
    return 1;
}

int bert_picture_reader_next(bert_picture_reader *r, bert_picture_row *row, bert_error *e) {
    BERT_DOOR(e);
    if (bert_need(r, "reader", e)) return BERT_EINVAL;
    if (!r->table) return next_found(r, row);
    bert_row from;
    int rc;
    do /* blank lines of a list are no pictures */
        if ((rc = bert_reader_next(r->table, &from, e)) != 1) return rc;
    while (r->column[0] < 0 && !*from.text.text);
    for (int i = 0; i < r->views; i++) {
        const char *field = r->column[i] < 0             ? from.text.text
                            : r->column[i] < from.fields ? from.field[r->column[i]]
                                                         : "";
        free(r->path[i]);
        r->path[i] = *field && *field != '/' ? bert_path_join(r->folder, field) : strdup(field);
        if (!r->path[i]) return bert_fail_memory(e, strlen(field));
    }
    *row = (bert_picture_row){.views = r->views,
                              .path = (const char *const *)r->path,
                              .labels = from.labels,
                              .label = from.label,
                              .label_is_list = from.label_is_list,
                              .fields = from.fields,
                              .field = from.field,
                              .line = from.line};
    return 1;
}

int bert_picture_reader_column(const bert_picture_reader *r, const char *name) {
    return r && r->table ? bert_reader_column(r->table, name) : -1;
}

const char *bert_picture_reader_table(const bert_picture_reader *r) {
    return r ? r->file : NULL;
}

const char *bert_picture_reader_note(const bert_picture_reader *r, int i) {
    return r && r->table ? bert_reader_note(r->table, i) : NULL;
}
