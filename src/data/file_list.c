#include "data/file_list.h"
#include "base/error.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bert_file_list_add(bert_file_list *l, const char *path, bert_error *e) {
    char **larger = realloc(l->path, ((size_t)l->n + 1) * sizeof *larger);
    if (larger) l->path = larger;
    if (!larger || !(l->path[l->n] = strdup(path))) return bert_fail_memory(e, strlen(path));
    l->n++;
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_pattern(bert_file_list *l, const char *pattern, bert_error *e) {
    glob_t found;
    const int first = l->n, failed = glob(pattern, GLOB_NOSORT, NULL, &found);
    int rc = 0;
    if (failed == GLOB_NOMATCH)
        return bert_fail(e, BERT_ENOTFOUND, "%s: no file fits this pattern", pattern);
    if (failed) return bert_fail(e, BERT_EIO, "%s: cannot look for files of this pattern", pattern);
    for (size_t i = 0; i < found.gl_pathc && !rc; i++)
        rc = bert_file_list_add(l, found.gl_pathv[i], e);
    globfree(&found);
    /* not as glob() does it, which goes by the locale */
    if (!rc) qsort(l->path + first, (size_t)(l->n - first), sizeof *l->path, by_name);
    return rc;
}

static int add_name(bert_file_list *l, const char *name, bert_error *e) {
    return strpbrk(name, "*?[") && access(name, F_OK) ? add_pattern(l, name, e)
                                                      : bert_file_list_add(l, name, e);
}

int bert_file_list_make(bert_file_list *l, const char *path, const char *const *more,
                        bert_error *e) {
    int rc = add_name(l, path, e);
    for (int i = 0; more && more[i] && !rc; i++) rc = add_name(l, more[i], e);
    return rc;
}

void bert_file_list_free(bert_file_list *l) {
    for (int i = 0; i < l->n; i++) free(l->path[i]);
    free(l->path);
    *l = (bert_file_list){0};
}
