#include "files/weight_index.h"
#include "base/error.h"
#include "base/file.h"
#include "files/json.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_SHARDS = 10000 };

static int compare_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each once. */
static void sort(bert_weight_index *x) {
    const int n = x->count;
    qsort(x->files, (size_t)n, sizeof *x->files, compare_text);
    x->count = 0;
    for (int i = 0; i < n; i++)
        if (!x->count || strcmp(x->files[x->count - 1], x->files[i]))
            x->files[x->count++] = x->files[i];
}

static int read_files(bert_weight_index *x, const char *path, const char *suffix, bert_error *e) {
    const char *name;
    json_t *value;
    json_object_foreach(x->map, name, value) {
        const char *file = json_string_value(value);
        /* An index must not reach outside of its directory. */
        if (!file || !*file || strchr(file, '/'))
            return bert_fail(e, BERT_EFORMAT,
                             "%s: weight_map: %.200s: must be the name of a file beside it", path,
                             name);
        if (!bert_file_has_suffix(file, suffix))
            return bert_fail(e, BERT_EFORMAT, "%s: weight_map: %.200s: is in %.200s, no %s file",
                             path, name, file, suffix);
        x->files[x->count++] = file;
    }
    sort(x);
    if (x->count <= MAX_SHARDS) return 0;
    return bert_fail(e, BERT_EFORMAT, "%s: names %d files; at most %d", path, x->count, MAX_SHARDS);
}

int bert_weight_index_open(bert_weight_index *x, const char *path, const char *suffix,
                           bert_error *e) {
    x->json = bert_json_load(path, e);
    if (!x->json) return e->code;
    x->map = json_object_get(x->json, "weight_map");
    const size_t n = json_object_size(x->map);
    if (!n) return bert_fail(e, BERT_EFORMAT, "%s: weight_map is missing or empty", path);
    x->files = malloc(n * sizeof *x->files);
    return x->files ? read_files(x, path, suffix, e) : bert_fail_memory(e, n * sizeof *x->files);
}

void bert_weight_index_free(bert_weight_index *x) {
    free(x->files);
    json_decref(x->json);
    *x = (bert_weight_index){0};
}
