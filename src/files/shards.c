#include "files/shards.h"
#include "base/error.h"
#include "files/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64 };

static void name_of(int file, int files, char out[NAME]) {
    if (files == 1)
        snprintf(out, NAME, "model.safetensors");
    else
        snprintf(out, NAME, "model-%05d-of-%05d.safetensors", file + 1, files);
}

/* first[i]: the first tensor of file i, up to first[files] = n. Returns files. */
static int cut(const bert_safetensors_content *c, int64_t max, int *first) {
    int files = 0;
    int64_t bytes = 0;
    for (int i = 0; i < c->n; i++) {
        const int64_t more = (int64_t)c->tensors[i].bytes;
        if (!files || (bytes && more > max - bytes)) {
            first[files++] = i;
            bytes = 0;
        }
        bytes += more;
    }
    if (!files) first[files++] = 0;
    first[files] = c->n;
    return files;
}

/* Wider elements first, so that each lies at a multiple of its size. */
static void align(bert_stored_tensor *list, int n) {
    for (int i = 1; i < n; i++) {
        const bert_stored_tensor t = list[i];
        int at = i;
        for (; at && bert_dtype_size(list[at - 1].dtype) < bert_dtype_size(t.dtype); at--)
            list[at] = list[at - 1];
        list[at] = t;
    }
}

static int write_file(const char *directory, const bert_safetensors_content *c, const char *name,
                      bert_stored_tensor *list, int n, bert_error *e) {
    char *path = bert_path_join(directory, name);
    if (!path) return bert_fail_memory(e, strlen(directory));
    align(list, n);
    bert_safetensors_content part = *c;
    part.tensors = list;
    part.n = n;
    int rc = bert_safetensors_write(path, &part, e);
    free(path);
    return rc;
}

static int write_index(const char *directory, const bert_safetensors_content *c, const int *first,
                       int files, bert_error *e) {
    json_t *map = json_object();
    json_int_t bytes = 0, numbers = 0;
    bool bad = !map;
    for (int file = 0; file < files; file++) {
        char name[NAME];
        name_of(file, files, name);
        for (int i = first[file]; i < first[file + 1] && !bad; i++) {
            const bert_stored_tensor *t = &c->tensors[i];
            bytes += (json_int_t)t->bytes;
            numbers += (json_int_t)(t->bytes / bert_dtype_size(t->dtype));
            bad = json_object_set_new(map, t->name, json_string(name)) != 0;
        }
    }
    json_t *index = json_pack("{s:{s:I, s:I}, s:o}", "metadata", "total_parameters", numbers,
                              "total_size", bytes, "weight_map", map);
    char *path = bert_path_join(directory, "model.safetensors.index.json");
    int rc = bad || !index || !path ? bert_fail_memory(e, strlen(directory))
                                    : bert_json_save(index, path, e);
    free(path);
    json_decref(index);
    return rc;
}

int bert_shards_write(const char *directory, const bert_safetensors_content *c, int64_t max,
                      int *files, bert_error *e) {
    const size_t n = (size_t)c->n + 2;
    int *first = malloc(n * sizeof *first);
    bert_stored_tensor *list = malloc(n * sizeof *list);
    int rc = first && list ? 0 : bert_fail_memory(e, n * sizeof *list);
    *files = rc ? 0 : cut(c, max, first);
    for (int file = 0; file < *files && !rc; file++) {
        char name[NAME];
        const int count = first[file + 1] - first[file];
        name_of(file, *files, name);
        if (count) memcpy(list, c->tensors + first[file], (size_t)count * sizeof *list);
        rc = write_file(directory, c, name, list, count, e);
    }
    if (!rc && *files > 1) rc = write_index(directory, c, first, *files, e);
    free(first);
    free(list);
    return rc;
}
